"""The laws of `backbeat_core.ports.clock` as tests that any adapter can inherit."""

from __future__ import annotations

import abc
import time

from backbeat_core.ports.clock import Clock


class ClockContract(abc.ABC):
    """Subclass as ``Test…`` and fill the holes."""

    tolerance_ms: int = 1000

    @abc.abstractmethod
    def make_clock(self) -> Clock:
        """Return a clock that shows the time of this moment."""

    @abc.abstractmethod
    def pass_time(self, clock: Clock, ms: int) -> None:
        """Let *ms* pass: move the clock, or sleep."""

    def step_wall(self, clock: Clock, ms: int) -> None:  # noqa: B027  # most clocks cannot be set
        """Set the wall clock by *ms*, where that can be done; a machine's own clock is left alone."""

    def test_now_is_utc_epoch(self) -> None:
        clock = self.make_clock()

        now = clock.now_ms()

        assert isinstance(now, int)
        assert abs(time.time() * 1000 - now) <= self.tolerance_ms
        self.pass_time(clock, 20)
        assert 20 <= clock.now_ms() - now <= 20 + self.tolerance_ms

    def test_elapsed_never_decreases(self) -> None:
        clock = self.make_clock()
        seen = [clock.elapsed_ms()]
        for step in (-86_400_000, 0, 86_400_000):
            self.step_wall(clock, step)
            self.pass_time(clock, 5)
            seen += [clock.elapsed_ms() for _ in range(100)]

        assert sorted(seen) == seen
        assert all(isinstance(moment, int) for moment in seen)
        assert 15 <= seen[-1] - seen[0] <= 15 + self.tolerance_ms
