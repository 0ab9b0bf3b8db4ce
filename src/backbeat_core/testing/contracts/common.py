"""What the contracts share: fresh names, bounded time, and any history at all."""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from collections.abc import Iterator
from types import ModuleType

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test


def fresh(prefix: str) -> str:
    """Return a name that no other test, run or process uses: an engine may be shared."""
    return f"{prefix}-{secrets.token_hex(6)}"


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail if the block takes longer than *seconds*: an engine that is away must not hang its callers."""
    begun = time.monotonic()
    yield
    took = time.monotonic() - begun
    assert took <= seconds, f"took {took:.1f} s where at most {seconds} s are allowed"


def any_history(machine: type[RuleBasedStateMachine], *, examples: int, steps: int) -> None:
    """Run a rule-based state machine as one test; deadlines are the engine's business, not hypothesis'."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def laws(port: ModuleType) -> list[str]:
    """Return the names of the laws in the docstring of a port, in order."""
    _, _, listed = (port.__doc__ or "").partition("\nLaws ")
    return re.findall(r"^    (\w+) ", listed, re.MULTILINE)
