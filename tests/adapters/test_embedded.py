"""The embedded engine keeps the same laws as the servers, and survives what a machine does to it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from backbeat_adapters.embedded import DirectoryLocation, EmbeddedEngine
from backbeat_adapters.embedded.attributes import Beside
from backbeat_adapters.embedded.staging import Staging
from backbeat_core.ports.cache import Cache
from backbeat_core.ports.coordinator import Coordinator
from backbeat_core.ports.queue import Queue
from backbeat_core.ports.store import Store
from backbeat_core.testing.contracts.cache import CacheContract
from backbeat_core.testing.contracts.coordinator import CoordinatorContract
from backbeat_core.testing.contracts.location import (
    ConditionalDeleteContract,
    LocationContract,
    TaggedContract,
    UploadContract,
)
from backbeat_core.testing.contracts.queue import QueueContract
from backbeat_core.testing.contracts.store import StoreContract
from backbeat_core.testing.memory import ManualClock


class Embedded:
    """Every engine that a test opens is a process of its own on the test's one state directory."""

    examples = 25

    def setup_method(self) -> None:
        self.clock = ManualClock()
        self.state = Path(tempfile.mkdtemp(prefix="backbeat-test-"))
        self.engines: list[EmbeddedEngine] = []

    def teardown_method(self) -> None:
        for engine in self.engines:
            engine.close()
        shutil.rmtree(self.state)

    def open(self) -> EmbeddedEngine:
        self.engines.append(EmbeddedEngine.open(self.state, self.clock))
        return self.engines[-1]

    def open_dead(self) -> EmbeddedEngine:
        engine = self.open()
        engine.close()
        return engine

    def pass_time(self, ms: int) -> None:
        self.clock.advance(ms)


class TestEmbeddedQueue(Embedded, QueueContract):
    def make_queue(self) -> Queue:
        return self.open().queue

    def make_dead_queue(self) -> Queue:
        return self.open_dead().queue


class TestEmbeddedStore(Embedded, StoreContract):
    def make_store(self) -> Store:
        return self.open().store

    def make_dead_store(self) -> Store:
        return self.open_dead().store


class TestEmbeddedCache(Embedded, CacheContract):
    def make_cache(self) -> Cache:
        return self.open().cache

    def make_dead_cache(self) -> Cache:
        return self.open_dead().cache


class TestEmbeddedCoordinator(Embedded, CoordinatorContract):
    def make_coordinator(self) -> Coordinator:
        return self.open().coordinator

    def make_dead_coordinator(self) -> Coordinator:
        return self.open_dead().coordinator


class TestDirectoryLocation(LocationContract, UploadContract, TaggedContract, ConditionalDeleteContract):
    examples = 25

    def setup_method(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="backbeat-test-"))

    def teardown_method(self) -> None:
        shutil.rmtree(self.root)

    def make_location(self) -> DirectoryLocation:
        return DirectoryLocation(self.root / "place")

    def make_dead_location(self) -> DirectoryLocation:
        location = DirectoryLocation(self.root / "removed")
        shutil.rmtree(self.root / "removed")
        return location


class TestNamedDirectoryLocation(TestDirectoryLocation):
    """The same on a file system without unnamed files and extended attributes."""

    def make_location(self) -> DirectoryLocation:
        location = DirectoryLocation(self.root / "place")
        location._staging = Staging(location.root, unnamed=False)
        location._beside = Beside(location.root, xattrs=False)
        return location
