"""Every count again from what is stored, and the counters put right."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.domain.keys import DataPoint, RedisKeys, Service
from backbeat_core.errors import CacheUnavailable, StoreUnavailable
from backbeat_core.ports.cache import AddMember, Count, SetCounter
from backbeat_core.services.recount import Difference, Recount, Tally
from support.engines import HOUR_START_MS, NOW_MS, Engines

KEYS = RedisKeys()
OPS, BYTES = (
    KEYS.pending("aws", Service.CRR, point) for point in (DataPoint.OPS_PENDING, DataPoint.BYTES_PENDING)
)


def recount(engines: Engines) -> Recount:
    return Recount(engines.store, engines.cache, engines.clock)


def put(engines: Engines, key: str, status: str, *, site: str = "aws", bucket: str = "b", **members: Any) -> None:
    metadata = {
        "versionId": key.partition("\0")[2] or "1",
        "content-length": 10,
        "replicationInfo": {
            "status": status,
            "backends": [{"site": site, "status": status}],
            "content": ["DATA", "METADATA"],
        },
        **members,
    }
    engines.store.put(bucket, key, metadata)


def test_versions_are_counted_by_what_became_of_them() -> None:
    """INV-16: put = completed + pending + failed + skipped."""
    engines = Engines()
    for number, status in enumerate(["PENDING", "PENDING", "COMPLETED", "FAILED", ""]):
        put(engines, f"k\0{number}", status)

    tally = recount(engines)(["b"]).tallies["aws"]

    assert Tally(completed=1, pending=2, failed=1, skipped=1, pending_bytes=20) == tally
    assert 5 == tally.put


def test_a_version_is_counted_once_though_the_master_key_has_a_copy() -> None:
    engines = Engines()
    put(engines, "k\0001", "PENDING")
    put(engines, "k", "PENDING")
    put(engines, "\x7fMk", "PENDING", bucket="v1")
    put(engines, "\x7fVk\0001", "PENDING", bucket="v1")

    assert 2 == recount(engines)(["b", "v1"]).tallies["aws"].pending


def test_a_null_version_stands_alone_under_its_master_key() -> None:
    engines = Engines()
    put(engines, "k", "PENDING", isNull=True)

    assert 1 == recount(engines)(["b"]).tallies["aws"].pending


def test_metadata_alone_moves_no_bytes() -> None:
    engines = Engines()
    info = {"status": "PENDING", "backends": [{"site": "aws", "status": "PENDING"}], "content": ["METADATA"]}
    put(engines, "k\0001", "PENDING", replicationInfo=info)

    assert Tally(pending=1) == recount(engines)(["b"]).tallies["aws"]


def test_replicas_and_objects_that_are_not_armed_are_in_no_tally() -> None:
    engines = Engines()
    put(engines, "k\0001", "REPLICA")
    put(engines, "l\0001", "", replicationInfo=None)
    assert {} == recount(engines)(["b"]).tallies

    put(engines, "m\0001", "PENDING")
    assert {"aws": 1} == {site: tally.put for site, tally in recount(engines)(["b"]).tallies.items()}


def test_documents_that_cannot_be_read_are_told() -> None:
    engines = Engines()
    put(engines, "k\0001", "PENDING", replicationInfo={"backends": "none"})
    put(engines, "l\0001", "PENDING")

    report = recount(engines)(["b"])

    assert 1 == report.unreadable
    assert 1 == report.tallies["aws"].put


def test_counters_that_drifted_are_told_and_put_right() -> None:
    engines = Engines()
    put(engines, "k\0001", "PENDING")
    engines.cache.write([SetCounter(OPS, -3), SetCounter(BYTES, 10)])

    report = recount(engines)(["b"])

    assert (Difference(OPS, -3, 1),) == report.differences
    recount(engines).repair(report)
    assert [1, 10] == list(engines.cache.read([Count(OPS), Count(BYTES)]))
    assert () == recount(engines)(["b"]).differences


def test_a_site_that_nothing_is_stored_of_has_nothing_pending() -> None:
    engines = Engines()
    engines.cache.write([SetCounter(OPS, 7)])

    report = recount(engines)(["b"], ["aws"])

    assert {"aws": Tally()} == report.tallies
    assert (Difference(OPS, 7, 0),) == report.differences


def test_failures_that_are_listed_nowhere_are_told() -> None:
    engines = Engines()
    for number in range(3):
        put(engines, f"k\0{number}", "FAILED")
        put(engines, f"l\0{number}", "FAILED", site="zenko")
    for site, some in (("aws", 2), ("zenko", 3)):
        key = KEYS.failures(site, HOUR_START_MS - 23 * 3_600_000)
        engines.cache.write([AddMember(key, f"b:k:{number}", NOW_MS) for number in range(some)])

    assert {"aws": 1} == recount(engines)(["b"]).unlisted


def test_engines_that_are_away_give_no_report() -> None:
    engines = Engines()
    put(engines, "k\0001", "PENDING")
    engines.cache.unreachable = True
    with pytest.raises(CacheUnavailable):
        recount(engines)(["b"])
    engines.store.unreachable = True
    with pytest.raises(StoreUnavailable):
        recount(engines)(["b"])


@given(st.lists(st.sampled_from(["PENDING", "COMPLETED", "FAILED", "", "PROCESSING"]), max_size=30))
def test_every_version_is_in_exactly_one_number(statuses: list[str]) -> None:
    engines = Engines()
    for number, status in enumerate(statuses):
        put(engines, f"k{number}\0001", status)

    tally = recount(engines)(["b"], ["aws"]).tallies["aws"]

    assert len(statuses) == tally.put
    assert 10 * tally.pending == tally.pending_bytes
    assert attrs.evolve(tally, pending_bytes=0).put == tally.put


def test_all_pages_are_counted() -> None:
    engines = Engines()
    for number in range(2_005):
        put(engines, f"k{number:05}\0001", "COMPLETED")

    assert 2_005 == recount(engines)(["b"]).tallies["aws"].completed
