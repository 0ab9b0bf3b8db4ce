"""Deletes data that nobody refers to any more, as the messages of the garbage topic ask (replication 4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from backbeat_core.domain import metadata as md
from backbeat_core.domain.action import DELETE_ARCHIVED_SOURCE_DATA, Action, decode_action
from backbeat_core.domain.entry import Skip
from backbeat_core.domain.garbage import DeleteData
from backbeat_core.domain.info import ReplicationInfo
from backbeat_core.domain.outcome import GarbageCollected, GarbageIgnored, GarbageOutcome
from backbeat_core.domain.status import Status
from backbeat_core.domain.version_id import NULL
from backbeat_core.domain.wire import parse_iso
from backbeat_core.errors import Conflict, StoreUnavailable
from backbeat_core.ports.clock import Clock
from backbeat_core.ports.location import ConditionalDelete, Location
from backbeat_core.ports.queue import Record
from backbeat_core.ports.store import Document, Json, Store

Locations = Callable[[str], Location]
"""Gives the location of a `dataStoreName`. Raises NotFound for a name without one."""

MOST_CONFLICTS = 100


@attrs.frozen
class GarbageSettings:
    """*shared_key_locations* keep all versions of an object under one key and give it no version (GC-25)."""

    shared_key_locations: frozenset[str] = frozenset()


@attrs.frozen
class GarbageCollector:
    """
    The garbage collector's use case. It deletes data locations and never versions (GC-26).

    Whatever it is asked, it looks at the metadata as it is now first: a message may be old, or come twice
    (GC-22, GC-24, GC-27, GC-28). Asking again is harmless.
    """

    locations: Locations
    store: Store
    clock: Clock
    settings: GarbageSettings = attrs.field(factory=GarbageSettings)

    def __call__(self, record: Record) -> GarbageOutcome:
        """
        Do what one record of the garbage topic asks.

        Raises UndecodableEntry, and Unavailable or LocationRefused where something did not answer or said
        no: what was asked stays to be done (CE-35).
        """
        action = decode_action(
            record.value,
            now_ms=self.clock.now_ms(),
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
        )
        if isinstance(action, Skip):
            return GarbageIgnored(action.reason)
        request = DeleteData.of(action)
        if request is not None:
            return self._delete_data(action, request)
        if action.type == DELETE_ARCHIVED_SOURCE_DATA:
            return self._delete_archived(action)
        return GarbageIgnored(f"unknown action {action.type!r}")

    def _delete_data(self, action: Action, request: DeleteData) -> GarbageOutcome:
        version = action.context.get("versionId")
        document = self._document(request.bucket, request.key, version if isinstance(version, str) else None)
        if request.rule_type == "transient":
            reason = _transient_in_use(document, request)
        else:
            reason = _in_use(document, request)
        if reason is not None:
            return GarbageIgnored(reason)
        results = [self._delete(piece, request) for piece in request.locations]  # each of them, whatever one says
        deleted = all(results)
        if deleted and request.rule_type == "transient" and document is not None:
            self._flag(request.bucket, document.key)
        return GarbageCollected(request.bucket, request.key, request.rule_type, deleted)

    def _document(self, bucket: str, key: str, version: str | None) -> Document | None:
        return self.store.get(bucket, md.join_key(key, None if version == NULL else version))

    def _delete(self, piece: Mapping[str, Json], request: DeleteData) -> bool:
        """Delete one stored piece; False where it has been written since and so belongs to newer data."""
        name = str(piece.get("dataStoreName") or request.storage_class or "")
        location = self.locations(name)
        version = str(piece.get("dataStoreVersionId") or "")
        if version or name not in self.settings.shared_key_locations:
            location.delete(str(piece["key"]), version=version)
            return True
        since = parse_iso(request.unmodified_since or "")
        if since is None or not isinstance(location, ConditionalDelete):
            return False  # unconditionally, it could be another version's data (GC-25)
        return location.delete_unmodified(str(piece["key"]), since_ms=since)

    def _flag(self, bucket: str, key: str) -> None:
        """Say on the object that the source has no data of its own any more (GC-4)."""
        for _ in range(MOST_CONFLICTS):
            document = self.store.get(bucket, key)
            if document is None or document.value.get("transientDataDeleted") is True:
                return
            try:
                self.store.patch(bucket, key, {"transientDataDeleted": True}, expected=document.version)
            except Conflict:
                continue
            return
        raise StoreUnavailable(f"{key!r}: overtaken {MOST_CONFLICTS} times")

    def _delete_archived(self, action: Action) -> GarbageOutcome:
        """Drop the hot copy of what has been archived: metadata first, data second (GC-27, CE-12)."""
        target = action.document.get("target")
        if not isinstance(target, Mapping):
            return GarbageIgnored("no target")
        bucket, key, version = (str(target.get(name) or "") for name in ("bucket", "key", "version"))
        for _ in range(MOST_CONFLICTS):
            document = self._document(bucket, key, version)
            if document is None:
                return GarbageIgnored("version gone")
            reason = _not_archived(document.value, str(target.get("oldLocation")))
            if reason is not None:
                return GarbageIgnored(reason)
            pieces = md.locations(document.value)
            members = {
                "location": None,
                "dataStoreName": target.get("newLocation"),
                "x-amz-storage-class": target.get("newLocation"),
                "originOp": "s3:LifecycleTransition",
                "x-amz-scal-transition-in-progress": False,
            }
            try:
                self.store.patch(bucket, document.key, members, expected=document.version)
            except Conflict:
                continue
            for piece in pieces:
                name = str(piece.get("dataStoreName") or target.get("oldLocation"))
                self.locations(name).delete(
                    str(piece["key"]), version=str(piece.get("dataStoreVersionId") or "")
                )
            return GarbageCollected(bucket, key, "archive", deleted=True)
        raise StoreUnavailable(f"{key!r}: overtaken {MOST_CONFLICTS} times")


def _keys(pieces: tuple[Mapping[str, Json], ...]) -> set[tuple[object, object]]:
    return {(piece.get("dataStoreName"), piece.get("key")) for piece in pieces}


def _transient_in_use(document: Document | None, request: DeleteData) -> str | None:
    """Return why transient data must stay, None if every site has what it held (GC-21, GC-28)."""
    if document is None:
        return None  # the version is deleted: its data is nobody's
    info = ReplicationInfo.from_document(document.value.get("replicationInfo") or {})
    if info.status is not Status.COMPLETED:
        return "not completed everywhere"
    if _keys(md.locations(document.value)) != _keys(request.locations):
        return "the object has other data now"
    return None


def _in_use(document: Document | None, request: DeleteData) -> str | None:
    """Return why data must stay: the version still refers to it (GC-22)."""
    if document is not None and _keys(md.locations(document.value)) & _keys(request.locations):
        return "the object refers to this data"
    return None


def _not_archived(metadata: Mapping[str, Json], old_location: str) -> str | None:
    """Return why the hot copy must stay: it was moved already, is not archived, or was restored (GC-27)."""
    if md.data_store_name(metadata) != old_location:
        return "the object is in another location"
    archive = metadata.get("archive")
    if not isinstance(archive, Mapping) or not archive.get("archiveInfo"):
        return "the object is not archived"
    if archive.get("restoreRequestedAt") or archive.get("restoreCompletedAt"):
        return "the object is restored"
    return None
