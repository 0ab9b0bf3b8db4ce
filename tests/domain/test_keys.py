"""Names that others read too."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.domain import keys
from backbeat_core.domain.keys import (
    COUNTED,
    DataPoint,
    FailedVersion,
    RedisKeys,
    Service,
    parse_failed_version,
)
from domain.values import buckets, object_keys, texts

NOW_MS = 1_709_649_441_500  # 2024-03-05T14:37:21.500Z, the example of queue-and-wire 3.3

encoded_versions = st.from_regex(r"[0-9a-zA-Z]{0,40}", fullmatch=True) | st.just("null")


@pytest.mark.parametrize(
    ("point", "normal", "test"),
    [
        (DataPoint.OPS, "bb:crr:ops", "test:bb:ops"),
        (DataPoint.BYTES, "bb:crr:bytes", "test:bb:bytes"),
        (DataPoint.OPS_DONE, "bb:crr:opsdone", "test:bb:opsdone"),
        (DataPoint.BYTES_DONE, "bb:crr:bytesdone", "test:bb:bytesdone"),
        (DataPoint.OPS_FAIL, "bb:crr:opsfail", "test:bb:opsfail"),
        (DataPoint.BYTES_FAIL, "bb:crr:bytesfail", "test:bb:bytesfail"),
        (DataPoint.OPS_PENDING, "bb:crr:opspending", "test:bb:opspending"),
        (DataPoint.BYTES_PENDING, "bb:crr:bytespending", "test:bb:bytespending"),
        (DataPoint.OBJECT_BYTES, "bb:crr:object:bytes", "test:bb:object:bytes"),
        (DataPoint.OBJECT_BYTES_DONE, "bb:crr:object:bytesdone", "test:bb:object:bytesdone"),
    ],
)
def test_data_points_have_the_names_of_the_table(point: DataPoint, normal: str, test: str) -> None:
    assert (normal, test) == (
        RedisKeys().data_point(Service.CRR, point),
        RedisKeys(test_mode=True).data_point(Service.CRR, point),
    )
    assert point in COUNTED[Service.CRR]


def test_ingestion_counts_four_things() -> None:
    names = {RedisKeys().data_point(Service.INGESTION, point) for point in COUNTED[Service.INGESTION]}

    assert names == {
        "bb:ingestion:opsdone",
        "bb:ingestion:bytesdone",
        "bb:ingestion:opspending",
        "bb:ingestion:bytespending",
    }
    assert COUNTED[Service.LIFECYCLE] == frozenset()
    assert len(DataPoint) == 10


def test_keys_have_the_layouts_of_the_table() -> None:
    names = RedisKeys()

    assert names.pending("s", Service.CRR, DataPoint.OPS_PENDING) == "s:bb:crr:opspending"
    assert (
        names.site_counter("s", Service.CRR, DataPoint.OPS, 1709649300000) == "s:bb:crr:ops:requests:1709649300000"
    )
    assert (
        names.object_counter("s", "b", "k", "v", DataPoint.OBJECT_BYTES, 5)
        == "s:b:k:v:bb:crr:object:bytes:requests:5"
    )
    assert names.failures("s", 1709647200000) == "bb:crr:failed:s:1709647200000"
    assert RedisKeys(test_mode=True).failures("s", 7) == "test:bb:crr:failed:s:7"
    assert keys.retry_lock_key("b", "k", "", "s") == "b:k::s:processingFailures"


def test_the_example_of_the_specification() -> None:
    assert keys.interval_start(NOW_MS) == 1_709_649_300_000
    assert keys.hour_start(NOW_MS) == 1_709_647_200_000
    assert keys.failures_ttl_s(NOW_MS) == 84_159
    assert keys.failures_ttl_s(keys.hour_start(NOW_MS)) == keys.EXPIRY_S
    assert keys.failures_ttl_s(1_714_558_050_123) == 85_950  # http-api 5.1


@given(st.integers(0, 2**43))
def test_intervals_and_hours_are_utc_and_newest_first(now_ms: int) -> None:
    starts, hours = keys.interval_starts(now_ms), keys.hour_starts(now_ms)

    assert (288, 24) == (len(starts), len(hours))
    assert starts[0] <= now_ms < starts[0] + keys.INTERVAL_MS
    assert hours[0] <= now_ms < hours[0] + keys.HOUR_MS
    assert all(newer - older == keys.INTERVAL_MS for newer, older in itertools.pairwise(starts))
    assert all(newer - older == keys.HOUR_MS for newer, older in itertools.pairwise(hours))
    assert starts[-1] > now_ms - keys.EXPIRY_S * 1000 >= starts[-1] - keys.INTERVAL_MS
    assert 23 * 3600 < keys.failures_ttl_s(now_ms) <= keys.EXPIRY_S


@given(buckets, object_keys, encoded_versions)
def test_a_failed_version_is_read_back_from_each_spelling(bucket: str, key: str, version: str) -> None:
    failed = FailedVersion(bucket, key, version)

    assert [failed] * 3 == [parse_failed_version(member) for member in (failed.member(), *failed.spellings())]
    assert failed.member() in failed.spellings()


@given(texts, texts, texts)
def test_a_member_to_write_is_read_back_whatever_the_names(bucket: str, key: str, version: str) -> None:
    failed = FailedVersion(bucket, key, version)

    assert failed == parse_failed_version(failed.member())
    assert failed == parse_failed_version(failed.json_member())


@given(st.lists(st.tuples(texts, texts, texts), min_size=2, max_size=2, unique=True))
def test_two_versions_never_share_a_member(versions: list[tuple[str, str, str]]) -> None:
    one, other = (FailedVersion(*parts) for parts in versions)

    assert one.member() != other.member()


@pytest.mark.parametrize(
    ("member", "found"),
    [
        ("b1:docs/a.txt:3938", FailedVersion("b1", "docs/a.txt", "3938")),
        ("nfs-bucket:file.txt:", FailedVersion("nfs-bucket", "file.txt")),
        ("b:a:b:c:v", FailedVersion("b", "a:b:c", "v")),
        ("b::v", FailedVersion("b", "", "v")),
        ("b:k", FailedVersion("b", "k")),
        ('["b","a:b","v"]', FailedVersion("b", "a:b", "v")),
        ('["b","k"]:x:y', FailedVersion('["b","k"]', "x", "y")),
        ('["b","k"]', None),
        ('["b","k",null]', None),
        ("[:k:v", FailedVersion("[", "k", "v")),
        ("b", None),
        ("", None),
    ],
)
def test_a_member_names_a_version_or_nothing(member: str, found: FailedVersion | None) -> None:
    assert found == parse_failed_version(member)


@given(st.text())
def test_any_member_names_a_version_or_nothing(member: str) -> None:
    assert isinstance(parse_failed_version(member), FailedVersion | None)


def test_a_member_that_every_reader_reads_right_is_written_as_ever() -> None:
    assert FailedVersion("b", "docs/a.txt", "v").member() == "b:docs/a.txt:v"
    assert FailedVersion("b", "12:30", "v").member() == '["b","12:30","v"]'
    assert FailedVersion("[", "k", "v").member() == '["[","k","v"]'


def test_a_channel_belongs_to_a_site_of_a_topic() -> None:
    name = keys.channel("backbeat-replication", "aws-1")

    assert name == "backbeat-replication-aws-1"
    assert keys.site_of_channel("backbeat-replication", name) == "aws-1"
    assert keys.site_of_channel("backbeat-ingestion", name) is None


def test_paths_are_those_of_existing_installations() -> None:
    assert keys.state_path(Service.CRR, "s") == "/backbeat/replication/state/s"
    assert keys.state_path(Service.INGESTION, "s", test_mode=True) == "/backbeattest/ingestion/state/s"
    assert keys.replay_state_path("t", "s") == "/backbeat/replication/replayState/t/s"
    assert keys.replay_state_path("t", "s", test_mode=True) == "/backbeattest/replication/replayState/t/s"
    assert keys.log_offset_path("/queue-populator", "raft_3") == (
        "/queue-populator/queue-populator/logState/raft_3/logOffset"
    )
    assert keys.backlog_paths("/root", "t", 2, ["g", "h"]) == {
        "topic": "/root/t/2/topic",
        "g": "/root/t/2/consumers/g",
        "h": "/root/t/2/consumers/h",
    }


def test_a_topic_is_qualified_without_a_separator() -> None:
    assert keys.qualified_topic("backbeat-gc", "prod.") == "prod.backbeat-gc"
    assert keys.qualified_topic("backbeat-gc") == "backbeat-gc"
