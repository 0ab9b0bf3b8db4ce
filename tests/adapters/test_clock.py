"""The machine's clock keeps the laws of time."""

from __future__ import annotations

import time

from backbeat_adapters.clock import SystemClock
from backbeat_core.ports.clock import Clock
from backbeat_core.testing.contracts.clock import ClockContract


class TestSystemClock(ClockContract):
    def make_clock(self) -> Clock:
        return SystemClock()

    def pass_time(self, clock: Clock, ms: int) -> None:
        time.sleep(ms / 1000)


def test_two_clocks_of_one_machine_agree():
    # Processes that share a state directory compare each other's leases by it.
    assert abs(SystemClock().elapsed_ms() - SystemClock().elapsed_ms()) < 1000
