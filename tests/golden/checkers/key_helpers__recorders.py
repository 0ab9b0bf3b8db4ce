"""What messages of the metrics and failed topics leave in Redis."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from backbeat_core.domain.keys import EXPIRY_S, Service, parse_failed_version
from backbeat_core.services.record_failures import FailureRecorder
from backbeat_core.services.record_metrics import MetricsRecorder
from backbeat_core.testing.memory import ManualClock, MemoryCache
from golden.engines import clock_at
from golden.vectors import Case, Check, answer


def check_metrics_consume(case: Case) -> None:
    clock = clock_at(case.input["nowMs"])
    cache = MemoryCache(clock)
    recorder = MetricsRecorder(cache, clock, Service(case.input["consumerId"]))
    values = [
        (message if isinstance(message, str) else json.dumps(message)).encode()
        for message in case.input["messages"]
    ]
    recorder.apply(0, list(enumerate(values)))
    found = {key: kept for key, kept in _kept(cache, clock).items() if key != recorder.offset_key(0)}

    if not any(map(counts_bytes_twice_b16, case.input["messages"])):
        assert _counting(case.expected["redisAfter"]) == found
    else:
        # What is told of one object is never the site's business.
        assert not any(key.startswith(_site_series(case)) for key in found)


def counts_bytes_twice_b16(message: object) -> bool:
    """The progress of an object without a version is counted for the site as well (B16)."""
    named = isinstance(message, dict) and bool(message.get("bucketName"))
    return named and not (isinstance(message, dict) and message.get("objectKey") and message.get("versionId"))


def _site_series(case: Case) -> tuple[str, ...]:
    service = case.input["consumerId"]
    return tuple(f"{message['site']}:bb:{service}:" for message in case.input["messages"])


def _counting(redis: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """A counter that stands at 0 reads like one that is not there, and is not written."""
    return {key: (int(kept["value"]), kept["ttl"]) for key, kept in redis.items() if int(kept["value"])}


def _kept(cache: MemoryCache, clock: ManualClock) -> dict[str, Any]:
    return {
        key: (entry.content, -1 if entry.expires_ms is None else (entry.expires_ms - clock.elapsed_ms()) // 1000)
        for key, entry in cache.keys.entries.items()
    }


def check_failed_entry_consume(case: Case) -> None:
    clock = clock_at(case.input["nowMs"])
    cache = MemoryCache(clock)
    recorder = FailureRecorder(cache, clock)
    for message in case.input["messages"]:
        value = (message if isinstance(message, str) else json.dumps(message)).encode()
        answer(lambda value=value: recorder.record_value(value))  # type: ignore[misc]

    expected = {key: (kept["zset"], kept["ttl"]) for key, kept in _newest_only_w54(case).items() if kept["zset"]}
    assert expected == _kept(cache, clock)
    assert all(ttl <= EXPIRY_S for _, ttl in expected.values())


def _newest_only_w54(case: Case) -> dict[str, Any]:
    """What the reference keeps, each version only in the set that it was added to last (W-54)."""
    last: dict[Any, str] = {}
    for message in case.input["messages"]:
        if isinstance(message, dict):
            last[_series(message["key"]), parse_failed_version(message["member"])] = message["key"]
    sets = {}
    for key, kept in case.expected["redisAfter"].items():
        members = {
            member: score
            for member, score in kept["zset"].items()
            if last[_series(key), parse_failed_version(member)] == key
        }
        sets[key] = {**kept, "zset": members}
    return sets


def _series(key: str) -> str:
    return key.rpartition(":")[0]


CHECKS: Final[Mapping[str, Check]] = {
    "metrics_consume": check_metrics_consume,
    "failed_entry_consume": check_failed_entry_consume,
}
