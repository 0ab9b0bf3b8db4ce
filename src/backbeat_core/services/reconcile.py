"""Finds versions that have waited too long and queues them again, whatever has become of their entries (CE-8)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from backbeat_core.domain import metadata as md
from backbeat_core.domain.entry import ObjectEntry, retry_entry
from backbeat_core.domain.info import ReplicationInfo
from backbeat_core.domain.messages import MetricMessage, MetricType
from backbeat_core.domain.status import Status
from backbeat_core.domain.wire import parse_iso
from backbeat_core.ports.clock import Clock
from backbeat_core.ports.publishing import Publication, publish_all
from backbeat_core.ports.queue import Message, Queue
from backbeat_core.ports.store import Document, Store


@attrs.frozen
class ReconcileSettings:
    """*older_than_ms*: how long a version may be owed to a site before its entry counts as lost."""

    buckets: tuple[str, ...]
    topic: str = "backbeat-replication"
    metrics_topic: str = "backbeat-metrics"
    older_than_ms: int = 3_600_000
    page: int = 500


@attrs.frozen
class Requeued:
    """A version that was queued again for *site*, and why."""

    bucket: str
    key: str
    site: str
    reason: str


@attrs.define
class Reconciler:
    """
    Walks the buckets, a page a step.

    Queuing what is still on its way does no harm: the second entry finds the site COMPLETED and is skipped.
    Each entry counts as pending until its end, as any other (INV-16).
    *since_ms* tells from when a version has been waiting; by default its last modification.
    """

    store: Store
    queue: Queue
    clock: Clock
    settings: ReconcileSettings
    since_ms: Callable[[Document], int] = attrs.field(default=lambda document: _modified_ms(document))
    _bucket: int = 0
    _after: str = ""

    def step(self) -> tuple[Sequence[Requeued], bool]:
        """
        Look at one page and return what was queued again, and whether the round is over.

        Raises StoreUnavailable, QueueUnavailable; the page is looked at again then.
        """
        if self._bucket >= len(self.settings.buckets):
            self._bucket, self._after = 0, ""
            return (), True
        bucket = self.settings.buckets[self._bucket]
        page = self.store.scan(bucket, after=self._after, limit=self.settings.page)
        found: list[Requeued] = []
        publications: list[Publication] = []
        for document in page:
            for site, reason in self._owed(document):
                entry = retry_entry(ObjectEntry(bucket, document.key, document.value), site)
                publications += self._queued(entry, site)
                found.append(Requeued(bucket, document.key, site, reason))
        publish_all(self.queue, publications)
        if len(page) < self.settings.page:
            self._bucket, self._after = self._bucket + 1, ""
        else:
            self._after = page[-1].key
        return found, self._bucket >= len(self.settings.buckets) and not page

    def _queued(self, entry: ObjectEntry, site: str) -> list[Publication]:
        size = md.bytes_to_replicate(entry.metadata, entry.info.content)
        metric = MetricMessage.site_level(
            self.clock.now_ms(), "crr", MetricType.PENDING_ONLY.value, site, ops=1, size=size
        )
        return [
            Publication(self.settings.topic, Message(entry.encode(), key=entry.message_key)),
            Publication(self.settings.metrics_topic, Message(metric.encode())),
        ]

    def _owed(self, document: Document) -> list[tuple[str, str]]:
        info = ReplicationInfo.from_document(document.value.get("replicationInfo") or {})
        if info.status in (Status.NONE, Status.REPLICA, Status.COMPLETED):
            return []
        waited = self.clock.now_ms() - self.since_ms(document)
        if waited < self.settings.older_than_ms:
            return []
        return [
            (backend.site, f"{backend.status.value} for {waited // 1000} s, object {info.status.value}")
            for backend in info.backends
            if backend.status is Status.PENDING
        ]


def _modified_ms(document: Document) -> int:
    return parse_iso(str(document.value.get("last-modified") or "")) or 0
