"""Text as JavaScript writes and reads it."""

from __future__ import annotations

import datetime
import json
import math
from types import MappingProxyType

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backbeat_core.domain import wire
from domain.values import broken_texts, json_values, texts


@given(json_values)
def test_what_is_written_is_read_back(value: object) -> None:
    assert value == wire.parse(wire.dumps(value))
    assert value == wire.parse(wire.encode(value))


@given(json_values)
def test_it_is_compact_json_that_anyone_reads(value: object) -> None:
    text = wire.dumps(value)

    assert value == json.loads(text)
    assert wire.dumps(json.loads(text)) == text


@given(broken_texts)
@example("\ud800")
@example("a\udfffb")
def test_a_lone_surrogate_survives(text: str) -> None:
    assert [text, {text: text}] == wire.parse(wire.encode([text, {text: text}]))
    assert {text: text} == wire.parse(wire.encode({text: text}))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [True, None, "x"]}, '{"b":1,"a":[true,null,"x"]}'),
        ({}, "{}"),
        ([], "[]"),
        ({"k": "v", "é": "日"}, '{"k":"v","é":"日"}'),
        ('\b\f\n\r\t"\\/', '"\\b\\f\\n\\r\\t\\"\\\\/"'),
        ("\0\x01\x1f\x7f", '"\\u0000\\u0001\\u001f\x7f"'),
        ("\u2028\u2029😀", '"\u2028\u2029😀"'),
        ("\ud83d", '"\\ud83d"'),
        ({"\udc00": "x"}, '{"\\udc00":"x"}'),
        (MappingProxyType({"a": (1, MappingProxyType({}))}), '{"a":[1,{}]}'),
        (2**70, "1180591620717411303424"),
    ],
)
def test_texts_are_written_as_json_stringify_writes_them(value: object, text: str) -> None:
    assert text == wire.dumps(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (-0.0, "0"),
        (5368709120.0, "5368709120"),
        (1e20, "100000000000000000000"),
        (2.26797932753915e17, "226797932753915000"),
        (1e21, "1e+21"),
        (1.5e300, "1.5e+300"),
        (123456.789, "123456.789"),
        (0.1, "0.1"),
        (1e-6, "0.000001"),
        (1.5e-5, "0.000015"),
        (1e-7, "1e-7"),
        (-2.5e-10, "-2.5e-10"),
        (5e-324, "5e-324"),
        (math.nan, "null"),
        (math.inf, "null"),
        (-math.inf, "null"),
    ],
)
def test_numbers_are_written_as_json_stringify_writes_them(value: float, text: str) -> None:
    assert text == wire.dumps(value)
    assert f'{{"a":[{text},"x"]}}' == wire.dumps({"a": (value, "x")})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.0", 1),
        ("1e3", 1000),
        ("-0", 0),
        ("-0.0", 0),
        ("1E+2", 100),
        ("2.26797932753915e17", 226797932753915000),
    ],
)
def test_a_whole_number_is_an_int_however_it_is_written(text: str, value: int) -> None:
    found = wire.parse(text)

    assert (value, int) == (found, type(found))


def test_white_space_around_a_value_is_nothing() -> None:
    assert {"a": 1} == wire.parse(' \t\r\n{"a" : 1}\n')


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "{",
        '{"a":1}x',
        "{'a':1}",
        "[1,]",
        "NaN",
        "Infinity",
        "-Infinity",
        "[NaN]",
        "1e999",
        "-1e999",
        "01",
        "+1",
        '"\t"',
        "\ufeff{}",
        "nul",
        b"\xff",
        b'"\xed\xa0\x80"',
        '{"a"',
        "[" * 100_000,
        "9" * 5000,
    ],
)
def test_what_json_parse_refuses_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        wire.parse(text)


@given(st.binary(max_size=30) | st.text(max_size=30))
def test_any_bytes_are_a_value_or_a_value_error(data: bytes | str) -> None:
    try:
        wire.parse(data)
    except ValueError:
        return


def test_what_is_no_json_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="set is not JSON"):
        wire.dumps({"a": {1}})


@given(texts, texts)
def test_a_quoted_text_is_what_dumps_writes(one: str, other: str) -> None:
    assert wire.dumps([one, other]) == f"[{wire.quoted(one)},{wire.quoted(other)}]"
    assert wire.dumps(one) == wire.well_formed(wire.quoted(one))


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("bucket/key", "bucket%2Fkey"),
        ("my-bucket/dir/a b+c~!*'().txt", "my-bucket%2Fdir%2Fa%20b%2Bc~!*'().txt"),
        ("source-bucket/foo", "source-bucket%2Ffoo"),
        ("é/😀", "%C3%A9%2F%F0%9F%98%80"),
        ("%\0\x7f", "%25%00%7F"),
        ("", ""),
        ("\ud800", "%ED%A0%80"),
        ("AZaz09-_.!~*'()", "AZaz09-_.!~*'()"),
        (";,/?:@&=+$#[]", "%3B%2C%2F%3F%3A%40%26%3D%2B%24%23%5B%5D"),
        ("a\n", "a%0A"),
    ],
)
def test_percent_encoding_is_that_of_encode_uri_component(text: str, encoded: str) -> None:
    assert encoded == wire.percent_encode(text)


@given(broken_texts, broken_texts)
def test_two_keys_are_never_one_when_encoded(one: str, other: str) -> None:
    assert (one == other) == (wire.percent_encode(one) == wire.percent_encode(other))
    assert wire.percent_encode(one).isascii()


def test_dates_are_written_as_to_iso_string_writes_them() -> None:
    assert wire.iso(0) == "1970-01-01T00:00:00.000Z"
    assert wire.iso(1_622_550_896_789) == "2021-06-01T12:34:56.789Z"
    assert wire.iso(-1) == "1969-12-31T23:59:59.999Z"


def test_a_date_after_the_year_9999_is_an_overflow() -> None:
    with pytest.raises(OverflowError):
        wire.iso(10**15)


@given(st.integers(0, 253402300799999))
def test_a_date_is_read_back(timestamp_ms: int) -> None:
    assert timestamp_ms == wire.parse_iso(wire.iso(timestamp_ms))


def test_a_date_without_a_zone_is_utc_and_what_is_no_date_is_none() -> None:
    noon = datetime.datetime(2024, 5, 1, 12, tzinfo=datetime.UTC)

    assert round(noon.timestamp() * 1000) == wire.parse_iso("2024-05-01T12:00:00")
    assert wire.parse_iso("2024-05-01T14:00:00+02:00") == wire.parse_iso("2024-05-01T12:00:00Z")
    assert wire.parse_iso("yesterday") is None
