"""The pause states of one location, a member a service (queue-and-wire 3.6.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from backbeat_core.domain import service_state, wire
from backbeat_core.domain.keys import Service
from backbeat_core.domain.messages import ControlAction, ControlMessage
from golden.vectors import Case, Check

_ACTIVE: Final = {"paused": False, "scheduledResume": None}
_NOW_MS: Final = 0  # before every date of a scheduled resume


def check_location_status(case: Case) -> None:
    services, stored = case.input["services"], case.input.get("initial")
    value = {service.value: _initial(service.value, services, stored) for service in Service}
    expected = {name: _state(state) for name, state in case.expected["value"].items()}
    reads: list[Any] = []
    for name, *arguments in case.input.get("ops", []):
        if name == "getServicePauseStatus":
            state = value.get(arguments[0])
            reads.append(None if state is None else service_state.is_paused(state))
        elif name == "getServiceResumeSchedule":
            due = service_state.due_ms(value.get(arguments[0]) or {})
            reads.append(None if due is None else wire.iso(due))
        elif name == "getService":
            reads.append(value.get(arguments[0]))
        else:
            for service in _names(arguments[0]):
                if service in value:
                    if forgets_the_schedule_d9(name, value[service]):
                        expected[service] = {**(expected[service] or {}), "scheduledResume": None}
                    value[service] = _commanded(value[service] or _ACTIVE, name, *arguments[1:])

    if not shares_one_state_between_services(case):
        assert expected == {name: _state(state) for name, state in value.items()}
        assert case.expected["reads"] == reads
    else:
        untouched = set(services) - {service for op in case.input["ops"] for service in _names(op[1])}
        assert untouched <= {service for service, state in value.items() if state == _ACTIVE}


def shares_one_state_between_services(case: Case) -> bool:
    """A fresh document of several services: in the reference a command to one is a command to all."""
    return case.input.get("initial") is None and len(case.input["services"]) > 1 and "ops" in case.input


def forgets_the_schedule_d9(operation: str, state: Mapping[str, Any] | None) -> bool:
    """A pause of what is paused cancels its scheduled resume, as the documentation says (D9)."""
    return operation == "pauseLocation" and state is not None and service_state.is_paused(state)


def _initial(service: str, services: list[str], stored: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if stored is not None:
        # In a document that stands, null and absent mean: not paused.
        return {**_ACTIVE, **(stored.get(service) or {})}
    return dict(_ACTIVE) if service in services else None


def _commanded(state: Mapping[str, Any], operation: str, *arguments: Any) -> dict[str, Any]:
    (argument,) = arguments or (None,)
    date = argument.get("date") if isinstance(argument, dict) else argument
    if operation == "setServicePauseStatus":
        return {**state, "paused": argument}
    if operation == "setServiceResumeSchedule":
        return {**state, "scheduledResume": date}
    action = {"pauseLocation": ControlAction.PAUSE, "resumeLocation": ControlAction.RESUME}[operation]
    return dict(service_state.apply(state, ControlMessage(action, date), _NOW_MS))


def _state(state: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The same state with its date as a number: the reference prints dates for people (D10)."""
    if state is None:
        return None
    date = service_state.schedule(state)
    when = None if date is None else service_state.date_ms(date)
    return {**state, "scheduledResume": date if when is None else when}


def _names(services: str | list[str]) -> list[str]:
    return [services] if isinstance(services, str) else services


CHECKS: Final[Mapping[str, Check]] = {"location_status": check_location_status}
