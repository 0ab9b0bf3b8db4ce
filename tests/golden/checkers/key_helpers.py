"""Names in Redis: sets of failures and their members, intervals and hours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backbeat_core.domain.keys import (
    FailedVersion,
    RedisKeys,
    hour_start,
    hour_starts,
    interval_key,
    interval_starts,
    parse_failed_version,
)
from golden.vectors import Case, Check


def check_member(case: Case) -> None:
    version = FailedVersion(case.input["bucket"], case.input["key"], case.input.get("versionId", ""))

    assert case.expected["member"] == version.legacy_member()
    assert version == parse_failed_version(version.json_member())
    if not reads_back_wrongly_b17(case.expected["member"]):
        assert version == parse_failed_version(case.expected["member"])
        assert case.expected["member"] == version.member()
    else:
        assert version.json_member() == version.member()


def reads_back_wrongly_b17(member: str) -> bool:
    """The reference splits at every colon and keeps three parts (B17, W-25)."""
    return member.count(":") > 2


def check_set_key(case: Case) -> None:
    assert case.expected["key"] == RedisKeys().failures(case.input["site"], case.input["timestamp"])


def check_failure_entry(case: Case) -> None:
    member, expected = case.input["member"], case.expected
    found = parse_failed_version(member)
    if reads_back_wrongly_b17(member):
        bucket, *key, version = member.split(":")
        assert FailedVersion(bucket, ":".join(key), version) == found
    elif "key" not in expected:
        assert found is None  # it names no object
    else:
        assert FailedVersion(expected["bucket"], expected["key"], expected.get("versionId", "")) == found


def check_hours(case: Case) -> None:
    now_ms = case.input["epochMs"]

    assert case.expected["hours"] == list(hour_starts(now_ms))
    assert case.expected["currentHour"] == hour_start(now_ms)


def check_interval_keys(case: Case) -> None:
    interval_ms, expiry_s = case.input["intervalS"] * 1000, case.input["expiryS"]
    count = expiry_s * 1000 // interval_ms
    keys = [
        interval_key(case.input["id"], start)
        for start in interval_starts(case.input["epochMs"], count, interval_ms)
    ]

    assert case.expected["numberOfIntervals"] == len(keys)
    assert case.expected["keysNewestFirst"] == keys[: len(case.expected["keysNewestFirst"])]


CHECKS: Final[Mapping[str, Check]] = {
    "sorted_set_member": check_member,
    "sorted_set_key": check_set_key,
    "failure_entry": check_failure_entry,
    "sorted_set_hours": check_hours,
    "stats_interval_key": check_interval_keys,
}
