"""Entries: what bytes are read as, what is written, and what is made of one."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.domain import wire
from backbeat_core.domain.entry import (
    BucketEntry,
    BucketMetadataEntry,
    DeleteEntry,
    Entry,
    ObjectEntry,
    Skip,
    decode_entry,
    retry_entry,
    stands_alone,
    status_entry,
)
from backbeat_core.domain.info import Backend, ReplicationInfo
from backbeat_core.domain.object_model import completed
from backbeat_core.domain.status import Status, derive
from backbeat_core.errors import InvalidDocument, UndecodableEntry
from domain.values import buckets, documents, entries, json_values, object_keys, object_metadata, sites, texts

VERSION = "98500086134471999999RG001  "
PENDING = {
    "status": "PENDING",
    "backends": [
        {"site": "a", "status": "PENDING", "dataStoreVersionId": ""},
        {"site": "b", "status": "COMPLETED", "dataStoreVersionId": "b1"},
    ],
    "content": ["DATA", "METADATA"],
    "storageClass": "a,b",
    "generation": 2,
}


def entry(key: str = f"docs/a.txt\0{VERSION}", **changes: Any) -> ObjectEntry:
    metadata = {"versionId": VERSION, "replicationInfo": PENDING, "originOp": "s3:ObjectCreated:Put"}
    return ObjectEntry("b1", key, metadata | changes.pop("metadata", {}), **changes)


def record(**members: Any) -> bytes:
    document = {"bucket": "b1", "key": "k\0v", "value": json.dumps({"replicationInfo": PENDING})}
    return wire.encode({name: value for name, value in (document | members).items() if value is not ...})


def with_model(one: ObjectEntry) -> ObjectEntry:
    return attrs.evolve(one, metadata=completed(one.metadata))


# Round trips


@given(entries())
def test_an_entry_is_read_back(one: ObjectEntry) -> None:
    assert with_model(one) == decode_entry(one.encode())
    assert one.info == decode_entry(one.encode()).info  # type: ignore[union-attr]  # equal to an entry, see above


@given(entries(), documents | st.none(), st.booleans())
def test_what_the_populator_publishes_is_read_back(one: ObjectEntry, overhead: Any, ignore: bool) -> None:
    published = attrs.evolve(one, type="put", overhead=overhead, ignore=ignore)

    assert published == decode_entry(published.encode())


@given(entries())
def test_writing_what_was_read_changes_nothing(one: ObjectEntry) -> None:
    again = decode_entry(one.encode())

    assert isinstance(again, ObjectEntry)
    assert one.encode() == again.encode()


@given(entries(), documents)
def test_unknown_members_and_the_version_of_newer_writers_are_ignored(one: ObjectEntry, unknown: Any) -> None:
    message = json.loads(one.encode())
    extra = {
        name: value
        for name, value in unknown.items()
        if name not in ("type", "canary", "bootstrapId", "overheadFields", "site", "replayCount")
    }

    assert decode_entry(one.encode()) == decode_entry(wire.encode({**extra, "v": 1, **message}))


@given(buckets, texts)
def test_a_deletion_is_read(bucket: str, key: str) -> None:
    found = decode_entry(wire.encode({"type": "del", "bucket": bucket, "key": key}))

    assert DeleteEntry(bucket, key) == found
    assert key.partition("\0")[0] == found.object_key


# Any bytes


def test_each_record_of_the_table_is_what_it_says() -> None:
    users = {"bucket": "users..bucket", "key": "own..|..er..|..b"}

    assert decode_entry(record(canary=True)) == Skip("canary")
    assert decode_entry(record(bootstrapId="3")) == Skip("bootstrap")
    assert decode_entry(record(type="del")) == DeleteEntry("b1", "k\0v")
    assert decode_entry(wire.encode(users)) == BucketEntry("own", "er..|..b")
    assert decode_entry(wire.encode({**users, "value": '{"creationDate":"d"}'})) == BucketEntry(
        "own", "er..|..b", {"creationDate": "d"}
    )
    assert decode_entry(record(value='{"mdBucketModelVersion":16,"name":"n"}')) == BucketMetadataEntry(
        "n", {"mdBucketModelVersion": 16, "name": "n"}
    )
    assert decode_entry(record(value='{"attributes":"{\\"name\\":\\"n\\"}"}')) == BucketMetadataEntry(
        "n", {"name": "n"}
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"\xff", "malformed JSON in message"),
        (b"{", "malformed JSON in message"),
        (b"null", "message is not an object"),
        (b"{}", "unknown entry format: no value"),
        (record(value=""), "unknown entry format: no value"),
        (record(value="x"), "malformed JSON in value"),
        (record(value="null"), "value is not an object"),
        (record(value={"a": 1}), "value is not a text"),
        (record(bucket=...), "missing bucket"),
        (record(bucket=5), "bucket is not a text"),
        (record(key=...), "missing key"),
        (record(key=3), "key is not a text"),
        (record(type="del", bucket=...), "missing bucket"),
        (record(type="del", key=...), "missing key"),
        (record(type=1), "type is not a text"),
        (record(site=[]), "site is not a text"),
        (record(accountId=1), "accountId is not a text"),
        (record(workflowId=1), "workflowId is not a text"),
        (record(nodeId=1), "nodeId is not a text"),
        (record(uniqueId=1), "uniqueId is not a text"),
        (record(replayCount=-1), "replayCount is not a count"),
        (record(replayCount=1.5), "replayCount is not a count"),
        (record(replayCount=True), "replayCount is not a count"),
        (record(replayCount="1"), "replayCount is not a count"),
        (record(overheadFields=[]), "overheadFields is not an object"),
        (record(value='{"replicationInfo":[]}'), "replicationInfo is not an object"),
        (record(value='{"replicationInfo":{"status":"DONE"}}'), "status of replicationInfo is malformed"),
        (record(value='{"mdBucketModelVersion":16}'), "missing bucket name"),
        (record(value='{"attributes":"{}"}'), "missing bucket name"),
        (record(value='{"attributes":"x"}'), "malformed JSON in attributes"),
        (record(value='{"attributes":{"name":"n"}}'), "attributes is not a text"),
        (record(bucket="users..bucket", key="owner"), "missing bucket name"),
        (record(bucket="users..bucket", key=1), "key is not a text"),
        (record(bucket="users..bucket", key="a..|..b", value="{"), "malformed JSON"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_where(value: bytes, reason: str) -> None:
    with pytest.raises(UndecodableEntry) as refused:
        decode_entry(value, topic="backbeat-replication", partition=3, offset=14)

    found = refused.value
    assert reason in found.reason
    assert ("backbeat-replication", 3, 14) == (found.topic, found.partition, found.offset)


MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "bucket": st.just("users..bucket") | json_values,
        "key": st.just("owner..|..bucket") | json_values,
        "type": st.sampled_from(["put", "del"]) | json_values,
        "value": documents.map(wire.dumps)
        | st.dictionaries(
            st.sampled_from(["attributes", "mdBucketModelVersion", "name"]), json_values | texts
        ).map(wire.dumps)
        | st.dictionaries(st.just("replicationInfo"), json_values).map(wire.dumps)
        | json_values,
        "site": json_values,
        "replayCount": json_values,
        "overheadFields": json_values,
        "canary": json_values,
        "bootstrapId": json_values,
    },
)


@given(st.binary() | MEMBERS.map(wire.encode) | json_values.map(wire.encode))
def test_any_bytes_are_an_entry_or_undecodable(value: bytes) -> None:
    found = answer(value)
    if isinstance(found, UndecodableEntry):
        assert ("t", 1, 2) == (found.topic, found.partition, found.offset)
        assert found.reason
    elif isinstance(found, ObjectEntry):
        # Whatever it is, it can be worked with.
        assert isinstance(found.message_key, bytes)
        assert found.info == answer(found.encode()).info  # type: ignore[union-attr]  # an entry reads back as one
        assert found.log_info["bucket"] == found.bucket


def answer(value: bytes) -> Entry | UndecodableEntry:
    try:
        return decode_entry(value, topic="t", partition=1, offset=2)
    except UndecodableEntry as refused:
        return refused


@given(entries(), st.data())
def test_a_damaged_entry_is_an_entry_or_undecodable(one: ObjectEntry, data: st.DataObject) -> None:
    value = bytearray(one.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode_entry(bytes(value))
    except UndecodableEntry:
        return


@given(entries(), st.data())
def test_a_piece_of_an_entry_is_undecodable(one: ObjectEntry, data: st.DataObject) -> None:
    value = one.encode()

    with pytest.raises(UndecodableEntry):
        decode_entry(value[: data.draw(st.integers(0, len(value) - 1))])


def test_a_deeply_nested_message_is_undecodable() -> None:
    with pytest.raises(UndecodableEntry, match="nested too deep"):
        decode_entry(b'{"a":' * 100_000)
    with pytest.raises(UndecodableEntry, match="nested too deep"):
        decode_entry(record(value="[" * 100_000))


# What is written


def test_members_come_in_the_order_of_the_wire() -> None:
    full = entry(
        site="s",
        replay_count=4,
        account_id="1",
        ignore=True,
        workflow_id="w",
        workflow_version=1,
        node_id="n",
        unique_id="u",
    )

    assert list(json.loads(full.encode())) == [
        "bucket",
        "key",
        "value",
        "site",
        "workflowId",
        "workflowVersion",
        "nodeId",
        "uniqueId",
        "ignore",
        "replayCount",
        "accountId",
    ]
    assert list(json.loads(entry().encode())) == ["bucket", "key", "value", "ignore", "accountId"]


def test_an_entry_to_be_ignored_carries_no_metadata() -> None:
    message = json.loads(entry(ignore=True).encode())

    assert ("{}", True) == (message["value"], message["ignore"])


def test_the_bytes_are_those_of_the_specification() -> None:
    one = ObjectEntry("b1", "é\0v", {}, type="put", overhead={"versionId": "v"})

    assert one.encode() == (
        '{"type":"put","bucket":"b1","key":"é\\u0000v","value":"{}","overheadFields":{"versionId":"v"}}'.encode()
    )


@given(buckets, object_keys, st.lists(texts.filter(lambda text: "\0" not in text), min_size=2, max_size=2))
def test_all_versions_of_an_object_share_a_key(bucket: str, key: str, versions: list[str]) -> None:
    one, other = (ObjectEntry(bucket, f"{key}\0{version}", {}) for version in versions)

    assert one.ordering_key == other.ordering_key == f"{bucket}/{key}"
    assert one.message_key == other.message_key == ObjectEntry(bucket, key, {}).message_key


def test_the_message_key_is_percent_encoded() -> None:
    assert entry().message_key == b"b1%2Fdocs%2Fa.txt"


# Versions


@pytest.mark.parametrize(
    ("metadata", "internal", "encoded"),
    [
        ({}, None, None),
        ({"versionId": ""}, None, None),
        ({"versionId": "null"}, "null", "null"),
        ({"versionId": VERSION}, VERSION, "aKBDcF4SE3uf00000000001I4j3QKItW"),
    ],
)
def test_the_version_is_that_of_the_metadata(metadata: Any, internal: Any, encoded: Any) -> None:
    one = ObjectEntry("b", "k\0other", metadata)

    assert (internal, encoded) == (one.version_id, one.encoded_version_id)


@pytest.mark.parametrize(
    ("key", "metadata", "stored"),
    [
        (f"k\0{VERSION}", {"versionId": VERSION}, f"k\0{VERSION}"),
        ("k", {"versionId": VERSION}, f"k\0{VERSION}"),  # a retry names the object alone (http-api 5.5)
        ("k", {"versionId": VERSION, "isNull": True}, "k"),
        ("k", {"versionId": VERSION, "replicationInfo": {"isNFS": True}}, "k"),
        ("k", {"versionId": "null"}, "k"),
        ("k", {}, "k"),
    ],
)
def test_the_stored_key_is_where_the_metadata_stands(key: str, metadata: Any, stored: str) -> None:
    assert stored == ObjectEntry("b", key, metadata).stored_key


@pytest.mark.parametrize(
    ("metadata", "alone"),
    [
        ({}, True),
        ({"versionId": VERSION}, False),
        ({"versionId": ""}, False),
        ({"versionId": VERSION, "isNull": True}, True),
        ({"versionId": VERSION, "isNull": False}, False),
        ({"versionId": VERSION, "replicationInfo": {"isNFS": True}}, True),
        ({"versionId": VERSION, "replicationInfo": {"isNFS": None}}, False),
        ({"versionId": VERSION, "replicationInfo": "x"}, False),
    ],
)
def test_a_master_record_is_the_only_one_of_its_version_or_a_copy(metadata: Any, alone: bool) -> None:
    assert alone is stands_alone(metadata)


def test_metadata_that_was_not_decoded_is_checked_when_it_is_asked() -> None:
    with pytest.raises(InvalidDocument):
        ObjectEntry("b", "k", {"replicationInfo": {"status": "DONE"}}).info  # noqa: B018

    assert ReplicationInfo() == ObjectEntry("b", "k", {"replicationInfo": None}).info


def test_the_log_line_names_the_workflow() -> None:
    workflow = entry(workflow_id="w", workflow_version=1, node_id="n", unique_id="u", ignore=True).log_info

    assert {"workflowId": "w", "workflowVersion": 1, "nodeId": "n", "uniqueId": "u", "ignore": True}.items() <= (
        workflow.items()
    )


def test_the_log_line_says_what_is_known() -> None:
    assert entry().log_info == {
        "bucket": "b1",
        "objectKey": "docs/a.txt",
        "versionId": VERSION,
        "isDeleteMarker": False,
        "ignore": False,
    }


# What is made of an entry


def test_other_information_leaves_the_rest_alone() -> None:
    info = ReplicationInfo(Status.FAILED, (Backend("a", Status.FAILED),))
    changed = entry(site="a").with_info(info)

    assert info == changed.info
    assert entry(site="a", metadata={"replicationInfo": info.to_document()}) == changed


@given(entries(), sites, st.sampled_from([Status.PENDING, Status.COMPLETED, Status.FAILED]), st.none() | texts)
def test_a_status_message_says_what_its_site_has_become(
    one: ObjectEntry, site: str, status: Status, version: str | None
) -> None:
    report = status_entry(one, site, status, data_store_version_id=version)
    before, now = one.info.backend(site), report.info.backend(site)

    assert (site, one.replay_count, one.account_id) == (report.site, report.replay_count, report.account_id)
    assert (one.bucket, one.key, None, None) == (report.bucket, report.key, report.type, report.overhead)
    assert one.info.sites == report.info.sites
    assert one.info.generation == report.info.generation
    assert derive(backend.status for backend in report.info.backends) is report.info.status
    for mine, theirs in zip(one.info.backends, report.info.backends, strict=True):
        assert mine.site == site or mine == theirs
    if before is not None:
        assert now == Backend(site, status, before.data_store_version_id if version is None else version)


@pytest.mark.parametrize("status", [Status.PENDING, Status.COMPLETED, Status.FAILED])
def test_a_status_message_has_an_origin_of_its_own(status: Status) -> None:
    metadata = status_entry(entry(), "a", status).metadata

    assert f"s3:Replication:Operation{status.value.capitalize()}Replication" == metadata["originOp"]
    assert ["versionId", "replicationInfo", "originOp"] == list(metadata)


def test_a_report_is_written_over_whatever_stood_there() -> None:
    # What is ignored is the receiver's decision (PL-50), made on what is stored and not on what is sent.
    report = status_entry(entry(), "b", Status.PENDING)

    assert report.info.backends == (Backend("a"), Backend("b", Status.PENDING, "b1"))
    assert report.info.status is Status.PENDING


@given(entries(), sites, st.none() | st.integers(0, 9))
def test_a_retry_carries_its_site_alone(one: ObjectEntry, site: str, count: int | None) -> None:
    again = retry_entry(one, site, count)

    assert all(backend.site == site for backend in again.info.backends)
    assert all(backend.status is Status.PENDING for backend in again.info.backends)
    assert (Status.PENDING, site) == (again.info.status, again.info.storage_class)
    assert again.metadata.get("originOp") == one.metadata.get("originOp")
    assert (count, site if count is None else None) == (again.replay_count, again.site)
    assert (one.account_id, one.message_key, None) == (again.account_id, again.message_key, again.type)


@given(object_metadata())
def test_making_messages_leaves_the_entry_alone(metadata: dict[str, Any]) -> None:
    one = ObjectEntry("b", "k", metadata)
    before = json.dumps(metadata)
    status_entry(one, "aws-1", Status.FAILED, data_store_version_id="v")
    retry_entry(one, "aws-1")
    one.encode()

    assert before == json.dumps(metadata)
