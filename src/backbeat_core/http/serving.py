"""The services of this house as what stands behind the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs

from backbeat_core.domain.metadata import Json
from backbeat_core.http.backend import Backend
from backbeat_core.http.routes import ALL
from backbeat_core.http.routing import Sites
from backbeat_core.services.healthcheck import Health
from backbeat_core.services.metrics import Metrics
from backbeat_core.services.pause_resume import PauseResume
from backbeat_core.services.retry_failed import FailedOperations, RetryRequest


@attrs.frozen
class ServiceBackend(Backend):
    """
    A `Backend` made of services, and of functions for what only a host knows.

    *list_sites* gives the sites as they are configured now, *is_connected* whether the engines are reachable
    (http-api 2.6), *exposition* the process's metrics as Prometheus reads them, *apply* applies an overlay of
    workflows (7.4), *explain_version* (bucket, key, encoded version id) says why a version is as it is.
    """

    list_sites: Callable[[], Sites]
    checks: Health
    counters: Metrics
    failures: FailedOperations
    pauses: PauseResume
    is_connected: Callable[[], bool]
    exposition: Callable[[], str]
    apply: Callable[[Mapping[str, Json]], None]
    explain_version: Callable[[str, str, str], Json]

    def sites(self) -> Sites:
        return self.list_sites()

    def connected(self) -> bool:
        return self.is_connected()

    def health(self) -> Json:
        return self.checks.check()

    def deep_health(self) -> Json:
        return self.checks.deep()

    def prometheus(self) -> str:
        return self.exposition()

    def apply_workflows(self, overlay: Mapping[str, Json]) -> None:
        self.apply(overlay)

    def metrics(self, service: str, kind: str, sites: Sequence[str]) -> Json:
        return self.counters.answer(kind, ALL, sites, service=service)

    def object_progress(self, site: str, bucket: str, key: str, version_id: str) -> Json:
        return self.counters.progress(site, bucket, key, version_id)

    def object_throughput(self, site: str, bucket: str, key: str, version_id: str) -> Json:
        return self.counters.throughput(site, bucket, key, version_id)

    def failed_at_site(self, sitename: str | None, marker: int | None) -> Json:
        return self.failures.list(sitename, marker or 0)

    def failed_object(self, bucket: str, key: str, version_id: str) -> Json:
        return self.failures.find(bucket, key, version_id, self.list_sites().crr)

    def retry(self, elements: Sequence[RetryRequest]) -> Json:
        return self.failures.retry(elements)

    def explain(self, bucket: str, key: str, version_id: str) -> Json:
        return self.explain_version(bucket, key, version_id)

    def pause(self, service: str, sites: Sequence[str]) -> None:
        self.pauses.pause(service, sites)

    def resume(self, service: str, sites: Sequence[str]) -> None:
        self.pauses.resume(service, sites)

    def schedule(self, service: str, sites: Sequence[str], hours: int) -> None:
        self.pauses.schedule(service, sites, hours)

    def cancel(self, service: str, sites: Sequence[str]) -> None:
        self.pauses.cancel(service, sites)

    def status(self, service: str, sites: Sequence[str]) -> Mapping[str, str]:
        return self.pauses.status(service, sites)

    def schedules(self, service: str, sites: Sequence[str]) -> Mapping[str, str]:
        return self.pauses.schedules(service, sites)
