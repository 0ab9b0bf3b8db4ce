"""Whether work may start: open while nobody has a reason to keep it closed (queue-and-wire 1.11, 1.19)."""

from __future__ import annotations

from typing import Final

OPERATOR: Final = "operator"
BREAKER: Final = "breaker"
SHUTDOWN: Final = "shutdown"


class Gate:
    """
    Named reasons not to work. Each is counted once a holder: the same one saying it twice is once.

    Every change is one step on one dict, so that threads may change and read it without a lock.
    """

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], None] = {}

    @property
    def is_open(self) -> bool:
        """Return whether work may start."""
        return not self._held

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return the reasons that keep it closed, sorted, each once."""
        return tuple(sorted({reason for reason, _ in list(self._held)}))

    def close(self, reason: str, holder: str = "") -> None:
        """Keep the gate closed for *reason*. Twice is once."""
        self._held[reason, holder] = None

    def open(self, reason: str, holder: str = "") -> None:
        """Take *holder*'s *reason* back; work may start when nobody has one left. Twice is once."""
        self._held.pop((reason, holder), None)
