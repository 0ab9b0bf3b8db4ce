"""Questions to object metadata, however odd the document."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.domain import metadata as md


def test_a_versioned_key_is_the_object_key_and_the_version() -> None:
    assert ("k", "v") == md.split_key("k\0v")
    assert ("k", None) == md.split_key("k")
    assert ("k", "") == md.split_key("k\0")
    assert ("k", "v\0w") == md.split_key("k\0v\0w")
    assert md.is_master_key("k")
    assert not md.is_master_key("k\0v")


@given(st.text().filter(lambda key: "\0" not in key), st.none() | st.text(min_size=1))
def test_what_is_joined_is_split_again(key: str, version: str | None) -> None:
    assert (key, version) == md.split_key(md.join_key(key, version))


def test_no_version_makes_a_master_key() -> None:
    assert "k" == md.join_key("k", "") == md.join_key("k", None)


@pytest.mark.parametrize(
    ("key", "stripped"), [("\x7fMk", "k"), ("\x7fVk\0v", "k\0v"), ("k", "k"), ("\x7fk", "\x7fk")]
)
def test_the_prefix_of_key_format_v1_is_taken_off(key: str, stripped: str) -> None:
    assert stripped == md.strip_key_format(key)


@pytest.mark.parametrize(
    ("stored", "size"),
    [
        (0, 0),
        (1024, 1024),
        ("1024", 1024),
        (10.0, 10),
        (2**53, 2**53),
        (None, 0),
        ("", 0),
        ("-1", 0),
        ("1e3", 0),
        ("²", 0),
        ("9" * 16, 9999999999999999),
        ("9" * 17, 0),
        (-1, 0),
        (2**53 + 1, 0),
        (float("nan"), 0),
        (float("inf"), 0),
        (True, 0),
        ([], 0),
    ],
)
def test_a_size_is_a_count_or_nothing(stored: Any, size: int) -> None:
    assert size == md.content_length({"content-length": stored})


def test_what_is_told_is_what_is_stored() -> None:
    pieces = [{"key": "a"}, {"key": "b"}]
    stored = {
        "versionId": "v",
        "isNull": True,
        "isDeleteMarker": True,
        "content-length": 7,
        "content-md5": "0123-2",
        "last-modified": "2024-05-01T10:00:00.000Z",
        "owner-id": "o",
        "originOp": "s3:ObjectCreated:Put",
        "dataStoreName": "us-east-1",
        "tags": {"a": "b"},
        "location": pieces,
    }

    assert "v" == md.version_id(stored)
    assert md.is_null_version(stored)
    assert md.is_delete_marker(stored)
    assert "0123-2" == md.content_md5(stored)
    assert md.is_multipart(stored)
    assert "2024-05-01T10:00:00.000Z" == md.last_modified(stored)
    assert "o" == md.owner_id(stored)
    assert "s3:ObjectCreated:Put" == md.origin_op(stored)
    assert "us-east-1" == md.data_store_name(stored)
    assert {"a": "b"} == md.tags(stored)
    assert tuple(pieces) == md.locations(stored)


@pytest.mark.parametrize("odd", [{}, dict.fromkeys(["versionId", "content-md5", "tags", "location"], 5)])
def test_what_is_not_there_has_an_empty_answer(odd: dict[str, Any]) -> None:
    assert md.version_id(odd) is None
    assert not md.is_null_version(odd)
    assert not md.is_delete_marker(odd)
    assert "" == md.content_md5(odd)
    assert not md.is_multipart(odd)
    assert {} == md.tags(odd)
    assert () == md.locations(odd)


def test_an_empty_version_id_is_none() -> None:
    assert md.version_id({"versionId": ""}) is None


def test_pieces_that_are_no_objects_are_passed_over() -> None:
    assert ({"key": "a"},) == md.locations({"location": [None, {"key": "a"}, "b"]})


def test_pl7_metadata_alone_moves_nothing() -> None:
    stored = {"content-length": 7}

    assert 7 == md.bytes_to_replicate(stored, ("DATA", "METADATA"))
    assert 0 == md.bytes_to_replicate(stored, ("METADATA",))
