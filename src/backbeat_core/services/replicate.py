"""Brings one object version to one site, and reports how it went."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

import attrs

from backbeat_core.domain import metadata as md
from backbeat_core.domain import version_id as version_ids
from backbeat_core.domain.entry import ObjectEntry, Skip, decode_entry, status_entry
from backbeat_core.domain.info import ReplicationInfo
from backbeat_core.domain.messages import MetricMessage, MetricType
from backbeat_core.domain.outcome import Replicated, ReplicationFailed, ReplicationSkipped
from backbeat_core.domain.ranges import MOST_PARTS, needs_parts, ranges
from backbeat_core.domain.status import Status
from backbeat_core.errors import BackbeatError, Corrupted, NotFound, Unavailable, UndecodableEntry
from backbeat_core.ports.clock import Clock
from backbeat_core.ports.location import Attributes, Location, Part, Source, Stored, TaggedLocation, UploadLocation
from backbeat_core.ports.publishing import Publication, publish_all
from backbeat_core.ports.queue import Message, Queue, Record
from backbeat_core.ports.store import Json, Store
from backbeat_core.queueing.backoff import RetryPolicy
from backbeat_core.queueing.outcome import Context, Done, Failed, Outcome, Retry

PREFERRED_READ = ":preferred_read"
USER_METADATA_PREFIX = "x-amz-meta-"

Sources = Callable[[str], Source]
"""Gives the source that holds the data of a `dataStoreName`. Raises NotFound for a name without one."""


@attrs.frozen
class ReplicateSettings:
    """
    One site's side of the work.

    *bucket_match*: names at the target are the keys themselves, else `bucket/key`. *min_mpu_size_mb* in
    millions of bytes, None: never in parts. *object_metrics_from*: bytes from which on the progress of
    single objects is reported. *versioned*: the target keeps old versions, so that writing an older one
    again can be told apart from the newest. *stamp*: the copy says of itself which version it is a
    replica of (ST-21). *one_version*: the source keeps one version of a key, whose document goes with its
    bytes, so that an older version is never met.
    """

    site: str
    bucket_match: bool = True
    min_mpu_size_mb: int | None = 20
    status_topic: str = "backbeat-replication-status"
    metrics_topic: str = "backbeat-metrics"
    object_metrics_from: int = 0
    versioned: bool = False
    stamp: bool = True
    one_version: bool = False


@attrs.frozen
class _Work:
    """An entry, the source's metadata as it is now, and what it says about replication."""

    entry: ObjectEntry
    metadata: Mapping[str, Json]
    info: ReplicationInfo
    name: str

    @property
    def size(self) -> int:
        return md.content_length(self.metadata)


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
        self._sources = sources
        self._target = target
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
            version = self._copy(found)
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

    def _refresh(self, entry: ObjectEntry) -> _Work | ReplicationSkipped:
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
        return _Work(entry, document.value, info, name)

    def _copy(self, work: _Work) -> str:
        """Do the work at the target and return the version id that it gave the copy."""
        backend = work.info.backend(self._settings.site)
        assert backend is not None
        may_be_older = not self._settings.versioned and not self._settings.one_version
        if may_be_older and self._superseded(work.entry):
            # What a reader sees there is already newer; going back would undo it (CE-15, INV-4).
            return backend.data_store_version_id
        if md.is_delete_marker(work.metadata):
            return self._target.delete(work.name)
        done_before = bool(backend.data_store_version_id) or not self._settings.versioned
        if "DATA" not in work.info.content and done_before and work.size:
            tagged = self._tags(work, backend.data_store_version_id)
            if tagged is not None:
                return tagged
        return self._whole(work).version

    def _superseded(self, entry: ObjectEntry) -> bool:
        """Return whether a newer version of the key has already come to this site."""
        for document in self._store.scan(entry.bucket, prefix=entry.object_key + "\0", limit=10):
            if document.key >= entry.stored_key:
                return False
            info = ReplicationInfo.from_document(document.value.get("replicationInfo") or {})
            backend = info.backend(self._settings.site)
            if backend is not None and backend.status is Status.COMPLETED:
                return True
        return False

    def _tags(self, work: _Work, version: str) -> str | None:
        """Change only what has changed, where the site has a copy and the change is one it can make."""
        if not isinstance(self._target, TaggedLocation):
            return None
        try:
            if not version and not self._is_copy(work, self._target.head(work.name)):
                return None
            if "PUT_TAGGING" in work.info.content:
                self._target.put_tags(work.name, _tags(work.metadata), version=version)
            elif "DELETE_TAGGING" in work.info.content:
                self._target.delete_tags(work.name, version=version)
            elif "PUT_RETENTION" in work.info.content or "PUT_LEGAL_HOLD" in work.info.content:
                # Cloud sites keep neither; copying all data again would only make a second copy (CE-25).
                self._target.head(work.name, version=version)
            else:
                return None
        except NotFound:
            return None  # the copy is gone: make it anew
        return version

    def _is_copy(self, work: _Work, stored: Stored) -> bool:
        """Return whether what stands at an unversioned target is this version's data and not another's."""
        same_bytes = stored.size == work.size and stored.md5 in ("", md.content_md5(work.metadata))
        said = stored.attributes.user_metadata.get("scal-version-id")
        return same_bytes and (said is None or said == (work.entry.encoded_version_id or version_ids.NULL))

    def _whole(self, work: _Work) -> Stored:
        md5 = md.content_md5(work.metadata)
        minimum = self._settings.min_mpu_size_mb
        target = self._target
        self._progress(work, MetricType.QUEUED, work.size)
        if (
            isinstance(target, UploadLocation)
            and minimum is not None
            and work.size
            and needs_parts(work.size, md5, min_mpu_size_mb=minimum)
        ):
            return self._in_parts(work, target)
        stored = target.write(
            work.name,
            self._body(work.metadata, 0, work.size - 1) if work.size else iter(()),
            size=work.size,
            md5="" if "-" in md5 else md5,
            attributes=attributes_of(work.entry, work.metadata, stamp=self._settings.stamp),
        )
        self._progress(work, MetricType.COMPLETED, work.size)
        return stored

    def _in_parts(self, work: _Work, target: UploadLocation) -> Stored:
        attributes = attributes_of(work.entry, work.metadata, stamp=self._settings.stamp)
        upload = target.begin(work.name, attributes=attributes)
        try:
            parts: list[Part] = []
            for number, piece in enumerate(ranges(work.size), start=1):
                assert piece is not None
                assert number <= MOST_PARTS
                body = self._body(work.metadata, piece.start, piece.end)
                parts.append(target.write_part(work.name, upload, number, body, size=piece.size))
                self._progress(work, MetricType.COMPLETED, piece.size)
            stored = target.complete(work.name, upload, parts)
        except BaseException:
            # Whatever stopped us, the parts are ours to remove; the first error is the one to tell.
            with contextlib.suppress(BackbeatError):
                target.abort(work.name, upload)
            raise
        if stored.size != work.size:
            raise Corrupted(f"{work.name!r}: {stored.size} bytes arrived of {work.size}")
        return stored

    def _body(self, metadata: Mapping[str, Json], start: int, end: int) -> Iterator[bytes]:
        """Yield the object's bytes from *start* to *end*, both inclusive, out of all its stored pieces."""
        at = 0
        for piece in md.locations(metadata):
            size = int(piece.get("size", 0))
            first, last = max(start, at), min(end, at + size - 1)
            if first <= last:
                source = self._sources(str(piece.get("dataStoreName", md.data_store_name(metadata))))
                yield from source.read(
                    str(piece["key"]),
                    start=first - at,
                    end=last - at,
                    version=str(piece.get("dataStoreVersionId") or ""),
                )
            at += size

    def _skip(self, entry: ObjectEntry, skipped: ReplicationSkipped) -> ReplicationSkipped:
        """Take back what the queuing of this entry has counted as pending (CE-19, INV-16)."""
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

    def _progress(self, work: _Work, kind: MetricType, size: int) -> None:
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


def attributes_of(entry: ObjectEntry, metadata: Mapping[str, Json], *, stamp: bool = True) -> Attributes:
    """
    Return what the copy keeps beside its bytes: headers, user metadata and tags.

    With *stamp* also that it is a replica, and of which version (ST-21).
    """
    user = {
        name.removeprefix(USER_METADATA_PREFIX): str(value)
        for name, value in metadata.items()
        if name.startswith(USER_METADATA_PREFIX)
    }
    if stamp:
        user["scal-replication-status"] = Status.REPLICA.value
        user["scal-version-id"] = entry.encoded_version_id or version_ids.NULL
    return Attributes(
        content_type=str(metadata.get("content-type") or ""),
        cache_control=str(metadata.get("cache-control") or ""),
        content_disposition=str(metadata.get("content-disposition") or ""),
        content_encoding=str(metadata.get("content-encoding") or ""),
        user_metadata=user,
        tags=_tags(metadata),
    )


def _tags(metadata: Mapping[str, Json]) -> dict[str, str]:
    return {str(name): str(value) for name, value in md.tags(metadata).items()}


def _has_data(info: ReplicationInfo) -> bool:
    return "DATA" in info.content
