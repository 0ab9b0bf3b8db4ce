"""
How JSON documents lie in MongoDB: `{_id: key, value: document}`, as CloudServer writes them.

We add one member beside the two, `backbeatRev`, new with each of our writes: rewriting equal content is a
change too. Other members (the `vFormat` of a bucket) are kept. A version token is the whole document as BSON,
so that what others have written can be compared and set as well.

Inside the value, `$` and `.` in the keys of `tags` are kept as U+FF04 and U+FF0E (W-53), and NUL, which BSON
forbids in names, as U+E000 and a digit.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument

from backbeat_core.errors import InvalidDocument, InvalidInput
from backbeat_core.ports.store import Document, Json, Version

REVISION: Final = "backbeatRev"

# Everything comes back as it went in, dates of any year included.
_FAITHFUL: Final[CodecOptions[dict[str, Any]]] = CodecOptions(
    dict, datetime_conversion=DatetimeConversion.DATETIME_MS
)

RAW: Final[CodecOptions[RawBSONDocument]] = CodecOptions(RawBSONDocument, tz_aware=True)

_TAGS_OUT: Final = str.maketrans({"$": "\uff04", ".": "\uff0e"})
_TAGS_IN: Final = str.maketrans({"\uff04": "$", "\uff0e": "."})

_ESCAPE: Final = "\ue000"


def stored(value: Mapping[str, Json]) -> dict[str, Any]:
    """Return *value* as it lies in MongoDB. Raises InvalidInput for what JSON, or 64 bits, cannot say."""
    if not isinstance(value, Mapping):
        raise InvalidInput("not a JSON document: it has no members")
    return {_name_out(name): stored_member(name, member) for name, member in value.items()}


def stored_member(name: str, value: Json) -> Any:
    """Return one top-level member's value as it lies in MongoDB. Raises InvalidInput."""
    inner = _json_out(value)
    return _rename(inner, _TAGS_OUT) if name == "tags" else inner


def json_value(raw: RawBSONDocument) -> dict[str, Any]:
    """Return the JSON document that lies under `value`. Raises InvalidDocument where there is none."""
    value = raw.get("value")
    if not isinstance(value, RawBSONDocument):
        raise InvalidDocument("InternalError", f"{raw.get('_id')!r} has a value that is not a document")
    inner: dict[str, Any] = _json_in(bson.decode(value.raw, _FAITHFUL))
    if "tags" in inner:
        inner["tags"] = _rename(inner["tags"], _TAGS_IN)
    return inner


def document(raw: RawBSONDocument) -> Document:
    """Return the port's document. Raises InvalidDocument where the value is none."""
    return Document(raw["_id"], json_value(raw), bytes(raw.raw))


def whole(version: Version) -> dict[str, Any] | None:
    """Return the document that *version* stands for, every member as MongoDB had it; None if it is no version."""
    try:
        found: dict[str, Any] = bson.decode(version, _FAITHFUL)
    except BSONError:
        return None
    return found if isinstance(found.get("value"), dict) else None


def patched(found: Mapping[str, Any], members: Mapping[str, Json]) -> dict[str, Any]:
    """Return the value of *found* with *members* replaced; the others stay byte for byte."""
    return {**found["value"], **stored(members)}


def unchanged(version: Version) -> dict[str, Any]:
    """Return the filter that finds the document only as it was at *version*."""
    raw = RawBSONDocument(version)
    # `$eq` says that what follows is content, whatever its members are called.
    return {"_id": raw["_id"], "value": {"$eq": raw["value"]}, REVISION: raw.get(REVISION)}


def _json_out(value: Json) -> Any:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise InvalidInput(f"not a document that can be stored: {value} has more than 64 bits")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidInput(f"not a JSON document: {value}")
        return value
    if isinstance(value, Mapping):
        return {_name_out(name): _json_out(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_json_out(item) for item in value]
    raise InvalidInput(f"not a JSON document: it has a {type(value).__name__}")


def _name_out(name: object) -> str:
    if not isinstance(name, str):
        raise InvalidInput(f"not a JSON document: {name!r} is no name")
    if "\x00" in name or _ESCAPE in name:
        return name.replace(_ESCAPE, f"{_ESCAPE}1").replace("\x00", f"{_ESCAPE}0")
    return name


def _name_in(name: str) -> str:
    if _ESCAPE in name:
        return name.replace(f"{_ESCAPE}0", "\x00").replace(f"{_ESCAPE}1", _ESCAPE)
    return name


def _json_in(value: Any) -> Any:
    known = _FOREIGN.get(type(value))
    if known is not None:
        return known(value)
    if isinstance(value, str | int | float) or value is None:
        return value
    # Types of MongoDB that JSON has no word for: their text is better than no document.
    return str(value)


def _instant(value: DatetimeMS) -> str:
    # As JavaScript writes a Date, which is what the documents' other authors do.
    moment = value.as_datetime(CodecOptions(tz_aware=True, tzinfo=datetime.UTC))
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_FOREIGN: Final[Mapping[type, Callable[[Any], Any]]] = {
    dict: lambda value: {_name_in(name): _json_in(member) for name, member in value.items()},
    list: lambda value: [_json_in(item) for item in value],
    bson.Int64: int,
    DatetimeMS: _instant,
}


def _rename(tags: Any, table: Mapping[int, str]) -> Any:
    if not isinstance(tags, dict):
        return tags
    return {name.translate(table): value for name, value in tags.items()}
