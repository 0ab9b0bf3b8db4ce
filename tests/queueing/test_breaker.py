"""The circuit breaker's states (queue-and-wire 1.12)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.queueing.breaker import Breaker, BreakerState
from backbeat_core.queueing.gate import BREAKER, OPERATOR, Gate
from backbeat_core.queueing.probes import BreakerSettings, Noop, Query

NOMINAL, STABILIZING, TRIPPED = BreakerState.NOMINAL, BreakerState.STABILIZING, BreakerState.TRIPPED
LAG = Query("http://prometheus:9090", "sum(lag)", threshold=10)


def breaker(*probes: Noop | Query, after: float = 2) -> Breaker:
    return Breaker(BreakerSettings(probes, stabilize_after_n_successes=after))


def states(under_test: Breaker, *readings: float | None) -> list[BreakerState]:
    return [under_test.evaluate([reading], 0) for reading in readings]


def test_states_are_exported_as_numbers() -> None:
    assert [0, 1, 2] == [NOMINAL, STABILIZING, TRIPPED]


def test_one_no_trips_and_two_yes_recover() -> None:
    assert [NOMINAL, TRIPPED, TRIPPED, STABILIZING, NOMINAL, NOMINAL] == states(breaker(LAG), 1, 10, 11, 9, 9, 9)


def test_a_no_while_stabilizing_trips_and_counting_begins_again() -> None:
    assert [TRIPPED, STABILIZING, STABILIZING, TRIPPED, STABILIZING, STABILIZING, NOMINAL] == states(
        breaker(LAG, after=3), 99, 1, 1, 99, 1, 1, 1
    )


@pytest.mark.parametrize("after", [0.5, 1, 2])
def test_it_takes_two_successes_whatever_is_asked_for(after: float) -> None:
    assert [TRIPPED, STABILIZING, NOMINAL] == states(breaker(LAG, after=after), 99, 1, 1)


def test_all_probes_must_be_content() -> None:
    under_test = breaker(LAG, LAG)

    assert under_test.evaluate([1, 99], 0) is TRIPPED
    assert under_test.evaluate([99, 1], 0) is TRIPPED
    assert under_test.evaluate([1, 1], 0) is STABILIZING


def test_without_probes_it_is_always_nominal() -> None:
    under_test = breaker()

    assert under_test.evaluate([], 0) is NOMINAL
    assert under_test.evaluate([], 0) is NOMINAL


def test_a_probe_without_a_reading_is_not_passed_over() -> None:
    with pytest.raises(ValueError, match="shorter"):
        breaker(LAG, LAG).evaluate([1], 0)


@pytest.mark.parametrize("value", [True, False])
def test_a_noop_says_what_it_was_told(value: bool) -> None:
    assert (NOMINAL if value else TRIPPED) is breaker(Noop(value)).evaluate([None], 0)


@pytest.mark.parametrize("unread", [None, float("nan")])
def test_a_probe_that_cannot_be_read_keeps_what_it_read_last(unread: float | None) -> None:
    under_test = breaker(LAG)

    assert [NOMINAL, TRIPPED, TRIPPED, STABILIZING, NOMINAL] == states(under_test, unread, 99, unread, 1, unread)
    assert under_test.errors == 3


def test_a_probe_that_must_not_fail_open_says_no_when_it_cannot_be_read() -> None:
    under_test = breaker(Query("http://p", "q", threshold=10, fail_open=False))

    assert [NOMINAL, TRIPPED, STABILIZING] == states(under_test, 1, None, 1)
    assert under_test.errors == 1


def test_probes_remember_apart() -> None:
    under_test = breaker(LAG, Query("http://p", "q", threshold=5))

    assert under_test.evaluate([99, 1], 0) is TRIPPED
    assert under_test.evaluate([None, None], 0) is TRIPPED
    assert under_test.evaluate([9, None], 0) is STABILIZING


def test_a_probe_never_read_stands_at_zero() -> None:
    assert breaker(Query("http://p", "q", threshold=0)).evaluate([None], 0) is TRIPPED
    assert breaker(Query("http://p", "q", threshold=0.1)).evaluate([None], 0) is NOMINAL


def test_it_is_evaluated_at_the_start_and_then_by_its_state() -> None:
    settings = BreakerSettings((LAG,), 100, 20, 3.2)
    under_test = Breaker(settings)
    under_test.start(5)

    assert under_test.due_ms == 5

    under_test.evaluate([1], 5)

    assert under_test.due_ms == 105

    under_test.evaluate([99], 105)

    assert under_test.due_ms == 125

    under_test.evaluate([1], 125)

    assert under_test.due_ms == 129


def test_a_new_start_is_nominal() -> None:
    under_test = breaker(LAG)
    under_test.evaluate([99], 0)
    under_test.start(7)

    assert (NOMINAL, 7) == (under_test.state, under_test.due_ms)


def test_the_gate_follows_but_for_stabilizing() -> None:
    under_test, gate = breaker(LAG), Gate()
    seen = []
    for reading in (1, 99, 1, 99, 1, 1):
        under_test.evaluate([reading], 0)
        under_test.steer(gate)
        seen.append(gate.is_open)

    assert [True, False, False, False, False, True] == seen


def test_the_gate_is_held_by_name() -> None:
    under_test, gate = breaker(LAG), Gate()
    under_test.evaluate([99], 0)
    under_test.steer(gate)
    gate.close(OPERATOR)

    assert (BREAKER, OPERATOR) == gate.reasons

    states(under_test, 1, 1)
    under_test.steer(gate)

    assert (OPERATOR,) == gate.reasons


@given(st.lists(st.booleans()), st.integers(1, 4))
def test_nominal_again_means_enough_successes_in_a_row(findings: list[bool], after: int) -> None:
    under_test = breaker(LAG, after=after)
    row = 1000

    for finding in findings:
        row = row + 1 if finding else 0
        state = under_test.evaluate([0 if finding else 99], 0)

        assert (state is TRIPPED) == (row == 0)
        assert (state is NOMINAL) == (row >= max(2, after))
