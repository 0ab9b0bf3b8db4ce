"""Keeping what went wrong: a worker's outcomes become attempts in the Cache, for `explain` to tell of."""

from __future__ import annotations

import attrs

from backbeat_core.domain.attempts import KEPT_MS, MOST_KEPT, Attempt, Result, attempts_key
from backbeat_core.domain.entry import ObjectEntry, decode_entry
from backbeat_core.domain.keys import FailedVersion, RedisKeys
from backbeat_core.domain.outcome import ReplayQueued, Replicated, ReplicationFailed, ReplicationSkipped
from backbeat_core.errors import CacheUnavailable, UndecodableEntry
from backbeat_core.ports.cache import AddMember, Cache, Range, RemoveMember, Size, Write
from backbeat_core.ports.clock import Clock
from backbeat_core.ports.queue import Record
from backbeat_core.queueing.outcome import Crashed, Done, Failed, Outcome, Retry


@attrs.frozen
class AttemptRecorder:
    """
    Listens to the workers of one *site*, or with None to those of the status topic.

    What succeeds at once leaves no trace: only trouble is written down, and what ended it. Nothing here can
    make work fail; an attempt that cannot be kept is not kept.
    """

    cache: Cache
    clock: Clock
    site: str | None = None
    keys: RedisKeys = attrs.field(factory=RedisKeys)

    def finished(self, record: Record, outcome: Outcome, deliveries: int = 1) -> None:
        """Take note of what a handler has answered to *record*, at its delivery number *deliveries*, from 1."""
        attempt = self._attempt(outcome, deliveries)
        if attempt is None:
            return
        try:
            entry = decode_entry(record.value)
        except UndecodableEntry:
            return
        if not isinstance(entry, ObjectEntry):
            return
        site = self.site or entry.site
        if site is not None:
            self.record(site, entry, attempt)

    def record(self, site: str, entry: ObjectEntry, attempt: Attempt) -> None:
        """Keep *attempt*, and of the older ones no more than are worth keeping."""
        version = FailedVersion(entry.bucket, entry.object_key, entry.encoded_version_id or "")
        key = attempts_key(self.keys, site, version)
        text = attempt.bounded().encode().decode("utf-8")
        try:
            size, oldest = self.cache.read([Size(key), Range(key, limit=MOST_KEPT)])
            writes: list[Write] = [AddMember(key, text, attempt.at, KEPT_MS)]
            if isinstance(size, int) and isinstance(oldest, tuple):
                surplus = max(size + 1 - MOST_KEPT, 0)
                writes += [RemoveMember(key, member) for member, _ in oldest[:surplus]]
            self.cache.write(writes)
        except CacheUnavailable:
            return

    def _attempt(self, outcome: Outcome, deliveries: int) -> Attempt | None:
        now_ms = self.clock.now_ms()
        match outcome:
            case Retry(delay_ms, reason):
                until = None if delay_ms is None else now_ms + delay_ms
                return Attempt(now_ms, Result.PARKED, deliveries, reason=reason, until=until)
            case Crashed(error):
                return Attempt(now_ms, Result.PARKED, deliveries, error=type(error).__name__, reason=str(error))
            case Failed(reason):
                return Attempt(now_ms, Result.FAILED, deliveries, reason=reason)
            case Done(ReplicationFailed() as failed):
                return Attempt(now_ms, Result.FAILED, deliveries, error=failed.code, reason=failed.description)
            case Done(ReplayQueued() as replay):
                return Attempt(
                    now_ms,
                    Result.REPLAYED,
                    deliveries,
                    topic=replay.topic,
                    left=replay.left,
                    total=replay.total,
                )
            case Done(ReplicationSkipped(reason)) if deliveries > 1:
                return Attempt(now_ms, Result.SKIPPED, deliveries, reason=reason)
            case Done(Replicated()) if deliveries > 1:
                return Attempt(now_ms, Result.COMPLETED, deliveries)
            case _:
                return None
