"""A batching queue outside of a batch is the queue that it wraps."""

from __future__ import annotations

from backbeat_adapters.batching import BatchingQueue
from backbeat_core.ports.queue import Queue
from backbeat_core.testing.contracts.queue import QueueContract
from backbeat_core.testing.memory import ManualClock, MemoryBroker, MemoryQueue


class TestBatchingQueue(QueueContract):
    def setup_method(self) -> None:
        self.clock, self.broker = ManualClock(), MemoryBroker()

    def make_queue(self) -> Queue:
        return BatchingQueue(MemoryQueue(self.clock, self.broker))

    def make_dead_queue(self) -> Queue:
        return BatchingQueue(MemoryQueue(self.clock, unreachable=True))

    def pass_time(self, ms: int) -> None:
        self.clock.advance(ms)
