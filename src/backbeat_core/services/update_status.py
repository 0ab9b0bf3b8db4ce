"""Folds a site's report into the source object, by compare-and-set, and tells what follows from it."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from backbeat_core.domain import metadata as md
from backbeat_core.domain.entry import ObjectEntry, decode_entry, retry_entry
from backbeat_core.domain.garbage import transient_garbage
from backbeat_core.domain.info import ReplicationInfo
from backbeat_core.domain.keys import FailedVersion, RedisKeys, hour_start
from backbeat_core.domain.messages import FailureRecord, MetricMessage, MetricType
from backbeat_core.domain.outcome import ReplayQueued, StatusIgnored, StatusOutcome, StatusWritten
from backbeat_core.domain.replays import Replay, Replays
from backbeat_core.domain.status import REPORT_ORIGIN_OP, Status
from backbeat_core.errors import Conflict, StoreUnavailable, UndecodableEntry
from backbeat_core.ports.clock import Clock
from backbeat_core.ports.publishing import Publication, publish_all
from backbeat_core.ports.queue import Message, Queue, Record
from backbeat_core.ports.store import Document, Json, Store

MOST_CONFLICTS = 100
"""How often one report is folded anew before it is put back; each time somebody else got through."""


@attrs.frozen
class StatusSettings:
    """
    Topics, the plan of replays, and which locations are transient.

    *failed_topic* '' switches the recording of failures off (`monitorReplicationFailures`).
    """

    replays: Replays = attrs.field(factory=Replays)
    failed_topic: str = "backbeat-replication-failed"
    gc_topic: str = "backbeat-gc"
    metrics_topic: str = "backbeat-metrics"
    transient_locations: frozenset[str] = frozenset()
    keys: RedisKeys = attrs.field(factory=RedisKeys)


_COUNTED = {Status.COMPLETED: MetricType.COMPLETED, Status.FAILED: MetricType.FAILED}


class StatusUpdater:
    """
    The status processor's use case (PL-50 with PL-51, PL-52, ST-14, ST-30).

    The report may be committed when a call has returned: the write and all that it implied are durable.
    """

    def __init__(self, store: Store, queue: Queue, clock: Clock, settings: StatusSettings) -> None:
        self._store = store
        self._queue = queue
        self._clock = clock
        self._settings = settings

    def __call__(self, record: Record) -> StatusOutcome:
        """
        Apply one record of the status topic.

        Raises UndecodableEntry for what is no report, Unavailable where an engine did not answer: the same
        record may be applied again, at any time, by anybody.
        """
        entry = decode_entry(
            record.value, topic=record.topic, partition=record.partition, offset=record.offset
        )
        if not isinstance(entry, ObjectEntry):
            return StatusIgnored("not an object entry")
        reported = None if entry.site is None else entry.info.backend(entry.site)
        if entry.site is None or reported is None:
            raise UndecodableEntry(
                "report of no listed site", record.topic, record.partition, record.offset
            )
        if reported.status not in REPORT_ORIGIN_OP:
            raise UndecodableEntry(
                f"report of status {reported.status.value!r}", record.topic, record.partition, record.offset
            )
        replay = self._replay(entry, reported.status)
        for _ in range(MOST_CONFLICTS):
            document = self._store.get(entry.bucket, entry.stored_key)
            stored = ReplicationInfo() if document is None else _info(document.value)
            ignored = self._ignored(entry, entry.site, document, stored)
            if ignored is not None:
                publish_all(self._queue, self._uncounted(entry, entry.site, reported.status))
                return ignored
            assert document is not None
            if replay is not None:
                return self._queue_replay(entry, entry.site, replay)
            try:
                return self._write(entry, entry.site, document, stored)
            except Conflict:
                continue
        raise StoreUnavailable(f"{entry.stored_key!r}: overtaken {MOST_CONFLICTS} times")

    def _replay(self, entry: ObjectEntry, status: Status) -> Replay | None:
        return self._settings.replays.next(entry.replay_count) if status is Status.FAILED else None

    def _ignored(
        self, entry: ObjectEntry, site: str, document: Document | None, stored: ReplicationInfo
    ) -> StatusIgnored | None:
        """Return why nothing is to be written, None if something is; do what an ignored report still owes."""
        if document is None:
            return StatusIgnored("version gone")
        now = stored.backend(site)
        if now is None:
            return StatusIgnored("site not listed")
        if md.content_md5(document.value) != md.content_md5(entry.metadata):
            return StatusIgnored("content changed")  # a null version, overwritten in place (CE-31)
        if entry.info.generation < stored.generation:
            self._fill_version_id(entry, site, document, stored)
            return StatusIgnored("older generation")
        if entry.info.generation > stored.generation:
            return StatusIgnored("unknown generation")
        if now.status is Status.COMPLETED:
            # The write may have happened and the collector not been told: tell it again (GC-3, CE-3).
            publish_all(self._queue, self._garbage(entry, document.value, stored))
            return StatusIgnored("already completed")
        return None

    def _fill_version_id(
        self, entry: ObjectEntry, site: str, document: Document, stored: ReplicationInfo
    ) -> None:
        reported = entry.info.backend(site)
        assert reported is not None
        filled = stored.report(
            site,
            reported.status,
            data_store_version_id=reported.data_store_version_id,
            generation=entry.info.generation,
        )
        if filled is not stored:
            members = {"replicationInfo": filled.to_document()}
            self._store.patch(entry.bucket, entry.stored_key, members, expected=document.version)

    def _queue_replay(self, entry: ObjectEntry, site: str, replay: Replay) -> ReplayQueued:
        again = retry_entry(entry, site, replay_count=replay.count)
        publish_all(
            self._queue, [Publication(replay.topic, Message(again.encode(), key=again.message_key))]
        )
        return ReplayQueued(
            entry, site, topic=replay.topic, left=replay.count, total=replay.total, first=replay.first
        )

    def _write(
        self, entry: ObjectEntry, site: str, document: Document, stored: ReplicationInfo
    ) -> StatusWritten:
        reported = entry.info.backend(site)
        assert reported is not None
        status = reported.status
        if status is Status.COMPLETED and stored.is_nfs and _changed(entry.metadata, document.value):
            status = Status.PENDING
        after = stored.report(
            site,
            status,
            data_store_version_id=reported.data_store_version_id or None,
            generation=entry.info.generation,
        )
        # Only these members: a status write that carried `location` could bring back data locations that
        # a transition has just replaced (CE-9), and tags or ACLs that a user has just changed (CE-5).
        written = self._store.patch(
            entry.bucket,
            entry.stored_key,
            {"replicationInfo": after.to_document(), "originOp": REPORT_ORIGIN_OP[status]},
            expected=document.version,
        )
        outcome = StatusWritten(
            entry,
            site,
            status=status,
            object_status=after.status,
            size=md.bytes_to_replicate(written.value, after.content),
        )
        publish_all(
            self._queue,
            [
                *self._failure(entry, site, status),
                *self._garbage(entry, written.value, after),
                *(self._metrics(outcome) or self._uncounted(entry, site, reported.status)),
            ],
        )
        return outcome

    def _failure(self, entry: ObjectEntry, site: str, status: Status) -> list[Publication]:
        if status is not Status.FAILED or not self._settings.failed_topic:
            return []
        now = self._clock.now_ms()
        # Bucket and version have no colon, so the older spelling is as clear as ours and read by both (B17).
        failed = FailedVersion(entry.bucket, entry.object_key, entry.encoded_version_id or "")
        record = FailureRecord(
            key=self._settings.keys.failures(site, hour_start(now)), member=failed.legacy_member(), score=now
        )
        return [Publication(self._settings.failed_topic, Message(record.encode()))]

    def _garbage(
        self, entry: ObjectEntry, metadata: Mapping[str, Json], info: ReplicationInfo
    ) -> list[Publication]:
        """Return the request to delete transient data, due once every site has its copy (GC-1, GC-20)."""
        transient = md.data_store_name(metadata) in self._settings.transient_locations
        if info.status is not Status.COMPLETED or not transient:
            return []
        message = transient_garbage(attrs.evolve(entry, metadata=metadata))
        return [Publication(self._settings.gc_topic, Message(message.encode()))]

    def _metrics(self, outcome: StatusWritten) -> list[Publication]:
        kind = _COUNTED.get(outcome.status)
        return [] if kind is None else self._count(kind, outcome.site, 1, outcome.size)

    def _uncounted(self, entry: ObjectEntry, site: str, reported: Status) -> list[Publication]:
        """Return what takes back the queuing of an entry whose end changes nothing (CE-19, INV-16)."""
        if reported not in _COUNTED:
            return []  # a retry's: the entry that comes after it has an end of its own
        size = md.bytes_to_replicate(entry.metadata, entry.info.content)
        return self._count(MetricType.PENDING_ONLY, site, -1, -size)

    def _count(self, kind: MetricType, site: str, ops: int, size: int) -> list[Publication]:
        if not self._settings.metrics_topic:
            return []
        message = MetricMessage.site_level(self._clock.now_ms(), "crr", kind.value, site, ops=ops, size=size)
        return [Publication(self._settings.metrics_topic, Message(message.encode()))]


def _info(metadata: Mapping[str, Json]) -> ReplicationInfo:
    return ReplicationInfo.from_document(metadata.get("replicationInfo") or {})


def _changed(reported: Mapping[str, Json], stored: Mapping[str, Json]) -> bool:
    """Return whether an NFS object has other content or tags than the report speaks of (PL-50 step 4)."""
    return md.content_md5(reported) != md.content_md5(stored) or md.tags(reported) != md.tags(stored)
