"""Recording failures: what has finally failed is kept for a day, for people to list and to retry."""

from __future__ import annotations

import attrs

from backbeat_core.domain.keys import failures_ttl_s, hour_starts, parse_failed_version
from backbeat_core.domain.messages import FailureRecord
from backbeat_core.ports.cache import AddMember, Cache, RemoveMember, Write
from backbeat_core.ports.clock import Clock


@attrs.frozen
class FailureRecorder:
    """
    Puts failure records into the sets of their hours (http-api 5.1).

    A version stands once for a site, in the set of its newest failure (W-54): what the older hours say of
    it goes in the same atomic write, and with it the expiry of the set.
    """

    cache: Cache
    clock: Clock

    def record(self, record: FailureRecord) -> None:
        """Keep *record*; again is once. Raises CacheUnavailable: the record must be delivered again (W-21)."""
        self.cache.write(self._writes(record))

    def record_value(self, value: bytes) -> None:
        """Keep the record of a message of the failed topic. Raises UndecodableEntry, CacheUnavailable."""
        self.record(FailureRecord.decode(value))

    def _writes(self, record: FailureRecord) -> list[Write]:
        now_ms = self.clock.now_ms()
        add = AddMember(record.key, record.member, record.score, failures_ttl_s(now_ms) * 1000)
        version = parse_failed_version(record.member)
        series, _, _ = record.key.rpartition(":")
        spellings = (record.member,) if version is None else version.spellings()
        removals = [
            RemoveMember(key, member)
            for hour in hour_starts(now_ms)
            for member in spellings
            if (key := f"{series}:{hour}") != record.key or member != record.member
        ]
        return [*removals, add]
