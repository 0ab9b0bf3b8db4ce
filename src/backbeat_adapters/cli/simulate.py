"""The command that runs a Backbeat of memory under faults, seed after seed, and says which seed broke what."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Final

import attrs
import click

from backbeat_adapters.cli.render import say
from backbeat_core.testing.simulation import PROFILES, Result, profile, run

CHUNK: Final = 20
TAIL: Final = 120
HOUR_MS: Final = 3_600_000


@click.command()
@click.option("--seeds", type=click.IntRange(1), default=100, show_default=True, help="How many runs.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="The first seed.")
@click.option("--profile", "name", type=click.Choice(list(PROFILES)), default="mixed", show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=lambda: os.cpu_count() or 1, show_default="all cores")
@click.option("--quiet", "-q", is_flag=True, help="No line a run; only what is broken, and the sum.")
@click.option("--trace", is_flag=True, help="Write the whole trace of each run to standard output.")
@click.option("--keep-going", is_flag=True, help="Do all runs, also after one that broke something.")
@click.option("--json", "as_json", is_flag=True, help="Write the sum as one JSON document.")
def simulate(
    seeds: int, seed: int, name: str, jobs: int, *, quiet: bool, trace: bool, keep_going: bool, as_json: bool
) -> int:
    """Run replication under faults in virtual time, SEEDS runs from SEED on.

    The same seed does the same, always: a line a run has the digest of its trace. Exits with 1, and says
    how to repeat it, when an invariant was broken.
    """
    began = time.monotonic()
    total = Sum()
    for result in results(range(seed, seed + seeds), name, jobs, whole_trace=trace):
        total.add(result)
        if not quiet:
            click.echo(line(result))
        if trace:
            click.echo("\n".join(result.tail))
        if not result.ok:
            report(result)
            if not keep_going:
                break
    real_s = time.monotonic() - began
    if as_json:
        json.dump(total.document(real_s), sys.stdout, indent=2)
        click.echo()
    else:
        click.echo(total.text(real_s))
    return 1 if total.broken else 0


def results(seeds: Iterable[int], name: str, jobs: int, *, whole_trace: bool = False) -> Iterator[Result]:
    """Yield the results of *seeds* in their order, from *jobs* processes."""
    chunks = [list(seeds)[at : at + CHUNK] for at in range(0, len(list(seeds)), CHUNK)]
    if jobs == 1 or len(chunks) == 1:
        for chunk in chunks:
            for seed in chunk:
                yield run(seed, profile(name, seed), whole_trace=whole_trace)
        return
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(ProcessPoolExecutor(min(jobs, len(chunks))))
        stack.callback(pool.shutdown, cancel_futures=True)
        futures = [pool.submit(_chunk, chunk, name, whole_trace) for chunk in chunks]
        for future in futures:
            yield from future.result()


def _chunk(seeds: list[int], name: str, whole_trace: bool) -> list[Result]:
    return [run(seed, profile(name, seed), whole_trace=whole_trace) for seed in seeds]


def line(result: Result) -> str:
    """Return what one line says of a run."""
    verdict = "ok" if result.ok else f"{result.invariant} BROKEN"
    return (
        f"seed {result.seed} {result.digest} {result.simulated_ms // 1000} s, {result.operations} operations, "
        f"{sum(result.struck.values())} faults of {len(result.struck)} kinds, {verdict}"
    )


def report(result: Result) -> None:
    """Tell what was broken, how it came to it, and how to see it again."""
    for text in result.tail[-TAIL:]:
        click.echo(text, err=True)
    say(f"seed {result.seed}: {result.invariant} is broken: {result.problem}")
    say(f"again: backbeat simulate --profile {result.profile} --seeds 1 --seed {result.seed} --trace")


@attrs.define
class Sum:
    """What all runs came to."""

    runs: int = 0
    broken: list[int] = attrs.field(factory=list)
    simulated_ms: int = 0
    operations: int = 0
    faults: int = 0
    kinds: set[str] = attrs.field(factory=set)
    digest: str = ""

    def add(self, result: Result) -> None:
        """Take in one run."""
        self.runs += 1
        self.simulated_ms += result.simulated_ms
        self.operations += result.operations
        self.faults += sum(result.struck.values())
        self.kinds.update(result.struck)
        self.digest = result.digest
        if not result.ok:
            self.broken.append(result.seed)

    def document(self, real_s: float) -> dict[str, object]:
        """Return the sum as a document; *real_s* is how long it took."""
        return {
            "runs": self.runs,
            "broken": self.broken,
            "simulated_hours": round(self.simulated_ms / HOUR_MS, 1),
            "real_seconds": round(real_s, 1),
            "simulated_per_real": round(self.simulated_ms / 1000 / max(real_s, 0.001)),
            "operations": self.operations,
            "faults": self.faults,
            "kinds_of_fault": sorted(self.kinds),
            "last_digest": self.digest,
        }

    def text(self, real_s: float) -> str:
        """Return the sum in words."""
        it = self.document(real_s)
        return (
            f"{self.runs} runs, {len(self.broken)} broken, {it['simulated_hours']} simulated hours in "
            f"{it['real_seconds']} s ({it['simulated_per_real']} to 1), {self.operations} operations, "
            f"{self.faults} faults of {len(self.kinds)} kinds"
        )
