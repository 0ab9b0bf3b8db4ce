"""A backend of the REST API that answers something of the right shape and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from backbeat_core.http.routing import Sites
from backbeat_core.services.retry_failed import RetryRequest


@attrs.define(slots=False)
class EchoBackend:
    """
    Each method remembers its call and answers with it.

    *error*, if given, is raised by everything but `sites`.
    """

    configured: Sites = attrs.field(factory=Sites)
    is_connected: bool = True
    error: Exception | None = None
    called: list[tuple[Any, ...]] = attrs.field(factory=list)

    def _answer(self, *call: Any) -> dict[str, Any]:
        self.called.append(call)
        if self.error is not None:
            raise self.error
        return {"called": list(map(str, call))}

    def sites(self) -> Sites:
        return self.configured

    def connected(self) -> bool:
        return self.is_connected

    def health(self) -> Any:
        return self._answer("health")

    def deep_health(self) -> Any:
        return self._answer("deep_health")

    def prometheus(self) -> str:
        self._answer("prometheus")
        return "# HELP x\n"

    def apply_workflows(self, overlay: Mapping[str, Any]) -> None:
        self._answer("apply_workflows", overlay)

    def metrics(self, service: str, kind: str, sites: Sequence[str]) -> Any:
        return self._answer("metrics", service, kind, sites)

    def history(self, sites: Sequence[str]) -> Any:
        return self._answer("history", sites)

    def object_progress(self, site: str, bucket: str, key: str, version_id: str) -> Any:
        return self._answer("object_progress", site, bucket, key, version_id)

    def object_throughput(self, site: str, bucket: str, key: str, version_id: str) -> Any:
        return self._answer("object_throughput", site, bucket, key, version_id)

    def failed_at_site(self, sitename: str | None, marker: int | None) -> Any:
        return self._answer("failed_at_site", sitename, marker)

    def failed_object(self, bucket: str, key: str, version_id: str) -> Any:
        return self._answer("failed_object", bucket, key, version_id)

    def retry(self, elements: Sequence[RetryRequest]) -> Any:
        return self._answer("retry", elements)

    def explain(self, bucket: str, key: str, version_id: str) -> Any:
        return self._answer("explain", bucket, key, version_id)

    def pause(self, service: str, sites: Sequence[str]) -> None:
        self._answer("pause", service, sites)

    def resume(self, service: str, sites: Sequence[str]) -> None:
        self._answer("resume", service, sites)

    def schedule(self, service: str, sites: Sequence[str], hours: int) -> None:
        self._answer("schedule", service, sites, hours)

    def cancel(self, service: str, sites: Sequence[str]) -> None:
        self._answer("cancel", service, sites)

    def status(self, service: str, sites: Sequence[str]) -> Any:
        return self._answer("status", service, sites)

    def schedules(self, service: str, sites: Sequence[str]) -> Any:
        return self._answer("schedules", service, sites)
