"""Answers that are shared for a moment: by whom, for how long, and never a failure."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import attrs
import pytest

from backbeat_adapters.clock import SystemClock
from backbeat_adapters.recent import MOST_ANSWERS, Recent
from backbeat_core.ports.clock import Clock


@attrs.define
class HandClock(Clock):
    at: int = 0

    def now_ms(self) -> int:
        return self.at

    def elapsed_ms(self) -> int:
        return self.at


def test_an_answer_is_given_again_until_it_is_too_old() -> None:
    clock, worked = HandClock(), list[int]()
    recent = Recent(clock, 50)

    def work() -> int:
        worked.append(clock.at)
        return clock.at

    for at, expected in ((0, 0), (49, 0), (50, 50), (99, 50), (1000, 1000)):
        clock.at = at
        assert expected == recent.get("x", work)
    assert [0, 50, 1000] == worked


def test_each_name_has_its_own_answer() -> None:
    recent = Recent(HandClock(), 50)
    assert [1, 2, 1] == [recent.get("a", lambda: 1), recent.get("b", lambda: 2), recent.get("a", lambda: 3)]


def test_with_no_time_nothing_is_remembered() -> None:
    recent = Recent(HandClock(), 0)
    assert [1, 2] == [recent.get("a", lambda: 1), recent.get("a", lambda: 2)]


def test_a_failure_is_not_remembered() -> None:
    recent = Recent(HandClock(), 50)
    with pytest.raises(ZeroDivisionError):
        recent.get("a", lambda: 1 // 0)
    assert 5 == recent.get("a", lambda: 5)


def test_those_who_ask_together_are_answered_by_one() -> None:
    recent, worked = Recent(SystemClock(), 10_000), list[int]()
    together = threading.Barrier(16)

    def work() -> int:
        worked.append(1)
        time.sleep(0.05)
        return 7

    def ask(_: int) -> object:
        together.wait(5)
        return recent.get("a", work)

    with ThreadPoolExecutor(16) as pool:
        assert [7] * 16 == list(pool.map(ask, range(16)))
    assert [1] == worked


def test_it_does_not_grow_without_end() -> None:
    recent = Recent(HandClock(), 50)
    for name in range(3 * MOST_ANSWERS + 1):
        recent.get(name, lambda: 1)
    assert len(recent._answers) <= MOST_ANSWERS
