"""`backbeat serve` resumes by itself what is scheduled, after a restart too; its names are those of `CI=true`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance.commandline import Place
from acceptance.test_serve import Server, eventually, serving
from backbeat_adapters.clock import SystemClock
from backbeat_adapters.embedded import EmbeddedEngine
from backbeat_core.domain import service_state, wire
from backbeat_core.services.pause_resume import STATUS_COLLECTION


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.source.mkdir()
    (place.source / "first").write_bytes(b"1")
    return place


def arguments(place: Place) -> list[str]:
    return ["--source", str(place.source), *(f"--to={site}={place.location(site)}" for site in ("a", "b"))]


@pytest.fixture
def server(place: Place) -> Iterator[Server]:
    with serving(place, *arguments(place)) as running:
        yield running


def schedule(server: Server) -> None:
    """Pause lifecycle at `a` and have it resumed in an hour, the soonest that can be asked for."""
    assert (200, {}) == server.request("POST", "/_/lifecycle/pause/a")
    assert (200, {}) == server.request("POST", "/_/lifecycle/resume/a/schedule", b'{"hours":1}')
    assert {"a": "disabled"} == server.get("/_/lifecycle/status/a")
    assert {"a": "none"} != server.get("/_/lifecycle/resume/a")


def bring_forward(place: Place, in_ms: int) -> None:
    """Write the date of the resume anew, as another host of the same state may do."""
    with EmbeddedEngine.open(place.state, SystemClock(), create=False) as engine:
        document = engine.store.get(STATUS_COLLECTION, "a")
        assert document is not None
        date = wire.iso(SystemClock().now_ms() + in_ms)
        value = {**document.value, "lifecycle": {**document.value["lifecycle"], "scheduledResume": date}}
        engine.store.put(STATUS_COLLECTION, "a", value, expected=document.version)


def is_resumed(server: Server) -> bool:
    return bool({"a": "enabled"} == server.get("/_/lifecycle/status/a"))


def test_a_scheduled_resume_of_lifecycle_fires_when_its_time_has_come_and_not_before(server: Server) -> None:
    schedule(server)
    bring_forward(server.place, 2_000)
    by = time.monotonic() + 2
    while time.monotonic() < by - 0.5:
        assert not is_resumed(server)
        time.sleep(0.1)

    eventually(lambda: is_resumed(server))

    assert {"a": "none"} == server.get("/_/lifecycle/resume/a")


@pytest.mark.parametrize("in_ms", [-60_000, 3_000])
def test_it_fires_after_a_restart_too(place: Place, in_ms: int) -> None:
    with serving(place, *arguments(place)) as first:
        schedule(first)
        assert 0 == first.stop()
    bring_forward(place, in_ms)

    with serving(place, *arguments(place)) as second:
        eventually(lambda: is_resumed(second))


def test_a_schedule_that_is_not_due_survives_a_restart(place: Place) -> None:
    with serving(place, *arguments(place)) as first:
        schedule(first)
        dates = first.get("/_/lifecycle/resume")
        assert 0 == first.stop()

    with serving(place, *arguments(place)) as second:
        time.sleep(1.5)
        assert dates == second.get("/_/lifecycle/resume")
        assert {"a": "disabled", "b": "enabled"} == second.get("/_/lifecycle/status")


@pytest.mark.parametrize(("value", "root"), [("true", "/backbeattest"), ("1", "/backbeat")])
def test_states_and_counters_have_the_names_of_tests_with_ci_true_and_with_no_other_value(
    place: Place, monkeypatch: pytest.MonkeyPatch, value: str, root: str
) -> None:
    """http-api 4.1 and 6.3."""
    monkeypatch.setenv("CI", value)
    with serving(place, *arguments(place)) as server:
        eventually(lambda: bool(2 == server.get("/_/metrics/crr/all")["completions"]["results"]["count"]))
        server.request("POST", "/_/crr/pause/b")
        eventually(lambda: bool({"a": "enabled", "b": "disabled"} == server.get("/_/crr/status")))
        with EmbeddedEngine.open(place.state, SystemClock(), create=False) as engine:
            node = engine.coordinator.get(f"{root}/replication/state/b")
            assert node is not None
            assert service_state.is_paused(service_state.decode_state(node.data) or {})
            assert 1 == len([top for top in engine.coordinator.children("/") if _has_states(engine, top)])


def _has_states(engine: EmbeddedEngine, top: str) -> bool:
    return bool(engine.coordinator.children(f"/{top}/replication/state"))
