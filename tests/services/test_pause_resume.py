"""The API's side of pausing; recorded cases are in golden/checkers/service_state.py."""

from __future__ import annotations

import json

import pytest

from backbeat_core.domain import wire
from backbeat_core.domain.keys import Service, state_path
from backbeat_core.errors import CacheUnavailable, Conflict, CoordinatorUnavailable, StoreUnavailable
from backbeat_core.ports.store import Document, Expected, Json, Version
from backbeat_core.services.pause_resume import STATUS_COLLECTION, PauseResume, PauseSettings
from backbeat_core.testing.memory import MemoryStore
from support.engines import NOW_MS, Engines

HOUR_MS = 3_600_000
UNTOUCHED = {"paused": False, "scheduledResume": None}


def service(engines: Engines) -> PauseResume:
    return PauseResume(engines.cache, engines.coordinator, engines.store, engines.clock)


def node(engines: Engines, site: str, text: str, service: Service = Service.CRR) -> None:
    engines.coordinator.put(state_path(service, site), text.encode())


def stored(engines: Engines, location: str, service: str = "lifecycle") -> object:
    document = engines.store.get(STATUS_COLLECTION, location)
    return None if document is None else document.value[service]


def test_each_command_is_one_message_with_exactly_its_members() -> None:
    """http-api 6.2."""
    engines = Engines()
    heard = engines.cache.subscribe(["backbeat-replication-aws", "backbeat-ingestion-ring"])
    api = service(engines)

    assert {} == api.pause("crr", ["aws"])
    assert {} == api.resume("crr", ["aws"])
    assert {} == api.schedule("crr", ["aws"], 6)
    assert {} == api.cancel("ingestion", ["ring"])

    assert [
        ("backbeat-replication-aws", '{"action":"pauseService"}'),
        ("backbeat-replication-aws", '{"action":"resumeService"}'),
        ("backbeat-replication-aws", '{"action":"resumeService","date":"2024-05-01T16:07:30.000Z"}'),
        ("backbeat-ingestion-ring", '{"action":"deleteScheduledResumeService"}'),
    ] == heard.poll()


def test_topics_and_paths_are_those_of_the_configuration() -> None:
    engines = Engines()
    heard = engines.cache.subscribe(["mine-aws"])
    settings = PauseSettings(topics={Service.CRR: "mine"}, test_mode=True)
    api = PauseResume(engines.cache, engines.coordinator, engines.store, engines.clock, settings)
    engines.coordinator.put("/backbeattest/replication/state/aws", b'{"paused":true}')

    api.resume("crr", ["aws"])

    assert 1 == len(heard.poll())
    assert {"aws": "disabled"} == api.status("crr", ["aws"])


def test_no_site_is_no_command_and_no_state() -> None:
    engines = Engines()
    for known in ("crr", "ingestion", "lifecycle"):
        assert {} == service(engines).pause(known, [])
        assert {} == service(engines).status(known, [])
        assert {} == service(engines).schedules(known, [])


def test_states_are_told_in_the_order_of_the_sites() -> None:
    """6.5 [R]."""
    engines = Engines()
    node(engines, "b", '{"paused":true,"scheduledResume":"2024-05-01T16:07:30.000Z"}')
    node(engines, "a", '{"paused":false,"scheduledResume":""}')
    node(engines, "c", "{}")

    assert ["c", "b", "a"] == list(service(engines).status("crr", ["c", "b", "a"]))
    assert {"a": "none", "b": "2024-05-01T16:07:30.000Z", "c": "none"} == service(engines).schedules(
        "crr", ["a", "b", "c"]
    )


@pytest.mark.parametrize("content", [None, "x", "[]", "null", ""])
def test_one_state_that_cannot_be_read_fails_the_whole_question(content: str | None) -> None:
    """6.5: a missing node means that the worker of that site never started."""
    engines = Engines()
    node(engines, "good", '{"paused":false}')
    if content is not None:
        node(engines, "bad", content)

    for question in (service(engines).status, service(engines).schedules):
        with pytest.raises(CoordinatorUnavailable):
            question("crr", ["good", "bad"])


def test_a_command_that_could_not_be_published_is_not_promised() -> None:
    """B24."""
    engines = Engines()
    engines.cache.unreachable = True

    with pytest.raises(CacheUnavailable):
        service(engines).pause("crr", ["aws"])


def test_a_state_that_could_not_be_stored_is_not_promised() -> None:
    """B28."""
    engines = Engines()
    engines.store.unreachable = True

    for known in ("crr", "lifecycle"):
        with pytest.raises(StoreUnavailable):
            service(engines).pause(known, ["here"])


def test_what_is_wanted_is_stored_for_workers_that_missed_the_message() -> None:
    """W-26."""
    engines = Engines()
    node(engines, "aws", '{"paused":false}')

    service(engines).pause("crr", ["aws"])

    assert {"paused": True, "scheduledResume": None, "revision": 1, "changedAt": NOW_MS} == stored(
        engines, "aws", "crr"
    )
    assert stored(engines, "aws") is None


def test_wishes_that_are_not_taken_over_yet_build_on_one_another() -> None:
    engines = Engines()
    node(engines, "aws", '{"paused":false}')
    api = service(engines)

    api.pause("crr", ["aws"])
    api.schedule("crr", ["aws"], 1)

    wish = stored(engines, "aws", "crr")
    assert isinstance(wish, dict)
    assert (True, wire.iso(NOW_MS + HOUR_MS), 2) == (wish["paused"], wish["scheduledResume"], wish["revision"])


def test_a_wish_builds_on_what_the_worker_has_made_of_the_last_one() -> None:
    """The worker resumed by its schedule: to schedule again what is active is nothing."""
    engines = Engines()
    node(engines, "aws", '{"paused":false}')
    api = service(engines)
    api.pause("crr", ["aws"])
    node(engines, "aws", '{"paused":false,"scheduledResume":null,"revision":1}')
    before = stored(engines, "aws", "crr")

    api.schedule("crr", ["aws"], 1)

    assert before == stored(engines, "aws", "crr")


def test_revisions_go_on_when_a_document_is_lost() -> None:
    """A server that does not know the location may delete its document (W-41)."""
    engines = Engines()
    node(engines, "aws", '{"paused":false,"revision":7}')

    service(engines).pause("crr", ["aws"])

    wish = stored(engines, "aws", "crr")
    assert isinstance(wish, dict)
    assert 8 == wish["revision"]


def test_a_location_is_scheduled_by_its_document_alone() -> None:
    """6.4: dates are ISO 8601 (D10), a new one replaces the old (B25), a pause cancels it (D9)."""
    engines = Engines()
    api = service(engines)
    api.initialize(["here"])
    api.schedule("lifecycle", ["here"], 1)
    assert UNTOUCHED == stored(engines, "here")

    api.pause("lifecycle", ["here"])
    api.schedule("lifecycle", ["here"], 1)
    api.schedule("lifecycle", ["here"], 2)
    assert {"here": wire.iso(NOW_MS + 2 * HOUR_MS)} == api.schedules("lifecycle", ["here"])

    api.pause("lifecycle", ["here"])
    assert {"here": "none"} == api.schedules("lifecycle", ["here"])
    assert {"here": "disabled"} == api.status("lifecycle", ["here"])


def test_dates_that_the_reference_has_stored_are_told_in_iso() -> None:
    """D10."""
    engines = Engines()
    date = "Tue Jun 01 2021 20:00:00 GMT+0000 (Coordinated Universal Time)"
    state = {"paused": True, "scheduledResume": date}
    engines.store.put(STATUS_COLLECTION, "here", {"crr": None, "lifecycle": state})
    engines.store.put(STATUS_COLLECTION, "there", {"crr": None, "lifecycle": {**state, "scheduledResume": "soon"}})

    assert {"here": "2021-06-01T20:00:00.000Z", "there": "soon"} == service(engines).schedules(
        "lifecycle", ["here", "there"]
    )


def test_start_up_makes_missing_documents_and_leaves_the_others_alone() -> None:
    """W-41."""
    engines = Engines()
    foreign = {"lifecycle": {"paused": True}}
    engines.store.put(STATUS_COLLECTION, "gone", foreign)
    engines.store.put(STATUS_COLLECTION, "here", foreign)

    service(engines).initialize(["here", "new"])

    documents = {document.key: document.value for document in engines.store.scan(STATUS_COLLECTION)}
    assert {
        "gone": foreign,
        "here": foreign,
        "new": {"crr": None, "ingestion": None, "lifecycle": UNTOUCHED},
    } == documents
    assert {"here": "disabled"} == service(engines).status("lifecycle", ["here"])


def test_a_scheduled_resume_survives_a_restart_and_is_told_in_advance() -> None:
    engines = Engines()
    service(engines).pause("lifecycle", ["here"])
    service(engines).schedule("lifecycle", ["here"], 1)

    assert NOW_MS + HOUR_MS == service(engines).fire_due()
    engines.clock.advance(HOUR_MS)
    assert service(engines).fire_due() is None
    assert UNTOUCHED == stored(engines, "here")


def test_a_resume_by_hand_leaves_nothing_to_fire() -> None:
    """B26: what is paused again in the meantime stays paused."""
    engines = Engines()
    api = service(engines)
    api.pause("lifecycle", ["here"])
    api.schedule("lifecycle", ["here"], 1)
    api.resume("lifecycle", ["here"])
    api.pause("lifecycle", ["here"])
    engines.clock.advance(2 * HOUR_MS)

    assert api.fire_due() is None
    assert {"here": "disabled"} == api.status("lifecycle", ["here"])


class RacingStore(MemoryStore):
    """A store in which another host writes first, whenever it is told to."""

    race: list[object] = []  # noqa: RUF012 - set by each test on its own object

    def put(
        self, collection: str, key: str, value: Json, *, expected: Version | Expected = Expected.ANY
    ) -> Document:
        if self.race:
            action = self.race.pop()
            assert callable(action)
            action()
        return super().put(collection, key, value, expected=expected)


def test_of_two_hosts_one_resumes_and_a_pause_in_between_holds() -> None:
    """B27: the second host's write is refused, reads again, and finds nothing due."""
    engines = Engines()
    engines.store = store = RacingStore(engines.clock)
    store.race = []
    api = service(engines)
    api.pause("lifecycle", ["here"])
    api.schedule("lifecycle", ["here"], 1)
    engines.clock.advance(HOUR_MS)

    def other_host() -> None:
        api.fire_due()
        api.pause("lifecycle", ["here"])

    store.race = [other_host]
    api.fire_due()

    assert {"here": "disabled"} == api.status("lifecycle", ["here"])


def test_a_document_that_others_keep_changing_is_given_up() -> None:
    engines = Engines()

    class Contended(MemoryStore):
        def put(
            self, collection: str, key: str, value: Json, *, expected: Version | Expected = Expected.ANY
        ) -> Document:
            raise Conflict(key)

    engines.store = Contended(engines.clock)

    with pytest.raises(StoreUnavailable):
        service(engines).pause("lifecycle", ["here"])


def test_every_page_of_documents_is_looked_at() -> None:
    engines = Engines()
    due = {"paused": True, "scheduledResume": wire.iso(NOW_MS)}
    for number in range(2001):
        engines.store.put(STATUS_COLLECTION, f"l{number:05}", {"lifecycle": due})

    assert service(engines).fire_due() is None
    left = [stored(engines, f"l{number:05}") for number in range(2001)]
    assert [UNTOUCHED] * 2001 == left


def test_commands_are_json_that_others_read() -> None:
    engines = Engines()
    heard = engines.cache.subscribe(["backbeat-replication-s"])
    service(engines).schedule("crr", ["s"], 1)

    ((_, text),) = heard.poll()

    assert {"action": "resumeService", "date": "2024-05-01T11:07:30.000Z"} == json.loads(text)
