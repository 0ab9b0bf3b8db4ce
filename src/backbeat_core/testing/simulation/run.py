"""One run from one seed: a while in which anything may go wrong, then a whole world that must come to rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from backbeat_core.domain.keys import LOCK_TTL_S
from backbeat_core.testing.simulation.again import collect_again
from backbeat_core.testing.simulation.facts import Broken
from backbeat_core.testing.simulation.parts import Parts
from backbeat_core.testing.simulation.profile import MINUTE_MS, Profile
from backbeat_core.testing.simulation.scheduler import Stuck
from backbeat_core.testing.simulation.world import World

PATIENCE_MS = 6 * 60 * MINUTE_MS
LOOK_EVERY_MS = 5_000


@attrs.frozen
class Result:
    """
    What came of a run. *invariant* and *problem* say what was broken, None if nothing was.

    *simulated_ms* is how long it took in its own time, *struck* how often each kind of fault happened.
    """

    seed: int
    profile: str
    digest: str
    lines: int
    steps: int
    simulated_ms: int
    operations: int
    struck: Mapping[str, int]
    invariant: str | None = None
    problem: str | None = None
    tail: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every invariant held."""
        return self.invariant is None


def run(seed: int, profile: Profile, parts: Parts | None = None, *, whole_trace: bool = False) -> Result:
    """Do one run. The same arguments give the same trace, always."""
    world = World(seed, profile, parts or Parts(), whole_trace=whole_trace)
    invariant = problem = None
    try:
        live(world)
    except Broken as broken:
        invariant, problem = broken.invariant, broken.problem
    except Stuck as stuck:
        invariant, problem = "comes to rest", str(stuck)
    if problem is not None:
        world.engines.note(f"{invariant} is broken: {problem}")
    return Result(
        seed,
        profile.name,
        world.engines.trace.digest,
        world.engines.trace.count,
        world.engines.scheduler.steps,
        world.engines.scheduler.now_ms,
        world.users.done,
        dict(sorted(world.engines.faults.struck.items())),
        invariant,
        problem,
        tuple(world.engines.trace.tail()) if problem is not None or whole_trace else (),
    )


def live(world: World) -> None:
    """Let a world live: chaos, then rest, a retry of all that failed, and rest again. Raises Broken, Stuck."""
    world.boot()
    world.engines.scheduler.run(world.profile.duration_ms)
    world.heal()
    _operate(world, lambda site: world.operators.control.resume("crr", [site]))
    _settle(world)
    world.checks.at_rest()
    # Whoever died in the middle of a retry has left its locks; they go by themselves (B21).
    world.engines.scheduler.run(LOCK_TTL_S * 1000)
    _operate(world, world.operators.retry)
    _settle(world)
    world.checks.at_rest(all_completed=True)
    collect_again(world)


def _operate(world: World, act: Callable[[str], object]) -> None:
    scheduler = world.engines.scheduler
    while world.operators.host is None or not world.operators.host.alive:
        scheduler.run(LOOK_EVERY_MS)
    for site in world.profile.sites:
        act(site.name)


def _settle(world: World) -> None:
    """Let time pass until nothing is left to do."""
    scheduler = world.engines.scheduler
    end = scheduler.now_ms + PATIENCE_MS
    while (left := world.at_rest()) is not None:
        if scheduler.now_ms > end:
            raise Broken("comes to rest", left)
        scheduler.run(LOOK_EVERY_MS)
