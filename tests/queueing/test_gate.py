"""Named reasons not to work (queue-and-wire 1.19)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.queueing.gate import BREAKER, OPERATOR, SHUTDOWN, Gate


def test_a_gate_is_open_until_somebody_closes_it() -> None:
    gate = Gate()

    assert gate.is_open
    assert gate.reasons == ()


def test_a_reason_is_taken_back_only_by_who_gave_it() -> None:
    gate = Gate()
    gate.close(BREAKER, "lag")
    gate.close(BREAKER, "disk")
    gate.open(BREAKER, "lag")

    assert not gate.is_open

    gate.open(BREAKER, "disk")

    assert gate.is_open


def test_reasons_are_told_sorted_and_once() -> None:
    gate = Gate()
    gate.close(SHUTDOWN)
    gate.close(BREAKER, "lag")
    gate.close(BREAKER, "disk")
    gate.close(OPERATOR)

    assert ("breaker", "operator", "shutdown") == gate.reasons


def test_saying_it_twice_is_saying_it_once() -> None:
    gate = Gate()
    gate.close(OPERATOR)
    gate.close(OPERATOR)
    gate.open(OPERATOR)

    assert gate.is_open

    gate.open(OPERATOR)

    assert gate.is_open


holders = st.tuples(st.sampled_from([OPERATOR, BREAKER]), st.sampled_from(["", "a", "b"]))


@given(st.lists(st.tuples(st.booleans(), holders)))
def test_a_gate_is_open_exactly_while_nobody_holds_it(steps: list[tuple[bool, tuple[str, str]]]) -> None:
    gate, held = Gate(), set()

    for closes, holder in steps:
        if closes:
            gate.close(*holder)
            held.add(holder)
        else:
            gate.open(*holder)
            held.discard(holder)

        assert gate.is_open is (not held)
        assert tuple(sorted({reason for reason, _ in held})) == gate.reasons
