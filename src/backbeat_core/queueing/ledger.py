"""Which offsets of one partition are finished, and how far that lets the group commit (queue-and-wire 1.7)."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, Final

from backbeat_core.errors import InvalidInput

# A jump forward of at most this many offsets is filled with "finished" marks; a longer one, over work that is
# still in hand, starts a new island, so that no distance costs memory.
GAP_FILLED: Final = 64

# Finished marks at the front are cut off once there are this many and they are most of what is kept.
FRONT_KEPT: Final = 4096


class _Island:
    """A stretch of offsets from *base* on, one mark each: 1 in hand, 0 finished or never seen."""

    __slots__ = ("base", "first", "marks")

    def __init__(self, base: int, first: int, marks: bytearray) -> None:
        self.base = base
        self.first = first
        self.marks = marks


class Ledger:
    """
    The offsets of one partition, from one assignment to its end.

    Both steps cost O(1), amortised, whatever is in hand: one mark an offset in a byte array, and the search
    for the next unfinished one never looks at a mark twice. Only a topic full of holes wider than
    `GAP_FILLED` costs a binary search.
    """

    __slots__ = ("_base", "_first", "_islands", "_marks", "following", "unfinished")

    def __init__(self) -> None:
        self.unfinished = 0
        """How many offsets are delivered and not finished."""
        self.following = -1
        """The offset after the one delivered last; -1 before the first delivery."""
        # The newest island, taken apart for speed. Nothing in hand here: no marks, and `_base` is `following`.
        self._base = -1
        self._first = 0
        self._marks = bytearray()
        # The older ones, by base. The first of them always has something in hand.
        self._islands: list[_Island] = []

    @property
    def latest(self) -> int | None:
        """Return the offset delivered last, or None."""
        return self.following - 1 if self.following >= 0 else None

    @property
    def committable(self) -> int | None:
        """Return the next offset to read below which all is finished; None if nothing was delivered."""
        if self._islands:
            return self._islands[0].base + self._islands[0].first
        return self._base + self._first if self.following >= 0 else None

    def consumed(self, offset: int) -> None:
        """
        Take note of a delivery. One that does not follow the latest first forgets all at or above it.

        Raises InvalidInput for anything but a non-negative integer.
        """
        if offset == self.following and type(offset) is int:
            self._marks.append(1)
            self.following = offset + 1
            self.unfinished += 1
        else:
            self._jump(offset)

    def processed(self, offset: int) -> None:
        """Take note of a completion. One that is unknown, or was before, changes nothing."""
        marks = self._marks
        at = offset - self._base
        if 0 <= at < len(marks):
            if marks[at]:
                marks[at] = 0
                self.unfinished -= 1
                if at == self._first:
                    self._advance(at)
        elif self._islands:
            self._processed_before(offset)

    def in_hand(self) -> list[int]:
        """Return the unfinished offsets, ascending. For people and tests: costs as much as is kept."""
        islands = [*self._islands, _Island(self._base, self._first, self._marks)]
        return [island.base + at for island in islands for at, mark in enumerate(island.marks) if mark]

    def export(self) -> dict[str, Any]:
        """Return the state as the reference's debug dump has it."""
        return {"processing": self.in_hand(), "latestConsumed": self.latest}

    def _advance(self, at: int) -> None:
        first = self._marks.find(1, at)
        if first < 0:
            self._restart(self.following)
        elif first >= FRONT_KEPT and 2 * first >= len(self._marks):
            del self._marks[:first]
            self._base += first
            self._first = 0
        else:
            self._first = first

    def _restart(self, base: int) -> None:
        self._base = base
        self._first = 0
        self._marks = bytearray()

    def _jump(self, offset: int) -> None:
        if type(offset) is not int or offset < 0:
            raise InvalidInput(f"an offset is a non-negative integer, not {offset!r}")
        if offset < self.following:
            self._forget_from(offset)
        gap = offset - self._base - len(self._marks)
        if not self._marks:
            self._restart(offset)
        elif gap <= GAP_FILLED:
            self._marks.extend(bytes(gap))
        else:
            self._islands.append(_Island(self._base, self._first, self._marks))
            self._restart(offset)
        self._marks.append(1)
        self.following = offset + 1
        self.unfinished += 1

    def _forget_from(self, offset: int) -> None:
        """Drop every offset at or above *offset*; the newest island left, if any, becomes the open one."""
        while self._base >= offset and self._islands:
            self.unfinished -= self._marks.count(1)
            island = self._islands.pop()
            self._base, self._first, self._marks = island.base, island.first, island.marks
        keep = max(offset - self._base, 0)
        self.unfinished -= self._marks.count(1, keep)
        del self._marks[keep:]
        if self._first >= len(self._marks):
            self._marks.clear()

    def _island_of(self, offset: int) -> _Island | None:
        nth = bisect_right(self._islands, offset, key=lambda island: island.base) - 1
        if nth < 0 or offset - self._islands[nth].base >= len(self._islands[nth].marks):
            return None
        return self._islands[nth]

    def _processed_before(self, offset: int) -> None:
        island = self._island_of(offset)
        if island is None or not island.marks[offset - island.base]:
            return
        at = offset - island.base
        island.marks[at] = 0
        self.unfinished -= 1
        if at == island.first:
            first = island.marks.find(1, at)
            island.first = first if first >= 0 else len(island.marks)
        while self._islands and self._islands[0].first == len(self._islands[0].marks):
            del self._islands[0]
