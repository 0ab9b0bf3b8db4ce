"""The worker's side of pausing, alone and among hosts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.domain import wire
from backbeat_core.domain.keys import Service, replay_state_path, state_path
from backbeat_core.errors import (
    CacheUnavailable,
    Conflict,
    CoordinatorUnavailable,
    StoreUnavailable,
    UndecodableEntry,
)
from backbeat_core.ports.coordinator import Node
from backbeat_core.services.follow_pauses import FollowSettings, PauseController
from backbeat_core.services.pause_resume import PauseResume
from backbeat_core.testing.memory import MemoryCoordinator
from support.engines import NOW_MS, Engines

HOUR_MS = 3_600_000
AWS = state_path(Service.CRR, "aws")


def controller(engines: Engines, *sites: str, settings: FollowSettings | None = None) -> PauseController:
    names = sites or ("aws",)
    return PauseController(names, engines.coordinator, engines.store, engines.cache, settings or FollowSettings())


def api(engines: Engines) -> PauseResume:
    return PauseResume(engines.cache, engines.coordinator, engines.store, engines.clock)


def told(engines: Engines, action: str, site: str = "aws", **members: str) -> None:
    """Send what an API of the reference sends, and nothing else."""
    engines.cache.publish(f"backbeat-replication-{site}", json.dumps({"action": action, **members}))


def state(engines: Engines, path: str = AWS) -> object:
    found = engines.coordinator.get(path)
    return None if found is None else json.loads(found.data)


def test_a_site_that_appears_is_active_and_its_state_is_made() -> None:
    """6.3."""
    engines = Engines()

    assert frozenset() == controller(engines).poll(NOW_MS)
    assert {"paused": False} == state(engines)


def test_an_ingestion_location_that_appears_is_paused() -> None:
    engines = Engines()
    settings = FollowSettings(Service.INGESTION, "backbeat-ingestion")

    assert {"ring"} == controller(engines, "ring", settings=settings).poll(NOW_MS)
    assert {"paused": True} == state(engines, state_path(Service.INGESTION, "ring"))


def test_a_replay_processor_has_a_state_of_its_own() -> None:
    engines = Engines()
    replays = controller(engines, settings=FollowSettings(replay_topic="replay-0"))
    main = controller(engines)
    replays.poll(NOW_MS), main.poll(NOW_MS)

    told(engines, "pauseService")

    assert {"aws"} == replays.poll(NOW_MS) == main.poll(NOW_MS)
    expected = {"paused": True, "scheduledResume": None}
    assert expected == state(engines) == state(engines, replay_state_path("replay-0", "aws"))


def test_a_command_of_the_reference_is_obeyed_at_once() -> None:
    engines = Engines()
    worker = controller(engines, "aws", "zenko")
    worker.poll(NOW_MS)

    told(engines, "pauseService", "zenko")
    assert {"zenko"} == worker.poll(NOW_MS)
    told(engines, "resumeService", "zenko")
    assert frozenset() == worker.poll(NOW_MS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        '{"action":"constructor"}',
        '{"action":1}',
        '{"action":"pauseService","date":5}',
        "\ud800",
    ],
)
def test_what_is_no_command_is_passed_over(text: str) -> None:
    engines = Engines()
    worker = controller(engines)
    worker.poll(NOW_MS)

    engines.cache.publish("backbeat-replication-aws", text)

    assert frozenset() == worker.poll(NOW_MS)
    assert {} == worker.problems


def test_a_command_that_was_missed_is_found_in_the_store() -> None:
    """W-26: the processor was restarting, or its connection was."""
    engines = Engines()
    worker = controller(engines)
    worker.poll(NOW_MS)
    worker.close()
    api(engines).pause("crr", ["aws"])
    late = controller(engines)

    assert {"aws"} == late.poll(NOW_MS)
    assert {"paused": True, "scheduledResume": None, "revision": 1} == state(engines)


def test_a_command_that_was_missed_while_running_is_found_at_the_next_look() -> None:
    engines = Engines()
    worker = controller(engines)
    worker.poll(NOW_MS)
    worker.close()
    api(engines).pause("crr", ["aws"])
    engines.cache.keys.subscriptions.clear()
    worker._subscription = engines.cache.subscribe(["backbeat-replication-aws"])

    assert frozenset() == worker.poll(NOW_MS + 4_999)
    assert {"aws"} == worker.poll(NOW_MS + 5_000)


def test_a_message_that_comes_late_does_not_undo_a_newer_wish() -> None:
    """The message of a command that is stored is a hint that it is, and nothing more."""
    engines = Engines()
    worker = controller(engines)
    worker.poll(NOW_MS)
    api(engines).pause("crr", ["aws"])
    api(engines).resume("crr", ["aws"])
    worker.close()
    worker.poll(NOW_MS)

    told(engines, "pauseService")  # the first command's, while the second's is lost

    assert frozenset() == worker.poll(NOW_MS + 1_000)


def test_a_command_of_an_older_api_counts_after_a_newer_one_has_been_followed() -> None:
    engines = Engines()
    worker = controller(engines)
    worker.poll(NOW_MS)
    api(engines).pause("crr", ["aws"])
    assert {"aws"} == worker.poll(NOW_MS)

    told(engines, "resumeService")

    assert frozenset() == worker.poll(NOW_MS + 60_000)
    assert frozenset() == worker.poll(NOW_MS + 120_000)


def test_a_schedule_fires_and_survives_a_restart() -> None:
    engines = Engines()
    worker = controller(engines)
    worker.poll(NOW_MS)
    told(engines, "pauseService")
    told(engines, "resumeService", date=wire.iso(NOW_MS + HOUR_MS))
    assert {"aws"} == worker.poll(NOW_MS)
    assert NOW_MS + HOUR_MS == worker.next_resume_ms()
    restarted = controller(engines)

    assert {"aws"} == restarted.poll(NOW_MS + HOUR_MS - 1)
    assert frozenset() == restarted.poll(NOW_MS + HOUR_MS)
    assert {"paused": False, "scheduledResume": None} == state(engines)
    assert restarted.next_resume_ms() is None


def test_a_schedule_that_passed_while_nobody_ran_resumes_at_the_start() -> None:
    """6.3: process start."""
    engines = Engines()
    engines.coordinator.put(AWS, json.dumps({"paused": True, "scheduledResume": wire.iso(NOW_MS - 1)}).encode())

    assert frozenset() == controller(engines).poll(NOW_MS)


def test_among_hosts_a_schedule_fires_once_and_a_pause_after_it_holds() -> None:
    """The issue: fires once when several hosts share it. W-27, W-34."""
    engines = Engines()
    hosts = [controller(engines) for _ in range(3)]
    for host in hosts:
        host.poll(NOW_MS)
    told(engines, "pauseService")
    told(engines, "resumeService", date=wire.iso(NOW_MS + HOUR_MS))
    for host in hosts:
        assert {"aws"} == host.poll(NOW_MS)

    assert frozenset() == hosts[0].poll(NOW_MS + HOUR_MS)
    told(engines, "pauseService")
    assert {"aws"} == hosts[0].poll(NOW_MS + HOUR_MS)
    for host in hosts[1:]:
        assert {"aws"} == host.poll(NOW_MS + HOUR_MS)
    assert {"paused": True, "scheduledResume": None} == state(engines)


def test_hosts_that_write_at_the_same_time_lose_nothing() -> None:
    """W-27: compare-and-set; the reference overwrites one another's states."""
    engines = Engines()
    other = controller(engines)
    other.poll(NOW_MS)

    class Racing(MemoryCoordinator):
        raced = False

        def put(self, path: str, data: bytes, **options: Any) -> Node:
            if not self.raced:
                self.raced = True
                told(engines, "resumeService", date=wire.iso(NOW_MS + HOUR_MS))
                assert {"aws"} == other.poll(NOW_MS)
            return super().put(path, data, **options)

    worker = controller(engines)
    worker.poll(NOW_MS)
    worker.coordinator = Racing(engines.clock, engines.coordinator.ensemble)
    told(engines, "pauseService")

    assert {"aws"} == worker.poll(NOW_MS)
    assert {"aws"} == worker.poll(NOW_MS + 1)
    assert NOW_MS + HOUR_MS == worker.next_resume_ms() == other.next_resume_ms()


def test_a_state_that_others_keep_changing_is_given_up_for_now() -> None:
    engines = Engines()

    class Contended(MemoryCoordinator):
        def put(self, path: str, data: bytes, **options: Any) -> Node:
            raise Conflict(path)

    engines.coordinator = Contended(engines.clock)
    worker = controller(engines)

    assert {"aws"} == worker.poll(NOW_MS)
    assert isinstance(worker.problems["aws"], CoordinatorUnavailable)


def test_a_change_by_another_host_is_seen_at_the_next_look() -> None:
    engines = Engines()
    worker = controller(engines)
    worker.poll(NOW_MS)

    engines.coordinator.put(AWS, b'{"paused":true}')

    assert {"aws"} == worker.poll(NOW_MS + 5_000)


def test_states_are_not_read_between_two_looks() -> None:
    engines = Engines()
    worker = controller(engines)
    worker.poll(NOW_MS)
    engines.coordinator.unreachable = True

    for ms in range(0, 5_000, 100):
        assert frozenset() == worker.poll(NOW_MS + ms)
    assert {} == worker.problems


def test_a_clock_that_steps_back_does_not_end_the_looking() -> None:
    engines = Engines()
    worker = controller(engines)
    worker.poll(NOW_MS)
    engines.coordinator.put(AWS, b'{"paused":true}')

    assert {"aws"} == worker.poll(NOW_MS - HOUR_MS)


def test_nothing_is_worked_on_while_nothing_is_known() -> None:
    engines = Engines()
    engines.coordinator.unreachable = True
    worker = controller(engines)

    assert {"aws"} == worker.poll(NOW_MS)
    assert isinstance(worker.problems["aws"], CoordinatorUnavailable)
    engines.coordinator.unreachable = False
    assert frozenset() == worker.poll(NOW_MS + 5_000)
    assert {} == worker.problems


def test_the_last_state_stays_while_the_coordinator_is_away_and_commands_wait() -> None:
    engines = Engines()
    worker = controller(engines)
    worker.poll(NOW_MS)
    engines.coordinator.unreachable = True
    told(engines, "pauseService")

    assert frozenset() == worker.poll(NOW_MS)
    engines.coordinator.unreachable = False
    assert {"aws"} == worker.poll(NOW_MS + 1)


def test_a_state_that_is_no_state_is_left_alone_and_told() -> None:
    engines = Engines()
    worker = controller(engines)
    worker.poll(NOW_MS)
    engines.coordinator.put(AWS, b"x")
    told(engines, "pauseService")

    assert frozenset() == worker.poll(NOW_MS)
    assert isinstance(worker.problems["aws"], UndecodableEntry)
    found = engines.coordinator.get(AWS)
    assert found is not None
    assert b"x" == found.data


def test_messages_are_obeyed_while_the_store_is_away() -> None:
    engines = Engines()
    worker = controller(engines)
    worker.poll(NOW_MS)
    engines.store.unreachable = True
    told(engines, "pauseService")

    assert {"aws"} == worker.poll(NOW_MS)
    assert isinstance(worker.problems["aws"], StoreUnavailable)


def test_a_cache_that_was_away_is_listened_to_again() -> None:
    engines = Engines()
    engines.cache.unreachable = True
    worker = controller(engines)

    assert frozenset() == worker.poll(NOW_MS)
    assert isinstance(worker.problems[""], CacheUnavailable)
    engines.cache.unreachable = False
    worker.poll(NOW_MS)
    told(engines, "pauseService")
    assert {"aws"} == worker.poll(NOW_MS)
    assert {} == worker.problems


def test_a_site_that_is_removed_loses_its_state() -> None:
    """6.3: nodes of removed sites are deleted."""
    engines = Engines()
    worker = controller(engines, "aws", "zenko")
    worker.poll(NOW_MS)

    worker.follow(["zenko", "azure"])

    assert frozenset() == worker.poll(NOW_MS)
    assert state(engines) is None
    assert {"paused": False} == state(engines, state_path(Service.CRR, "azure"))
    told(engines, "pauseService", "azure")
    assert {"azure"} == worker.poll(NOW_MS)


commands = st.sampled_from(["pause", "resume", "schedule", "cancel", "missed pause", "missed resume", "wait"])


@given(st.lists(commands, max_size=12))
def test_hosts_come_to_what_the_api_was_last_told(steps: list[str]) -> None:
    """W-26: whatever messages are lost, a look at the store is enough, and all hosts agree."""
    engines = Engines()
    hosts = [controller(engines), controller(engines)]
    now_ms = NOW_MS
    paused, due_ms = False, None
    for host in hosts:
        host.poll(now_ms)
    for step in steps:
        engines.clock.advance(20_000)
        now_ms += 20_000
        match step.split()[-1]:
            case "pause":
                api(engines).pause("crr", ["aws"])
                paused, due_ms = True, None
            case "resume":
                api(engines).resume("crr", ["aws"])
                paused, due_ms = False, None
            case "schedule":
                api(engines).schedule("crr", ["aws"], 1)
                due_ms = now_ms + HOUR_MS if paused else None
            case "cancel":
                api(engines).cancel("crr", ["aws"])
                due_ms = None
            case _:
                now_ms += HOUR_MS
                engines.clock.advance(HOUR_MS)
        if due_ms is not None and due_ms <= now_ms:
            paused, due_ms = False, None
        if step.startswith("missed"):
            for subscription in engines.cache.keys.subscriptions:
                subscription.arrived.clear()
        hosts[len(step) % 2].poll(now_ms)
        hosts[(len(step) + 1) % 2].poll(now_ms)

        assert [paused] * 2 == [bool(host.poll(now_ms)) for host in hosts]
        assert [due_ms] * 2 == [host.next_resume_ms() for host in hosts]
