"""What happened in a run, line by line, and one digest that two equal runs share."""

from __future__ import annotations

import hashlib
from collections import deque

KEPT = 400
"""How many of the last lines are kept for people to read."""


class Trace:
    """
    The lines of a run. All of them go into the digest; the last `KEPT` are kept, or with *whole* every one.
    """

    def __init__(self, *, whole: bool = False) -> None:
        self.count = 0
        self._lines: deque[str] = deque(maxlen=None if whole else KEPT)
        self._hash = hashlib.sha256()

    def add(self, line: str) -> None:
        """Take note of one thing that happened."""
        self.count += 1
        self._lines.append(line)
        self._hash.update(line.encode("utf-8", "surrogatepass"))
        self._hash.update(b"\n")

    @property
    def digest(self) -> str:
        """The SHA-256 of all lines so far, hexadecimal."""
        return self._hash.hexdigest()

    def tail(self, lines: int = KEPT) -> list[str]:
        """Return the last *lines* that are kept."""
        kept = list(self._lines)
        return kept[-lines:]
