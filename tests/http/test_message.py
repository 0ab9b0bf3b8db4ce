"""Requests and responses as values (http-api 2.1)."""

from __future__ import annotations

import pytest

from backbeat_core.http.message import Request, Response, error_response, json_response
from backbeat_core.responses import CATALOGUE


def test_a_request_gives_each_line_of_a_header_in_order() -> None:
    request = Request("GET", "/", (("a", "1"), ("b", "2"), ("a", "3")))
    assert ("1", "3") == request.values("a")
    assert () == request.values("c")


def test_an_answer_is_compact_json_with_its_exact_type_and_its_length_in_bytes() -> None:
    response = json_response({"b": "é", "a": [1, None]})
    assert '{"b":"é","a":[1,null]}'.encode() == response.body
    assert (("Content-Type", "application/json"), ("Content-Length", "23")) == response.headers


@pytest.mark.parametrize(
    ("status", "reason"),
    [(200, "OK"), (400, "Bad Request"), (403, "Forbidden"), (404, "Not Found"), (405, "Method Not Allowed")],
)
def test_the_reason_is_the_standard_phrase(status: int, reason: str) -> None:
    assert reason == Response(status, b"").reason


@pytest.mark.parametrize("row", CATALOGUE.values(), ids=lambda row: row.code)
def test_every_error_is_answered_as_json(row: object) -> None:
    response = error_response(row)  # type: ignore[arg-type]
    assert (row.status, "application/json") == (response.status, response.content_type)  # type: ignore[attr-defined]
    assert response.reason
