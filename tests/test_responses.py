"""The catalogue of errors, the error document (http-api 2.3 [R]), and what an exception means (PL-32)."""

from __future__ import annotations

import json

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core import errors
from backbeat_core.responses import (
    ACCESS_DENIED,
    CATALOGUE,
    INTERNAL_ERROR,
    INVALID_QUERY_PARAMETER,
    MALFORMED_POST_REQUEST,
    METHOD_NOT_ALLOWED,
    ROUTE_NOT_FOUND,
    Component,
    error_document,
    fault_of,
    is_retryable,
)


def test_the_answers_of_the_api_are_those_of_the_spec() -> None:
    expected = [
        ("AccessDenied", 403, "Access Denied"),
        ("RouteNotFound", 404, "RouteNotFound"),
        ("MethodNotAllowed", 405, "The specified method is not allowed against this resource."),
        (
            "InvalidQueryParameter",
            400,
            "The AWS query string is malformed or does not adhere to AWS standards.",
        ),
        (
            "MalformedPOSTRequest",
            400,
            "The body of your POST request is not well-formed multipart/form-data.",
        ),
        ("InternalError", 500, "We encountered an internal error. Please try again."),
    ]
    rows = [
        ACCESS_DENIED,
        ROUTE_NOT_FOUND,
        METHOD_NOT_ALLOWED,
        INVALID_QUERY_PARAMETER,
        MALFORMED_POST_REQUEST,
        INTERNAL_ERROR,
    ]
    assert expected == [(row.code, row.status, row.description) for row in rows]


def test_every_row_is_found_by_its_code_and_is_an_error_of_http() -> None:
    assert {code: row.code for code, row in CATALOGUE.items()} == {code: code for code in CATALOGUE}
    assert all(400 <= row.status < 600 and row.description for row in CATALOGUE.values())


def test_every_500_and_every_throttle_is_retryable_and_no_other_4xx_is() -> None:
    """PL-32, with its [R]: BadDigest is corruption in transit."""
    waits = {"BadDigest", "OperationAborted", "RequestTimeout", "Throttling", "TooManyRequests"}
    for row in CATALOGUE.values():
        expected = (row.status >= 500 and row.status != 501) or row.code in waits
        assert expected == row.retryable, row.code
        assert expected == is_retryable(row.code, 418)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *((400, False), (404, False), (428, False), (429, True), (430, False), (499, False)),
        *((500, True), (501, False), (502, True), (503, True), (504, True)),
    ],
)
def test_an_unknown_code_is_judged_by_its_status(status: int, expected: bool) -> None:
    assert expected == is_retryable("NobodyKnowsThis", status)


def test_the_error_document_is_compact_with_its_members_in_order() -> None:
    expected = b'{"code":404,"description":"path crr/statuss does not exist","RouteNotFound":true}'
    assert expected == error_document(ROUTE_NOT_FOUND, "path crr/statuss does not exist")
    assert b'{"code":403,"description":"Access Denied","AccessDenied":true}' == error_document(ACCESS_DENIED)
    assert b'{"code":403,"description":"","AccessDenied":true}' == error_document(ACCESS_DENIED, "")


@given(st.sampled_from(sorted(CATALOGUE)), st.text(st.characters(codec=None)))
def test_every_error_document_is_json_in_utf8(code: str, description: str) -> None:
    row = CATALOGUE[code]
    body = error_document(row, description)
    expected = [("code", row.status), ("description", description), (code, True)]
    assert expected == list(json.loads(body.decode("utf-8")).items())
    assert not any(byte < 0x20 for byte in body)


# --- exceptions --------------------------------------------------------------------------------------------


class TheirError(Exception):
    """An exception of some client that nobody translated (B2)."""


@pytest.mark.parametrize(
    ("error", "component", "retryable"),
    [
        (errors.QueueUnavailable("broker down"), Component.QUEUE, True),
        (errors.StoreUnavailable(), Component.STORE, True),
        (errors.CacheUnavailable(), Component.CACHE, True),
        (errors.CoordinatorUnavailable(), Component.COORDINATOR, True),
        (errors.LocationUnavailable(), Component.LOCATION, True),
        (errors.Unavailable(), Component.API, True),
        (errors.LocationRefused(), Component.LOCATION, False),
        (errors.Corrupted(), Component.LOCATION, True),
        (errors.SourceChanged(), Component.LOCATION, False),
        (errors.HistoryLost("p"), Component.STORE, False),
        (errors.Conflict("k"), Component.API, False),
        (errors.Fenced("k"), Component.COORDINATOR, False),
        (errors.UndecodableEntry("not JSON"), Component.QUEUE, False),
        (errors.MessageTooLarge(2, 1), Component.QUEUE, False),
        (errors.InvalidConfiguration("x"), Component.API, False),
        (errors.BackbeatError(), Component.API, False),
        (TheirError("secret"), Component.API, False),
        (TimeoutError("secret"), Component.API, True),
        (ConnectionResetError("secret"), Component.API, True),
        (RecursionError(), Component.API, False),
        (MemoryError(), Component.API, False),
    ],
)
def test_what_failed_inside_is_a_500_that_names_its_component_only_in_the_log(
    error: Exception, component: Component, retryable: bool
) -> None:
    fault = fault_of(error)
    expected = (INTERNAL_ERROR, INTERNAL_ERROR.description, component, retryable)
    assert expected == (fault.row, fault.description, fault.component, fault.retryable)
    assert error_document(INTERNAL_ERROR) == fault.document()


@pytest.mark.parametrize(
    ("error", "code", "description"),
    [
        (errors.InvalidDocument("MalformedXML", "no root"), "MalformedXML", "no root"),
        (errors.InvalidDocument("MalformedXML"), "MalformedXML", CATALOGUE["MalformedXML"].description),
        (errors.InvalidDocument("Unheard", "what"), "InvalidRequest", "what"),
        (errors.InvalidInput("what is wrong"), "InvalidRequest", "what is wrong"),
        (errors.InvalidInput(), "InvalidRequest", CATALOGUE["InvalidRequest"].description),
        (errors.Denied("the inside's reason"), "AccessDenied", "Access Denied"),
        (errors.NotFound("b/k"), "ObjNotFound", "This object does not exist"),
    ],
)
def test_what_the_caller_did_wrong_has_a_row_of_its_own(error: Exception, code: str, description: str) -> None:
    fault = fault_of(error)
    expected = (CATALOGUE[code], description, None, False)
    assert expected == (fault.row, fault.description, fault.component, fault.retryable)
    assert error_document(CATALOGUE[code], description) == fault.document()


def test_every_error_of_the_tree_means_something() -> None:
    def tree(kind: type[BaseException]) -> list[type[BaseException]]:
        return [kind, *(under for sub in kind.__subclasses__() for under in tree(sub))]

    for kind in tree(errors.BackbeatError):
        required = [a for a in attrs.fields(kind) if a.default is attrs.NOTHING] if attrs.has(kind) else []
        fault = fault_of(kind(*("MalformedXML" for _ in required)))
        assert (fault.component is None) == (fault.row.status < 500), kind
