"""What the sources of the metadata log deliver."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.domain import wire
from backbeat_core.domain.log_source import LogRecord, record_of_change_event, record_of_oplog_item, unescaped
from backbeat_core.domain.selection import LogEntry
from backbeat_core.errors import UndecodableEntry
from domain.values import json_values

NOW_MS = 1_709_649_441_500


def event(operation: Any = "insert", **changes: Any) -> bytes:
    document = {
        "operationType": operation,
        "ns": {"db": "metadata", "coll": "bucket"},
        "documentKey": {"_id": "\x7fVk\0v"},
        "clusterTime": {"$timestamp": {"t": 1_709_649_440, "i": 1}},
        "fullDocument": {"_id": "k", "value": {"a": 1}},
    }
    return json.dumps(document | changes).encode()


def only_entry(value: bytes) -> dict[str, Any]:
    (entry,) = record_of_change_event(value, NOW_MS).entries
    return dict(entry)


def test_a_change_event_is_a_record_of_its_collection() -> None:
    assert record_of_change_event(event(), NOW_MS) == LogRecord(
        "bucket",
        ({"key": "\x7fVk\0v", "type": "put", "value": '{"a":1}', "timestamp": "2024-03-05T14:37:20.000Z"},),
        "2024-03-05T14:37:21.500Z",
    )


@pytest.mark.parametrize(
    ("operation", "kind"),
    [("insert", "put"), ("replace", "put"), ("update", "put"), ("delete", "delete"), ("drop", None), (5, None)],
)
def test_each_operation_is_a_put_a_delete_or_nothing(operation: Any, kind: str | None) -> None:
    assert kind == only_entry(event(operation)).get("type")


@pytest.mark.parametrize(
    ("changes", "value"),
    [
        ({"updateDescription": {"updatedFields": {"value": {"b": 2}}}}, '{"b":2}'),
        ({"updateDescription": {"updatedFields": {"value.tags.x": 2}}}, '{"a":1}'),
        ({"updateDescription": None}, '{"a":1}'),
        ({"fullDocument": None}, None),
        ({"fullDocument": {"value": None}}, None),
    ],
)
def test_an_update_has_the_whole_metadata_from_wherever_it_is(changes: Any, value: str | None) -> None:
    assert value == only_entry(event("update", **changes)).get("value")


def test_an_object_that_is_flagged_as_deleted_is_a_deletion() -> None:
    flagged = only_entry(event("update", fullDocument={"value": {"deleted": True}}))

    assert ("delete", '{"deleted":true}') == (flagged["type"], flagged["value"])


def test_numbers_of_the_database_are_written_as_javascript_writes_them() -> None:
    assert (
        '{"content-length":5368709120}'
        == only_entry(event(fullDocument={"value": {"content-length": 5368709120.0}}))["value"]
    )


@pytest.mark.parametrize("clock", [None, {}, {"$timestamp": {"t": "x"}}])
def test_an_event_without_a_time_is_an_event(clock: Any) -> None:
    assert "timestamp" not in only_entry(event(clusterTime=clock))


@pytest.mark.parametrize(
    "value",
    [
        b"{",
        b"[]",
        b"\xff",
        event(ns={}),
        event(ns=None),
        event(ns={"coll": 5}),
        event(clusterTime={"$timestamp": {"t": 10**14}}),
    ],
)
def test_what_is_no_event_is_undecodable(value: bytes) -> None:
    with pytest.raises(UndecodableEntry) as refused:
        record_of_change_event(value, NOW_MS, topic="backbeat-oplog", partition=1, offset=2)

    assert ("backbeat-oplog", 1, 2) == (refused.value.topic, refused.value.partition, refused.value.offset)


@given(
    st.fixed_dictionaries(
        {"ns": st.just({"coll": "b"}) | json_values},
        optional={
            name: json_values | st.just({"value": {"deleted": 1}, "$timestamp": {"t": 1}, "_id": "k"})
            for name in ("operationType", "documentKey", "clusterTime", "fullDocument", "updateDescription")
        },
    )
)
def test_any_event_is_a_record_or_undecodable(document: dict[str, Any]) -> None:
    try:
        record = record_of_change_event(wire.encode(document), NOW_MS)
    except UndecodableEntry:
        return
    assert len(record.log_entries()) == 1


def item(op: Any, **changes: Any) -> dict[str, Any]:
    base = {"ts": 1_709_649_440, "op": op, "ns": "metadata.bucket", "o": {"_id": "k", "value": {"a": 1}}}
    return base | changes


@pytest.mark.parametrize(
    ("given", "entry"),
    [
        (item("i"), {"type": "put", "key": "k", "value": '{"a":1}'}),
        (item("i", o={"_id": "k"}), {"type": "put", "key": "k"}),
        (item("i", o={"_id": 0, "value": {"deleted": 1}}), {"type": "put", "key": 0, "value": '{"deleted":1}'}),
        (item("u", o={"value": {}}, o2={"_id": "k"}), {"type": "put", "key": "k", "value": "{}"}),
        (item("u", o={"$set": {"value": {}}}, o2={"_id": "k"}), {"type": "put", "key": "k", "value": "{}"}),
        (item("u", o={"$set": {"value.tags": {}}}, o2={"_id": "k"}), {"type": "put", "key": "k"}),
        (
            item("u", o={"$set": {"value": {"deleted": True}}}, o2={"_id": "k"}),
            {"type": "delete", "key": "k", "value": '{"deleted":true}'},
        ),
        (item("d", o={"_id": "k"}), {"type": "delete", "key": "k"}),
    ],
)  # fmt: skip
def test_an_item_of_the_oplog_is_a_record(given: dict[str, Any], entry: dict[str, Any]) -> None:
    assert LogRecord("bucket", (entry,), "2024-03-05T14:37:20.000Z") == record_of_oplog_item(given)


@pytest.mark.parametrize(
    "given",
    [
        item("n"),
        item("c"),
        item(None),
        item("u"),
        item("u", o2=5),
        item("d", o={}),
        item("i", o=None),
        item("i", ns=None),
        {},
    ],
)
def test_an_item_that_names_no_object_is_read_over(given: dict[str, Any]) -> None:
    assert record_of_oplog_item(given) is None


def test_the_bucket_is_what_follows_the_first_dot() -> None:
    buckets = [record_of_oplog_item(item("i", ns=name)) for name in ("metadata.a.b", "metadata")]

    assert ["a.b", "metadata"] == [record.db for record in buckets if record is not None]
    without_time = record_of_oplog_item(item("i", ts=None))
    assert without_time is not None
    assert without_time.timestamp is None


@pytest.mark.parametrize(
    ("metadata", "plain"),
    [
        (
            {"tags": {"a\uff0eb": "1", "\uff04c": "\uff0e"}, "x\uff0ey": 1},
            {"tags": {"a.b": "1", "$c": "\uff0e"}, "x\uff0ey": 1},
        ),
        ({"tags": None}, {"tags": None}),
        ({"a": 1}, {"a": 1}),
        (None, None),
        ("text", "text"),
    ],
)
def test_tags_are_spelled_as_users_wrote_them(metadata: Any, plain: Any) -> None:
    assert plain == unescaped(metadata)


@pytest.mark.parametrize(
    ("key", "stripped"),
    [
        ("\x7fMk", "k"),
        ("\x7fVk\0v", "k\0v"),
        ("\x7fRk", "\x7fRk"),
        ("k", "k"),
        ("\x7fM", ""),
        (None, None),
        (5, None),
    ],
)
def test_the_prefix_of_key_format_v1_is_not_part_of_the_key(key: Any, stripped: str | None) -> None:
    (entry,) = LogRecord("b", ({"type": "put", "key": key, "value": "{}"},)).log_entries()

    assert LogEntry("put", "b", stripped, "{}", {}) == entry


def test_what_the_log_knows_besides_goes_along() -> None:
    record = LogRecord("b", ({"type": "put", "timestamp": "t2", "overhead": {"versionId": "v", "x": 1}}, {}), "t1")

    assert [entry.overhead for entry in record.log_entries()] == [
        {"commitTimestamp": "t1", "opTimestamp": "t2", "versionId": "v"},
        {"commitTimestamp": "t1"},
    ]
    assert [entry.overhead for entry in LogRecord("b", ({"overhead": "v"},)).log_entries()] == [{}]
