"""Brings one version to one target, whole or by what has changed, and gives way to what is newer there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeAlias

import attrs

from backbeat_core.domain import metadata as md
from backbeat_core.domain import version_id as version_ids
from backbeat_core.domain.checksums import Checksums
from backbeat_core.domain.entry import ObjectEntry
from backbeat_core.domain.info import ReplicationInfo
from backbeat_core.domain.messages import MetricType
from backbeat_core.domain.ranges import MOST_PARTS, needs_parts, ranges
from backbeat_core.domain.status import Status
from backbeat_core.errors import BackbeatError, Corrupted, NotFound
from backbeat_core.ports.location import Attributes, Location, Part, Source, Stored, TaggedLocation, UploadLocation
from backbeat_core.ports.store import Document, Json, Store
from backbeat_core.services.replicate.settings import ReplicateSettings

USER_METADATA_PREFIX: Final = "x-amz-meta-"
_PAGE: Final = 10

Sources: TypeAlias = Callable[[str], Source]
"""Gives the source that holds the data of a `dataStoreName`. Raises NotFound for a name without one."""

Progress: TypeAlias = Callable[["Work", MetricType, int], None]
"""Is told that so many bytes of a version are to be moved, or have been."""


@attrs.frozen
class Work:
    """A version that a site is to have: its entry, its metadata as it is now, its name at the target."""

    entry: ObjectEntry
    metadata: Mapping[str, Json]
    info: ReplicationInfo
    name: str

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return md.content_length(self.metadata)

    @property
    def is_marker(self) -> bool:
        """Whether it says that the object is deleted."""
        return md.is_delete_marker(self.metadata)


@attrs.frozen
class Copier:
    """
    The target's side of replication (3.8).

    A target that keeps one version of each object must show the newest that is owed to it, in whatever
    order the versions come: tries that failed come again later, and beside newer ones (CE-15, INV-4).
    """

    sources: Sources
    target: Location
    store: Store
    settings: ReplicateSettings
    progress: Progress

    def copy(self, work: Work) -> str:
        """
        Have the target keep *work*'s version and return the version id that it has there, '' for none.

        Raises BackbeatError; nothing is left behind but what stood there.
        """
        backend = work.info.backend(self.settings.site)
        assert backend is not None
        known = backend.data_store_version_id
        if self.settings.one_version or (self.settings.versioned and not work.is_marker):
            return self._bring(work, known)
        if self._newest(work) is not None:
            # What a reader sees there is newer, or soon will be; going back would undo it.
            self._give_way(work, only_if=self._stands_there)
            return known
        version = self._bring(work, known)
        if not self.settings.versioned:
            # It may have become old while it was on its way.
            self._give_way(work)
        return version

    def _bring(self, work: Work, known: str) -> str:
        if work.is_marker:
            return self.target.delete(work.name)
        done_before = bool(known) or not self.settings.versioned
        if "DATA" not in work.info.content and done_before and work.size and self._retag(work, known):
            return known
        return self._whole(work).version

    def _give_way(self, work: Work, only_if: Callable[[Work], bool] = lambda work: True) -> None:
        """Put back what is newer than *work* and has perhaps been written over by it."""
        if self.settings.versioned:
            return
        while (newest := self._newest(work)) is not None and only_if(work):
            # Its own entry reports it; whoever comes second finds its bytes there already.
            self._bring(newest, "")
            work = newest

    def _newest(self, work: Work) -> Work | None:
        """Return the newest version of the object that the site has or will have, if that is not *work*."""
        entry = work.entry
        if "\0" not in entry.stored_key:
            return self._overwritten(work)
        after = ""
        prefix = entry.object_key + "\0"
        while page := self.store.scan(entry.bucket, prefix=prefix, after=after, limit=_PAGE):
            for document in page:
                if document.key >= entry.stored_key:
                    return None
                found = self._owed(work, document)
                if found is not None:
                    return found
            after = page[-1].key
        return None

    def _overwritten(self, work: Work) -> Work | None:
        """Return what stands in place of a null version by now, if it has other content (CE-31)."""
        document = self.store.get(work.entry.bucket, work.entry.stored_key)
        if document is None or md.content_md5(document.value) == md.content_md5(work.metadata):
            return None
        return self._owed(work, document)

    def _owed(self, work: Work, document: Document) -> Work | None:
        info = ReplicationInfo.from_document(document.value.get("replicationInfo") or {})
        # Also where it has FAILED: a retry may just be bringing it, whose reports are still on their way.
        if info.backend(self.settings.site) is None:
            return None
        return Work(ObjectEntry(work.entry.bucket, document.key, document.value), document.value, info, work.name)

    def _stands_there(self, work: Work) -> bool:
        """Return whether the target shows just this version: an earlier try brought it, too late."""
        try:
            return not work.is_marker and self._is_copy(work, self.target.head(work.name))
        except NotFound:
            return work.is_marker

    def _retag(self, work: Work, version: str) -> bool:
        """
        Change only what may have changed, where the site has a copy; False where it cannot be done so.

        Not only what the last operation changed: those before it may never have come to this site. Retention
        and legal holds are kept by no cloud site, and no reason to copy all data again (CE-25).
        """
        if not isinstance(self.target, TaggedLocation):
            return False
        try:
            if not version and not self._is_copy(work, self.target.head(work.name)):
                return False
            tags = _tags(work.metadata)
            if tags:
                self.target.put_tags(work.name, tags, version=version)
            else:
                self.target.delete_tags(work.name, version=version)
        except NotFound:
            return False  # the copy is gone: make it anew
        return True

    def _is_copy(self, work: Work, stored: Stored) -> bool:
        """Return whether what stands at an unversioned target is this version's data and not another's."""
        same_bytes = stored.size == work.size and stored.md5 in ("", md.content_md5(work.metadata))
        said = stored.attributes.user_metadata.get("scal-version-id")
        return same_bytes and (said is None or said == (work.entry.encoded_version_id or version_ids.NULL))

    def _whole(self, work: Work) -> Stored:
        md5 = md.content_md5(work.metadata)
        minimum = self.settings.min_mpu_size_mb
        target = self.target
        self.progress(work, MetricType.QUEUED, work.size)
        if (
            isinstance(target, UploadLocation)
            and minimum is not None
            and work.size
            and needs_parts(work.size, md5, min_mpu_size_mb=minimum)
        ):
            return self._in_parts(work, target)
        body: Iterable[bytes] = self._body(work.metadata, 0, work.size - 1) if work.size else ()
        # The target checks what arrives against the object's own MD5, which also says that what was read was
        # right. Only an object without one, uploaded in parts, has to be checked on its way (W-43).
        checksums = Checksums(work.metadata) if "-" in md5 else None
        stored = target.write(
            work.name,
            body if checksums is None else checksums.passing(body),
            size=work.size,
            md5=md5 if checksums is None else "",
            attributes=attributes_of(work.entry, work.metadata, stamp=self.settings.stamp),
        )
        if checksums is not None:
            checksums.finish()
            checksums.arrived(stored.md5)
        self.progress(work, MetricType.COMPLETED, work.size)
        return stored

    def _in_parts(self, work: Work, target: UploadLocation) -> Stored:
        attributes = attributes_of(work.entry, work.metadata, stamp=self.settings.stamp)
        checksums = Checksums(work.metadata)
        upload = target.begin(work.name, attributes=attributes)
        try:
            parts: list[Part] = []
            for number, piece in enumerate(ranges(work.size), start=1):
                assert piece is not None
                assert number <= MOST_PARTS
                body = checksums.passing(self._body(work.metadata, piece.start, piece.end))
                part = target.write_part(work.name, upload, number, body, size=piece.size)
                checksums.arrived(part.md5)
                parts.append(part)
                self.progress(work, MetricType.COMPLETED, piece.size)
            checksums.finish()
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
                source = self.sources(str(piece.get("dataStoreName", md.data_store_name(metadata))))
                yield from source.read(
                    str(piece["key"]),
                    start=first - at,
                    end=last - at,
                    version=str(piece.get("dataStoreVersionId") or ""),
                )
            at += size


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
