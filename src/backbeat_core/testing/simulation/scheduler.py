"""Virtual time, and whose turn it is: threads take steps, one after the other or inside one another."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import attrs

from backbeat_core.testing.memory import ManualClock
from backbeat_core.testing.simulation.chance import Chance
from backbeat_core.testing.simulation.trace import Trace

if TYPE_CHECKING:
    from backbeat_core.testing.simulation.process import Host

DEEPEST: Final = 4
"""How many steps may stand inside one another."""

NEVER: Final = 1 << 60
"""When a thread is due that sleeps until it is woken."""

SHORT_MS: Final = 250
"""How long at most a step may last inside another."""

LATENCY_MS: Final = 20
"""A step that wants to go on at once goes on after 1 ms to this."""


class Crash(BaseException):
    """The process dies here: no handler of its own may catch this, and nothing of its memory is left."""


class Stuck(BaseException):
    """A run took more steps than any run needs: something goes round in circles."""


@attrs.define(eq=False)
class Thread:
    """
    Something that takes steps.

    *run* does one and returns how many milliseconds it wants to sleep; below 0: until it is woken.
    """

    host: Host
    name: str
    run: Callable[[], int]
    due_ms: int = NEVER
    stamp: int = 0
    running: bool = False
    # A wake-up that came while the thread was running.
    woken: bool = False


@attrs.define(eq=False)
class Scheduler:
    """
    All threads of a run on one virtual clock.

    While nobody is due the clock jumps. Each sleep is stretched by a little chance, so that the order of
    what happens at about the same time is drawn anew.
    """

    clock: ManualClock
    chance: Chance
    trace: Trace
    steps: int = 0
    most_steps: int = 2_000_000
    depth: int = 0
    _turn: int = 0
    _heap: list[tuple[int, int, int, Thread]] = attrs.field(factory=list)

    @property
    def now_ms(self) -> int:
        """Milliseconds since the run began."""
        return self.clock.monotonic_ms

    def add(self, thread: Thread, delay_ms: int = 0) -> Thread:
        """Let *thread* take its first step in *delay_ms*."""
        self._push(thread, delay_ms)
        return thread

    def wake(self, thread: Thread, within_ms: int = 0) -> None:
        """Let a sleeping *thread* take its next step in *within_ms* at the latest."""
        if thread.running:
            thread.woken = True
        elif thread.due_ms > self.now_ms + within_ms + LATENCY_MS:
            self._push(thread, within_ms)

    def run(self, ms: int) -> None:
        """Let *ms* pass."""
        self.run_until(self.now_ms + ms)

    def run_until(self, end_ms: int, done: Callable[[], bool] | None = None) -> bool:
        """Let time pass until *end_ms*, or until *done* says so after a step; return whether it did."""
        heap, clock = self._heap, self.clock
        while heap:
            due, _, stamp, thread = heap[0]
            if due > end_ms:
                break
            heapq.heappop(heap)
            if stamp != thread.stamp or not thread.host.alive:
                continue
            if due > clock.monotonic_ms:
                clock.advance(due - clock.monotonic_ms)
            self._step(thread)
            if done is not None and done():
                return True
        if end_ms > clock.monotonic_ms:
            clock.advance(end_ms - clock.monotonic_ms)
        return False

    def inside(self, ms: int, done: Callable[[], bool] | None = None) -> bool:
        """
        Let *ms* pass inside the step that is being taken, while others take theirs.

        What is slow holds up whatever it stands in, which is not so with real threads: only an outermost step
        may be slow for long, and where it is too deep already no time passes at all.
        """
        if self.depth >= DEEPEST:
            return False
        return self.run_until(self.now_ms + (ms if self.depth < 2 else min(ms, SHORT_MS)), done)

    def _push(self, thread: Thread, delay_ms: int) -> None:
        thread.stamp += 1
        thread.due_ms = self.now_ms + delay_ms + 1 + self.chance.below(LATENCY_MS)
        self._turn += 1
        heapq.heappush(self._heap, (thread.due_ms, self._turn, thread.stamp, thread))

    def _step(self, thread: Thread) -> None:
        self.steps += 1
        if self.steps > self.most_steps:
            raise Stuck(f"{self.steps} steps")
        host = thread.host
        thread.running = True
        thread.woken = False
        self.depth += 1
        try:
            delay = thread.run()
        except Crash:
            host.crashed()
        else:
            if thread.woken or delay >= 0:
                self._push(thread, 0 if thread.woken else delay)
            else:
                thread.due_ms = NEVER
        finally:
            self.depth -= 1
            thread.running = False
