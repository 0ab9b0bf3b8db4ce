"""The whole function: what each request is answered, in which order it is checked, and who is never let in."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core import errors
from backbeat_core.access import Access, AllowList
from backbeat_core.http.api import Api, Report, refuse, respond
from backbeat_core.http.bodies import MOST_BYTES
from backbeat_core.http.message import PROMETHEUS_TYPE, Request, Response
from backbeat_core.http.routes import ROUTES, Operation, Route
from backbeat_core.http.routing import Sites
from backbeat_core.responses import CATALOGUE, Component
from backbeat_core.services.retry_failed import RetryRequest
from support.backend import EchoBackend

SITES = Sites(crr=("aws", "azure"), ingestion=("ring",), lifecycle=("us-east-1",))
LOCAL = "127.0.0.1"
RETRY = b'[{"Bucket":"b","Key":"k","StorageClass":"s","VersionId":"v"}]'


def backend(**more: object) -> EchoBackend:
    return EchoBackend(SITES, **more)  # type: ignore[arg-type]


def ask(api: Api, method: str, target: str, body: bytes = b"", peer: str = LOCAL, *headers: tuple) -> Response:
    return respond(api, Request(method, target, headers, body, peer))


def error(response: Response) -> tuple[int, str, str]:
    document = json.loads(response.body)
    assert ["code", "description"] == list(document)[:2]
    assert response.status == document["code"]
    assert response.content_type == "application/json"
    return response.status, list(document)[2], document["description"]


def example(route: Route) -> tuple[str, str, bytes]:
    """Return a request that the route is for."""
    service = (route.services or ("",))[0]
    values = {"{service}": service, "{site}": "aws", "{bucket}": "b", "{key}": "k%2Fl"}
    path = "/".join(values.get(word, word) for word in route.words)
    body = {"Retry": RETRY, "Schedule": b'{"hours":3}', "Workflows": b'{"version":1}'}.get(route.body or "", b"")
    return route.method, f"/_/backbeat/api/{path}?versionId=v&sitename=aws&marker=12", body


CALLS = {
    Operation.HEALTH: ("health",),
    Operation.DEEP_HEALTH: ("deep_health",),
    Operation.PROMETHEUS: ("prometheus",),
    Operation.WORKFLOWS: ("apply_workflows", {"version": 1}),
    Operation.ALL_METRICS: ("metrics", "crr", "all", ("aws",)),
    Operation.PENDING: ("metrics", "crr", "pending", ("aws",)),
    Operation.BACKLOG: ("metrics", "crr", "backlog", ("aws",)),
    Operation.COMPLETIONS: ("metrics", "crr", "completions", ("aws",)),
    Operation.FAILURES: ("metrics", "crr", "failures", ("aws",)),
    Operation.THROUGHPUT: ("metrics", "crr", "throughput", ("aws",)),
    Operation.HISTORY: ("history", ("aws",)),
    Operation.OBJECT_PROGRESS: ("object_progress", "aws", "b", "k/l", "v"),
    Operation.OBJECT_THROUGHPUT: ("object_throughput", "aws", "b", "k/l", "v"),
    Operation.FAILED_AT_SITE: ("failed_at_site", "aws", 12),
    Operation.FAILED_OBJECT: ("failed_object", "b", "k/l", "v"),
    Operation.RETRY: ("retry", (RetryRequest("b", "k", "s", "v"),)),
    Operation.EXPLAIN: ("explain", "b", "k/l", "v"),
    Operation.PAUSE: ("pause", "crr", ("aws",)),
    Operation.RESUME: ("resume", "crr", ("aws",)),
    Operation.SCHEDULE: ("schedule", "crr", ("aws",), 3),
    Operation.CANCEL: ("cancel", "crr", ("aws",)),
    Operation.RESUME_SCHEDULE: ("schedules", "crr", ("aws",)),
    Operation.STATUS: ("status", "crr", ("aws",)),
}


def by_route(test: Callable) -> Callable:
    return pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.pattern}")(test)


# --- answers -----------------------------------------------------------------------------------------------


@by_route
def test_every_route_asks_its_use_case_and_answers_with_what_that_says(route: Route) -> None:
    behind = backend()
    response = ask(Api(behind), *example(route))
    assert response.status == 200
    assert ("Content-Length", str(len(response.body))) in response.headers
    assert ("Content-Type", response.content_type) in response.headers
    if route.operation is Operation.OPENAPI:
        assert behind.called == []
        return
    assert [CALLS[route.operation]] == behind.called
    if route.answer == "Text":
        assert (PROMETHEUS_TYPE, b"# HELP x\n") == (response.content_type, response.body)
        return
    called = [str(part) for part in CALLS[route.operation]]
    expected = {} if route.answer == "Empty" else {"called": called}
    assert expected == json.loads(response.body)
    assert response.content_type == "application/json"
    assert b": " not in response.body


def test_bodies_of_requests_that_have_none_are_ignored() -> None:
    behind = backend()
    for method, path in (
        ("GET", "crr/status"),
        ("DELETE", "crr/resume"),
        ("POST", "crr/pause"),
        ("POST", "crr/resume"),
    ):
        assert ask(Api(behind), method, f"/_/{path}", b"\xff[").status == 200
    assert ask(Api(behind), "GET", "/_/crr/status", b"x" * (MOST_BYTES + 1)).status == 200


def test_text_for_prometheus_is_never_refused_for_a_character() -> None:
    behind = backend()
    behind.prometheus = lambda: "é\ud800"  # type: ignore[method-assign]
    assert "é?".encode() == ask(Api(behind), "GET", "/_/monitoring/metrics").body


def test_metrics_of_no_site_are_a_404_of_their_own() -> None:
    behind = backend()
    for path in ("metrics/crr", "metrics/crr/", "metrics/crr//pending", "metrics/ingestion"):
        assert (404, "RouteNotFound", "invalid site name provided") == error(ask(Api(behind), "GET", f"/_/{path}"))
    for path in ("progress", "throughput"):
        response = ask(Api(behind), "GET", f"/_/metrics/crr//{path}/b/k?versionId=v")
        assert (404, "RouteNotFound", "invalid site name provided") == error(response)
    assert behind.called == []


# --- the order of checks (http-api 2.2) --------------------------------------------------------------------


def test_each_check_comes_before_the_next() -> None:
    down = backend(is_connected=False)
    api = Api(down)
    steps = [
        (("PUT", "/nope", b"", "10.0.0.1"), (403, "AccessDenied")),
        (("PUT", "/nope", b"", LOCAL), (405, "MethodNotAllowed")),
        (("GET", "/nope?marker=x", b"", LOCAL), (404, "RouteNotFound")),
        (("GET", "/_/nope?marker=x", b"", LOCAL), (404, "RouteNotFound")),
        (("POST", "/_/crr/failed?marker=x", b"[", LOCAL), (400, "InvalidQueryParameter")),
        (("POST", "/_/crr/failed", b"[", LOCAL), (500, "InternalError")),
    ]
    for request, expected in steps:
        assert expected == error(ask(api, *request))[:2]
    down.is_connected = True
    assert error(ask(api, "POST", "/_/crr/failed", b"["))[:2] == (400, "MalformedPOSTRequest")
    assert down.called == []


def test_a_stranger_learns_nothing_but_that() -> None:
    expected = (403, "AccessDenied", "invalid origin ip request")
    for method, target in (("GET", "http://[/"), ("GET", "/_/healthcheck"), ("\0", "\ud800"), ("PUT", "")):
        assert expected == error(ask(Api(backend()), method, target, b"", "10.0.0.1"))


def test_a_browser_that_is_used_against_its_owner_is_refused_before_its_method_is_looked_at() -> None:
    for headers in ((("host", "evil.com"),), (("host", LOCAL), ("origin", "http://evil.com"))):
        response = ask(Api(backend()), "PUT", "/nope", b"", LOCAL, *headers)
        assert (403, "AccessDenied", "Access Denied") == error(response)


@by_route
def test_lost_connections_are_told_by_health_and_a_500_elsewhere(route: Route) -> None:
    """B8, B9: health is reported in its body, Prometheus gets a JSON error."""
    response = ask(Api(backend(is_connected=False)), *example(route))
    if route.operation in (Operation.HEALTH, Operation.DEEP_HEALTH, Operation.OPENAPI):
        assert response.status == 200
    else:
        assert (500, "InternalError", "error connecting to internal client") == error(response)


def test_a_body_over_the_limit_is_a_400_on_every_post() -> None:
    behind = backend()
    for path in ("crr/failed", "crr/pause", "crr/resume", "crr/resume/all/schedule", "configuration/workflows"):
        status, code, _ = error(ask(Api(behind), "POST", f"/_/{path}", b" " * (MOST_BYTES + 1)))
        assert (400, "MalformedPOSTRequest") == (status, code)
    assert behind.called == []


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("PUT", "/_/healthcheck", "GET"),
        ("POST", "/_/healthcheck", "GET"),
        ("GET", "/_/configuration/workflows", "POST"),
        ("DELETE", "/_/metrics/crr/aws/pending", "GET"),
        ("HEAD", "/_/crr/failed?marker=x", "GET, POST"),
        ("OPTIONS", "/_/crr/resume/aws/schedule", "GET, POST, DELETE"),
        ("PATCH", "/_/crr/pause", "POST"),
        ("PUT", "/_/crr/pause/nope", "POST"),
        ("PUT", "/_/backbeat/api/crr/failed/b/k/l?versionId=", "GET"),
        ("PUT", "/_/crr/failed/b", "GET, POST, DELETE"),
        ("PUT", "/_/crr/failed/", "GET, POST"),
        ("PUT", "/_/crr/resume/aws/", "GET, POST, DELETE"),
        ("PUT", "/_/metrics/crr/nope/progress/b/k?versionId=v", "GET"),
        ("PUT", "/_/metrics/lifecycle/nope", "GET, POST, DELETE"),
        ("PUT", "/nope", "GET, POST, DELETE"),
    ],
)
def test_a_405_names_the_methods_that_the_path_has(method: str, path: str, expected: str) -> None:
    response = ask(Api(backend()), method, path)
    assert (405, expected) == (response.status, dict(response.headers)["Allow"])


def test_a_405_does_not_depend_on_the_sites() -> None:
    behind = backend()
    behind.sites = lambda: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    response = ask(Api(behind), "PUT", "/_/crr/pause")
    assert (405, "POST") == (response.status, dict(response.headers)["Allow"])


# --- what goes wrong behind --------------------------------------------------------------------------------


class Bug(Exception):
    """What nobody expects."""


@by_route
@pytest.mark.parametrize(
    ("failure", "component"),
    [
        (errors.CacheUnavailable("secret"), Component.CACHE),
        (errors.QueueUnavailable("secret"), Component.QUEUE),
        (errors.CoordinatorUnavailable("secret"), Component.COORDINATOR),
        (errors.StoreUnavailable("secret"), Component.STORE),
        (Bug("secret"), Component.API),
        (RecursionError("secret"), Component.API),
        (Bug(), Component.API),
    ],
)
def test_whatever_is_raised_behind_is_a_500_that_tells_the_log_and_not_the_client(
    route: Route, failure: Exception, component: Component
) -> None:
    if route.operation is Operation.OPENAPI:
        return
    reports: list[Report] = []
    response = ask(Api(backend(error=failure), report=reports.append), *example(route))
    assert (500, "InternalError", CATALOGUE["InternalError"].description) == error(response)
    assert b"secret" not in response.body
    assert [(500, str(failure) or "Bug", component, failure)] == [
        (report.status, report.reason, report.component, report.error) for report in reports
    ]


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (errors.NotFound("b/k"), (404, "ObjNotFound", "This object does not exist")),
        (errors.InvalidDocument("MalformedXML", "no root"), (400, "MalformedXML", "no root")),
    ],
)
def test_what_the_caller_did_wrong_is_not_reported(failure: Exception, expected: tuple) -> None:
    reports: list[Report] = []
    response = ask(Api(backend(error=failure), report=reports.append), "GET", "/_/crr/explain/b/k")
    assert expected == error(response)
    assert reports == []


def test_an_answer_that_is_no_json_is_a_500() -> None:
    behind = backend()
    behind.status = lambda service, sites: {"a": object()}  # type: ignore[method-assign]
    assert error(ask(Api(behind), "GET", "/_/crr/status"))[0] == 500


@pytest.mark.parametrize("failing", ["sites", "connected"])
def test_what_a_host_gives_may_fail_too(failing: str) -> None:
    def fail() -> None:
        raise errors.StoreUnavailable("secret")

    behind = backend()
    setattr(behind, failing, fail)
    assert error(ask(Api(behind), "GET", "/_/crr/status"))[0] == 500
    assert ask(Api(behind), "GET", "/_/healthcheck").status == 200


def test_refusals_and_failures_are_reported_and_a_failing_listener_changes_nothing() -> None:
    reports: list[Report] = []

    def listen(report: Report) -> None:
        reports.append(report)
        raise Bug

    api = Api(backend(is_connected=False), report=listen)
    assert ask(api, "GET", "/_/crr/status", b"", "10.0.0.1").status == 403
    assert ask(api, "GET", "/_/crr/status", b"", LOCAL, ("host", "evil.com")).status == 403
    assert ask(api, "GET", "/_/crr/status").status == 500
    assert [(403, None), (403, None), (500, Component.API)] == [(r.status, r.component) for r in reports]
    assert [
        "the client's address is not in the allow list",
        "host 'evil.com' is not one of this server's names",
        "error connecting to internal client",
    ] == [report.reason for report in reports]


# --- properties --------------------------------------------------------------------------------------------

words = st.sampled_from(
    [*(word for route in ROUTES for word in route.words), "all", "aws", "", "..", "%2e%2e", "%00", "a:b", "%", "#"]
)
targets = st.one_of(
    st.text(st.characters(codec=None)),
    st.builds(
        lambda prefix, parts, query: prefix + "/".join(parts) + query,
        st.sampled_from(["/_/", "/_/backbeat/api/", "/_//", "/", "http://[/"]),
        st.lists(words | st.text(st.characters(codec=None), max_size=6), max_size=7),
        st.text(max_size=12)
        | st.sampled_from(["?marker=x", "?sitename=", "?versionId=v", "?versionId=v&marker=-1"]),
    ),
)
headers = st.lists(
    st.tuples(st.sampled_from(["host", "origin", "x-forwarded-for", "forwarded", "content-length"]), st.text()),
    max_size=4,
).map(tuple)
requests = st.builds(
    Request,
    st.sampled_from(["GET", "POST", "DELETE", "HEAD", "PUT"]) | st.text(max_size=5),
    targets,
    headers,
    st.binary(max_size=40) | st.sampled_from([RETRY, b"[null]", b'{"hours":NaN}', b"[" * 100_000]),
    st.sampled_from([LOCAL, "::1", "10.0.0.1", ""]) | st.text(max_size=9),
)


@given(requests, st.none() | st.sampled_from([Bug("x"), errors.Unavailable("x"), errors.InvalidInput("\ud800")]))
def test_no_request_whatever_makes_it_raise(request: Request, failure: Exception | None) -> None:
    response = respond(Api(backend(error=failure)), request)
    assert response.status in {200, 400, 403, 404, 405, 500}
    assert response.status != 500 or failure is not None
    if response.status != 200:
        error(response)
    refused = refuse(Api(backend()), request)
    assert refused is None or refused == response


@given(requests)
def test_nobody_from_outside_reaches_a_use_case(request: Request) -> None:
    behind = backend()
    for peer in ("10.0.0.1", "2001:db8::1", "::ffff:10.0.0.1", ""):
        assert respond(Api(behind), attrs.evolve(request, peer=peer)).status == 403
    assert behind.called == []


def test_ten_thousand_attempts_with_every_header_pass_nothing() -> None:
    rng = random.Random(20240502)
    names = [
        "x-forwarded-for",
        "forwarded",
        "x-real-ip",
        "x-client-ip",
        "x-forwarded-host",
        "true-client-ip",
        "via",
    ]
    lies = [
        "127.0.0.1",
        "::1",
        "for=127.0.0.1",
        'for="[::1]"',
        "127.0.0.1, 10.0.0.1",
        "0x7f000001",
        "localhost",
        "",
    ]
    proxied = Access(AllowList.configured(), AllowList.parse(["198.51.100.1"]))
    behind = backend()
    statuses = set()
    for attempt in range(10_000):
        claims = [(rng.choice(names), rng.choice(lies)) for _ in range(rng.randrange(6))]
        peer = f"203.0.113.{rng.randrange(256)}"
        api = Api(behind)
        if attempt % 2:  # through a trusted proxy, which adds whom it serves
            api = Api(behind, proxied)
            claims.append(("x-forwarded-for", peer))
            peer = "198.51.100.1"
        method, target, body = example(rng.choice(ROUTES))
        statuses.add(respond(api, Request(method, target, tuple(claims), body, peer)).status)
    assert {403} == statuses
    assert behind.called == []
