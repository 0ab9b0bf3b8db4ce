"""Bugs to plant in the model of the clock, by the law that must see them."""

from __future__ import annotations

from adapters.planted.changes import returning
from backbeat_core.testing.memory import clock

BUGS = {
    "now_is_utc_epoch": [(clock.ManualClock, "now_ms", returning(lambda ms: ms + 3_600_000))],
    "elapsed_never_decreases": [(clock.ManualClock, "elapsed_ms", lambda _: lambda self: self.wall_ms)],
}
