"""Delays and limits of retries (queue-and-wire 1.17, PL-30, PL-31)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.errors import Corrupted, InvalidConfiguration, NotFound, StoreUnavailable
from backbeat_core.queueing.backoff import (
    CLOUD_DEFAULT,
    CONFIGURED_DEFAULT,
    RETRYABLE_CODES,
    TASK_DEFAULT,
    Backoff,
    RetryPolicy,
    is_retryable,
)


def always(value: float) -> Callable[[], float]:
    return lambda: value


def never() -> float:
    raise AssertionError("no chance is needed")


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [
        (Backoff(jitter=0), [1000, 1500, 2250, 3375, 5062, 7593, 11390]),
        (
            Backoff(min_ms=60_000, max_ms=900_000, jitter=0),
            [60_000, 90_000, 135_000, 202_500, 303_750, 455_625, 683_437, 900_000, 900_000],
        ),
        (Backoff(min_ms=0.5, max_ms=1, factor=1, jitter=0), [0, 0, 0]),
    ],
)
def test_delays_without_jitter_are_those_of_the_specification(backoff: Backoff, delays: list[int]) -> None:
    assert delays == [backoff.delay_ms(retry, never) for retry in range(len(delays))]


@pytest.mark.parametrize(
    ("drawn", "delay"),
    [
        # base 1000, jitter 0.5: off by floor(drawn * 500), down when floor(10 * drawn) is even.
        (0.0, 1000),
        (0.05, 975),
        (0.1, 1050),
        (0.1999, 1099),
        (0.2, 900),
        (0.5, 1250),
        (0.9999, 1499),
        (0.8999, 551),
    ],
)
def test_one_draw_gives_distance_and_direction(drawn: float, delay: int) -> None:
    assert delay == Backoff(jitter=0.5).delay_ms(0, always(drawn))


def test_jitter_never_passes_the_greatest_delay() -> None:
    assert 300_000 == Backoff(jitter=1).delay_ms(50, always(0.99))
    # Off before it is cut: a base far over the limit stays at the limit.
    assert 300_000 == Backoff(jitter=0.5).delay_ms(50, always(0.4))


@pytest.mark.parametrize("retry", [1000, 2000, 10**6])
@pytest.mark.parametrize("jitter", [0.1, 0])
def test_a_delay_too_great_for_a_number_is_the_greatest_delay(retry: int, jitter: float) -> None:
    assert 2 == Backoff(min_ms=1e300, max_ms=2.9, factor=2, jitter=jitter).delay_ms(retry, always(0.5))


@given(
    st.integers(0, 40),
    st.floats(0, 1, exclude_max=True),
    st.floats(0.01, 1),
    st.floats(1, 3),
)
def test_a_delay_is_off_by_no_more_than_its_jitter(
    retry: int, drawn: float, jitter: float, factor: float
) -> None:
    plain = min(1000 * factor**retry, 300_000)

    delay = Backoff(jitter=jitter, factor=factor).delay_ms(retry, always(drawn))

    assert 0 <= delay <= 300_000
    assert int(plain * (1 - jitter)) <= delay <= plain * (1 + jitter)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("min_ms", 0),
        ("min_ms", -1),
        ("max_ms", 0),
        ("factor", 0),
        ("factor", float("inf")),
        ("min_ms", float("nan")),
        ("jitter", -0.1),
        ("jitter", 1.1),
        ("jitter", float("nan")),
    ],
)
def test_parameters_out_of_range_are_refused_by_name(member: str, value: float) -> None:
    with pytest.raises(InvalidConfiguration, match=rf"backoff\.{member} is a number .*, not {value!r}"):
        Backoff(**{member: value})


@pytest.mark.parametrize("limits", [{"jitter": 0}, {"jitter": 1}, {"min_ms": 0.1}])
def test_parameters_at_the_ends_of_their_range_are_accepted(limits: dict[str, float]) -> None:
    assert isinstance(Backoff(**limits), Backoff)


class Coded(Exception):
    def __init__(self, code: str, retryable: bool | None = None) -> None:
        self.code = code
        if retryable is not None:
            self.retryable = retryable


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        *((Coded(code), True) for code in sorted(RETRYABLE_CODES)),
        (Coded("ECONNREFUSED"), False),
        # An error that says so itself is believed (PL-30.1).
        (Coded("EPIPE", False), False),
        (Coded("AccessDenied", True), True),
        (ConnectionResetError(), True),
        (BrokenPipeError(), True),
        (TimeoutError(), True),
        (ConnectionRefusedError(), False),
        (ValueError(), False),
        (StoreUnavailable(), True),
        (Corrupted(), True),
        (NotFound("it"), False),
    ],
    ids=repr,
)
def test_what_may_succeed_later_is_retryable(error: Exception, retryable: bool) -> None:
    assert retryable is is_retryable(error)


def test_three_codes_are_retryable() -> None:
    assert {"ECONNRESET", "EPIPE", "ETIMEDOUT"} == RETRYABLE_CODES


@pytest.mark.parametrize(
    ("policy", "retries", "elapsed_ms", "gives_up"),
    [
        (RetryPolicy(max_retries=5), 4, 0, False),
        (RetryPolicy(max_retries=5), 5, 0, True),
        (RetryPolicy(max_retries=5), 6, 0, True),
        (RetryPolicy(max_retries=None), 1000, 299_999, False),
        (RetryPolicy(max_retries=None), 1, 300_000, True),
        (RetryPolicy(max_retries=None), 0, 10**9, False),
        (RetryPolicy(max_retries=5, timeout_s=None), 4, 10**9, False),
        (RetryPolicy(max_retries=0), 0, 0, True),
    ],
)
def test_count_and_time_end_the_retries(
    policy: RetryPolicy, retries: int, elapsed_ms: int, gives_up: bool
) -> None:
    assert gives_up is policy.gives_up(retries=retries, elapsed_ms=elapsed_ms)


def attempts(policy: RetryPolicy, error: Exception, *, action_ms: int = 0) -> Iterator[int]:
    """Yield the moment of each attempt of an action that always fails after *action_ms*."""
    now = 0
    for retries in itertools.count():
        yield now
        now += action_ms
        delay = policy.next_delay_ms(error, retries=retries, elapsed_ms=now, chance=always(0.0))
        if delay is None:
            return
        now += delay


@pytest.mark.parametrize(
    ("policy", "count", "waited_ms"),
    [(CONFIGURED_DEFAULT, 6, 13_187), (CLOUD_DEFAULT, 6, 791_250), (TASK_DEFAULT, 14, 387_234)],
)
def test_the_rows_of_the_table_of_retries(policy: RetryPolicy, count: int, waited_ms: int) -> None:
    moments = list(attempts(policy, StoreUnavailable()))

    assert count == len(moments)
    assert waited_ms == moments[-1]


def test_what_is_not_retryable_is_tried_once() -> None:
    assert [0] == list(attempts(CONFIGURED_DEFAULT, NotFound("it")))


@given(st.integers(0, 8), st.integers(1, 600), st.integers(0, 200_000))
def test_retries_are_bounded(max_retries: int, timeout_s: int, action_ms: int) -> None:
    """INV-27."""
    policy = RetryPolicy(max_retries=max_retries, timeout_s=timeout_s)

    moments = list(attempts(policy, StoreUnavailable(), action_ms=action_ms))

    assert len(moments) <= max_retries + 1
    if len(moments) > 2:
        greatest = policy.backoff.delay_ms(len(moments) - 2, always(0.0))
        assert moments[-1] < timeout_s * 1000 + greatest


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (TASK_DEFAULT, (None, 300, 1000, 300_000, 0.1, 1.5)),
        (CONFIGURED_DEFAULT, (5, 300, 1000, 300_000, 0.1, 1.5)),
        (CLOUD_DEFAULT, (5, 900, 60_000, 900_000, 0.1, 1.5)),
    ],
)
def test_defaults_are_those_of_the_specification(policy: RetryPolicy, expected: tuple[Any, ...]) -> None:
    backoff = policy.backoff
    found = (policy.max_retries, policy.timeout_s, backoff.min_ms, backoff.max_ms, backoff.jitter, backoff.factor)

    assert expected == found
