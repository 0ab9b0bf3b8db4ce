"""Queue, store, cache and coordinator as one process sees them: the memory models, with faults on the way."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from backbeat_core.errors import (
    BackbeatError,
    CacheUnavailable,
    CoordinatorUnavailable,
    QueueUnavailable,
    StoreUnavailable,
)
from backbeat_core.ports.cache import Answer, Cache, Question, Subscription, Write
from backbeat_core.ports.coordinator import Coordinator, Lease, Node
from backbeat_core.ports.queue import (
    Consumer,
    Listener,
    Message,
    Published,
    Queue,
    Record,
    Start,
    Watermarks,
)
from backbeat_core.ports.store import ANY, Document, Expected, Feed, Json, Position, Store, Version
from backbeat_core.testing.memory import (
    MemoryCache,
    MemoryConsumer,
    MemoryCoordinator,
    MemoryQueue,
    MemoryStore,
)
from backbeat_core.testing.memory.cache import MemorySubscription
from backbeat_core.testing.simulation.process import Host

FEED: Final = "feed"
GATHER_MS: Final = {"backbeat-metrics": 1_000, FEED: 300}
"""Where nobody waits for the first of several: its readers are woken this much later."""


class FaultyQueue(Queue):
    """A queue that refuses, forgets to answer, stores half of a batch, or all of it twice."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.inner = MemoryQueue(host.clock, host.engines.broker)

    def publish(self, topic: str, messages: Sequence[Message]) -> Sequence[Published | BackbeatError]:
        host, inner = self.host, self.inner
        refused: list[Published | BackbeatError] = [QueueUnavailable(f"{topic} is away") for _ in messages]
        try:
            kind = host.before("queue.publish", QueueUnavailable)
        except QueueUnavailable:
            return refused
        count = len(messages)
        if kind == "half published":
            count = host.engines.chance.below(count)
        results = [*inner.publish(topic, messages[:count]), *refused[count:]]
        self._stored(topic, messages[:count], results)
        try:
            kind = host.after("queue.publish", QueueUnavailable)
        except QueueUnavailable:
            return refused
        if kind == "published twice":
            self._stored(topic, messages[:count], inner.publish(topic, messages[:count]))
        return results

    def _stored(self, topic: str, messages: Sequence[Message], places: Sequence[object]) -> None:
        if messages:
            engines = self.host.engines
            engines.note(f"{self.host.name} publishes {len(messages)} to {topic}")
            engines.onlooker.published(self.host, topic, messages, places)
            engines.tell(topic, GATHER_MS.get(topic, 0))

    def subscribe(self, topic: str, group: str, listener: Listener, *, start: Start = Start.EARLIEST) -> Consumer:
        self.host.before("queue.subscribe", QueueUnavailable)
        consumer = self.inner.subscribe(topic, group, listener, start=start)
        self.host.consumers.append(consumer)
        return FaultyConsumer(self.host, consumer)

    def watermarks(self, topic: str) -> Mapping[int, Watermarks]:
        self.host.before("queue.watermarks", QueueUnavailable)
        return self.inner.watermarks(topic)

    def committed(self, topic: str, group: str) -> Mapping[int, int]:
        self.host.before("queue.committed", QueueUnavailable)
        return self.inner.committed(topic, group)

    def seek(self, topic: str, group: str, offsets: Mapping[int, int]) -> None:
        self.host.before("queue.seek", QueueUnavailable)
        self.inner.seek(topic, group, offsets)

    def close(self) -> None:
        self.inner.close()


class FaultyConsumer(Consumer):
    """A member whose session may end while it is not looking."""

    def __init__(self, host: Host, inner: MemoryConsumer) -> None:
        self.host = host
        self.inner = inner

    def poll(self, limit: int, timeout_ms: int = 0) -> Sequence[Record]:
        self.host.before("queue.poll", QueueUnavailable)
        return self.inner.poll(limit, timeout_ms)

    def commit(self, offsets: Mapping[int, int]) -> None:
        host, inner = self.host, self.inner
        host.before("queue.commit", QueueUnavailable)
        engines = host.engines
        committed = engines.broker.group(inner.topic, inner.group).committed
        before = {partition: committed.get(partition, 0) for partition in offsets}
        inner.commit(offsets)
        engines.onlooker.committed(host, inner.topic, inner.group, before, dict(offsets))
        host.after("queue.commit", QueueUnavailable)

    def pause(self, partitions: Collection[int]) -> None:
        self.inner.pause(partitions)

    def resume(self, partitions: Collection[int]) -> None:
        self.inner.resume(partitions)

    def close(self) -> None:
        if self.host.alive:
            self.inner.close()


class FaultyStore(Store):
    """A store that others write to between any two of our calls, and that may forget to answer."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.inner = MemoryStore(host.clock, host.engines.tables)

    def get(self, collection: str, key: str) -> Document | None:
        self.host.before("store.get", StoreUnavailable)
        found = self.inner.get(collection, key)
        self.host.after("store.get", StoreUnavailable)
        return found

    def put(
        self, collection: str, key: str, value: Mapping[str, Json], *, expected: Version | Expected = ANY
    ) -> Document:
        self.host.before("store.put", StoreUnavailable)
        written = self.inner.put(collection, key, value, expected=expected)
        self._wrote("store.put", collection, key)
        return written

    def patch(
        self, collection: str, key: str, members: Mapping[str, Json], *, expected: Version | Expected = ANY
    ) -> Document:
        self.host.before("store.patch", StoreUnavailable)
        written = self.inner.patch(collection, key, members, expected=expected)
        self._wrote("store.patch", collection, key)
        return written

    def delete(self, collection: str, key: str, *, expected: Version | Expected = ANY) -> bool:
        self.host.before("store.delete", StoreUnavailable)
        deleted = self.inner.delete(collection, key, expected=expected)
        self._wrote("store.delete", collection, key)
        return deleted

    def _wrote(self, point: str, collection: str, key: str) -> None:
        engines = self.host.engines
        engines.note(f"{self.host.name} {point} {collection}/{key}")
        engines.onlooker.wrote(self.host)
        engines.tell(FEED, GATHER_MS[FEED])
        self.host.after(point, StoreUnavailable)

    def scan(
        self, collection: str, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> Sequence[Document]:
        self.host.before("store.scan", StoreUnavailable)
        return self.inner.scan(collection, prefix=prefix, after=after, limit=limit)

    def changes(self, after: Position | None, *, limit: int = 1000) -> Feed:
        self.host.before("store.changes", StoreUnavailable)
        return self.inner.changes(after, limit=limit)

    def position(self) -> Position:
        self.host.before("store.position", StoreUnavailable)
        return self.inner.position()

    def close(self) -> None:
        self.inner.close()


class FaultyCache(Cache):
    """A cache that may forget to answer."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.inner = MemoryCache(host.clock, host.engines.keys)

    def write(self, writes: Sequence[Write]) -> None:
        self.host.before("cache.write", CacheUnavailable)
        self.inner.write(writes)
        self.host.after("cache.write", CacheUnavailable)

    def read(self, questions: Sequence[Question]) -> Sequence[Answer]:
        self.host.before("cache.read", CacheUnavailable)
        return self.inner.read(questions)

    def acquire(self, key: str, owner: str, ttl_ms: int) -> bool:
        self.host.before("cache.acquire", CacheUnavailable)
        taken = self.inner.acquire(key, owner, ttl_ms)
        self.host.after("cache.acquire", CacheUnavailable)
        return taken

    def release(self, key: str, owner: str) -> bool:
        self.host.before("cache.release", CacheUnavailable)
        return self.inner.release(key, owner)

    def publish(self, channel: str, message: str) -> None:
        self.host.before("cache.publish", CacheUnavailable)
        self.inner.publish(channel, message)
        self.host.engines.tell(channel)
        self.host.after("cache.publish", CacheUnavailable)

    def subscribe(self, channels: Collection[str]) -> Subscription:
        self.host.before("cache.subscribe", CacheUnavailable)
        subscription = self.inner.subscribe(channels)
        self.host.subscriptions.append(subscription)
        return FaultySubscription(self.host, subscription)

    def close(self) -> None:
        self.inner.close()


class FaultySubscription(Subscription):
    """A subscriber that misses messages (W-26)."""

    def __init__(self, host: Host, inner: MemorySubscription) -> None:
        self.host = host
        self.inner = inner

    def poll(self, timeout_ms: int = 0) -> Sequence[tuple[str, str]]:
        kind = self.host.before("cache.poll", CacheUnavailable)
        arrived = self.inner.poll(timeout_ms)
        return () if kind == "message missed" else arrived

    def close(self) -> None:
        self.inner.close()


class FaultyCoordinator(Coordinator):
    """A coordinator whose session may expire without a word."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.inner = MemoryCoordinator(host.clock, host.engines.ensemble)
        host.coordinators.append(self.inner)

    def get(self, path: str) -> Node | None:
        self._before("coordinator.get")
        return self.inner.get(path)

    def put(
        self, path: str, data: bytes, *, expected: int | Expected = ANY, lease: Lease | None = None
    ) -> Node:
        self._before("coordinator.put")
        engines = self.host.engines
        before = engines.ensemble.nodes.get(path)
        node = self.inner.put(path, data, expected=expected, lease=lease)
        engines.note(f"{self.host.name} writes {path} {data.decode('utf-8', 'replace')}")
        engines.onlooker.positioned(self.host, path, None if before is None else before.data, data)
        self.host.after("coordinator.put", CoordinatorUnavailable)
        return node

    def delete(self, path: str, *, expected: int | Expected = ANY) -> bool:
        self._before("coordinator.delete")
        return self.inner.delete(path, expected=expected)

    def children(self, path: str) -> Sequence[str]:
        self._before("coordinator.children")
        return self.inner.children(path)

    def acquire(self, name: str, owner: str, ttl_ms: int) -> Lease | None:
        self._before("coordinator.acquire")
        lease = self.inner.acquire(name, owner, ttl_ms)
        self.host.after("coordinator.acquire", CoordinatorUnavailable)
        return lease

    def renew(self, lease: Lease, ttl_ms: int) -> None:
        self._before("coordinator.renew")
        self.inner.renew(lease, ttl_ms)

    def release(self, lease: Lease) -> None:
        self._before("coordinator.release")
        self.inner.release(lease)

    def holders(self, prefix: str) -> Mapping[str, str]:
        self._before("coordinator.holders")
        return self.inner.holders(prefix)

    def close(self) -> None:
        self.inner.close()

    def _before(self, point: str) -> Any:
        if self.host.before(point, CoordinatorUnavailable) == "session expired":
            self.inner.expire()
