"""How the engines are: what the two health routes say (http-api 7.1 and 7.2)."""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeAlias

import attrs

from backbeat_core.domain import wire
from backbeat_core.errors import Conflict, QueueUnavailable, Unavailable
from backbeat_core.ports.clock import Clock
from backbeat_core.ports.coordinator import Coordinator
from backbeat_core.ports.queue import Consumer, Listener, Message, Published, Queue


@attrs.frozen
class Partition:
    """What a broker says of a partition: the ids of who leads it, who keeps it and who keeps up with it."""

    id: int
    leader: int
    replicas: tuple[int, ...]
    in_sync: tuple[int, ...]


class Connection(enum.Enum):
    """How a client stands to its ensemble; names and codes are those of ZooKeeper's clients."""

    DISCONNECTED = 0
    SYNC_CONNECTED = 3
    AUTH_FAILED = 4
    CONNECTED_READ_ONLY = 5
    SASL_AUTHENTICATED = 6
    EXPIRED = -122


Describe: TypeAlias = Callable[[str], Sequence[Partition]]
"""Topic → its partitions, none if there is no such topic. Raises QueueUnavailable."""

Connected: TypeAlias = Callable[[], Connection]
Ready: TypeAlias = Callable[[], bool]


@attrs.frozen
class HealthSettings:
    """
    What is looked at and what is expected of it.

    *topic* is the effective name of the replication topic (B31); *in_sync* replicas or more are healthy
    (D14). Times in milliseconds: what has not come back after *deep_limit_ms* is in error.
    """

    topic: str = "backbeat-replication"
    in_sync: int = 3
    deep_limit_ms: int = 60_000
    deep_poll_ms: int = 500
    deep_group: str = "deephealthcheck-group"


_PROBE: Final = wire.encode({"canary": True, "healthcheckKey": True})
"""What a deep check publishes: processors skip canaries without a word (7.2)."""

_MOST_RECORDS: Final = 1000


@attrs.frozen
class Health:
    """
    Asks the engines how they are.

    *describe*, *connected* and *ready* are what an adapter knows of its brokers, its session and its
    producers. An engine without brokers keeps each partition once, as broker 0.
    """

    queue: Queue
    coordinator: Coordinator
    clock: Clock
    new_id: Callable[[], str]
    settings: HealthSettings = attrs.field(factory=HealthSettings)
    describe: Describe | None = None
    connected: Connected | None = None
    ready: Ready | None = None

    def check(self) -> dict[str, Any]:
        """
        Return what is known of the replication topic and of the connections.

        Raises QueueUnavailable when the queue does not answer, or a partition has nobody who is in sync; all
        else that is wrong is told in the body (B8).
        """
        topic = self.settings.topic
        partitions = (self.describe or self._from_watermarks)(topic)
        if any(not partition.in_sync for partition in partitions):
            raise QueueUnavailable(f"a partition of {topic} has no replica in sync")
        connection = (self.connected or self._probe)()
        connections: dict[str, Any] = {}
        if partitions:
            enough = all(len(partition.in_sync) >= self.settings.in_sync for partition in partitions)
            connections["isrHealth"] = _status(enough)
        connections["zookeeper"] = {
            "status": _status(connection is Connection.SYNC_CONNECTED),
            "details": {"name": connection.name, "code": connection.value},
        }
        connections["kafkaProducer"] = {"status": _status(self.ready is None or self.ready())}
        return {
            "topics": {topic: {"name": topic, "partitions": _described(partitions)}} if partitions else {},
            "internalConnections": connections,
        }

    def deep(self) -> dict[str, Any]:
        """
        Publish a probe to each partition of the replication topic, read it back, and return how each fared.

        Takes up to the limit. Raises QueueUnavailable when the partitions are not known, when a probe cannot be
        set up, and while another deep check is under way.
        """
        started_ms = self.clock.elapsed_ms()
        topic = self.settings.topic
        begin = {partition: marks.high for partition, marks in self.queue.watermarks(topic).items()}
        if not begin:
            raise QueueUnavailable(f"{topic} has no partitions")
        seen = self._seen(topic, begin, started_ms)
        return {
            **{str(partition): _status(partition in seen) for partition in sorted(begin)},
            "timeElapsed": self.clock.elapsed_ms() - started_ms,
        }

    def _seen(self, topic: str, begin: Mapping[int, int], started_ms: int) -> Collection[int]:
        group = self.settings.deep_group
        try:
            self.queue.seek(topic, group, begin)
        except Conflict as error:
            raise QueueUnavailable("another deep health check is under way") from error
        key = f"deephealthcheck-{self.new_id()}".encode()
        consumer = self.queue.subscribe(topic, group, _Ignorant())
        try:
            messages = [Message(_PROBE, key, partition=partition) for partition in begin]
            published = self.queue.publish(topic, messages)
            awaited = {result.partition for result in published if isinstance(result, Published)}
            return self._read_back(consumer, key, awaited, started_ms)
        finally:
            consumer.close()

    def _read_back(
        self, consumer: Consumer, key: bytes, awaited: Collection[int], started_ms: int
    ) -> Collection[int]:
        """Return the partitions of *awaited* whose probe, known by its *key*, has come back in time."""
        settings = self.settings
        seen: set[int] = set()
        # An empty poll has waited its time, whether or not the clock tells; work of others comes in between.
        empty_polls = settings.deep_limit_ms // settings.deep_poll_ms
        while not seen.issuperset(awaited) and empty_polls > 0:
            if self.clock.elapsed_ms() - started_ms >= settings.deep_limit_ms:
                break
            records = consumer.poll(_MOST_RECORDS, settings.deep_poll_ms)
            empty_polls -= not records
            seen.update(record.partition for record in records if record.key == key)
        return seen

    def _from_watermarks(self, topic: str) -> Sequence[Partition]:
        return [Partition(partition, 0, (0,), (0,)) for partition in sorted(self.queue.watermarks(topic))]

    def _probe(self) -> Connection:
        try:
            self.coordinator.get("/")
        except Unavailable:
            return Connection.DISCONNECTED
        return Connection.SYNC_CONNECTED


class _Ignorant(Listener):
    """A listener for a member that commits nothing and so has nothing to give up."""

    def assigned(self, offsets: Mapping[int, int]) -> None:
        pass

    def revoked(self, partitions: Collection[int]) -> None:
        pass

    def lost(self, partitions: Collection[int]) -> None:
        pass


def _status(is_well: bool) -> str:
    return "ok" if is_well else "error"


def _described(partitions: Sequence[Partition]) -> list[dict[str, Any]]:
    return [
        {
            "id": partition.id,
            "leader": partition.leader,
            "replicas": list(partition.replicas),
            "isrs": list(partition.in_sync),
        }
        for partition in partitions
    ]
