"""What the database knows of a consumer group: its members, who owns what, and the committed offsets."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Final

import attrs

from backbeat_adapters.embedded.schema import OFFSET_BITS, encode
from backbeat_core.ports.queue import Start

KEEP_RECORDS: Final = 1000
"""How many records that every group is done with a partition keeps, for whoever looks at it."""
TRIM_AT_ONCE: Final = 5000

STORE: Final = """
    INSERT INTO offsets (grp, partition, next) VALUES (?, ?, ?)
    ON CONFLICT (grp, partition) DO UPDATE SET next = excluded.next
"""
OWNED: Final = """
    SELECT p.number, p.id, p.low, p.high, o.next, o.member FROM partitions p
    LEFT JOIN offsets o ON o.partition = p.id AND o.grp = ? WHERE p.topic = ? ORDER BY p.number
"""
DONE_BY_ALL: Final = """
    SELECT min(ifnull(o.next, 0)) FROM groups g LEFT JOIN offsets o ON o.grp = g.id AND o.partition = ?1
    WHERE g.topic = ?2
"""


@attrs.frozen
class Place:
    """A partition as one group sees it. *next* is the committed offset, *member* the owner."""

    number: int
    id: int
    low: int
    high: int
    next: int | None
    member: int | None


@attrs.frozen
class Group:
    """A group on a topic, by the numbers that the database gave to both."""

    id: int
    topic_id: int
    topic: str
    name: str

    def places(self, db: sqlite3.Connection) -> list[Place]:
        """Return all partitions of the topic, in order."""
        return [Place(*row) for row in db.execute(OWNED, (self.id, self.topic_id))]

    def pin(self, db: sqlite3.Connection, start: Start) -> None:
        """
        Write down where the group begins on partitions that it has no offset for.

        Only a new group may begin at the end; what is published before its first commit is not skipped
        (W-03), and a partition that a known group meets later starts at its beginning (queue-and-wire 1.15).
        """
        places = self.places(db)
        from_end = start is Start.LATEST and all(place.next is None for place in places)
        rows = [
            (self.id, place.id, place.high if from_end else place.low)
            for place in places
            if place.next is None
        ]
        if rows:
            db.executemany(STORE, rows)

    def store(self, db: sqlite3.Connection, offsets: Mapping[int, int]) -> None:
        """Set committed offsets, whoever owns the partitions."""
        ids = {place.number: place.id for place in self.places(db)}
        db.executemany(STORE, [(self.id, ids[n], offset) for n, offset in offsets.items() if n in ids])

    def commit(self, db: sqlite3.Connection, partition: int, offset: int, member: int) -> bool:
        """Set one committed offset if *member* owns the partition (by its id); else False."""
        done = db.execute(
            "UPDATE offsets SET next = ? WHERE grp = ? AND partition = ? AND member = ?",
            (offset, self.id, partition, member),
        )
        return done.rowcount == 1

    def trim(self, db: sqlite3.Connection, partition: int) -> None:
        """Delete the oldest records of a partition (by its id) that every group of the topic is done with."""
        ((done,),) = db.execute(DONE_BY_ALL, (partition, self.topic_id))
        ((low,),) = db.execute("SELECT low FROM partitions WHERE id = ?", (partition,))
        low_then = min(done - KEEP_RECORDS, low + TRIM_AT_ONCE)
        if low_then > low:
            first = partition << OFFSET_BITS
            db.execute("DELETE FROM records WHERE id >= ? AND id < ?", (first + low, first + low_then))
            db.execute("UPDATE partitions SET low = ? WHERE id = ?", (low_then, partition))


def find_group(db: sqlite3.Connection, topic: str, name: str) -> Group | None:
    """Return the group if it is known."""
    found = db.execute(
        "SELECT g.id, t.id FROM groups g JOIN topics t ON t.id = g.topic WHERE t.name = ? AND g.name = ?",
        (encode(topic), encode(name)),
    ).fetchone()
    return None if found is None else Group(found[0], found[1], topic, name)


def make_group(db: sqlite3.Connection, topic_id: int, topic: str, name: str, start: Start) -> Group:
    """Return the group, created if it is new, with an offset on every partition."""
    group = find_group(db, topic, name)
    if group is None:
        row = (topic_id, encode(name))
        made = db.execute("INSERT INTO groups (topic, name) VALUES (?, ?)", row).lastrowid
        assert made is not None
        group = Group(made, topic_id, topic, name)
    group.pin(db, start)
    return group
