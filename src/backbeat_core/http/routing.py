"""From a request line to what is to be done, or to the error that it ends in (http-api 2.2 to 2.5)."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import attrs

from backbeat_core.http.routes import ALL, CRR, INGESTION, LIFECYCLE, PREFIXES, ROUTES, SERVICES, Operation, Route
from backbeat_core.responses import INVALID_QUERY_PARAMETER, METHOD_NOT_ALLOWED, ROUTE_NOT_FOUND, Row

METHODS: Final = ("GET", "POST", "DELETE")
"""All others are refused before anything else is looked at."""

_FIXED: Final[Mapping[str, Mapping[str, Route]]] = {
    route.pattern: {other.method: other for other in ROUTES if other.pattern == route.pattern}
    for route in ROUTES
    if not route.services
}
_METRICS: Final[Mapping[tuple[str, str, bool], Route]] = {
    (service, route.words[3] if len(route.words) > 3 else ALL, route.about_object): route
    for route in ROUTES
    if route.words[0] == "metrics"
    for service in route.services
}
_OBJECTS: Final[Mapping[tuple[str, str, bool], Route]] = {
    (route.words[1], route.method, route.about_object): route for route in ROUTES if route.words[0] == CRR
}
_CONTROLS: Final[Mapping[tuple[str, str, str, str], Route]] = {
    (service, route.words[1], route.method, "/".join(route.words[3:])): route
    for route in ROUTES
    if route.words[0] == "{service}"
    for service in route.services
}
# Asking with another last word means the same as asking with the right one; commanding does not (B5).
_ASKING: Final[Mapping[tuple[str, str], Route]] = {
    (action, method): route
    for (_, action, method, last), route in _CONTROLS.items()
    if (method, last) == ("GET", "")
}
_INTEGER: Final = re.compile(r"(-?)0*([0-9]+)")
_MOST_DIGITS: Final = 18
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def _distinct(sites: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sites))


@attrs.frozen
class Sites:
    """The sites of each service at the time of a request (http-api 3), in their configured order."""

    crr: tuple[str, ...] = attrs.field(default=(), converter=_distinct)
    ingestion: tuple[str, ...] = attrs.field(default=(), converter=_distinct)
    lifecycle: tuple[str, ...] = attrs.field(default=(), converter=_distinct)
    _known: Mapping[str, frozenset[str]] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        known = {service: frozenset(self.of(service)) for service in SERVICES}
        object.__setattr__(self, "_known", known)  # frozen: this is part of making it

    def of(self, service: str) -> tuple[str, ...]:
        """Return all sites of *service*."""
        return {CRR: self.crr, INGESTION: self.ingestion, LIFECYCLE: self.lifecycle}[service]

    def has(self, service: str, site: str) -> bool:
        """Return whether *site* is one of the service's; the cost does not depend on how many there are."""
        return site in self._known[service]

    def addressed(self, service: str, site: str) -> tuple[str, ...]:
        """Return the sites that *site*, which may be `all`, stands for."""
        return self.of(service) if site == ALL else (site,)


@attrs.frozen
class Resolved:
    """
    What is to be done, and to what. What the operation does not have is empty.

    *site* is `all`, or one of the service's; it is empty where metrics were asked of no site. *sites* are those
    that it stands for. *version_id* is encoded; empty means the unversioned object. *marker* and *sitename* are
    those of the failure listing.
    """

    route: Route
    service: str = ""
    site: str = ""
    sites: tuple[str, ...] = ()
    bucket: str = ""
    key: str = ""
    version_id: str = ""
    marker: int | None = None
    sitename: str | None = None

    @property
    def operation(self) -> Operation:
        """Return what is to be done."""
        return self.route.operation


@attrs.frozen
class Refusal:
    """The error that a request ends in, and its exact text."""

    row: Row
    description: str


_NOT_ALLOWED: Final = Refusal(METHOD_NOT_ALLOWED, METHOD_NOT_ALLOWED.description)


def allowed(target: str) -> tuple[str, ...]:
    """Return the methods that a path of this form has, whatever the sites are; all, where it has none."""
    length = len(target.partition("?")[0].rstrip("/").split("/"))
    longest = length - next((prefix.count("/") for prefix in PREFIXES if target.startswith(prefix)), 0)
    found = []
    for method in METHODS:
        answer = resolve(method, target, _Everywhere)
        if isinstance(answer, Refusal):
            exists = answer.row is INVALID_QUERY_PARAMETER
        else:  # what is only tolerated, with words behind, is not advertised
            exists = answer.route.about_object or longest <= len(answer.route.words)
        if exists:
            found.append(method)
    return tuple(found) or METHODS


class _Everywhere(Sites):
    """Sites of which every name is one."""

    def has(self, service: str, site: str) -> bool:
        return service in SERVICES


def precheck(method: str, target: str) -> Refusal | None:
    """Return what is wrong with the request line whatever the sites are: steps 2 and 3 of http-api 2.2."""
    if method not in METHODS:
        return _NOT_ALLOWED
    return None if target.startswith(PREFIXES) else _missing(target)


def resolve(method: str, target: str, sites: Callable[[], Sites]) -> Resolved | Refusal:
    """
    Return what the request line asks for: steps 2 to 5 of http-api 2.2.

    *sites* is called, once, only where the answer depends on it.
    """
    refusal = precheck(method, target)
    if refusal is not None:
        return refusal
    route = target[len(next(prefix for prefix in PREFIXES if target.startswith(prefix))) :]
    route = route.removeprefix("/")  # CloudServer's rewriting leaves one (http-api 1.1)
    path, _, query = route.partition("?")
    fixed = _FIXED.get(path)
    if fixed is not None:
        found = fixed.get(method)
        return Resolved(found) if found else _NOT_ALLOWED
    # A fragment is not part of a path or of a parameter, whoever sends one.
    words = [_decode(word) for word in path.partition("#")[0].split("/")]
    parameters = {} if "#" in path else _parameters(query.partition("#")[0])
    if words[0] == "metrics":
        return _resolve_metrics(method, route, words, parameters.get("versionId", ""), sites())
    if words[0] == CRR and len(words) > 1 and words[1] in ("failed", "explain"):
        return _resolve_object(method, route, words, parameters)
    if words[0] in SERVICES:
        return _resolve_control(method, route, words, sites())
    return _missing(route)


def _missing(path: str) -> Refusal:
    return Refusal(ROUTE_NOT_FOUND, f"path {path} does not exist")


def _resolve_metrics(
    method: str, route: str, words: list[str], version_id: str, sites: Sites
) -> Resolved | Refusal:
    service, site, kind, bucket = (words[1:5] + [""] * 4)[:4]
    key = "/".join(words[5:])
    if bucket and not (key and version_id):
        description = f"must provide object key and version ID in route: {route}"
        return Refusal(ROUTE_NOT_FOUND, description)
    found = _METRICS.get((service, kind or ALL, bool(key)))
    if found is None or not (_has_site(found, service, site, sites) or (method == found.method and not site)):
        return _missing(route)
    if method != found.method:
        return _NOT_ALLOWED  # the seed's rule (D1)
    if key:
        return Resolved(found, service, site, (site,), bucket, key, version_id)
    return Resolved(found, service, site, sites.addressed(service, site) if site else ())


def _has_site(route: Route, service: str, site: str, sites: Sites) -> bool:
    return sites.has(service, site) or (site == ALL and not route.about_object)


def _resolve_object(
    method: str, route: str, words: list[str], parameters: Mapping[str, str]
) -> Resolved | Refusal:
    action, bucket = words[1], words[2] if len(words) > 2 else ""
    key = "/".join(words[3:])
    version_id = parameters.get("versionId", "")
    # The lookup of an unversioned object (B19) is ours; a retry is one of many unless the three are given.
    specific = bool(bucket and key) and (method == "GET" or bool(version_id))
    found = _OBJECTS.get((action, method, specific))
    if found is None:
        return _missing(route)
    marker = sitename = None
    if action == "failed":
        refusal = _check_listing(parameters)
        if refusal is not None:
            return refusal
        marker = _marker(parameters.get("marker"))
        sitename = parameters.get("sitename")
    if not specific:
        return Resolved(found, CRR, marker=marker, sitename=sitename)
    return Resolved(found, CRR, "", (), bucket, key, version_id, marker, sitename)


def _check_listing(parameters: Mapping[str, str]) -> Refusal | None:
    if "marker" in parameters and not _INTEGER.fullmatch(parameters["marker"]):
        return Refusal(INVALID_QUERY_PARAMETER, "marker must be a number")
    if parameters.get("sitename") == "":
        return Refusal(INVALID_QUERY_PARAMETER, "must be a non-empty string")
    return None


def _marker(text: str | None) -> int | None:
    """Return a marker as a number; no time has more than 18 digits, so longer ones are all alike."""
    found = _INTEGER.fullmatch(text) if text is not None else None
    if found is None:
        return None
    sign, digits = found.groups()
    number = int(digits) if len(digits) <= _MOST_DIGITS else 10**_MOST_DIGITS
    return -number if sign else number


def _resolve_control(method: str, route: str, words: list[str], sites: Sites) -> Resolved | Refusal:
    service, action, site, last = (words + [""] * 3)[:4]
    found = _CONTROLS.get((service, action, method, last))
    if found is None and method == "GET":
        found = _ASKING.get((action, method))
    site = site or ALL
    if found is None or not _has_site(found, service, site, sites):
        return _missing(route)
    return Resolved(found, service, site, sites.addressed(service, site))


def _decode(word: str) -> str:
    """Return one element of a path without percent-encoding (B3); what is no UTF-8 becomes U+FFFD."""
    text = urllib.parse.unquote(word, errors="replace") if "%" in word else word
    return text if text.isascii() else _SURROGATE.sub("�", text)


def _parameters(query: str) -> Mapping[str, str]:
    """Return the first value of each parameter, decoded as forms are; one without `=` is empty."""
    found: dict[str, str] = {}
    if not query:
        return found
    for name, value in urllib.parse.parse_qsl(query, keep_blank_values=True, errors="replace"):
        found.setdefault(name, _SURROGATE.sub("�", value))
    return found
