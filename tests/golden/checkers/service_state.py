"""Pause, resume and schedule: the API's side, and the processor's (http-api 6)."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Mapping
from typing import Any, Final

from backbeat_core.domain import service_state, wire
from backbeat_core.errors import BackbeatError, InvalidDocument
from backbeat_core.http.bodies import parse_hours
from backbeat_core.http.routing import Refusal, Sites, resolve
from backbeat_core.services.follow_pauses import FollowSettings, PauseController
from backbeat_core.services.pause_resume import STATUS_COLLECTION, PauseResume
from backbeat_core.testing.memory import MemoryCache, MemoryCoordinator, MemoryStore
from golden.engines import clock_at
from golden.vectors import Case, Check, answer


def check_manager(case: Case) -> None:
    clock = clock_at(case.input["nowMs"])
    cache, coordinator, store = MemoryCache(clock), MemoryCoordinator(clock), MemoryStore(clock)
    put_nodes(coordinator, case.input["zookeeper"])
    for document in case.input["mongoDocuments"]:
        store.put(STATUS_COLLECTION, document["_id"], document["value"])
    service = PauseResume(cache, coordinator, store, clock)
    channels = [
        f"backbeat-{topic}-{site}"
        for call in case.input["ops"]
        for site in call["locations"]
        for topic in ("replication", "ingestion")
    ]
    subscription = cache.subscribe(channels)
    service.initialize(case.input["validLocations"])
    for call, expected in zip(case.input["ops"], case.expected["results"], strict=True):
        if is_no_schedule_b5(call):
            assert expected["error"]["type"] == "RouteNotFound"
            continue
        _assert_answer(case, expected, answer(functools.partial(_call, service, call)), call)

    published = [{"channel": name, "message": json.loads(text)} for name, text in subscription.poll()]
    assert case.expected["published"] == published
    _assert_documents(case, store)
    assert case.expected["scheduledJobs"] == _jobs(store)


def _call(service: PauseResume, call: Mapping[str, Any]) -> Mapping[str, Any]:
    name, known, sites = call["call"], call["service"], call["locations"]
    if name == "resumeService" and call.get("schedule"):
        return service.schedule(known, sites, parse_hours(call["body"].encode()))
    methods = {
        "pauseService": service.pause,
        "resumeService": service.resume,
        "deleteScheduledResumeService": service.cancel,
        "getServiceStatus": service.status,
        "getResumeSchedule": service.schedules,
    }
    return methods[name](known, sites)


def _assert_answer(case: Case, expected: Mapping[str, Any], given: object, call: Mapping[str, Any]) -> None:
    if "body" in expected:
        body = expected["body"]
        if (call["service"], call["call"]) == ("lifecycle", "getResumeSchedule"):
            body = {site: iso_d10(case, date) for site, date in body.items()}
        assert json.dumps(body) == json.dumps(given)
    elif "error" in expected:
        assert isinstance(given, BackbeatError)
        assert expected["error"]["type"] == (given.code if isinstance(given, InvalidDocument) else "InternalError")
    else:
        # The reference breaks at a location that nobody has configured; the routes never ask for one.
        assert expected["uncaught"]
        assert isinstance(given, BackbeatError | dict)


def is_no_schedule_b5(call: Mapping[str, Any]) -> bool:
    """B5: a fourth element of the path other than `schedule` is refused by the routes, not by the service."""
    if call.get("schedule") is not False:
        return False
    target = f"/_/{call['service']}/resume/{call['locations'][0]}/shedule"
    sites = Sites(**{call["service"]: call["locations"]})
    refusal = resolve("POST", target, lambda: sites)
    return isinstance(refusal, Refusal) and refusal.row.code == "RouteNotFound"


def iso_d10(case: Case, date: str) -> str:
    """D10: lifecycle's dates are ISO 8601 like the others, and keep their milliseconds."""
    found = service_state.date_ms(date)
    if found is None:
        return date
    stored = [
        (each["value"].get("lifecycle") or {}).get("scheduledResume") for each in case.input["mongoDocuments"]
    ]
    return wire.iso(found if date in stored else found + case.input["nowMs"] % 1000)


def kept_w41_w26(case: Case) -> set[str]:
    """
    W-41: documents of unknown locations stay; W-26: what is wanted is stored, for every service and site.

    The reference breaks at commands for a location that is not configured, which no route lets through.
    """
    commands = (call for call in case.input["ops"] if not call["call"].startswith("get"))
    return {each["_id"] for each in case.input["mongoDocuments"]} | {
        site for call in commands for site in call["locations"]
    }


def _assert_documents(case: Case, store: MemoryStore) -> None:
    recorded = {each["_id"]: each["value"] for each in case.expected["mongoDocumentsAfter"]}
    documents = {document.key: document.value for document in store.scan(STATUS_COLLECTION)}
    assert recorded.keys() | (documents.keys() & kept_w41_w26(case)) == documents.keys()
    for location, value in recorded.items():
        assert _lifecycle(case, value) == _lifecycle(case, documents[location])


def _lifecycle(case: Case, value: Mapping[str, Any]) -> Mapping[str, Any]:
    state = value["lifecycle"]
    date = state["scheduledResume"]
    if date is None or service_state.date_ms(date) is None or date.endswith("Z"):
        return state
    return {**state, "scheduledResume": iso_d10(case, date)}


def _jobs(store: MemoryStore) -> dict[str, str]:
    states = {document.key: document.value.get("lifecycle") or {} for document in store.scan(STATUS_COLLECTION)}
    due = {location: service_state.due_ms(state) for location, state in states.items()}
    return {f"lifecycle/{location}": wire.iso(ms) for location, ms in due.items() if ms is not None}


def check_processor(case: Case) -> None:
    now_ms, path, name = case.input["nowMs"], case.input["statePath"], case.input["channel"]
    clock = clock_at(now_ms)
    cache, coordinator, store = MemoryCache(clock), MemoryCoordinator(clock), MemoryStore(clock)
    settings = FollowSettings(replay_topic=case.input.get("replayTopic"))
    controller = PauseController(("zenko",), coordinator, store, cache, settings)
    put_nodes(coordinator, {path: {"paused": not case.input["consumerRunning"]}})
    running = [not controller.poll(now_ms)]
    put_nodes(coordinator, case.input["zookeeper"])
    for message in case.input["messages"]:
        if message.get("fireScheduledJob"):
            now_ms = controller.next_resume_ms() or now_ms
        else:
            text = message["message"]
            cache.publish(message.get("channel", name), text if isinstance(text, str) else json.dumps(text))
        running.append(not controller.poll(now_ms))

    state = pause_clears_schedule_d9(case, case.expected["zookeeperAfter"][path])
    node = coordinator.get(path)
    assert node is not None
    assert state == _content(node.data)
    assert case.expected["consumerRunning"] == running[-1]
    turns = [after for before, after in itertools.pairwise(running) if before != after]
    assert case.expected["consumerActions"] == [["resume" if on else "pause", "zenko"] for on in turns]
    due = controller.next_resume_ms()
    assert (state["scheduledResume"] if due else None) == (wire.iso(due) if due else None)


def pause_clears_schedule_d9(case: Case, state: Any) -> Any:
    """D9: a pause of what is paused cancels its schedule; the reference leaves it standing."""
    if not isinstance(state, dict) or not state.get("scheduledResume"):
        return state
    actions = [each["message"] for each in case.input["messages"] if isinstance(each.get("message"), dict)]
    dated = max(index for index, each in enumerate(actions) if each.get("date") == state["scheduledResume"])
    if any(each.get("action") == "pauseService" for each in actions[dated:]):
        return {**state, "scheduledResume": None}
    return state


def put_nodes(coordinator: MemoryCoordinator, nodes: Mapping[str, Any]) -> None:
    for path, content in nodes.items():
        coordinator.put(path, (content if isinstance(content, str) else json.dumps(content)).encode())


def _content(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode()


CHECKS: Final[Mapping[str, Check]] = {
    "location_status_manager": check_manager,
    "queue_processor_state": check_processor,
}
