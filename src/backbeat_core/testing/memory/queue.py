"""The executable laws of the queue: topics are lists, a group is a table of owners."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from itertools import islice

import attrs

from backbeat_core.errors import (
    BackbeatError,
    Conflict,
    Fenced,
    InvalidInput,
    MessageTooLarge,
    QueueUnavailable,
)
from backbeat_core.ports.clock import Clock
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
from backbeat_core.queueing.partitioner import Partitioner, crc32
from backbeat_core.testing.memory.locking import locked


@attrs.define
class _Partition:
    low: int = 0
    records: list[Record] = attrs.field(factory=list)

    @property
    def high(self) -> int:
        return self.low + len(self.records)


@attrs.define(eq=False)
class _Group:
    committed: dict[int, int] = attrs.field(factory=dict)
    members: list[MemoryConsumer] = attrs.field(factory=list)
    owners: dict[int, MemoryConsumer] = attrs.field(factory=dict)


@attrs.define
class _Topic:
    partitions: list[_Partition]
    groups: dict[str, _Group] = attrs.field(factory=dict)


@attrs.define(eq=False)
class MemoryBroker:
    """
    What several `MemoryQueue` objects share, as processes share a broker.

    *partitions* is how many a topic gets when it is first heard of. A member that has not polled for
    *session_ms* is expelled when another member of its group polls.
    """

    partitions: int = 4
    max_message_bytes: int = 5_000_020
    session_ms: int = 300_000
    partitioner: Partitioner = crc32
    topics: dict[str, _Topic] = attrs.field(factory=dict)
    lock: threading.RLock = attrs.field(factory=threading.RLock, repr=False)

    def topic(self, name: str) -> _Topic:
        if name not in self.topics:
            self.topics[name] = _Topic([_Partition() for _ in range(self.partitions)])
        return self.topics[name]

    def group(self, topic: str, name: str) -> _Group:
        groups = self.topic(topic).groups
        if name not in groups:
            groups[name] = _Group()
        return groups[name]

    def grow(self, topic: str, partitions: int) -> None:
        """Give *topic* as many *partitions*, creating it if need be; it never shrinks."""
        found = self.topic(topic).partitions
        found.extend(_Partition() for _ in range(partitions - len(found)))

    def trim(self, topic: str, partition: int, low: int) -> None:
        """Forget the records below offset *low*, as retention does."""
        found = self.topic(topic).partitions[partition]
        gone = min(max(low - found.low, 0), len(found.records))
        del found.records[:gone]
        found.low += gone


@attrs.define(eq=False)
class MemoryQueue(Queue):
    """
    A queue without threads, files or waiting: `poll` returns at once whatever its *timeout_ms*.

    While *unreachable* is true every call fails as a broker's that is away would. `expel` ends a member's
    session, as a broker does to one that went silent.
    """

    clock: Clock
    broker: MemoryBroker = attrs.field(factory=MemoryBroker)
    unreachable: bool = False
    _keyless: int = 0

    @property
    def lock(self) -> threading.RLock:
        return self.broker.lock

    @locked
    def publish(self, topic: str, messages: Sequence[Message]) -> Sequence[Published | BackbeatError]:
        if self.unreachable:
            return [QueueUnavailable("the memory broker is away") for _ in messages]
        return [self._append(topic, message) for message in messages]

    @locked
    def subscribe(
        self, topic: str, group: str, listener: Listener, *, start: Start = Start.EARLIEST
    ) -> MemoryConsumer:
        self.check()
        consumer = MemoryConsumer(self, topic, group, listener, self.clock.elapsed_ms())
        self.pin_start(topic, group, start)
        self.broker.group(topic, group).members.append(consumer)
        return consumer

    @locked
    def watermarks(self, topic: str) -> Mapping[int, Watermarks]:
        self.check()
        if topic not in self.broker.topics:
            return {}
        return {n: Watermarks(p.low, p.high) for n, p in enumerate(self.broker.topics[topic].partitions)}

    @locked
    def committed(self, topic: str, group: str) -> Mapping[int, int]:
        self.check()
        if topic not in self.broker.topics:
            return {}
        found = self.broker.topics[topic].groups.get(group)
        return dict(found.committed) if found is not None else {}

    @locked
    def seek(self, topic: str, group: str, offsets: Mapping[int, int]) -> None:
        self.check()
        found = self.broker.group(topic, group)
        if found.members:
            raise Conflict(key=f"group {group!r} of topic {topic!r}", expected=0, found=len(found.members))
        found.committed.update(offsets)

    def close(self) -> None:
        pass

    @locked
    def expel(self, consumer: MemoryConsumer) -> None:
        """End the session of *consumer*: its partitions are lost, which it learns at its next poll."""
        found = self.broker.group(consumer.topic, consumer.group)
        if consumer in found.members:
            found.members.remove(consumer)
        for partition in [n for n, owner in found.owners.items() if owner is consumer]:
            del found.owners[partition]

    def check(self) -> None:
        if self.unreachable:
            raise QueueUnavailable("the memory broker is away")

    def pin_start(self, topic: str, group: str, start: Start) -> None:
        # A group's first offsets are written down when it is created, so that what is published between
        # its creation and its first commit is never skipped (W-03). A partition that a known group meets
        # later starts at its beginning (queue-and-wire 1.15).
        found = self.broker.group(topic, group)
        from_end = start is Start.LATEST and not found.committed
        for number, partition in enumerate(self.broker.topic(topic).partitions):
            if number not in found.committed:
                found.committed[number] = partition.high if from_end else partition.low

    def _append(self, topic: str, message: Message) -> Published | BackbeatError:
        size = message_size(message)
        if size > self.broker.max_message_bytes:
            return MessageTooLarge(size, self.broker.max_message_bytes)
        partitions = self.broker.topic(topic).partitions
        number = message.partition
        if number is None:
            number = self._choose(message.key, len(partitions))
        if not 0 <= number < len(partitions):
            return InvalidInput(f"topic {topic!r} has no partition {number}")
        offset = partitions[number].high
        stamp = self.clock.now_ms()
        record = Record(topic, number, offset, message.value, message.key, message.headers, stamp)
        partitions[number].records.append(_copy(record))
        return Published(number, offset)

    def _choose(self, key: bytes | None, partitions: int) -> int:
        if key:
            return self.broker.partitioner(key, partitions)
        self._keyless += 1
        return self._keyless % partitions


@attrs.define(eq=False)
class MemoryConsumer(Consumer):
    """One member of a group. Rebalances happen inside its own `poll`, revoking before anything is assigned."""

    queue: MemoryQueue
    topic: str
    group: str
    listener: Listener
    last_poll_ms: int
    closed: bool = False
    _positions: dict[int, int] = attrs.field(factory=dict)
    _paused: set[int] = attrs.field(factory=set)

    def poll(self, limit: int, timeout_ms: int = 0) -> Sequence[Record]:
        if self.closed:
            raise InvalidInput("the consumer is closed")
        self.queue.check()
        self._rebalance()
        return self._fetch(limit)

    @locked
    def _fetch(self, limit: int) -> list[Record]:
        # Whoever was served comes last next time: one busy partition must not starve the others.
        records: list[Record] = []
        for partition in list(self._positions):
            if len(records) < limit and partition not in self._paused:
                taken = self._take(partition, limit - len(records))
                records += taken
                if taken:
                    self._positions[partition] = self._positions.pop(partition)
        return records

    @property
    def lock(self) -> threading.RLock:
        return self.queue.lock

    @locked
    def commit(self, offsets: Mapping[int, int]) -> None:
        self.queue.check()
        for partition in offsets:
            if self._group.owners.get(partition) is not self:
                raise Fenced(f"partition {partition} of {self.topic!r}", expected=self.group)
        self._group.committed.update(offsets)

    def pause(self, partitions: Collection[int]) -> None:
        self._paused.update(self._positions.keys() & set(partitions))

    def resume(self, partitions: Collection[int]) -> None:
        self._paused.difference_update(partitions)

    def close(self) -> None:
        if self.closed:
            return
        self._forget_lost()
        if self._positions:
            self.listener.revoked(sorted(self._positions))
        self.closed = True
        self._positions.clear()
        self._paused.clear()
        self.queue.expel(self)

    def _rebalance(self) -> None:
        # The lock is never held while the listener runs: it may wait for a thread that publishes.
        self._check_in()
        self._forget_lost()
        leaving = self._excess()
        if leaving:
            self.listener.revoked(leaving)
            self._give_up(leaving)
        taken = self._take_over()
        if taken:
            self.listener.assigned(taken)

    @locked
    def _check_in(self) -> None:
        found = self._group
        self.last_poll_ms = self.queue.clock.elapsed_ms()
        for member in list(found.members):
            if member.last_poll_ms + self.queue.broker.session_ms < self.last_poll_ms:
                self.queue.expel(member)
        if self not in found.members:
            found.members.append(self)
        self.queue.pin_start(self.topic, self.group, Start.EARLIEST)

    @locked
    def _excess(self) -> list[int]:
        return sorted(self._positions.keys() - self._due())

    @locked
    def _give_up(self, partitions: Collection[int]) -> None:
        for partition in partitions:
            self._drop(partition)
            if self._group.owners.get(partition) is self:
                del self._group.owners[partition]

    @locked
    def _take_over(self) -> dict[int, int]:
        owners = self._group.owners
        taken = {n: self._start_of(n) for n in sorted(self._due()) if n not in owners}
        self._positions.update(taken)
        owners.update(dict.fromkeys(taken, self))
        return dict(taken)

    @property
    def _group(self) -> _Group:
        return self.queue.broker.group(self.topic, self.group)

    def _due(self) -> set[int]:
        members = self._group.members
        if self not in members:
            return set()
        mine, among = members.index(self), len(members)
        count = len(self.queue.broker.topic(self.topic).partitions)
        return {n for n in range(count) if n % among == mine}

    def _forget_lost(self) -> None:
        lost = self._robbed()
        if lost:
            self.listener.lost(lost)

    @locked
    def _robbed(self) -> list[int]:
        lost = sorted(n for n in self._positions if self._group.owners.get(n) is not self)
        for partition in lost:
            self._drop(partition)
        return lost

    def _drop(self, partition: int) -> None:
        self._positions.pop(partition, None)
        self._paused.discard(partition)

    def _start_of(self, number: int) -> int:
        partition = self.queue.broker.topic(self.topic).partitions[number]
        return max(self._group.committed.get(number, 0), partition.low)

    def _take(self, number: int, limit: int) -> list[Record]:
        partition = self.queue.broker.topic(self.topic).partitions[number]
        first = max(self._positions[number] - partition.low, 0)
        records = [_copy(record) for record in islice(partition.records, first, first + limit)]
        if records:
            self._positions[number] = records[-1].offset + 1
        return records


def message_size(message: Message) -> int:
    """Return the bytes of *message* that count towards a queue's limit."""
    headers = sum(len(name) + len(value) for name, value in message.headers)
    return len(message.value) + len(message.key or b"") + headers


def _copy(record: Record) -> Record:
    # Equal, not identical: what a caller does to its objects never reaches the log.
    return attrs.evolve(
        record,
        value=bytes(bytearray(record.value)),
        key=None if record.key is None else bytes(bytearray(record.key)),
        headers=tuple((name, bytes(bytearray(value))) for name, value in record.headers),
    )
