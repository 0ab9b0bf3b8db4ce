"""Lines of items behind their keys (queue-and-wire 1.9), beside a model of lists."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from backbeat_core.queueing.ordering import Ordering


def started(ordering: Ordering[str], *items: str) -> Ordering[str]:
    """Add *items*, whose first letter is their key, and start what can start."""
    for item in items:
        ordering.add(item[0], item)
    ordering.take(100)
    return ordering


def test_one_of_a_key_at_a_time_and_several_keys_at_once() -> None:
    ordering: Ordering[str] = Ordering(2)
    for item in ("a1", "a2", "b1", "c1"):
        ordering.add(item[0], item)

    assert ordering.take(100) == ["a1", "b1"]
    assert ordering.take(100) == []

    ordering.finish("a")

    assert ordering.take(100) == ["c1"]

    ordering.finish("b")

    assert ordering.take(100) == ["a2"]


def test_no_more_start_than_were_asked_for() -> None:
    ordering: Ordering[str] = Ordering(5)
    for item in ("a1", "b1", "c1"):
        ordering.add(item[0], item)

    assert ordering.take(2) == ["a1", "b1"]
    assert ordering.take(0) == []
    assert ordering.ready == 1


def test_a_parked_key_leaves_its_slot_to_others_and_its_line_waits() -> None:
    ordering = started(Ordering(1), "a1", "a2", "b1")
    ordering.park("a", 10)

    assert ordering.take(100) == ["b1"]
    assert ordering.due(9) == []
    assert ordering.due(10) == ["a1"]
    assert ordering.parked == 0

    ordering.release("a")
    ordering.finish("b")

    assert ordering.take(100) == ["a1"]


def test_parked_keys_come_by_time_and_then_by_turn() -> None:
    ordering = started(Ordering(9), "a1", "b1", "c1", "d1")
    for key, due in (("a", 7), ("b", 5), ("c", 7), ("d", 5)):
        ordering.park(key, due)

    assert ordering.next_due == 5
    assert ordering.due(7) == ["b1", "d1", "a1", "c1"]
    assert ordering.next_due is None


def test_keys_need_not_be_comparable() -> None:
    ordering: Ordering[str] = Ordering(9)
    for key in (b"k", "k", 1, None):
        ordering.add(key, repr(key))
    ordering.take(9)
    for key in (b"k", "k", 1, None):
        ordering.park(key, 3)

    assert len(ordering.due(3)) == 4


def test_a_held_key_waits_for_an_answer_without_a_slot() -> None:
    ordering = started(Ordering(1), "a1", "a2", "b1")
    ordering.hold("a")

    assert (ordering.held, ordering.running) == (1, 0)
    assert ordering.take(100) == ["b1"]

    ordering.finish("b")
    ordering.finish("a")

    assert ordering.take(100) == ["a2"]
    assert ordering.held == 0


def test_a_held_key_can_be_parked() -> None:
    ordering = started(Ordering(1), "a1")
    ordering.hold("a")
    ordering.park("a", 4)

    assert (ordering.held, ordering.parked) == (0, 1)


def test_only_the_head_of_a_line_can_leave() -> None:
    ordering: Ordering[str] = Ordering(1)
    ordering.add("a", "a1")
    for leave in (ordering.finish, ordering.hold, ordering.release, lambda key: ordering.park(key, 1)):
        with pytest.raises(KeyError):
            leave("a")


def test_what_runs_or_is_held_is_not_dropped() -> None:
    ordering = started(Ordering(9), "a1", "b1", "c1")
    ordering.hold("b")
    ordering.park("c", 5)
    for item in ("a2", "b2", "c2", "d1"):
        ordering.add(item[0], item)

    assert ordering.drop(lambda item: True) == ["a2", "b2", "c1", "c2", "d1"]
    assert (ordering.size, ordering.running, ordering.held, ordering.parked, ordering.ready) == (2, 1, 1, 0, 0)
    assert ordering.next_due is None


def test_a_line_whose_parked_head_is_dropped_goes_on_with_the_next() -> None:
    ordering = started(Ordering(9), "a1", "b1")
    ordering.park("a", 5)
    ordering.park("b", 6)
    ordering.add("a", "a2")
    ordering.drop(lambda item: item == "a1")

    assert ordering.take(9) == ["a2"]
    assert ordering.next_due == 6


def test_a_line_whose_ready_head_is_dropped_keeps_its_turn_and_no_other() -> None:
    ordering: Ordering[str] = Ordering(9)
    for item in ("a1", "b1", "a2"):
        ordering.add(item[0], item)
    ordering.drop(lambda item: item == "a1")

    assert ordering.take(9) == ["a2", "b1"]


class OrderingMachine(RuleBasedStateMachine):
    """Any history at all, beside lists that are searched through."""

    keys = st.sampled_from(["a", "b", "c", None])
    items = Bundle("items")

    def __init__(self) -> None:
        super().__init__()
        self.ordering: Ordering[int] = Ordering(2)
        self.lines: dict[str | None, list[int]] = {}
        self.state: dict[str | None, str] = {}
        self.due: dict[str | None, tuple[int, int]] = {}
        self.queue: list[str | None] = []
        self.count = 0
        self.now = 0

    def in_state(self, *states: str) -> list[str | None]:
        return [key for key, state in self.state.items() if state in states]

    @rule(key=keys, target=items)
    def add(self, key: str | None) -> int:
        self.count += 1
        self.ordering.add(key, self.count)
        self.lines.setdefault(key, []).append(self.count)
        if len(self.lines[key]) == 1:
            self.make_ready(key)
        assert self.count == self.ordering.last(key)
        return self.count

    def make_ready(self, key: str | None) -> None:
        self.state[key] = "ready"
        self.queue.append(key)

    @rule(limit=st.integers(0, 3))
    def take(self, limit: int) -> None:
        expected = []
        while self.queue and len(expected) < limit and len(self.in_state("running")) < 2:
            key = self.queue.pop(0)
            self.state[key] = "running"
            expected.append(self.lines[key][0])

        assert expected == self.ordering.take(limit)

    @precondition(lambda self: self.in_state("running", "held"))
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(self.in_state("running", "held")))
        self.ordering.finish(key)
        self.lines[key].pop(0)
        if self.lines[key]:
            self.make_ready(key)
        else:
            del self.lines[key], self.state[key]

    @precondition(lambda self: self.in_state("running", "held"))
    @rule(data=st.data(), after=st.integers(0, 3))
    def park(self, data: st.DataObject, after: int) -> None:
        key = data.draw(st.sampled_from(self.in_state("running", "held")))
        self.count += 1
        self.ordering.park(key, self.now + after)
        self.state[key] = "parked"
        self.due[key] = (self.now + after, self.count)

    @precondition(lambda self: self.in_state("running"))
    @rule(data=st.data())
    def hold(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(self.in_state("running")))
        self.ordering.hold(key)
        self.state[key] = "held"

    @rule(passed=st.integers(0, 2))
    def wake(self, passed: int) -> None:
        self.now += passed
        woken = sorted((due, key) for key, due in self.due.items() if due[0] <= self.now)

        assert [self.lines[key][0] for _, key in woken] == self.ordering.due(self.now)
        for _, key in woken:
            del self.due[key]
            self.state[key] = "held"

    @precondition(lambda self: self.in_state("held"))
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(self.in_state("held")))
        self.ordering.release(key)
        self.make_ready(key)

    @rule(condemned=st.sets(items))
    def drop(self, condemned: set[int]) -> None:
        dropped = self.ordering.drop(condemned.__contains__)

        expected = []
        for key, line in list(self.lines.items()):
            busy = self.state[key] in ("running", "held")
            head = line[0]
            gone = [item for item in line if item in condemned and not (busy and item is head)]
            expected += gone
            self.lines[key] = [item for item in line if item not in gone]
            if head in gone and self.state[key] == "parked":
                del self.due[key]
                self.make_ready(key)
            if not self.lines[key]:
                del self.lines[key], self.state[key]
        self.queue = [key for key in self.queue if key in self.lines]
        assert sorted(expected) == sorted(dropped)

    @invariant()
    def counts_agree(self) -> None:
        ordering = self.ordering
        assert sum(map(len, self.lines.values())) == ordering.size
        assert len(self.queue) == ordering.ready == len(self.in_state("ready"))
        assert len(self.in_state("running")) == ordering.running <= 2
        assert len(self.in_state("held")) == ordering.held
        assert len(self.in_state("parked")) == ordering.parked
        assert min((due for due, _ in self.due.values()), default=None) == ordering.next_due


TestAnyHistory = OrderingMachine.TestCase
