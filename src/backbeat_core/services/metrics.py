"""The answers of the metrics routes, derived from what the Cache has counted (http-api 3.2 and 4)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, Final, TypeAlias

import attrs

from backbeat_core.domain.keys import (
    EXPIRY_S,
    INTERVAL_MS,
    DataPoint,
    RedisKeys,
    Service,
    hour_starts,
    interval_keys,
    interval_start,
    interval_starts,
)
from backbeat_core.errors import InvalidInput
from backbeat_core.ports.cache import Cache, Count, Question, Size
from backbeat_core.ports.clock import Clock

Body: TypeAlias = dict[str, Any]

ALL: Final = "all"
"""As a site: every site that is configured. As a kind: every metric of the service."""

THROUGHPUT_WINDOW_S: Final = 900

_INTERVAL_S: Final = INTERVAL_MS // 1000
# Enough digits for the longest double, so that rounding never meets a value that does not fit.
_EXACT: Final = Context(prec=400)


@attrs.frozen
class MetricsSettings:
    """
    What the answers depend on besides the counters.

    *started_at_ms* shortens the windows of a server that has not run for as long (4.3); the default, as
    in the reference, is long ago.
    """

    started_at_ms: int = 1
    keys: RedisKeys = attrs.field(factory=RedisKeys)


@attrs.frozen
class _Reading:
    """What was read for one answer, already summed over the sites; intervals come newest first."""

    now_ms: int
    started_at_ms: int
    ops_pending: int = 0
    bytes_pending: int = 0
    ops_done: tuple[int, ...] = ()
    bytes_done: tuple[int, ...] = ()
    failed: int = 0

    def uptime_s(self, limit_s: int) -> float:
        return min(max((self.now_ms - self.started_at_ms) / 1000, 1), limit_s)

    def intervals(self, limit_s: int) -> int:
        return math.ceil(self.uptime_s(limit_s) / _INTERVAL_S)

    def total(self, counted: Sequence[int]) -> int:
        return sum(counted[: self.intervals(EXPIRY_S)])

    def rate(self, counted: Sequence[int]) -> str:
        uptime_s = self.uptime_s(THROUGHPUT_WINDOW_S)
        total: float = sum(counted[: self.intervals(THROUGHPUT_WINDOW_S)])
        if uptime_s >= THROUGHPUT_WINDOW_S:
            # The oldest interval counts by as much of it as still lies in the window (B13).
            elapsed_s = (self.now_ms - interval_start(self.now_ms)) / 1000
            total += (_INTERVAL_S - elapsed_s) / _INTERVAL_S * counted[THROUGHPUT_WINDOW_S // _INTERVAL_S]
        return fixed(total / uptime_s, 2)

    def window(self, limit_s: int) -> str:
        return f" in the last {math.floor(self.uptime_s(limit_s))} seconds"


def fixed(value: float, decimals: int) -> str:
    """Return *value* with so many decimals as `toFixed` writes it: exact binary value, ties away from zero."""
    unit = Decimal(1).scaleb(-decimals)
    return str(Decimal(value).quantize(unit, rounding=ROUND_HALF_UP, context=_EXACT))


def _pending(reading: _Reading) -> Body:
    # Counters may have drifted below zero; nobody has fewer than no operations to do (B12).
    return _metric(
        "Number of pending replication operations (count) and bytes (size)",
        count=max(reading.ops_pending, 0),
        size=max(reading.bytes_pending, 0),
    )


def _backlog(reading: _Reading) -> Body:
    return _metric(
        "Number of incomplete replication operations (count) and number of incomplete bytes transferred (size)",
        count=max(reading.ops_pending, 0),
        size=max(reading.bytes_pending, 0),
    )


def _completions(reading: _Reading) -> Body:
    return _metric(
        "Number of completed replication operations (count) and number of bytes transferred (size)"
        + reading.window(EXPIRY_S),
        count=reading.total(reading.ops_done),
        size=reading.total(reading.bytes_done),
    )


def _failures(reading: _Reading) -> Body:
    return _metric(
        "Number of failed replication operations (count) and bytes (size)" + reading.window(EXPIRY_S),
        count=reading.failed,
        size=0,
    )


def _throughput(reading: _Reading) -> Body:
    return _metric(
        "Current throughput for replication operations in ops/sec (count) and bytes/sec (size)"
        + reading.window(THROUGHPUT_WINDOW_S),
        count=reading.rate(reading.ops_done),
        size=reading.rate(reading.bytes_done),
    )


def _ingestion_pending(reading: _Reading) -> Body:
    return _metric(
        "Number of pending ingestion operations (count)",
        count=max(reading.ops_pending, 0),
    )


def _ingestion_completions(reading: _Reading) -> Body:
    return _metric(
        "Number of completed ingestion operations (count)" + reading.window(EXPIRY_S),
        count=reading.total(reading.ops_done),
    )


def _ingestion_throughput(reading: _Reading) -> Body:
    return _metric(
        "Current throughput for ingestion operations in ops/sec (count)" + reading.window(THROUGHPUT_WINDOW_S),
        count=reading.rate(reading.ops_done),
    )


def _metric(description: str, **results: int | str) -> Body:
    return {"description": description, "results": results}


BODIES: Final[Mapping[Service, Mapping[str, Callable[[_Reading], Body]]]] = {
    Service.CRR: {
        "backlog": _backlog,
        "completions": _completions,
        "failures": _failures,
        "throughput": _throughput,
        "pending": _pending,
    },
    Service.INGESTION: {
        "completions": _ingestion_completions,
        "throughput": _ingestion_throughput,
        "pending": _ingestion_pending,
    },
}
"""What each service can be asked for; the order is that of the body of `all`."""

_SERVICES: Final = frozenset(service.value for service in Service)
_GAUGES: Final = {"ops_pending": DataPoint.OPS_PENDING, "bytes_pending": DataPoint.BYTES_PENDING}
_SERIES: Final = {"ops_done": DataPoint.OPS_DONE, "bytes_done": DataPoint.BYTES_DONE}
# How many intervals a kind looks at; throughput needs the fourth for the part of it that is in the window.
_INTERVALS_OF: Final[Mapping[str, int]] = {
    "completions": EXPIRY_S // _INTERVAL_S,
    "throughput": THROUGHPUT_WINDOW_S // _INTERVAL_S + 1,
}


_HISTORY: Final = {
    "completed": DataPoint.OPS_DONE,
    "completedBytes": DataPoint.BYTES_DONE,
    "failed": DataPoint.OPS_FAIL,
}


@attrs.frozen
class Metrics:
    """
    The metrics of sites and of objects on their way. One round trip to the Cache an answer.

    Every method raises CacheUnavailable: an answer of zeros would be a lie (http-api 4.6, D17).
    """

    cache: Cache
    clock: Clock
    settings: MetricsSettings = attrs.field(factory=MetricsSettings)

    def answer(self, kind: str, site: str, sites: Sequence[str], *, service: str = "crr") -> Body:
        """
        Return the body for *kind*, or for `all` kinds, of *site*, or of `all` the configured *sites* together.

        Raises InvalidInput for a kind that the service does not have.
        """
        bodies = BODIES.get(Service(service), {}) if service in _SERVICES else {}
        kinds = tuple(bodies) if kind == ALL else (kind,)
        if not bodies or not set(kinds) <= set(bodies):
            raise InvalidInput(f"{service} has no metric {kind!r}")
        reading = self._read(Service(service), kinds, tuple(sites) if site == ALL else (site,))
        return {kind: bodies[kind](reading) for kind in kinds}

    def history(self, sites: Sequence[str]) -> Body:
        """
        Return what was completed and failed at *sites* in each interval of the last 24 hours, oldest first.

        Ours; the reference tells only sums. One round trip for any number of sites.
        """
        now_ms = self.clock.now_ms()
        starts = tuple(reversed(interval_starts(now_ms)))
        answers = self._ask(
            {
                point.value: self._counts(Service.CRR, point, sites, starts) for point in _HISTORY.values()
            }
        )
        return {
            "description": "Completed and failed operations and bytes in each interval, oldest first",
            "start": starts[0],
            "interval": _INTERVAL_S,
            "results": {
                name: list(_sums(answers[point.value], len(starts))) for name, point in _HISTORY.items()
            },
        }

    def progress(self, site: str, bucket: str, key: str, version: str) -> Body:
        """Return how many bytes of one version, named by its encoded id, have come to *site*."""
        reading, queued, done = self._read_object(
            site, bucket, key, version, (DataPoint.OBJECT_BYTES, DataPoint.OBJECT_BYTES_DONE)
        )
        total, completed = reading.total(queued), reading.total(done)
        ratio = completed / total if total else 0
        # A second attempt moves the bytes again, so more may have come than there are (B14).
        return {
            "description": "Number of bytes to be replicated (pending), number of bytes transferred to the"
            " destination (completed), and percentage of the object that has completed replication (progress)",
            "pending": max(total - completed, 0),
            "completed": completed,
            "progress": f"{fixed(min(ratio * 100, 100), 0)}%",
        }

    def throughput(self, site: str, bucket: str, key: str, version: str) -> Body:
        """Return how fast one version, named by its encoded id, comes to *site*."""
        reading, done = self._read_object(site, bucket, key, version, (DataPoint.OBJECT_BYTES_DONE,))
        return {
            "description": "Current throughput for object replication in bytes/sec (throughput)",
            "throughput": reading.rate(done),
        }

    def _read(self, service: Service, kinds: Sequence[str], sites: Sequence[str]) -> _Reading:
        reading = self._moment()
        keys = self.settings.keys
        starts = interval_starts(reading.now_ms, max(_INTERVALS_OF.get(kind, 0) for kind in kinds))
        points: dict[str, list[Question]] = {}
        if not {"pending", "backlog"}.isdisjoint(kinds):
            for name, point in _GAUGES.items():
                points[name] = [Count(keys.pending(site, service, point)) for site in sites]
        if "failures" in kinds:
            hours = hour_starts(reading.now_ms)
            points["failed"] = [Size(keys.failures(site, hour)) for site in sites for hour in hours]
        if starts:
            for name, point in _SERIES.items():
                points[name] = self._counts(service, point, sites, starts)
        summed: dict[str, Any] = {
            name: _sums(answers, len(starts)) if name in _SERIES else sum(answers)
            for name, answers in self._ask(points).items()
        }
        return attrs.evolve(reading, **summed)

    def _read_object(
        self, site: str, bucket: str, key: str, version: str, points: Sequence[DataPoint]
    ) -> tuple[Any, ...]:
        reading = self._moment()
        starts = interval_starts(reading.now_ms)
        keys = self.settings.keys
        answers = self._ask(
            {
                point.value: [
                    Count(keys.object_counter(site, bucket, key, version, point, start)) for start in starts
                ]
                for point in points
            }
        )
        return (reading, *answers.values())

    def _counts(
        self, service: Service, point: DataPoint, sites: Sequence[str], starts: Sequence[int]
    ) -> list[Question]:
        keys = self.settings.keys
        series = (keys.pending(site, service, point) for site in sites)
        return [Count(key) for name in series for key in interval_keys(name, starts)]

    def _moment(self) -> _Reading:
        return _Reading(self.clock.now_ms(), self.settings.started_at_ms)

    def _ask(self, questions: Mapping[str, Sequence[Question]]) -> dict[str, list[int]]:
        """Answer all questions in one round trip; each of them is one that is answered with a number."""
        asked = [question for group in questions.values() for question in group]
        answers = iter(self.cache.read(asked) if asked else ())
        return {
            name: [answer for _, answer in zip(group, answers, strict=False) if isinstance(answer, int)]
            for name, group in questions.items()
        }


def _sums(answers: Sequence[int], intervals: int) -> tuple[int, ...]:
    """Return for each interval the sum over the sites, whose answers follow one another."""
    return tuple(sum(answers[index::intervals]) for index in range(intervals))
