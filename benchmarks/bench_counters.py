"""
What the API asks of the Cache: metrics of 1, 10 and 100 locations, and one page of failures out of many.

    python benchmarks/bench_counters.py [--rounds N] [--most N]

On a Redis of its own and on the embedded engine. Metrics are measured beside a bare pipelined read of the same
keys in the same run; the ratio is its time over ours (1 is as fast, less is slower). A page is measured beside
itself: the time out of so many failures over that out of the fewest. The source of a listing answers at once,
so that only the Cache and the listing are measured. Results go to `benchmarks/results/counters.json`.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import redis
from recording import write_result

from backbeat_adapters.clock import SystemClock
from backbeat_adapters.embedded import EmbeddedEngine
from backbeat_adapters.redis import RedisCache, RedisSettings
from backbeat_core.domain.keys import DataPoint, RedisKeys, Service, hour_starts, interval_starts
from backbeat_core.ports.cache import AddMember, Answer, Cache, Question, SetCounter
from backbeat_core.ports.clock import Clock
from backbeat_core.services.metrics import Metrics
from backbeat_core.services.retry_failed import FailedOperations
from backbeat_core.testing.memory import MemoryQueue

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from servers.redis import Redis

KEYS = RedisKeys()
LOCATIONS = (1, 10, 100)
CHUNK = 10_000
PAGE = 100
METADATA = {
    "content-length": 1024,
    "last-modified": "2024-05-01T09:58:02.117Z",
    "versionId": "98376906954349999999RG001  ",
}


@attrs.frozen
class StillClock(Clock):
    """A clock that stands where the data was made for: no hour begins in the middle of a run."""

    wall_ms: int = attrs.field(factory=SystemClock().now_ms)

    def now_ms(self) -> int:
        return self.wall_ms

    def elapsed_ms(self) -> int:
        return SystemClock().elapsed_ms()


class CountingCache(Cache):
    """Counts the round trips that go through it."""

    def __init__(self, inner: Cache) -> None:
        self._inner = inner
        self.trips = 0

    def read(self, questions: Sequence[Question]) -> Sequence[Answer]:
        self.trips += 1
        return self._inner.read(questions)

    def write(self, writes: Any) -> None:
        self._inner.write(writes)

    def acquire(self, key: str, owner: str, ttl_ms: int) -> bool:
        return self._inner.acquire(key, owner, ttl_ms)

    def release(self, key: str, owner: str) -> bool:
        return self._inner.release(key, owner)

    def publish(self, channel: str, message: str) -> None:
        self._inner.publish(channel, message)

    def subscribe(self, channels: Any) -> Any:
        return self._inner.subscribe(channels)

    def close(self) -> None:
        self._inner.close()


def seconds(call: Callable[[], object], rounds: int) -> float:
    """Return the median time of *call*."""
    call()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def fill_metrics(cache: Cache, clock: Clock) -> list[str]:
    """Count something in every interval of every location and return the keys, location by location."""
    starts = interval_starts(clock.now_ms())
    keys = []
    for site in map("site-{}".format, range(max(LOCATIONS))):
        keys += [
            KEYS.pending(site, Service.CRR, point) for point in (DataPoint.OPS_PENDING, DataPoint.BYTES_PENDING)
        ]
        keys += [
            KEYS.site_counter(site, Service.CRR, point, start)
            for point in (DataPoint.OPS_DONE, DataPoint.BYTES_DONE)
            for start in starts
        ]
    for begin in range(0, len(keys), CHUNK):
        cache.write([SetCounter(key, 7, 86_400_000) for key in keys[begin : begin + CHUNK]])
    return keys


def fill_failures(cache: Cache, clock: Clock, site: str, failures: int) -> None:
    """Have *failures* versions fail for a site, evenly over the last 24 hours."""
    hours = hour_starts(clock.now_ms())
    for begin in range(0, failures, CHUNK):
        cache.write(
            [
                AddMember(
                    KEYS.failures(site, hours[n % 24]), f"bucket:object-{n:08}:3938", hours[n % 24] + n // 24
                )
                for n in range(begin, min(begin + CHUNK, failures))
            ]
        )


def measure_metrics(
    cache: Cache, clock: Clock, rounds: int, bare: Callable[[Sequence[str]], object] | None
) -> Any:
    keys = fill_metrics(cache, clock)
    each = len(keys) // max(LOCATIONS)
    figures = {}
    for locations in LOCATIONS:
        sites = [f"site-{n}" for n in range(locations)]
        counting = CountingCache(cache)
        metrics = Metrics(counting, clock)
        metrics.answer("all", "all", sites)
        taken = seconds(lambda: metrics.answer("all", "all", sites), rounds)  # noqa: B023 - called at once
        figures[locations] = {"round trips": counting.trips // (rounds + 2), "ms": round(taken * 1000, 2)}
        if bare is not None:
            reference = seconds(lambda: bare(keys[: each * locations]), rounds)  # noqa: B023 - called at once
            figures[locations] |= {
                "bare read, ms": round(reference * 1000, 2),
                "ratio": round(reference / taken, 2),
            }
    return figures


def measure_listing(cache: Cache, clock: Clock, rounds: int, most: int) -> Any:
    figures: dict[int, Any] = {}
    first = 0.0
    for failures in (1_000, 100_000, 1_000_000):
        if failures > most:
            continue
        site = f"failing-{failures}"
        fill_failures(cache, clock, site, failures)
        failed = FailedOperations(cache, MemoryQueue(clock), clock, lambda *version: METADATA, lambda: "bench")
        page = failed.list(site)
        assert page["IsTruncated"]
        middle = hour_starts(clock.now_ms())[12] + failures // 48
        newest = seconds(lambda: failed.list(site), rounds)  # noqa: B023 - called at once
        inside = seconds(lambda: failed.list(site, middle), rounds)  # noqa: B023 - called at once
        first = first or newest
        figures[failures] = {
            "first page, ms": round(newest * 1000, 2),
            "page in the middle, ms": round(inside * 1000, 2),
            "over the smallest": round(newest / first, 2),
        }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--most", type=int, default=1_000_000, help="the largest number of failures")
    options = parser.parse_args()

    clock = StillClock()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as directory:
        server = Redis(Path(directory) / "redis")
        server.start()
        try:
            cache = RedisCache(RedisSettings(port=server.port))
            client = redis.Redis(port=server.port)

            def bare(keys: Sequence[str]) -> object:
                with client.pipeline(transaction=False) as pipeline:
                    for key in keys:
                        pipeline.get(key)
                    return pipeline.execute()

            figures["redis"] = {
                "metrics": measure_metrics(cache, clock, options.rounds, bare),
                "listing": measure_listing(cache, clock, options.rounds, options.most),
            }
        finally:
            server.stop()
        engine = EmbeddedEngine.open(Path(directory) / "state", clock)
        figures["embedded"] = {
            "metrics": measure_metrics(engine.cache, clock, options.rounds, None),
            "listing": measure_listing(engine.cache, clock, options.rounds, options.most),
        }
        engine.close()
    write_result("counters", figures)


if __name__ == "__main__":
    main()
