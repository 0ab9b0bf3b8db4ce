"""Turns the store's change feed into queue entries, and keeps how far it has read so that none is lost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import attrs

from backbeat_core.domain import metadata as md
from backbeat_core.domain import wire
from backbeat_core.domain.messages import MetricMessage, MetricType
from backbeat_core.domain.selection import LogEntry, Selected, select, tally
from backbeat_core.errors import BackbeatError, Conflict, Fenced, MessageTooLarge, QueueUnavailable
from backbeat_core.ports.clock import Clock
from backbeat_core.ports.coordinator import Coordinator, Lease, Node
from backbeat_core.ports.queue import Message, Queue
from backbeat_core.ports.store import ABSENT, Change, ChangeKind, Position, Store


@attrs.frozen
class PopulateSettings:
    """
    Where entries go and where the position is kept.

    *position_path* is the Coordinator node of the log offset (queue-and-wire 2.4); *lease* names the work,
    so that one host of several does it; times in milliseconds.
    """

    topic: str = "backbeat-replication"
    metrics_topic: str = "backbeat-metrics"
    position_path: str = "/queue-populator/queue-populator/logState/feed/logOffset"
    lease: str = "/queue-populator/provisions/feed"
    owner: str = "populator"
    lease_ttl_ms: int = 10_000
    batch: int = 1000
    cold_locations: frozenset[str] = frozenset()
    dead_letter_suffix: str = "-dead-letter"
    from_end: bool = False


@attrs.frozen
class Populated:
    """
    What one batch did: changes *read*, entries *queued*, entries put aside as *dead* letters.

    *ignored* counts the reasons why changes were not queued; *more* tells that the feed has more to give.
    *standby* tells that another host does this work.
    """

    read: int = 0
    queued: int = 0
    dead: int = 0
    ignored: Mapping[str, int] = attrs.field(factory=dict)
    more: bool = False
    standby: bool = False


@attrs.define
class _Batch:
    """What a stretch of the feed becomes, before anything is published."""

    messages: list[Message] = attrs.field(factory=list)
    dead: list[Message] = attrs.field(factory=list)
    selected: list[Selected] = attrs.field(factory=list)
    ignored: dict[str, int] = attrs.field(factory=dict)

    def ignore(self, reason: str) -> None:
        self.ignored[reason] = self.ignored.get(reason, 0) + 1


class Populator:
    """
    One reader of the feed: read, filter, publish, and only then advance (PL-4, W-14, W-15).

    Dying at any step reads the same changes again and publishes some of them twice; it loses none.
    """

    def __init__(
        self, store: Store, queue: Queue, coordinator: Coordinator, clock: Clock, settings: PopulateSettings
    ) -> None:
        self._store = store
        self._queue = queue
        self._coordinator = coordinator
        self._clock = clock
        self._settings = settings
        self._lease: Lease | None = None
        self._renew_at = 0
        self._position: Position | None = None
        self._node: Node | None = None

    def step(self) -> Populated:
        """
        Do one batch. Raises Unavailable when an engine does not answer: call again later.

        A lease that has passed to another host makes this one stand by; it is not an error.
        """
        try:
            if not self._hold_lease():
                return Populated(standby=True)
            return self._batch()
        except Fenced:
            self._forget()
            return Populated(standby=True)
        except Conflict:
            # Somebody moved the node under our lease: an operator, or an older Backbeat beside us. What
            # stands is the truth; read it again rather than write over it (W-16).
            self._node = None
            return Populated(more=True)

    def close(self) -> None:
        """Give the work up so that another host can take it at once."""
        if self._lease is not None:
            self._coordinator.release(self._lease)
        self._forget()

    def _forget(self) -> None:
        self._lease = None
        self._node = None

    def _hold_lease(self) -> bool:
        now = self._clock.elapsed_ms()
        if self._lease is not None and now < self._renew_at:
            return True
        ttl = self._settings.lease_ttl_ms
        if self._lease is None:
            self._lease = self._coordinator.acquire(self._settings.lease, self._settings.owner, ttl)
            self._node = None
        else:
            self._coordinator.renew(self._lease, ttl)
        self._renew_at = now + ttl // 3
        return self._lease is not None

    def _batch(self) -> Populated:
        node = self._node or self._load()
        feed = self._store.changes(self._position, limit=self._settings.batch)
        batch = self._filter(feed.changes)
        self._publish(batch)
        if feed.position != self._position:
            self._node = self._save(feed.position, expected=node.version)
            self._position = feed.position
        return Populated(
            read=len(feed.changes),
            queued=len(batch.messages),
            dead=len(batch.dead),
            ignored=batch.ignored,
            more=len(feed.changes) >= self._settings.batch,
        )

    def _load(self) -> Node:
        """Read the position; the first time, write where we start before reading anything (W-04)."""
        node = self._coordinator.get(self._settings.position_path)
        if node is None:
            start = self._store.position() if self._settings.from_end else None
            node = self._save(start, expected=None)
        self._node = node
        self._position = _decode_position(node.data)
        return node

    def _save(self, position: Position | None, *, expected: int | None) -> Node:
        assert self._lease is not None
        document = {"v": 1, "offset": position, "owner": self._lease.owner, "epoch": self._lease.fencing}
        return self._coordinator.put(
            self._settings.position_path,
            json.dumps(document, separators=(",", ":")).encode(),
            expected=ABSENT if expected is None else expected,
            lease=self._lease,
        )

    def _filter(self, changes: Sequence[Change]) -> _Batch:
        batch = _Batch()
        for change in changes:
            if change.kind is ChangeKind.DELETE or change.value is None:
                batch.ignore("deletion")
                continue
            when = wire.iso(change.timestamp_ms)
            entry = LogEntry(
                type="put",
                bucket=change.collection,
                key=md.strip_key_format(change.key),
                metadata=dict(change.value),
                overhead={"commitTimestamp": when, "opTimestamp": when},
            )
            decided = select(entry, cold_locations=self._settings.cold_locations)
            if isinstance(decided, Selected):
                batch.selected.append(decided)
                batch.messages.append(Message(entry.encode(), key=entry.message_key))
            else:
                batch.ignore(decided.reason.value)
        return batch

    def _publish(self, batch: _Batch) -> None:
        if batch.messages:
            results = self._queue.publish(self._settings.topic, batch.messages)
            for message, result in zip(batch.messages, results, strict=True):
                if isinstance(result, MessageTooLarge):
                    # One entry that fits nowhere must not stop all the others (W-12).
                    batch.dead.append(_dead_letter(self._settings.topic, message, result))
                elif isinstance(result, BackbeatError):
                    raise result
        if batch.dead:
            self._require(self._settings.topic + self._settings.dead_letter_suffix, batch.dead)
        if batch.selected:
            now = self._clock.now_ms()
            self._require(
                self._settings.metrics_topic,
                [
                    Message(
                        MetricMessage(
                            timestamp=now,
                            ops=queued.ops,
                            bytes=queued.bytes,
                            extension="crr",
                            type=MetricType.QUEUED.value,
                            site=site,
                        ).encode()
                    )
                    for site, queued in sorted(tally(batch.selected).items())
                ],
            )

    def _require(self, topic: str, messages: Sequence[Message]) -> None:
        for result in self._queue.publish(topic, messages):
            if isinstance(result, BackbeatError):
                raise QueueUnavailable(f"{topic}: {result}") from result


def _dead_letter(topic: str, message: Message, error: MessageTooLarge) -> Message:
    """Return what is left of an oversize entry: which one it was and why, not its bytes."""
    return Message(
        b"",
        key=message.key,
        headers=(("x-original-topic", topic.encode()), ("x-error", str(error).encode())),
    )


def _decode_position(data: bytes) -> Position | None:
    """Read our own document, and the bare text that an older Backbeat left (queue-and-wire 2.4)."""
    try:
        document = json.loads(data)
    except ValueError:
        return data.decode("utf-8", "replace") or None
    if isinstance(document, dict) and "v" in document:
        offset = document.get("offset")
        return offset if isinstance(offset, str) else None
    return data.decode()
