"""The machine's own clock."""

from __future__ import annotations

import time

from backbeat_core.ports.clock import Clock


class SystemClock(Clock):
    """
    Wall-clock and monotonic time of this machine.

    `elapsed_ms` counts from the machine's start, so that processes of one machine agree on it.
    """

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def elapsed_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000
