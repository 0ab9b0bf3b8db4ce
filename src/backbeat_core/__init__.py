"""The rules of replication, responses and access, and the queues between them, as pure code behind six ports."""

from backbeat_core.access import Access, AllowList
from backbeat_core.domain.arming import Operation, arm
from backbeat_core.domain.configuration import Endpoint, LocationConstraint, ReplicationConfiguration, Rule
from backbeat_core.domain.configuration_xml import parse_configuration, to_xml
from backbeat_core.domain.entry import ObjectEntry, decode_entry, retry_entry, status_entry
from backbeat_core.domain.headers import HeadStatus, head_headers
from backbeat_core.domain.info import Backend, ReplicationInfo
from backbeat_core.domain.selection import LogEntry, select
from backbeat_core.domain.status import Status, combine, derive
from backbeat_core.errors import (
    BackbeatError,
    Conflict,
    Denied,
    Fenced,
    InvalidConfiguration,
    InvalidDocument,
    InvalidInput,
    NotFound,
    Unavailable,
    UndecodableEntry,
)
from backbeat_core.ports.cache import Cache
from backbeat_core.ports.clock import Clock
from backbeat_core.ports.coordinator import Coordinator
from backbeat_core.ports.location import Location
from backbeat_core.ports.queue import Queue
from backbeat_core.ports.store import Store

__all__ = [
    "Access",
    "AllowList",
    "BackbeatError",
    "Backend",
    "Cache",
    "Clock",
    "Conflict",
    "Coordinator",
    "Denied",
    "Endpoint",
    "Fenced",
    "HeadStatus",
    "InvalidConfiguration",
    "InvalidDocument",
    "InvalidInput",
    "Location",
    "LocationConstraint",
    "LogEntry",
    "NotFound",
    "ObjectEntry",
    "Operation",
    "Queue",
    "ReplicationConfiguration",
    "ReplicationInfo",
    "Rule",
    "Status",
    "Store",
    "Unavailable",
    "UndecodableEntry",
    "arm",
    "combine",
    "decode_entry",
    "derive",
    "head_headers",
    "parse_configuration",
    "retry_entry",
    "select",
    "status_entry",
    "to_xml",
]
