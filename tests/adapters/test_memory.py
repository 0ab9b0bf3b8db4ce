"""The memory models keep the laws: they are the laws, executable."""

from __future__ import annotations

import time

from backbeat_core.ports.clock import Clock
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
