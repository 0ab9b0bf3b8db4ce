"""
The offset ledger: what one offset costs with 1,000, 100,000 and 1,000,000 in flight.

    python benchmarks/bench_ledger.py [--offsets N]

The window is full all the time: one offset is delivered, then another of those in flight, chosen at random, is
finished, and how far the group may commit is asked. Beside it, in the same run, the same loop over a ledger that
does nothing, whose time is taken off: picking at random out of a million costs a cache miss of its own. Times are
of the processor. Results go to `benchmarks/results/ledger.json`.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import time
from typing import Any

from recording import write_result

from backbeat_core.queueing.ledger import Ledger

IN_FLIGHT = (1_000, 100_000, 1_000_000)
ROUNDS = 5


class Nothing:
    """A ledger that keeps nothing."""

    committable = 0

    def consumed(self, offset: int) -> None:
        pass

    def processed(self, offset: int) -> None:
        pass


def seconds(ledger: Any, in_flight: int, offsets: int) -> float:
    """Return the processor time of *offsets* deliveries and as many completions with *in_flight* in hand."""
    picks = random.Random(7)
    slots = [picks.randrange(in_flight) for _ in range(offsets)]
    window = list(range(in_flight))
    for offset in window:
        ledger.consumed(offset)
    consumed, processed = ledger.consumed, ledger.processed
    started = time.process_time()
    for offset, slot in enumerate(slots, in_flight):
        consumed(offset)
        processed(window[slot])
        window[slot] = offset
        ledger.committable  # noqa: B018 - asking is what is measured
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--offsets", type=int, default=1_000_000, help="in each round")
    offsets = parser.parse_args().offsets
    figures: dict[str, Any] = {"offsets": offsets, "rounds": ROUNDS, "by_in_flight": {}}
    costs = {}
    for in_flight in IN_FLIGHT:
        whole, loop = [], []
        for _ in range(ROUNDS):
            whole.append(seconds(Ledger(), in_flight, offsets))
            loop.append(seconds(Nothing(), in_flight, offsets))
        costs[in_flight] = (statistics.median(whole) - statistics.median(loop)) / offsets * 1e9
        figures["by_in_flight"][in_flight] = {
            "ns_an_offset": round(costs[in_flight]),
            "with_the_loop_ns": round(statistics.median(whole) / offsets * 1e9),
        }
    figures["last_over_first"] = round(costs[IN_FLIGHT[-1]] / costs[IN_FLIGHT[0]], 2)
    figures["load_average"] = [round(load, 1) for load in os.getloadavg()]
    write_result("ledger", figures)


if __name__ == "__main__":
    main()
