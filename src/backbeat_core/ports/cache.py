"""
Counters, scored sets, locks and channels: what may be lost and derived again.

Laws (each is a test of the same name in `backbeat_core.testing.contracts.cache`):

    counts_up_and_down         increments add up, from 0, below 0 too
    absent_counts_zero         reading what is not there gives 0, 0 members, no score
    write_is_atomic            readers see all of a `write` or nothing of it
    read_answers_in_order      one answer a question, in the order asked
    expires                    a key is gone when its time to live is over; each write with one re-arms it
    without_expiry_stays       a write that gives no time to live leaves the key's as it was
    scores_sort                members come by score, then by bytes; both ends of a range are inclusive
    newest_first_and_limit     `descending` turns the order round; *limit* cuts after turning
    adding_again_moves         a member is in a set once; adding it again sets its score
    removing_is_idempotent     removing what is not there is not an error
    lock_is_exclusive          one owner at a time; the others are told no
    lock_is_released_by_owner  releasing somebody else's lock is False and changes nothing
    lock_expires               a lock whose owner died is free when its time to live is over
    channel_reaches_subscribers  what is published after the subscription is received, in order
    channel_forgets            what was published before the subscription is not received
    dead_endpoint_is_unavailable  an engine that cannot be reached raises CacheUnavailable, in bounded time
"""

from __future__ import annotations

import abc
from collections.abc import Collection, Sequence

import attrs


@attrs.frozen
class Increment:
    """Add *by* (may be negative) to a counter; *ttl_ms*, if given, re-arms its expiry."""

    key: str
    by: int
    ttl_ms: int | None = None


@attrs.frozen
class AddMember:
    """Set the score of a member of a scored set; *ttl_ms*, if given, re-arms the set's expiry."""

    key: str
    member: str
    score: int
    ttl_ms: int | None = None


@attrs.frozen
class RemoveMember:
    """Take a member out of a scored set."""

    key: str
    member: str


@attrs.frozen
class SetCounter:
    """Set a counter to a value, for rebuilding what can be derived."""

    key: str
    value: int
    ttl_ms: int | None = None


Write = Increment | AddMember | RemoveMember | SetCounter


@attrs.frozen
class Count:
    """Ask for a counter; answered with an int."""

    key: str


@attrs.frozen
class Size:
    """Ask for the number of members of a scored set; answered with an int."""

    key: str


@attrs.frozen
class Score:
    """Ask for a member's score; answered with an int or None."""

    key: str
    member: str


@attrs.frozen
class Range:
    """
    Ask for members with *low* ≤ score ≤ *high*; answered with a tuple of (member, score).

    *limit* counts from the end that *descending* says comes first.
    """

    key: str
    low: int | None = None
    high: int | None = None
    limit: int | None = None
    descending: bool = False


Question = Count | Size | Score | Range
Answer = int | None | tuple[tuple[str, int], ...]


class Subscription(abc.ABC):
    """A subscriber's end of one or more channels."""

    @abc.abstractmethod
    def poll(self, timeout_ms: int = 0) -> Sequence[tuple[str, str]]:
        """Return what has arrived as (channel, message), waiting at most *timeout_ms* for the first."""

    @abc.abstractmethod
    def close(self) -> None:
        """Stop listening. Twice is once."""


class Cache(abc.ABC):
    """An engine that keeps small, fast, expiring things. Safe to share between threads."""

    @abc.abstractmethod
    def write(self, writes: Sequence[Write]) -> None:
        """Apply all *writes* at once, in order. Raises CacheUnavailable: it may or may not have happened."""

    @abc.abstractmethod
    def read(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """Answer all *questions* in one round trip. Raises CacheUnavailable."""

    @abc.abstractmethod
    def acquire(self, key: str, owner: str, ttl_ms: int) -> bool:
        """Take the lock if it is free, for *ttl_ms*. Raises CacheUnavailable."""

    @abc.abstractmethod
    def release(self, key: str, owner: str) -> bool:
        """Give the lock back if *owner* holds it; else False. Raises CacheUnavailable."""

    @abc.abstractmethod
    def publish(self, channel: str, message: str) -> None:
        """Send to whoever listens now. Raises CacheUnavailable."""

    @abc.abstractmethod
    def subscribe(self, channels: Collection[str]) -> Subscription:
        """Listen to *channels* from now on. Raises CacheUnavailable."""

    @abc.abstractmethod
    def close(self) -> None:
        """Release connections. Twice is once."""
