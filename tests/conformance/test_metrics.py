"""Section 9 of http-api, "Metrics", line by line, over HTTP against real Redis; the fixture is that of 4.5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from conformance.deployment import INGESTION_1, INGESTION_2, SITE_1, SITE_2, SITES, Deployment

pytestmark = [pytest.mark.redis, pytest.mark.zookeeper]

OBJECT = "test-bucket/test/object-key?versionId=test-version-id"
DONE = {SITE_1: (450, 1027), SITE_2: (300, 1874), INGESTION_1: (100, 0), INGESTION_2: (200, 0)}
PENDING = {SITE_1: (2, 1024), SITE_2: (2, 1024), INGESTION_1: (12, 0), INGESTION_2: (30, 0)}


@pytest.fixture
def counted(server: Deployment) -> Deployment:
    """Return the server, with what upstream's test has counted."""
    for site, (ops, size) in DONE.items():
        server.count(site, "opsdone", ops)
        server.count(site, "bytesdone", size)
    for site, (ops, size) in PENDING.items():
        server.pend(site, "opspending", ops)
        server.pend(site, "bytespending", size)
    for site in SITES:
        # Counted too, and part of no answer.
        server.count(site, "ops", 1200)
        server.count(site, "bytes", 2198)
        server.count(site, "opsfail", 150)
        server.count(site, "bytesfail", 375)
        for hour in server.hours:
            server.fail(site, hour, {f"test-bucket:key-{n}:version": hour + n for n in range(10)})
        server.count(f"{site}:test-bucket:test/object-key:test-version-id", "object:bytes", 100)
        server.count(f"{site}:test-bucket:test/object-key:test-version-id", "object:bytesdone", 50)
    server.fail(SITE_1, server.hours[0], {f"test-bucket:more-{n}:version": server.hours[0] for n in range(2)})
    return server


def results(server: Deployment, service: str, site: str, kind: str) -> Any:
    """Return the results of one kind, which are the same on its own route and among all metrics."""
    (name, alone), *others = server.get(f"/_/metrics/{service}/{site}/{kind}").items()
    together = server.get(f"/_/metrics/{service}/{site}")
    assert (kind, [], alone) == (name, others, together[kind])
    return alone["results"]


@pytest.mark.parametrize(("site", "expected"), [(SITE_1, (2, 1024)), (SITE_2, (2, 1024)), ("all", (4, 2048))])
@pytest.mark.parametrize("kind", ["backlog", "pending"])
def test_backlog_and_pending(counted: Deployment, kind: str, site: str, expected: tuple[int, int]) -> None:
    count, size = expected

    assert {"count": count, "size": size} == results(counted, "crr", site, kind)


@pytest.mark.parametrize(("site", "count"), [(INGESTION_1, 12), (INGESTION_2, 30), ("all", 42)])
def test_pending_of_ingestion_has_no_size(counted: Deployment, site: str, count: int) -> None:
    assert {"count": count} == results(counted, "ingestion", site, "pending")


@pytest.mark.parametrize(
    ("service", "site", "expected"),
    [
        ("crr", SITE_1, {"count": 450, "size": 1027}),
        ("crr", "all", {"count": 750, "size": 2901}),
        ("ingestion", INGESTION_1, {"count": 100}),
        ("ingestion", "all", {"count": 300}),
    ],
)
def test_completions(counted: Deployment, service: str, site: str, expected: Mapping[str, int]) -> None:
    assert expected == results(counted, service, site, "completions")


@pytest.mark.parametrize(("site", "count"), [(SITE_1, 242), (SITE_2, 240), ("all", 482)])
def test_failures_are_json_numbers_and_their_size_is_0(counted: Deployment, site: str, count: int) -> None:
    found = results(counted, "crr", site, "failures")

    assert {"count": count, "size": 0} == found
    assert [int, int] == [type(number) for number in found.values()]


@pytest.mark.parametrize(
    ("service", "site", "expected"),
    [
        ("crr", SITE_1, {"count": "0.50", "size": "1.14"}),
        ("crr", "all", {"count": "0.83", "size": "3.22"}),
        ("ingestion", INGESTION_1, {"count": "0.11"}),
        ("ingestion", "all", {"count": "0.33"}),
    ],
)
def test_throughput(counted: Deployment, service: str, site: str, expected: Mapping[str, str]) -> None:
    assert expected == results(counted, service, site, "throughput")


@pytest.mark.parametrize("site", SITES)
def test_throughput_of_an_object(counted: Deployment, site: str) -> None:
    assert "0.06" == counted.get(f"/_/metrics/crr/{site}/throughput/{OBJECT}")["throughput"]


@pytest.mark.parametrize("site", SITES)
def test_progress_of_an_object_whose_key_has_a_slash(counted: Deployment, site: str) -> None:
    found = counted.get(f"/_/metrics/crr/{site}/progress/{OBJECT}")

    assert (50, 50, "50%") == (found["pending"], found["completed"], found["progress"])


@pytest.mark.parametrize("kind", ["backlog", "completions", "failures", "throughput", "pending"])
def test_the_keys_of_results_are_exactly_count_and_size_in_this_order(counted: Deployment, kind: str) -> None:
    assert ["count", "size"] == list(results(counted, "crr", "all", kind))


def test_the_keys_of_the_metrics_of_an_object(counted: Deployment) -> None:
    throughput = counted.get(f"/_/metrics/crr/{SITE_1}/throughput/{OBJECT}")
    progress = counted.get(f"/_/metrics/crr/{SITE_1}/progress/{OBJECT}")

    assert ["description", "throughput"] == list(throughput)
    assert ["description", "pending", "completed", "progress"] == list(progress)


def test_all_metrics_are_the_single_ones_in_their_order(counted: Deployment) -> None:
    """http-api 3.2."""
    assert ["backlog", "completions", "failures", "throughput", "pending"] == list(
        counted.get("/_/metrics/crr/all")
    )
    assert ["completions", "throughput", "pending"] == list(counted.get("/_/metrics/ingestion/all"))


def shapes(value: Any) -> Any:
    """Return *value* with the types of its leaves instead of them."""
    return {name: shapes(part) for name, part in value.items()} if isinstance(value, dict) else type(value)


@pytest.mark.parametrize("site", [SITE_1, "all"])
def test_with_all_keys_deleted_everything_is_zero_in_the_same_shape(counted: Deployment, site: str) -> None:
    paths = [f"/_/metrics/crr/{site}", f"/_/metrics/ingestion/{site if site == 'all' else INGESTION_1}"]
    paths += [f"/_/metrics/crr/{SITE_1}/{kind}/{OBJECT}" for kind in ("progress", "throughput")]
    before = [counted.get(path) for path in paths]
    counted.clean()

    crr, ingestion, progress, throughput = after = [counted.get(path) for path in paths]

    assert [shapes(body) for body in before] == [shapes(body) for body in after]
    nothing = {"count": 0, "size": 0}
    expected = [nothing, nothing, nothing, {"count": "0.00", "size": "0.00"}, nothing]
    assert expected == [metric["results"] for metric in crr.values()]
    assert [{"count": 0}, {"count": "0.00"}, {"count": 0}] == [metric["results"] for metric in ingestion.values()]
    assert (0, 0, "0%", "0.00") == (*list(progress.values())[1:], throughput["throughput"])
