"""The bodies of the metrics routes, from what stands in Redis (http-api 3.2 and 4)."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from backbeat_core.errors import BackbeatError
from backbeat_core.http.routes import Operation
from backbeat_core.http.routing import Refusal, Resolved, Sites, resolve
from backbeat_core.services.metrics import Metrics, MetricsSettings
from golden.engines import cache_of, clock_at, whole_number
from golden.vectors import Case, Check, answer

_INTERVAL_MS: Final = 300_000
_KINDS: Final = {
    Operation.ALL_METRICS: "all",
    Operation.PENDING: "pending",
    Operation.BACKLOG: "backlog",
    Operation.COMPLETIONS: "completions",
    Operation.FAILURES: "failures",
    Operation.THROUGHPUT: "throughput",
}


def check_metrics(case: Case) -> None:
    sites = Sites(**case.input["sites"])
    found = resolve(case.input["method"], case.input["url"], lambda: sites)
    if isinstance(found, Refusal):
        assert (case.expected["error"]["type"], case.expected["error"]["code"]) == (
            found.row.code,
            found.row.status,
        )
        return
    expected = _ours(case, found, sites)

    # The order of the members is part of the answer.
    assert json.dumps(expected) == json.dumps(_body(case, found, sites))


def check_exotic(case: Case) -> None:
    """Values that no counter has: a body of the same shape, or an error of ours."""
    sites = Sites(**case.input["sites"])
    found = resolve(case.input["method"], case.input["url"], lambda: sites)
    assert isinstance(found, Resolved)
    body = answer(lambda: _body(case, found, sites))

    assert isinstance(body, BackbeatError) or list(body) == [_KINDS[found.operation]]


def _body(case: Case, found: Resolved, sites: Sites) -> dict[str, Any]:
    clock = clock_at(case.input["nowMs"])
    metrics = Metrics(cache_of(case.input, clock), clock, MetricsSettings(case.input.get("startedAtMs", 1)))
    match found.operation:
        case Operation.OBJECT_PROGRESS:
            return metrics.progress(found.site, found.bucket, found.key, found.version_id)
        case Operation.OBJECT_THROUGHPUT:
            return metrics.throughput(found.site, found.bucket, found.key, found.version_id)
        case operation:
            kind, configured = _KINDS[operation], sites.of(found.service)
            return metrics.answer(kind, found.site, configured, service=found.service)


def _ours(case: Case, found: Resolved, sites: Sites) -> Mapping[str, Any]:
    """Return the recorded body with what we answer on purpose in another way."""
    body = copy.deepcopy(case.expected["body"])
    if found.operation is Operation.OBJECT_PROGRESS:
        return clamped_b14(body)
    if found.operation is Operation.OBJECT_THROUGHPUT:
        series = f"{found.site}:{found.bucket}:{found.key}:{found.version_id}:bb:crr:object:bytesdone"
        return {**body, "throughput": weighted_b13(case, [series], body["throughput"])}
    if "pending" in body:
        body["pending"]["results"] = floored_b12(body["pending"]["results"])
    if "throughput" in body:
        asked = sites.addressed(found.service, found.site)
        recorded = body["throughput"]["results"]
        for name, point in (("count", "opsdone"), ("size", "bytesdone")):
            if name in recorded:
                series = [f"{site}:bb:{found.service}:{point}" for site in asked]
                recorded[name] = weighted_b13(case, series, recorded[name])
    return body


def floored_b12(results: Mapping[str, int]) -> Mapping[str, int]:
    """B12: nobody waits for less than nothing."""
    return {name: max(number, 0) for name, number in results.items()}


def clamped_b14(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """B14: no more than all of an object comes to a site, however often it is sent."""
    percent = min(int(body["progress"].removesuffix("%")), 100)
    return {**body, "pending": max(body["pending"], 0), "progress": f"{percent}%"}


def weighted_b13(case: Case, series: Sequence[str], recorded: str) -> str:
    """B13: the fourth interval counts by what of it lies in the window; the reference counts all of it."""
    now_ms = case.input["nowMs"]
    newest = now_ms // _INTERVAL_MS * _INTERVAL_MS
    if now_ms - case.input.get("startedAtMs", 1) < 3 * _INTERVAL_MS:
        return recorded
    counted = [
        sum(
            whole_number(case.input["strings"].get(f"{each}:requests:{newest - back * _INTERVAL_MS}", "0")) or 0
            for each in series
        )
        for back in range(4)
    ]
    assert recorded == _two_decimals(sum(counted) / 900)
    weight = (300 - (now_ms - newest) / 1000) / 300
    return _two_decimals((sum(counted[:3]) + weight * counted[3]) / 900)


def _two_decimals(value: float) -> str:
    return str(Decimal(value).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP))


CHECKS: Final[Mapping[str, Check]] = {"metrics": check_metrics, "metrics_exotic": check_exotic}
