"""What stands behind the REST API of one process: the use cases over its engines."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from backbeat_adapters.bootstrap import Ports, Settings
from backbeat_adapters.recent import Recent
from backbeat_core.domain.keys import Service
from backbeat_core.errors import BackbeatError, NotFound
from backbeat_core.http.routing import Sites
from backbeat_core.services.healthcheck import Connected, Describe, Health, HealthSettings, Ready
from backbeat_core.services.metrics import Metrics, MetricsSettings
from backbeat_core.services.pause_resume import PauseResume, PauseSettings
from backbeat_core.services.retry_failed import FailedOperations, ReadSource, RetryRequest, RetrySettings

CONNECTED_FOR_MS: Final = 500
"""For so long engines that have answered are taken to be reachable."""

METRICS_FOR_MS: Final = 50
"""So old may metrics be. Not under `CI=true`, whose tests read what they have just written."""


def new_id() -> str:
    """Return a text that no other process gives."""
    return uuid.uuid4().hex


@attrs.define(eq=False)
class ApiBackend:
    """
    The use cases of the REST API over one set of engines (`backbeat_core.http.backend.Backend`).

    *find_sites* gives the sites as they are configured now; *explainer* and *exposition* what the process
    knows of an object and of itself. *in_sync*: how many replicas of a partition are healthy. *each*: `map`, or
    what does the same on several threads, for a source that takes its time.
    """

    ports: Ports
    settings: Settings
    find_sites: Callable[[], Sites]
    read_source: ReadSource
    explainer: Callable[[str, str, str], Any] | None = None
    exposition: Callable[[], str] = str
    workflows: Callable[[Mapping[str, Any]], None] | None = None
    describe: Describe | None = None
    connection: Connected | None = None
    ready: Ready | None = None
    in_sync: int = 3
    test_mode: bool = False
    each: Callable[..., Iterable[Any]] = map
    _metrics: Metrics = attrs.field(init=False)
    _failed: FailedOperations = attrs.field(init=False)
    _pauses: PauseResume = attrs.field(init=False)
    _health: Health = attrs.field(init=False)
    _recent: Recent = attrs.field(init=False)
    _well_until_ms: int = attrs.field(init=False, default=-1)

    def __attrs_post_init__(self) -> None:
        self._recent = Recent(self.ports.clock, 0 if self.test_mode else METRICS_FOR_MS)
        ports, topics, keys = self.ports, self.settings.topics, self.settings.keys
        self._metrics = Metrics(ports.cache, ports.clock, MetricsSettings(keys=keys))
        self._failed = FailedOperations(
            ports.cache,
            ports.queue,
            ports.clock,
            self.read_source,
            new_id,
            RetrySettings(topics.replication, topics.status, keys=keys),
            self.each,
        )
        self._pauses = PauseResume(
            ports.cache,
            ports.coordinator,
            ports.store,
            ports.clock,
            PauseSettings(
                topics={Service.CRR: topics.replication, Service.INGESTION: topics.ingestion},
                test_mode=self.test_mode,
            ),
        )
        self._health = Health(
            ports.queue,
            ports.coordinator,
            ports.clock,
            new_id,
            HealthSettings(topic=topics.replication, in_sync=self.in_sync),
            describe=self.describe,
            connected=self.connection,
            ready=self.ready,
        )

    @property
    def pauses(self) -> PauseResume:
        """Return the API's side of pausing."""
        return self._pauses

    @property
    def failed(self) -> FailedOperations:
        """Return the failed operations."""
        return self._failed

    def sites(self) -> Sites:
        return self.find_sites()

    def connected(self) -> bool:
        """
        Ask the coordinator and the queue, unless they have just answered.

        For so long a loss shows in what the use case itself is told; a recovery shows at once.
        """
        if self.ready is not None and not self.ready():
            return False
        now_ms = self.ports.clock.elapsed_ms()
        if now_ms < self._well_until_ms:
            return True
        try:
            self.ports.coordinator.get("/")
            self.ports.queue.watermarks(self.settings.topics.replication)
        except BackbeatError:
            return False
        self._well_until_ms = now_ms + CONNECTED_FOR_MS
        return True

    def health(self) -> Any:
        return self._health.check()

    def deep_health(self) -> Any:
        return self._health.deep()

    def prometheus(self) -> str:
        return self.exposition()

    def apply_workflows(self, overlay: Mapping[str, Any]) -> None:
        if self.workflows is None:
            raise NotFound("a source that takes bucket configurations")
        self.workflows(overlay)

    def metrics(self, service: str, kind: str, sites: Sequence[str]) -> Any:
        # A day of counters of every site is much to read, and those who look on ask for it together.
        asked = (service, kind, tuple(sites))
        return self._recent.get(asked, lambda: self._metrics.answer(kind, "all", sites, service=service))

    def history(self, sites: Sequence[str]) -> Any:
        return self._metrics.history(sites)

    def object_progress(self, site: str, bucket: str, key: str, version_id: str) -> Any:
        return self._metrics.progress(site, bucket, key, version_id)

    def object_throughput(self, site: str, bucket: str, key: str, version_id: str) -> Any:
        return self._metrics.throughput(site, bucket, key, version_id)

    def failed_at_site(self, sitename: str | None, marker: int | None) -> Any:
        return self._failed.list(sitename, marker or 0)

    def failed_object(self, bucket: str, key: str, version_id: str) -> Any:
        return self._failed.find(bucket, key, version_id, self.find_sites().crr)

    def retry(self, elements: Sequence[RetryRequest]) -> Any:
        return self._failed.retry(elements)

    def explain(self, bucket: str, key: str, version_id: str) -> Any:
        if self.explainer is None:
            raise NotFound("an explanation")
        return self.explainer(bucket, key, version_id)

    def pause(self, service: str, sites: Sequence[str]) -> None:
        self._pauses.pause(service, sites)

    def resume(self, service: str, sites: Sequence[str]) -> None:
        self._pauses.resume(service, sites)

    def schedule(self, service: str, sites: Sequence[str], hours: int) -> None:
        self._pauses.schedule(service, sites, hours)

    def cancel(self, service: str, sites: Sequence[str]) -> None:
        self._pauses.cancel(service, sites)

    def status(self, service: str, sites: Sequence[str]) -> Mapping[str, str]:
        return self._pauses.status(service, sites)

    def schedules(self, service: str, sites: Sequence[str]) -> Mapping[str, str]:
        return self._pauses.schedules(service, sites)
