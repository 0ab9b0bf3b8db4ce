"""Copies to another location."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.domain.action import Action, decode_action
from backbeat_core.domain.data_mover import CopyLocation, stale
from backbeat_core.domain.messages import ColdArchive
from backbeat_core.errors import InvalidInput
from domain.values import documents, json_values, texts

optional = st.none() | texts
numbers = st.none() | st.integers(0, 2**53)
requests = st.builds(
    CopyLocation,
    bucket=texts,
    key=texts,
    to_location=texts,
    account_id=optional,
    owner=optional,
    version=optional,
    etag=optional,
    attempt=numbers,
    last_modified=optional,
    origin=optional,
    from_location=optional,
    content_length=numbers,
    transition_time=optional,
    source=st.none() | documents,
)


@given(requests)
def test_a_request_is_read_back(request: CopyLocation) -> None:
    action = decode_action(request.action("i").encode(), now_ms=1)

    assert isinstance(action, Action)
    assert request == CopyLocation.of(action)


@given(requests, optional)
def test_an_archive_request_says_the_same(request: CopyLocation, request_id: str | None) -> None:
    archive = request.archive(request_id)

    assert archive == ColdArchive.decode(archive.encode())
    assert (request.bucket, request.key, request.version) == (
        archive.bucket_name,
        archive.object_key,
        archive.object_version,
    )
    assert (request.content_length, request.etag, request.attempt, request_id) == (
        archive.size,
        archive.etag,
        archive.attempt,
        archive.request_id,
    )


def test_the_key_is_not_percent_encoded() -> None:
    assert CopyLocation(bucket="b", key="é/a b", to_location="l").message_key == "b/é/a b".encode()


@pytest.mark.parametrize(("location", "topic"), [("hot", "mover"), ("cold", "cold-archive-req-cold")])
def test_a_request_goes_where_its_location_is_served(location: str, topic: str) -> None:
    request = CopyLocation(bucket="b", key="k", to_location=location)

    assert topic == request.topic(
        known={"hot", "cold"}, cold={"cold"}, data_mover_topic="mover", cold_prefix="cold-archive-req-"
    )


def test_a_location_that_nobody_knows_is_the_callers_error() -> None:
    with pytest.raises(InvalidInput, match="unknown location 'nowhere'"):
        CopyLocation(bucket="b", key="k", to_location="nowhere").topic(
            known={"hot"}, cold=(), data_mover_topic="mover", cold_prefix="cold-"
        )


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"action": "copyLocation", "target": {"bucket": "b", "key": "k"}},
        {"action": "copyLocation", "target": {"bucket": "b"}, "toLocation": "l"},
        {"action": "copyLocation", "target": {"bucket": 1, "key": "k"}, "toLocation": "l"},
        {"action": "deleteData", "target": {"bucket": "b", "key": "k"}, "toLocation": "l"},
    ],
)
def test_what_names_no_object_or_location_is_no_copy(document: dict[str, Any]) -> None:
    assert CopyLocation.of(Action(document)) is None


@given(json_values, json_values, json_values, json_values)
def test_members_of_another_type_are_not_there(etag: Any, attempt: Any, length: Any, source: Any) -> None:
    document = {
        "action": "copyLocation",
        "target": {"bucket": "b", "key": "k", "eTag": etag, "attempt": attempt},
        "toLocation": "l",
        "metrics": {"contentLength": length},
        "source": source,
    }
    request = CopyLocation.of(Action(document))

    assert request is not None
    assert isinstance(request.etag, str | None)
    assert isinstance(request.attempt, int | None)
    assert isinstance(request.content_length, int | None)
    assert isinstance(request.source, dict | None)


@pytest.mark.parametrize(
    ("etag", "store", "reason"),
    [
        ('"abc"', "here", None),
        ("abc", "here", None),
        (None, "here", None),
        ('"other"', "here", "the object has other content now"),
        ('"abc"', "there", "the object is there already"),
    ],
)
def test_a_copy_of_what_has_changed_or_arrived_is_not_made(
    etag: str | None, store: str, reason: str | None
) -> None:
    request = CopyLocation(bucket="b", key="k", to_location="there", etag=etag)

    assert reason == stale(request, {"content-md5": "abc", "dataStoreName": store})
