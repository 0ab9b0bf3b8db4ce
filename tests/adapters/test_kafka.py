"""`KafkaQueue` keeps the laws of the queue on a real Kafka, and what only Kafka can do to it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import attrs
import pytest

import servers
from backbeat_adapters.kafka import KafkaQueue, KafkaSettings, KafkaTopic
from backbeat_core.ports.queue import Consumer, Listener, Queue, Start
from backbeat_core.testing.contracts.queue import Member, Ownership, QueueContract

pytestmark = pytest.mark.kafka

QUICK = KafkaSettings(
    new_topic=KafkaTopic(partitions=3),
    session_timeout_ms=1_000,
    heartbeat_interval_ms=100,
    max_poll_interval_ms=1_500,
)


class TestKafkaQueue(QueueContract):
    poll_ms = 100
    polls = 60
    silence_ms = 2_000
    bounded_s = 5.0
    examples = 4
    steps = 25
    settings = QUICK

    @pytest.fixture(autouse=True)
    def _connections(self) -> Iterator[None]:
        self.opened: list[Queue | Consumer] = []
        yield
        # Consumers first: they leave their groups in order.
        for opened in reversed(self.opened):
            opened.close()

    def make_queue(self) -> Queue:
        return self._opened(KafkaQueue(attrs.evolve(self.settings, hosts=servers.address("kafka"))))

    def make_dead_queue(self) -> Queue:
        hosts = f"127.0.0.1:{servers.free_port()}"
        return self._opened(KafkaQueue(attrs.evolve(self.settings, hosts=hosts, request_timeout_ms=300)))

    def join(
        self,
        queue: Queue,
        topic: str,
        group: str = "g",
        *,
        table: Ownership | None = None,
        start: Start = Start.EARLIEST,
        commits: bool = False,
    ) -> Member:
        member = super().join(queue, topic, group, table=table, start=start, commits=commits)
        self.opened.append(member.consumer)
        return member

    def pass_time(self, ms: int) -> None:
        time.sleep(ms / 1000)

    def _opened(self, queue: Queue) -> Queue:
        self.opened.append(queue)
        return queue
