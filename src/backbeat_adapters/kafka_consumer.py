"""`KafkaConsumer`: one member of a group, polled, with all of its membership on the caller's thread."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from confluent_kafka import OFFSET_INVALID, OFFSET_STORED, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Consumer as Client

from backbeat_adapters.kafka_client import LOG, KafkaSettings, border, client_options, meaning
from backbeat_core.errors import Fenced, InvalidInput, QueueUnavailable
from backbeat_core.ports.queue import Consumer, Listener, Record

# While the client waits for a message it hears of changes in the group but does not come back to say so.
_SLICE_S: Final = 0.05

# The brokers are about to tell the members what they own from now on: soon they will take the commit.
_COMMIT_ATTEMPTS: Final = 40
_COMMIT_PAUSE_S: Final = 0.05

_STRATEGIES: Final = {"cooperative": "cooperative-sticky", "eager": "range,roundrobin"}


class KafkaConsumer(Consumer):
    """
    Records that the client has given are held here, a queue a partition, until they are polled.

    So a poll with no room can go on hearing of the group, and a paused partition loses nothing. When too many
    are held the partitions are paused in the client, too.
    """

    def __init__(self, settings: KafkaSettings, topic: str, group: str, listener: Listener) -> None:
        self._topic = topic
        self._name = settings.qualified(topic)
        self._listener = listener
        self._cooperative = settings.assignment == "cooperative"
        self._timeout_s = settings.request_timeout_ms / 1000
        self._room = settings.fetch_batch
        self._held: dict[int, deque[Record]] = {}
        self._next: dict[int, int] = {}
        self._paused: set[int] = set()
        self._throttled = False
        self._changed = False
        self._closed = False
        self._failure: BaseException | None = None
        self._options = {
            **client_options(settings),
            **_consumer_options(settings),
            "group.id": group,
            "error_cb": self._on_error,
            **settings.extra,
        }
        self._expelled = False
        with border(f"group {group!r}"):
            self._client = self._join()

    def poll(self, limit: int, timeout_ms: int = 0) -> Sequence[Record]:
        if self._closed:
            raise InvalidInput("the consumer is closed")
        deadline = time.monotonic() + timeout_ms / 1000
        while True:
            wait_s = min(_SLICE_S, max(0.0, deadline - time.monotonic()))
            with border(f"topic {self._name!r}"):
                self._receive(limit, wait_s)
                if self._expelled:
                    self._begin_anew()
            records = self._hand_out(limit)
            self._raise_failure(records)
            if records or self._changed or time.monotonic() >= deadline:
                self._changed = False
                return records

    def commit(self, offsets: Mapping[int, int]) -> None:
        unowned = sorted(offsets.keys() - self._next.keys())
        if unowned:
            raise Fenced(f"partitions {unowned} of {self._name!r}")
        if not offsets:
            return
        wanted = [TopicPartition(self._name, *item) for item in offsets.items()]
        with border(f"partitions {sorted(offsets)} of {self._name!r}"):
            for attempt in range(_COMMIT_ATTEMPTS):
                try:
                    commit(self._client, wanted)
                    return
                except KafkaException as error:
                    code = error.args[0].code()
                    if code != KafkaError.REBALANCE_IN_PROGRESS or attempt == _COMMIT_ATTEMPTS - 1:
                        raise
                    time.sleep(_COMMIT_PAUSE_S)

    def pause(self, partitions: Collection[int]) -> None:
        fresh = (self._next.keys() & set(partitions)) - self._paused
        self._paused |= fresh
        with border():
            self._client.pause(self._places(fresh))

    def resume(self, partitions: Collection[int]) -> None:
        released = self._paused & set(partitions)
        self._paused -= released
        if not self._throttled:
            with border():
                self._client.resume(self._places(released))

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        with border():
            self._client.close()
        # A client that could not leave its group in order has not asked for the partitions.
        self._drop(list(self._next))
        failure, self._failure = self._failure, None
        if failure is not None and not isinstance(failure, QueueUnavailable):
            raise failure

    def _join(self) -> Client:
        client = Client(self._options, logger=LOG)
        client.subscribe([self._name], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)
        return client

    def _begin_anew(self) -> None:
        """Become a new member after the group has gone on without this one, who had not polled for too long."""
        # The client would rejoin by itself, but in the middle of another rebalance it forgets to say so.
        self._lose(list(self._next))
        self._client.close()
        self._client = self._join()
        self._expelled = False

    def _receive(self, limit: int, wait_s: float) -> None:
        room = self._room - sum(map(len, self._held.values()))
        self._throttle(room <= 0)
        if limit <= 0 or room <= 0:
            # One at most, so that a poll without room can be repeated for long before it costs a pause.
            self._take([self._client.poll(0)])
            if not self._changed and wait_s:
                time.sleep(wait_s)
            return
        if not self._ready() and wait_s:
            first = self._client.poll(wait_s)
            self._take([first])
            if first is None:
                return
            room -= 1
        if room > 0:
            self._take(self._client.consume(room, 0))

    def _ready(self) -> bool:
        return any(records for n, records in self._held.items() if n not in self._paused)

    def _take(self, messages: Iterable[Any]) -> None:
        for message in messages:
            if message is None:
                continue
            error = message.error()
            if error is not None:
                self._on_error(error)
                continue
            partition, offset = message.partition(), message.offset()
            # What the client fetched for a partition that has gone since is nobody's (W-07).
            if self._next.get(partition, offset + 1) <= offset:
                self._next[partition] = offset + 1
                self._held[partition].append(_record(self._topic, partition, offset, message))

    def _hand_out(self, limit: int) -> list[Record]:
        # Whoever was served comes last next time: one busy partition must not starve the others.
        records: list[Record] = []
        for partition in [n for n, held in self._held.items() if held and n not in self._paused]:
            if len(records) >= limit:
                break
            held = self._held.pop(partition)
            for _ in range(min(limit - len(records), len(held))):
                records.append(held.popleft())
            self._held[partition] = held
        return records

    def _throttle(self, full: bool) -> None:
        if full == self._throttled:
            return
        # Come back only when there is room for more than a few, as each coming back costs what was prefetched.
        if not full and sum(map(len, self._held.values())) > self._room // 2:
            return
        self._throttled = full
        places = self._places(self._next.keys() - self._paused)
        if full:
            self._client.pause(places)
        else:
            self._client.resume(places)

    def _places(self, partitions: Iterable[int]) -> list[TopicPartition]:
        return [TopicPartition(self._name, partition) for partition in sorted(partitions)]

    def _on_assign(self, client: Any, places: list[TopicPartition]) -> None:
        self._changed = True
        if self._closed:
            # What arrives while we leave is given back at once, and nobody is told of it.
            self._assign(client, places)
            return
        offsets = self._starts(client, places)
        assigned = [
            TopicPartition(self._name, place.partition, offsets.get(place.partition, OFFSET_STORED))
            for place in places
        ]
        self._assign(client, assigned)
        for place in places:
            self._held[place.partition] = deque()
            self._next[place.partition] = offsets.get(place.partition, 0)
        # The new ones flow, whatever the others do.
        self._throttled = False
        if places:
            self._tell(self._listener.assigned, {place.partition: self._next[place.partition] for place in places})

    def _starts(self, client: Any, places: list[TopicPartition]) -> Mapping[int, int]:
        """Return where each partition begins, and write down what is decided here."""
        if not places:
            return {}
        try:
            offsets = {}
            decided = []
            for place in client.committed(places, self._timeout_s):
                low, _ = client.get_watermark_offsets(place, self._timeout_s, cached=False)
                offsets[place.partition] = max(place.offset, low)
                if place.offset == OFFSET_INVALID:
                    # A partition that a known group meets for the first time begins at its beginning (1.15).
                    decided.append(TopicPartition(self._name, place.partition, low))
            if decided:
                commit(client, decided)
            return offsets
        except KafkaException as error:
            self._failure = self._failure or meaning(error.args[0], f"topic {self._name!r}")
            return {}

    def _on_revoke(self, client: Any, places: list[TopicPartition]) -> None:
        self._changed = True
        mine = sorted(place.partition for place in places if place.partition in self._next)
        if mine:
            self._tell(self._listener.revoked, mine)
        self._drop(mine)
        self._unassign(client, places)

    def _on_lost(self, client: Any, places: list[TopicPartition]) -> None:
        self._lose([place.partition for place in places if place.partition in self._next])
        self._unassign(client, places)

    def _lose(self, partitions: list[int]) -> None:
        self._changed = True
        self._drop(partitions)
        if partitions:
            self._tell(self._listener.lost, sorted(partitions))

    def _assign(self, client: Any, places: list[TopicPartition]) -> None:
        if self._cooperative:
            client.incremental_assign(places)
        else:
            client.assign(places)

    def _unassign(self, client: Any, places: list[TopicPartition]) -> None:
        if self._cooperative:
            client.incremental_unassign(places)
        else:
            client.unassign()

    def _drop(self, partitions: Iterable[int]) -> None:
        for partition in partitions:
            self._next.pop(partition, None)
            self._held.pop(partition, None)
            self._paused.discard(partition)

    def _tell(self, listener: Callable[[Any], None], news: Any) -> None:
        # What a listener raises comes out of `poll`; the group must go on in order before.
        try:
            listener(news)
        except BaseException as error:
            self._failure = self._failure or error

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._MAX_POLL_EXCEEDED:
            self._expelled = True
        elif error.code() == KafkaError._ALL_BROKERS_DOWN or error.fatal() or not error.retriable():
            self._failure = self._failure or meaning(error, f"topic {self._name!r}")

    def _raise_failure(self, records: Sequence[Record]) -> None:
        failure, self._failure = self._failure, None
        if failure is None or (records and isinstance(failure, QueueUnavailable)):
            return
        raise failure


def commit(client: Client, places: list[TopicPartition]) -> None:
    """Store offsets durably. Raises KafkaException, also for a single partition that was refused."""
    for place in client.commit(offsets=places, asynchronous=False) or ():
        if place.error is not None:
            raise KafkaException(place.error)


def stranger_options(settings: KafkaSettings, group: str) -> dict[str, Any]:
    """Return what a client is told that speaks of *group* and never joins it."""
    return {
        "group.id": group,
        "enable.auto.commit": False,
        # As long as it waits for somebody who is in charge of the group.
        "session.timeout.ms": settings.request_timeout_ms,
        "heartbeat.interval.ms": max(1, settings.request_timeout_ms // 3),
        "max.poll.interval.ms": settings.request_timeout_ms + 1_000,
        **settings.extra,
    }


def _consumer_options(settings: KafkaSettings) -> dict[str, Any]:
    options: dict[str, Any] = {
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # Only ever asked when retention has passed a group by: it then goes on with the oldest record.
        "auto.offset.reset": "earliest",
        "allow.auto.create.topics": False,
        "partition.assignment.strategy": _STRATEGIES[settings.assignment],
        "session.timeout.ms": settings.session_timeout_ms,
        "heartbeat.interval.ms": settings.heartbeat_interval_ms,
        "max.poll.interval.ms": settings.max_poll_interval_ms,
        "queued.min.messages": settings.prefetch_messages,
        "queued.max.messages.kbytes": settings.prefetch_kib,
        # Look again soon: the bounds above are small, and the default waits a second when they are met.
        "fetch.queue.backoff.ms": 5,
        "fetch.wait.max.ms": 100,
    }
    if settings.fetch_max_bytes is not None:
        options["fetch.message.max.bytes"] = settings.fetch_max_bytes
    return options


def _record(topic: str, partition: int, offset: int, message: Any) -> Record:
    headers = tuple((name, value or b"") for name, value in message.headers() or ())
    return Record(topic, partition, offset, message.value() or b"", message.key(), headers, message.timestamp()[1])
