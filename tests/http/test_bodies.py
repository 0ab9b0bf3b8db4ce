"""Bodies of POST requests (http-api 5.5, 6.5, 7.4; B20, B29, B30): good ones, bad ones, monsters."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.errors import InvalidDocument
from backbeat_core.http.bodies import (
    MOST_BYTES,
    MOST_HOURS,
    check_size,
    parse_hours,
    parse_retry,
    parse_workflows,
)
from backbeat_core.services.retry_failed import RetryRequest

M = "The body of your POST request is not well-formed"
HOURS = f"{M}: hours must be an integer greater than 0"
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
monsters = [
    b"[" * 2_000_000,
    b'{"a":' * 500_000,
    b'{"hours":' + b"9" * 10_000 + b"}",
    b'[{"Bucket":' + b"[" * 100_000,
    b"NaN",
    b"-Infinity",
    b'{"hours":NaN}',
    b"\xff\xfe[\x00",
    b"\xef\xbb\xbf{}",
    b"\x00",
    b"{} {}",
    b"{'hours':3}",
]


def refused(parse: object, body: bytes) -> str:
    with pytest.raises(InvalidDocument) as caught:
        parse(body)  # type: ignore[operator]
    assert caught.value.code == "MalformedPOSTRequest"
    return caught.value.description


@given(st.lists(st.tuples(names, names, names, st.none() | names, st.booleans()), min_size=1, max_size=6))
def test_what_is_listed_can_be_posted_back(versions: list) -> None:
    body = [
        {"Bucket": b, "Key": k, "VersionId": v, "StorageClass": s, "Size": 1, "LastModified": "x", "ForceRetry": f}
        for b, k, s, v, f in versions
    ]
    expected = {}
    for b, k, s, v, f in versions:
        expected.setdefault((b, k, s, v or ""), RetryRequest(b, k, s, v or "", f))
    given_back = parse_retry(json.dumps(body).encode())
    assert list(expected.values()) == list(given_back)
    assert [r.force for r in expected.values()] == [r.force for r in given_back]


@pytest.mark.parametrize("force", [True, 1, "x", [], {}, -0.5, "false"])
def test_what_javascript_takes_for_true_forces(force: object) -> None:
    body = json.dumps([{"Bucket": "b", "Key": "k", "StorageClass": "s", "ForceRetry": force}]).encode()
    assert parse_retry(body)[0].force


@pytest.mark.parametrize("force", [False, 0, "", None, 0.0])
def test_what_javascript_takes_for_false_does_not(force: object) -> None:
    body = json.dumps([{"Bucket": "b", "Key": "k", "StorageClass": "s", "ForceRetry": force}]).encode()
    assert not parse_retry(body)[0].force


@pytest.mark.parametrize("field", ["Bucket", "Key", "StorageClass"])
@pytest.mark.parametrize("value", [None, "", 0, 5, True, ["a"], {"a": 1}, "\ud800"])
def test_a_field_that_is_no_text_is_named(field: str, value: object) -> None:
    good = {"Bucket": "b", "Key": "k", "StorageClass": "s"}
    bad = [good, {**good, field: value}, {**good, "Bucket": 7}]
    assert f"{M}: {field} must be a non-empty string" == refused(parse_retry, json.dumps(bad).encode())


@pytest.mark.parametrize("value", [0, 5, True, ["a"], {"a": 1}, "\udfff"])
def test_a_version_that_is_no_text_is_refused(value: object) -> None:
    bad = [{"Bucket": "b", "Key": "k", "StorageClass": "s", "VersionId": value}]
    assert f"{M}: VersionId must be a string" == refused(parse_retry, json.dumps(bad).encode())


@pytest.mark.parametrize("element", ["null", "[]", "5", '"x"', "true", '[{"Bucket":"b"}]'])
def test_an_element_that_is_no_object_is_refused(element: str) -> None:
    assert f"{M}: body must be an array of objects" == refused(parse_retry, f"[{element}]".encode())


@pytest.mark.parametrize("body", ["{}", "[]", "null", "5", '"x"', '{"length":1,"0":{}}'])
def test_a_body_that_is_no_array_is_refused(body: str) -> None:
    assert f"{M}: body must be a non-empty array" == refused(parse_retry, body.encode())


@pytest.mark.parametrize("body", [b"", b" ", b"[", *monsters], ids=lambda body: repr(body[:20]))
def test_what_is_not_json_is_refused_in_bounded_time(body: bytes) -> None:
    assert M == refused(parse_retry, body)
    assert refused(parse_workflows, body) == "invalid JSON"
    if body:
        assert refused(parse_hours, body) in (M, HOURS)


@pytest.mark.parametrize("body", ["", "{}", '{"hours":null}', '{"a":1}', " {} "])
def test_six_hours_are_the_default(body: str) -> None:
    assert parse_hours(body.encode()) == 6


@given(st.integers(1, MOST_HOURS))
def test_whole_hours_are_taken_as_number_and_as_text(hours: int) -> None:
    for value in (hours, str(hours), f" +00{hours}\n", float(hours)):
        assert hours == parse_hours(json.dumps({"hours": value}).encode())


@pytest.mark.parametrize(
    "hours",
    [
        *[0, "", False, 1.5, "1e3", -1, "0", 0.5, "abc", {}, True, " ", [], [5], "5h", "0x10", "1_000", "٣", -0.0],
        *[MOST_HOURS + 1, str(MOST_HOURS + 1), 1e21, 10**400, "1" * 5000, "5\0", "５"],
    ],
)
def test_other_hours_are_refused(hours: object) -> None:
    assert HOURS == refused(parse_hours, json.dumps({"hours": hours}).encode())


@pytest.mark.parametrize("body", ["[]", "5", '"x"', "null", "[{}]", "{"])
def test_a_schedule_that_is_no_object_is_refused(body: str) -> None:
    assert M == refused(parse_hours, body.encode())


def test_workflows_are_any_object() -> None:
    assert parse_workflows(b"{}") == {}
    assert {"version": 7, "workflows": {}} == parse_workflows(b'{"version":7,"workflows":{}}')


@pytest.mark.parametrize("body", ["null", "[]", "5", '"x"', "{"])
def test_workflows_that_are_no_object_are_refused(body: str) -> None:
    assert refused(parse_workflows, body.encode()) == "invalid JSON"


def test_a_body_has_a_greatest_size() -> None:
    check_size(b"x" * MOST_BYTES)
    assert f"{M}: it is longer than 5242880 bytes" == refused(check_size, b"x" * (MOST_BYTES + 1))


@given(st.binary())
def test_no_body_makes_a_parser_raise_anything_else(body: bytes) -> None:
    for parse in (parse_retry, parse_hours, parse_workflows):
        with contextlib.suppress(InvalidDocument):
            parse(body)
