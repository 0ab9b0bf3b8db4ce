"""The memory models keep the laws: they are the laws, executable."""

from __future__ import annotations

import attrs

from backbeat_core.testing.contracts.queue import QueueContract
from backbeat_core.testing.memory import ManualClock, MemoryBroker, MemoryQueue


class TestMemoryQueue(QueueContract):
    def setup_method(self) -> None:
        self.clock, self.broker = ManualClock(), MemoryBroker()

    def make_queue(self) -> MemoryQueue:
        return MemoryQueue(self.clock, self.broker)

    def make_dead_queue(self) -> MemoryQueue:
        return attrs.evolve(self.make_queue(), unreachable=True)

    def pass_time(self, ms: int) -> None:
        self.clock.advance(ms)
