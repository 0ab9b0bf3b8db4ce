"""What a handler says of one entry, and what it is told of its situation (queue-and-wire 1.8)."""

from __future__ import annotations

from typing import Final, Protocol, TypeAlias

import attrs


@attrs.frozen
class Done:
    """All that the entry implied is durable. *result* is for whoever reads outcomes: metrics, logs."""

    result: object = None


@attrs.frozen
class Deferred:
    """
    The work is done and something is still to be acknowledged: complete the task again when it is.

    The slot is free meanwhile, the key is not. After *timeout_ms* without an answer it counts as a crash.
    """

    timeout_ms: int = 300_000


@attrs.frozen
class Retry:
    """
    Not now: deliver the entry again after *delay_ms*; None: after the worker's own back-off.

    The slot is free meanwhile; later entries of the same key wait.
    """

    delay_ms: int | None = None
    reason: str = ""


@attrs.frozen
class Failed:
    """It will never work: to the dead letters with it, for *reason*."""

    reason: str


@attrs.frozen
class Crashed:
    """The handler raised *error*. Tried again up to the limit of deliveries, then as `Failed`."""

    error: BaseException


Outcome: TypeAlias = Done | Deferred | Retry | Failed | Crashed

DONE: Final = Done()
"""The outcome of most entries, made once."""


class Context(Protocol):
    """What a handler may ask about the delivery that it works on."""

    @property
    def cancelled(self) -> bool:
        """Return whether the result is not wanted any more: stop as soon as nothing is left half done."""

    @property
    def deliveries(self) -> int:
        """Return the number of this delivery to a handler, from 1: after crashes and after `Retry`."""

    @property
    def retries(self) -> int:
        """Return how many times the entry was put off by `Retry`, or by an outage (PL-30)."""

    @property
    def waited_ms(self) -> int:
        """Return milliseconds from the entry's first start to this one."""

    @property
    def generation(self) -> int:
        """Return the number of the assignment under which the entry was delivered."""
