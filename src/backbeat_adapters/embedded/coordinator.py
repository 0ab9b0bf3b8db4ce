"""Nodes and leases as rows; what a dead process held is free."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final

from backbeat_adapters.embedded.database import Border
from backbeat_adapters.embedded.processes import Processes
from backbeat_adapters.embedded.schema import decode, encode, end_of_prefix
from backbeat_core.errors import Conflict, CoordinatorUnavailable, Fenced, InvalidInput
from backbeat_core.ports.clock import Clock
from backbeat_core.ports.coordinator import Coordinator, Lease, Node
from backbeat_core.ports.store import ABSENT, ANY, Expected

PUT: Final = """
    INSERT INTO nodes (path, parent, data, version) VALUES (?, ?, ?, ?)
    ON CONFLICT (path) DO UPDATE SET data = excluded.data, version = excluded.version
"""
TAKE: Final = """
    INSERT INTO leases (name, fencing, owner, until, process) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (name) DO UPDATE
    SET fencing = excluded.fencing, owner = excluded.owner, until = excluded.until, process = excluded.process
"""
HOLDERS: Final = """
    SELECT name, owner, process FROM leases
    WHERE name >= ? AND name < ? AND owner IS NOT NULL AND until > ? ORDER BY name
"""


class EmbeddedCoordinator(Coordinator):
    """A coordinator for the processes of one machine, in the state directory."""

    def __init__(self, border: Border, processes: Processes, clock: Clock) -> None:
        self._border = border
        self._processes = processes
        self._clock = clock

    def get(self, path: str) -> Node | None:
        _check(path)
        with self._border.read() as db:
            return _node(db, path)

    def put(
        self, path: str, data: bytes, *, expected: int | Expected = ANY, lease: Lease | None = None
    ) -> Node:
        _check(path)
        with self._border.write() as db:
            if lease is not None and _newest(db, lease.name) != lease.fencing:
                raise Fenced(lease.name, expected=lease.fencing, found=_newest(db, lease.name))
            found = _node(db, path)
            _compare(path, expected, found)
            written = Node(bytes(data), 0 if found is None else found.version + 1)
            if found is None:
                _make_parents(db, path)
            db.execute(PUT, (encode(path), encode(_parent(path)), written.data, written.version))
        return written

    def delete(self, path: str, *, expected: int | Expected = ANY) -> bool:
        _check(path)
        with self._border.write() as db:
            found = _node(db, path)
            if found is None:
                return False
            _compare(path, expected, found)
            if db.execute("SELECT 1 FROM nodes WHERE parent = ? LIMIT 1", (encode(path),)).fetchone():
                raise Conflict(path, expected="no children", found="children")
            db.execute("DELETE FROM nodes WHERE path = ?", (encode(path),))
        return True

    def children(self, path: str) -> Sequence[str]:
        _check(path)
        with self._border.read() as db:
            rows = db.execute("SELECT path FROM nodes WHERE parent = ? ORDER BY path", (encode(path),)).fetchall()
        return [decode(found).rpartition("/")[2] for (found,) in rows]

    def acquire(self, name: str, owner: str, ttl_ms: int) -> Lease | None:
        now = self._clock.elapsed_ms()
        with self._border.write() as db:
            found = db.execute(
                "SELECT fencing, owner, until, process FROM leases WHERE name = ?", (encode(name),)
            ).fetchone()
            others = found is not None and found[1] not in (None, encode(owner)) and now < found[2]
            if others and self._processes.alive(found[3]):
                return None
            fencing = 1 if found is None else found[0] + 1
            db.execute(TAKE, (encode(name), fencing, encode(owner), now + ttl_ms, self._processes.token))
        return Lease(name, owner, fencing)

    def renew(self, lease: Lease, ttl_ms: int) -> None:
        now = self._clock.elapsed_ms()
        with self._border.write() as db:
            done = db.execute(
                "UPDATE leases SET until = ? WHERE name = ? AND fencing = ? AND owner = ? AND until > ?",
                (now + ttl_ms, encode(lease.name), lease.fencing, encode(lease.owner), now),
            )
            if done.rowcount == 0:
                raise Fenced(lease.name, expected=lease.fencing, found=_newest(db, lease.name))

    def release(self, lease: Lease) -> None:
        with self._border.write() as db:
            db.execute(
                "UPDATE leases SET owner = NULL WHERE name = ? AND fencing = ?",
                (encode(lease.name), lease.fencing),
            )

    def holders(self, prefix: str) -> Mapping[str, str]:
        first = encode(prefix)
        with self._border.read() as db:
            rows = db.execute(HOLDERS, (first, end_of_prefix(first), self._clock.elapsed_ms())).fetchall()
        alive = {process: self._processes.alive(process) for process in {row[2] for row in rows}}
        return {decode(name): decode(owner) for name, owner, process in rows if alive[process]}

    def forget_process(self, process: str) -> None:
        """Free the leases that were taken by a process that is not there any more."""
        with self._border.write() as db:
            db.execute("UPDATE leases SET owner = NULL WHERE process = ?", (process,))

    def close(self) -> None:
        if not self._border.closed:
            with contextlib.suppress(CoordinatorUnavailable):
                self.forget_process(self._processes.token)
            self._border.closed = True


def _check(path: str) -> None:
    if path != "/" and (not path.startswith("/") or "" in path[1:].split("/")):
        raise InvalidInput(f"{path!r} is no path: it is '/' or names that each follow a '/'")


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/" if path != "/" else ""


def _node(db: sqlite3.Connection, path: str) -> Node | None:
    found = db.execute("SELECT data, version FROM nodes WHERE path = ?", (encode(path),)).fetchone()
    return None if found is None else Node(*found)


def _compare(path: str, expected: int | Expected, found: Node | None) -> None:
    version = None if found is None else found.version
    if expected is not ANY and version != (None if expected is ABSENT else expected):
        raise Conflict(path, expected=expected, found=version)


def _make_parents(db: sqlite3.Connection, path: str) -> None:
    parent = _parent(path)
    while parent not in ("", "/"):
        row = (encode(parent), encode(_parent(parent)))
        db.execute("INSERT OR IGNORE INTO nodes (path, parent, data, version) VALUES (?, ?, x'', 0)", row)
        parent = _parent(parent)


def _newest(db: sqlite3.Connection, name: str) -> int:
    found = db.execute("SELECT fencing FROM leases WHERE name = ?", (encode(name),)).fetchone()
    return 0 if found is None else int(found[0])
