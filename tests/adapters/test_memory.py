"""The memory models keep the laws: they are the laws, executable."""

from __future__ import annotations

import time

import pytest

from backbeat_core.errors import Fenced, HistoryLost, NotFound
from backbeat_core.ports.cache import Count, Increment
from backbeat_core.ports.clock import Clock
from backbeat_core.ports.location import Attributes
from backbeat_core.ports.queue import Listener, Message, Start, Watermarks
from backbeat_core.testing.contracts.cache import CacheContract
from backbeat_core.testing.contracts.clock import ClockContract
from backbeat_core.testing.contracts.coordinator import CoordinatorContract
from backbeat_core.testing.contracts.location import (
    ConditionalDeleteContract,
    LocationContract,
    TaggedContract,
    UploadContract,
)
from backbeat_core.testing.contracts.queue import QueueContract
from backbeat_core.testing.contracts.store import StoreContract
from backbeat_core.testing.memory import (
    ManualClock,
    MemoryBroker,
    MemoryBucket,
    MemoryCache,
    MemoryCoordinator,
    MemoryEnsemble,
    MemoryKeys,
    MemoryLocation,
    MemoryQueue,
    MemoryStore,
    MemoryTables,
)


class TestMemoryQueue(QueueContract):
    def setup_method(self) -> None:
        self.clock, self.broker = ManualClock(), MemoryBroker()

    def make_queue(self) -> MemoryQueue:
        return MemoryQueue(self.clock, self.broker)

    def make_dead_queue(self) -> MemoryQueue:
        return MemoryQueue(self.clock, unreachable=True)

    def pass_time(self, ms: int) -> None:
        self.clock.advance(ms)


class TestMemoryStore(StoreContract):
    patience_s = 0.5

    def setup_method(self) -> None:
        self.clock, self.tables = ManualClock(), MemoryTables()

    def make_store(self) -> MemoryStore:
        return MemoryStore(self.clock, self.tables)

    def make_dead_store(self) -> MemoryStore:
        return MemoryStore(self.clock, unreachable=True)


class TestMemoryCache(CacheContract):
    def setup_method(self) -> None:
        self.clock, self.keys = ManualClock(), MemoryKeys()

    def make_cache(self) -> MemoryCache:
        return MemoryCache(self.clock, self.keys)

    def make_dead_cache(self) -> MemoryCache:
        return MemoryCache(self.clock, unreachable=True)

    def pass_time(self, ms: int) -> None:
        self.clock.advance(ms)


class TestManualClock(ClockContract):
    def make_clock(self) -> ManualClock:
        return ManualClock(wall_ms=time.time_ns() // 1_000_000)

    def pass_time(self, clock: Clock, ms: int) -> None:
        assert isinstance(clock, ManualClock)
        clock.advance(ms)

    def step_wall(self, clock: Clock, ms: int) -> None:
        assert isinstance(clock, ManualClock)
        clock.step_wall(ms)


class TestMemoryCoordinator(CoordinatorContract):
    def setup_method(self) -> None:
        self.clock, self.ensemble = ManualClock(), MemoryEnsemble()

    def make_coordinator(self) -> MemoryCoordinator:
        return MemoryCoordinator(self.clock, self.ensemble)

    def make_dead_coordinator(self) -> MemoryCoordinator:
        return MemoryCoordinator(self.clock, unreachable=True)

    def pass_time(self, ms: int) -> None:
        self.clock.advance(ms)


class TestMemoryLocation(LocationContract, UploadContract, TaggedContract, ConditionalDeleteContract):
    def setup_method(self) -> None:
        self.clock, self.bucket = ManualClock(), MemoryBucket()

    def make_location(self) -> MemoryLocation:
        return MemoryLocation(self.clock, self.bucket)

    def make_dead_location(self) -> MemoryLocation:
        return MemoryLocation(self.clock, unreachable=True)


class TestVersionedMemoryLocation(TestMemoryLocation):
    def make_location(self) -> MemoryLocation:
        return MemoryLocation(self.clock, self.bucket, versioned=True)


class Quiet(Listener):
    """Remembers what it owns."""

    def __init__(self) -> None:
        self.owned: set[int] = set()
        self.gone: list[int] = []

    def assigned(self, offsets) -> None:
        self.owned |= set(offsets)

    def revoked(self, partitions) -> None:
        self.owned -= set(partitions)

    def lost(self, partitions) -> None:
        self.owned -= set(partitions)
        self.gone += partitions


def test_an_expelled_member_learns_it_at_its_next_poll():
    queue, one, two = MemoryQueue(ManualClock()), Quiet(), Quiet()
    silent = queue.subscribe("topic", "g", one)
    silent.poll(0)
    heir = queue.subscribe("topic", "g", two)

    queue.expel(silent)
    heir.poll(0)

    assert {0, 1, 2, 3} == two.owned
    with pytest.raises(Fenced):
        silent.commit({0: 0})
    silent.poll(0)
    assert [0, 1, 2, 3] == one.gone


def test_grown_partitions_are_read_from_their_beginning():
    queue, listener = MemoryQueue(ManualClock(), MemoryBroker(partitions=1)), Quiet()
    consumer = queue.subscribe("topic", "g", listener, start=Start.LATEST)
    queue.broker.grow("topic", 3)
    queue.publish("topic", [Message(b"new", partition=2)])

    assert [b"new"] == [record.value for record in consumer.poll(9)]


def test_trimmed_records_are_passed_over():
    queue = MemoryQueue(ManualClock())
    queue.publish("topic", [Message(b"%d" % n, partition=0) for n in range(5)])
    queue.broker.trim("topic", 0, 3)

    assert Watermarks(3, 5) == queue.watermarks("topic")[0]
    records = queue.subscribe("topic", "g", Quiet()).poll(9)
    assert [(3, b"3"), (4, b"4")] == [(record.offset, record.value) for record in records]


def test_what_is_polled_is_equal_and_not_identical():
    queue, value = MemoryQueue(ManualClock()), b"a value of more than one byte"
    queue.publish("topic", [Message(value)])

    (record,) = queue.subscribe("topic", "g", Quiet()).poll(1)

    assert value == record.value
    assert value is not record.value


def test_a_forgotten_feed_says_that_its_history_is_lost():
    store = MemoryStore(ManualClock())
    position = store.position()
    store.put("bucket", "key", {})
    store.tables.forget(store.position())

    with pytest.raises(HistoryLost):
        store.changes(position)
    assert [] == store.changes(None).changes


def test_an_emptied_cache_has_forgotten():
    cache = MemoryCache(ManualClock())
    cache.write([Increment("n", 1)])
    cache.acquire("lock", "me", 1000)

    cache.keys.flush()

    assert [0] == list(cache.read([Count("n")]))
    assert cache.acquire("lock", "you", 1000) is True


def test_an_ended_session_frees_its_leases():
    ensemble = MemoryEnsemble()
    one, two = (MemoryCoordinator(ManualClock(), ensemble) for _ in range(2))
    one.acquire("name", "one", 1000)

    one.expire()

    assert two.acquire("name", "two", 1000) is not None


def test_a_versioned_location_keeps_what_was_overwritten():
    location = MemoryLocation(ManualClock(), versioned=True)

    def put(body):
        return location.write("name", [body], size=1, md5="", attributes=Attributes()).version

    first, second = put(b"1"), put(b"2")
    marker = location.delete("name")

    assert marker
    assert [b"1", b"2"] == [b"".join(location.read("name", version=v)) for v in (first, second)]
    with pytest.raises(NotFound):
        location.head("name")
    location.delete("name", version=first)
    with pytest.raises(NotFound):
        location.head("name", version=first)


def test_time_does_not_run_backwards():
    clock = ManualClock()

    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)
