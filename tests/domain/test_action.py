"""Actions: what is asked, and what came of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.domain import wire
from backbeat_core.domain.action import Action, decode_action
from backbeat_core.domain.entry import Skip
from backbeat_core.errors import UndecodableEntry
from domain.values import documents, json_values, texts

NOW_MS = 1_709_649_441_500

names = st.text("abcde", min_size=1, max_size=2)
paths = st.lists(names, min_size=1, max_size=4).map(".".join)


@given(st.text(max_size=5), documents)
def test_an_action_is_read_back(action_id: str, members: dict[str, Any]) -> None:
    reserved = ("self", "action", "action_id", "canary", "bootstrapId", "startTime", "endTime", "status")
    given = {
        name: value for name, value in members.items() if name not in (*reserved, "contextInfo", "resultsTopic")
    }
    action = Action.create("deleteData", action_id, **given)

    assert action.started(NOW_MS) == decode_action(action.encode(), now_ms=NOW_MS)
    assert (action_id, "deleteData") == (action.action_id, action.type)
    assert list(action.document)[:2] == ["actionId", "action"]


def test_an_action_begins_once() -> None:
    begun = Action.create("a", "i").started(NOW_MS)

    assert begun.document == {"actionId": "i", "action": "a", "startTime": NOW_MS}
    assert begun.started(NOW_MS + 1) is begun
    assert decode_action(begun.encode(), now_ms=NOW_MS + 1) == begun


@given(documents.map(Action), paths, json_values)
def test_a_member_that_was_set_is_found(action: Action, path: str, value: Any) -> None:
    before = wire.dumps(action.document)

    assert value == action.with_member(path, value).get(path)
    assert before == wire.dumps(action.document)


@given(paths, paths, st.integers(), st.integers())
def test_setting_one_member_leaves_its_neighbours_alone(one: str, other: str, first: int, second: int) -> None:
    action = Action({}).with_member(one, first).with_member(other, second)
    overlap = f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")

    assert action.get(other) == second
    assert overlap or action.get(one) == first


@given(documents.map(Action), st.text(max_size=8))
def test_asking_for_what_is_not_there_is_none(action: Action, path: str) -> None:
    action.get(path)

    assert Action({"a": {"b": 1}}).get("a.b.c") is None
    assert Action({"a": {"b": 1}}).get("b") is None


def test_success_carries_the_results_if_there_are_any() -> None:
    action = Action.create("copyLocation", "i", startTime=5, resultsTopic="results")

    assert action.succeeded(15, {"location": []}).document == {
        **action.document,
        "endTime": 15,
        "status": "success",
        "results": {"location": []},
    }
    assert "results" not in action.succeeded(15).document
    assert (action.succeeded(15).status, action.succeeded(15).elapsed_ms) == ("success", 10)
    assert (action.status, action.elapsed_ms, action.results_topic) == (None, None, "results")


def test_a_failure_says_what_is_known_of_the_error() -> None:
    action = Action.create("a", "i")
    failed = action.failed(7, code=404, message="ObjNotFound", description="gone")

    assert failed.document == {
        **action.document,
        "endTime": 7,
        "status": "error",
        "error": {"code": 404, "message": "ObjNotFound", "description": "gone"},
    }
    assert failed.error == {"code": 404, "message": "ObjNotFound", "description": "gone"}
    assert action.failed(7, code=500).error == {"code": 500}
    assert failed.elapsed_ms is None


def test_what_lacks_a_member_is_refused_by_its_name() -> None:
    assert Action.create("a", "i").lacking("target.bucket", 7).error == {
        "code": 400,
        "message": "MissingParameter",
        "description": 'missing required attribute "target.bucket" in action message',
    }


def test_a_context_grows() -> None:
    action = Action.create("a", "i").with_context({"reqId": "r", "origin": "o"}).with_context({"reqId": "r2"})

    assert action.context == {"reqId": "r2", "origin": "o"}
    assert Action({"contextInfo": "x"}).context == {}


def test_the_log_line_says_what_is_known() -> None:
    action = Action.create("a", "i", startTime=1).with_context({"reqId": "r"}).failed(3, code=500)

    assert action.log_info == {
        "actionId": "i",
        "actionType": "a",
        "actionContext": {"reqId": "r"},
        "actionStatus": "error",
        "actionError": {"code": 500},
        "elapsed_ms": 2,
    }
    assert Action({}).log_info == {}
    assert Action({"actionId": 5, "action": None}).log_info == {}


@pytest.mark.parametrize(("record", "reason"), [({"canary": True}, "canary"), ({"bootstrapId": 1}, "bootstrap")])
def test_what_older_writers_left_is_no_work(record: dict[str, Any], reason: str) -> None:
    assert decode_action(wire.encode(record), now_ms=NOW_MS) == Skip(reason)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"{", "malformed JSON in message"),
        (b"null", "message is not an object"),
        (b'"x"', "message is not an object"),
        (b'{"actionId":1}', "actionId is not a text"),
        (b'{"action":[]}', "action is not a text"),
        (b'{"contextInfo":"x"}', "contextInfo is not an object"),
        (b'{"resultsTopic":1}', "resultsTopic is not a text"),
        (b'{"startTime":"now"}', "startTime is not a whole number"),
        (b'{"endTime":true}', "endTime is not a whole number"),
        (b'{"status":0}', "status is not a text"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_where(value: bytes, reason: str) -> None:
    with pytest.raises(UndecodableEntry) as refused:
        decode_action(value, now_ms=NOW_MS, topic="backbeat-gc", partition=3, offset=14)

    found = refused.value
    assert reason == found.reason.partition(":")[0]
    assert ("backbeat-gc", 3, 14) == (found.topic, found.partition, found.offset)


@given(
    st.binary()
    | json_values.map(wire.encode)
    | st.dictionaries(
        st.sampled_from(["actionId", "action", "contextInfo", "resultsTopic", "startTime", "status", "canary"]),
        json_values,
    ).map(wire.encode)
)
def test_any_bytes_are_an_action_or_undecodable(value: bytes) -> None:
    try:
        found = decode_action(value, now_ms=NOW_MS)
    except UndecodableEntry:
        return
    if isinstance(found, Action):
        assert found == decode_action(found.encode(), now_ms=0)
        assert found.log_info.keys() <= {
            "actionId", "actionType", "actionContext", "actionStatus", "actionError", "elapsed_ms",
        }  # fmt: skip


@given(texts)
def test_members_that_nobody_knows_travel_with_it(text: str) -> None:
    value = wire.encode({"action": "a", "startTime": 1, "later": {text: [text, None]}, "v": 1})
    found = decode_action(value, now_ms=NOW_MS)

    assert isinstance(found, Action)
    assert found.encode() == value
