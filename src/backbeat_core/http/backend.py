"""What the API needs behind it: one method a use case, so that every host can bring its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from backbeat_core.domain.metadata import Json
from backbeat_core.http.routing import Sites
from backbeat_core.services.retry_failed import RetryRequest


class Backend(Protocol):
    """
    The use cases of the REST API. Called from many threads at once.

    Bodies are returned as JSON values, members in the order of http-api 3 to 7. Every method may raise
    an error of `backbeat_core.errors`: Unavailable is answered 500, InvalidDocument and NotFound as they say.
    *sites* are never empty names and are known to the service, except where noted.
    """

    def sites(self) -> Sites:
        """Return the sites of every service as they are configured now."""

    def connected(self) -> bool:
        """Return whether the coordinator and the producers of the queue are reachable (http-api 2.6)."""

    def health(self) -> Json:
        """Return the body of 7.1."""

    def deep_health(self) -> Json:
        """Return the body of 7.2."""

    def prometheus(self) -> str:
        """Return this process's metrics in the text format of Prometheus (7.3)."""

    def apply_workflows(self, overlay: Mapping[str, Json]) -> None:
        """Apply the workflows of *overlay* to their buckets (7.4)."""

    def metrics(self, service: str, kind: str, sites: Sequence[str]) -> Json:
        """Return one *kind* of metrics, or `all`, summed over *sites* (3.2)."""

    def history(self, sites: Sequence[str]) -> Json:
        """Return what was completed and failed at *sites* in each interval of the last 24 hours."""

    def object_progress(self, site: str, bucket: str, key: str, version_id: str) -> Json:
        """Return how much of a version has come to *site* (3.2)."""

    def object_throughput(self, site: str, bucket: str, key: str, version_id: str) -> Json:
        """Return how fast a version comes to *site* (3.2)."""

    def failed_at_site(self, sitename: str | None, marker: int | None) -> Json:
        """Return one page of failures (5.3). *sitename* is any text; None lists nothing."""

    def failed_object(self, bucket: str, key: str, version_id: str) -> Json:
        """Return the failures of one version at every site of crr (5.4); '' is the unversioned object."""

    def retry(self, elements: Sequence[RetryRequest]) -> Json:
        """Retry and return what was retried (5.5). The sites of *elements* are any texts."""

    def explain(self, bucket: str, key: str, version_id: str) -> Json:
        """Return why a version ('' is the current one) is in its state. Raises NotFound."""

    def pause(self, service: str, sites: Sequence[str]) -> None:
        """Pause *sites* (6.5)."""

    def resume(self, service: str, sites: Sequence[str]) -> None:
        """Resume *sites* now (6.5)."""

    def schedule(self, service: str, sites: Sequence[str], hours: int) -> None:
        """Resume those of *sites* that are paused, in *hours* (6.5)."""

    def cancel(self, service: str, sites: Sequence[str]) -> None:
        """Forget the scheduled resumes of *sites* (6.5)."""

    def status(self, service: str, sites: Sequence[str]) -> Mapping[str, str]:
        """Return `enabled` or `disabled` for each of *sites*, in their order (6.5)."""

    def schedules(self, service: str, sites: Sequence[str]) -> Mapping[str, str]:
        """Return the scheduled resume of each of *sites*, in their order, or `none` (6.5)."""
