"""Requests to delete data, and the call that they come to."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.domain.action import Action
from backbeat_core.domain.entry import ObjectEntry
from backbeat_core.domain.garbage import DeleteData, transient_garbage
from domain.values import entries, json_values

VERSION = "98500086134471999999RG001  0"
PIECES = [
    {"key": "1", "start": 0, "size": 542, "dataStoreName": "transient-loc", "dataStoreETag": "1:01"},
    {"key": "2", "start": 542, "size": 3, "dataStoreName": "transient-loc", "dataStoreETag": "1:01"},
]
ENTRY = ObjectEntry(
    "b",
    f"k\0{VERSION}",
    {
        "versionId": VERSION,
        "last-modified": "2024-05-01T10:00:00.000Z",
        "dataStoreName": "transient-loc",
        "owner-id": "canonical",
        "location": PIECES,
    },
)


def test_the_request_is_that_of_gc_1_with_every_stored_location() -> None:
    assert transient_garbage(ENTRY, action_id="i", request_id="r").document == {
        "actionId": "i",
        "action": "deleteData",
        "contextInfo": {
            "origin": "transientSource",
            "ruleType": "transient",
            "reqId": "r",
            "bucket": "b",
            "objectKey": "k",
            "versionId": VERSION,
            "isDeleteMarker": False,
            "ignore": False,
        },
        "source": {
            "bucket": "b",
            "objectKey": "k",
            "storageClass": "transient-loc",
            "lastModified": "2024-05-01T10:00:00.000Z",
        },
        # Two pieces of one part: the reference forgets the first for ever (CE-11).
        "target": {"locations": PIECES, "accountId": None, "owner": "canonical"},
    }


def test_what_is_not_known_is_not_said() -> None:
    context = transient_garbage(ObjectEntry("b", "k", {}), action_id="i").context

    assert {"reqId", "versionId"}.isdisjoint(context)


@given(entries(), entries())
def test_the_same_request_has_the_same_id(one: ObjectEntry, other: ObjectEntry) -> None:
    # It is made again for every duplicate of the last report (GC-3).
    mine, again, theirs = (transient_garbage(entry).action_id for entry in (one, one, other))
    same = (one.bucket, one.key, one.version_id) == (other.bucket, other.key, other.version_id)

    assert mine == again
    assert same or mine != theirs


def test_data_that_was_written_since_is_another_request() -> None:
    later = attrs.evolve(ENTRY, metadata={**ENTRY.metadata, "last-modified": "2024-05-02T10:00:00.000Z"})

    assert transient_garbage(ENTRY).action_id == "841679b2-c047-5ef1-a682-730abc19105e"
    assert transient_garbage(ENTRY).action_id != transient_garbage(later).action_id


def test_the_collector_reads_what_the_status_processor_writes() -> None:
    assert DeleteData.of(transient_garbage(ENTRY)) == DeleteData(
        bucket="b",
        key="k",
        locations=(
            {"key": "1", "dataStoreName": "transient-loc", "size": 542},
            {"key": "2", "dataStoreName": "transient-loc", "size": 3},
        ),
        account_id=None,
        owner="canonical",
        storage_class="transient-loc",
        unmodified_since="2024-05-01T10:00:00.000Z",
        service_name=None,
        rule_type="transient",
    )


def test_a_request_comes_to_one_call() -> None:
    source = {"bucket": "b", "objectKey": "k", "storageClass": "s", "lastModified": "m"}
    location = {"key": "1", "dataStoreName": "aws", "size": 1, "dataStoreVersionId": "v", "extra": 1}
    action = Action.create(
        "deleteData", "i", source=source, serviceName="lifecycle-transition", target={"locations": [location]}
    )
    request = DeleteData.of(action)

    assert request is not None
    assert request.headers() == {
        "If-Unmodified-Since": "m",
        "X-Scal-Storage-Class": "s",
        "X-Scal-Tags": '{"scal-delete-marker":"true","scal-delete-service":"lifecycle-transition"}',
    }
    assert request.body() == {
        "Locations": [{"key": "1", "dataStoreName": "aws", "size": 1, "dataStoreVersionId": "v"}]
    }


def test_a_request_without_a_source_has_no_conditions() -> None:
    context = {"ruleType": "transition", "bucketName": "b", "objectKey": "k"}
    request = DeleteData.of(Action.create("deleteData", "i", contextInfo=context, target={}))

    assert request is not None
    assert ("b", "k", (), "transition") == (request.bucket, request.key, request.locations, request.rule_type)
    assert request.headers() == {"X-Scal-Tags": '{"scal-delete-marker":"true"}'}


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"action": "deleteArchivedSourceData", "source": {"bucket": "b", "objectKey": "k"}},
        {"action": "deleteData"},
        {"action": "deleteData", "source": {"bucket": "b"}},
        {"action": "deleteData", "source": {"bucket": 1, "objectKey": "k"}},
        {"action": "deleteData", "source": "x", "target": "y"},
    ],
)
def test_what_names_no_object_asks_for_nothing(document: dict[str, Any]) -> None:
    assert DeleteData.of(Action(document)) is None


@given(
    st.fixed_dictionaries(
        {"action": st.just("deleteData")},
        optional={
            "source": json_values
            | st.dictionaries(st.sampled_from(["bucket", "objectKey", "lastModified"]), json_values),
            "target": json_values
            | st.dictionaries(
                st.sampled_from(["locations", "accountId"]), json_values | st.lists(st.just({"key": "k"}))
            ),
            "contextInfo": json_values,
        },
    )
)
def test_any_action_asks_for_a_deletion_or_for_nothing(document: dict[str, Any]) -> None:
    request = DeleteData.of(Action(document))

    if request is not None:
        assert isinstance(request.bucket, str)
        assert request.headers()["X-Scal-Tags"].startswith('{"scal-delete-marker":"true"')
