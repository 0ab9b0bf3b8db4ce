"""From what a use case returns or raises to an outcome (W-02)."""

from __future__ import annotations

import attrs
import pytest

from backbeat_core.errors import NotFound, StoreUnavailable, UndecodableEntry
from backbeat_core.queueing.backoff import Backoff, RetryPolicy
from backbeat_core.queueing.handling import Handling
from backbeat_core.queueing.outcome import Crashed, Done, Failed, Outcome, Retry


@attrs.frozen
class Delivery:
    """A context at some moment."""

    retries: int = 0
    waited_ms: int = 0
    cancelled: bool = False
    deliveries: int = 1
    generation: int = 1


POLICY = RetryPolicy(max_retries=3, timeout_s=60, backoff=Backoff(min_ms=100, factor=2, jitter=0.5))


def handled(error: Exception | None, context: Delivery = Delivery()) -> Outcome:
    def use_case(record: str) -> str:
        if error is not None:
            raise error
        return record + " done"

    return Handling(POLICY, lambda: 0.3).wrap(use_case)("work", context)


def test_a_result_is_done() -> None:
    assert Done("work done") == handled(None)


def test_bad_input_fails_at_once() -> None:
    assert Failed("no JSON (topic '', partition -1, offset -1)") == handled(UndecodableEntry("no JSON"))


def test_what_nobody_foresaw_is_a_crash() -> None:
    error = NotFound("the object")

    assert Crashed(error) == handled(error)


def test_an_outage_is_tried_again_after_the_delay_of_its_policy() -> None:
    error = StoreUnavailable("away")

    # 0.3 * 0.5 * 100 = 15, up since 3 is odd; of the third try 0.3 * 0.5 * 400 = 60.
    assert Retry(115, "away") == handled(error)
    assert Retry(460, "away") == handled(error, Delivery(retries=2))


@pytest.mark.parametrize("context", [Delivery(retries=3), Delivery(retries=1, waited_ms=60_000)])
def test_an_outage_beyond_the_policy_is_a_dead_letter_that_says_why(context: Delivery) -> None:
    assert Failed("StoreUnavailable: away") == handled(StoreUnavailable("away"), context)
