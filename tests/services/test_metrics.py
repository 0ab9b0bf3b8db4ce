"""The bodies of the metrics routes, and what they cost; recorded bodies are in golden/checkers/api_metrics.py."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.domain.keys import DataPoint, RedisKeys, Service
from backbeat_core.errors import CacheUnavailable, InvalidInput
from backbeat_core.ports.cache import AddMember, SetCounter
from backbeat_core.services.metrics import BODIES, Metrics, MetricsSettings, fixed
from support.engines import HOUR_START_MS, NOW_MS, Engines

KEYS = RedisKeys()
NEWEST_MS = 1_714_557_900_000


def metrics(engines: Engines, **settings: int) -> Metrics:
    return Metrics(engines.cache, engines.clock, MetricsSettings(**settings))


def done(engines: Engines, site: str, *counted: int, service: Service = Service.CRR) -> None:
    """Count operations that were completed, the newest interval first."""
    engines.cache.write(
        [
            SetCounter(KEYS.site_counter(site, service, DataPoint.OPS_DONE, NEWEST_MS - back * 300_000), number)
            for back, number in enumerate(counted)
        ]
    )


def test_every_kind_has_its_members_in_the_order_of_the_wire() -> None:
    body = metrics(Engines()).answer("all", "all", ["a", "b"])

    assert ["backlog", "completions", "failures", "throughput", "pending"] == list(body)
    assert all(["description", "results"] == list(each) for each in body.values())
    assert all(["count", "size"] == list(each["results"]) for each in body.values())


def test_ingestion_tells_counts_only() -> None:
    body = metrics(Engines()).answer("all", "all", ["ring"], service="ingestion")

    assert ["completions", "throughput", "pending"] == list(body)
    assert all(["count"] == list(each["results"]) for each in body.values())


def test_sites_that_are_not_configured_any_more_do_not_count() -> None:
    engines = Engines()
    done(engines, "gone", 5)
    done(engines, "here", 7)

    body = metrics(engines).answer("completions", "all", ["here"])

    assert 7 == body["completions"]["results"]["count"]


def test_no_site_gives_zeros_and_asks_nothing() -> None:
    engines = Engines()

    body = metrics(engines).answer("all", "all", [])

    assert {"count": "0.00", "size": "0.00"} == body["throughput"]["results"]
    assert 0 == engines.cache.reads


def test_the_fourth_interval_counts_by_what_of_it_is_in_the_window() -> None:
    """B13: half of the running interval has passed, so half of the fourth is left."""
    engines = Engines()
    done(engines, "a", 60, 120, 90, 100)

    assert "0.36" == metrics(engines).answer("throughput", "a", [])["throughput"]["results"]["count"]


def test_a_young_server_looks_back_to_its_start() -> None:
    engines = Engines()
    done(engines, "a", 60, 120, 90, 100)
    young = metrics(engines, started_at_ms=NOW_MS - 400_000)

    body = young.answer("throughput", "a", [])["throughput"]

    assert "in the last 400 seconds" in body["description"]
    assert fixed((60 + 120) / 400, 2) == body["results"]["count"]


def test_failures_of_the_day_are_counted_with_their_repetitions() -> None:
    """B37: what failed twice counts twice; the day is 24 hours of sets, not of seconds."""
    engines = Engines()
    oldest, too_old = HOUR_START_MS - 23 * 3_600_000, HOUR_START_MS - 24 * 3_600_000
    engines.cache.write(
        [AddMember(KEYS.failures("a", hour), "b:k:v", hour) for hour in (HOUR_START_MS, oldest, too_old)]
    )

    assert {"count": 2, "size": 0} == metrics(engines).answer("failures", "a", [])["failures"]["results"]


@pytest.mark.parametrize("sites", [1, 10, 100])
@pytest.mark.parametrize("kind", [*BODIES[Service.CRR], "all"])
def test_one_round_trip_answers_for_any_number_of_sites(sites: int, kind: str) -> None:
    """B33: the aim is at most two for 1, 10 and 100 locations."""
    engines = Engines()

    metrics(engines).answer(kind, "all", [f"site-{n}" for n in range(sites)])

    assert 1 == engines.cache.reads


def test_objects_are_answered_in_one_round_trip() -> None:
    engines = Engines()

    metrics(engines).progress("a", "b", "k", "v")
    metrics(engines).throughput("a", "b", "k", "v")

    assert 2 == engines.cache.reads


def test_an_object_that_nothing_was_counted_for_has_not_begun() -> None:
    assert "0%" == metrics(Engines()).progress("a", "b", "k", "v")["progress"]
    assert "0.00" == metrics(Engines()).throughput("a", "b", "k", "v")["throughput"]


def test_nothing_is_answered_when_the_cache_is_away() -> None:
    """D17: zeros would be a lie."""
    engines = Engines()
    engines.cache.unreachable = True

    for kind in (*BODIES[Service.CRR], "all"):
        with pytest.raises(CacheUnavailable):
            metrics(engines).answer(kind, "all", ["a"])


@pytest.mark.parametrize(
    ("kind", "service"),
    [("backlog", "ingestion"), ("failures", "ingestion"), ("pending", "lifecycle"), ("all", "lifecycle"),
     ("constructor", "crr"), ("pending", "__proto__")],
)  # fmt: skip
def test_a_kind_that_a_service_does_not_have_is_refused(kind: str, service: str) -> None:
    """B6: names of JavaScript's own are no services."""
    with pytest.raises(InvalidInput):
        metrics(Engines()).answer(kind, "all", ["a"], service=service)


def test_keys_of_the_test_mode_are_read_in_test_mode() -> None:
    engines = Engines()
    engines.cache.write([SetCounter("a:test:bb:opspending", 3)])
    in_test_mode = Metrics(engines.cache, engines.clock, MetricsSettings(keys=RedisKeys(test_mode=True)))

    assert 3 == in_test_mode.answer("pending", "a", [])["pending"]["results"]["count"]
    assert 0 == metrics(engines).answer("pending", "a", [])["pending"]["results"]["count"]


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (0.125, 2, "0.13"),
        (12.5, 0, "13"),
        (2.5, 0, "3"),
        (1.005, 2, "1.00"),
        (0, 2, "0.00"),
        (1e20, 2, f"{10**20}.00"),
    ],
)
def test_numbers_are_rounded_as_javascript_rounds(value: float, decimals: int, text: str) -> None:
    """http-api 4.5: the exact binary value, ties away from zero."""
    assert text == fixed(value, decimals)


@given(st.integers(0, 2**62), st.integers(0, 2**62))
def test_progress_never_leaves_its_bounds(total: int, completed: int) -> None:
    """B14: whatever was counted, from nothing to 100 percent, and nothing negative."""
    engines = Engines()
    for point, number in ((DataPoint.OBJECT_BYTES, total), (DataPoint.OBJECT_BYTES_DONE, completed)):
        engines.cache.write([SetCounter(KEYS.object_counter("a", "b", "k", "v", point, NEWEST_MS), number)])

    body = metrics(engines).progress("a", "b", "k", "v")

    assert 0 <= int(body["progress"].removesuffix("%")) <= 100
    assert max(total - completed, 0) == body["pending"]
    json.dumps(body)


@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), max_size=5))
def test_all_is_the_sum_of_the_sites_floored_once(gauges: list[tuple[int, int]]) -> None:
    """B12: floored after summing, so that a counter that drifted hides none of another's."""
    engines = Engines()
    sites = [f"s{n}" for n in range(len(gauges))]
    for site, (ops, size) in zip(sites, gauges, strict=True):
        engines.cache.write(
            [
                SetCounter(KEYS.pending(site, Service.CRR, DataPoint.OPS_PENDING), ops),
                SetCounter(KEYS.pending(site, Service.CRR, DataPoint.BYTES_PENDING), size),
            ]
        )

    body = metrics(engines).answer("all", "all", sites)

    summed = {"count": max(sum(ops for ops, _ in gauges), 0), "size": max(sum(size for _, size in gauges), 0)}
    assert summed == body["pending"]["results"] == body["backlog"]["results"]
