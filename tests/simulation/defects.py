"""The reference's defects, planted: each stands for a part of the product in some runs, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from backbeat_core.domain import metadata as md
from backbeat_core.domain.action import Action
from backbeat_core.domain.entry import ObjectEntry, decode_entry
from backbeat_core.domain.info import ReplicationInfo
from backbeat_core.domain.outcome import GarbageCollected, ReplicationSkipped, StatusIgnored
from backbeat_core.domain.ranges import reduced_locations
from backbeat_core.domain.status import Status
from backbeat_core.errors import BackbeatError, LocationRefused, UndecodableEntry
from backbeat_core.ports.coordinator import Lease, Node
from backbeat_core.ports.publishing import Publication
from backbeat_core.ports.queue import Message, Published, Record
from backbeat_core.ports.store import ANY, Document
from backbeat_core.queueing.outcome import Context, Done, Outcome
from backbeat_core.services.collect_garbage import GarbageCollector
from backbeat_core.services.populate import Populated, Populator
from backbeat_core.services.replicate import Copier, Replicator, Work
from backbeat_core.services.retry_failed import FailedOperations
from backbeat_core.services.update_status import StatusUpdater
from backbeat_core.testing.simulation.parts import Handler
from backbeat_core.testing.simulation.programs import STATUS


class Around:
    """Passes every call on to what it stands before; a subclass changes some."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


# Replication.


class DroppingReplicator(Replicator):
    """CE-1: what arrives while a task of the same version and MD5 is queued or running is dropped (PL-21 [U])."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.ended: dict[object, tuple[int, int]] = {}

    def identity(self, entry: ObjectEntry) -> object:
        return entry.bucket, entry.stored_key, md.content_md5(entry.metadata)

    def __call__(self, record: Record, context: Context) -> Outcome:
        try:
            entry = decode_entry(record.value)
        except UndecodableEntry:
            return super().__call__(record, context)
        if not isinstance(entry, ObjectEntry):
            return super().__call__(record, context)
        offset, ended_ms = self.ended.get(self.identity(entry), (record.offset, 0))
        if offset != record.offset and record.timestamp_ms <= ended_ms:
            return Done(ReplicationSkipped("duplicate"))
        outcome = super().__call__(record, context)
        if isinstance(outcome, Done):
            self.ended[self.identity(entry)] = record.offset, self._clock.now_ms()
        return outcome


class CollidingReplicator(DroppingReplicator):
    """CE-17: the same, and the key has neither the bucket nor, as nobody fills it in, the content."""

    def identity(self, entry: ObjectEntry) -> object:
        return entry.stored_key


class RestlessCopier(Copier):
    """CE-15: an older version is brought to a target whatever has come there since."""

    def _newest(self, work: Work) -> Work | None:
        return None


class StaleReplicator(Replicator):
    """CE-15: see `RestlessCopier`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        it = self._copier
        self._copier = RestlessCopier(it.sources, it.target, it.store, it.settings, it.progress)


class ShruggingReplicator(Replicator):
    """CE-16: a refusal is skipped without a report."""

    def _settle(self, entry: ObjectEntry, error: BackbeatError, context: Context) -> Outcome:
        if isinstance(error, LocationRefused):
            return Done(self._skip(entry, ReplicationSkipped("not allowed")))
        return super()._settle(entry, error, context)


class UncountingReplicator(Replicator):
    """CE-19: what is skipped stays pending in the counters."""

    def _skip(self, entry: ObjectEntry, skipped: ReplicationSkipped) -> ReplicationSkipped:
        return skipped


class LitteringReplicator(Replicator):
    """CE-28: what was written for a copy that failed is left behind."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._copier.target.abort = lambda name, upload: None  # type: ignore[attr-defined]


class HastyReplicator(Replicator):
    """W-01: an entry is done before its report is acknowledged."""

    def __init__(self, sources: Any, target: Any, store: Any, queue: Any, *rest: Any, **options: Any) -> None:
        super().__init__(sources, target, store, DeafQueue(queue), *rest, **options)


class DeafQueue(Around):
    """Takes what is published as stored, whatever the answer (CE-8)."""

    def publish(self, topic: str, messages: Sequence[Message]) -> Sequence[Published]:
        self.inner.publish(topic, messages)
        return [Published(0, 0) for _ in messages]


# Status.


class TimelessUpdater(StatusUpdater):
    """CE-2: a report counts whichever write it speaks of (ST-30 missing)."""

    def _ignored(
        self, entry: ObjectEntry, site: str, document: Document | None, stored: ReplicationInfo
    ) -> StatusIgnored | None:
        return super()._ignored(_of_now(entry, stored), site, document, stored)

    def _write(self, entry: ObjectEntry, site: str, document: Document, stored: ReplicationInfo) -> Any:
        return super()._write(_of_now(entry, stored), site, document, stored)


def _of_now(entry: ObjectEntry, stored: ReplicationInfo) -> ObjectEntry:
    return entry.with_info(attrs.evolve(entry.info, generation=stored.generation))


class ContentBlindUpdater(StatusUpdater):
    """CE-31: a report counts whichever content it speaks of."""

    def _ignored(
        self, entry: ObjectEntry, site: str, document: Document | None, stored: ReplicationInfo
    ) -> StatusIgnored | None:
        if document is not None:
            md5 = md.content_md5(document.value)
            entry = attrs.evolve(entry, metadata={**entry.metadata, "content-md5": md5})
        return super()._ignored(entry, site, document, stored)


class SilentUpdater(StatusUpdater):
    """CE-3: whoever finds a site COMPLETED does not tell the collector again."""

    def _ignored(
        self, entry: ObjectEntry, site: str, document: Document | None, stored: ReplicationInfo
    ) -> StatusIgnored | None:
        backend = stored.backend(site)
        if backend is not None and backend.status is Status.COMPLETED:
            return StatusIgnored("already completed")
        return super()._ignored(entry, site, document, stored)


class BlindStore(Around):
    """CE-4: what was read is written back without a look at what stands there now."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.seen: dict[tuple[str, str], Mapping[str, Any]] = {}

    def get(self, collection: str, key: str) -> Document | None:
        found: Document | None = self.inner.get(collection, key)
        if found is not None:
            self.seen[collection, key] = found.value
        return found

    def patch(self, collection: str, key: str, members: Mapping[str, Any], *, expected: Any = ANY) -> Document:
        written: Document = self.inner.patch(collection, key, members)
        return written


class ClobberingStore(BlindStore):
    """CE-5, CE-6: and not only what has changed, but the whole document, also where it has been deleted."""

    def patch(self, collection: str, key: str, members: Mapping[str, Any], *, expected: Any = ANY) -> Document:
        written: Document = self.inner.put(collection, key, {**self.seen[collection, key], **members})
        return written


class LocationCarryingStore(BlindStore):
    """CE-9: a status write carries the location that it has read."""

    def patch(self, collection: str, key: str, members: Mapping[str, Any], *, expected: Any = ANY) -> Document:
        seen = self.seen[collection, key]
        carried = {name: seen.get(name) for name in ("location", "dataStoreName")}
        written: Document = self.inner.patch(collection, key, {**carried, **members})
        return written


class FirstOnlyStore(Around):
    """CE-14: of a site that is listed twice only the first entry is updated."""

    def patch(self, collection: str, key: str, members: Mapping[str, Any], *, expected: Any = ANY) -> Document:
        before = self.inner.get(collection, key)
        info = members.get("replicationInfo")
        if before is not None and info is not None:
            backends, seen = [], set()
            for old, new in zip(before.value["replicationInfo"]["backends"], info["backends"], strict=True):
                backends.append(old if new["site"] in seen else new)
                seen.add(new["site"])
            members = {**members, "replicationInfo": {**info, "backends": backends}}
        written: Document = self.inner.patch(collection, key, members, expected=expected)
        return written


class MergingUpdater(StatusUpdater):
    """CE-11: the collector is told the locations merged by part."""

    def _garbage(
        self, entry: ObjectEntry, metadata: Mapping[str, Any], info: ReplicationInfo
    ) -> list[Publication]:
        merged = list(reduced_locations(md.locations(metadata)))
        return super()._garbage(entry, {**metadata, "location": merged}, info)


class AccusingUpdater(StatusUpdater):
    """CE-13: the failure of a site that is not listed makes the object FAILED."""

    def _ignored(
        self, entry: ObjectEntry, site: str, document: Document | None, stored: ReplicationInfo
    ) -> StatusIgnored | None:
        reported = entry.info.backend(site)
        failing = reported is not None and reported.status is Status.FAILED
        if document is not None and failing and stored.backend(site) is None:
            failed = attrs.evolve(stored, status=Status.FAILED).to_document()
            self._store.patch(entry.bucket, document.key, {"replicationInfo": failed})
        return super()._ignored(entry, site, document, stored)


class FragileUpdater(StatusUpdater):
    """CE-22: a report with a replay count, where no replays are configured any more, is a crash."""

    def __call__(self, record: Record) -> Any:
        entry = decode_entry(record.value)
        count = entry.replay_count if isinstance(entry, ObjectEntry) else None
        if count is not None and not self._settings.replays.attempts:
            raise TypeError("the length of nothing")
        return super().__call__(record)


def dropping_reports(tries: int) -> Any:
    """CE-7, W-02: a report that fails is logged and committed, after *tries* tries of the engine."""

    def around(role: str, handler: Handler) -> Handler:
        if role != STATUS:
            return handler

        def handle(record: Record, context: Context) -> Outcome:
            outcome = handler(record, context)
            return outcome if isinstance(outcome, Done) or context.retries < tries else Done()

        return handle

    return around


# Garbage.


class TrustingCollector(GarbageCollector):
    """CE-12: the data of what is archived is deleted first, and nobody looks whether it still is archived."""

    def _delete_archived(self, action: Action) -> Any:
        target = action.document["target"]
        document = self._document(target["bucket"], target["key"], target["version"])
        if document is not None:
            for piece in md.locations(document.value):
                self.locations(str(piece["dataStoreName"])).delete(str(piece["key"]))
            members = {"location": None, "dataStoreName": target["newLocation"]}
            self.store.patch(target["bucket"], document.key, members)
        return GarbageCollected(target["bucket"], target["key"], "archive", deleted=True)


# Populator.


class EagerPopulator(Populator):
    """W-14: the position that is saved is up to 16 records ahead of what is published."""

    def _save(self, position: str | None, *, expected: int | None) -> Node:
        if position is not None:
            position = str(min(int(position) + 16, int(self._store.position())))
        return super()._save(position, expected=expected)


class ForgetfulPopulator(Populator):
    """W-15: the position moves on when records are read, not when they are published."""

    def _batch(self) -> Populated:
        node = self._node or self._load()
        feed = self._store.changes(self._position, limit=self._settings.batch)
        if feed.position != self._position:
            self._node = self._save(feed.position, expected=node.version)
            self._position = feed.position
        batch = self._filter(feed.changes)
        self._publish(batch)
        return Populated(read=len(feed.changes), queued=len(batch.messages))


class LeaselessPopulator(Populator):
    """W-16: a member whose session has expired goes on, and the last to write the position is right."""

    def _hold_lease(self) -> bool:
        self._lease = self._lease or Lease(self._settings.lease, self._settings.owner, 0)
        return True

    def _save(self, position: str | None, *, expected: int | None) -> Node:
        data = f'{{"v":1,"offset":{"null" if position is None else chr(34) + position + chr(34)}}}'
        return self._coordinator.put(self._settings.position_path, data.encode())


# Retry.


class EndlessLocks(Around):
    """CE-21: the lock of a retry has no expiry."""

    def acquire(self, key: str, owner: str, ttl_ms: int) -> bool:
        taken: bool = self.inner.acquire(key, owner, 10**12)
        return taken


def stuck_operations(cache: Any, *rest: Any) -> FailedOperations:
    """CE-21: see `EndlessLocks`."""
    return FailedOperations(EndlessLocks(cache), *rest)


def forgetting_operations(cache: Any, queue: Any, clock: Any, read_source: Any, *rest: Any) -> FailedOperations:
    """B22: a version whose metadata cannot be read just now counts as gone, and its failure is forgotten."""

    def read(bucket: str, key: str, version: str) -> Any:
        try:
            return read_source(bucket, key, version)
        except BackbeatError:
            return None

    return FailedOperations(cache, queue, clock, read, *rest)
