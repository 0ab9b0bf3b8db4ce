"""Whether work may start: open while nobody has a reason to keep it closed (queue-and-wire 1.11, 1.19)."""

from __future__ import annotations

from typing import Final

OPERATOR: Final = "operator"
BREAKER: Final = "breaker"
SHUTDOWN: Final = "shutdown"


class Gate:
    """
    Named reasons not to work. Each is counted once a holder: the same one saying it twice is once.

    Each change puts a new set in the place of the old, so that any thread may read while one changes.
    """

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: frozenset[tuple[str, str]] = frozenset()

    @property
    def is_open(self) -> bool:
        """Return whether work may start."""
        return not self._held

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return the reasons that keep it closed, sorted, each once."""
        return tuple(sorted({reason for reason, _ in self._held}))

    def close(self, reason: str, holder: str = "") -> bool:
        """Keep the gate closed for *reason*; True if it was open."""
        was_open = not self._held
        self._held |= {(reason, holder)}
        return was_open

    def open(self, reason: str, holder: str = "") -> bool:
        """Take *holder*'s *reason* back; True if this was the last one. Not having given it is no error."""
        was_closed = bool(self._held)
        self._held -= {(reason, holder)}
        return was_closed and not self._held
