"""Every count again from what is stored: how each site stands, and where the counters say otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import attrs

from backbeat_core.domain import metadata as md
from backbeat_core.domain.entry import stands_alone
from backbeat_core.domain.info import ReplicationInfo
from backbeat_core.domain.keys import DataPoint, RedisKeys, Service, hour_starts
from backbeat_core.domain.status import Status
from backbeat_core.errors import InvalidDocument
from backbeat_core.ports.cache import Cache, Count, SetCounter, Size
from backbeat_core.ports.clock import Clock
from backbeat_core.ports.store import Document, Store

_PAGE: Final = 1000


@attrs.frozen
class Tally:
    """
    How the versions stand that are owed to one site: put = completed + pending + failed + skipped (INV-16).

    *skipped* are those that nobody will work on: they have no status that leads to work. *pending_bytes* is
    what the pending ones will move.
    """

    completed: int = 0
    pending: int = 0
    failed: int = 0
    skipped: int = 0
    pending_bytes: int = 0

    @property
    def put(self) -> int:
        """All versions that were armed for the site."""
        return self.completed + self.pending + self.failed + self.skipped

    def counting(self, status: Status, size: int) -> Tally:
        """Return the tally with one version more."""
        name = _COUNTED_AS.get(status, "skipped")
        added = attrs.evolve(self, **{name: getattr(self, name) + 1})
        return attrs.evolve(added, pending_bytes=self.pending_bytes + size) if name == "pending" else added


_COUNTED_AS: Final[Mapping[Status, str]] = {
    Status.COMPLETED: "completed",
    Status.PENDING: "pending",
    Status.PROCESSING: "pending",
    Status.FAILED: "failed",
}


@attrs.frozen
class Difference:
    """A counter that does not say what is stored."""

    key: str
    counted: int
    stored: int


@attrs.frozen
class Report:
    """
    What a recount has found.

    *unlisted* gives for each site how many failed versions the sets of the last 24 hours do not have: their
    failure is older, or its record was lost.
    """

    tallies: Mapping[str, Tally]
    differences: tuple[Difference, ...]
    unlisted: Mapping[str, int]
    unreadable: int = 0
    """Documents whose replication information cannot be read; they are in no tally."""


@attrs.frozen
class Recount:
    """
    Derives the gauges of the Cache from the Store.

    It reads every document, so it is for an hour with little to do; work that goes on meanwhile makes
    differences of its own.
    """

    store: Store
    cache: Cache
    clock: Clock
    keys: RedisKeys = attrs.field(factory=RedisKeys)

    def __call__(self, buckets: Iterable[str], sites: Sequence[str] = ()) -> Report:
        """
        Count the versions of *buckets* for every site that they name, and for *sites* in any case.

        Raises StoreUnavailable, CacheUnavailable.
        """
        tallies: dict[str, Tally] = {site: Tally() for site in sites}
        unreadable = 0
        for document in self._versions(buckets):
            try:
                info = ReplicationInfo.from_document(document.value.get("replicationInfo") or {})
            except InvalidDocument:
                unreadable += 1
                continue
            if info.status is Status.REPLICA:
                continue
            size = md.bytes_to_replicate(document.value, info.content)
            for backend in info.backends:
                tally = tallies.get(backend.site, Tally())
                tallies[backend.site] = tally.counting(backend.status, size)
        return Report(tallies, self._differences(tallies), self._unlisted(tallies), unreadable)

    def repair(self, report: Report) -> None:
        """Set the counters that differ to what is stored. Raises CacheUnavailable."""
        self.cache.write([SetCounter(each.key, each.stored) for each in report.differences])

    def _versions(self, buckets: Iterable[str]) -> Iterator[Document]:
        """Yield every version once: the record of a version, not the copy that the master key has of it."""
        for bucket in buckets:
            after = ""
            while page := self.store.scan(bucket, after=after, limit=_PAGE):
                yield from (document for document in page if _is_version(document))
                after = page[-1].key

    def _differences(self, tallies: Mapping[str, Tally]) -> tuple[Difference, ...]:
        stored = {
            self.keys.pending(site, Service.CRR, point): number
            for site, tally in tallies.items()
            for point, number in (
                (DataPoint.OPS_PENDING, tally.pending),
                (DataPoint.BYTES_PENDING, tally.pending_bytes),
            )
        }
        counted = self.cache.read([Count(key) for key in stored]) if stored else ()
        return tuple(
            Difference(key, number, expected)
            for (key, expected), number in zip(stored.items(), counted, strict=True)
            if isinstance(number, int) and number != expected
        )

    def _unlisted(self, tallies: Mapping[str, Tally]) -> Mapping[str, int]:
        hours = hour_starts(self.clock.now_ms())
        failed = {site: tally.failed for site, tally in tallies.items() if tally.failed}
        questions = [Size(self.keys.failures(site, hour)) for site in failed for hour in hours]
        sizes = [size for size in (self.cache.read(questions) if questions else ()) if isinstance(size, int)]
        listed = {site: sum(sizes[index * len(hours) :][: len(hours)]) for index, site in enumerate(failed)}
        return {site: number - listed[site] for site, number in failed.items() if number > listed[site]}


def _is_version(document: Document) -> bool:
    """Return whether a document is the record of a version, or of an object without versions."""
    key = md.strip_key_format(document.key)
    return not md.is_master_key(key) or stands_alone(document.value)
