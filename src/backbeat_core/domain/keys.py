"""Names that others read too: Redis keys, channels, ZooKeeper paths, topics, and the clock behind them."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable
from typing import Final

import attrs

from backbeat_core.domain import wire

INTERVAL_MS: Final = 300_000
"""How long one counter counts, in milliseconds (http-api 4.2)."""

HOUR_MS: Final = 3_600_000
EXPIRY_S: Final = 86_400
"""How long an interval's counter and an hour's failures are kept, in seconds."""

INTERVALS: Final = EXPIRY_S * 1000 // INTERVAL_MS
HOURS: Final = 24
LOCK_TTL_S: Final = 300
"""How long the lock against a double retry may outlive its owner, in seconds (B21)."""

CANARY_KEY: Final = b"canary"
BOOTSTRAP_KEY: Final = b"bootstrap"


class Service(enum.StrEnum):
    """What is counted, paused and resumed for a location."""

    CRR = "crr"
    INGESTION = "ingestion"
    LIFECYCLE = "lifecycle"


class DataPoint(enum.StrEnum):
    """What is counted; the value is the last part of its name (http-api 4.1)."""

    OPS = "ops"
    BYTES = "bytes"
    OPS_DONE = "opsdone"
    BYTES_DONE = "bytesdone"
    OPS_FAIL = "opsfail"
    BYTES_FAIL = "bytesfail"
    OPS_PENDING = "opspending"
    BYTES_PENDING = "bytespending"
    OBJECT_BYTES = "object:bytes"
    OBJECT_BYTES_DONE = "object:bytesdone"


COUNTED: Final = {
    Service.CRR: frozenset(DataPoint),
    Service.INGESTION: frozenset(
        {DataPoint.OPS_DONE, DataPoint.BYTES_DONE, DataPoint.OPS_PENDING, DataPoint.BYTES_PENDING}
    ),
    Service.LIFECYCLE: frozenset[DataPoint](),
}
"""Which data points a service has."""


def interval_start(now_ms: int, interval_ms: int = INTERVAL_MS) -> int:
    """Return the start of the interval that *now_ms* lies in, Unix milliseconds, always in UTC (B11)."""
    return now_ms - now_ms % interval_ms


def interval_starts(now_ms: int, count: int = INTERVALS, interval_ms: int = INTERVAL_MS) -> tuple[int, ...]:
    """Return the starts of the running interval and of those before it, newest first."""
    newest = interval_start(now_ms, interval_ms)
    return tuple(newest - index * interval_ms for index in range(count))


def hour_start(now_ms: int) -> int:
    """Return the start of the hour that *now_ms* lies in, Unix milliseconds, always in UTC."""
    return interval_start(now_ms, HOUR_MS)


def hour_starts(now_ms: int) -> tuple[int, ...]:
    """Return the starts of the 24 hours whose failures are looked at, newest first (http-api 5.1)."""
    return interval_starts(now_ms, HOURS, HOUR_MS)


def failures_ttl_s(now_ms: int) -> int:
    """Return how long a set that is written now lives: until 24 hours after the start of this hour, in s."""
    return math.ceil((EXPIRY_S * 1000 - (now_ms - hour_start(now_ms))) / 1000)


@attrs.frozen
class RedisKeys:
    """
    The names of keys in Redis.

    *test_mode* is what the environment's `CI=true` stands for: other names, so that tests that run beside
    a service do not count into it.
    """

    test_mode: bool = False

    def data_point(self, service: Service, point: DataPoint) -> str:
        """Return the name of a data point, such as `bb:crr:opsdone`."""
        return f"test:bb:{point.value}" if self.test_mode else f"bb:{service.value}:{point.value}"

    def pending(self, site: str, service: Service, point: DataPoint) -> str:
        """Return the key of a site's gauge, which never expires."""
        return f"{site}:{self.data_point(service, point)}"

    def site_counter(self, site: str, service: Service, point: DataPoint, start_ms: int) -> str:
        """Return the key that counts for a site in the interval that begins at *start_ms*."""
        return interval_key(self.pending(site, service, point), start_ms)

    def object_counter(
        self, site: str, bucket: str, key: str, version: str, point: DataPoint, start_ms: int
    ) -> str:
        """Return the key that counts for one version, named by its encoded id, on its way to a site."""
        series = f"{site}:{bucket}:{key}:{version}:{self.data_point(Service.CRR, point)}"
        return interval_key(series, start_ms)

    @property
    def failures_prefix(self) -> str:
        """What the names of all sets of failures begin with."""
        return "test:bb:crr:failed" if self.test_mode else "bb:crr:failed"

    def failures(self, site: str, hour_ms: int) -> str:
        """Return the key of the sorted set of what failed for *site* in the hour that begins at *hour_ms*."""
        return f"{self.failures_prefix}:{site}:{hour_ms}"


def interval_key(series: str, start_ms: int) -> str:
    """Return the key of one interval of a series of counters."""
    return f"{series}:requests:{start_ms}"


def interval_keys(series: str, starts_ms: Iterable[int]) -> list[str]:
    """Return the keys of several intervals of a series, quickly: a day of all sites is tens of thousands."""
    prefix = interval_key(series, 0)[:-1]
    return [f"{prefix}{start_ms}" for start_ms in starts_ms]


def retry_lock_key(bucket: str, key: str, version: str, site: str) -> str:
    """Return the key that is held while a version's retry is submitted; *version* is empty for none (B21)."""
    return f"{bucket}:{key}:{version}:{site}:processingFailures"


@attrs.frozen
class FailedVersion:
    """What a set of failures names: a version, by its encoded id, empty where the object has none."""

    bucket: str
    key: str
    version: str = ""

    def member(self) -> str:
        """
        Return the member to write: the older spelling where every reader reads it right, else the newer.

        The reference implementation splits at every colon (B17), so what has one in it is for us alone.
        """
        parts = (self.bucket, self.key, self.version)
        plain = not any(":" in part for part in parts) and not self.bucket.startswith("[")
        return self.legacy_member() if plain else self.json_member()

    def json_member(self) -> str:
        """Return the member as a JSON list, which tells any key from its neighbours (W-25)."""
        return wire.dumps([self.bucket, self.key, self.version])

    def legacy_member(self) -> str:
        """Return the member as the reference implementation writes it."""
        return f"{self.bucket}:{self.key}:{self.version}"

    def spellings(self) -> tuple[str, str]:
        """Return both members: whoever looks for a version, or removes it, must try each."""
        return self.legacy_member(), self.json_member()


def parse_failed_version(member: str) -> FailedVersion | None:
    """
    Return what a member of a set of failures names, None for what names nothing.

    Both spellings are read. In the older one the bucket ends at the first colon and the version begins
    after the last: only keys have colons in them (B17). Keep *member* itself to remove it.
    """
    if member.startswith("["):
        version = _parse_list(member)
        if version is not None:
            return version
    bucket, colon, rest = member.partition(":")
    if not colon:
        return None
    key, _, version_id = rest.rpartition(":") if ":" in rest else (rest, "", "")
    return FailedVersion(bucket, key, version_id)


def _parse_list(member: str) -> FailedVersion | None:
    try:
        parts = wire.parse(member)
    except ValueError:
        return None
    if len(parts) != 3 or not all(isinstance(part, str) for part in parts):
        return None
    return FailedVersion(*parts)


def channel(topic: str, site: str) -> str:
    """Return the Redis channel that tells a site's processors to pause; *topic* without the prefix (3.4)."""
    return f"{topic}-{site}"


def site_of_channel(topic: str, name: str) -> str | None:
    """Return the site whose channel *name* is, None if it is no channel of *topic*."""
    return name.removeprefix(f"{topic}-") if name.startswith(f"{topic}-") else None


def qualified_topic(name: str, prefix: str = "") -> str:
    """Return the name of a topic in Kafka: `KAFKA_TOPIC_PREFIX` and *name*, nothing between them (W-20)."""
    return f"{prefix}{name}"


def state_path(service: Service, site: str, *, test_mode: bool = False) -> str:
    """Return the ZooKeeper path of the pause state of a service for a site, below the chroot (3.5)."""
    root = "/backbeattest" if test_mode else "/backbeat"
    namespace = "replication" if service is Service.CRR else service.value
    return f"{root}/{namespace}/state/{site}"


def replay_state_path(topic: str, site: str, *, test_mode: bool = False) -> str:
    """Return the ZooKeeper path of the pause state of the replays from *topic* for a site (3.5)."""
    root = "/backbeattest" if test_mode else "/backbeat"
    return f"{root}/replication/replayState/{topic}/{site}"


def log_offset_path(zookeeper_path: str, log_id: str) -> str:
    """Return where a log's offset is kept; the doubled path is how existing installations have it (2.4)."""
    return f"{zookeeper_path}{zookeeper_path}/logState/{log_id}/logOffset"


def backlog_paths(root: str, topic: str, partition: int, groups: Iterable[str]) -> dict[str, str]:
    """Return where a partition's high watermark (key `topic`) and each group's position are published."""
    base = f"{root}/{topic}/{partition}"
    return {"topic": f"{base}/topic"} | {group: f"{base}/consumers/{group}" for group in groups}
