"""Counting the messages of the metrics topic, each of them once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.domain.keys import DataPoint, RedisKeys, Service
from backbeat_core.domain.messages import MetricMessage, MetricType
from backbeat_core.errors import CacheUnavailable
from backbeat_core.ports.cache import Count
from backbeat_core.services.record_metrics import MetricsRecorder
from support.engines import NOW_MS, Engines

KEYS = RedisKeys()
START_MS = 1_714_557_900_000
DAY_MS = 86_400_000


def recorder(engines: Engines, service: Service = Service.CRR) -> MetricsRecorder:
    return MetricsRecorder(engines.cache, engines.clock, service)


def site_message(kind: str, ops: int, size: int, *, extension: str = "crr") -> bytes:
    return MetricMessage.site_level(NOW_MS, extension, kind, "aws", ops=ops, size=size).encode()


def object_message(kind: str, size: int, version_id: str = "v") -> bytes:
    return MetricMessage.object_level(
        NOW_MS, "crr", kind, "aws", size=size, bucket="b", key="k", version_id=version_id
    ).encode()


def counted(engines: Engines, point: DataPoint, service: Service = Service.CRR) -> int:
    if point in (DataPoint.OPS_PENDING, DataPoint.BYTES_PENDING):
        key = KEYS.pending("aws", service, point)
    elif point in (DataPoint.OBJECT_BYTES, DataPoint.OBJECT_BYTES_DONE):
        key = KEYS.object_counter("aws", "b", "k", "v", point, START_MS)
    else:
        key = KEYS.site_counter("aws", service, point, START_MS)
    (number,) = engines.cache.read([Count(key)])
    assert isinstance(number, int)
    return number


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            "queued",
            {DataPoint.OPS_PENDING: 2, DataPoint.BYTES_PENDING: 100, DataPoint.OPS: 2, DataPoint.BYTES: 100},
        ),
        (
            "completed",
            {
                DataPoint.OPS_PENDING: -2,
                DataPoint.BYTES_PENDING: -100,
                DataPoint.OPS_DONE: 2,
                DataPoint.BYTES_DONE: 100,
            },
        ),
        (
            "failed",
            {
                DataPoint.OPS_PENDING: -2,
                DataPoint.BYTES_PENDING: -100,
                DataPoint.OPS_FAIL: 2,
                DataPoint.BYTES_FAIL: 100,
            },
        ),
        ("pendingOnly", {DataPoint.OPS_PENDING: 2, DataPoint.BYTES_PENDING: 100}),
        ("processed", {}),
    ],
)
def test_each_type_counts_what_the_table_says(kind: str, expected: dict[DataPoint, int]) -> None:
    """http-api 4.7."""
    engines = Engines()

    recorder(engines).apply(0, [(0, site_message(kind, 2, 100))])

    assert {point: expected.get(point, 0) for point in DataPoint} == {
        point: counted(engines, point) for point in DataPoint
    }


def test_an_adjustment_keeps_its_sign() -> None:
    """B15: what was skipped takes the gauge down."""
    engines = Engines()

    recorder(engines).apply(0, [(0, site_message("pendingOnly", -1, -7))])

    assert (-1, -7) == (counted(engines, DataPoint.OPS_PENDING), counted(engines, DataPoint.BYTES_PENDING))


def test_numbers_that_are_not_there_count_nothing() -> None:
    engines = Engines()

    recorder(engines).apply(0, [(0, b'{"extension":"crr","type":"queued","site":"aws"}')])

    assert {0} == {counted(engines, point) for point in DataPoint}


def test_progress_of_an_object_leaves_its_site_alone() -> None:
    engines = Engines()

    recorder(engines).apply(0, [(0, object_message("queued", 10)), (1, object_message("completed", 4))])

    assert (10, 4) == (counted(engines, DataPoint.OBJECT_BYTES), counted(engines, DataPoint.OBJECT_BYTES_DONE))
    assert (0, 0) == (counted(engines, DataPoint.OPS_PENDING), counted(engines, DataPoint.BYTES_PENDING))


def test_progress_without_a_version_is_not_counted_for_the_site() -> None:
    """B16: the reference counts its bytes a second time."""
    engines = Engines()

    recorder(engines).apply(0, [(0, object_message("queued", 10, version_id=""))])

    assert 0 == counted(engines, DataPoint.BYTES_PENDING)
    (number,) = engines.cache.read(
        [Count(KEYS.object_counter("aws", "b", "k", "", DataPoint.OBJECT_BYTES, START_MS))]
    )
    assert 10 == number


def test_intervals_expire_a_day_after_they_were_last_counted_and_gauges_never() -> None:
    engines = Engines()
    recorder(engines).apply(0, [(0, site_message("queued", 1, 1))])
    engines.clock.monotonic_ms += DAY_MS - 1
    recorder(engines).apply(0, [(1, site_message("queued", 1, 1))])
    engines.clock.monotonic_ms += DAY_MS - 1

    assert 2 == counted(engines, DataPoint.OPS)
    engines.clock.monotonic_ms += 1
    assert 0 == counted(engines, DataPoint.OPS)
    assert 2 == counted(engines, DataPoint.OPS_PENDING)


def test_each_service_counts_its_own_messages() -> None:
    engines = Engines()
    messages = [(0, site_message("queued", 1, 1)), (1, site_message("completed", 3, 1, extension="ingestion"))]

    recorder(engines, Service.INGESTION).apply(0, messages)

    assert 0 == counted(engines, DataPoint.OPS_PENDING)
    assert -3 == counted(engines, DataPoint.OPS_PENDING, Service.INGESTION)
    assert 3 == counted(engines, DataPoint.OPS_DONE, Service.INGESTION)


def test_a_service_has_no_series_but_its_own() -> None:
    engines = Engines()

    recorder(engines, Service.INGESTION).apply(0, [(0, site_message("queued", 1, 1, extension="ingestion"))])

    assert 0 == counted(engines, DataPoint.OPS, Service.INGESTION)
    assert 1 == counted(engines, DataPoint.OPS_PENDING, Service.INGESTION)


@pytest.mark.parametrize(
    "value", [b"{", b"null", b"[]", b'{"type":"queued"}', b'{"ops":"x","type":"queued"}', b"\xff"]
)
def test_what_cannot_be_read_is_passed_over(value: bytes) -> None:
    engines = Engines()

    assert 2 == recorder(engines).apply(0, [(0, value), (1, site_message("queued", 1, 1))])
    assert 1 == counted(engines, DataPoint.OPS_PENDING)


def test_a_topic_that_was_made_anew_is_counted_from_its_start() -> None:
    engines = Engines()
    recorder(engines).apply(0, [(500, site_message("queued", 1, 1))])

    assert 0 == recorder(engines).apply(0, [(3, site_message("queued", 1, 1))], end_offset=502)
    assert 1 == recorder(engines).apply(0, [(3, site_message("queued", 1, 1))], end_offset=4)


def test_nothing_is_counted_when_the_cache_is_away() -> None:
    engines = Engines()
    engines.cache.unreachable = True

    with pytest.raises(CacheUnavailable):
        recorder(engines).apply(0, [(0, site_message("queued", 1, 1))])


@given(
    st.lists(
        st.tuples(st.sampled_from(MetricType), st.integers(0, 5), st.integers(0, 100)), min_size=1, max_size=12
    ),
    st.lists(st.tuples(st.integers(0, 11), st.integers(1, 12)), max_size=8),
)
def test_messages_that_come_again_are_not_counted_again(
    kinds: list[tuple[MetricType, int, int]], deliveries: list[tuple[int, int]]
) -> None:
    """W-24: however a partition is read, what is counted is what was sent."""
    messages = [(offset, site_message(kind, ops, size)) for offset, (kind, ops, size) in enumerate(kinds)]
    once, often = Engines(), Engines()
    recorder(once).apply(3, messages)
    reached = 0
    for start, length in [*deliveries, (0, len(messages))]:
        begin = min(start, reached)  # a group goes on, or back, and never leaves a gap
        batch = messages[begin : begin + length]
        if batch:
            recorder(often).apply(3, batch)
            reached = max(reached, begin + len(batch))
    recorder(often).apply(3, messages[min(reached, len(messages)) :])
    recorder(often).apply(3, messages)

    assert {point: counted(once, point) for point in DataPoint} == {
        point: counted(often, point) for point in DataPoint
    }


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 100), st.booleans()), max_size=20))
def test_what_was_queued_and_has_ended_leaves_nothing_pending(works: list[tuple[int, int, bool]]) -> None:
    """W-33: pending returns to 0."""
    engines = Engines()
    queued = [site_message("queued", ops, size) for ops, size, _ in works]
    ended = [site_message("completed" if is_well else "failed", ops, size) for ops, size, is_well in works]

    recorder(engines).apply(0, list(enumerate([*queued, *ended])))

    assert (0, 0) == (counted(engines, DataPoint.OPS_PENDING), counted(engines, DataPoint.BYTES_PENDING))
