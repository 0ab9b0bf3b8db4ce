"""Ctrl-C and SIGTERM while work is done: taken where nothing is held, so that the end is an orderly one."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """The process was told to end by the signal *number*."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Interrupts:
    """
    Hears the signals in a `with` block.

    The first is taken by `look`; raised anywhere, it could leave a lock held that others wait for at the end.
    A second one does not wait.
    """

    def __init__(self) -> None:
        self._heard = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():  # no other may
            self._before = {number: signal.signal(number, self._hear) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def look(self) -> None:
        """Raise Interrupted if a signal has come."""
        if self._heard:
            raise Interrupted(self._heard)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._heard:
            raise Interrupted(number)
        self._heard = number


def exit_code(error: BaseException) -> int:
    """Return the exit code of a process that *error* has ended: 128 and the signal's number."""
    return 128 + (error.number if isinstance(error, Interrupted) else signal.SIGINT)


__all__ = ["Interrupted", "Interrupts", "exit_code"]
