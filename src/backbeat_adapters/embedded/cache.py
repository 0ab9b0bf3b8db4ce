"""Counters, scored sets, locks and channels as rows that expire by the wall clock."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from backbeat_adapters.embedded.database import Border
from backbeat_adapters.embedded.schema import decode, encode
from backbeat_core.errors import InvalidInput
from backbeat_core.ports.cache import (
    AddMember,
    Answer,
    Cache,
    Count,
    Increment,
    Question,
    Range,
    RemoveMember,
    Score,
    SetCounter,
    Size,
    Subscription,
    Write,
)
from backbeat_core.ports.clock import Clock

LEAST: Final = -(2**63)
MOST: Final = 2**63 - 1
SWEEP_EVERY: Final = 256
KEEP_MESSAGES: Final = 100_000
MANY: Final = 16
"""From so many on, keys that lie side by side are read by one statement; others by one for every `CHUNK`."""
CHUNK: Final = 500
LOOK_S: Final = 0.025
"""How often a waiting subscriber looks for what other processes have published."""

# In one statement what nearly every write is: a counter that lives on, or does not exist yet.
COUNT_UP: Final = """
    INSERT INTO cache_keys (key, scored, number, expires) VALUES (?1, 0, ?2, ?3)
    ON CONFLICT (key) DO UPDATE SET number = number + ?2, expires = ifnull(?3, expires)
    WHERE scored = 0 AND (expires IS NULL OR expires > ?4)
"""
LIVE: Final = """
    SELECT id, scored, number, expires FROM cache_keys WHERE key = ? AND (expires IS NULL OR expires > ?)
"""
SIDE_BY_SIDE: Final = """
    SELECT key, number FROM cache_keys
    WHERE key BETWEEN ? AND ? AND scored = ? AND (expires IS NULL OR expires > ?) LIMIT ?
"""
ONE_OF: Final = """
    SELECT key, number FROM cache_keys WHERE key IN ({marks}) AND scored = ? AND (expires IS NULL OR expires > ?)
"""
RISING: Final = """
    SELECT member, score FROM cache_members WHERE owner = ? AND score >= ? AND score <= ?
    ORDER BY score, member LIMIT ?
"""
FALLING: Final = """
    SELECT member, score FROM cache_members WHERE owner = ? AND score >= ? AND score <= ?
    ORDER BY score DESC, member DESC LIMIT ?
"""
RESIZE: Final = """
    UPDATE cache_keys SET number = number + ?, expires = ifnull(?, expires) WHERE id = ?
"""
LOCK: Final = """
    INSERT INTO locks (key, owner, expires) VALUES (?, ?, ?)
    ON CONFLICT (key) DO UPDATE SET owner = excluded.owner, expires = excluded.expires WHERE locks.expires <= ?
"""


class EmbeddedCache(Cache):
    """A cache in the state directory: it survives a restart, which the port does not ask for."""

    def __init__(self, border: Border, clock: Clock) -> None:
        self._border = border
        self._clock = clock
        self._writes = 0

    def write(self, writes: Sequence[Write]) -> None:
        now = self._clock.now_ms()
        with self._border.write() as db:
            for write in writes:
                self._apply(db, write, now)
            self._writes += 1
            if self._writes % SWEEP_EVERY == 0:
                _sweep(db, now)

    def read(self, questions: Sequence[Question]) -> Sequence[Answer]:
        now = self._clock.now_ms()
        with self._border.snapshot() as db:
            if len(questions) < MANY:
                return [_answer(db, question, now) for question in questions]
            counters = _numbers(db, [each.key for each in questions if type(each) is Count], now, scored=False)
            sizes = _numbers(db, [each.key for each in questions if type(each) is Size], now, scored=True)
            together: dict[type[Question], Mapping[str, int]] = {Count: counters, Size: sizes}
            return [
                _answer(db, each, now) if (known := together.get(type(each))) is None else known.get(each.key, 0)
                for each in questions
            ]

    def acquire(self, key: str, owner: str, ttl_ms: int) -> bool:
        now = self._clock.now_ms()
        with self._border.write() as db:
            taken = db.execute(LOCK, (encode(key), encode(owner), now + ttl_ms, now))
            return taken.rowcount == 1

    def release(self, key: str, owner: str) -> bool:
        row = (encode(key), encode(owner), self._clock.now_ms())
        with self._border.write() as db:
            freed = db.execute("DELETE FROM locks WHERE key = ? AND owner = ? AND expires > ?", row)
            return freed.rowcount == 1

    def publish(self, channel: str, message: str) -> None:
        row = (encode(channel), encode(message))
        with self._border.write() as db:
            number = db.execute("INSERT INTO channels (channel, message) VALUES (?, ?)", row).lastrowid
            assert number is not None
            if number % SWEEP_EVERY == 0:
                db.execute("DELETE FROM channels WHERE id < ?", (number - KEEP_MESSAGES,))
        self._border.database.tell()

    def subscribe(self, channels: Collection[str]) -> EmbeddedSubscription:
        with self._border.read() as db:
            ((last,),) = db.execute("SELECT ifnull(max(id), 0) FROM channels")
        return EmbeddedSubscription(self._border, channels, last)

    def close(self) -> None:
        self._border.closed = True

    def _apply(self, db: sqlite3.Connection, write: Write, now: int) -> None:
        match write:
            case Increment(key, by, ttl_ms):
                expires = None if ttl_ms is None else now + ttl_ms
                done = db.execute(COUNT_UP, (encode(key), by, expires, now))
                if done.rowcount == 0:
                    # A key of the other kind stands there, or one whose time is over.
                    _key(db, key, now, scored=False, ttl_ms=ttl_ms)
                    db.execute(COUNT_UP, (encode(key), by, expires, now))
            case SetCounter(key, value, ttl_ms):
                owner = _key(db, key, now, scored=False, ttl_ms=ttl_ms)
                db.execute("UPDATE cache_keys SET number = ? WHERE id = ?", (value, owner))
            case AddMember(key, member, score, ttl_ms):
                owner = _key(db, key, now, scored=True, ttl_ms=ttl_ms)
                _add(db, owner, encode(member), score)
            case RemoveMember(key, member):
                _remove(db, key, encode(member), now)


class EmbeddedSubscription(Subscription):
    """What was published since the last poll. It is kept by the database, not here."""

    def __init__(self, border: Border, channels: Collection[str], last: int) -> None:
        self._border = border
        self._last = last
        self._names = [encode(channel) for channel in channels]
        marks = ", ".join("?" for _ in self._names)
        wanted = f"id > ? AND channel IN ({marks})"
        self._query = f"SELECT id, channel, message FROM channels WHERE {wanted} ORDER BY id"
        self._closed = False

    def poll(self, timeout_ms: int = 0) -> Sequence[tuple[str, str]]:
        deadline = time.monotonic() + timeout_ms / 1000
        while not self._closed:
            published = self._border.database.published
            found = self._arrived()
            left = deadline - time.monotonic()
            if found or left <= 0:
                return found
            self._border.database.wait(published, min(left, LOOK_S))
        return []

    def close(self) -> None:
        self._closed = True

    def _arrived(self) -> list[tuple[str, str]]:
        with self._border.read() as db:
            rows = db.execute(self._query, (self._last, *self._names)).fetchall()
        if rows:
            self._last = rows[-1][0]
        return [(decode(channel), decode(message)) for _, channel, message in rows]


def _key(db: sqlite3.Connection, key: str, now: int, *, scored: bool, ttl_ms: int | None) -> int:
    found = db.execute(LIVE, (encode(key), now)).fetchone()
    expires = None if ttl_ms is None else now + ttl_ms
    if found is None:
        _drop(db, encode(key))
        row = (encode(key), scored, expires)
        made = db.execute("INSERT INTO cache_keys (key, scored, number, expires) VALUES (?, ?, 0, ?)", row)
        assert made.lastrowid is not None
        return made.lastrowid
    if found[1] != scored:
        raise InvalidInput(f"{key!r} is both a counter and a scored set")
    if expires is not None:
        db.execute("UPDATE cache_keys SET expires = ? WHERE id = ?", (expires, found[0]))
    return int(found[0])


def _drop(db: sqlite3.Connection, key: bytes) -> None:
    # The members of a large set are not deleted in one go: they have lost their owner, and go little by little.
    row = db.execute("DELETE FROM cache_keys WHERE key = ? RETURNING id, scored", (key,)).fetchone()
    if row is not None and row[1]:
        db.execute("INSERT INTO cache_garbage (owner) VALUES (?)", (row[0],))


def _add(db: sqlite3.Connection, owner: int, member: bytes, score: int) -> None:
    moved = db.execute(
        "UPDATE cache_members SET score = ? WHERE owner = ? AND member = ?", (score, owner, member)
    )
    if moved.rowcount == 0:
        db.execute("INSERT INTO cache_members (owner, member, score) VALUES (?, ?, ?)", (owner, member, score))
        db.execute(RESIZE, (1, None, owner))


def _remove(db: sqlite3.Connection, key: str, member: bytes, now: int) -> None:
    found = db.execute(LIVE, (encode(key), now)).fetchone()
    if found is None:
        return
    if not found[1]:
        raise InvalidInput(f"{key!r} is a counter and no scored set")
    gone = db.execute("DELETE FROM cache_members WHERE owner = ? AND member = ?", (found[0], member))
    if gone.rowcount == 1 and found[2] == 1:
        # An empty set is no set: its expiry goes with it.
        db.execute("DELETE FROM cache_keys WHERE id = ?", (found[0],))
    elif gone.rowcount == 1:
        db.execute(RESIZE, (-1, None, found[0]))


def _numbers(db: sqlite3.Connection, keys: Sequence[str], now: int, *, scored: bool) -> Mapping[str, int]:
    """
    Return the numbers of those of *keys* that live, in as few statements as it takes.

    A day of metrics asks for hundreds of keys of each series, one after the other, most of which do not exist.
    Those of a series lie side by side in the index: the range from the first to the last is read at once.
    """
    found: dict[bytes, int] = {}
    alone: list[str] = []
    for series in _series(keys):
        if len(series) >= MANY:
            most = 2 * len(series)
            ends = (encode(min(series)), encode(max(series)))
            rows = db.execute(SIDE_BY_SIDE, (*ends, scored, now, most)).fetchall()
            if len(rows) < most:  # else too much that was not asked for lies in between
                found.update(rows)
                continue
        alone += series
    for start in range(0, len(alone), CHUNK):
        chunk = [encode(key) for key in alone[start : start + CHUNK]]
        found.update(db.execute(ONE_OF.format(marks=", ".join("?" * len(chunk))), (*chunk, scored, now)))
    return {decode(key): number for key, number in found.items()}


def _series(keys: Sequence[str]) -> list[list[str]]:
    """Return *keys* cut where the text before the last colon changes."""
    series: list[list[str]] = []
    name: str | None = None
    for key in keys:
        if name is None or not key.startswith(name):
            name = key[: key.rfind(":") + 1]
            series.append([])
        series[-1].append(key)
    return series


def _answer(db: sqlite3.Connection, question: Question, now: int) -> Answer:
    found = db.execute(LIVE, (encode(question.key), now)).fetchone()
    owner, scored, number, _ = found if found is not None else (0, None, 0, None)
    match question:
        case Count():
            return 0 if scored else int(number)
        case Size():
            return int(number) if scored else 0
        case Score(_, member):
            row = db.execute(
                "SELECT score FROM cache_members WHERE owner = ? AND member = ?", (owner, encode(member))
            ).fetchone()
            return None if row is None else int(row[0])
        case Range(_, low, high, limit, descending):
            ends = (LEAST if low is None else low, MOST if high is None else high)
            most = MOST if limit is None else max(limit, 0)
            rows = db.execute(FALLING if descending else RISING, (owner, *ends, most))
            return tuple((decode(member), score) for member, score in rows)


def _sweep(db: sqlite3.Connection, now: int) -> None:
    expired = db.execute("SELECT key FROM cache_keys WHERE expires <= ? LIMIT 100", (now,)).fetchall()
    for (key,) in expired:
        _drop(db, key)
    db.execute("DELETE FROM locks WHERE expires <= ?", (now,))
    for (owner,) in db.execute("SELECT owner FROM cache_garbage LIMIT 10").fetchall():
        gone = db.execute(
            "DELETE FROM cache_members WHERE (owner, member) IN "
            "(SELECT owner, member FROM cache_members WHERE owner = ? LIMIT 1000)",
            (owner,),
        )
        if gone.rowcount < 1000:
            db.execute("DELETE FROM cache_garbage WHERE owner = ?", (owner,))
