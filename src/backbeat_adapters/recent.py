"""Answers that many ask for at once, worked out once for all of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, Final

import attrs

from backbeat_core.ports.clock import Clock

MOST_ANSWERS: Final = 1000


@attrs.define(eq=False)
class _Answer:
    lock: threading.Lock = attrs.field(factory=threading.Lock)
    begun_ms: int | None = None
    value: Any = None


@attrs.define(eq=False)
class Recent:
    """
    What was answered within the last *for_ms* milliseconds; 0 remembers nothing.

    Of those who ask for the same thing at the same time, one works it out and the others wait for it. What
    raises is not remembered.
    """

    clock: Clock
    for_ms: int
    _answers: dict[Hashable, _Answer] = attrs.field(factory=dict)

    def get(self, name: Hashable, work: Callable[[], Any]) -> Any:
        """Return what *work* returned for *name*, begun no longer ago than *for_ms*; else what it returns now."""
        if not self.for_ms:
            return work()
        answer = self._answers.get(name)
        if answer is None:
            if len(self._answers) >= MOST_ANSWERS:
                self._answers = {}
            answer = self._answers.setdefault(name, _Answer())
        with answer.lock:
            now_ms = self.clock.elapsed_ms()
            if answer.begun_ms is None or now_ms - answer.begun_ms >= self.for_ms:
                answer.value = work()
                answer.begun_ms = now_ms
            return answer.value
