"""The kinds of run that there are, by name; `mixed` draws one of its own for each seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from backbeat_core.domain.replays import Replays
from backbeat_core.errors import InvalidInput
from backbeat_core.testing.simulation.chance import Chance
from backbeat_core.testing.simulation.chaos import PLANS
from backbeat_core.testing.simulation.profile import MINUTE_MS, WORK, Profile, Site

SITES: Final = (
    Site("aws-1"),
    Site("azure-1", versioned=False),
    Site("disk-1", cloud=False, versioned=False),
    Site("aws-2"),
)
VERSIONED: Final = (SITES[0], SITES[3])
CRASHES: Final = {"crash before": 4.0, "crash after": 4.0, "process killed": 4.0, "answer lost": 2.0}

SCENARIOS: Final[Mapping[str, Mapping[str, Any]]] = {
    "one site": {"sites": SITES[:1], "buckets": 1},  # S1
    "three sites": {"sites": SITES[:3], "keys": 2},  # S2
    "tagging": {  # S3
        "keys": 2,
        "work": {**WORK, "tag": 12.0, "untag": 3.0, "retain": 2.0},
        "faults": {"slow": 4.0, "slow answer": 4.0, "unavailable": 2.0},
    },
    "deleting": {  # S4, S5
        "keys": 1,
        "work": {**WORK, "delete": 6.0, "delete version": 5.0},
        "faults": {"refused": 3.0, "slow": 3.0},
    },
    "transient": {"sites": VERSIONED, "transient": True, "events": {"site away": 6.0}, "faults": CRASHES},  # S6
    "races": {  # S9
        "faults": {"": 0.3, "overtaken": 5.0, "overtaken answer": 5.0},
        "on_chance": 0.9,
        "status_hosts": 2,
        "keys": 2,
        "buckets": 1,
        "pause_ms": 6_000,
        "work": {**WORK, "tag": 8.0, "share": 4.0, "delete version": 4.0},
    },
    "crashes": {"faults": CRASHES, "status_hosts": 2, "hosts": 2},  # S7
    "twice": {"faults": {"published twice": 10.0, "expelled": 5.0, "member expelled": 5.0}},  # S8, S9
    "rules": {"events": {"rule changed": 20.0}, "keys": 2, "work": {**WORK, "tag": 8.0}},  # S10, S15
    "site down": {"events": {"site away": 20.0, "site refuses": 8.0}, "operator_ms": MINUTE_MS},  # S11
    "lifecycle": {  # S12, S13
        "lifecycle_ms": 12_000,
        "keys": 3,
        "work": {**WORK, "tag": 6.0, "share": 3.0},
        "faults": {"slow": 2.0},
    },
    "null": {"keys": 2, "work": {"overwrite null": 6.0, "tag": 2.0, "get": 1.0, "share": 1.0}},  # S14
    "pauses": {"operator_ms": 30_000, "pause_ms": 10_000},  # S16
    "replays": {"events": {"replays changed": 20.0, "site refuses": 10.0}, "replays": PLANS[2]},
    "engines away": {"events": {"engine away": 20.0}},
    "leases": {"populators": 3, "faults": {"session expired": 4.0, "slow": 4.0}, "events": {"lease lost": 10.0}},
}
"""What runs may have a leaning to; names of scenarios of replication 5.3 beside them."""


def mixed(seed: int) -> Profile:
    """Return a profile drawn from *seed*: no two runs need to be of the same kind."""
    chance = Chance(f"profile of {seed}")
    plain = _plain(chance)
    if chance.hits(0.35):
        return _keeping_data(plain)
    return _leaning(plain, chance.pick(list(SCENARIOS)), "mixed")


def quiet(seed: int) -> Profile:
    """Return a profile in which nothing goes wrong."""
    return attrs.evolve(mixed(seed), name="quiet", faults={"": 0.0}, operator_ms=0)


def gentle(seed: int) -> Profile:
    """Return a profile in which nothing fails, but everybody comes in between everybody else's steps."""
    only = {"": 0.0, "overtaken": 2.0, "overtaken answer": 2.0}
    return attrs.evolve(mixed(seed), name="gentle", faults=only, on_chance=0.7)


def steady(seed: int) -> Profile:
    """Return the profile that speed is measured with: one object a second to two sites, faults on (issue 4)."""
    return Profile("steady", pause_ms=1_000, buckets=1, keys=1000, work={"put": 1.0}, duration_ms=10 * MINUTE_MS)


def _plain(chance: Chance) -> Profile:
    transient = chance.hits(0.2)
    sites = tuple(site for site in SITES if chance.hits(0.5) and (site.versioned or not transient))
    replays: Replays = chance.pick(PLANS)
    return Profile(
        "mixed",
        buckets=chance.between(1, 2),
        keys=chance.between(1, 4),
        sites=sites or SITES[:1],
        hosts=chance.between(1, 2),
        populators=chance.between(1, 2),
        status_hosts=chance.between(1, 2),
        concurrency=chance.between(1, 4),
        partitions=chance.between(1, 3),
        replays=replays,
        transient=transient,
        forgetful=chance.hits(0.5),
        lifecycle_ms=0 if transient or chance.hits(0.7) else 60_000,
        reconcile=chance.hits(0.2),
        pause_ms=chance.pick((15_000, 40_000, 90_000)),
        on_chance=chance.pick((0.15, 0.3, 0.5)),
    )


def _leaning(plain: Profile, scenario: str, name: str) -> Profile:
    members = dict(SCENARIOS[scenario])
    if "sites" not in members or not members.get("transient"):
        members["transient"] = members.get("transient", False)
    if not members["transient"] and plain.transient:
        members.setdefault("sites", SITES[:2])
    if members["transient"]:
        members["lifecycle_ms"] = 0
    return _keeping_data(attrs.evolve(plain, name=name, **members))


def _keeping_data(profile: Profile) -> Profile:
    """Leave the rules of transient data alone: a site that leaves the rule takes the only copy along (CE-10)."""
    if not profile.transient:
        return profile
    return attrs.evolve(profile, faults={**profile.faults, "rule changed": 0.0})


def _scenario(scenario: str) -> Callable[[int], Profile]:
    def drawn(seed: int) -> Profile:
        return _leaning(_plain(Chance(f"profile of {seed}")), scenario, scenario)

    return drawn


PROFILES: Final[dict[str, Callable[[int], Profile]]] = {
    "mixed": mixed,
    "gentle": gentle,
    "quiet": quiet,
    "steady": steady,
    **{name: _scenario(name) for name in SCENARIOS},
}


def profile(name: str, seed: int) -> Profile:
    """Return the profile *name* for *seed*. Raises InvalidInput for a name that there is not."""
    found = PROFILES.get(name)
    if found is None:
        raise InvalidInput(f"there is no profile {name!r}: it is one of {', '.join(PROFILES)}")
    return found(seed)
