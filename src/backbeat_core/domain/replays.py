"""Replays: which topic a failed replication goes to for another attempt, and when it is over (3.12.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import attrs

from backbeat_core.errors import InvalidConfiguration

# Far more attempts than anyone waits for; a list of this size is still quick to lay out.
_MOST_ATTEMPTS: Final = 100_000


@attrs.frozen
class ReplayTopic:
    """A topic of replays, and how many attempts a failed entry makes there."""

    name: str
    retries: int


@attrs.frozen
class Replay:
    """
    The next attempt of a failed entry.

    *count* is the number of attempts that are left after this one and goes into the message; *first*
    says that the entry fails for the first time, *total* how many attempts it had then.
    """

    topic: str
    count: int
    first: bool
    total: int


@attrs.frozen
class Replays:
    """
    The plan of all attempts after the first failure.

    `attempts[count]` is the topic of the attempt that leaves *count* others: the last configured topic
    comes first in the list, and last in time.
    """

    attempts: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @classmethod
    def from_topics(cls, topics: Iterable[ReplayTopic]) -> Replays:
        """Lay out *topics*, which are in the order in which they are tried; a topic may have no retries."""
        given = tuple(topics)
        attempts: list[str] = []
        for topic in reversed(given):
            if topic.retries < 0 or len(attempts) + topic.retries > _MOST_ATTEMPTS:
                raise InvalidConfiguration(f"replay topic {topic.name!r} cannot have {topic.retries} retries")
            attempts.extend([topic.name] * topic.retries)
        return cls(tuple(attempts), tuple(dict.fromkeys(topic.name for topic in given)))

    @property
    def total(self) -> int:
        """The number of attempts after the first failure; 0 where replays are switched off."""
        return len(self.attempts)

    def next(self, count: int | None) -> Replay | None:
        """
        Return the attempt that follows a failure, None where the failure is final.

        *count* is the one that the failed entry carried, None if it never was replayed. One that is
        higher than the total counts as the total: the configuration shrank.
        """
        first = count is None
        left = self.total if count is None else min(count, self.total)
        if left <= 0:
            return None
        return Replay(self.attempts[left - 1], left - 1, first, self.total)
