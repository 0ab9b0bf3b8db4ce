"""Text as JavaScript writes and reads it: compact JSON, percent-encoding, dates."""

from __future__ import annotations

import datetime
import decimal
import json
import json.encoder
import math
import re
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Final

from backbeat_core.domain.metadata import Json

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_BIG: Final = 1e21  # from here on JavaScript writes an integer with an exponent
_UNESCAPED: Final = "-_.!~*'()"  # besides letters and digits (queue-and-wire 1.4)
_PLAIN: Final = re.compile("[A-Za-z0-9_.!~*'()/-]*")  # most keys: nothing to escape but slashes
_CONTAINERS: Final = (dict, list, tuple, Mapping)
_TEXT: Final = frozenset({str})
_LEAVES: Final = frozenset({str, int, bool, type(None)})
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)

quoted: Final = json.encoder.encode_basestring
"""Return a text in quotes and escaped, all but its lone surrogates; see `well_formed`."""


def _number(text: str) -> int | float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:20]} is out of range")
    return _whole(value) if value.is_integer() and abs(value) < _BIG else value


def _whole(value: float) -> int:
    # The shortest digits that mean this number, then zeros: not the digits of the number itself.
    return int(decimal.Decimal(repr(value)))


def _refuse(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(parse_float=_number, parse_constant=_refuse)
_scan: Final[Callable[[str, int], tuple[Json, int]]] = _DECODER.scan_once  # type: ignore[attr-defined]  # typeshed


def parse(text: str | bytes) -> Json:
    """
    Return the value of a JSON text; whole numbers come as int, however they are written.

    Raises ValueError, and nothing else, for what `JSON.parse` refuses, for bytes that are not UTF-8 and
    for nesting deeper than the interpreter follows.
    """
    try:
        if not isinstance(text, str):
            text = text.decode("utf-8")
        try:
            value, end = _scan(text, 0)
        except StopIteration:
            end = -1
        # White space around it, and the words for what is wrong with it, are the slow way's.
        return value if end == len(text) else _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def dumps(value: Json) -> str:
    """
    Return *value* as `JSON.stringify` writes it: compact, members in order, non-ASCII kept.

    Lone surrogates become `\\udxxx`, not-a-number and infinity become null. Integers keep all their digits,
    which JavaScript does not.
    """
    if type(value) is dict and _TEXT.issuperset(map(type, value.values())):
        return well_formed(f"{{{','.join([f'{quoted(name)}:{quoted(value[name])}' for name in value])}}}")
    return well_formed(_write(value) if _has_float(value) else _ENCODER.encode(value))


def well_formed(text: str) -> str:
    """Return a JSON text with the lone surrogates in it escaped, as `JSON.stringify` escapes them."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def encode(value: Json) -> bytes:
    """Return *value* as the bytes of a message: `dumps` in UTF-8."""
    return dumps(value).encode("utf-8")


def percent_encode(text: str) -> str:
    """
    Return *text* as `encodeURIComponent` writes it.

    A lone surrogate, at which JavaScript throws, is escaped as its three bytes: other texts never give those.
    """
    if _PLAIN.fullmatch(text):
        return text.replace("/", "%2F")
    return urllib.parse.quote(text.encode("utf-8", "surrogatepass"), safe=_UNESCAPED)


def iso(timestamp_ms: int) -> str:
    """Return Unix milliseconds as `Date.toISOString` writes them. Raises OverflowError beyond year 9999."""
    moment = _EPOCH + datetime.timedelta(milliseconds=timestamp_ms)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _plain(value: object) -> Json:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False, default=_plain
)


def _has_float(value: Json) -> bool:
    # Most documents have none, and are looked through by type, one container at a time.
    if not isinstance(value, _CONTAINERS):
        return isinstance(value, float)
    items = value.values() if isinstance(value, (dict, Mapping)) else value
    kinds = set(map(type, items))
    if kinds <= _LEAVES or float in kinds:
        return float in kinds
    return any(type(item) not in _LEAVES and _has_float(item) for item in items)


def _write(value: Json) -> str:
    # The C encoder writes floats in Python's way and cannot be told otherwise.
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{quoted(name)}:{_write(item)}" for name, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_write, value)) + "]"
    return _ENCODER.encode(value)


def _float_text(value: float) -> str:
    if not math.isfinite(value):
        return "null"
    if value.is_integer() and abs(value) < _BIG:
        return str(_whole(value))
    mantissa, _, exponent = repr(value).partition("e")
    if not exponent:
        return mantissa
    power = int(exponent)
    if -7 < power < 0:
        return format(decimal.Decimal(repr(value)), "f")
    return f"{mantissa}e{power:+d}"


def parse_iso(text: str) -> int | None:
    """Return a date in ISO 8601 as Unix milliseconds, UTC where it names no zone; None for what is none."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return (moment - _EPOCH) // datetime.timedelta(milliseconds=1)
