"""No invariant breaks: neither in runs that once broke one, nor in new ones; and a run is one with its seed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from backbeat_core.testing.simulation import PROFILES, Parts, profile, run
from backbeat_core.testing.simulation.facts import Version
from backbeat_core.testing.simulation.run import live
from backbeat_core.testing.simulation.world import World

SEEDS = Path(__file__).with_name("seeds.txt")


def once_failed() -> list[tuple[str, int]]:
    """Return profile and seed of each line: `profile | seed | why it failed`."""
    lines = [line.split("|") for line in SEEDS.read_text().splitlines() if line and not line.startswith("#")]
    return [(name.strip(), int(seed)) for name, seed, _ in lines]


@pytest.mark.parametrize(("name", "seed"), once_failed())
def test_a_seed_that_once_failed_holds(name: str, seed: int) -> None:
    result = run(seed, profile(name, seed))

    assert result.problem is None, result.problem


@pytest.mark.parametrize("name", [name for name in PROFILES if name != "steady"])
def test_nothing_breaks_in_runs_of_each_kind(name: str) -> None:
    for seed in range(7_000, 7_003):
        result = run(seed, profile(name, seed))

        assert result.problem is None, f"{name} {seed}: {result.problem}"


def test_twenty_kinds_of_fault_strike() -> None:
    struck: set[str] = set()
    for seed in range(7_000, 7_020):
        struck.update(run(seed, profile("mixed", seed)).struck)

    assert 20 <= len(struck)


def test_the_same_seed_gives_the_same_trace_in_every_process() -> None:
    program = (
        "from backbeat_core.testing.simulation import profile, run\n"
        "print(*(run(seed, profile('mixed', seed)).digest for seed in (41, 42)))"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "2")
    }

    assert 1 == len(digests)
    assert 2 == len(set(digests.pop().split()))


def test_what_users_did_decides_where_everything_comes_to_rest_inv_18() -> None:
    for seed in range(7_100, 7_104):
        ends = []
        for faults in ({"": 0.0}, {"rule changed": 0.0, "replays changed": 0.0}):
            chosen = attrs.evolve(
                profile("one site", seed), most_operations=25, lifecycle_ms=0, transient=False, faults=faults
            )
            world = World(seed, chosen, Parts())
            live(world)
            ends.append(sorted(map(_told, world.checks.facts.now.values())))

        assert ends[0] == ends[1]


def _told(version: Version) -> tuple[object, ...]:
    """Return what must not depend on faults: everything but ids, which are made of times."""
    sites = [(each.site, each.status.value) for each in version.info.backends]
    return (
        version.bucket,
        version.object_key,
        version.number,
        version.info.generation,
        version.info.status.value,
        sites,
    )
