"""The circuit breaker: a probe that says no stops the work until all say yes (queue-and-wire 1.12)."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence

import attrs

from backbeat_core.queueing.gate import BREAKER, Gate
from backbeat_core.queueing.probes import BreakerSettings, Noop, Probe


class BreakerState(enum.IntEnum):
    """Where a breaker stands; the number is the value of its metric."""

    NOMINAL = 0
    STABILIZING = 1
    TRIPPED = 2


@attrs.define
class Breaker:
    """
    A breaker that is told what its probes read and what time it is.

    Times are `elapsed_ms` moments. Whoever drives it reads the probes when `due_ms` has come, calls `evaluate`,
    and lets `steer` close or open the gate.
    """

    settings: BreakerSettings = attrs.field(factory=BreakerSettings)
    state: BreakerState = BreakerState.NOMINAL
    due_ms: int = 0
    errors: int = 0
    """How many readings were none, ever (`s3_circuit_breaker_errors_count`)."""
    _successes: int = 0
    _observed: dict[int, float] = attrs.field(factory=dict)

    def start(self, now: int) -> None:
        """Begin as nominal, to be evaluated at once."""
        self.state = BreakerState.NOMINAL
        self.due_ms = now

    def evaluate(self, readings: Sequence[float | None], now: int) -> BreakerState:
        """
        Take one reading for each probe, in order (for a `noop` any), and return the state they lead to.

        None or NaN is a probe that could not be read. It keeps what it read last, 0 at first; or, if it does not
        fail open, it says no.
        """
        probes = enumerate(zip(self.settings.probes, readings, strict=True))
        content = [self._is_content(nth, probe, reading) for nth, (probe, reading) in probes]
        if not all(content):
            self.state = BreakerState.TRIPPED
        elif self.state is BreakerState.TRIPPED:
            self.state = BreakerState.STABILIZING
            self._successes = 1
        elif self.state is BreakerState.STABILIZING:
            self._successes += 1
            if self._successes >= self.settings.stabilize_after_n_successes:
                self.state = BreakerState.NOMINAL
        self.due_ms = now + math.ceil(self._interval_ms())
        return self.state

    def steer(self, gate: Gate) -> None:
        """Close *gate* when tripped and open it when nominal; while stabilizing leave it as it is."""
        if self.state is BreakerState.TRIPPED:
            gate.close(BREAKER)
        elif self.state is BreakerState.NOMINAL:
            gate.open(BREAKER)

    def _is_content(self, nth: int, probe: Probe, reading: float | None) -> bool:
        if isinstance(probe, Noop):
            return probe.value
        if reading is None or math.isnan(reading):
            self.errors += 1
            return probe.fail_open and self._observed.get(nth, 0.0) < probe.threshold
        self._observed[nth] = reading
        return reading < probe.threshold

    def _interval_ms(self) -> float:
        return {
            BreakerState.NOMINAL: self.settings.nominal_evaluate_interval_ms,
            BreakerState.STABILIZING: self.settings.stabilizing_evaluate_interval_ms,
            BreakerState.TRIPPED: self.settings.tripped_evaluate_interval_ms,
        }[self.state]
