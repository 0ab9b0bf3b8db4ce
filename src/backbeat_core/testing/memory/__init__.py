"""The six ports as plain dicts and lists: the executable laws, without threads, files or a clock."""

from backbeat_core.testing.memory.cache import MemoryCache, MemoryKeys
from backbeat_core.testing.memory.clock import ManualClock
from backbeat_core.testing.memory.coordinator import MemoryCoordinator, MemoryEnsemble
from backbeat_core.testing.memory.location import MemoryBucket, MemoryLocation
from backbeat_core.testing.memory.queue import MemoryBroker, MemoryConsumer, MemoryQueue
from backbeat_core.testing.memory.store import MemoryStore, MemoryTables

__all__ = [
    "ManualClock",
    "MemoryBroker",
    "MemoryBucket",
    "MemoryCache",
    "MemoryConsumer",
    "MemoryCoordinator",
    "MemoryEnsemble",
    "MemoryKeys",
    "MemoryLocation",
    "MemoryQueue",
    "MemoryStore",
    "MemoryTables",
]
