"""`KafkaQueue` keeps the laws of the queue on a real Kafka, and what only Kafka can do to it."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import attrs
import pytest
from confluent_kafka import Consumer as Client
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

import servers
from adapters.kafka_support import CALM, HASTY, Heard, member_of, published, queue_on, read, settle
from backbeat_adapters.kafka import KafkaConsumer, KafkaQueue, KafkaSasl, KafkaSettings, KafkaTls, KafkaTopic
from backbeat_core.errors import InvalidInput, MessageTooLarge
from backbeat_core.ports.queue import (
    Consumer,
    Message,
    Published,
    Queue,
    Start,
    Watermarks,
)
from backbeat_core.testing.contracts.common import fresh
from backbeat_core.testing.contracts.queue import QueueContract
from backbeat_core.testing.contracts.queue_members import Member, Ownership

pytestmark = pytest.mark.kafka


class TestKafkaQueue(QueueContract):
    poll_ms = 100
    polls = 300
    silence_ms = 3_500
    bounded_s = 15.0
    examples = 4
    steps = 25
    settings = CALM

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
        group: str = "",
        *,
        table: Ownership | None = None,
        start: Start = Start.EARLIEST,
        commits: bool = False,
    ) -> Member:
        member = super().join(queue, topic, group, table=table, start=start, commits=commits)
        self.opened.append(member.consumer)
        return member

    def make_hasty_queue(self) -> Queue:
        self.settings = attrs.evolve(self.settings, **HASTY)
        return self.make_queue()

    def pass_time(self, ms: int) -> None:
        time.sleep(ms / 1000)

    def _opened(self, queue: Queue) -> Queue:
        self.opened.append(queue)
        return queue


class TestEagerKafkaQueue(TestKafkaQueue):
    """The older way to share partitions, which programs that we replace use in the same groups."""

    examples = 2
    settings = attrs.evolve(CALM, assignment="eager")


# Queue-and-wire 1.4: UTF-8 key, and its partition of 3, 5 and 12 by each hash.
VECTORS: dict[Literal["crc32", "murmur2"], dict[str, tuple[int, int, int]]] = {
    "crc32": {
        "canary": (1, 0, 1),
        "bootstrap": (0, 1, 0),
        "foo": (2, 4, 5),
        "bucket%2Fkey": (0, 4, 9),
        "my-bucket%2Fpath%2Fto%2Fobj.txt": (1, 0, 7),
    },
    "murmur2": {
        "canary": (1, 2, 1),
        "bootstrap": (0, 0, 0),
        "foo": (2, 1, 8),
        "bucket%2Fkey": (0, 4, 6),
        "my-bucket%2Fpath%2Fto%2Fobj.txt": (2, 2, 2),
    },
}


def test_keys_meet_those_of_older_producers_in_the_same_partitions() -> None:
    shapes = [(hashed, n, count) for hashed in VECTORS for n, count in enumerate((3, 5, 12))]
    topics = {shape: fresh("topic") for shape in shapes}
    made = {topics[h, n, count]: KafkaTopic(partitions=count, partitioner=h) for h, n, count in shapes}

    with queue_on(servers.address("kafka"), topics=made) as queue:
        for (hashed, n, count), topic in topics.items():
            results = published(queue.publish(topic, [Message(b"", key.encode()) for key in VECTORS[hashed]]))

            assert count == len(queue.watermarks(topic))
            assert [places[n] for places in VECTORS[hashed].values()] == [r.partition for r in results]


def test_topics_have_a_prefix_at_the_brokers_and_none_here() -> None:
    prefix, topic = fresh("prefix"), fresh("topic")
    with queue_on(servers.address("kafka"), topic_prefix=prefix) as queue, member_of(queue, topic) as consumer:
        queue.publish(topic, [Message(b"v", b"k")])

        (record,) = read(consumer, 1)

        assert topic == record.topic
        consumer.commit({record.partition: 1})
        assert queue.committed(topic, topic)[record.partition] == 1
        with queue_on(servers.address("kafka")) as other:
            assert {} == other.watermarks(topic)
            assert queue.watermarks(topic) == other.watermarks(prefix + topic)


def test_a_partition_that_is_new_begins_at_its_beginning_for_a_group_that_is_not() -> None:
    topic, listener = fresh("topic"), Heard()
    with queue_on(servers.address("kafka")) as queue:
        queue.publish(topic, [Message(b"old", partition=n) for n in range(3)])
        with member_of(queue, topic, listener=listener, start=Start.LATEST) as consumer:
            settle(consumer, listener, 3)
            with admin() as client:
                client.create_partitions([NewPartitions(topic, 5)])[topic].result(10)
            settle_publish(queue, topic, 4)

            records = read(consumer, 1)

            assert [(4, 0, b"new")] == [(r.partition, r.offset, r.value) for r in records]
            assert {4: 0}.items() <= queue.committed(topic, topic).items()


def settle_publish(queue: Queue, topic: str, partition: int) -> None:
    """Publish to a partition as soon as the producer has heard of it."""
    deadline = time.monotonic() + 20
    while True:
        (result,) = queue.publish(topic, [Message(b"new", partition=partition)])
        if isinstance(result, Published):
            return
        assert isinstance(result, InvalidInput)
        assert time.monotonic() < deadline
        time.sleep(0.2)


@contextlib.contextmanager
def admin(address: str | None = None) -> Iterator[AdminClient]:
    yield AdminClient({"bootstrap.servers": address or servers.address("kafka")})


def test_a_message_that_the_brokers_refuse_spoils_no_other() -> None:
    # Within our own limit, and over the brokers': what surrounds a record counts there.
    topic, noise = fresh("topic"), random.Random(6).randbytes(5_000_020)
    with queue_on(servers.address("kafka")) as queue:
        results = queue.publish(topic, [Message(b"0", b"k"), Message(noise), Message(b"1", b"k")])

        assert [Published, MessageTooLarge, Published] == [type(result) for result in results]
        assert isinstance(queue.publish(topic, [Message(b"v", partition=77)])[0], InvalidInput)
        assert isinstance(queue.publish(topic, [Message(b"2", b"k")])[0], Published)


def test_a_topic_that_was_deleted_is_made_anew() -> None:
    topic = fresh("topic")
    with queue_on(servers.address("kafka"), publish_timeout_ms=1_000) as queue:
        published(queue.publish(topic, [Message(b"old", partition=0)]))
        with admin() as client:
            client.delete_topics([topic])[topic].result(10)

        deadline = time.monotonic() + 30
        while True:
            (result,) = queue.publish(topic, [Message(b"new", partition=0)])
            if isinstance(result, Published):
                break
            assert time.monotonic() < deadline

        assert result == Published(0, 0)


def test_a_name_that_cannot_be_is_the_callers_fault() -> None:
    with queue_on(servers.address("kafka")) as queue:
        (result,) = queue.publish("no/slashes", [Message(b"")])

        assert isinstance(result, InvalidInput)
        with pytest.raises(InvalidInput):
            queue.subscribe("no/slashes", "g", Heard())


def test_records_that_retention_took_are_passed_over() -> None:
    topic, listener = fresh("topic"), Heard()
    with queue_on(servers.address("kafka")) as queue:
        queue.publish(topic, [Message(b"%d" % n, partition=0) for n in range(10)])
        with member_of(queue, topic, topic):
            pass
        with admin() as client:
            client.delete_records([TopicPartition(topic, 0, 4)])[TopicPartition(topic, 0)].result(10)

        with member_of(queue, topic, topic, listener) as consumer:
            records = read(consumer, 6)

        assert list(range(4, 10)) == [record.offset for record in records]
        assert ("assigned", {0: 4, 1: 0, 2: 0}) in listener.news
        assert Watermarks(4, 10) == queue.watermarks(topic)[0]


def test_a_poll_without_room_keeps_its_place_and_holds_little() -> None:
    topic, listener = fresh("topic"), Heard()
    with queue_on(servers.address("kafka"), fetch_batch=10, **HASTY) as queue:
        queue.publish(topic, [Message(b"%d" % n, partition=n % 3) for n in range(600)])
        with member_of(queue, topic, listener=listener) as consumer:
            settle(consumer, listener, 3)
            began = time.monotonic()
            while time.monotonic() < began + HASTY["max_poll_interval_ms"] / 1000 + 1:
                assert [] == list(consumer.poll(0, 20))

            assert isinstance(consumer, KafkaConsumer)
            held = sum(len(records) for records in consumer._held.values())
            records = read(consumer, 600, limit=7)

        assert held <= 10
        assert 1 == len([news for news in listener.news if news[0] == "assigned" and news[1]])
        for partition in range(3):
            values = [record.value for record in records if record.partition == partition]
            assert [b"%d" % n for n in range(600) if n % 3 == partition] == values


def test_what_a_listener_raises_comes_out_of_poll_and_the_group_goes_on() -> None:
    class Broken(Heard):
        def assigned(self, offsets: Mapping[int, int]) -> None:
            super().assigned(offsets)
            raise RuntimeError("not mine")

    topic, listener = fresh("topic"), Broken()
    with queue_on(servers.address("kafka")) as queue:
        queue.publish(topic, [Message(b"v", b"k")])
        with member_of(queue, topic, listener=listener) as consumer:
            with pytest.raises(RuntimeError, match="not mine"):
                settle(consumer, listener, 3)

            assert [b"v"] == [record.value for record in read(consumer, 1)]


def test_members_of_older_programs_share_a_group_with_eager_ones() -> None:
    topic, listener = fresh("topic"), Heard()
    with queue_on(servers.address("kafka"), assignment="eager") as queue:
        queue.publish(topic, [Message(b"%d" % n, partition=n % 3) for n in range(3)])
        with member_of(queue, topic, listener=listener) as consumer:
            settle(consumer, listener, 3)
            older = Client({"bootstrap.servers": servers.address("kafka"), "group.id": topic})
            older.subscribe([topic])
            deadline = time.monotonic() + 20
            while not older.assignment() or len(listener.owned) + len(older.assignment()) != 3:
                assert time.monotonic() < deadline
                consumer.poll(0, 50)
                older.poll(0.05)

            taken = {place.partition for place in older.assignment()}
            older.close()

            assert ("revoked", [0, 1, 2]) in listener.news
            assert taken.isdisjoint(listener.owned)
            settle(consumer, listener, 3)


def test_many_threads_publish_at_once_and_each_hears_of_its_own() -> None:
    topic = fresh("topic")
    with queue_on(servers.address("kafka")) as queue, ThreadPoolExecutor(8) as pool:

        def work(n: int) -> list[tuple[int, bytes]]:
            values = [b"%d-%d" % (n, m) for m in range(50)]
            results = published(queue.publish(topic, [Message(value, partition=0) for value in values]))
            return [(result.offset, value) for result, value in zip(results, values, strict=True)]

        told = [pair for pairs in pool.map(work, range(8)) for pair in pairs]

        with member_of(queue, topic) as consumer:
            assert sorted(told) == [(record.offset, record.value) for record in read(consumer, 400)]


def test_settings_do_not_show_their_secrets() -> None:
    settings = KafkaSettings(sasl=KafkaSasl("user", "secret"), tls=KafkaTls(key_password="secret"))

    assert "secret" not in repr(settings)


def test_members_that_were_all_silent_too_long_learn_it_and_begin_anew() -> None:
    # Each leaves in the middle of the rebalance that the other's leaving began.
    topic, one, two = fresh("topic"), Heard(), Heard()
    with (
        queue_on(servers.address("kafka"), **HASTY) as queue,
        member_of(queue, topic, listener=one) as first,
        member_of(queue, topic, listener=two) as second,
    ):
        share(first, second, one, two)
        before = [sorted(one.owned), sorted(two.owned)]
        one.news.clear()
        two.news.clear()

        time.sleep(HASTY["max_poll_interval_ms"] / 1000 + 1)
        first.poll(0, 0)
        second.poll(0, 0)

        assert [("lost", before[0])] == one.news[:1]
        assert [("lost", before[1])] == two.news[:1]
        share(first, second, one, two)


def share(first: Consumer, second: Consumer, one: Heard, two: Heard) -> None:
    deadline = time.monotonic() + 20
    while not one.owned or not two.owned or len(one.owned) + len(two.owned) < 3:
        assert time.monotonic() < deadline
        first.poll(0, 50)
        second.poll(0, 50)


def test_a_message_of_a_partition_that_has_gone_is_nobodys() -> None:
    # W-07: what the client had fetched before comes out of it after the partition was given up.
    topic, listener = fresh("topic"), Heard()
    with queue_on(servers.address("kafka")) as queue:
        queue.publish(topic, [Message(b"%d" % n, partition=0) for n in range(3)])
        with member_of(queue, topic, listener=listener) as consumer:
            assert isinstance(consumer, KafkaConsumer)
            read(consumer, 3)
            fetched = Client({"bootstrap.servers": servers.address("kafka"), "group.id": topic + "-other"})
            fetched.assign([TopicPartition(topic, 0, 0)])
            messages = fetched.consume(3, 10)
            fetched.close()
            assert len(messages) == 3

            consumer._take(messages)
            assert [] == list(consumer.poll(10, 0))
            consumer._lose([0])
            consumer._take(messages)
            assert [] == list(consumer.poll(10, 0))
