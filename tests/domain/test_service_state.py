"""The states of paused sites: how commands change them and how their dates are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.domain import service_state, wire
from backbeat_core.domain.keys import Service
from backbeat_core.domain.messages import ControlAction, ControlMessage
from backbeat_core.domain.service_state import State

NOW_MS = 1_714_558_050_000
PAST, FUTURE, LATER = "2024-05-01T09:00:00.000Z", "2024-05-01T12:00:00.000Z", "2024-05-01T18:00:00.000Z"
PAUSE = ControlMessage(ControlAction.PAUSE)
RESUME = ControlMessage(ControlAction.RESUME)
CANCEL = ControlMessage(ControlAction.CANCEL_RESUME)

states = st.fixed_dictionaries(
    {"paused": st.booleans()}, optional={"scheduledResume": st.sampled_from([None, PAST, FUTURE])}
)
commands = st.builds(
    ControlMessage, st.sampled_from(ControlAction), st.sampled_from([None, PAST, FUTURE, LATER, "nonsense"])
)


@pytest.mark.parametrize(
    ("state", "command", "expected"),
    [
        ({"paused": False}, PAUSE, {"paused": True, "scheduledResume": None}),
        ({"paused": True}, PAUSE, {"paused": True}),
        ({"paused": True, "scheduledResume": FUTURE}, PAUSE, {"paused": True, "scheduledResume": None}),
        ({"paused": True, "scheduledResume": FUTURE}, RESUME, {"paused": False, "scheduledResume": None}),
        ({"paused": False}, RESUME, {"paused": False}),
        ({"paused": True, "scheduledResume": FUTURE}, CANCEL, {"paused": True, "scheduledResume": None}),
        ({"paused": False}, CANCEL, {"paused": False, "scheduledResume": None}),
    ],
)
def test_each_command_does_what_the_table_says(state: State, command: ControlMessage, expected: State) -> None:
    """http-api 6.3, with D9."""
    assert expected == service_state.apply(state, command, NOW_MS)


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        (FUTURE, {"paused": True, "scheduledResume": FUTURE}),
        (PAST, {"paused": False, "scheduledResume": None}),
        ("nonsense", {"paused": False, "scheduledResume": None}),
        (wire.iso(NOW_MS), {"paused": False, "scheduledResume": None}),
    ],
)
def test_a_resume_with_a_date_waits_for_it_if_it_is_to_come(date: str, expected: State) -> None:
    command = ControlMessage(ControlAction.RESUME, date)

    assert expected == service_state.apply({"paused": True, "scheduledResume": LATER}, command, NOW_MS)
    assert {"paused": False} == service_state.apply({"paused": False}, command, NOW_MS)


@given(states, commands)
def test_an_active_site_never_has_a_schedule(state: State, command: ControlMessage) -> None:
    clean = state if service_state.is_paused(state) else {"paused": False}

    after = service_state.apply(clean, command, NOW_MS)

    assert service_state.is_paused(after) or service_state.schedule(after) is None


@given(states, commands)
def test_a_command_given_twice_is_given_once(state: State, command: ControlMessage) -> None:
    once = service_state.apply(state, command, NOW_MS)

    assert once == service_state.apply(once, command, NOW_MS)


@given(states, commands)
def test_what_others_have_added_to_a_state_stays(state: State, command: ControlMessage) -> None:
    assert "kept" == service_state.apply({**state, "note": "kept"}, command, NOW_MS)["note"]


def test_a_schedule_is_due_from_its_moment_on() -> None:
    state = {"paused": True, "scheduledResume": wire.iso(NOW_MS)}

    assert state is service_state.resume_if_due(state, NOW_MS - 1)
    assert {"paused": False, "scheduledResume": None} == service_state.resume_if_due(state, NOW_MS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2021-06-01T20:00:00.789Z", 1_622_577_600_789),
        ("2021-06-01T22:00:00+02:00", 1_622_577_600_000),
        ("2021-06-01T20:00:00", 1_622_577_600_000),
        ("Tue Jun 01 2021 20:00:00 GMT+0000 (Coordinated Universal Time)", 1_622_577_600_000),
        ("Tue Jun 01 2021 22:00:00 GMT+0200 (Central European Summer Time)", 1_622_577_600_000),
        ("Tue Jun 01 2021 20:00:00 GMT+0000", 1_622_577_600_000),
        ("Tue Foo 01 2021 20:00:00 GMT+0000", None),
        ("Tue Jun 41 2021 20:00:00 GMT+0000", None),
        ("Tue Jun 01 2021 20:00:00 GMT+9999", None),
        ("0001-01-01T00:00:00+14:00", -62_135_647_200_000),
        ("", None),
        ("none", None),
    ],
)
def test_dates_are_read_as_either_side_writes_them(text: str, expected: int | None) -> None:
    """D10."""
    assert expected == service_state.date_ms(text)


@given(st.text(max_size=80))
def test_a_date_of_any_text_is_a_date_or_none(text: str) -> None:
    found = service_state.date_ms(text)

    assert found is None or isinstance(found, int)


@given(st.integers(0, 4_102_444_800_000))
def test_a_date_that_was_written_is_read_back(moment_ms: int) -> None:
    assert moment_ms == service_state.date_ms(wire.iso(moment_ms))


@pytest.mark.parametrize("data", [b"", b"x", b"[]", b"null", b"\xff", None])
def test_what_is_no_state_is_none(data: bytes | None) -> None:
    assert service_state.decode_state(data) is None


def test_ingestion_begins_paused_and_replication_does_not() -> None:
    """http-api 6.3."""
    assert {"paused": True} == service_state.initial(Service.INGESTION)
    assert {"paused": False} == service_state.initial(Service.CRR)


def test_a_wish_is_taken_over_once() -> None:
    """W-26: what changed after the wish was taken over is not undone by it."""
    wish = service_state.wanted({"paused": True, "scheduledResume": FUTURE}, 3, NOW_MS)
    followed = service_state.take_over({"paused": False, "note": "kept"}, wish)

    assert {"paused": True, "scheduledResume": FUTURE, "revision": 3, "note": "kept"} == followed
    resumed = service_state.apply(followed, RESUME, NOW_MS)
    assert resumed is service_state.take_over(resumed, wish)


@pytest.mark.parametrize("wish", [{}, {"paused": True}, {"paused": True, "revision": True}, {"revision": "7"}])
def test_a_state_without_a_revision_is_no_wish(wish: State) -> None:
    """The reference writes such states into the same documents for a service that it does not keep there."""
    state: State = {"paused": False}

    assert state is service_state.take_over(state, wish)
    assert not service_state.is_fresh(wish, NOW_MS, 10_000)


@pytest.mark.parametrize(("age_ms", "is_fresh"), [(0, True), (10_000, True), (-10_000, True), (10_001, False)])
def test_a_wish_is_fresh_for_a_while_by_either_clock(age_ms: int, is_fresh: bool) -> None:
    wish = service_state.wanted({"paused": True}, 1, NOW_MS)

    assert is_fresh == service_state.is_fresh(wish, NOW_MS + age_ms, 10_000)
