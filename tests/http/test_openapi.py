"""The document is the table: every route, every error, and schemas that say what is answered."""

from __future__ import annotations

import json

import pytest

from backbeat_core.http.openapi import document
from backbeat_core.http.routes import ROUTES, Route
from backbeat_core.http.schemas import SCHEMAS


def operation(route: Route) -> dict:
    return document()["paths"][f"/{route.pattern}"][route.method.lower()]


def test_every_route_is_described_once_and_nothing_else() -> None:
    described = [(method.upper(), path[1:]) for path, methods in document()["paths"].items() for method in methods]
    assert sorted((route.method, route.pattern) for route in ROUTES) == sorted(described)
    names = [operation(route)["operationId"] for route in ROUTES]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.pattern}")
def test_a_route_is_described_as_the_table_has_it(route: Route) -> None:
    described = operation(route)
    parameters = {(each["in"], each["name"]): each for each in described["parameters"]}
    placeholders = {("path", word[1:-1]) for word in route.words if word.startswith("{")}
    assert placeholders | {("query", name) for name in route.query} == set(parameters)
    assert all(each["required"] for (place, _), each in parameters.items() if place == "path")
    if ("path", "service") in parameters:
        assert list(route.services) == parameters["path", "service"]["schema"]["enum"]
    assert (route.body is not None) == ("requestBody" in described)
    assert {"200", "403", "500"} <= set(described["responses"])
    for status, response in described["responses"].items():
        assert status == "200" or response["content"]["application/json"]


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    text = json.dumps(document(), default=dict)
    used = {name for name in SCHEMAS if f'"#/components/schemas/{name}"' in text}
    assert set(SCHEMAS) == used
    assert text.count("#/components/schemas/") == sum(
        text.count(f'"#/components/schemas/{name}"') for name in SCHEMAS
    )


def test_the_table_names_schemas_that_exist() -> None:
    for route in ROUTES:
        assert route.answer in {*SCHEMAS, "Text"}
        assert route.body is None or route.body in SCHEMAS
        assert route.summary
        assert route.services or "{" not in route.pattern


def test_paths_go_on_from_where_the_document_is_served() -> None:
    assert [{"url": "/app/_"}] == document("/app/_")["servers"]
    assert document("/app/_")["paths"] == document()["paths"]
