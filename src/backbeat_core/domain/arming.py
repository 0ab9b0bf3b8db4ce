"""Arming: what a write at the source puts into `replicationInfo`, so that the object is replicated (2.2, 2.3)."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from backbeat_core.domain.configuration import (
    AWS_CLASSES,
    Endpoint,
    LocationConstraint,
    ReplicationConfiguration,
    Rule,
    StorageClass,
    default_endpoint,
)
from backbeat_core.domain.info import Backend, ReplicationInfo
from backbeat_core.domain.status import Status

DATA: Final = "DATA"
METADATA: Final = "METADATA"


class Operation(enum.Enum):
    """What is done to an object, as far as replication tells operations apart (2.3)."""

    PUT_OBJECT = "put object"
    COPY_OBJECT = "copy object"
    COMPLETE_MPU = "complete multipart upload"
    PUT_DELETE_MARKER = "delete without version id"
    DELETE_VERSION = "delete with version id"
    PUT_TAGGING = "put object tagging"
    DELETE_TAGGING = "delete object tagging"
    PUT_RETENTION = "put retention"
    PUT_LEGAL_HOLD = "put legal hold"
    PUT_ACL = "put ACL"
    RESTORE = "restore or overwrite in place"
    TRANSITION = "lifecycle transition"
    WRITE_STATUS = "write of a replication status"
    WRITE_REPLICA = "write of a replica by the replication service"


@attrs.frozen
class Arms:
    """
    How an operation arms replication.

    *metadata_only* says that no data is to be moved, *tag* is added to the content where a cloud is among
    the targets, *keeps_version* says that the operation changes a version that targets may know already.
    """

    metadata_only: bool
    tag: str = ""
    keeps_version: bool = False


# The table of 2.3; an operation that is not in it leaves the document as it stands.
ARMING: Final[Mapping[Operation, Arms]] = {
    Operation.PUT_OBJECT: Arms(metadata_only=False),
    Operation.COPY_OBJECT: Arms(metadata_only=False),
    Operation.COMPLETE_MPU: Arms(metadata_only=False, tag="MPU"),
    Operation.PUT_DELETE_MARKER: Arms(metadata_only=True),
    Operation.PUT_TAGGING: Arms(metadata_only=True, tag="PUT_TAGGING", keeps_version=True),
    Operation.DELETE_TAGGING: Arms(metadata_only=True, tag="DELETE_TAGGING", keeps_version=True),
    Operation.PUT_RETENTION: Arms(metadata_only=True, tag="PUT_RETENTION", keeps_version=True),
    Operation.PUT_LEGAL_HOLD: Arms(metadata_only=True, tag="PUT_LEGAL_HOLD", keeps_version=True),
}

# The internal accounts, by the last part of their canonical id, and whether what they write is replicated.
SERVICE_ACCOUNTS: Final[Mapping[str, bool]] = {
    "replication": False,
    "lifecycle": False,
    "gc": False,
    "md-ingestion": True,
}


def arm(
    operation: Operation,
    *,
    key: str,
    size: int | None = None,
    configuration: ReplicationConfiguration | None,
    endpoints: Sequence[Endpoint],
    locations: Mapping[str, LocationConstraint],
    previous: ReplicationInfo | None = None,
    requester: str | None = None,
    is_nfs: bool = False,
) -> ReplicationInfo | None:
    """
    Return the document that *operation* stores with the object, None where it arms nothing.

    None leaves a new version at the default document and an existing one at the document it has. *size*
    is in bytes, None where it is not known. *previous* is the document of the version that is changed or
    overwritten in place: its generation is the one before (ST-30), and an operation on metadata keeps the
    rest of it. *requester* is the canonical id of whoever asked.
    """
    row = ARMING.get(operation)
    if row is None or configuration is None or not may_replicate(requester):
        return None
    armed = document(
        configuration,
        key=key,
        content=_content(row.metadata_only or size == 0),
        tag=row.tag,
        endpoints=endpoints,
        locations=locations,
        previous=previous if row.keeps_version else None,
        is_nfs=is_nfs,
    )
    if armed is None:
        return None
    return attrs.evolve(armed, generation=1 + (previous.generation if previous else 0))


def may_replicate(requester: str | None) -> bool:
    """Return whether what *requester* writes is replicated: all but some internal accounts' (RI-2)."""
    return requester is None or SERVICE_ACCOUNTS.get(requester.rpartition("/")[2], True)


def document(
    configuration: ReplicationConfiguration,
    *,
    key: str,
    content: tuple[str, ...],
    tag: str = "",
    endpoints: Sequence[Endpoint],
    locations: Mapping[str, LocationConstraint],
    previous: ReplicationInfo | None = None,
    is_nfs: bool = False,
) -> ReplicationInfo | None:
    """
    Return the PENDING document of an object that *configuration* replicates, None where it does not.

    This is `arm` for whoever knows the content by other means, such as out-of-band ingestion; the
    generation is left at that of *previous*.
    """
    rule = configuration.matching(key)
    if rule is None:
        return None
    classes = targets(rule, endpoints)
    if not classes:
        return None
    types = [
        location.type
        for item in classes
        if (location := locations.get(item.site)) is not None and location.is_cloud
    ]
    return attrs.evolve(
        previous or ReplicationInfo(),
        status=Status.PENDING,
        backends=tuple(_backend(item.site, previous) for item in classes),
        content=(*content, tag) if tag and types else content,
        destination=configuration.destination,
        storage_class=",".join(map(str, classes)),
        role=configuration.role,
        storage_type=",".join(types),
        is_nfs=is_nfs,
    )


def targets(rule: Rule, endpoints: Sequence[Endpoint]) -> tuple[StorageClass, ...]:
    """
    Return the sites of *rule*, each once, in its order (RI-4).

    A rule without a storage class, and an AWS class in one, mean the default endpoint; nothing at all is
    replicated where there is none.
    """
    default = default_endpoint(endpoints)
    preferred: dict[str, bool] = {}
    for item in rule.classes or (StorageClass("STANDARD"),):
        if item.site in AWS_CLASSES:
            if default is None:
                continue
            item = attrs.evolve(item, site=default.site)
        preferred[item.site] = preferred.get(item.site, False) or item.preferred_read
    return tuple(StorageClass(site, preferred_read) for site, preferred_read in preferred.items())


def _content(metadata_only: bool) -> tuple[str, ...]:
    return (METADATA,) if metadata_only else (DATA, METADATA)


def _backend(site: str, previous: ReplicationInfo | None) -> Backend:
    known = previous.backend(site) if previous else None
    # The version at the target is still the one to tag or to read from (RI-5, ST-12).
    return Backend(site) if known is None else attrs.evolve(known, status=Status.PENDING)
