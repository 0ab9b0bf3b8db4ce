"""Counting: what the messages of the metrics topic say becomes counters in the Cache, each message once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import attrs

from backbeat_core.domain.keys import COUNTED, EXPIRY_S, DataPoint, RedisKeys, Service, interval_start
from backbeat_core.domain.messages import MetricMessage, MetricType
from backbeat_core.errors import UndecodableEntry
from backbeat_core.ports.cache import Cache, Count, Increment, SetCounter, Write
from backbeat_core.ports.clock import Clock

_EXPIRY_MS: Final = EXPIRY_S * 1000


@attrs.frozen
class _Effect:
    """What a type of message does to a site's counters: the sign of the gauges, and the series that count it."""

    pending: int
    ops: DataPoint | None = None
    bytes: DataPoint | None = None


SITE_EFFECTS: Final[Mapping[str, _Effect]] = {
    MetricType.QUEUED: _Effect(+1, DataPoint.OPS, DataPoint.BYTES),
    MetricType.COMPLETED: _Effect(-1, DataPoint.OPS_DONE, DataPoint.BYTES_DONE),
    MetricType.FAILED: _Effect(-1, DataPoint.OPS_FAIL, DataPoint.BYTES_FAIL),
    MetricType.PENDING_ONLY: _Effect(+1),
}
"""What each type of message counts for its site (http-api 4.7)."""

OBJECT_EFFECTS: Final[Mapping[str, DataPoint]] = {
    MetricType.QUEUED: DataPoint.OBJECT_BYTES,
    MetricType.COMPLETED: DataPoint.OBJECT_BYTES_DONE,
}
"""What each type of message counts for a version on its way."""


@attrs.frozen
class MetricsRecorder:
    """
    Applies the messages of the metrics topic for one service.

    A partition's next offset is kept beside the counters and advances in the same atomic write, so that a
    message that is delivered again is not counted again (W-24). A partition must have one recorder at a
    time, which is what a consumer group gives.
    """

    cache: Cache
    clock: Clock
    service: Service = Service.CRR
    topic: str = "backbeat-metrics"
    keys: RedisKeys = attrs.field(factory=RedisKeys)

    def apply(
        self, partition: int, messages: Sequence[tuple[int, bytes]], *, end_offset: int | None = None
    ) -> int:
        """
        Count *messages*, pairs of offset and value in order, and return how many of them were new.

        When this returns, the partition may be committed up to the last of them. Messages that cannot be
        read are passed over. *end_offset*, the partition's next offset to be written, tells a topic that
        was made anew from one whose messages are repeated. Raises CacheUnavailable: nothing was counted, or
        all was and will not be again.
        """
        marker = self.offset_key(partition)
        (applied,) = self.cache.read([Count(marker)])
        begin = applied if isinstance(applied, int) else 0
        if end_offset is not None and begin > end_offset:
            begin = 0
        new = [(offset, value) for offset, value in messages if offset >= begin]
        if not new:
            return 0
        writes = self._writes(value for _, value in new)
        self.cache.write([*writes, SetCounter(marker, new[-1][0] + 1)])
        return len(new)

    def offset_key(self, partition: int) -> str:
        """Return the key of the next offset to be counted of a partition."""
        prefix = "test:bb" if self.keys.test_mode else "bb"
        return f"{prefix}:{self.service.value}:applied:{self.topic}:{partition}"

    def _writes(self, values: Iterable[bytes]) -> list[Write]:
        """Return one write a counter, however many messages touch it."""
        now_ms = self.clock.now_ms()
        gauges: dict[str, int] = {}
        counters: dict[str, int] = {}
        for value in values:
            try:
                message = MetricMessage.decode(value, topic=self.topic)
            except UndecodableEntry:
                continue
            if message.extension != self.service.value or not message.site:
                continue
            for key, by, is_gauge in self._effects(message, message.site, now_ms):
                if by:
                    totals = gauges if is_gauge else counters
                    totals[key] = totals.get(key, 0) + by
        return [
            *(Increment(key, by) for key, by in gauges.items()),
            *(Increment(key, by, _EXPIRY_MS) for key, by in counters.items()),
        ]

    def _effects(self, message: MetricMessage, site: str, now_ms: int) -> Iterable[tuple[str, int, bool]]:
        """Yield key, amount and whether the key is a gauge, for each counter that *message* touches."""
        start = interval_start(now_ms)
        if message.bucket_name:
            # Never the site's business, also where the version has no id (B16).
            point = OBJECT_EFFECTS.get(message.type or "")
            if point in COUNTED[self.service] and message.object_key:
                yield (
                    self.keys.object_counter(
                        site, message.bucket_name, message.object_key, message.version_id or "", point, start
                    ),
                    message.bytes or 0,
                    False,
                )
            return
        effect = SITE_EFFECTS.get(message.type or "")
        if effect is None:
            return
        counted = COUNTED[self.service]
        for pending, point, by in (
            (DataPoint.OPS_PENDING, effect.ops, message.ops or 0),
            (DataPoint.BYTES_PENDING, effect.bytes, message.bytes or 0),
        ):
            # What ends takes off what it counts, whatever the sign; an adjustment has a sign of its own (B15).
            amount = abs(by) if effect.pending < 0 else by
            yield self.keys.pending(site, self.service, pending), effect.pending * amount, True
            if point in counted and point is not None:
                yield self.keys.site_counter(site, self.service, point, start), amount, False
