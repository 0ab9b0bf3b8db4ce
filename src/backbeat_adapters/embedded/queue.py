"""Topics as ranges of row ids, and the memberships of groups as rows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final

from backbeat_adapters.embedded.consumer import EmbeddedConsumer
from backbeat_adapters.embedded.database import Border
from backbeat_adapters.embedded.groups import find_group, make_group
from backbeat_adapters.embedded.processes import Processes
from backbeat_adapters.embedded.schema import OFFSET_BITS, encode
from backbeat_core.errors import BackbeatError, Conflict, InvalidInput, MessageTooLarge
from backbeat_core.ports.clock import Clock
from backbeat_core.ports.queue import Headers, Listener, Message, Published, Queue, Start, Watermarks
from backbeat_core.queueing.partitioner import Partitioner, crc32

PARTITIONS: Final = 4
MAX_MESSAGE_BYTES: Final = 5_000_020
SESSION_MS: Final = 300_000

PLACES: Final = """
    SELECT p.number, p.id, p.high FROM partitions p JOIN topics t ON t.id = p.topic WHERE t.name = ?
    ORDER BY p.number
"""
APPEND: Final = "INSERT INTO records (id, value, key, headers, at) VALUES (?, ?, ?, ?, ?)"


class EmbeddedQueue(Queue):
    """
    A queue in the state directory, for the threads of a process and for several processes.

    A topic gets *partitions* when it is first heard of. A member that has not polled for *session_ms* loses
    its partitions; one whose process has died loses them at once.
    """

    def __init__(
        self,
        border: Border,
        processes: Processes,
        clock: Clock,
        *,
        partitions: int = PARTITIONS,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        session_ms: int = SESSION_MS,
        partitioner: Partitioner = crc32,
    ) -> None:
        self._border = border
        self._processes = processes
        self._clock = clock
        self._partitions = partitions
        self._limit = max_message_bytes
        self._session_ms = session_ms
        self._partitioner = partitioner
        self._keyless = 0

    def publish(self, topic: str, messages: Sequence[Message]) -> Sequence[Published | BackbeatError]:
        results: list[Published | BackbeatError] = []
        now = self._clock.now_ms()
        try:
            with self._border.write() as db:
                self._append(db, topic, messages, now, results)
        except self._border.error as error:
            # The transaction is one: none of them is there. What was refused for its own fault stays so.
            results += [error] * (len(messages) - len(results))
            return [error if isinstance(result, Published) else result for result in results]
        self._border.database.tell()
        return results

    def subscribe(
        self, topic: str, group: str, listener: Listener, *, start: Start = Start.EARLIEST
    ) -> EmbeddedConsumer:
        with self._border.write() as db:
            found = make_group(db, self._make_topic(db, topic), topic, group, start)
        return EmbeddedConsumer(
            self._border, self._processes, self._clock, found, listener, session_ms=self._session_ms
        )

    def watermarks(self, topic: str) -> Mapping[int, Watermarks]:
        with self._border.read() as db:
            rows = db.execute(
                "SELECT p.number, p.low, p.high FROM partitions p JOIN topics t ON t.id = p.topic "
                "WHERE t.name = ? ORDER BY p.number",
                (encode(topic),),
            )
            return {number: Watermarks(low, high) for number, low, high in rows}

    def committed(self, topic: str, group: str) -> Mapping[int, int]:
        with self._border.snapshot() as db:
            found = find_group(db, topic, group)
            if found is None:
                return {}
            rows = db.execute(
                "SELECT p.number, o.next FROM offsets o JOIN partitions p ON p.id = o.partition WHERE o.grp = ?",
                (found.id,),
            )
            return dict(rows.fetchall())

    def seek(self, topic: str, group: str, offsets: Mapping[int, int]) -> None:
        with self._border.write() as db:
            found = make_group(db, self._make_topic(db, topic), topic, group, Start.EARLIEST)
            members = db.execute("SELECT id, process FROM members WHERE grp = ?", (found.id,)).fetchall()
            living = [member for member, process in members if self._processes.alive(process)]
            if living:
                raise Conflict(f"group {group!r} of topic {topic!r}", expected=0, found=len(living))
            found.store(db, offsets)

    def grow(self, topic: str, partitions: int) -> None:
        """Give *topic* as many *partitions*, creating it if need be; it never shrinks."""
        with self._border.write() as db:
            self._add_partitions(db, self._make_topic(db, topic), partitions)
            self._border.database.groups += 1

    def forget_group(self, topic: str, group: str) -> None:
        """Let go of a group that will not come back: records wait for it no longer."""
        with self._border.write() as db:
            found = find_group(db, topic, group)
            if found is not None:
                for table in ("offsets", "members"):
                    db.execute(f"DELETE FROM {table} WHERE grp = ?", (found.id,))
                db.execute("DELETE FROM groups WHERE id = ?", (found.id,))
                self._border.database.groups += 1

    def forget_process(self, process: str) -> None:
        """Take the members of a process that is not there any more out of their groups."""
        with self._border.write() as db:
            db.execute(
                "UPDATE offsets SET member = NULL "
                "WHERE member IN (SELECT id FROM members WHERE process = ?)",
                (process,),
            )
            db.execute("DELETE FROM members WHERE process = ?", (process,))
            self._border.database.groups += 1

    def close(self) -> None:
        self._border.closed = True

    def _append(
        self,
        db: sqlite3.Connection,
        topic: str,
        messages: Sequence[Message],
        now: int,
        results: list[Published | BackbeatError],
    ) -> None:
        name = encode(topic)
        places = db.execute(PLACES, (name,)).fetchall()
        if not places:
            self._make_topic(db, topic)
            places = db.execute(PLACES, (name,)).fetchall()
        ids = [identity for _, identity, _ in places]
        highs = [high for _, _, high in places]
        touched: set[int] = set()
        rows = []
        for message in messages:
            refusal = self._refusal(message, len(places), topic)
            if refusal is not None:
                results.append(refusal)
                continue
            number = self._choose(message, len(places))
            offset = highs[number]
            highs[number] += 1
            touched.add(number)
            place = ids[number] << OFFSET_BITS | offset
            rows.append((place, message.value, message.key, pack_headers(message.headers), now))
            results.append(Published(number, offset))
        db.executemany(APPEND, rows)
        db.executemany("UPDATE partitions SET high = ? WHERE id = ?", [(highs[n], ids[n]) for n in touched])

    def _refusal(self, message: Message, partitions: int, topic: str) -> BackbeatError | None:
        size = len(message.value) + len(message.key or b"")
        if message.headers:
            size += sum(len(name) + len(value) for name, value in message.headers)
        if size > self._limit:
            return MessageTooLarge(size, self._limit)
        if message.partition is not None and not 0 <= message.partition < partitions:
            return InvalidInput(f"topic {topic!r} has no partition {message.partition}")
        return None

    def _choose(self, message: Message, partitions: int) -> int:
        if message.partition is not None:
            return message.partition
        if message.key:
            return self._partitioner(message.key, partitions)
        self._keyless += 1
        return self._keyless % partitions

    def _make_topic(self, db: sqlite3.Connection, topic: str) -> int:
        name = encode(topic)
        found = db.execute("SELECT id FROM topics WHERE name = ?", (name,)).fetchone()
        if found is not None:
            return int(found[0])
        identity = db.execute("INSERT INTO topics (name) VALUES (?)", (name,)).lastrowid
        assert identity is not None
        self._add_partitions(db, identity, self._partitions)
        return identity

    def _add_partitions(self, db: sqlite3.Connection, topic: int, partitions: int) -> None:
        ((known,),) = db.execute("SELECT count(*) FROM partitions WHERE topic = ?", (topic,))
        db.executemany(
            "INSERT INTO partitions (topic, number) VALUES (?, ?)",
            [(topic, number) for number in range(known, partitions)],
        )


def pack_headers(headers: Headers) -> str | None:
    """Return the text that headers are kept as. Latin-1 turns each byte into one character, and back."""
    if not headers:
        return None
    return json.dumps([[name, value.decode("latin-1")] for name, value in headers])
