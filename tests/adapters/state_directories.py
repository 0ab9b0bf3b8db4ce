"""What the tests of the state directory share."""

from __future__ import annotations

from backbeat_core.ports.queue import Listener, Message


class Owned(Listener):
    """Remembers what it owns, and all that it was told."""

    def __init__(self) -> None:
        self.now, self.lost_ever = set(), []

    def assigned(self, offsets):
        self.now |= set(offsets)

    def revoked(self, partitions):
        self.now -= set(partitions)

    def lost(self, partitions):
        self.lost_ever += partitions
        self.now -= set(partitions)


def messages(count, size=10):
    """Return messages of different keys."""
    return [Message(b"%d" % n + b"." * size, b"key-%d" % n) for n in range(count)]
