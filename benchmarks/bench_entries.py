"""
Entries of 2 KiB: how many are read, filtered and written in a second of one core (processor time).

    python benchmarks/bench_entries.py [--seconds S]

Beside them, in the same run, what cannot be saved with the standard library: reading the metadata's JSON once
and writing it into a message as text. Results go to `benchmarks/results/entries.json`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

from recording import write_result

from backbeat_core.domain import wire
from backbeat_core.domain.entry import ObjectEntry, decode_entry, status_entry
from backbeat_core.domain.object_model import completed
from backbeat_core.domain.selection import LogEntry, Selected, select
from backbeat_core.domain.status import Status

ROUNDS = 7
SIZE = 2048
VERSION = "98376906954349999999RG001  "
COLD = frozenset({"location-dmf-v1"})


def metadata(padding: int) -> dict[str, object]:
    """Return an object of one location that two sites await."""
    backends = [{"site": site, "status": "PENDING", "dataStoreVersionId": ""} for site in ("aws-1", "azure-1")]
    location = {
        "key": "29258f299ddfd65f6108e6cd7bd2aea9fbe7e9e0",
        "start": 0,
        "size": 1024,
        "dataStoreName": "us-east-1",
        "dataStoreETag": "1:d41d8cd98f00b204e9800998ecf8427e",
    }
    return completed(
        {
            "content-length": 1024,
            "content-md5": "d41d8cd98f00b204e9800998ecf8427e",
            "last-modified": "2024-03-05T14:37:21.500Z",
            "owner-id": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be",
            "versionId": VERSION,
            "dataStoreName": "us-east-1",
            "location": [location],
            "replicationInfo": {
                "status": "PENDING",
                "backends": backends,
                "content": ["DATA", "METADATA"],
                "destination": "arn:aws:s3:::target",
                "storageClass": "aws-1,azure-1",
                "role": "arn:aws:iam::604563867484:role/replication",
                "storageType": "aws_s3,azure",
                "dataStoreVersionId": "",
                "isNFS": None,
            },
            "x-amz-meta-padding": "x" * padding,
        }
    )


def log_document(padding: int) -> dict[str, object]:
    """Return an entry of the log as its reader hands it to the filter."""
    when = "2024-03-05T14:37:21.500Z"
    return {
        "type": "put",
        "bucket": "source-bucket",
        "key": f"photos/2024/cat.jpg\0{VERSION}",
        "value": wire.dumps(metadata(padding)),
        "overheadFields": {"commitTimestamp": when, "opTimestamp": when},
    }


def per_second(call: Callable[[], object], seconds: float) -> float:
    """Return the median over rounds of how often a second *call* is done."""
    rates = []
    for _ in range(ROUNDS):
        done = 0
        started = time.process_time()
        while (taken := time.process_time() - started) < seconds / ROUNDS:
            for _ in range(100):
                call()
            done += 100
        rates.append(done / taken)
    return round(statistics.median(rates))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each figure")
    seconds = parser.parse_args().seconds

    padding = SIZE - len(wire.encode(log_document(0)))
    document = log_document(padding)
    message = wire.encode(document)
    assert len(message) == SIZE
    text = document["value"]
    assert isinstance(text, str)
    entry = decode_entry(message)
    assert isinstance(entry, ObjectEntry)
    master = {**document, "key": "photos/2024/cat.jpg"}

    def populate() -> tuple[bytes, bytes]:
        selected = select(LogEntry.from_document(document), cold_locations=COLD)
        assert isinstance(selected, Selected)
        return selected.entry.message_key, selected.entry.encode()

    measured: dict[str, Callable[[], object]] = {
        "decode, filter and encode a log entry": populate,
        "read its metadata and write it as text (reference)": lambda: (json.loads(text), wire.quoted(text)),
        "decode and filter out a master record": lambda: select(LogEntry.from_document(master)),
        "decode a message": lambda: decode_entry(message),
        "make and encode a status message": lambda: status_entry(entry, "aws-1", Status.COMPLETED).encode(),
        "read its JSON twice (reference)": lambda: json.loads(json.loads(message)["value"]),
    }
    figures = {name: per_second(call, seconds) for name, call in measured.items()}
    write_result("entries", {"bytes": SIZE, "per second": figures})


if __name__ == "__main__":
    main()
