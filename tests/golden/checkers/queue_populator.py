"""From the sources of the metadata log, through the filter, to what is published."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import attrs

from backbeat_core.domain import metadata as md
from backbeat_core.domain.entry import USERS_BUCKET
from backbeat_core.domain.log_source import LogRecord, record_of_change_event, record_of_oplog_item, unescaped
from backbeat_core.domain.selection import Ignored, LogEntry, Reason, Selected, select, tally
from backbeat_core.errors import UndecodableEntry
from golden.vectors import Case, Check, answer


def _select(document: Mapping[str, Any], locations: Mapping[str, Any]) -> Selected | Ignored:
    cold = {name for name, location in locations.items() if location.get("isCold")}
    return select(LogEntry.from_document(document), cold_locations=cold)


def _published(selected: Selected) -> dict[str, Any]:
    entry = selected.entry
    return {"key": entry.message_key.decode(), "message": json.loads(entry.encode())}


def check_filter(case: Case) -> None:
    entry, expected = case.input["entry"], case.expected
    found = _select(entry, case.input["locations"])
    if "exception" in expected:
        assert isinstance(found, Selected | Ignored)  # an answer, where the reference has none
        return
    if is_bucket_creation_pl3(entry):
        assert Ignored(Reason.USERS_BUCKET) == found
        return
    if expected["published"] is None:
        assert isinstance(found, Ignored)
        assert expected.get("reason") in (None, found.reason.value)
        return
    assert isinstance(found, Selected)
    assert expected["published"] == {case.input["topic"]: [_published(found)]}
    if has_a_length_that_is_no_number(entry):
        assert {site: each["ops"] for site, each in expected["siteMetrics"].items()} == {
            site: each["ops"] for site, each in _tallied([found]).items()
        }
        assert found.bytes in (0, md.content_length(json.loads(entry["value"])))
    else:
        assert _once_ce14(entry, expected["siteMetrics"]) == _tallied([found])
        assert expected["countedBytes"] == found.bytes


def is_bucket_creation_pl3(entry: Mapping[str, Any]) -> bool:
    """Records of the users bucket serve an obsolete mode only, and are left out (PL-3)."""
    return bool(entry["bucket"] == USERS_BUCKET and entry.get("key") is not None)


def has_a_length_that_is_no_number(entry: Mapping[str, Any]) -> bool:
    """A length that is a text is read as a number; the reference joins it to the sum as text."""
    metadata = json.loads(entry["value"])
    length = metadata.get("content-length", 0)
    return length != md.content_length(metadata) or isinstance(length, bool)


def counts_in_its_own_way(entry: Mapping[str, Any]) -> bool:
    """Either of the two rules above and below: a length that is no number, a site that is listed twice."""
    sites = _pending(entry)
    return has_a_length_that_is_no_number(entry) or len(sites) > len(set(sites))


def _once_ce14(entry: Mapping[str, Any], metrics: Mapping[str, Any]) -> dict[str, Any]:
    """A site that is listed twice is counted once, since its entry ends once (CE-14, INV-16)."""
    return {
        site: {name: count // _pending(entry).count(site) for name, count in counts.items()}
        for site, counts in metrics.items()
    }


def _pending(entry: Mapping[str, Any]) -> list[str]:
    backends = json.loads(entry["value"])["replicationInfo"]["backends"]
    return [backend["site"] for backend in backends if backend.get("status") == "PENDING"]


def _tallied(selected: list[Selected]) -> dict[str, Any]:
    return {site: {"ops": each.ops, "bytes": each.bytes} for site, each in tally(selected).items()}


def check_filter_batch(case: Case) -> None:
    found = [_select(entry, case.input["locations"]) for entry in case.input["entries"]]
    selected = [each for each in found if isinstance(each, Selected)]
    expected = [
        message
        for message in (case.expected["published"] or {}).get(case.input["topic"], [])
        if message["key"] != USERS_BUCKET  # PL-3
    ]

    assert expected == [_published(each) for each in selected]
    if not any(counts_in_its_own_way(attrs.asdict(each.entry)) for each in selected):
        assert case.expected["siteMetrics"] == _tallied(selected)


def check_log_record(case: Case) -> None:
    record = case.input["record"]
    entries = LogRecord(record["db"], tuple(record["entries"]), record.get("timestamp")).log_entries()

    assert case.expected["entriesRead"] == len(entries)
    assert [_known(each) for each in case.expected["filterEntries"]] == [
        _known(_members(each)) for each in entries
    ]
    for entry in entries:
        if None not in _members(entry).values():
            assert _members(entry) == json.loads(entry.encode())


def _members(entry: LogEntry) -> dict[str, Any]:
    return {
        "type": entry.type,
        "bucket": entry.bucket,
        "key": entry.key,
        "value": entry.value,
        "overheadFields": entry.overhead,
    }


def _known(members: Mapping[str, Any]) -> dict[str, Any]:
    """A value that is null and one that is absent are both no value."""
    return {name: value for name, value in members.items() if value is not None}


def check_change_event(case: Case) -> None:
    message = case.input["kafkaMessage"]
    event = _json(message["value"])
    found = answer(lambda: record_of_change_event(message["value"].encode(), message["timestamp"]))
    if case.expected.get("skipped"):
        assert isinstance(found, UndecodableEntry)  # and the caller goes on
    elif "exception" in case.expected:
        assert isinstance(found, LogRecord | UndecodableEntry)
    elif "db" not in case.expected["record"]:
        assert isinstance(found, UndecodableEntry)  # of no collection, so of no bucket
    else:
        assert isinstance(found, LogRecord)
        assert _ours(case.expected["record"], event) == _record(found)


def _ours(record: dict[str, Any], event: Mapping[str, Any]) -> dict[str, Any]:
    (entry,) = record["entries"]
    full = (event.get("fullDocument") or {}).get("value")
    if event.get("operationType") == "update" and "value" not in entry and full is not None:
        # An update of some members has no whole metadata: it is taken from the full document (2.3.4, NEW).
        kind = "delete" if isinstance(full, dict) and full.get("deleted") else "put"
        entry = {**entry, "type": kind, "value": json.dumps(full, separators=(",", ":"))}
    if entry.get("value") is not None:
        # Tags are spelled as users wrote them, from every source (W-53).
        plain = unescaped(json.loads(entry["value"]))
        entry = {**entry, "value": json.dumps(plain, separators=(",", ":"), ensure_ascii=False)}
        if plain is None:
            del entry["value"]  # null is no metadata
    return {**record, "entries": [entry]}


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def check_oplog_item(case: Case) -> None:
    found = record_of_oplog_item(case.input["item"])

    assert case.expected["skipped"] == (found is None)
    if found is not None:
        assert case.expected["record"] == _record(found)


def _record(record: LogRecord) -> dict[str, Any]:
    return {"timestamp": record.timestamp, "db": record.db, "entries": list(map(dict, record.entries))}


CHECKS: Final[Mapping[str, Check]] = {
    "filter": check_filter,
    "filter_batch": check_filter_batch,
    "log_record": check_log_record,
    "change_event": check_change_event,
    "mongo_oplog_item": check_oplog_item,
}
