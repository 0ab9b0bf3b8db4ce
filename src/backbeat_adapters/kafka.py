"""`KafkaQueue`: the Queue port on Kafka."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Final, TypeVar

import attrs
from confluent_kafka import Consumer as Client
from confluent_kafka import (
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from backbeat_adapters.kafka_client import (
    LOG,
    KafkaSasl,
    KafkaSettings,
    KafkaTls,
    KafkaTopic,
    border,
    client_options,
    meaning,
)
from backbeat_adapters.kafka_consumer import KafkaConsumer, commit, stranger_options
from backbeat_core.errors import BackbeatError, Conflict, Fenced, MessageTooLarge, QueueUnavailable
from backbeat_core.ports.queue import Listener, Message, Published, Queue, Start, Watermarks

__all__ = ["KafkaConsumer", "KafkaQueue", "KafkaSasl", "KafkaSettings", "KafkaTls", "KafkaTopic"]

# librdkafka's names of the two hashes that share topics with us; records without a key go anywhere (1.4).
_PARTITIONERS: Final = {"crc32": "consistent_random", "murmur2": "murmur2_random"}

# What is new, or whose broker is gone, has no leader or coordinator for a moment.
_NOBODY_IN_CHARGE: Final = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
}

_Answer = TypeVar("_Answer")

# Broker and batch wrap a record in some bytes more than its own.
_OVERHEAD: Final = 1_024


class KafkaQueue(Queue):
    """A queue on one cluster. Topics that are not there are made, as the settings say."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._timeout_s = settings.request_timeout_ms / 1000
        # It speaks of nothing that its answers do not say, and has nobody who would read its log.
        self._admin = AdminClient({**client_options(settings), "log_level": 0, **settings.extra})
        self._producers: dict[str, _Producer] = {}
        self._lock = threading.Lock()
        self._known: set[str] = set()

    def publish(self, topic: str, messages: Sequence[Message]) -> Sequence[Published | BackbeatError]:
        if not messages:
            return []
        name = self._settings.qualified(topic)
        try:
            with border(f"topic {name!r}"):
                self._ensure(topic)
                results = self._producer(topic).publish(name, messages)
        except BackbeatError as error:
            return [error for _ in messages]
        if not any(isinstance(result, Published) for result in results):
            # Perhaps it was deleted: whoever publishes next looks again, and makes it anew.
            self._known.discard(topic)
        return results

    def subscribe(
        self, topic: str, group: str, listener: Listener, *, start: Start = Start.EARLIEST
    ) -> KafkaConsumer:
        with border(f"topic {self._settings.qualified(topic)!r}"):
            self._ensure(topic)
            self._pin_start(topic, group, start)
            return KafkaConsumer(self._settings, topic, group, listener)

    def watermarks(self, topic: str) -> Mapping[int, Watermarks]:
        name = self._settings.qualified(topic)
        with border(f"topic {name!r}"):
            places = [TopicPartition(name, n) for n in self.in_sync_replicas(topic)]
            return self._ask(lambda: self._watermarks(places)) if places else {}

    def in_sync_replicas(self, topic: str) -> Mapping[int, int]:
        """Return how many replicas of each partition are in sync; empty for an unknown topic."""
        return {partition: len(in_sync) for partition, (_, _, in_sync) in self.placement(topic).items()}

    def placement(self, topic: str) -> Mapping[int, tuple[int, tuple[int, ...], tuple[int, ...]]]:
        """
        Return the ids of the brokers that lead, keep and keep up with each partition; empty for an unknown topic.

        A partition that nobody leads has -1 there.
        """
        name = self._settings.qualified(topic)
        with border(f"topic {name!r}"):
            (future,) = self._admin.describe_topics(TopicCollection([name]), **self._patience).values()
            try:
                return {
                    place.id: (
                        -1 if place.leader is None else place.leader.id,
                        tuple(broker.id for broker in place.replicas),
                        tuple(broker.id for broker in place.isr),
                    )
                    for place in self._answer(future).partitions
                }
            except KafkaException as error:
                if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    return {}
                raise

    def committed(self, topic: str, group: str) -> Mapping[int, int]:
        name = self._settings.qualified(topic)
        with border(f"group {group!r}"):
            places = [TopicPartition(name, n) for n in self.in_sync_replicas(topic)]
            if not places:
                return {}
            with self._stranger(group) as client:
                found = self._ask(lambda: client.committed(places, self._timeout_s))
            return {place.partition: place.offset for place in found if place.offset >= 0}

    def seek(self, topic: str, group: str, offsets: Mapping[int, int]) -> None:
        if not offsets:
            return
        name, about = self._settings.qualified(topic), f"group {group!r}"
        places = [TopicPartition(name, *item) for item in offsets.items()]
        try:
            with border(about), self._stranger(group) as client:
                self._ask(lambda: commit(client, places))
        except Fenced as error:
            # The brokers say to a stranger that he is no member, if there is one.
            raise Conflict(about, expected="no members") from error

    def close(self) -> None:
        with self._lock:
            producers, self._producers = list(self._producers.values()), {}
        for producer in producers:
            producer.close()

    def _watermarks(self, places: Sequence[TopicPartition]) -> Mapping[int, Watermarks]:
        asked = [
            self._admin.list_offsets(dict.fromkeys(places, spec), **self._patience)
            for spec in (OffsetSpec.earliest(), OffsetSpec.latest())
        ]
        low, high = ({place.partition: self._answer(f).offset for place, f in a.items()} for a in asked)
        return {n: Watermarks(low[n], high[n]) for n in sorted(low)}

    @contextlib.contextmanager
    def _stranger(self, group: str) -> Iterator[Client]:
        """
        Give a client that may speak of a group and is no member of it.

        The administrator's questions about groups end the whole process when the connection breaks under
        them (librdkafka issues 3663, 4605, 5040).
        """
        client = Client({**client_options(self._settings), **stranger_options(self._settings, group)}, logger=LOG)
        try:
            yield client
        finally:
            client.close()

    def _ask(self, question: Callable[[], _Answer]) -> _Answer:
        """Ask again, for a bounded time, while a partition or a group has nobody who is in charge of it."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                return question()
            except KafkaException as error:
                if error.args[0].code() not in _NOBODY_IN_CHARGE or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    @property
    def _patience(self) -> dict[str, float]:
        return {"request_timeout": self._timeout_s}

    def _answer(self, future: Future[Any]) -> Any:
        # The client keeps to its own time; this is only for a client that does not.
        return future.result(2 * self._timeout_s + 1)

    def _ensure(self, topic: str) -> None:
        if topic in self._known:
            return
        if not self.in_sync_replicas(topic):
            self._create(topic)
        self._known.add(topic)

    def _create(self, topic: str) -> None:
        wanted = self._settings.topic(topic)
        new = NewTopic(
            self._settings.qualified(topic),
            num_partitions=wanted.partitions,
            replication_factor=wanted.replication,
            config=dict(wanted.options),
        )
        (future,) = self._admin.create_topics([new], **self._patience).values()
        try:
            self._answer(future)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise

    def _pin_start(self, topic: str, group: str, start: Start) -> None:
        # A group's first offsets are written down when it is created, so that what is published between its
        # creation and its first commit is never skipped, without canary records (W-03, 1.15).
        committed, marks = self.committed(topic, group), self.watermarks(topic)
        from_end = start is Start.LATEST and not committed
        fresh = {n: mark.high if from_end else mark.low for n, mark in marks.items() if n not in committed}
        if fresh:
            try:
                self.seek(topic, group, fresh)
            except Conflict:
                # It has members, who write down where they begin themselves.
                LOG.debug("group %s has members; the start of %s is theirs", group, sorted(fresh))

    def _producer(self, topic: str) -> _Producer:
        hashed_by = self._settings.topic(topic).partitioner
        with self._lock:
            producer = self._producers.get(hashed_by)
            if producer is None or producer.broken:
                producer = _Producer(self._settings, _PARTITIONERS[hashed_by])
                self._producers[hashed_by] = producer
            return producer


@attrs.define(eq=False)
class _Batch:
    """What became of the messages of one call; filled in by the producer's thread."""

    messages: Sequence[Message]
    limit: int
    results: list[Published | BackbeatError | None] = attrs.field(init=False)
    reported: list[int] = attrs.field(factory=list)
    sent: float = float("inf")
    done: threading.Event = attrs.field(factory=threading.Event)

    def __attrs_post_init__(self) -> None:
        self.results = [None] * len(self.messages)

    def report(self, n: int, error: KafkaError | None, partition: int, offset: int) -> None:
        self.results[n] = Published(partition, offset) if error is None else self.reason(n, error)
        # Appending is one step: no report is lost between the two threads, and the last one sees the sum.
        self.reported.append(n)
        if len(self.reported) >= self.sent:
            self.done.set()

    def reason(self, n: int, error: KafkaError) -> BackbeatError:
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            return MessageTooLarge(_size(self.messages[n]), self.limit)
        return meaning(error)

    def wait(self, timeout_s: float, sent: int) -> Sequence[Published | BackbeatError]:
        self.sent = sent
        if len(self.reported) < sent:
            self.done.wait(timeout_s)
        return [result or QueueUnavailable("Kafka did not answer") for result in self.results]


class _Producer:
    """An idempotent producer and the thread that hears its reports."""

    def __init__(self, settings: KafkaSettings, partitioner: str) -> None:
        self._limit = settings.max_request_size
        self._timeout_s = settings.publish_timeout_ms / 1000
        self.broken = False
        self._client = Producer(
            {
                **client_options(settings),
                "partitioner": partitioner,
                "enable.idempotence": True,
                "acks": "all",
                "compression.type": settings.compression,
                "message.max.bytes": settings.max_request_size + _OVERHEAD,
                "message.timeout.ms": settings.publish_timeout_ms,
                "request.timeout.ms": settings.request_timeout_ms,
                "queue.buffering.max.kbytes": 256 * 1024,
                # Messages come in batches already; a single one should not wait for company.
                "linger.ms": 1,
                "error_cb": self._on_error,
                **settings.extra,
            },
            logger=LOG,
        )
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="backbeat-kafka-reports", daemon=True)
        self._thread.start()

    def publish(self, name: str, messages: Sequence[Message]) -> Sequence[Published | BackbeatError]:
        batch, sent = _Batch(messages, self._limit), 0
        for n, message in enumerate(messages):
            size = _size(message)
            refusal: BackbeatError | None
            if size > self._limit:
                refusal = MessageTooLarge(size, self._limit)
            else:
                refusal = self._send(name, message, batch, n)
            if refusal is None:
                sent += 1
            else:
                batch.results[n] = refusal
        # The client reports by itself when its own time is over; the second more is for the way.
        return batch.wait(self._timeout_s + 1, sent)

    def _send(self, name: str, message: Message, batch: _Batch, n: int) -> BackbeatError | None:
        def report(error: KafkaError | None, where: Any) -> None:
            batch.report(n, error, where.partition(), where.offset())

        options: dict[str, Any] = {} if message.partition is None else {"partition": message.partition}
        while True:
            try:
                self._client.produce(
                    name,
                    message.value,
                    message.key,
                    headers=list(message.headers) or None,
                    on_delivery=report,
                    **options,
                )
                return None
            except BufferError:
                # Others have filled the client. What is in it leaves it in bounded time, sent or not.
                self._closing.wait(0.01)
            except KafkaException as error:
                return batch.reason(n, error.args[0])

    def close(self) -> None:
        """Send what is under way, for a bounded time."""
        self._client.flush(min(5.0, self._timeout_s))
        self._closing.set()
        self._thread.join()

    def _listen(self) -> None:
        while not self._closing.is_set():
            self._client.poll(0.1)

    def _on_error(self, error: KafkaError) -> None:
        # A producer that has lost its order can never send again; the next message gets a new one.
        if error.fatal():
            self.broken = True


def _size(message: Message) -> int:
    headers = sum(len(name.encode()) + len(value) for name, value in message.headers)
    return len(message.value) + len(message.key or b"") + headers
