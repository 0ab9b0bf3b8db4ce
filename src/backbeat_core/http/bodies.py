"""The bodies of POST requests: what is accepted, and what is said of the rest (http-api 5.5, 6.5, 7.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from backbeat_core.domain import wire
from backbeat_core.domain.metadata import Json
from backbeat_core.errors import InvalidDocument
from backbeat_core.services.retry_failed import RetryRequest

MOST_BYTES: Final = 5 * 1024 * 1024
"""No body may be longer (http-api 2.1)."""

DEFAULT_HOURS: Final = 6
MOST_HOURS: Final = 87600
"""Ten years: a resume that is further away is a mistake (http-api 6.5)."""

_MALFORMED: Final = "The body of your POST request is not well-formed"
_NAMES: Final = ("Bucket", "Key", "StorageClass")
# Whole numbers as JavaScript reads them from a text: spaces around, a plus sign and zeros in front.
_HOURS: Final = re.compile(r"[ \t\r\n]*\+?0*([1-9][0-9]{0,5})[ \t\r\n]*")


def parse_retry(body: bytes) -> tuple[RetryRequest, ...]:
    """
    Return what is to be retried, in its order, the first of each version and site.

    Raises InvalidDocument (MalformedPOSTRequest) telling what is wrong with the first bad element.
    """
    elements = _parse(body)
    if not isinstance(elements, list) or not elements:
        raise _malformed("body must be a non-empty array")
    return tuple(dict.fromkeys(map(_retry, elements)))


def _retry(element: Json) -> RetryRequest:
    if not isinstance(element, dict):
        raise _malformed("body must be an array of objects")
    for name in _NAMES:
        if not _is_text(element.get(name)) or not element[name]:
            raise _malformed(f"{name} must be a non-empty string")
    version_id = element.get("VersionId")
    if not _is_text("" if version_id is None else version_id):
        raise _malformed("VersionId must be a string")
    bucket, key, site = (element[name] for name in _NAMES)
    return RetryRequest(bucket, key, site, version_id or "", _is_truthy(element.get("ForceRetry")))


def _is_text(value: Json) -> bool:
    """Return whether *value* is a string that every engine can store: no half of a surrogate pair."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_truthy(value: Json) -> bool:
    """Return whether JavaScript takes *value* for true: an empty array or object is."""
    return isinstance(value, (list, dict)) or bool(value)


def parse_hours(body: bytes) -> int:
    """
    Return in how many hours to resume: 6 where the body does not say, never less than 1.

    Raises InvalidDocument (MalformedPOSTRequest).
    """
    document = _parse(body) if body else {}
    if not isinstance(document, dict):
        raise _malformed()
    value = document.get("hours")
    if value is None:
        return DEFAULT_HOURS
    hours = _whole_number(value)
    if hours is None or not 0 < hours <= MOST_HOURS:
        raise _malformed("hours must be an integer greater than 0")
    return hours


def _whole_number(value: Json) -> int | None:
    if isinstance(value, str):
        found = _HOURS.fullmatch(value)
        return int(found[1]) if found else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def parse_workflows(body: bytes) -> Mapping[str, Json]:
    """Return the overlay with the workflows. Raises InvalidDocument (MalformedPOSTRequest; B20)."""
    try:
        overlay = wire.parse(body)
    except ValueError:
        overlay = None
    if not isinstance(overlay, dict):
        raise InvalidDocument("MalformedPOSTRequest", "invalid JSON")
    return overlay


def _parse(body: bytes) -> Json:
    try:
        return wire.parse(body)
    except ValueError:
        raise _malformed() from None


def _malformed(what: str = "") -> InvalidDocument:
    return InvalidDocument("MalformedPOSTRequest", f"{_MALFORMED}: {what}" if what else _MALFORMED)


def check_size(body: bytes) -> None:
    """Raise InvalidDocument (MalformedPOSTRequest) for a body over the limit (http-api 2.1)."""
    if len(body) > MOST_BYTES:
        raise _malformed(f"it is longer than {MOST_BYTES} bytes")
