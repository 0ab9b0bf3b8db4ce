"""What a message of the replication topics says: its codec, and the entries that are made from one."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Final, TypeAlias

import attrs

from backbeat_core.domain import metadata as md
from backbeat_core.domain import version_id as version_ids
from backbeat_core.domain import wire
from backbeat_core.domain.codec import Kind, optional, parse_json, parse_object, present
from backbeat_core.domain.info import Backend, ReplicationInfo
from backbeat_core.domain.metadata import Document, Json
from backbeat_core.domain.object_model import completed
from backbeat_core.domain.status import REPORT_ORIGIN_OP, Status, derive
from backbeat_core.errors import InvalidDocument, UndecodableEntry

USERS_BUCKET: Final = "users..bucket"
"""The bucket whose records say who owns which bucket; also the message key of those records."""

_OWNER_SEPARATOR: Final = "..|.."


@attrs.frozen(slots=False)
class ObjectEntry:
    """
    One version of one object that something is to be done about.

    *key* is the versioned key, without the prefix of key format v1. *site* is the target that the entry
    concerns, None for all that are listed. *replay_count* is how many replays are left, None before the
    first failure. *type* and *overhead* are set only in what the populator publishes.
    """

    bucket: str
    key: str
    metadata: Document
    site: str | None = None
    replay_count: int | None = None
    account_id: str | None = None
    ignore: bool = False
    workflow_id: str | None = None
    workflow_version: Json = None
    node_id: str | None = None
    unique_id: str | None = None
    type: str | None = None
    overhead: Document | None = None

    @property
    def object_key(self) -> str:
        """The key without its version."""
        return md.split_key(self.key)[0]

    @property
    def version_id(self) -> str | None:
        """The internal version id of the metadata, None where there is none."""
        return md.version_id(self.metadata)

    @property
    def encoded_version_id(self) -> str | None:
        """The version id as clients know it; `null` for itself, None where there is none."""
        internal = self.version_id
        return internal if internal in (None, version_ids.NULL) else version_ids.encode(internal)

    @property
    def stored_key(self) -> str:
        """
        The key that this version's metadata is stored under, without the prefix of key format v1.

        The entries that a retry makes name the object and leave the version to the metadata.
        """
        internal = self.version_id
        if not md.is_master_key(self.key) or internal in (None, version_ids.NULL):
            return self.key
        return self.key if stands_alone(self.metadata) else md.join_key(self.key, internal)

    @functools.cached_property
    def info(self) -> ReplicationInfo:
        """
        The replication information of the metadata; an entry that was decoded always has it.

        Raises InvalidDocument for metadata that somebody else handed in and that is not of that shape.
        """
        return _info(self.metadata)

    @property
    def ordering_key(self) -> str:
        """What entries are done one after the other for: bucket and object, all versions of it (PL-20)."""
        return f"{self.bucket}/{self.object_key}"

    @property
    def message_key(self) -> bytes:
        """The key of the message, so that all versions of an object share a partition (3.1)."""
        return wire.percent_encode(self.ordering_key).encode("ascii")

    @property
    def log_info(self) -> dict[str, Json]:
        """What a log line should say about the entry; absent members are left out."""
        members = {
            "bucket": self.bucket,
            "objectKey": self.object_key,
            "versionId": self.version_id,
            "isDeleteMarker": md.is_delete_marker(self.metadata),
            "workflowId": self.workflow_id,
            "workflowVersion": self.workflow_version,
            "nodeId": self.node_id,
            "uniqueId": self.unique_id,
            "ignore": self.ignore,
        }
        return {name: value for name, value in members.items() if value is not None}

    def with_info(self, info: ReplicationInfo) -> ObjectEntry:
        """Return the entry with *info* as its replication information, and nothing else changed."""
        return attrs.evolve(self, metadata={**self.metadata, "replicationInfo": info.to_document()})

    def encode(self) -> bytes:
        """
        Return the message value.

        What came from the populator is written as the populator writes it (queue-and-wire 3.2.1), all
        else in the form of 3.2.2, its metadata with every member of the model, or none if it is to be
        ignored.
        """
        return wire.encode(self._published() if self.type is not None else self._produced())

    def _published(self) -> dict[str, Json]:
        message: dict[str, Json] = {
            "type": self.type,
            "bucket": self.bucket,
            "key": self.key,
            "value": wire.dumps(self.metadata),
        }
        if self.overhead is not None:
            message["overheadFields"] = self.overhead
        message.update(self._members())
        if self.ignore:
            message["ignore"] = True
        if self.account_id is not None:
            message["accountId"] = self.account_id
        return message

    def _produced(self) -> dict[str, Json]:
        members = self._members()
        replay_count = members.pop("replayCount", None)
        message = {
            "bucket": self.bucket,
            "key": self.key,
            "value": "{}" if self.ignore else wire.dumps(completed(self.metadata)),
            **members,
            "ignore": self.ignore,
        }
        if replay_count is not None:
            message["replayCount"] = replay_count
        message["accountId"] = self.account_id
        return message

    def _members(self) -> dict[str, Json]:
        members = {
            "site": self.site,
            "workflowId": self.workflow_id,
            "workflowVersion": self.workflow_version,
            "nodeId": self.node_id,
            "uniqueId": self.unique_id,
            "replayCount": self.replay_count,
        }
        return {name: value for name, value in members.items() if value is not None}


@attrs.frozen
class Skip:
    """A record that is no work and no error either: it is only committed. *reason* is for the log."""

    reason: str


@attrs.frozen
class DeleteEntry:
    """An object or version that was deleted at the source; replication ignores it (3.3)."""

    bucket: str
    key: str

    @property
    def object_key(self) -> str:
        """The key without its version."""
        return md.split_key(self.key)[0]


@attrs.frozen
class BucketEntry:
    """A bucket and its owner, from the users bucket; replication ignores it (PL-3)."""

    owner: str
    bucket: str
    value: Json = None


@attrs.frozen
class BucketMetadataEntry:
    """The metadata of a bucket; replication ignores it (3.3)."""

    bucket: str
    value: Document


def skipped(record: Document) -> Skip | None:
    """Return why a record of any topic is no work: older writers left it there (queue-and-wire 1.15)."""
    if record.get("bootstrapId"):
        return Skip("bootstrap")
    return Skip("canary") if record.get("canary") else None


Entry: TypeAlias = ObjectEntry | Skip | DeleteEntry | BucketEntry | BucketMetadataEntry


def stands_alone(metadata: Document) -> bool:
    """
    Return whether metadata under a key without a version is the only record of its version (PL-1.4).

    It is not when it is the copy of the newest version that a master key keeps.
    """
    info = metadata.get("replicationInfo")
    is_nfs = isinstance(info, Mapping) and bool(info.get("isNFS"))
    return "versionId" not in metadata or md.is_null_version(metadata) or is_nfs


def decode_entry(value: bytes, *, topic: str = "", partition: int = -1, offset: int = -1) -> Entry:
    """
    Return what a message of the replication, status or replay topics says.

    *topic*, *partition* and *offset* say where the message stands and are told by the error. Members that
    are not known, and the `v` of newer writers, are ignored. Canary and bootstrap records are a Skip.
    Whatever the bytes, nothing but UndecodableEntry is raised.
    """
    try:
        return _decode(value)
    except ValueError as error:
        raise UndecodableEntry(str(error), topic, partition, offset) from None
    except InvalidDocument as error:
        raise UndecodableEntry(error.description, topic, partition, offset) from None


def _decode(value: bytes) -> Entry:
    record = parse_object(value)
    skip = skipped(record)
    if skip is not None:
        return skip
    bucket = record.get("bucket")
    if record.get("type") == "del":
        return DeleteEntry(present(bucket, Kind.TEXT, "bucket"), present(record.get("key"), Kind.TEXT, "key"))
    if bucket == USERS_BUCKET:
        return _bucket_entry(record)
    text = record.get("value")
    if not text:
        raise ValueError("unknown entry format: no value")
    metadata = parse_object(present(text, Kind.TEXT, "value"), "value")
    if metadata.get("mdBucketModelVersion"):
        return BucketMetadataEntry(present(metadata.get("name"), Kind.TEXT, "bucket name"), metadata)
    if metadata.get("attributes"):
        attributes = parse_object(present(metadata["attributes"], Kind.TEXT, "attributes"), "attributes")
        return BucketMetadataEntry(present(attributes.get("name"), Kind.TEXT, "bucket name"), attributes)
    return _object_entry(record, metadata)


def _object_entry(record: Document, metadata: Document) -> ObjectEntry:
    entry = ObjectEntry(
        bucket=present(record.get("bucket"), Kind.TEXT, "bucket"),
        key=present(record.get("key"), Kind.TEXT, "key"),
        metadata=metadata,
        site=optional(record, Kind.TEXT, "site"),
        replay_count=optional(record, Kind.COUNT, "replayCount"),
        account_id=optional(record, Kind.TEXT, "accountId"),
        ignore=bool(record.get("ignore")),
        workflow_id=optional(record, Kind.TEXT, "workflowId"),
        workflow_version=record.get("workflowVersion"),
        node_id=optional(record, Kind.TEXT, "nodeId"),
        unique_id=optional(record, Kind.TEXT, "uniqueId"),
        type=optional(record, Kind.TEXT, "type"),
        overhead=optional(record, Kind.OBJECT, "overheadFields"),
    )
    entry.info  # read now, so that nobody finds out in the middle of the work that it cannot be  # noqa: B018
    return entry


def _bucket_entry(record: Document) -> BucketEntry:
    owner, separator, bucket = present(record.get("key"), Kind.TEXT, "key").partition(_OWNER_SEPARATOR)
    if not separator:
        raise ValueError("missing bucket name")
    text = record.get("value")
    return BucketEntry(owner, bucket, parse_json(present(text, Kind.TEXT, "value"), "value") if text else None)


def _info(metadata: Document) -> ReplicationInfo:
    document = metadata.get("replicationInfo")
    return ReplicationInfo() if document is None else ReplicationInfo.from_document(document)


def status_entry(
    entry: ObjectEntry, site: str, status: Status, *, data_store_version_id: str | None = None
) -> ObjectEntry:
    """
    Return the status message that says that *site* has come to *status* (3.11).

    *data_store_version_id* is the version that a cloud gave the copy, None to keep the one known. The
    status is written whatever stood there: the receiver decides what is to be ignored (PL-50).
    """
    backends = tuple(
        backend if backend.site != site else _reported(backend, status, data_store_version_id)
        for backend in entry.info.backends
    )
    info = attrs.evolve(entry.info, backends=backends, status=derive(backend.status for backend in backends))
    metadata = {
        **entry.metadata,
        "replicationInfo": info.to_document(),
        "originOp": REPORT_ORIGIN_OP[status],
    }
    return attrs.evolve(entry, metadata=metadata, site=site, type=None, overhead=None)


def retry_entry(entry: ObjectEntry, site: str, replay_count: int | None = None) -> ObjectEntry:
    """
    Return the entry that has *site* alone, and *entry*'s version, replicated again (ST-2).

    With *replay_count*, how many replays are left after this one, it is a replay and names no site
    (queue-and-wire 3.2.6); without, it is an operator's retry, names the site and starts with all its
    replays (3.2.3).
    """
    again = entry.with_info(entry.info.for_retry(site))
    return attrs.evolve(
        again,
        site=site if replay_count is None else None,
        replay_count=replay_count,
        type=None,
        overhead=None,
    )


def _reported(backend: Backend, status: Status, data_store_version_id: str | None) -> Backend:
    version_id = backend.data_store_version_id if data_store_version_id is None else data_store_version_id
    return attrs.evolve(backend, status=status, data_store_version_id=version_id)
