"""The executable laws of the cache: a dict whose keys expire."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Sequence

import attrs

from backbeat_core.errors import CacheUnavailable, InvalidInput
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
from backbeat_core.testing.memory.locking import locked


@attrs.define
class _Entry:
    content: int | dict[str, int]
    expires_ms: int | None = None


@attrs.define(eq=False)
class MemoryKeys:
    """What several `MemoryCache` objects share, as processes share a server."""

    entries: dict[str, _Entry] = attrs.field(factory=dict)
    locks: dict[str, tuple[str, int]] = attrs.field(factory=dict)
    subscriptions: list[MemorySubscription] = attrs.field(factory=list)
    lock: threading.RLock = attrs.field(factory=threading.RLock, repr=False)

    def flush(self) -> None:
        """Forget everything, as a cache that was restarted empty has."""
        self.entries.clear()
        self.locks.clear()


@attrs.define(eq=False)
class MemoryCache(Cache):
    """A cache without threads or files. While *unreachable* is true every call fails."""

    clock: Clock
    keys: MemoryKeys = attrs.field(factory=MemoryKeys)
    unreachable: bool = False

    @property
    def lock(self) -> threading.RLock:
        return self.keys.lock

    @locked
    def write(self, writes: Sequence[Write]) -> None:
        self._check()
        self._refuse_mixed(writes)
        for write in writes:
            self._apply(write)

    @locked
    def read(self, questions: Sequence[Question]) -> Sequence[Answer]:
        self._check()
        return [self._answer(question) for question in questions]

    @locked
    def acquire(self, key: str, owner: str, ttl_ms: int) -> bool:
        self._check()
        now = self.clock.elapsed_ms()
        if key in self.keys.locks and now < self.keys.locks[key][1]:
            return False
        self.keys.locks[key] = (owner, now + ttl_ms)
        return True

    @locked
    def release(self, key: str, owner: str) -> bool:
        self._check()
        holder, until = self.keys.locks.get(key, ("", 0))
        if holder != owner or until <= self.clock.elapsed_ms():
            return False
        del self.keys.locks[key]
        return True

    @locked
    def publish(self, channel: str, message: str) -> None:
        self._check()
        for subscription in self.keys.subscriptions:
            if channel in subscription.channels:
                subscription.arrived.append((channel, message))

    @locked
    def subscribe(self, channels: Collection[str]) -> MemorySubscription:
        self._check()
        subscription = MemorySubscription(self, frozenset(channels))
        self.keys.subscriptions.append(subscription)
        return subscription

    def close(self) -> None:
        pass

    def _check(self) -> None:
        if self.unreachable:
            raise CacheUnavailable("the memory cache is away")

    def _live(self, key: str) -> _Entry | None:
        entry = self.keys.entries.get(key)
        if entry is not None and entry.expires_ms is not None and entry.expires_ms <= self.clock.elapsed_ms():
            del self.keys.entries[key]
            return None
        return entry

    def _refuse_mixed(self, writes: Sequence[Write]) -> None:
        counters: dict[str, bool] = {}
        for write in writes:
            entry = self._live(write.key)
            wanted = isinstance(write, Increment | SetCounter)
            found = isinstance(entry.content, int) if entry is not None else wanted
            if counters.setdefault(write.key, found) is not wanted:
                raise InvalidInput(f"{write.key!r} is both a counter and a scored set")

    def _apply(self, write: Write) -> None:
        entry = self._live(write.key)
        match write:
            case Increment(key, by, ttl_ms):
                before = entry.content if entry and isinstance(entry.content, int) else 0
                self._set(key, before + by, ttl_ms, entry)
            case SetCounter(key, value, ttl_ms):
                self._set(key, value, ttl_ms, entry)
            case AddMember(key, member, score, ttl_ms):
                members = entry.content if entry and isinstance(entry.content, dict) else {}
                self._set(key, {**members, member: score}, ttl_ms, entry)
            case RemoveMember(key, member):
                if entry is not None and isinstance(entry.content, dict):
                    entry.content.pop(member, None)
                    if not entry.content:
                        del self.keys.entries[key]

    def _set(self, key: str, content: int | dict[str, int], ttl_ms: int | None, old: _Entry | None) -> None:
        expires = old.expires_ms if old is not None else None
        if ttl_ms is not None:
            expires = self.clock.elapsed_ms() + ttl_ms
        self.keys.entries[key] = _Entry(content, expires)

    def _answer(self, question: Question) -> Answer:
        entry = self._live(question.key)
        content = entry.content if entry is not None else None
        members = content if isinstance(content, dict) else {}
        match question:
            case Count():
                return content if isinstance(content, int) else 0
            case Size():
                return len(members)
            case Score(_, member):
                return members.get(member)
            case Range(_, low, high, limit, descending):
                found = sorted(members.items(), key=_by_score)
                inside = [
                    (member, score)
                    for member, score in (reversed(found) if descending else found)
                    if (low is None or low <= score) and (high is None or score <= high)
                ]
                return tuple(inside if limit is None else inside[: max(limit, 0)])


@attrs.define(eq=False)
class MemorySubscription(Subscription):
    """What has arrived and was not polled yet. `poll` never waits."""

    cache: MemoryCache
    channels: frozenset[str]
    arrived: deque[tuple[str, str]] = attrs.field(factory=deque)

    def poll(self, timeout_ms: int = 0) -> Sequence[tuple[str, str]]:
        if self.cache.unreachable:
            raise CacheUnavailable("the memory cache is away")
        found = list(self.arrived)
        self.arrived.clear()
        return found

    def close(self) -> None:
        keys = self.cache.keys
        keys.subscriptions = [other for other in keys.subscriptions if other is not self]
        self.arrived.clear()


def _by_score(item: tuple[str, int]) -> tuple[int, bytes]:
    return item[1], item[0].encode("utf-8", "surrogatepass")
