"""Memory engines that hold what a recorded case says stood in Redis, and what stands there afterwards."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from backbeat_core.ports.cache import AddMember, Count, Range, SetCounter, Write
from backbeat_core.ports.queue import Listener, Queue, Record
from backbeat_core.testing.memory import ManualClock, MemoryCache

LOCK: Final = ":processingFailures"
"""What the names of locks end with; the reference keeps them as strings."""

_LONG_MS: Final = 10**9


def clock_at(now_ms: int) -> ManualClock:
    return ManualClock(wall_ms=now_ms)


def cache_of(case_input: Mapping[str, Any], clock: ManualClock) -> MemoryCache:
    """Return a cache with the case's strings, sorted sets and locks."""
    cache = MemoryCache(clock)
    writes: list[Write] = []
    for key, text in case_input["strings"].items():
        if key.endswith(LOCK):
            assert cache.acquire(key, "somebody else", _LONG_MS)
        elif (number := whole_number(text)) is not None:
            writes.append(SetCounter(key, number))
    for key, members in case_input["sortedSets"].items():
        writes += [AddMember(key, member, int(score)) for member, score in members.items()]
    cache.write(writes)
    return cache


def whole_number(text: str) -> int | None:
    """Return what is a counter; the port knows no other strings, so what is none is not there."""
    try:
        return int(text)
    except ValueError:
        return None


def counters(cache: MemoryCache, *wanted: Mapping[str, Any]) -> dict[str, int]:
    """Return the counters named in any of *wanted*, without those that are 0."""
    keys = sorted({key for strings in wanted for key in strings if not key.endswith(LOCK)})
    answers = dict(zip(keys, cache.read([Count(key) for key in keys]), strict=True))
    return {key: number for key, number in answers.items() if isinstance(number, int) and number}


def sets(cache: MemoryCache, *wanted: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Return the sorted sets named in any of *wanted*, without the empty ones."""
    keys = sorted({key for named in wanted for key in named})
    answers = dict(zip(keys, cache.read([Range(key) for key in keys]), strict=True))
    return {key: dict(members) for key, members in answers.items() if isinstance(members, tuple) and members}


def drain(queue: Queue, topic: str) -> list[Record]:
    """Return all records of *topic*, partition by partition."""
    consumer = queue.subscribe(topic, "drain", _Listener())
    records: list[Record] = []
    ends = sum(marks.high - marks.low for marks in queue.watermarks(topic).values())
    while len(records) < ends:
        records += consumer.poll(1000)
    consumer.close()
    return records


class _Listener(Listener):
    def assigned(self, offsets: Mapping[int, int]) -> None:
        pass

    def revoked(self, partitions: Collection[int]) -> None:
        pass

    def lost(self, partitions: Collection[int]) -> None:
        pass
