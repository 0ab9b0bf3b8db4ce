"""The invariants that hold when nothing is left to do (replication 5.2), each a function of its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from backbeat_core.domain.status import Status
from backbeat_core.testing.simulation.copies import false_copy

if TYPE_CHECKING:
    from backbeat_core.testing.simulation.world import World

Law = Callable[["World"], "str | None"]


def inv_1_nothing_lost(world: World) -> str | None:
    """Every site of every version is COMPLETED or FAILED."""
    for version in world.checks.facts.now.values():
        if not version.awaits:
            continue
        for backend in version.info.backends:
            if backend.status not in (Status.COMPLETED, Status.FAILED):
                return f"{version}: {backend.site} is {backend.status.value}"
    return None


def inv_2_completed_is_true(world: World) -> str | None:
    """Every site that is said to be COMPLETED has a copy of what is stored now."""
    for version in world.checks.facts.now.values():
        for backend in version.completed():
            if problem := false_copy(world, version, backend):
                return f"{version}: {problem}"
    return None


AT_REST: Final[dict[str, Law]] = {
    "INV-1": inv_1_nothing_lost,
    "INV-2": inv_2_completed_is_true,
}
