"""
The status algebra: how many derivations, reports and documents a second on one core.

    python benchmarks/bench_status.py [--seconds S]

Beside them, in the same run, the derivation written out as a loop over the rule of ST-3, and the JSON of the
same document read and written by the standard library. Results go to `benchmarks/results/status.json`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable, Sequence

from recording import write_result

from backbeat_core.domain.arming import Operation, arm
from backbeat_core.domain.configuration import (
    Endpoint,
    LocationConstraint,
    ReplicationConfiguration,
    Rule,
)
from backbeat_core.domain.headers import head_headers
from backbeat_core.domain.info import Backend, ReplicationInfo
from backbeat_core.domain.status import Status, derive

ROUNDS = 7
SITES = ("aws", "azure", "gcp", "zenko")
STATUSES = (Status.PENDING, Status.COMPLETED, Status.FAILED)


def looped(statuses: Sequence[Status]) -> Status:
    """ST-3 as one would write it down first."""
    completed = pending = 0
    for status in statuses:
        if status == Status.FAILED:
            return Status.FAILED
        if status == Status.COMPLETED:
            completed += 1
        else:
            pending += 1
    if not pending:
        return Status.COMPLETED if completed else Status.NONE
    return Status.PROCESSING if completed else Status.PENDING


def per_second(call: Callable[[], object], calls: int, seconds: float) -> float:
    """Return the median over rounds of how often a second one of the *calls* of *call* is done."""
    rates = []
    for _ in range(ROUNDS):
        done = 0
        started = time.perf_counter()
        while (taken := time.perf_counter() - started) < seconds / ROUNDS:
            call()
            done += calls
        rates.append(done / taken)
    return round(statistics.median(rates))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each figure")
    seconds = parser.parse_args().seconds

    every = list(itertools.product(STATUSES, repeat=4))
    info = ReplicationInfo(
        Status.PENDING,
        tuple(Backend(site) for site in SITES),
        ("DATA", "METADATA"),
        "arn:aws:s3:::target",
        ",".join(SITES),
        "arn:aws:iam::account-id:role/resource",
        "aws_s3,azure,gcp",
    )
    document = info.to_document()
    text = json.dumps(document)
    endpoints = [Endpoint(site, "aws_s3") for site in SITES]
    locations = {site: LocationConstraint("aws_s3") for site in SITES}
    configuration = ReplicationConfiguration(
        info.role, info.destination, (Rule("1", "photos/", storage_class=info.storage_class),)
    )

    def derivations() -> None:
        for statuses in every:
            derive(statuses)

    def loops() -> None:
        for statuses in every:
            looped(statuses)

    def arming() -> None:
        arm(
            Operation.PUT_OBJECT,
            key="photos/cat.jpg",
            size=1024,
            configuration=configuration,
            endpoints=endpoints,
            locations=locations,
        )

    measured: dict[str, tuple[Callable[[], object], int]] = {
        "derive": (derivations, len(every)),
        "derive, as a loop (reference)": (loops, len(every)),
        "report": (lambda: info.report("gcp", Status.COMPLETED), 1),
        "read a document": (lambda: ReplicationInfo.from_document(document), 1),
        "write a document": (info.to_document, 1),
        "read its JSON (reference)": (lambda: json.loads(text), 1),
        "write its JSON (reference)": (lambda: json.dumps(document), 1),
        "headers of a HEAD": (lambda: head_headers(info), 1),
        "arm": (arming, 1),
    }
    figures = {name: per_second(call, calls, seconds) for name, (call, calls) in measured.items()}
    write_result("status", {"sites": len(SITES), "per second": figures})


if __name__ == "__main__":
    main()
