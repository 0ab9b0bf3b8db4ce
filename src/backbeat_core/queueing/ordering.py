"""Entries in line behind their key: one of a key at a time, in the order of arrival (queue-and-wire 1.9)."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Ordering(Generic[T]):
    """
    A line of items a key. Only the head of a line is ever anything but waiting; it is one of

        ready     may start as soon as a slot is free
        running   has a slot
        parked    waits for its time without a slot
        held      waits for an answer without a slot

    and the items behind it wait for it to be finished. At most *concurrency* heads run at a time.
    """

    __slots__ = ("_held", "_lines", "_parked", "_ready", "_running", "_turn", "concurrency", "size")

    def __init__(self, concurrency: int) -> None:
        self.concurrency = concurrency
        self.size = 0
        """How many items there are, in any state."""
        self._lines: dict[Hashable, deque[T]] = {}
        self._ready: deque[Hashable] = deque()
        self._running: set[Hashable] = set()
        self._held: set[Hashable] = set()
        self._parked: list[tuple[int, int, Hashable]] = []
        # Breaks ties in `_parked`, whose keys may not be comparable.
        self._turn = 0

    @property
    def ready(self) -> int:
        """How many heads wait for nothing but a slot."""
        return len(self._ready)

    @property
    def running(self) -> int:
        """How many slots are taken."""
        return len(self._running)

    @property
    def parked(self) -> int:
        """How many keys wait for their time."""
        return len(self._parked)

    @property
    def held(self) -> int:
        """How many keys wait for an answer."""
        return len(self._held)

    @property
    def next_due(self) -> int | None:
        """Return the time of the parked key that is due first."""
        return self._parked[0][0] if self._parked else None

    def add(self, key: Hashable, item: T) -> None:
        """Put *item* at the end of the line of *key*."""
        self.size += 1
        line = self._lines.get(key)
        if line is None:
            self._lines[key] = deque((item,))
            self._ready.append(key)
        else:
            line.append(item)

    def last(self, key: Hashable) -> T:
        """Return the item at the end of the line of *key*."""
        return self._lines[key][-1]

    def take(self, limit: int) -> list[T]:
        """Start up to *limit* ready heads, the longest ready first, as far as there are slots."""
        ready, running, lines = self._ready, self._running, self._lines
        taken: list[T] = []
        for _ in range(min(limit, self.concurrency - len(running), len(ready))):
            key = ready.popleft()
            running.add(key)
            taken.append(lines[key][0])
        return taken

    def finish(self, key: Hashable) -> None:
        """Take the head, running or held, out of its line; the next one is ready."""
        self._leave(key)
        self.size -= 1
        line = self._lines[key]
        if len(line) == 1:
            del self._lines[key]
        else:
            line.popleft()
            self._ready.append(key)

    def park(self, key: Hashable, due: int) -> None:
        """Let the head, running or held, wait without a slot until *due*."""
        self._leave(key)
        self._turn += 1
        heapq.heappush(self._parked, (due, self._turn, key))

    def hold(self, key: Hashable) -> None:
        """Let the running head wait without a slot until `finish`, `park` or `release`."""
        self._leave(key)
        self._held.add(key)

    def due(self, now: int) -> list[T]:
        """Return the parked heads whose time has come, earliest first. They are held from now on."""
        woken: list[T] = []
        while self._parked and self._parked[0][0] <= now:
            key = heapq.heappop(self._parked)[2]
            self._held.add(key)
            woken.append(self._lines[key][0])
        return woken

    def release(self, key: Hashable) -> None:
        """Make a held head ready."""
        self._held.remove(key)
        self._ready.append(key)

    def drop(self, condemned: Callable[[T], bool]) -> list[T]:
        """
        Take out every item that is *condemned* and neither running nor held; return them.

        A line whose head is taken out goes on with the next one that is left. Costs as much as is in line.
        """
        dropped: list[T] = []
        parked = {key for _, _, key in self._parked}
        unparked: set[Hashable] = set()
        for key, line in list(self._lines.items()):
            head = line[0]
            kept: deque[T] = deque()
            if key in self._running or key in self._held:
                kept.append(line.popleft())
            for item in line:
                (dropped if condemned(item) else kept).append(item)
            if kept:
                self._lines[key] = kept
            else:
                del self._lines[key]
            if key in parked and not (kept and kept[0] is head):
                unparked.add(key)
                self._ready.append(key)
        self._parked = [entry for entry in self._parked if entry[2] not in unparked]
        heapq.heapify(self._parked)
        self._ready = deque(key for key in self._ready if key in self._lines)
        self.size -= len(dropped)
        return dropped

    def _leave(self, key: Hashable) -> None:
        if key in self._running:
            self._running.remove(key)
        else:
            self._held.remove(key)
