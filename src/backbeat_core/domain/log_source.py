"""What the sources of the metadata log deliver, read into entries for the filter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from backbeat_core.domain import metadata as md
from backbeat_core.domain import wire
from backbeat_core.domain.codec import parse_object
from backbeat_core.domain.metadata import Document, Json
from backbeat_core.domain.selection import LogEntry
from backbeat_core.errors import UndecodableEntry

# How MongoDB's documents spell the characters that the names of their members may not have (3.6.4).
_UNESCAPED: Final = str.maketrans({"\uff04": "$", "\uff0e": "."})

_PUT: Final = "put"
_DELETE: Final = "delete"
_CHANGES: Final = {"insert": _PUT, "replace": _PUT, "update": _PUT, "delete": _DELETE}


@attrs.frozen
class LogRecord:
    """
    Some entries of the log that were committed together.

    *db* is the bucket; *timestamp*, ISO 8601, is when. Entries are as the source has them: `type`, `key`,
    `value` as JSON text, `timestamp`, `overhead`; absent where they are not known.
    """

    db: str
    entries: tuple[Document, ...]
    timestamp: str | None = None

    def log_entries(self) -> tuple[LogEntry, ...]:
        """Return the entries for the filter, their keys without the prefix of key format v1 (3.2)."""
        return tuple(map(self._log_entry, self.entries))

    def _log_entry(self, entry: Document) -> LogEntry:
        key, overhead = entry.get("key"), entry.get("overhead")
        known = {
            "commitTimestamp": self.timestamp,
            "opTimestamp": entry.get("timestamp"),
            "versionId": overhead.get("versionId") if isinstance(overhead, Mapping) else None,
        }
        return LogEntry(
            entry.get("type"),
            self.db,
            md.strip_key_format(key) if isinstance(key, str) else None,
            entry.get("value"),
            {name: value for name, value in known.items() if value is not None},
        )


def record_of_change_event(
    value: bytes, timestamp_ms: int, *, topic: str = "", partition: int = -1, offset: int = -1
) -> LogRecord:
    """
    Return the record of a MongoDB change event, as a source connector publishes them (2.3.4).

    *timestamp_ms* is the queue's, Unix milliseconds. An update that does not carry the whole metadata takes
    it from the full document, if that is there. Raises UndecodableEntry for what is no such event.
    """
    try:
        return _record_of_change_event(parse_object(value), timestamp_ms)
    except (ValueError, OverflowError) as error:
        raise UndecodableEntry(str(error), topic, partition, offset) from None


def _record_of_change_event(event: Document, timestamp_ms: int) -> LogRecord:
    bucket = _member(event, "ns", "coll")
    if not isinstance(bucket, str):
        raise ValueError("no collection")
    operation = event.get("operationType")
    value = _member(event, "fullDocument", "value")
    if operation == "update":
        value = _member(event, "updateDescription", "updatedFields", "value") or value
    kind = _CHANGES.get(operation) if isinstance(operation, str) else None
    if kind == _PUT and _is_deleted(value):
        kind = _DELETE
    seconds = _member(event, "clusterTime", "$timestamp", "t")
    entry = {
        "key": _member(event, "documentKey", "_id"),
        "type": kind,
        "value": _text(value) if value is not None else None,
        "timestamp": wire.iso(seconds * 1000) if isinstance(seconds, int) else None,
    }
    return LogRecord(bucket, (_known(entry),), wire.iso(timestamp_ms))


def record_of_oplog_item(item: Document) -> LogRecord | None:
    """
    Return the record of an item of MongoDB's oplog, its *ts* in seconds; None for what is read over (2.3.3).

    Deletions have no value, and only updates can flag an object as deleted.
    """
    operation, namespace, change = item.get("op"), item.get("ns"), item.get("o")
    if not isinstance(namespace, str) or not isinstance(change, Mapping):
        return None
    if operation == "i":
        entry = _put(change.get("_id"), change.get("value"))
    elif operation == "u":
        updated = change.get("$set")
        value = (updated if isinstance(updated, Mapping) else change).get("value")
        entry = {**_put(_member(item, "o2", "_id"), value), "type": _DELETE if _is_deleted(value) else _PUT}
    elif operation == "d":
        entry = {"type": _DELETE, "key": change.get("_id")}
    else:
        return None
    if entry.get("key") is None:
        return None
    seconds = item.get("ts")
    timestamp = wire.iso(seconds * 1000) if isinstance(seconds, int) else None
    bucket = namespace.partition(".")[2] or namespace
    return LogRecord(bucket, (entry,), timestamp)


def unescaped(metadata: Json) -> Json:
    """Return metadata with the names of its tags as users wrote them, not as MongoDB stores them (W-53)."""
    tags = metadata.get("tags") if isinstance(metadata, Mapping) else None
    if not isinstance(tags, Mapping):
        return metadata
    return {**metadata, "tags": {name.translate(_UNESCAPED): value for name, value in tags.items()}}


def _put(key: Json, value: Json) -> dict[str, Json]:
    return _known({"type": _PUT, "key": key, "value": _text(value) if value is not None else None})


def _text(value: Json) -> str:
    return wire.dumps(unescaped(value))


def _known(entry: Document) -> dict[str, Json]:
    return {name: value for name, value in entry.items() if value is not None}


def _is_deleted(value: Json) -> bool:
    return isinstance(value, Mapping) and bool(value.get("deleted"))


def _member(document: Json, *path: str) -> Json:
    for name in path:
        document = document.get(name) if isinstance(document, Mapping) else None
    return document
