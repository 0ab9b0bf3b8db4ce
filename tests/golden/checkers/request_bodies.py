"""Bodies of POST requests against what the reference implementation makes of them (http-api 5.5, 6.5)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs
import pytest

from backbeat_core.errors import InvalidDocument
from backbeat_core.http.bodies import DEFAULT_HOURS, MOST_HOURS, parse_hours, parse_retry
from backbeat_core.services.retry_failed import RetryRequest
from golden.vectors import Case, answer

M: Final = "The body of your POST request is not well-formed"
NAMES: Final = ("Bucket", "Key", "StorageClass")


def parsed(body: str) -> Any:
    return json.loads(body)


def refuse(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def is_json(body: str) -> bool:
    try:
        json.loads(body, parse_constant=refuse)
    except (ValueError, RecursionError):
        return False
    return True


# --- retry -------------------------------------------------------------------------------------------------


def check_retry(case: Case) -> None:
    body = case.input["body"]
    ours = mended_5_5(body)
    if isinstance(ours, str):
        with pytest.raises(InvalidDocument) as caught:
            parse_retry(body.encode())
        assert ("MalformedPOSTRequest", ours) == (caught.value.code, caught.value.description)
    elif "parsed" in case.expected:
        given = parse_retry(body.encode())
        assert [fields(element) for element in first_of_each_b17(body)] == [
            attrs.astuple(retry) for retry in given
        ]
    else:
        expected = case.expected["error"]
        with pytest.raises(InvalidDocument) as caught:
            parse_retry(body.encode())
        assert (expected["type"], expected["description"]) == (caught.value.code, caught.value.description)


def fields(element: Mapping[str, Any]) -> tuple[str, str, str, str, bool]:
    force = bool(element.get("ForceRetry")) or element.get("ForceRetry") in ([], {})
    version_id = element.get("VersionId")
    return (*(element[name] for name in NAMES), "" if version_id is None else version_id, force)


def mended_5_5(body: str) -> str | None:
    """
    Return our error where 5.5 [R] differs: the first bad element counts, in the order of its fields.

    An array is no object (B20), and a version id is a string or null. None where nothing differs.
    """
    elements = parsed(body) if is_json(body) else None
    if body_has_number_out_of_range(body):
        return M  # a number that no double can hold is not JSON to us, wherever it stands
    if not isinstance(elements, list):
        return None
    for element in elements:
        if not isinstance(element, dict):
            return f"{M}: body must be an array of objects"
        for name in NAMES:
            if not isinstance(element.get(name), str) or not element[name]:
                return f"{M}: {name} must be a non-empty string"
        if not isinstance(element.get("VersionId"), (str, type(None))):
            return f"{M}: VersionId must be a string"
    return None


def first_of_each_b17(body: str) -> list[Any]:
    """B17, B21: elements are the same if their fields are, not if their fields joined by colons are."""
    seen: dict[object, Any] = {}
    for element in parsed(body):
        seen.setdefault(fields(element)[:4], element)
    return list(seen.values())


def body_has_number_out_of_range(body: str) -> bool:
    found: list[float] = []

    def number(text: str) -> float:
        found.append(float(text))
        return found[-1]

    try:
        json.loads(body, parse_float=number)
    except (ValueError, RecursionError):
        return False
    return any(map(math.isinf, found))


def check_retry_crash(case: Case) -> None:
    """B20: what stops the reference is a bad request."""
    given = answer(lambda: parse_retry(case.input["body"].encode()))
    if isinstance(given, InvalidDocument):
        assert given.code == "MalformedPOSTRequest"
    else:
        assert all(isinstance(element, RetryRequest) for element in given)


# --- schedule ----------------------------------------------------------------------------------------------


def check_schedule(case: Case) -> None:
    body = case.input["body"]
    expected = None if differs_6_5(body) else case.expected.get("parsed", {}).get("hours")
    given = answer(lambda: parse_hours(body.encode()))
    if expected is None:
        assert isinstance(given, InvalidDocument)
        assert given.code == "MalformedPOSTRequest"
        assert given.description in (M, f"{M}: hours must be an integer greater than 0")  # B30
    else:
        assert expected == given


def differs_6_5(body: str) -> bool:
    """6.5 [R]: only an object is a body, and only a whole number from 1 to 87600 is a number of hours (B29)."""
    if not body or not is_json(body):
        return False
    document = parsed(body)
    if not isinstance(document, dict):
        return True
    hours = document.get("hours")
    if hours is None:
        return False
    plain = isinstance(hours, str) and re.fullmatch(r"\s*\+?[0-9]+\s*", hours)
    whole = isinstance(hours, (int, float)) and not isinstance(hours, bool) and float(hours).is_integer()
    return not (plain or whole) or not 0 < int(hours) <= MOST_HOURS


def check_schedule_exotic(case: Case) -> None:
    given = answer(lambda: parse_hours(case.input["body"].encode()))
    if isinstance(given, InvalidDocument):
        assert given.code == "MalformedPOSTRequest"
    else:
        assert given in (DEFAULT_HOURS, case.expected.get("parsed", {}).get("hours"))


CHECKS: Final[Mapping[str, Callable[[Case], None]]] = {
    "retry": check_retry,
    "retry_crash": check_retry_crash,
    "schedule": check_schedule,
    "schedule_exotic": check_schedule_exotic,
}
