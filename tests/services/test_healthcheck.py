"""What the two health routes say of the engines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import attrs
import pytest

from backbeat_core.errors import Conflict, QueueUnavailable
from backbeat_core.ports.queue import Message, Published, Record
from backbeat_core.services.healthcheck import Connection, Health, HealthSettings, Partition
from backbeat_core.testing.memory import MemoryQueue
from golden.engines import drain
from support.engines import Engines

TOPIC = "backbeat-replication"


def health(engines: Engines, **members: Any) -> Health:
    settings = members.pop("settings", HealthSettings())
    return Health(engines.queue, engines.coordinator, engines.clock, lambda: "1a2b", settings, **members)


def partitions(*in_sync: int) -> list[Partition]:
    return [Partition(number, 1, (1, 2, 3), tuple(range(1, some + 1))) for number, some in enumerate(in_sync)]


def test_the_body_has_the_members_of_the_wire() -> None:
    """http-api 7.1."""
    body = health(Engines(), describe=lambda topic: partitions(3)).check()

    assert (
        '{"topics":{"backbeat-replication":{"name":"backbeat-replication","partitions":[{"id":0,"leader":1,'
        '"replicas":[1,2,3],"isrs":[1,2,3]}]}},"internalConnections":{"isrHealth":"ok","zookeeper":{"status":"ok",'
        '"details":{"name":"SYNC_CONNECTED","code":3}},"kafkaProducer":{"status":"ok"}}}'
    ) == json.dumps(body, separators=(",", ":"))


@pytest.mark.parametrize(
    ("in_sync", "status"), [((3,), "ok"), ((4,), "ok"), ((3, 2), "error"), ((1,), "error"), ((3, 3), "ok")]
)
def test_at_least_the_expected_replicas_are_healthy(in_sync: Sequence[int], status: str) -> None:
    """D14: the reference wants exactly three."""
    body = health(Engines(), describe=lambda topic: partitions(*in_sync)).check()

    assert status == body["internalConnections"]["isrHealth"]


def test_an_unknown_topic_has_no_health() -> None:
    body = health(Engines(), describe=lambda topic: []).check()

    assert {} == body["topics"]
    assert "isrHealth" not in body["internalConnections"]


def test_a_partition_that_nobody_keeps_up_with_is_an_error() -> None:
    with pytest.raises(QueueUnavailable):
        health(Engines(), describe=lambda topic: partitions(3, 0)).check()


def test_a_queue_that_is_away_is_an_error() -> None:
    engines = Engines()
    engines.queue.unreachable = True

    with pytest.raises(QueueUnavailable):
        health(engines).check()
    with pytest.raises(QueueUnavailable):
        health(engines).deep()


def test_an_engine_without_brokers_keeps_each_partition_once() -> None:
    engines = Engines()
    engines.queue.publish(TOPIC, [Message(b"x")])

    body = health(engines, settings=HealthSettings(in_sync=1)).check()

    assert [{"id": partition, "leader": 0, "replicas": [0], "isrs": [0]} for partition in range(4)] == body[
        "topics"
    ][TOPIC]["partitions"]
    assert "ok" == body["internalConnections"]["isrHealth"]


def test_a_coordinator_that_is_away_is_told_in_the_body() -> None:
    """B8."""
    engines = Engines()
    engines.coordinator.unreachable = True

    zookeeper = health(engines).check()["internalConnections"]["zookeeper"]

    assert {"status": "error", "details": {"name": "DISCONNECTED", "code": 0}} == zookeeper


@pytest.mark.parametrize("connection", list(Connection))
def test_only_a_connection_that_is_in_sync_is_well(connection: Connection) -> None:
    zookeeper = health(Engines(), connected=lambda: connection).check()["internalConnections"]["zookeeper"]

    assert {"name": connection.name, "code": connection.value} == zookeeper["details"]
    assert (connection is Connection.SYNC_CONNECTED) == (zookeeper["status"] == "ok")


def test_states_have_the_codes_of_zookeepers_clients() -> None:
    """http-api 7.1."""
    assert {
        "DISCONNECTED": 0,
        "SYNC_CONNECTED": 3,
        "AUTH_FAILED": 4,
        "CONNECTED_READ_ONLY": 5,
        "SASL_AUTHENTICATED": 6,
        "EXPIRED": -122,
    } == {state.name: state.value for state in Connection}


def test_producers_that_are_not_ready_are_told() -> None:
    """B7."""
    body = health(Engines(), ready=lambda: False).check()

    assert {"status": "error"} == body["internalConnections"]["kafkaProducer"]


def test_a_deep_check_sends_one_canary_through_each_partition() -> None:
    """http-api 7.2."""
    engines = Engines()
    engines.queue.publish(TOPIC, [Message(b"work", b"key")])

    body = health(engines).deep()

    assert ["0", "1", "2", "3", "timeElapsed"] == list(body)
    assert ["ok"] * 4 == list(body.values())[:4]
    assert isinstance(body["timeElapsed"], int)
    probes = [record for record in drain(engines.queue, TOPIC) if record.key != b"key"]
    assert {b"deephealthcheck-1a2b"} == {record.key for record in probes}
    assert [{"canary": True, "healthcheckKey": True}] * 4 == [json.loads(record.value) for record in probes]


def test_a_deep_check_can_be_repeated() -> None:
    engines = Engines()
    engines.queue.publish(TOPIC, [Message(b"work", b"key")])

    for _ in range(3):
        assert {"ok"} == set(list(health(engines).deep().values())[:4])


def test_a_deep_check_needs_partitions() -> None:
    with pytest.raises(QueueUnavailable):
        health(Engines()).deep()


def test_a_second_deep_check_at_the_same_time_is_refused() -> None:
    engines = Engines()
    engines.queue.publish(TOPIC, [Message(b"work", b"key")])

    class Busy(MemoryQueue):
        def seek(self, topic: str, group: str, offsets: Any) -> None:
            raise Conflict(group)

    engines.queue = Busy(engines.clock, engines.queue.broker)

    with pytest.raises(QueueUnavailable, match="another"):
        health(engines).deep()


@attrs.define(eq=False)
class DeafQueue(MemoryQueue):
    """A queue of which one partition refuses what is published, and another never hands anything out."""

    refused: int = 1
    deaf: int = 2

    def publish(self, topic: str, messages: Any) -> Any:
        return [
            QueueUnavailable("no")
            if message.partition == self.refused
            else MemoryQueue.publish(self, topic, [message])[0]
            for message in messages
        ]

    def subscribe(self, topic: str, group: str, listener: Any, **options: Any) -> Any:
        consumer = MemoryQueue.subscribe(self, topic, group, listener, **options)
        clock, deaf, poll = self.clock, self.deaf, consumer.poll

        def heard(limit: int, timeout_ms: int = 0) -> Sequence[Record]:
            found = [record for record in poll(limit, timeout_ms) if record.partition != deaf]
            if not found:
                clock.advance(timeout_ms)  # type: ignore[attr-defined]  # the tests' clock is moved by hand
            return found

        consumer.poll = heard
        return consumer


def test_a_clock_that_stands_still_does_not_make_a_deep_check_wait_for_ever() -> None:
    engines = Engines()

    class Silent(MemoryQueue):
        def publish(self, topic: str, messages: Any) -> Any:
            return [Published(message.partition, 10**6) for message in messages]

    engines.queue.publish(TOPIC, [Message(b"work", partition=0)])
    engines.queue = Silent(engines.clock, engines.queue.broker)

    assert ["error"] * 4 == list(health(engines).deep().values())[:4]


def test_what_does_not_come_back_in_time_is_in_error() -> None:
    engines = Engines()
    engines.queue = DeafQueue(engines.clock)
    engines.queue.publish(TOPIC, [Message(b"work", partition=0)])

    body = health(engines).deep()

    assert ["ok", "error", "error", "ok"] == list(body.values())[:4]
    assert 60_000 <= body["timeElapsed"] < 61_000
