"""The populator's filter, rule by rule (PL-1 to PL-7), and the sources of the log."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.domain import wire
from backbeat_core.domain.entry import ObjectEntry, decode_entry
from backbeat_core.domain.selection import Ignored, LogEntry, Reason, Selected, Tally, select, tally
from domain.values import broken_texts, documents, entries, json_values, object_metadata, texts

VERSION = "98500086134471999999RG001  "


def log_entry(key: Any = f"k\0{VERSION}", *, type: Any = "put", bucket: Any = "b", **changes: Any) -> LogEntry:
    metadata = {
        "content-length": 100,
        "versionId": VERSION,
        "dataStoreName": "us-east-1",
        "replicationInfo": {
            "status": "PENDING",
            "backends": [{"site": "s1", "status": "PENDING"}, {"site": "s2", "status": "COMPLETED"}],
            "content": ["DATA", "METADATA"],
        },
    }
    return LogEntry(type, bucket, key, json.dumps(metadata | changes))


def info(**changes: Any) -> dict[str, Any]:
    base = {"status": "PENDING", "backends": [{"site": "s1", "status": "PENDING"}], "content": ["DATA"]}
    return {"replicationInfo": base | changes}


def reason(entry: LogEntry) -> Reason | None:
    found = select(entry, cold_locations={"cold"})
    return found.reason if isinstance(found, Ignored) else None


def test_a_pending_version_is_selected_for_the_sites_that_await_it() -> None:
    entry = log_entry()

    assert select(entry) == Selected(entry, ("s1",), 100)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (log_entry(None), Reason.NO_KEY),
        (log_entry(7), Reason.NO_KEY),
        (attrs.evolve(log_entry(), value=None), Reason.NO_VALUE),
        (attrs.evolve(log_entry(), value={"a": 1}), Reason.NO_VALUE),
        (log_entry(bucket=5), Reason.NO_BUCKET),
        (log_entry(bucket=None), Reason.NO_BUCKET),
        (log_entry(bucket="users..bucket"), Reason.USERS_BUCKET),
        (log_entry(type="del"), Reason.NOT_A_PUT),
        (log_entry(type="delete"), Reason.NOT_A_PUT),
        (log_entry(type=None), Reason.NOT_A_PUT),
        (attrs.evolve(log_entry(), value="{"), Reason.MALFORMED),
        (attrs.evolve(log_entry(), value="[]"), Reason.MALFORMED),
        (attrs.evolve(log_entry(), value="null"), Reason.MALFORMED),
        (log_entry("k"), Reason.MASTER_KEY),
        (log_entry("k", isNull=False), Reason.MASTER_KEY),
        (log_entry("k", isNull2=True), Reason.MASTER_KEY),
        (log_entry("k", versionId=""), Reason.MASTER_KEY),
        (log_entry("k", isNull=True), None),
        (log_entry("k", **info(isNFS=True)), None),
        (log_entry("", isNull=True), None),
        (log_entry("k\0"), None),
        (log_entry(replicationInfo=None), Reason.NOT_PENDING),
        (log_entry(replicationInfo="PENDING"), Reason.NOT_PENDING),
        (log_entry(**info(status="")), Reason.NOT_PENDING),
        (log_entry(**info(status="PROCESSING")), Reason.NOT_PENDING),
        (log_entry(**info(status="COMPLETED")), Reason.NOT_PENDING),
        (log_entry(**info(status="FAILED")), Reason.NOT_PENDING),
        (log_entry(**info(status="REPLICA")), Reason.NOT_PENDING),
        (log_entry(**info(status="pending")), Reason.NOT_PENDING),
        (log_entry(dataStoreName="cold"), Reason.COLD_LOCATION),
        (log_entry(dataStoreName=""), None),
        (log_entry(dataStoreName=["cold"]), None),
    ],
)
def test_each_rule_has_its_reason(entry: LogEntry, expected: Reason | None) -> None:
    assert expected is reason(entry)


def test_a_standalone_master_record_without_a_version_is_selected() -> None:
    metadata = json.loads(log_entry().value)
    del metadata["versionId"]

    assert reason(attrs.evolve(log_entry("k"), value=json.dumps(metadata))) is None


@pytest.mark.parametrize(
    ("changes", "sites", "size"),
    [
        (info(content=["METADATA"]), ("s1",), 0),
        (info(content=None), ("s1",), 0),
        (info(content="DATA"), ("s1",), 0),
        (info(backends=[]), (), 100),
        (info(backends=None), (), 100),
        (info(backends=[1, {}, {"site": 5, "status": "PENDING"}]), (), 100),
        (info(backends=[{"site": "x", "status": "FAILED"}]), (), 100),
        (info(backends=[{"site": "x", "status": "PENDING"}] * 2), ("x",), 100),  # CE-14
        ({"content-length": "55"}, ("s1",), 55),
        ({"content-length": None}, ("s1",), 0),
        ({"content-length": -1}, ("s1",), 0),
    ],
)
def test_what_is_queued_counts_for_each_pending_site(changes: Any, sites: tuple[str, ...], size: int) -> None:
    entry = log_entry(**changes)

    assert Selected(entry, sites, size) == select(entry)


@given(
    st.builds(
        LogEntry,
        st.just("put") | json_values,
        texts | json_values,
        texts | json_values,
        documents.map(wire.dumps)
        | st.dictionaries(st.sampled_from(["replicationInfo", "dataStoreName", "versionId"]), json_values).map(
            wire.dumps
        )
        | json_values,
        st.none() | documents,
    ),
    st.frozensets(texts),
)
def test_any_entry_has_an_answer(entry: LogEntry, cold: frozenset[str]) -> None:
    assert isinstance(select(entry, cold_locations=cold), Selected | Ignored)


@given(
    st.dictionaries(st.sampled_from(["status", "backends", "content"]), json_values).map(
        lambda found: {**info()["replicationInfo"], **found}
    )
)
def test_any_replication_information_has_an_answer(found: dict[str, Any]) -> None:
    selected = select(log_entry(replicationInfo=found))

    assert isinstance(selected, Selected) is (found["status"] == "PENDING")


@given(entries(), documents | st.none())
def test_what_is_published_is_what_workers_read(one: ObjectEntry, overhead: Any) -> None:
    """The populator's message, and the entry that a processor makes of it, say the same."""
    entry = LogEntry("put", one.bucket, one.key, wire.dumps(one.metadata), overhead)
    read = decode_entry(entry.encode())

    assert ObjectEntry(one.bucket, one.key, one.metadata, type="put", overhead=overhead) == read
    assert isinstance(read, ObjectEntry)
    assert entry.message_key == read.message_key
    assert entry.ordering_key == read.ordering_key
    assert entry.encode() == read.encode()


@given(broken_texts, broken_texts, documents, documents)
def test_an_entry_is_published_as_it_came(bucket: str, key: str, overhead: Any, extras: Any) -> None:
    document = {**extras, "type": "put", "bucket": bucket, "key": key, "value": "{}", "overheadFields": overhead}
    entry = LogEntry.from_document(document)

    assert document == json.loads(entry.encode())
    assert list(json.loads(entry.encode()))[:5] == ["type", "bucket", "key", "value", "overheadFields"]
    assert entry == LogEntry.from_document(json.loads(entry.encode()))


@given(object_metadata(), st.sampled_from(["k", "k\0v"]))
def test_metadata_itself_does_as_well_as_its_text(metadata: dict[str, Any], key: str) -> None:
    as_text, itself = LogEntry("put", "b", key, wire.dumps(metadata)), LogEntry("put", "b", key, metadata=metadata)
    one, other = select(as_text), select(itself)

    assert as_text.encode() == itself.encode()
    if isinstance(one, Selected) and isinstance(other, Selected):
        assert (one.sites, one.bytes) == (other.sites, other.bytes)
    else:
        assert one == other


def test_metadata_that_is_no_object_is_malformed() -> None:
    assert select(LogEntry("put", "b", "k", metadata=[])) == Ignored(Reason.MALFORMED)  # type: ignore[arg-type]


def test_what_is_not_there_is_not_published() -> None:
    assert LogEntry("put", "b", "k", "{}").encode() == b'{"type":"put","bucket":"b","key":"k","value":"{}"}'
    assert LogEntry.from_document({"type": "put"}) == LogEntry("put", None, None, None)


def test_an_entry_that_would_not_be_selected_is_not_written() -> None:
    with pytest.raises(TypeError):
        LogEntry("put", "b", None, "{}").encode()


@given(st.lists(st.tuples(st.lists(st.sampled_from("abc"), max_size=3), st.integers(0, 100))))
def test_a_batch_adds_up_by_site(batch: list[tuple[list[str], int]]) -> None:
    selected = [Selected(log_entry(), tuple(sites), size) for sites, size in batch]

    assert tally(selected) == {
        site: Tally(
            sum(sites.count(site) for sites, _ in batch),
            sum(sites.count(site) * size for sites, size in batch),
        )
        for site in {site for sites, _ in batch for site in sites}
    }


@given(object_metadata())
def test_a_selected_entry_is_one_whose_object_is_pending(metadata: dict[str, Any]) -> None:
    found = select(LogEntry("put", "b", "k\0v", wire.dumps(metadata)))

    assert isinstance(found, Selected) is (metadata["replicationInfo"]["status"] == "PENDING")
