"""Decides what an entry means for one site, has its version brought there, and reports how it went."""

from __future__ import annotations

from collections.abc import Callable

from backbeat_core.domain import metadata as md
from backbeat_core.domain.entry import ObjectEntry, Skip, decode_entry, status_entry
from backbeat_core.domain.info import ReplicationInfo
from backbeat_core.domain.messages import MetricMessage, MetricType
from backbeat_core.domain.outcome import Replicated, ReplicationFailed, ReplicationSkipped
from backbeat_core.domain.status import Status
from backbeat_core.errors import BackbeatError, Unavailable, UndecodableEntry
from backbeat_core.ports.clock import Clock
from backbeat_core.ports.location import Location
from backbeat_core.ports.publishing import Publication, publish_all
from backbeat_core.ports.queue import Message, Queue, Record
from backbeat_core.ports.store import Store
from backbeat_core.queueing.backoff import RetryPolicy
from backbeat_core.queueing.outcome import Context, Done, Failed, Outcome, Retry
from backbeat_core.services.replicate.copier import Copier, Sources, Work
from backbeat_core.services.replicate.settings import ReplicateSettings

PREFERRED_READ = ":preferred_read"


class Replicator:
    """
    The queue processor's use case for one site (3.4, 3.8, 3.10).

    Doing an entry twice ends like doing it once. It may be committed when a call has returned: its report
    is durable (PL-40).
    """

    def __init__(
        self,
        sources: Sources,
        target: Location,
        store: Store,
        queue: Queue,
        clock: Clock,
        settings: ReplicateSettings,
        *,
        policy: RetryPolicy,
        chance: Callable[[], float],
    ) -> None:
        self._copier = Copier(sources, target, store, settings, self._progress)
        self._store = store
        self._queue = queue
        self._clock = clock
        self._settings = settings
        self._policy = policy
        self._chance = chance

    def __call__(self, record: Record, context: Context) -> Outcome:
        """
        Do one record of the replication topic or of a replay topic.

        What keeps failing is reported FAILED when the policy gives up; what cannot be reported is tried
        again for as long as it takes, since nobody else knows of it.
        """
        try:
            return self._attempt(record, context)
        except UndecodableEntry as error:
            return Failed(str(error))
        except Unavailable as error:
            return Retry(self._policy.backoff.delay_ms(context.retries, self._chance), str(error))

    def _attempt(self, record: Record, context: Context) -> Outcome:
        entry = decode_entry(
            record.value, topic=record.topic, partition=record.partition, offset=record.offset
        )
        if isinstance(entry, Skip):
            return Done(ReplicationSkipped(entry.reason))
        if not isinstance(entry, ObjectEntry):
            return Done(ReplicationSkipped("not an object entry"))
        if self._settings.site not in sites_of(entry.info):
            return Done(ReplicationSkipped("for other sites"))
        found = self._refresh(entry)
        if isinstance(found, ReplicationSkipped):
            return Done(self._skip(entry, found))
        try:
            version = self._copier.copy(found)
        except BackbeatError as error:
            return self._settle(entry, error, context)
        self._report(entry, Status.COMPLETED, version)
        return Done(Replicated(entry, self._settings.site, found.size if _has_data(found.info) else 0))

    def _settle(self, entry: ObjectEntry, error: BackbeatError, context: Context) -> Outcome:
        """Return what follows from an error of the copy: nothing, another attempt, or the report FAILED."""
        if self._store.get(entry.bucket, entry.stored_key) is None:
            # Deleted while we worked: its errors are nobody's (O3).
            return Done(self._skip(entry, ReplicationSkipped("version gone")))
        delay = self._policy.next_delay_ms(
            error, retries=context.retries, elapsed_ms=context.waited_ms, chance=self._chance
        )
        if delay is not None:
            return Retry(delay, str(error))
        self._report(entry, Status.FAILED, None)
        return Done(ReplicationFailed(entry, self._settings.site, type(error).__name__, str(error)))

    def _refresh(self, entry: ObjectEntry) -> Work | ReplicationSkipped:
        """Read the source's metadata as it is now; what the entry carries may be long out of date (ST-30)."""
        document = self._store.get(entry.bucket, entry.stored_key)
        if document is None:
            return ReplicationSkipped("version gone")
        info = ReplicationInfo.from_document(document.value.get("replicationInfo") or {})
        if info.generation > entry.info.generation:
            return ReplicationSkipped("a newer generation has its own entry")
        backend = info.backend(self._settings.site)
        if backend is None:
            return ReplicationSkipped("site not listed any more")
        if backend.status is Status.COMPLETED:
            return ReplicationSkipped("already completed")
        if md.content_md5(document.value) != md.content_md5(entry.metadata):
            return ReplicationSkipped("content changed")  # a null version, overwritten in place (CE-31)
        name = entry.object_key if self._settings.bucket_match else entry.ordering_key
        return Work(entry, document.value, info, name)

    def _skip(self, entry: ObjectEntry, skipped: ReplicationSkipped) -> ReplicationSkipped:
        """Take back what the queuing of this entry has counted as pending (CE-19, INV-16)."""
        counted = entry.info.backend(self._settings.site)
        if counted is None or counted.status is not Status.PENDING:
            return skipped  # queued for other sites: this one was not counted (PL-7)
        size = md.bytes_to_replicate(entry.metadata, entry.info.content)
        message = MetricMessage(
            timestamp=self._clock.now_ms(),
            ops=-1,
            bytes=-size,
            extension="crr",
            type=MetricType.PENDING_ONLY.value,
            site=self._settings.site,
        )
        publish_all(self._queue, [Publication(self._settings.metrics_topic, Message(message.encode()))])
        return skipped

    def _report(self, entry: ObjectEntry, status: Status, version: str | None) -> None:
        report = status_entry(entry, self._settings.site, status, data_store_version_id=version)
        publish_all(
            self._queue,
            [Publication(self._settings.status_topic, Message(report.encode(), key=report.message_key))],
        )

    def _progress(self, work: Work, kind: MetricType, size: int) -> None:
        """Tell how far a single object is, where somebody may want to know and it can be addressed (B16)."""
        version = work.entry.encoded_version_id
        if not size or size < self._settings.object_metrics_from or not version:
            return
        message = MetricMessage(
            timestamp=self._clock.now_ms(),
            bytes=size,
            extension="crr",
            type=kind.value,
            site=self._settings.site,
            bucket_name=work.entry.bucket,
            object_key=work.entry.object_key,
            version_id=version,
        )
        # Progress is for looking at; the work does not fail for it (3.13).
        self._queue.publish(self._settings.metrics_topic, [Message(message.encode())])


def sites_of(info: ReplicationInfo) -> tuple[str, ...]:
    """Return the sites that an entry is for: its storage class, without preferences (PL-10)."""
    return tuple(item.removesuffix(PREFERRED_READ) for item in info.storage_class.split(",") if item)


def _has_data(info: ReplicationInfo) -> bool:
    return "DATA" in info.content
