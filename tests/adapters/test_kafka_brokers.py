"""`KafkaQueue` with brokers of its own: some that die and come back, one that wants to know who speaks."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

import servers
from adapters.kafka_support import member_of, published, queue_on, read
from backbeat_adapters.kafka import KafkaQueue, KafkaSasl, KafkaTls
from backbeat_core.errors import QueueUnavailable
from backbeat_core.ports.queue import (
    Consumer,
    Message,
    Published,
    Queue,
    Record,
)
from servers.certificates import make_certificates

pytestmark = pytest.mark.kafka


def test_a_broker_that_comes_back_finds_its_clients_waiting(tmp_path: Path) -> None:
    with servers.Kafka(tmp_path / "kafka") as broker:
        patience = {"publish_timeout_ms": 2_000, "request_timeout_ms": 3_000}
        with queue_on(broker.address, **patience) as queue, member_of(queue, "topic") as consumer:
            await_published(queue, "before")
            (record,) = read(consumer, 1)
            consumer.commit({record.partition: 1})

            broker.kill()
            began = time.monotonic()
            (result,) = queue.publish("topic", [Message(b"away", b"k")])
            assert isinstance(result, QueueUnavailable)
            with pytest.raises(QueueUnavailable):
                read_calmly(consumer)
            for ask in (lambda: queue.watermarks("topic"), lambda: queue.committed("topic", "topic")):
                with pytest.raises(QueueUnavailable):
                    ask()
            assert time.monotonic() < began + 25
            broker.start()

            await_published(queue, "after")
            assert [b"after"] == [r.value for r in read(consumer, 1)]
            assert queue.committed("topic", "topic")[record.partition] == 1


def read_calmly(consumer: Consumer) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        consumer.poll(1, 100)


def await_published(queue: Queue, text: str) -> None:
    deadline = time.monotonic() + 30
    while not isinstance(queue.publish("topic", [Message(text.encode(), b"k")])[0], Published):
        assert time.monotonic() < deadline


def test_tls_and_a_password_prove_who_speaks(tmp_path: Path) -> None:
    made = make_certificates(tmp_path / "certificates")
    store = tmp_path / "store.pem"
    store.write_bytes(made.server_key.read_bytes() + made.server.read_bytes())
    port = servers.free_port()
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required user_backbeat='secret';"
    options = {
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SAFE:SASL_SSL",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": store,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": made.ca,
        "listener.name.safe.ssl.client.auth": "required",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.safe.plain.sasl.jaas.config": login,
    }
    broker = servers.Kafka(tmp_path / "kafka", options=options)
    controller = broker.voters[broker.node]
    listeners = f"PLAINTEXT://{broker.address},CONTROLLER://127.0.0.1:{controller},SAFE://127.0.0.1:{port}"
    broker.options = {**options, "listeners": listeners}
    tls = KafkaTls(ca=str(made.ca), certificate=str(made.client), key=str(made.client_key))
    sasl = KafkaSasl("backbeat", "secret", "PLAIN")
    known: dict[str, Any] = {"tls": tls, "sasl": sasl, "request_timeout_ms": 2_000}

    with broker:
        with queue_on(f"127.0.0.1:{port}", **known) as queue, member_of(queue, "topic") as consumer:
            published(queue.publish("topic", [Message(b"v", b"k")]))
            assert [b"v"] == [record.value for record in read(consumer, 1)]
        strangers: list[dict[str, Any]] = [
            {"sasl": KafkaSasl("backbeat", "wrong", "PLAIN")},
            {"tls": attrs.evolve(tls, certificate=None, key=None)},
            {"tls": attrs.evolve(tls, ca=None)},
            {"sasl": None},
        ]
        for stranger in strangers:
            with (
                queue_on(f"127.0.0.1:{port}", **{**known, **stranger, "request_timeout_ms": 500}) as queue,
                pytest.raises(QueueUnavailable),
            ):
                queue.watermarks("topic")


@pytest.mark.slow
def test_one_broker_of_three_can_go_and_come_back(tmp_path: Path) -> None:
    with servers.KafkaCluster(tmp_path / "kafka") as cluster:
        with queue_on(cluster.address) as queue, member_of(queue, "topic") as consumer:
            await_published(queue, "0")
            seen = [record.value for record in read(consumer, 1)]
            assert {3} == set(queue.in_sync_replicas("topic").values())

            for n, broker in enumerate(cluster.brokers):
                broker.kill()
                results = queue.publish("topic", [Message(b"%d-%d" % (n, m)) for m in range(20)])
                assert len(published(results)) == 20
                records = read(consumer, 20, seconds=60)
                patiently_commit(consumer, records)
                seen += [record.value for record in records]
                broker.start()
                await_in_sync(queue)

        assert sorted([b"0", *(b"%d-%d" % (n, m) for n in range(3) for m in range(20))]) == sorted(seen)


def patiently_commit(consumer: Consumer, records: Sequence[Record]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(QueueUnavailable):
            consumer.commit({record.partition: record.offset + 1 for record in records})
            return
        with contextlib.suppress(QueueUnavailable):
            assert [] == list(consumer.poll(0, 100))


def await_in_sync(queue: KafkaQueue) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(QueueUnavailable):
            if {3} == set(queue.in_sync_replicas("topic").values()):
                return
        time.sleep(0.2)
