"""One member of a group: it settles who owns what inside its own polls, and fetches what is new."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import attrs

from backbeat_adapters.embedded.database import Border
from backbeat_adapters.embedded.groups import Group, Place
from backbeat_adapters.embedded.processes import Processes
from backbeat_adapters.embedded.schema import OFFSET_BITS
from backbeat_core.errors import Fenced, InvalidInput, Unavailable
from backbeat_core.ports.clock import Clock
from backbeat_core.ports.queue import Consumer, Headers, Listener, Record, Start

SETTLE_MS: Final = 2000
"""How often a member looks for others that have gone silent or died, when nothing else tells it."""
LOOK_S: Final = 0.025
"""How often a waiting member looks for what other processes have written."""
POLL_BYTES: Final = 16 << 20
"""A poll stops after the record that fills this: large records must not fill the memory."""
TRIM_EVERY: Final = 2000
"""After how many records done a member deletes old ones."""

FETCH: Final = "SELECT id, value, key, headers, at FROM records WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"


@attrs.define
class _Held:
    """A partition in hand: its id in the database, the next offset to deliver, and the last one committed."""

    id: int
    next: int
    committed: int
    paused: bool = False


@attrs.frozen
class _Change:
    """What a look at the group has found: partitions that are gone, to be given up, and just taken."""

    lost: Sequence[int]
    leaving: Sequence[int]
    taken: Mapping[int, int]


class EmbeddedConsumer(Consumer):
    """A consumer for the thread that made it. It makes no thread of its own; membership lives in `poll`."""

    def __init__(
        self,
        border: Border,
        processes: Processes,
        clock: Clock,
        group: Group,
        listener: Listener,
        *,
        session_ms: int,
    ) -> None:
        self._border = border
        self._processes = processes
        self._clock = clock
        self._group = group
        self._listener = listener
        self._session_ms = session_ms
        self._held: dict[int, _Held] = {}
        self._highs: dict[int, int] = {}
        self._closed = False
        self._done = 0
        self._settled_ms = self._seen_ms = clock.elapsed_ms()
        self._settled: tuple[int, int] | None = None
        self._fetched: tuple[int, int] | None = None
        with border.write() as db:
            self._member = self._join(db)

    def poll(self, limit: int, timeout_ms: int = 0) -> Sequence[Record]:
        if self._closed:
            raise InvalidInput("the consumer is closed")
        deadline = time.monotonic() + timeout_ms / 1000
        database = self._border.database
        while True:
            published = database.published
            with self._border.read() as db:
                ((version,),) = db.execute("PRAGMA data_version")
            self._settle(version)
            records = self._fetch(limit, published, version)
            left = deadline - time.monotonic()
            if records or limit <= 0 or left <= 0:
                return records
            database.wait(published, min(left, LOOK_S))

    def commit(self, offsets: Mapping[int, int]) -> None:
        with self._border.write() as db:
            for number, offset in offsets.items():
                held = self._held.get(number)
                if held is None or not self._group.commit(db, held.id, offset, self._member):
                    raise Fenced(f"partition {number} of {self._group.topic!r}", expected=self._group.name)
                self._done += max(offset - held.committed, 0)
                held.committed = offset
            if self._done >= TRIM_EVERY:
                self._done = 0
                for held in self._held.values():
                    self._group.trim(db, held.id)

    def pause(self, partitions: Collection[int]) -> None:
        self._set_paused(partitions, paused=True)

    def resume(self, partitions: Collection[int]) -> None:
        self._set_paused(partitions, paused=False)

    def close(self) -> None:
        if self._closed:
            return
        try:
            lost = self._look(settle=False).lost
            self._tell_lost(lost)
            if self._held:
                self._listener.revoked(sorted(self._held))
            self._leave()
        except Unavailable:
            self._tell_lost(sorted(self._held))
        finally:
            self._closed = True
            self._held.clear()

    def _set_paused(self, partitions: Collection[int], *, paused: bool) -> None:
        for number in partitions:
            if number in self._held:
                self._held[number].paused = paused

    def _settle(self, version: int) -> None:
        # Nothing has happened to the group if no process has written and nobody here has joined or left.
        groups = self._border.database.groups
        now = self._clock.elapsed_ms()
        if self._settled == (version, groups) and 0 <= now - self._settled_ms < SETTLE_MS:
            return
        change = self._look(settle=True)
        self._tell_lost(change.lost)
        if change.leaving:
            # Still owned while this runs, so that what is drained can be committed.
            self._listener.revoked(change.leaving)
            change = self._give_up(change.leaving)
        if change.taken:
            self._listener.assigned(dict(change.taken))
        self._settled, self._settled_ms = (version, groups), now

    def _look(self, *, settle: bool) -> _Change:
        with self._border.write() as db:
            if settle:
                self._expel_silent(db)
                self._stay(db)
                self._group.pin(db, Start.EARLIEST)
            places = self._group.places(db)
            lost = [p.number for p in places if p.number in self._held and p.member != self._member]
            due = self._due(db, places)
            leaving = sorted(n for n in self._held if n not in lost and n not in due)
            taken = self._take(db, places, due) if settle and not leaving else {}
        for number in lost:
            self._held.pop(number, None)
        self._hold(places, taken)
        return _Change(lost, leaving, taken)

    def _give_up(self, leaving: Sequence[int]) -> _Change:
        for number in leaving:
            self._held.pop(number, None)
        with self._border.write() as db:
            places = self._group.places(db)
            mine = [(self._group.id, p.id, self._member) for p in places if p.number in leaving]
            db.executemany(
                "UPDATE offsets SET member = NULL WHERE grp = ? AND partition = ? AND member = ?", mine
            )
            self._border.database.groups += 1
            places = self._group.places(db)
            taken = self._take(db, places, self._due(db, places))
        self._hold(places, taken)
        return _Change((), (), taken)

    def _hold(self, places: Sequence[Place], taken: Mapping[int, int]) -> None:
        for place in places:
            if place.number in taken:
                self._held[place.number] = _Held(place.id, taken[place.number], taken[place.number])
        if taken:
            self._fetched = None

    def _take(self, db: sqlite3.Connection, places: Sequence[Place], due: set[int]) -> dict[int, int]:
        free = [place for place in places if place.number in due and place.member is None]
        db.executemany(
            "UPDATE offsets SET member = ? WHERE grp = ? AND partition = ?",
            [(self._member, self._group.id, place.id) for place in free],
        )
        if free:
            self._border.database.groups += 1
        return {place.number: max(place.next or 0, place.low) for place in free}

    def _due(self, db: sqlite3.Connection, places: Sequence[Place]) -> set[int]:
        rows = db.execute("SELECT id FROM members WHERE grp = ? ORDER BY id", (self._group.id,)).fetchall()
        members = [member for (member,) in rows]
        if self._member not in members:
            return set()
        mine, among = members.index(self._member), len(members)
        return {place.number for place in places if place.number % among == mine}

    def _join(self, db: sqlite3.Connection) -> int:
        row = (self._group.id, self._processes.token, self._clock.elapsed_ms())
        member = db.execute("INSERT INTO members (grp, process, seen) VALUES (?, ?, ?)", row).lastrowid
        assert member is not None
        self._border.database.groups += 1
        return member

    def _stay(self, db: sqlite3.Connection) -> None:
        now = self._clock.elapsed_ms()
        known = db.execute("SELECT seen FROM members WHERE id = ?", (self._member,)).fetchone()
        if known is None:
            self._member = self._join(db)
        elif now - known[0] > self._session_ms // 10:
            db.execute("UPDATE members SET seen = ? WHERE id = ?", (now, self._member))

    def _expel_silent(self, db: sqlite3.Connection) -> None:
        now = self._clock.elapsed_ms()
        rows = db.execute(
            "SELECT id, process, seen FROM members WHERE grp = ? AND id != ?", (self._group.id, self._member)
        ).fetchall()
        for member, process, seen in rows:
            if now - seen > self._session_ms or not self._processes.alive(process):
                self._remove(db, member)

    def _remove(self, db: sqlite3.Connection, member: int) -> None:
        db.execute("UPDATE offsets SET member = NULL WHERE grp = ? AND member = ?", (self._group.id, member))
        db.execute("DELETE FROM members WHERE id = ?", (member,))
        self._border.database.groups += 1

    def _leave(self) -> None:
        with self._border.write() as db:
            self._remove(db, self._member)

    def _tell_lost(self, lost: Sequence[int]) -> None:
        if lost:
            self._listener.lost(lost)

    def _fetch(self, limit: int, published: int, version: int) -> list[Record]:
        records: list[Record] = []
        if limit <= 0:
            return records
        with self._border.read() as db:
            if self._fetched != (published, version):
                rows = db.execute("SELECT number, high FROM partitions WHERE topic = ?", (self._group.topic_id,))
                self._highs = dict(rows.fetchall())
                self._fetched = (published, version)
            room = POLL_BYTES
            for number, held in list(self._held.items()):
                if held.paused or held.next >= self._highs.get(number, 0):
                    continue
                if len(records) >= limit or room <= 0:
                    break
                room -= self._read(db, number, held, limit - len(records), room, records)
                # Whoever was served comes last next time: one busy partition must not starve the others.
                self._held[number] = self._held.pop(number)
        return records

    def _read(
        self, db: sqlite3.Connection, number: int, held: _Held, limit: int, room: int, into: list[Record]
    ) -> int:
        first = held.id << OFFSET_BITS
        wanted = (first + held.next, first + (1 << OFFSET_BITS), limit)
        size = 0
        for place, value, key, headers, at in db.execute(FETCH, wanted):
            offset = place - first
            into.append(Record(self._group.topic, number, offset, value, key, _unpack(headers), at))
            held.next = offset + 1
            size += len(value)
            if size >= room:
                break
        return size


def _unpack(headers: str | None) -> Headers:
    if headers is None:
        return ()
    return tuple((name, value.encode("latin-1")) for name, value in json.loads(headers))
