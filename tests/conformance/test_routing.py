"""Section 9 of http-api, "Routing", line by line, over HTTP against real Redis and ZooKeeper."""

from __future__ import annotations

import pytest

from conformance.deployment import INGESTION_1, SITE_1, Channels, Deployment

pytestmark = [pytest.mark.redis, pytest.mark.zookeeper]

WRONG_TYPES = (
    *("backlo", "backlogs", "completion", "completionss", "failure", "failuress", "throughpu", "throughputs"),
    *("pendin", "pendings", "progres", "progresss", "progress"),
)


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/metrics/crr/all", "/_/metrics", "/_/metrics/backlog", "/_/m/crr/all", "/_/metricss/crr/all"),
        *("/_/metrics/c/all", "/_/metrics/crrr/all", "/_/metrics/ingestio/all", "/_/metrics/ingestionn/all"),
        *(f"/_/metrics/{service}/all/{word}" for service in ("crr", "ingestion") for word in WRONG_TYPES),
        *("/_/metrics/ingestion/all/backlog", "/_/metrics/ingestion/all/failures"),
        "/_/metrics/crr/wrong-site/completions",
    ],
)
def test_unknown_routes_services_types_and_sites_are_404_not_found(server: Deployment, path: str) -> None:
    answer = server.ask("GET", path)

    assert (404, "Not Found", True) == (answer.status, answer.phrase, answer.body["RouteNotFound"])


@pytest.mark.parametrize("kind", ["progress", "throughput"])
@pytest.mark.parametrize(
    "rest", ["bucket", "bucket/", "bucket/object", "bucket/object?versionId=", "bucket/?versionId=v"]
)
def test_metrics_of_an_object_that_is_not_fully_named_are_404(server: Deployment, kind: str, rest: str) -> None:
    answer = server.ask("GET", f"/_/metrics/crr/{SITE_1}/{kind}/{rest}")

    assert (404, "Not Found", True) == (answer.status, answer.phrase, answer.body["RouteNotFound"])


def test_delete_of_healthcheck_is_405(server: Deployment) -> None:
    answer = server.ask("DELETE", "/_/healthcheck")

    assert (405, True) == (answer.status, answer.body["MethodNotAllowed"])


@pytest.mark.parametrize("query", ["marker=foo", "marker=", "sitename="])
def test_a_marker_that_is_no_number_and_an_empty_sitename_are_400(server: Deployment, query: str) -> None:
    answer = server.ask("GET", f"/_/crr/failed?{query}")

    assert (400, True) == (answer.status, answer.body["InvalidQueryParameter"])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *((method, f"/_/{service}/{action}/wrong-site")
          for service in ("crr", "ingestion")
          for method, action in (("POST", "pause"), ("POST", "resume"), ("GET", "status"))),
        *((method, f"/_/ingestion/{action}/{SITE_1}")
          for method, action in (("POST", "pause"), ("POST", "resume"), ("GET", "status"))),
        *(("POST", f"/_/{service}/status") for service in ("crr", "ingestion", "lifecycle")),
    ],
)  # fmt: skip
def test_pause_resume_and_status_of_what_is_not_known_are_404_and_nothing_is_published(
    server: Deployment, channels: Channels, states: str, method: str, path: str
) -> None:
    answer = server.ask(method, path, {} if method == "POST" else None)

    assert (404, "Not Found", True) == (answer.status, answer.phrase, answer.body["RouteNotFound"])
    assert [] == channels.messages()


@pytest.mark.parametrize(
    "path",
    [
        *("/_/crr/failed?mymarker", "/_/crr/failed/mybucket", "/_/crr/resume", "/_/lifecycle/status"),
        f"/_/ingestion/status/{INGESTION_1}",
    ],
)
def test_route_resolution_also_accepts(server: Deployment, states: str, path: str) -> None:
    server.get(path)
