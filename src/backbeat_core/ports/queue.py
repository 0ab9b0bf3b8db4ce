"""
The log that work travels on: topics, partitions, offsets, consumer groups.

Laws (each is a test of the same name in `backbeat_core.testing.contracts.queue`):

    keeps_bytes                   what is polled is what was published, byte for byte: key, value, headers
    same_key_same_partition       CRC-32 of the key modulo the number of partitions (queue-and-wire 1.4)
    explicit_partition_is_kept    a message that names its partition goes there
    keyless_goes_somewhere        a message without a key goes to any partition
    keeps_order                   within a partition, polled order is published order
    offsets_are_contiguous        a partition's offsets start at 0 and have no gaps
    publish_answers_each          one result a message, in input order; an oversize message spoils no other
    polls_at_most_limit           `poll(limit)` returns no more than *limit* records
    delivers_once_a_subscription  a record is handed to one consumer once, unless it is rewound
    redelivers_uncommitted        a new consumer of the group starts at the committed offset
    commit_is_durable             a commit that has returned survives a new queue object
    groups_are_strangers          one group's commits do not move another's
    members_share_partitions      each partition has at most one owner in a group
    revoked_before_reassigned     a partition is revoked at (or lost by) one member before another is assigned it
    late_commit_is_fenced         a commit for a partition that is no longer owned raises Fenced, moves nothing
    new_group_starts_where_told   `start` decides only when the group has no committed offset there
    paused_partitions_are_silent  a paused partition yields nothing and keeps its owner; resume goes on
    seek_moves_the_group          `seek` sets the committed offset of a group without members
    watermarks_are_low_and_next   `watermarks` gives the first offset kept and the next to be written
    unknown_topic_is_created      publishing to or subscribing to an unknown topic creates it
    dead_endpoint_is_unavailable  an engine that cannot be reached raises QueueUnavailable, in bounded time
"""

from __future__ import annotations

import abc
import enum
from collections.abc import Collection, Mapping, Sequence

import attrs

from backbeat_core.errors import BackbeatError

Headers = tuple[tuple[str, bytes], ...]


@attrs.frozen
class Message:
    """What is published. *partition* overrides the partitioner; *key* None means: any partition."""

    value: bytes
    key: bytes | None = None
    headers: Headers = ()
    partition: int | None = None


@attrs.frozen
class Record:
    """What is polled: a message and where it stands. *timestamp_ms* is the queue's, Unix milliseconds."""

    topic: str
    partition: int
    offset: int
    value: bytes
    key: bytes | None = None
    headers: Headers = ()
    timestamp_ms: int = 0


@attrs.frozen
class Published:
    """Where an acknowledged message stands."""

    partition: int
    offset: int


@attrs.frozen
class Watermarks:
    """The first offset still kept (*low*) and the next to be written (*high*)."""

    low: int
    high: int


class Start(enum.Enum):
    """Where a group without a committed offset begins."""

    EARLIEST = "earliest"
    LATEST = "latest"


class Listener(abc.ABC):
    """
    Who is told of assignments.

    Called only from inside `Consumer.poll` and `Consumer.close`, on the caller's thread. When `revoked`
    returns, the partitions are given up: it is the last moment to drain and to commit.
    """

    @abc.abstractmethod
    def assigned(self, offsets: Mapping[int, int]) -> None:
        """Take over partitions; each maps to the offset that its first record will have or exceed."""

    @abc.abstractmethod
    def revoked(self, partitions: Collection[int]) -> None:
        """Give partitions up in order: they are still owned until this returns."""

    @abc.abstractmethod
    def lost(self, partitions: Collection[int]) -> None:
        """Partitions are already somebody else's: commit nothing, forget them."""


class Consumer(abc.ABC):
    """One member of one group on one topic. Not shared between threads."""

    @abc.abstractmethod
    def poll(self, limit: int, timeout_ms: int = 0) -> Sequence[Record]:
        """
        Return up to *limit* records, waiting at most *timeout_ms* for the first.

        Also where membership lives: call it often, with *limit* 0 when no work can be taken.
        Raises QueueUnavailable.
        """

    @abc.abstractmethod
    def commit(self, offsets: Mapping[int, int]) -> None:
        """
        Store the next offset to read of each partition, durably, before returning.

        Raises Fenced when a partition is not owned any more, QueueUnavailable.
        """

    @abc.abstractmethod
    def pause(self, partitions: Collection[int]) -> None:
        """Stop delivering these partitions without giving them up. Twice is once; unowned is ignored."""

    @abc.abstractmethod
    def resume(self, partitions: Collection[int]) -> None:
        """Deliver these partitions again from where they stopped. Twice is once; unowned is ignored."""

    @abc.abstractmethod
    def close(self) -> None:
        """Leave the group: owned partitions are revoked first. Twice is once."""


class Queue(abc.ABC):
    """An engine that keeps topics. Safe to share between threads; consumers are not."""

    @abc.abstractmethod
    def publish(self, topic: str, messages: Sequence[Message]) -> Sequence[Published | BackbeatError]:
        """
        Append *messages* and return, in input order, where each one stands or why it does not.

        A result is given when the message is durable (acks of all in-sync replicas). MessageTooLarge and
        QueueUnavailable come back as values; nothing is raised for a single message.
        """

    @abc.abstractmethod
    def subscribe(
        self, topic: str, group: str, listener: Listener, *, start: Start = Start.EARLIEST
    ) -> Consumer:
        """Return a new member of *group*; its partitions arrive with the first polls."""

    @abc.abstractmethod
    def watermarks(self, topic: str) -> Mapping[int, Watermarks]:
        """Return the watermarks of each partition; empty for an unknown topic. Raises QueueUnavailable."""

    @abc.abstractmethod
    def committed(self, topic: str, group: str) -> Mapping[int, int]:
        """Return the committed offset of each partition that has one. Raises QueueUnavailable."""

    @abc.abstractmethod
    def seek(self, topic: str, group: str, offsets: Mapping[int, int]) -> None:
        """Set the committed offsets of a group that has no members. Raises Conflict if it has some."""

    @abc.abstractmethod
    def close(self) -> None:
        """Release connections. Twice is once."""
