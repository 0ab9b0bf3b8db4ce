"""A memory queue whose consumers can be rewound, and a worker with hands: what the tests of the worker share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from backbeat_core.errors import BackbeatError, QueueUnavailable
from backbeat_core.ports.queue import Listener, Message, Published, Record, Start
from backbeat_core.queueing.backoff import Backoff
from backbeat_core.queueing.outcome import DONE, Outcome
from backbeat_core.services.worker import Observer, Task, Worker, WorkerSettings
from backbeat_core.testing.memory import ManualClock, MemoryBroker, MemoryConsumer, MemoryQueue

TOPIC, GROUP = "jobs", "workers"
STEADY = Backoff(min_ms=1000, max_ms=60_000, jitter=0, factor=2)


@attrs.define(eq=False)
class FaultyQueue(MemoryQueue):
    """The memory queue, and what may go wrong with it between a broker and its client."""

    refused: set[str] = attrs.field(factory=set)
    """Topics that take no messages."""
    consumers: list[MemoryConsumer] = attrs.field(factory=list)

    def publish(self, topic: str, messages: Sequence[Message]) -> Sequence[Published | BackbeatError]:
        if topic in self.refused:
            return [QueueUnavailable("refused") for _ in messages]
        return super().publish(topic, messages)

    def subscribe(
        self, topic: str, group: str, listener: Listener, *, start: Start = Start.EARLIEST
    ) -> MemoryConsumer:
        consumer = super().subscribe(topic, group, listener, start=start)
        self.consumers.append(consumer)
        return consumer

    def rewind(self, partition: int, offset: int) -> None:
        """Let the consumer that has *partition* be given it again from *offset* on."""
        for consumer in self.consumers:
            if partition in consumer._positions:
                consumer._positions[partition] = offset


@attrs.define(eq=False)
class Diary(Observer):
    """Writes down what a worker tells."""

    finishes: list[tuple[int, Outcome, int]] = attrs.field(factory=list)
    burials: list[tuple[int, str]] = attrs.field(factory=list)
    rebalances: list[str] = attrs.field(factory=list)
    troubles: list[BackbeatError] = attrs.field(factory=list)

    def finished(self, task: Task, outcome: Outcome, elapsed_ms: int) -> None:
        self.finishes.append((task.record.offset, outcome, elapsed_ms))

    def dead_lettered(self, task: Task, reason: str) -> None:
        self.burials.append((task.record.offset, reason))

    def rebalanced(self, status: str) -> None:
        self.rebalances.append(status)

    def troubled(self, error: BackbeatError) -> None:
        self.troubles.append(error)


class Shop:
    """One topic, and workers that are made on it."""

    def __init__(self, *, partitions: int = 1, session_ms: int = 300_000, max_message_bytes: int = 1000) -> None:
        self.clock = ManualClock()
        self.broker = MemoryBroker(
            partitions=partitions, session_ms=session_ms, max_message_bytes=max_message_bytes
        )
        self.queue = FaultyQueue(self.clock, self.broker)
        self.broker.topic(TOPIC)

    def publish(self, *keys: str, partition: int | None = 0, headers: Any = ()) -> None:
        """Publish one message a key; its value is the key."""
        self.queue.publish(TOPIC, [Message(k.encode(), k[0].encode(), headers, partition) for k in keys])

    def worker(self, **options: Any) -> Worker:
        settings = {"backoff": STEADY, **options.pop("settings", {})}
        options.setdefault("chance", lambda: 0.0)
        return Worker(self.queue, TOPIC, GROUP, clock=self.clock, settings=WorkerSettings(**settings), **options)

    @property
    def committed(self) -> Mapping[int, int]:
        return self.queue.committed(TOPIC, GROUP)

    def dead_letters(self, topic: str = f"{TOPIC}-dead-letter") -> list[Record]:
        found = self.broker.topics.get(topic)
        return [record for partition in found.partitions for record in partition.records] if found else []


def names(tasks: Sequence[Task]) -> list[str]:
    """Return the values of the records of *tasks*."""
    return [task.record.value.decode() for task in tasks]


def work_off(worker: Worker, handler: Callable[[Task], Outcome] = lambda task: DONE) -> list[str]:
    """Step and complete until nothing starts any more; return the values in the order of their starts."""
    done: list[str] = []
    while tasks := worker.step():
        for task in tasks:
            done += names([task])
            worker.complete(task, handler(task))
    return done
