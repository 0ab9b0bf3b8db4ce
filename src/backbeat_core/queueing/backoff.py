"""How long to wait before trying again, and when to stop trying (queue-and-wire 1.17, replication 3.6)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import attrs

from backbeat_core.errors import InvalidConfiguration

RETRYABLE_CODES: Final = frozenset({"ECONNRESET", "EPIPE", "ETIMEDOUT"})
"""Network errors that are worth another try unless their error says otherwise (PL-30.1)."""


@attrs.frozen
class Backoff:
    """Delays that grow by *factor* from *min_ms* to *max_ms*, each off by up to *jitter* of itself (PL-31)."""

    min_ms: float = 1000
    max_ms: float = 300_000
    jitter: float = 0.1
    factor: float = 1.5

    def __attrs_post_init__(self) -> None:
        for name in ("min_ms", "max_ms", "factor"):
            if not 0 < getattr(self, name) < math.inf:
                raise InvalidConfiguration(f"backoff.{name} is a number above 0, not {getattr(self, name)!r}")
        if not 0 <= self.jitter <= 1:
            raise InvalidConfiguration(f"backoff.jitter is a number from 0 to 1, not {self.jitter!r}")

    def delay_ms(self, retry: int, chance: Callable[[], float]) -> int:
        """
        Return the delay before retry number *retry*, from 0. *chance* draws uniformly from [0, 1).

        One draw gives both how far the delay is off and, by its first decimal, in which direction.
        """
        try:
            base = self.min_ms * self.factor**retry
            if self.jitter:
                drawn = chance()
                off = math.floor(drawn * self.jitter * base)
                base += off if math.floor(10 * drawn) % 2 else -off
        except OverflowError:
            return math.trunc(self.max_ms)
        return math.trunc(min(base, self.max_ms))


@attrs.frozen
class RetryPolicy:
    """
    How often and for how long one action is tried again (PL-30).

    *max_retries* None: no limit but time. *timeout_s* None: no limit but the count.
    """

    max_retries: int | None = 5
    timeout_s: float | None = 300
    backoff: Backoff = attrs.field(factory=Backoff)

    def gives_up(self, *, retries: int, elapsed_ms: float) -> bool:
        """Return whether there is no other try after *retries* of them, *elapsed_ms* after the first start."""
        if self.max_retries is not None and retries >= self.max_retries:
            return True
        # Time alone never ends an action that was tried only once (PL-30.4).
        return self.timeout_s is not None and elapsed_ms >= self.timeout_s * 1000 and retries >= 1

    def next_delay_ms(
        self, error: BaseException, *, retries: int, elapsed_ms: float, chance: Callable[[], float]
    ) -> int | None:
        """Return the delay before the next try, or None to give up with *error*."""
        if not is_retryable(error) or self.gives_up(retries=retries, elapsed_ms=elapsed_ms):
            return None
        return self.backoff.delay_ms(retries, chance)


TASK_DEFAULT: Final = RetryPolicy(max_retries=None)
"""Without any configuration."""

CONFIGURED_DEFAULT: Final = RetryPolicy()
"""Where a `retry` block exists and says nothing; `scality`, status processor, garbage collector."""

CLOUD_DEFAULT: Final = RetryPolicy(timeout_s=900, backoff=Backoff(min_ms=60_000, max_ms=900_000))
"""The sample configuration of `aws_s3`, `azure` and `gcp`."""


def is_retryable(error: BaseException) -> bool:
    """Return whether doing the same again may succeed: the error says so, or its network code does (PL-30.1)."""
    said = getattr(error, "retryable", None)
    if said is not None:
        return bool(said)
    if isinstance(error, (ConnectionResetError, BrokenPipeError, TimeoutError)):
        return True
    return getattr(error, "code", None) in RETRYABLE_CODES
