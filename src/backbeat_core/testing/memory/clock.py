"""A clock that stands still until a test moves it."""

from __future__ import annotations

import attrs

from backbeat_core.ports.clock import Clock


@attrs.define
class ManualClock(Clock):
    """The executable laws of time. *wall_ms* is Unix milliseconds; the default is a day in 2023."""

    wall_ms: int = 1_700_000_000_000
    monotonic_ms: int = 0

    def now_ms(self) -> int:
        return self.wall_ms

    def elapsed_ms(self) -> int:
        return self.monotonic_ms

    def advance(self, ms: int) -> None:
        """Let *ms* pass on both clocks."""
        if ms < 0:
            raise ValueError("time does not run backwards; `step_wall` moves the wall clock")
        self.wall_ms += ms
        self.monotonic_ms += ms

    def step_wall(self, ms: int) -> None:
        """Set the wall clock forward or back by *ms*, as an administrator would; no time passes."""
        self.wall_ms += ms
