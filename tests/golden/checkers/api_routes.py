"""Routing of the REST API against what the reference implementation was seen to choose (http-api 2)."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any, Final

from backbeat_core.access import Access, AllowList
from backbeat_core.http.api import Api, respond
from backbeat_core.http.message import Request, Response, error_response
from backbeat_core.http.routes import ALL, ROUTES, Operation
from backbeat_core.http.routing import Refusal, Resolved, Sites, resolve
from backbeat_core.responses import CATALOGUE
from golden.vectors import Case
from support.backend import EchoBackend

FIXED: Final = ("healthcheck", "healthcheck/deep", "monitoring/metrics", "configuration/workflows")
OURS: Final = {
    Operation.DEEP_HEALTH,
    Operation.OPENAPI,
    Operation.EXPLAIN,
    Operation.HISTORY,
    Operation.SCHEDULE,
}
"""Not in the reference (D3, issue of the API), or not told apart by it (`schedule` is a flag there)."""


def sites_of(case: Case) -> Sites:
    return Sites(**{service: tuple(sites) for service, sites in case.input["locations"].items()})


# --- one request -------------------------------------------------------------------------------------------


def check_request(case: Case) -> None:
    method, url, sites = case.input["method"], case.input["url"], sites_of(case)
    compare(case, resolve(method, url, lambda: sites), method, url, sites)


def compare(case: Case, actual: Resolved | Refusal, method: str, url: str, sites: Sites) -> None:
    for differs, expected in DIFFERENCES:
        if differs(method, url, sites):
            assert expected(method, url, sites) == outcome(actual)
            return
    if "error" in case.expected:
        error = case.expected["error"]
        assert isinstance(actual, Refusal)
        assert_error(error, error_response(actual.row, actual.description))
        if "routeErrorDescription" in error and error["status"] != 405:
            assert error["routeErrorDescription"] == actual.description
    else:
        assert isinstance(actual, Resolved)
        assert expected_match(case.expected["match"]["route"]) == match(actual)


def outcome(found: Resolved | Refusal) -> object:
    """Return a match as it is, a refusal as its status: texts name the URL as it was sent."""
    return found if isinstance(found, Resolved) else found.row.status


def match(found: Resolved) -> dict[str, Any]:
    members = {
        "method": found.operation,
        "service": found.service,
        "site": found.site,
        "bucket": found.bucket,
        "key": found.key,
        "versionId": found.version_id,
        "marker": found.marker,
        "sitename": found.sitename,
    }
    return {name: value for name, value in members.items() if value not in ("", None)}


def expected_match(route: Mapping[str, Any]) -> dict[str, Any]:
    operation = Operation(route["method"])
    if operation is Operation.RESUME and route.get("schedule"):
        operation = Operation.SCHEDULE
    members = {
        "method": operation,
        "service": route.get("service"),
        "site": route.get("site"),
        # The reference leaves percent-encoding as it is; we do not (B3).
        "bucket": decoded(route.get("bucketName", route.get("bucket"))),
        "key": decoded(route.get("objectKey", route.get("key"))),
        "versionId": route.get("versionId"),
        "marker": int(route["marker"]) if "marker" in route else None,
        "sitename": route.get("sitename"),
    }
    if not members["key"]:  # carried along by the reference, used by nothing
        members["versionId"] = None
    return {name: value for name, value in members.items() if value not in ("", None)}


def decoded(text: str | None) -> str | None:
    return None if text is None else urllib.parse.unquote(text, errors="replace")


def assert_error(error: Mapping[str, Any], response: Response) -> None:
    """Our document has the reference's members and more (2.3 [R])."""
    document = json.loads(response.body)
    assert error["status"] == response.status
    assert error["contentType"] == response.content_type
    assert json.loads(error["body"]).items() <= document.items()
    assert ["code", "description"] == list(document)[:2]
    assert ("Content-Length", str(len(response.body))) in response.headers


# --- differences on purpose, each a predicate and our value ------------------------------------------------


def words(url: str) -> list[str]:
    return re.split("[?#]", url.removeprefix("/_/"))[0].split("/")


def stray_slash_1_1(method: str, url: str, sites: Sites) -> bool:
    """1.1 [R]: one extra slash after the prefix is tolerated."""
    return url.startswith("/_//") and method in ("GET", "POST", "DELETE")


def without_slash(method: str, url: str, sites: Sites) -> object:
    return outcome(resolve(method, url.replace("/_//", "/_/", 1), lambda: sites))


def fixed_with_query_2_4(method: str, url: str, sites: Sites) -> bool:
    """2.4 [R]: a query string does not hide the exact routes."""
    path, question, _ = url.removeprefix("/_/").partition("?")
    return bool(question) and path in FIXED and method in ("GET", "POST", "DELETE")


def without_query(method: str, url: str, sites: Sites) -> object:
    return outcome(resolve(method, url.partition("?")[0], lambda: sites))


def wrong_method_d1(method: str, url: str, sites: Sites) -> bool:
    """D1: another verb on a metrics path that exists is 405, as the seed says."""
    if method not in ("POST", "DELETE") or words(url)[0] != "metrics" or not url.startswith("/_/"):
        return False
    with_get = resolve("GET", url, lambda: sites)
    return isinstance(with_get, Resolved) and bool(with_get.site)


def stray_word_b5(method: str, url: str, sites: Sites) -> bool:
    """B5: a command with a fourth element that means nothing is not obeyed."""
    parts = words(url)
    if method not in ("POST", "DELETE") or parts[0] not in ("crr", "ingestion", "lifecycle") or len(parts) < 4:
        return False
    allowed = ("", "schedule") if parts[1] == "resume" else ("",)
    return parts[1] in ("pause", "resume") and parts[3] not in allowed


def no_action_b4(method: str, url: str, sites: Sites) -> bool:
    """B4: DELETE without an action must not cancel anything."""
    return method == "DELETE" and words(url) in (["crr"], ["ingestion"], ["lifecycle"])


def unversioned_b19(method: str, url: str, sites: Sites) -> bool:
    """B19: a bucket and a key without a version are looked up as an unversioned object."""
    parts = words(url)
    query = dict(urllib.parse.parse_qsl(url.partition("?")[2]))
    return (
        method == "GET"
        and parts[:2] == ["crr", "failed"]
        and len(parts) > 3
        and all((parts[2], "".join(parts[3:])))
        and not query.get("versionId")
        and not bad_marker_2_5(method, url, sites)
        and query.get("sitename") != ""
    )


def unversioned_lookup(method: str, url: str, sites: Sites) -> object:
    parts = [urllib.parse.unquote(part) for part in words(url)]
    route = next(route for route in ROUTES if route.operation is Operation.FAILED_OBJECT)
    marker = urllib.parse.parse_qs(url.partition("?")[2]).get("marker")
    sitename = urllib.parse.parse_qs(url.partition("?")[2]).get("sitename")
    return Resolved(
        route,
        "crr",
        bucket=parts[2],
        key="/".join(parts[3:]),
        marker=int(marker[0]) if marker else None,
        sitename=sitename[0] if sitename else None,
    )


def bad_marker_2_5(method: str, url: str, sites: Sites) -> bool:
    """2.5 [R]: the whole marker must be a number."""
    query = urllib.parse.parse_qsl(url.partition("?")[2].partition("#")[0], keep_blank_values=True)
    markers = [value for name, value in query if name == "marker"]
    reached = isinstance(resolve(method, re.sub("marker=?[^&#]*", "marker=1", url), lambda: sites), Resolved)
    listing = words(url)[:2] == ["crr", "failed"]
    return reached and listing and bool(markers) and not re.fullmatch("-?[0-9]+", markers[0])


def backslash_b3(method: str, url: str, sites: Sites) -> bool:
    """B3: a backslash is a character like others, not a slash."""
    return "\\" in url.partition("?")[0]


def backslash_escaped(method: str, url: str, sites: Sites) -> object:
    return outcome(resolve(method, url.replace("\\", "%5C"), lambda: sites))


def encoded_site_b3(method: str, url: str, sites: Sites) -> bool:
    """B3: a site is found by its name, whether its characters are percent-encoded or not."""
    parts = words(url)
    index = 2 if parts[0] in ("metrics", "crr", "ingestion", "lifecycle") else len(parts)
    if len(parts) <= index or parts[1] in ("failed", "explain"):
        return False
    site = urllib.parse.unquote(parts[index])
    service = parts[1] if parts[0] == "metrics" else parts[0]
    odd = site != parts[index] or not re.fullmatch("[A-Za-z0-9._~:@!$&'()*+,;=-]*", site)
    return odd and service in ("crr", "ingestion", "lifecycle") and sites.has(service, site)


def with_plain_site(method: str, url: str, sites: Sites) -> object:
    """Return what is found when the site is called `plain`, then call it by its name again."""
    parts = words(url)
    site = urllib.parse.unquote(parts[2])
    service = parts[1] if parts[0] == "metrics" else parts[0]
    found = resolve(method, url.replace(parts[2], "plain", 1), lambda: Sites(**{service: ("plain",)}))
    if isinstance(found, Refusal):
        return found.row.status
    return Resolved(found.route, found.service, site, (site,), found.bucket, found.key, found.version_id)


def refused(status: int) -> Callable[[str, str, Sites], object]:
    return lambda method, url, sites: status


DIFFERENCES: Final = (
    (stray_slash_1_1, without_slash),
    (fixed_with_query_2_4, without_query),
    (backslash_b3, backslash_escaped),
    (wrong_method_d1, refused(405)),
    (encoded_site_b3, with_plain_site),
    (stray_word_b5, refused(404)),
    (no_action_b4, refused(404)),
    (bad_marker_2_5, refused(400)),
    (unversioned_b19, unversioned_lookup),
)


# --- the other kinds ---------------------------------------------------------------------------------------


def check_crash(case: Case) -> None:
    """B6: names that mean something in JavaScript are names like others."""
    sites = sites_of(case)
    actual = resolve(case.input["method"], case.input["url"], lambda: sites)
    assert isinstance(actual, Refusal)
    assert actual.row.status in (404, 405)


def check_remote_address(case: Case) -> None:
    method, url, sites = case.input["method"], case.input["url"], sites_of(case)
    allowed = AllowList.parse(case.input["allowFrom"], ignore_invalid=True)
    backend = EchoBackend(sites)
    request = Request(method, url, peer=case.input["remoteAddress"])
    response = respond(Api(backend, Access(allowed)), request)
    if case.expected.get("error", {}).get("status") == 403:
        assert_error(case.expected["error"], response)
        assert [] == backend.called
    else:
        assert response.status != 403
        compare(case, resolve(method, url, lambda: sites), method, url, sites)


def check_route_table(case: Case) -> None:
    sites = sites_of(case)
    seen = {(route.method, route.operation) for route in ROUTES if route.operation in OURS}
    for expected in case.expected["routes"]:
        operation = Operation(expected["method"])
        seen.add((expected["httpMethod"], operation))
        for service, names in (expected["extensions"] or {"": [""]}).items():
            for name in names:
                found = resolve(expected["httpMethod"], url_of(expected, service, name), lambda: sites)
                assert isinstance(found, Resolved)
                assert operation == found.operation
                if name and name != "failed":
                    assert (service, name) == (found.service, found.site)
                    every = name == ALL and not found.route.about_object
                    assert (sites.of(service) if every else (name,)) == found.sites
    assert {(route.method, route.operation) for route in ROUTES} == seen


def url_of(route: Mapping[str, Any], service: str, site: str) -> str:
    """Return a URL that the row of the reference's table is for."""
    name = urllib.parse.quote(site, safe="")
    if route.get("category") == "metrics":
        rest = "/b/k?versionId=v" if route.get("level") == "object" else ""
        return f"/_/metrics/{service}/{name}/{route['type']}{rest}"
    if "category" in route:
        return f"/_/{route['category']}" + ("" if route["type"] == "basic" else f"/{route['type']}")
    if site == "failed" and route["type"] in ("all", "specific"):
        return "/_/crr/failed" + ("/b/k?versionId=v" if route["type"] == "specific" else "")
    return f"/_/{service}/{route['type']}/{name}"


def check_error_body(case: Case) -> None:
    row = CATALOGUE[case.input["errorType"]]
    description = case.input["customDescription"]
    response = error_response(row, description)
    assert case.expected["status"] == response.status
    if "defaultDescription" in case.expected:
        assert case.expected["defaultDescription"] == row.description
    text = row.description if description is None else description
    expected = {"code": row.status, "description": text, **json.loads(case.expected["body"])}
    assert list(expected.items()) == list(json.loads(response.body).items())


def check_http(case: Case) -> None:
    """Compare a whole exchange; what the transport adds (`Connection`) is the host's."""
    method, url, sites = case.input["method"], case.input["target"], sites_of(case)
    backend = EchoBackend(sites, is_connected=case.input["connected"])
    body = (case.input.get("body") or "").encode()
    response = respond(Api(backend), Request(method, url, body=body, peer="127.0.0.1"))
    for differs, _ in DIFFERENCES:
        if differs(method, url, sites):
            return check_request(Case(case.group, case.kind, case.name, {**case.input, "url": url}, {}))
    if health_without_connections_b8(case):
        assert (200, "application/json") == (response.status, response.content_type)
        return None
    version, status, reason = case.expected["statusLine"].split(" ", 2)
    assert ("HTTP/1.1", status, reason) == (version, str(response.status), response.reason)
    assert ("Content-Length", str(len(response.body))) in response.headers
    if response.status != 200:
        assert_document(case, response)
        return None
    assert case.expected["headers"]["content-type"] == response.content_type
    if response.content_type.startswith("text/"):
        assert case.expected["body"].encode() == response.body
    elif case.expected["body"].startswith('{"called"'):
        called = json.loads(case.expected["body"])["called"]
        found = resolve(method, url, lambda: sites)
        assert isinstance(found, Resolved)
        assert called == found.operation.value.replace("scheduleResume", "resume")
    return None


def assert_document(case: Case, response: Response) -> None:
    """B9: the error is JSON, whatever the answer would have been."""
    assert response.content_type == "application/json"
    if method_has_body(case) and case.expected["body"]:
        assert json.loads(case.expected["body"]).items() <= json.loads(response.body).items()


def method_has_body(case: Case) -> bool:
    return bool(case.input["method"] != "HEAD")


def health_without_connections_b8(case: Case) -> bool:
    """B8: health is told, not refused, when connections are lost."""
    path = case.input["target"].removeprefix("/_/").partition("?")[0]
    return not case.input["connected"] and case.input["method"] == "GET" and path.startswith("healthcheck")


CHECKS: Final[Mapping[str, Callable[[Case], None]]] = {
    "request": check_request,
    "request_crash": check_crash,
    "remote_address": check_remote_address,
    "route_table": check_route_table,
    "error_body": check_error_body,
    "http": check_http,
}
