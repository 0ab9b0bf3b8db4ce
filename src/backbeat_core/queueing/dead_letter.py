"""Where entries go that nobody can work on, and what is written on them (queue-and-wire 1.18)."""

from __future__ import annotations

from typing import Final

TOPIC_SUFFIX: Final = "-dead-letter"
DELIVERIES_HEADER: Final = "x-deliveries"
ERROR_BYTES: Final = 1024
"""How much of an error's text is kept."""


def topic_of(topic: str) -> str:
    """Return the topic that the dead letters of *topic* go to."""
    return topic + TOPIC_SUFFIX


def headers(
    topic: str, partition: int, offset: int, error: str, *, size: int | None = None
) -> tuple[tuple[str, bytes], ...]:
    """
    Return the headers of a dead letter: where the entry stood and why it was given up.

    *size*, in bytes, is given when the value was too large to be kept and was left behind.
    """
    found = [
        ("x-original-topic", topic.encode()),
        ("x-original-partition", b"%d" % partition),
        ("x-original-offset", b"%d" % offset),
        ("x-error", error.encode("utf-8", "backslashreplace")[:ERROR_BYTES]),
    ]
    if size is not None:
        found.append(("x-original-size", b"%d" % size))
    return tuple(found)


def deliveries_before(headers: tuple[tuple[str, bytes], ...]) -> int:
    """Return how often the entry was delivered before it was queued again; 0 if it does not say."""
    for name, value in headers:
        if name == DELIVERIES_HEADER and value.isdigit():
            return int(value[:9])
    return 0
