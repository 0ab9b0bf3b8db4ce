"""The members that metadata has even when nobody has set them."""

from __future__ import annotations

import json

from hypothesis import given

from backbeat_core.domain.object_model import MODEL_VERSION, completed
from domain.values import object_metadata


@given(object_metadata())
def test_what_is_set_stays_and_what_is_not_gets_its_default(metadata: dict[str, object]) -> None:
    full = completed(metadata)

    assert metadata == {name: full[name] for name in metadata}
    assert completed({}).keys() <= full.keys()
    assert full == completed(full)
    assert list(full) == list(completed(full))


def test_unknown_members_follow_and_the_version_of_the_model_comes_last() -> None:
    full = completed({"x-amz-meta-b": "2", "x-amz-meta-a": "1", "versionId": "v", "isNull": True})

    assert list(full)[-5:] == ["deleted", "isPHD", "x-amz-meta-b", "x-amz-meta-a", "md-model-version"]
    assert list(full)[list(full).index("location") :][:4] == ["location", "isNull", "versionId", "tags"]
    assert full["md-model-version"] == MODEL_VERSION == 6


def test_the_version_of_the_model_is_ours() -> None:
    assert completed({"md-model-version": 1})["md-model-version"] == MODEL_VERSION


def test_a_location_that_is_a_text_becomes_a_list() -> None:
    assert completed({"location": "abc"})["location"] == [{"key": "abc"}]
    assert completed({"location": [{"key": "abc"}]})["location"] == [{"key": "abc"}]
    assert completed({})["location"] is None


def test_creation_is_the_last_change_unless_it_is_known() -> None:
    assert "creation-time" not in completed({})
    assert completed({"last-modified": "m"})["creation-time"] == "m"
    assert completed({"last-modified": "m", "creation-time": "c"})["creation-time"] == "c"
    assert completed({"last-modified": "m", "creation-time": ""})["creation-time"] == "m"


def test_nobody_can_change_the_defaults() -> None:
    completed({})["acl"]["READ"].append("everybody")
    completed({})["replicationInfo"]["status"] = "FAILED"

    assert completed({})["acl"] == {
        "Canned": "private",
        "FULL_CONTROL": [],
        "WRITE_ACP": [],
        "READ": [],
        "READ_ACP": [],
    }
    assert json.loads(json.dumps(completed({}))) == completed({})
    assert completed({})["replicationInfo"]["status"] == ""
