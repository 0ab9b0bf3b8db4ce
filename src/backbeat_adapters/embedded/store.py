"""Documents as the log of their writes: an index says which write of a key stands, the rest is the feed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final

from backbeat_adapters.embedded.database import Border
from backbeat_adapters.embedded.schema import decode, encode, end_of_prefix
from backbeat_core.errors import Conflict, HistoryLost, InvalidInput
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

KEEP_CHANGES: Final = 1_000_000
TRIM_EVERY: Final = 512

STANDING: Final = """
    SELECT w.seq, w.value FROM documents d JOIN writes w ON w.seq = d.seq WHERE d.collection = ? AND d.key = ?
"""
SCAN: Final = """
    SELECT d.key, w.seq, w.value FROM documents d JOIN writes w ON w.seq = d.seq
    WHERE d.collection = ? AND d.key > ? AND d.key >= ? AND d.key < ? ORDER BY d.key LIMIT ?
"""
INDEX: Final = """
    INSERT INTO documents (collection, key, seq) VALUES (?, ?, ?)
    ON CONFLICT (collection, key) DO UPDATE SET seq = excluded.seq
"""
CHANGES: Final = "SELECT seq, collection, key, value, at FROM writes WHERE seq > ? ORDER BY seq LIMIT ?"
# What is not the standing write of its key is only there for the feed.
TRIM: Final = """
    DELETE FROM writes WHERE seq > ? AND seq <= ?
    AND NOT EXISTS (
        SELECT 1 FROM documents d
        WHERE d.collection = writes.collection AND d.key = writes.key AND d.seq = writes.seq
    )
"""


class EmbeddedStore(Store):
    """
    A store in the state directory.

    The feed keeps the last *keep_changes* changes; `forget` lets go of those that every reader has behind it.
    """

    def __init__(self, border: Border, clock: Clock, *, keep_changes: int = KEEP_CHANGES) -> None:
        self._border = border
        self._clock = clock
        self._keep = keep_changes

    def get(self, collection: str, key: str) -> Document | None:
        with self._border.read() as db:
            found = db.execute(STANDING, (encode(collection), encode(key))).fetchone()
        return None if found is None else _document(key, *found)

    def put(
        self, collection: str, key: str, value: Mapping[str, Json], *, expected: Version | Expected = ANY
    ) -> Document:
        if not key or not collection:
            raise InvalidInput("a document needs a collection and a key")
        text = _to_json(value)
        with self._border.write() as db:
            old = self._demand(db, collection, key, expected)
            seq = self._write(db, collection, key, text, old)
        return _document(key, seq, text)

    def patch(
        self, collection: str, key: str, members: Mapping[str, Json], *, expected: Version | Expected = ANY
    ) -> Document:
        changed = json.loads(_to_json(members))
        with self._border.write() as db:
            found = db.execute(STANDING, (encode(collection), encode(key))).fetchone()
            if found is None:
                raise Conflict(key, expected=expected, found=None)
            _compare(key, expected, found[0])
            value = {**json.loads(found[1]), **changed}
            seq = self._write(db, collection, key, _to_json(value), found[0])
        return Document(key, value, b"%d" % seq)

    def delete(self, collection: str, key: str, *, expected: Version | Expected = ANY) -> bool:
        where = (encode(collection), encode(key))
        with self._border.write() as db:
            found = db.execute("SELECT seq FROM documents WHERE collection = ? AND key = ?", where).fetchone()
            if found is None:
                return False
            _compare(key, expected, found[0])
            self._log(db, collection, key, None, found[0])
            db.execute("DELETE FROM documents WHERE collection = ? AND key = ?", where)
        return True

    def scan(
        self, collection: str, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> Sequence[Document]:
        first = encode(prefix)
        where = (encode(collection), encode(after), first, end_of_prefix(first), max(limit, 0))
        with self._border.read() as db:
            rows = db.execute(SCAN, where).fetchall()
        return [_document(decode(key), seq, text) for key, seq, text in rows]

    def changes(self, after: Position | None, *, limit: int = 1000) -> Feed:
        with self._border.snapshot() as db:
            low = _low(db)
            since = low if after is None else _number(after)
            if since < low:
                raise HistoryLost(str(after))
            rows = db.execute(CHANGES, (since, max(limit, 0))).fetchall()
        changes = [_change(*row) for row in rows]
        return Feed(changes, changes[-1].position if changes else str(since))

    def position(self) -> Position:
        with self._border.read() as db:
            return str(_end(db))

    def forget(self, position: Position) -> None:
        """Let go of the changes up to *position*, which every reader of the feed has behind it."""
        with self._border.write() as db:
            _trim(db, _number(position))

    def close(self) -> None:
        self._border.closed = True

    def _demand(
        self, db: sqlite3.Connection, collection: str, key: str, expected: Version | Expected
    ) -> int | None:
        found = db.execute(
            "SELECT seq FROM documents WHERE collection = ? AND key = ?", (encode(collection), encode(key))
        ).fetchone()
        seq: int | None = None if found is None else found[0]
        _compare(key, expected, seq)
        return seq

    def _write(self, db: sqlite3.Connection, collection: str, key: str, text: str, old: int | None) -> int:
        seq = self._log(db, collection, key, text, old)
        db.execute(INDEX, (encode(collection), encode(key), seq))
        return seq

    def _log(
        self, db: sqlite3.Connection, collection: str, key: str, text: str | None, old: int | None
    ) -> int:
        # Numbers are given inside the one writing transaction, so their order is that of the commits.
        row = (encode(collection), encode(key), text, self._clock.now_ms())
        seq = db.execute("INSERT INTO writes (collection, key, value, at) VALUES (?, ?, ?, ?)", row).lastrowid
        assert seq is not None
        if old is not None:
            # The feed has let go of everything up to its low mark but the documents that stood then.
            db.execute("DELETE FROM writes WHERE seq = ? AND seq <= (SELECT low FROM feed)", (old,))
        if seq % TRIM_EVERY == 0:
            _trim(db, min(seq - self._keep, _low(db) + 4 * TRIM_EVERY))
        return seq


def _to_json(value: Mapping[str, Json]) -> str:
    try:
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"not a JSON document: {error}") from error
    if not text.startswith("{"):
        raise InvalidInput("not a JSON document: it has no members")
    return text


def _document(key: str, seq: int, text: str) -> Document:
    return Document(key, json.loads(text), b"%d" % seq)


def _change(seq: int, collection: bytes, key: bytes, text: str | None, at: int) -> Change:
    kind = ChangeKind.DELETE if text is None else ChangeKind.PUT
    value = None if text is None else json.loads(text)
    return Change(decode(collection), decode(key), kind, value, str(seq), at)


def _compare(key: str, expected: Version | Expected, seq: int | None) -> None:
    if expected is ANY:
        return
    found = None if seq is None else b"%d" % seq
    if found is not None if expected is ABSENT else found != expected:
        raise Conflict(key, expected=expected, found=found)


def _number(position: Position) -> int:
    if not position.isdecimal():
        raise InvalidInput(f"{position!r} is no position of this feed")
    return int(position)


def _low(db: sqlite3.Connection) -> int:
    low: int
    ((low,),) = db.execute("SELECT low FROM feed")
    return low


def _end(db: sqlite3.Connection) -> int:
    end: int
    ((end,),) = db.execute("SELECT ifnull(max(seq), 0) FROM writes")
    return end


def _trim(db: sqlite3.Connection, low: int) -> None:
    # The newest write stays, whatever it is: the next number is counted from it.
    before, low = _low(db), min(low, _end(db) - 1)
    if low > before:
        db.execute(TRIM, (before, low))
        db.execute("UPDATE feed SET low = ?", (low,))
