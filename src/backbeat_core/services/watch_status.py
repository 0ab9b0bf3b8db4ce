"""Tells of status changes as they are written, for whoever listens: read from the change feed, kept nowhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from backbeat_core.domain import metadata as md
from backbeat_core.domain import version_id as version_ids
from backbeat_core.domain import wire
from backbeat_core.domain.info import ReplicationInfo
from backbeat_core.domain.status import Status
from backbeat_core.errors import InvalidDocument
from backbeat_core.ports.store import Change, Position, Store


@attrs.frozen
class StatusChange:
    """A version whose replication status was written, and from where to go on reading."""

    position: Position
    document: Mapping[str, Any]


@attrs.frozen
class StatusWatch:
    """Reads the feed from a position that the listener keeps."""

    store: Store
    most: int = 500

    def read(self, after: Position | None) -> tuple[Sequence[StatusChange], Position]:
        """
        Return what was written after the position, and the next position; None: begin now, with nothing.

        Raises StoreUnavailable, HistoryLost when the feed does not reach back that far.
        """
        if after is None:
            return (), self.store.position()
        feed = self.store.changes(after, limit=self.most)
        found = [
            StatusChange(change.position, document)
            for change in feed.changes
            if (document := _told(change)) is not None
        ]
        return found, feed.position


def _told(change: Change) -> Mapping[str, Any] | None:
    metadata = change.value
    if metadata is None:
        return None
    try:
        info = ReplicationInfo.from_document(metadata.get("replicationInfo") or {})
    except InvalidDocument:
        return None
    if info.status is Status.NONE:
        return None
    key, _ = md.split_key(md.strip_key_format(change.key))
    internal = md.version_id(metadata)
    return {
        "Bucket": change.collection,
        "Key": key,
        **({} if internal is None else {"VersionId": version_ids.encode(internal)}),
        "At": wire.iso(change.timestamp_ms),
        "Status": info.status.value,
        "Sites": {backend.site: backend.status.value for backend in info.backends},
    }
