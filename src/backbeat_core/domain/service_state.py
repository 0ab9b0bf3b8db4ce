"""Whether a service works on a site: the stored state, how commands change it, and its dates."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Final, TypeAlias

from backbeat_core.domain import wire
from backbeat_core.domain.keys import Service
from backbeat_core.domain.messages import ControlAction, ControlMessage
from backbeat_core.domain.metadata import Document, Json

State: TypeAlias = Mapping[str, Json]
"""
A state as it is stored: `{"paused": …, "scheduledResume": …}`, and members that others have added.

An absent *paused* means active; an absent, null or empty *scheduledResume* means that none is scheduled.
"""

_ACTIVE: Final[State] = {"paused": False, "scheduledResume": None}
# How JavaScript prints a date for people: `Tue Jun 01 2021 20:00:00 GMT+0000 (Coordinated Universal Time)`.
_JAVASCRIPT_DATE: Final = re.compile(
    r"[A-Z][a-z]{2} (?P<month>[A-Z][a-z]{2}) (?P<day>\d{2}) (?P<year>\d{4}) (?P<time>\d{2}:\d{2}:\d{2})"
    r" GMT(?P<zone>[+-]\d{4})(?: \(.*\))?"
)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def is_paused(state: State) -> bool:
    """Return whether nothing is to be worked on."""
    return bool(state.get("paused"))


def schedule(state: State) -> str | None:
    """Return the stored date of the resume as it is written, None where none is scheduled."""
    date = state.get("scheduledResume")
    return date if isinstance(date, str) and date else None


def due_ms(state: State) -> int | None:
    """Return when a paused service resumes by itself, Unix milliseconds; None if it does not."""
    date = schedule(state)
    return date_ms(date) if is_paused(state) and date is not None else None


def apply(state: State, command: ControlMessage, now_ms: int) -> State:
    """
    Return the state after *command* (http-api 6.3); a command that changes nothing gives an equal state.

    A new schedule replaces the old one (B25). A pause of a paused site clears its schedule, as the
    documentation promises (D9).
    """
    if command.action is ControlAction.PAUSE:
        settled = is_paused(state) and schedule(state) is None
        return state if settled else {**state, "paused": True, "scheduledResume": None}
    if command.action is ControlAction.CANCEL_RESUME:
        return {**state, "scheduledResume": None}
    if not is_paused(state):
        return state
    # A date that cannot be read is no date: the site is resumed, not left waiting for ever.
    resume_ms = date_ms(command.date) if command.date is not None else None
    if resume_ms is not None and resume_ms > now_ms:
        return {**state, "scheduledResume": command.date}
    return {**state, **_ACTIVE}


def resume_if_due(state: State, now_ms: int) -> State:
    """Return the state after the scheduled resume if its time has come, else *state* itself."""
    due = due_ms(state)
    return state if due is None or due > now_ms else {**state, **_ACTIVE}


def initial(service: Service) -> State:
    """Return the state of a site that appears for the first time: ingestion waits to be told (http-api 6.3)."""
    return {"paused": service is Service.INGESTION}


def revision(state: State) -> int:
    """Return how many commands a stored wish counts, or how many of them a worker's state has taken over."""
    found = state.get("revision")
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def wanted(state: State, revision: int, now_ms: int) -> State:
    """Return *state* as a wish for workers to take over, made at *now_ms* (queue-and-wire 3.4)."""
    return {**state, "revision": revision, "changedAt": now_ms}


def take_over(state: State, wish: State) -> State:
    """Return a worker's state after it has seen *wish*; one that it has taken over already changes nothing."""
    if revision(wish) <= revision(state):
        return state
    return {
        **state,
        "paused": is_paused(wish),
        "scheduledResume": schedule(wish),
        "revision": revision(wish),
    }


def is_fresh(wish: State, now_ms: int, window_ms: int) -> bool:
    """Return whether *wish* was made within *window_ms* of *now_ms*, by clocks that may disagree a little."""
    changed_at = wish.get("changedAt")
    return revision(wish) > 0 and isinstance(changed_at, int) and abs(now_ms - changed_at) <= window_ms


def date_ms(text: str) -> int | None:
    """Return a stored date as Unix milliseconds: ISO 8601, or as JavaScript prints one (D10). None: neither."""
    try:
        moment = datetime.datetime.fromisoformat(_from_javascript(text) or text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return (moment - _EPOCH) // datetime.timedelta(milliseconds=1)


def decode_state(data: Document | bytes | None) -> State | None:
    """Return the state that stands in a node or in a document, None where it is not one."""
    if isinstance(data, bytes):
        try:
            data = wire.parse(data)
        except ValueError:
            return None
    return dict(data) if isinstance(data, Mapping) else None


def _from_javascript(text: str) -> str | None:
    found = _JAVASCRIPT_DATE.fullmatch(text)
    if found is None or found["month"] not in _MONTHS:
        return None
    month = _MONTHS.index(found["month"]) + 1
    return f"{found['year']}-{month:02d}-{found['day']}T{found['time']}{found['zone']}"
