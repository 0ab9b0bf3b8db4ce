"""What went wrong on a version's way to a site, attempt by attempt, as it is kept for people to read."""

from __future__ import annotations

import enum
from typing import Final

import attrs

from backbeat_core.domain.codec import Kind, Message, field
from backbeat_core.domain.keys import FailedVersion, RedisKeys

KEPT_MS: Final = 7 * 86_400_000
"""How long the attempts of a version are kept after the last of them, in milliseconds."""

MOST_KEPT: Final = 32
"""How many attempts of a version are kept; the oldest go first."""

_MOST_TEXT: Final = 512


class Result(enum.StrEnum):
    """What came of an attempt."""

    PARKED = "parked"
    REPLAYED = "replayed"
    SKIPPED = "skipped"
    FAILED = "failed"
    COMPLETED = "completed"


@attrs.frozen
class Attempt(Message):
    """
    One attempt to bring a version to a site. Times in Unix milliseconds.

    *number* counts the deliveries of the entry, from 1. *until* is when a parked entry is tried again;
    *topic*, *left* and *total* say where a replay waits, and how many follow it.
    """

    at: int = field("at", Kind.INTEGER, required=True)
    result: Result = field("result", Result, required=True)
    number: int | None = field("number", Kind.INTEGER)
    error: str | None = field("error")
    reason: str | None = field("reason")
    until: int | None = field("until", Kind.INTEGER)
    topic: str | None = field("topic")
    left: int | None = field("left", Kind.INTEGER)
    total: int | None = field("total", Kind.INTEGER)

    def bounded(self) -> Attempt:
        """Return the attempt with no more text than is worth keeping: errors can quote whole documents."""
        return attrs.evolve(
            self,
            error=None if self.error is None else self.error[:_MOST_TEXT],
            reason=None if self.reason is None else self.reason[:_MOST_TEXT],
        )


def attempts_key(keys: RedisKeys, site: str, version: FailedVersion) -> str:
    """Return the key of the scored set of a version's attempts; a score is the time of the attempt."""
    prefix = keys.failures_prefix.removesuffix(":failed")
    return f"{prefix}:attempts:{site}:{version.json_member()}"
