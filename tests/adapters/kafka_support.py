"""What the tests of Kafka share: settings, a listener that remembers, and patience."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import attrs

from backbeat_adapters.kafka import KafkaQueue, KafkaSettings, KafkaTopic
from backbeat_core.errors import BackbeatError, QueueUnavailable
from backbeat_core.ports.queue import (
    Consumer,
    Listener,
    Published,
    Record,
)

# Members hear of one another quickly, and a machine that is busy with other things costs none its place.
CALM = KafkaSettings(
    new_topic=KafkaTopic(partitions=3),
    session_timeout_ms=20_000,
    heartbeat_interval_ms=100,
    max_poll_interval_ms=60_000,
)


# For tests that wait until a member that is silent has lost its place.
HASTY: dict[str, Any] = {"session_timeout_ms": 2_500, "max_poll_interval_ms": 2_500}


@attrs.define(eq=False)
class Heard(Listener):
    """What a listener was told, in order."""

    news: list[tuple[str, object]] = attrs.field(factory=list)
    owned: dict[int, int] = attrs.field(factory=dict)

    def assigned(self, offsets: Mapping[int, int]) -> None:
        self.news.append(("assigned", dict(offsets)))
        self.owned.update(offsets)

    def revoked(self, partitions: Collection[int]) -> None:
        self._gone("revoked", partitions)

    def lost(self, partitions: Collection[int]) -> None:
        self._gone("lost", partitions)

    def _gone(self, how: str, partitions: Collection[int]) -> None:
        self.news.append((how, sorted(partitions)))
        for partition in partitions:
            del self.owned[partition]


@contextlib.contextmanager
def queue_on(address: str, **others: Any) -> Iterator[KafkaQueue]:
    queue = KafkaQueue(attrs.evolve(CALM, hosts=address, **others))
    try:
        yield queue
    finally:
        queue.close()


@contextlib.contextmanager
def member_of(
    queue: KafkaQueue, topic: str, group: str = "", listener: Listener | None = None, **others: Any
) -> Iterator[Consumer]:
    consumer = queue.subscribe(topic, group or topic, listener or Heard(), **others)
    try:
        yield consumer
    finally:
        consumer.close()


def read(consumer: Consumer, count: int, *, limit: int = 100, seconds: float = 20) -> list[Record]:
    """Poll until *count* records are there, whatever is raised while Kafka is away."""
    records: list[Record] = []
    deadline = time.monotonic() + seconds
    while len(records) < count and time.monotonic() < deadline:
        with contextlib.suppress(QueueUnavailable):
            records += consumer.poll(limit, 100)
    assert count == len(records)
    return records


def published(results: Sequence[Published | BackbeatError]) -> list[Published]:
    assert [] == [result for result in results if not isinstance(result, Published)]
    return [result for result in results if isinstance(result, Published)]


def settle(consumer: Consumer, listener: Heard, partitions: int) -> None:
    deadline = time.monotonic() + 20
    while len(listener.owned) < partitions:
        assert time.monotonic() < deadline
        consumer.poll(0, 100)
