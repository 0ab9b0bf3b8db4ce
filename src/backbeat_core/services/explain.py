"""Why a version is in its state: which rule armed it, how each site stands, and where its entry is now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import attrs

from backbeat_core.domain import metadata as md
from backbeat_core.domain import service_state, wire
from backbeat_core.domain.attempts import Attempt, Result, attempts_key
from backbeat_core.domain.configuration import ReplicationConfiguration
from backbeat_core.domain.entry import ObjectEntry
from backbeat_core.domain.info import Backend
from backbeat_core.domain.keys import (
    DataPoint,
    FailedVersion,
    RedisKeys,
    Service,
    hour_starts,
    interval_starts,
    state_path,
)
from backbeat_core.domain.metadata import Document
from backbeat_core.domain.service_state import State
from backbeat_core.domain.status import Status
from backbeat_core.errors import NotFound, UndecodableEntry
from backbeat_core.ports.cache import Cache, Count, Question, Range, Score
from backbeat_core.ports.clock import Clock
from backbeat_core.ports.coordinator import Coordinator
from backbeat_core.ports.queue import Queue, Watermarks
from backbeat_core.queueing.partitioner import Partitioner, crc32

Body: TypeAlias = dict[str, Any]

ReadSource: TypeAlias = Callable[[str, str, str], Document | None]
ReadConfiguration: TypeAlias = Callable[[str], ReplicationConfiguration | None]
"""Bucket → its replication configuration as it is now, None if it has none."""


@attrs.frozen
class ExplainSettings:
    """
    Where entries travel.

    *group* gives the consumer group of a site's workers. *reconciled_after_ms* is how long a version may wait
    before it is queued again (CE-8), None where nobody does that.
    """

    replication_topic: str = "backbeat-replication"
    status_topic: str = "backbeat-replication-status"
    status_group: str = "backbeat-replication-status-group"
    group: Callable[[str], str] = "backbeat-replication-group-{}".format
    partitioner: Partitioner = crc32
    reconciled_after_ms: int | None = 3_600_000
    test_mode: bool = False
    keys: RedisKeys = attrs.field(factory=RedisKeys)


@attrs.frozen
class _Kept:
    """What the Cache has about one site."""

    failed_ms: int | None
    attempts: tuple[Attempt, ...]  # oldest first
    queued_bytes: int
    done_bytes: int


@attrs.frozen
class Explain:
    """
    Explains versions from what is stored: metadata, configuration, failed sets, attempts, offsets, states.

    What is not stored anywhere is not said.
    """

    cache: Cache
    queue: Queue
    coordinator: Coordinator
    clock: Clock
    read_source: ReadSource
    read_configuration: ReadConfiguration
    settings: ExplainSettings = attrs.field(factory=ExplainSettings)

    def __call__(self, bucket: str, key: str, version: str) -> Body:
        """
        Return the explanation of a version, by its encoded id, or with '' of the current one.

        Raises NotFound when the source has no such version, Unavailable when an engine does not answer.
        """
        metadata = self.read_source(bucket, key, version)
        if metadata is None:
            raise NotFound(f"{bucket}/{key}")
        entry = ObjectEntry(bucket, key, metadata)
        status = entry.info.status
        sites = [self._site(entry, backend) for backend in entry.info.backends]
        return {
            "Bucket": bucket,
            "Key": key,
            **({} if entry.encoded_version_id is None else {"VersionId": entry.encoded_version_id}),
            "LastModified": md.last_modified(metadata),
            "Status": status.value or None,
            "ArmedBy": self._rule(entry),
            "Sites": sites,
        }

    def _rule(self, entry: ObjectEntry) -> Body:
        configuration = self.read_configuration(entry.bucket)
        rule = None if configuration is None else configuration.matching(entry.object_key)
        named = [] if rule is None else [item.site for item in rule.classes]
        armed = list(entry.info.sites)
        found: Body = {"Rule": None if rule is None else rule.id, "Prefix": None if rule is None else rule.prefix}
        return {
            **found,
            "Reason": _why(entry.info.status, configuration is not None, named, armed, rule is not None),
        }

    def _site(self, entry: ObjectEntry, backend: Backend) -> Body:
        kept = self._kept(entry, backend.site)
        state = self._state(backend.site)
        body: Body = {"Site": backend.site, "Status": backend.status.value}
        if backend.data_store_version_id:
            body["DataStoreVersionId"] = backend.data_store_version_id
        body["Paused"] = None if state is None else service_state.is_paused(state)
        if state is not None and service_state.schedule(state) is not None:
            body["ScheduledResume"] = service_state.schedule(state)
        if kept.failed_ms is not None:
            body["FailedSince"] = wire.iso(kept.failed_ms)
        if kept.queued_bytes or kept.done_bytes:
            body["Bytes"] = {"Queued": kept.queued_bytes, "Done": kept.done_bytes}
        body["Attempts"] = [_shown(attempt) for attempt in kept.attempts]
        body["Now"] = self._now(entry, backend, kept, state)
        return body

    def _now(self, entry: ObjectEntry, backend: Backend, kept: _Kept, state: State | None) -> Body:
        """Return where the site's entry is; the first of these that the stored facts show."""
        if backend.status is Status.COMPLETED:
            return {"State": "completed"}
        if backend.status is Status.FAILED:
            listed = kept.failed_ms is not None
            return {"State": "failed", "Listed": listed, **({} if listed else {"Reason": _UNLISTED})}
        reports = self._lag(entry, self.settings.status_topic, self.settings.status_group)
        reporting = {"State": "reporting", "Topic": self.settings.status_topic, "Lag": reports}
        last = kept.attempts[-1] if kept.attempts else None
        topic = last.topic if last is not None and last.topic else self.settings.replication_topic
        lag = self._lag(entry, topic, self.settings.group(backend.site))
        where: Body = {"Topic": topic, "Lag": lag}
        if reports and last is not None and last.result in (Result.COMPLETED, Result.FAILED):
            return reporting
        if lag != 0 and state is not None and service_state.is_paused(state):
            return {"State": "paused", **where}
        if last is not None and last.until is not None and last.until > self.clock.now_ms():
            return {"State": "parked", "Until": wire.iso(last.until), **where}
        if lag is None:
            return {"State": "stuck", "Reason": f"no worker of {backend.site} has ever read {topic}", **where}
        if lag and last is not None and last.result is Result.REPLAYED and last.total is not None:
            return {"State": "replaying", "Replay": last.total - (last.left or 0), "Of": last.total, **where}
        if lag and kept.queued_bytes > kept.done_bytes:
            return {"State": "working", **where}
        if lag:
            return {"State": "queued", **where}
        return reporting if reports != 0 else {"State": "stuck", "Reason": self._why_stuck(entry)}

    def _why_stuck(self, entry: ObjectEntry) -> str:
        reason = "no entry of it is queued and no report of it is on its way"
        after_ms, modified_ms = (
            self.settings.reconciled_after_ms,
            service_state.date_ms(md.last_modified(entry.metadata)),
        )
        if after_ms is None or modified_ms is None:
            return reason
        return f"{reason}; it is queued again after {wire.iso(modified_ms + after_ms)}"

    def _lag(self, entry: ObjectEntry, topic: str, group: str) -> int | None:
        """Return how many entries of the key's partition the group has not finished, None if it never began."""
        marks = self.queue.watermarks(topic)
        if not marks:
            return 0
        partition = self.settings.partitioner(entry.message_key, len(marks))
        ends = marks.get(partition, Watermarks(0, 0))
        committed = self.queue.committed(topic, group).get(partition)
        if committed is None:
            return None if ends.high > ends.low else 0
        return max(ends.high - max(committed, ends.low), 0)

    def _state(self, site: str) -> State | None:
        node = self.coordinator.get(state_path(Service.CRR, site, test_mode=self.settings.test_mode))
        return None if node is None else service_state.decode_state(node.data)

    def _kept(self, entry: ObjectEntry, site: str) -> _Kept:
        """Read all that the Cache has about a site in one round trip."""
        keys, now_ms = self.settings.keys, self.clock.now_ms()
        version = FailedVersion(entry.bucket, entry.object_key, entry.encoded_version_id or "")
        scores: list[Question] = [
            Score(keys.failures(site, hour), member)
            for hour in hour_starts(now_ms)
            for member in version.spellings()
        ]
        counts: list[Question] = [
            Count(keys.object_counter(site, version.bucket, version.key, version.version, point, start))
            for point in (DataPoint.OBJECT_BYTES, DataPoint.OBJECT_BYTES_DONE)
            for start in interval_starts(now_ms)
        ]
        answers = self.cache.read([Range(attempts_key(keys, site, version)), *scores, *counts])
        members, failed = answers[0], [score for score in answers[1 : 1 + len(scores)] if isinstance(score, int)]
        numbers = [count for count in answers[1 + len(scores) :] if isinstance(count, int)]
        half = len(numbers) // 2
        return _Kept(
            max(failed, default=None),
            _attempts(members if isinstance(members, tuple) else ()),
            sum(numbers[:half]),
            sum(numbers[half:]),
        )


_UNLISTED: Final = "its record is older than 24 hours or was lost: a retry must be forced"
_CONFIGURED: Final = "the rule that matches its key names its sites"


def _why(status: Status, configured: bool, named: Sequence[str], armed: Sequence[str], matched: bool) -> str:
    """Return what the present configuration says of a version that is armed for the sites *armed*."""
    if status is Status.REPLICA:
        return "it is a replica itself, and replicas are not replicated"
    if not armed:
        if not configured:
            return "its bucket has no replication configuration"
        return "it was written before the rule that matches its key" if matched else "no rule matches its key"
    if not configured:
        return "armed by a configuration that its bucket no longer has"
    if not matched:
        return "armed by a rule that is no longer there"
    if named and set(named) != set(armed):
        return "armed by an earlier form of the rule, which named other sites"
    return _CONFIGURED


def _attempts(members: Sequence[tuple[str, int]]) -> tuple[Attempt, ...]:
    found = []
    for member, _ in members:
        try:
            found.append(Attempt.decode(member.encode("utf-8", "surrogatepass")))
        except UndecodableEntry:
            continue
    return tuple(found)


def _shown(attempt: Attempt) -> Mapping[str, Any]:
    times = {"At": wire.iso(attempt.at)}
    if attempt.until is not None:
        times["Until"] = wire.iso(attempt.until)
    members = {
        "Number": attempt.number,
        "Result": attempt.result.value,
        "Error": attempt.error,
        "Reason": attempt.reason,
        "Topic": attempt.topic,
        "Left": attempt.left,
        "Of": attempt.total,
    }
    return {**times, **{name: value for name, value in members.items() if value is not None}}
