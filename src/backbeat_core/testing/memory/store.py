"""The executable laws of the store: documents are JSON texts in dicts, the feed is a list."""

from __future__ import annotations

import bisect
import itertools
import json
import threading
from collections.abc import Mapping, Sequence

import attrs

from backbeat_core.errors import Conflict, HistoryLost, InvalidInput, StoreUnavailable
from backbeat_core.ports.clock import Clock
from backbeat_core.ports.store import (
    ABSENT,
    ANY,
    Change,
    ChangeKind,
    Document,
    Expected,
    Feed,
    Json,
    Position,
    Store,
    Version,
)
from backbeat_core.testing.memory.locking import locked


@attrs.frozen
class _Written:
    text: str
    version: Version


@attrs.frozen
class _Logged:
    number: int
    collection: str
    key: str
    text: str | None
    timestamp_ms: int


@attrs.define(eq=False)
class MemoryTables:
    """What several `MemoryStore` objects share, as processes share a database."""

    collections: dict[str, dict[str, _Written]] = attrs.field(factory=dict)
    order: dict[str, list[str]] = attrs.field(factory=dict)  # the keys of each collection, sorted
    log: list[_Logged] = attrs.field(factory=list)
    writes: int = 0
    forgotten: int = 0
    lock: threading.RLock = attrs.field(factory=threading.RLock, repr=False)

    def forget(self, position: Position) -> None:
        """Drop the changes up to *position* from the feed, as a bounded oplog does."""
        self.forgotten = max(self.forgotten, int(position))
        self.log = [logged for logged in self.log if logged.number > self.forgotten]


@attrs.define(eq=False)
class MemoryStore(Store):
    """A store without threads or files. While *unreachable* is true every call fails."""

    clock: Clock
    tables: MemoryTables = attrs.field(factory=MemoryTables)
    unreachable: bool = False

    @property
    def lock(self) -> threading.RLock:
        return self.tables.lock

    @locked
    def get(self, collection: str, key: str) -> Document | None:
        self._check()
        found = self._collection(collection).get(key)
        return None if found is None else _document(key, found)

    @locked
    def put(
        self, collection: str, key: str, value: Mapping[str, Json], *, expected: Version | Expected = ANY
    ) -> Document:
        self._check()
        if not key or not collection:
            raise InvalidInput("a document needs a collection and a key")
        text = encode(value)
        self._demand(collection, key, expected)
        return self._write(collection, key, text)

    @locked
    def patch(
        self, collection: str, key: str, members: Mapping[str, Json], *, expected: Version | Expected = ANY
    ) -> Document:
        self._check()
        encode(members)
        found = self._demand(collection, key, expected)
        if found is None:
            raise Conflict(key, expected="a document", found=None)
        return self._write(collection, key, encode({**json.loads(found.text), **members}))

    @locked
    def delete(self, collection: str, key: str, *, expected: Version | Expected = ANY) -> bool:
        self._check()
        found = self._collection(collection).get(key)
        if found is None:
            return False
        self._demand(collection, key, expected)
        del self._collection(collection)[key]
        order = self.tables.order[collection]
        del order[bisect.bisect_left(order, key)]
        self._log(collection, key, None)
        return True

    @locked
    def scan(
        self, collection: str, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> Sequence[Document]:
        self._check()
        found, order = self._collection(collection), self.tables.order.get(collection, [])
        first = max(bisect.bisect_left(order, prefix), bisect.bisect_right(order, after))
        keys = itertools.takewhile(lambda key: key.startswith(prefix), itertools.islice(order, first, None))
        return [_document(key, found[key]) for key in itertools.islice(keys, max(limit, 0))]

    @locked
    def changes(self, after: Position | None, *, limit: int = 1000) -> Feed:
        self._check()
        since = self.tables.forgotten if after is None else _number(after)
        if since < self.tables.forgotten:
            raise HistoryLost(str(after))
        # The log has no gaps, so a position is also an index.
        first = since - self.tables.forgotten
        found = [_change(logged) for logged in self.tables.log[first : first + max(limit, 0)]]
        return Feed(found, found[-1].position if found else str(since))

    @locked
    def position(self) -> Position:
        self._check()
        return str(self.tables.writes)

    def close(self) -> None:
        pass

    def _check(self) -> None:
        if self.unreachable:
            raise StoreUnavailable("the memory store is away")

    def _collection(self, name: str) -> dict[str, _Written]:
        return self.tables.collections.get(name, {})

    def _demand(self, collection: str, key: str, expected: Version | Expected) -> _Written | None:
        found = self._collection(collection).get(key)
        version = None if found is None else found.version
        if expected is ANY:
            return found
        if version is not None if expected is ABSENT else version != expected:
            raise Conflict(key, expected=expected, found=version)
        return found

    def _write(self, collection: str, key: str, text: str) -> Document:
        number = self._log(collection, key, text)
        written = _Written(text, str(number).encode())
        documents = self.tables.collections.setdefault(collection, {})
        if key not in documents:
            bisect.insort(self.tables.order.setdefault(collection, []), key)
        documents[key] = written
        return _document(key, written)

    def _log(self, collection: str, key: str, text: str | None) -> int:
        self.tables.writes += 1
        logged = _Logged(self.tables.writes, collection, key, text, self.clock.now_ms())
        self.tables.log.append(logged)
        return self.tables.writes


def encode(value: Mapping[str, Json]) -> str:
    """Return *value* as JSON text. Raises InvalidInput for what JSON cannot say."""
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"not a JSON document: {error}") from error
    if not text.startswith("{"):
        raise InvalidInput("not a JSON document: it has no members")
    return text


def _document(key: str, written: _Written) -> Document:
    return Document(key, json.loads(written.text), written.version)


def _change(logged: _Logged) -> Change:
    kind = ChangeKind.DELETE if logged.text is None else ChangeKind.PUT
    value = None if logged.text is None else json.loads(logged.text)
    position = str(logged.number)
    return Change(logged.collection, logged.key, kind, value, position, logged.timestamp_ms)


def _number(position: Position) -> int:
    if not position.isdecimal():
        raise InvalidInput(f"{position!r} is no position of this feed")
    return int(position)
