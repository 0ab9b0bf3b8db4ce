"""From what a use case returns or raises to what the worker does with the entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import attrs

from backbeat_core.errors import InvalidInput
from backbeat_core.queueing.backoff import RetryPolicy, is_retryable
from backbeat_core.queueing.outcome import Context, Crashed, Done, Failed, Outcome, Retry

R = TypeVar("R")


@attrs.frozen
class Handling:
    """
    How the errors of a use case end: tried again as *policy* says, then a dead letter (W-02).

    *chance* draws uniformly from [0, 1) for the jitter.
    """

    policy: RetryPolicy
    chance: Callable[[], float]

    def settle(self, error: Exception, context: Context) -> Outcome:
        """Return what becomes of an entry whose use case raised *error*."""
        if isinstance(error, InvalidInput):
            return Failed(str(error))
        if not is_retryable(error):
            return Crashed(error)
        delay = self.policy.next_delay_ms(
            error, retries=context.retries, elapsed_ms=context.waited_ms, chance=self.chance
        )
        return Failed(f"{type(error).__name__}: {error}") if delay is None else Retry(delay, str(error))

    def wrap(self, use_case: Callable[[R], object]) -> Callable[[R, Context], Outcome]:
        """Return *use_case* as a handler of a worker; its result becomes the result of `Done`."""

        def handle(record: R, context: Context) -> Outcome:
            try:
                return Done(use_case(record))
            except Exception as error:
                return self.settle(error, context)

        return handle
