"""The kinds of run that there are, by name; `mixed` draws one of its own for each seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs

from backbeat_core.errors import InvalidInput
from backbeat_core.testing.simulation.chance import Chance
from backbeat_core.testing.simulation.chaos import PLANS
from backbeat_core.testing.simulation.profile import Profile, Site

SITES: Final = (
    Site("aws-1"),
    Site("azure-1", versioned=False),
    Site("disk-1", cloud=False, versioned=False),
    Site("aws-2"),
)


def mixed(seed: int) -> Profile:
    """Return a profile drawn from *seed*: no two runs need to be of the same kind."""
    chance = Chance(f"profile of {seed}")
    transient = chance.hits(0.25)
    sites = [site for site in SITES if chance.hits(0.55) and (site.versioned or not transient)]
    return Profile(
        "mixed",
        buckets=chance.between(1, 2),
        keys=chance.between(1, 4),
        sites=tuple(sites or SITES[:1]),
        hosts=chance.between(1, 2),
        populators=chance.between(1, 2),
        status_hosts=chance.between(1, 2),
        concurrency=chance.between(1, 4),
        partitions=chance.between(1, 3),
        replays=chance.pick(PLANS),
        transient=transient,
        reconcile=chance.hits(0.2),
        pause_ms=chance.pick((8_000, 20_000, 60_000)),
        on_chance=chance.pick((0.15, 0.3, 0.5)),
    )


def quiet(seed: int) -> Profile:
    """Return a profile in which nothing goes wrong."""
    return attrs.evolve(mixed(seed), name="quiet", faults={"": 0.0}, operator_ms=0)


def gentle(seed: int) -> Profile:
    """Return a profile in which nothing fails, but everybody comes in between everybody else's steps."""
    only = {"": 0.0, "overtaken": 2.0, "overtaken answer": 2.0}
    return attrs.evolve(mixed(seed), name="gentle", faults=only, on_chance=0.7)


def steady(seed: int) -> Profile:
    """Return the profile that speed is measured with: one object a second to two sites, faults on (issue 4)."""
    return Profile("steady", pause_ms=1_000, buckets=1, keys=1000, work={"put": 1.0}, duration_ms=10 * 60_000)


PROFILES: Final[dict[str, Callable[[int], Profile]]] = {
    "mixed": mixed,
    "gentle": gentle,
    "quiet": quiet,
    "steady": steady,
}


def profile(name: str, seed: int) -> Profile:
    """Return the profile *name* for *seed*. Raises InvalidInput for a name that there is not."""
    found = PROFILES.get(name)
    if found is None:
        raise InvalidInput(f"there is no profile {name!r}: it is one of {', '.join(PROFILES)}")
    return found(seed)
