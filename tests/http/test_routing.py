"""From a request line to what is to be done (http-api 2.2 to 2.5, section 3, B3 to B6, B19)."""

from __future__ import annotations

import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.http.routes import ALL, PREFIXES, ROUTES, SERVICES, Operation, Route
from backbeat_core.http.routing import Refusal, Resolved, Sites, resolve

SITES = Sites(crr=("aws", "sp ace", "é:/%"), ingestion=("ring",), lifecycle=("us-east-1",))
text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def found(method: str, path: str, sites: Sites = SITES) -> Resolved | Refusal:
    return resolve(method, path, lambda: sites)


def status(method: str, path: str) -> int:
    answer = found(method, path)
    return answer.row.status if isinstance(answer, Refusal) else 200


def path_of(route: Route, service: str, site: str, bucket: str, key: str) -> str:
    """Return the path of a route, each value percent-encoded, the key's slashes too."""
    values = {"{service}": service, "{site}": site, "{bucket}": bucket, "{key}": key}
    return "/".join(urllib.parse.quote(values.get(word, word), safe="") for word in route.words)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.pattern}")
@given(data=st.data(), bucket=text, key=text, version=text)
def test_every_row_of_the_table_is_found_at_its_path(
    route: Route, prefix: str, data: st.DataObject, bucket: str, key: str, version: str
) -> None:
    service = data.draw(st.sampled_from(route.services or ("",)))
    names = SITES.of(service) if service else ("",)
    site = data.draw(st.sampled_from(names if route.about_object or not service else (*names, ALL)))
    query = {"versionId": version, "sitename": site, "marker": "-12"}
    asked = urllib.parse.urlencode({name: query[name] for name in route.query if query[name]})
    answer = found(route.method, f"{prefix}{path_of(route, service, site, bucket, key)}?{asked}")
    assert isinstance(answer, Resolved)
    words = route.words
    expected = Resolved(
        route,
        service if "{service}" in words or service == "crr" else "",
        site if "{site}" in words else "",
        SITES.addressed(service, site) if "{site}" in words else (),
        bucket if "{bucket}" in words else "",
        key if "{key}" in words else "",
        version if "versionId" in route.query else "",
        -12 if "marker" in route.query else None,
        site if "sitename" in route.query and site else None,
    )
    assert expected == answer
    assert route.operation is answer.operation


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.pattern}")
@pytest.mark.parametrize("method", ["HEAD", "PUT", "OPTIONS", "PATCH", "TRACE", "CONNECT", "get", "", "GET "])
def test_a_verb_that_nothing_has_is_405_everywhere(route: Route, method: str) -> None:
    assert status(method, "/_/" + path_of(route, "crr", "aws", "b", "k")) == 405
    assert status(method, "/nope") == 405


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        # D1, as the seed has it: metric and health routes must be read with GET.
        ("POST", "/_/healthcheck", 405),
        ("DELETE", "/_/healthcheck/deep", 405),
        ("POST", "/_/monitoring/metrics", 405),
        ("GET", "/_/configuration/workflows", 405),
        ("POST", "/_/metrics/crr/aws", 405),
        ("DELETE", "/_/metrics/crr/all/backlog", 405),
        ("POST", "/_/metrics/crr/aws/progress/b/k?versionId=v", 405),
        ("POST", "/_/metrics/crr/nope", 404),
        ("POST", "/_/metrics/crr", 404),
        ("POST", "/_/metrics/ingestion/ring/backlog", 404),
        # Everything else as the reference.
        ("POST", "/_/crr/status", 404),
        ("GET", "/_/crr/pause", 404),
        ("DELETE", "/_/crr/pause/aws", 404),
        ("DELETE", "/_/crr/failed", 404),
        ("POST", "/_/crr/explain/b/k", 404),
        ("GET", "/_/crr/explain/b", 404),
        ("GET", "/_/crr/explain/b/", 404),
        ("GET", "/_/crr/explain", 404),
        ("GET", "/_/crr/explain/b/k", 200),
        # B4, B5: nothing is commanded by mistake.
        ("DELETE", "/_/crr", 404),
        ("DELETE", "/_/crr/", 404),
        ("DELETE", "/_/ingestion", 404),
        ("DELETE", "/_/lifecycle/", 404),
        ("POST", "/_/crr/resume/aws/shedule", 404),
        ("POST", "/_/crr/resume/aws/Schedule", 404),
        ("POST", "/_/crr/pause/aws/schedule", 404),
        ("POST", "/_/crr/pause/aws/x", 404),
        ("DELETE", "/_/crr/resume/aws/shedule", 404),
        ("DELETE", "/_/crr/resume/aws", 200),
        ("DELETE", "/_/crr/resume", 200),
        ("POST", "/_/crr/resume/aws/", 200),
        ("POST", "/_/crr/resume//schedule", 200),
        ("POST", "/_/crr/resume/aws/schedule/x", 200),
        ("POST", "/_/crr/resume/aws/schedule/", 200),
        # Asking is lenient.
        ("GET", "/_/crr/resume", 200),
        ("GET", "/_/crr/resume/aws/x", 200),
        ("GET", "/_/crr/status/aws/schedule", 200),
        ("GET", "/_/lifecycle/status", 200),
        # B6: words of JavaScript.
        ("GET", "/_/metrics/constructor/x/backlog", 404),
        ("GET", "/_/metrics/__proto__/all/pending", 404),
        ("GET", "/_/metrics/crr/constructor/pending", 404),
        ("GET", "/_/constructor/status", 404),
        ("GET", "/_/crr/constructor", 404),
        # Prefixes (1.1, 1.2).
        ("GET", "/_/backbeat/api/healthcheck", 200),
        ("GET", "/_/backbeat/api//healthcheck", 200),
        ("GET", "/_//healthcheck", 200),
        ("GET", "/_///healthcheck", 404),
        ("GET", "/_/backbeat/api", 404),
        ("GET", "/_/backbeat/api/", 404),
        ("GET", "/_/backbeat/healthcheck", 404),
        ("GET", "/_/_/healthcheck", 404),
        ("GET", "/_", 404),
        ("GET", "/", 404),
        ("GET", "", 404),
        ("GET", "*", 404),
        ("GET", "//_/healthcheck", 404),
        ("GET", "http://127.0.0.1/_/healthcheck", 404),
        ("GET", "http://[/", 404),
        ("GET", "/%5F/healthcheck", 404),
        # The exact routes.
        ("GET", "/_/healthcheck?x=1", 200),
        ("GET", "/_/healthcheck/", 404),
        ("GET", "/_/healthcheck#a", 404),
        ("GET", "/_/Healthcheck", 404),
        ("GET", "/_/%68ealthcheck", 404),
        ("GET", "/_/openapi.json", 200),
        ("GET", "/_/monitoring", 404),
        # Dots, double slashes, NUL: characters like others.
        ("GET", "/_/crr/../healthcheck", 404),
        ("GET", "/_/metrics/crr/%2e%2e/pending", 404),
        ("GET", "/_/metrics//crr/aws", 404),
        ("GET", "/_/metrics/crr/aws%00/pending", 404),
        ("GET", "/_/metrics%2Fcrr%2Faws", 404),
        # Query (2.5).
        ("GET", "/_/crr/failed?marker=-5", 200),
        ("GET", "/_/crr/failed?marker=12abc", 400),
        ("GET", "/_/crr/failed?marker=%207", 400),
        ("GET", "/_/crr/failed?marker=+7", 400),
        ("GET", "/_/crr/failed?marker=1e3", 400),
        ("GET", "/_/crr/failed?marker=%D9%A3", 400),
        ("GET", "/_/crr/failed?marker=", 400),
        ("GET", "/_/crr/failed?marker", 400),
        ("GET", "/_/crr/failed?mymarker", 200),
        ("GET", "/_/crr/failed?marker=1&marker=x", 200),
        ("GET", "/_/crr/failed?marker=x&marker=1", 400),
        ("GET", "/_/crr/failed?sitename=", 400),
        ("POST", "/_/crr/failed?sitename", 400),
        ("POST", "/_/crr/failed?marker=x", 400),
        ("GET", "/_/crr/failed/b/k?versionId=v&marker=x", 400),
        ("DELETE", "/_/crr/failed?marker=x", 404),
        ("GET", "/_/crr/status?marker=x", 200),
    ],
)
def test_a_request_line_is_answered(method: str, path: str, expected: int) -> None:
    assert expected == status(method, path)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/nope?a=b", "path /nope?a=b does not exist"),
        ("GET", "/_/crr/statuss", "path crr/statuss does not exist"),
        ("GET", "/_/backbeat/api/crr/statuss?x", "path crr/statuss?x does not exist"),
        (
            "GET",
            "/_/metrics/crr/aws/progress/b/?versionId=v",
            "must provide object key and version ID in route: metrics/crr/aws/progress/b/?versionId=v",
        ),
        ("GET", "/_/crr/failed?marker=x&sitename=", "marker must be a number"),
        ("GET", "/_/crr/failed?sitename=", "must be a non-empty string"),
        ("PUT", "/nope", "The specified method is not allowed against this resource."),
        ("POST", "/_/healthcheck", "The specified method is not allowed against this resource."),
        ("POST", "/_/metrics/crr/aws", "The specified method is not allowed against this resource."),
    ],
)
def test_a_refusal_says_why(method: str, path: str, expected: str) -> None:
    answer = found(method, path)
    assert isinstance(answer, Refusal)
    assert expected == answer.description


@pytest.mark.parametrize(
    ("path", "operation", "members"),
    [
        ("crr/failed/b/k?versionId=", Operation.FAILED_OBJECT, ("b", "k", "")),  # B19
        ("crr/failed/b/k/l", Operation.FAILED_OBJECT, ("b", "k/l", "")),
        ("crr/failed/b/k%2Fl?versionId=a+b", Operation.FAILED_OBJECT, ("b", "k/l", "a b")),
        ("crr/failed/b/k%?versionId=%zz", Operation.FAILED_OBJECT, ("b", "k%", "%zz")),
        ("crr/failed/b/k%ff?versionId=%ff", Operation.FAILED_OBJECT, ("b", "k�", "�")),
        ("crr/failed/b//k//?versionId=v", Operation.FAILED_OBJECT, ("b", "/k//", "v")),
        ("crr/failed/b/k+l?versionId=v#f", Operation.FAILED_OBJECT, ("b", "k+l", "v")),
        ("crr/failed/b/k\ud800?versionId=\udfff", Operation.FAILED_OBJECT, ("b", "k�", "�")),
        ("crr/failed/b", Operation.FAILED_AT_SITE, ("", "", "")),
        ("crr/failed//k?versionId=v", Operation.FAILED_AT_SITE, ("", "", "")),
        ("metrics/crr//progress/b/k?versionId=v", Operation.OBJECT_PROGRESS, ("b", "k", "v")),
        ("metrics/crr/aws/progress//k?versionId=v", Operation.OBJECT_PROGRESS, ("", "k", "v")),
    ],
)
def test_objects_are_named(path: str, operation: Operation, members: tuple[str, str, str]) -> None:
    answer = found("GET", f"/_/{path}")
    assert isinstance(answer, Resolved)
    assert operation is answer.operation
    assert members == (answer.bucket, answer.key, answer.version_id)


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        *[("0", 0), ("-0", 0), ("007", 7), ("-12", -12), ("1714557600000", 1714557600000)],
        *[("9" * 18, 10**18 - 1), ("9" * 19, 10**18), ("1" * 5000, 10**18), ("-" + "1" * 5000, -(10**18))],
    ],
)
def test_a_marker_is_a_number_of_any_length(marker: str, expected: int) -> None:
    answer = found("GET", f"/_/crr/failed?marker={marker}")
    assert isinstance(answer, Resolved)
    assert expected == answer.marker


@pytest.mark.parametrize("service", SERVICES)
def test_all_stands_for_every_site_in_its_order(service: str) -> None:
    for path in (f"{service}/status", f"{service}/status/", f"{service}/status/all"):
        answer = found("GET", f"/_/{path}")
        assert isinstance(answer, Resolved)
        assert (ALL, SITES.of(service)) == (answer.site, answer.sites)


def test_metrics_of_no_site_are_resolved_and_left_to_the_handler() -> None:
    for path in ("metrics/crr", "metrics/crr/", "metrics/crr//pending", "metrics/ingestion?x"):
        answer = found("GET", f"/_/{path}")
        assert isinstance(answer, Resolved)
        assert ("", ()) == (answer.site, answer.sites)


def test_a_site_called_all_cannot_be_addressed_alone() -> None:
    sites = Sites(crr=("all", "aws"))
    answer = found("POST", "/_/crr/pause/all", sites)
    assert isinstance(answer, Resolved)
    assert ("all", "aws") == answer.sites


def test_sites_are_distinct_and_keep_their_order() -> None:
    assert ("b", "a") == Sites(crr=["b", "a", "b"]).of("crr")
    assert Sites(crr=("a",)) == Sites(crr=["a", "a"])


def test_sites_are_asked_for_only_where_they_matter() -> None:
    def unreachable() -> Sites:
        raise AssertionError("sites were asked for")

    for path in ("/_/healthcheck", "/_/healthcheck/deep", "/_/openapi.json", "/_/crr/failed/b/k?versionId=v"):
        assert isinstance(resolve("GET", path, unreachable), Resolved)
    for path in ("/nope", "/_/nope", "/_/monitoring"):
        assert isinstance(resolve("GET", path, unreachable), Refusal)


@given(st.text(), st.text(st.characters(codec=None)))
def test_no_request_line_makes_it_raise(method: str, target: str) -> None:
    for prefix in ("", *PREFIXES, "/_/metrics/", "/_/crr/failed", "/_/crr/"):
        for verb in (method, "GET", "POST", "DELETE"):
            assert isinstance(found(verb, prefix + target), (Resolved, Refusal))
