"""
The allow list: how many decisions a second on one core, against 1, 100 and 10,000 networks.

    python benchmarks/bench_access.py [--seconds S]

Beside them, in the same run, the same question asked of the standard library's networks one after another.
Results go to `benchmarks/results/access.json`. The memory of addresses is emptied before each round, and each
round asks for more addresses than it holds in one part of the figures, so that both ways are seen.
"""

from __future__ import annotations

import argparse
import ipaddress
import itertools
import random
import statistics
import time
from collections.abc import Callable, Sequence

from recording import write_result

from backbeat_core import access
from backbeat_core.access import Access, AllowList

ROUNDS = 5
NETWORKS = (1, 100, 10_000)


def per_second(call: Callable[[str], object], peers: Sequence[str], seconds: float) -> float:
    """Return the median over rounds of how many of *peers* a second of processor time *call* decides about."""
    rates = []
    for _ in range(ROUNDS):
        access._parse_address.cache_clear()
        done = 0
        around = itertools.cycle(peers)
        started = time.process_time()
        while (taken := time.process_time() - started) < seconds / ROUNDS:
            for peer in itertools.islice(around, 1000):
                call(peer)
            done += 1000
        rates.append(done / taken)
    return round(statistics.median(rates))


def in_turn(entries: Sequence[str]) -> Callable[[str], bool]:
    """Ask each network in turn, with the standard library."""
    networks = [ipaddress.ip_network(entry, strict=False) for entry in entries]

    def allows(peer: str) -> bool:
        address = ipaddress.ip_address(peer)
        return any(address in network for network in networks)

    return allows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each figure")
    seconds = parser.parse_args().seconds
    rng = random.Random(1)

    def v4() -> str:
        return str(ipaddress.IPv4Address(rng.getrandbits(32)))

    def v6() -> str:
        return str(ipaddress.IPv6Address(0x20010DB8 << 96 | rng.getrandbits(96)))

    peers = {
        "a hundred clients": [v4() for _ in range(100)],
        "a hundred clients, IPv4 seen as IPv6": [f"::ffff:{v4()}" for _ in range(100)],
        "a hundred clients, IPv6": [v6() for _ in range(100)],
        "never the same client": [v4() for _ in range(200_000)],
        "never the same client, IPv6": [v6() for _ in range(200_000)],
    }
    figures: dict[str, dict[str, float]] = {}
    for count in NETWORKS:
        entries = [f"{v4()}/{rng.randint(12, 32)}" for _ in range(count)]
        decide = Access(AllowList.configured(entries)).decide
        figures[f"{count} networks"] = {name: per_second(decide, some, seconds) for name, some in peers.items()}
        if count <= 100:
            figures[f"{count} networks"]["standard library, in turn (reference)"] = per_second(
                in_turn(entries), peers["a hundred clients"], seconds
            )
    write_result("access", {"decisions per second": figures})


if __name__ == "__main__":
    main()
