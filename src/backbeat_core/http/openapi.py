"""The OpenAPI document, made of the table of routes."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Final

from backbeat_core.http.message import JSON_TYPE, PROMETHEUS_TYPE
from backbeat_core.http.routes import ROUTES, Operation, Route
from backbeat_core.http.schemas import SCHEMAS

_STRING: Final = {"type": "string", "minLength": 1}
_PATH: Final[Mapping[str, str]] = {
    "service": "The service",
    "site": "A site of the service",
    "bucket": "A bucket",
    "key": "An object's key; slashes in it may be sent as they are or as %2F",
}
_QUERY: Final[Mapping[str, Mapping[str, Any]]] = {
    "versionId": {"schema": {"type": "string"}, "description": "The encoded version id"},
    "sitename": {"schema": _STRING, "description": "The site whose failures are listed"},
    "marker": {"schema": {"type": "integer"}, "description": "The NextMarker of the page before"},
}
_ERRORS: Final[Mapping[str, str]] = {
    "400": "InvalidQueryParameter or MalformedPOSTRequest",
    "403": "AccessDenied",
    "404": "RouteNotFound or ObjNotFound",
    "500": "InternalError",
}
# Of the object routes only the metrics insist on a version; the others take an unversioned object.
_REQUIRED: Final = {"required": True, "schema": _STRING}
_NEED_VERSION: Final = frozenset({Operation.OBJECT_PROGRESS, Operation.OBJECT_THROUGHPUT})


def document(server: str = "/_/backbeat/api") -> Mapping[str, Any]:
    """Return the OpenAPI 3.1 document of the whole API, whose paths go on from *server*."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Backbeat",
            "version": "1",
            "description": "Health, metrics, failed operations and their retry, pause and resume of the job"
            " queues beside CloudServer.",
        },
        "servers": [{"url": server}],
        "paths": _paths(),
        "components": {"schemas": dict(SCHEMAS)},
    }


# Two paths may mean the same; the longer one says so and has the operation's name.
_FIRST: Final[Mapping[Operation, Route]] = {
    route.operation: route for route in sorted(ROUTES, key=lambda route: len(route.words))
}


@functools.cache
def _paths() -> Mapping[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(f"/{route.pattern}", {})[route.method.lower()] = _operation(route)
    return paths


def _operation(route: Route) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": route.operation.value + ("" if route is _FIRST[route.operation] else "Shortly"),
        "summary": route.summary,
        "tags": [route.words[0].strip("{}")],
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
    }
    if route.body is not None:
        described["requestBody"] = {
            "required": route.body != "Schedule",
            "content": {JSON_TYPE: {"schema": _reference(route.body)}},
        }
    described["responses"] = _responses(route)
    return described


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    parameters = []
    for name in (word[1:-1] for word in route.words if word.startswith("{")):
        schema = {"type": "string", "enum": list(route.services)} if name == "service" else _STRING
        every = " or `all`" if name == "site" and not route.about_object else ""
        parameters.append(
            {
                "name": name,
                "in": "path",
                "required": True,
                "description": f"{_PATH[name]}{every}",
                "schema": schema,
            }
        )
    return parameters


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", **_QUERY[name], **(_REQUIRED if route.operation in _NEED_VERSION else {})}
        for name in route.query
    ]


def _responses(route: Route) -> dict[str, Any]:
    if route.answer == "Text":
        content: dict[str, Any] = {PROMETHEUS_TYPE: {"schema": {"type": "string"}}}
    else:
        content = {JSON_TYPE: {"schema": _reference(route.answer)}}
    codes = [code for code in _ERRORS if _may_answer(route, code)]
    return {
        "200": {"description": "Success", "content": content},
        **{code: _error(_ERRORS[code]) for code in codes},
    }


def _may_answer(route: Route, code: str) -> bool:
    if code == "400":
        return route.method == "POST" or "marker" in route.query or route.operation is Operation.EXPLAIN
    return code != "404" or "{" in route.pattern or route.operation is Operation.WORKFLOWS


def _error(description: str) -> dict[str, Any]:
    return {"description": description, "content": {JSON_TYPE: {"schema": _reference("Error")}}}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
