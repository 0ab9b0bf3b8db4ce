"""Replication to one site: what becomes of an entry, and how its version gets there."""

from backbeat_core.services.replicate.copier import Copier, Sources, Work, attributes_of
from backbeat_core.services.replicate.replicator import Replicator, sites_of
from backbeat_core.services.replicate.settings import ReplicateSettings

__all__ = ["Copier", "ReplicateSettings", "Replicator", "Sources", "Work", "attributes_of", "sites_of"]
