"""
Time, asked for and never taken.

Laws (each is a test of the same name in `backbeat_core.testing.contracts.clock`):

    now_is_utc_epoch        `now_ms` is Unix milliseconds, UTC
    elapsed_never_decreases `elapsed_ms` never goes back, whatever happens to the wall clock
"""

from __future__ import annotations

import abc


class Clock(abc.ABC):
    """Wall-clock and monotonic time in milliseconds. There is no sleep: whoever waits returns."""

    @abc.abstractmethod
    def now_ms(self) -> int:
        """Return the wall clock: Unix milliseconds, UTC. It may step in either direction."""

    @abc.abstractmethod
    def elapsed_ms(self) -> int:
        """Return milliseconds since some fixed moment; it never decreases."""
