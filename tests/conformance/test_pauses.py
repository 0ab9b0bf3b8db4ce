"""Section 9 of http-api, "Pause / resume", line by line, over HTTP against real Redis and ZooKeeper."""

from __future__ import annotations

import datetime
import time
from typing import Any

import pytest

from conformance.deployment import INGESTION, SITES, TOPICS, Channels, Deployment

pytestmark = [pytest.mark.redis, pytest.mark.zookeeper]

SERVICES = {"crr": SITES, "ingestion": INGESTION}
HOUR_MS = 3_600_000

both = pytest.mark.parametrize("service", SERVICES)


def command(server: Deployment, method: str, path: str, body: Any = None) -> None:
    answer = server.ask(method, path, body)
    assert (200, "{}") == (answer.status, answer.text)


def expected(service: str, sites: tuple[str, ...], message: Any) -> list[tuple[str, Any]]:
    return [(f"{TOPICS[service]}-{site}", message) for site in sites]


# Exactly one message per addressed channel, with exactly the keys of 6.2.


@both
@pytest.mark.parametrize("address", ["", "/all", "/first", "/second"])
@pytest.mark.parametrize("action", ["pause", "resume"])
def test_pause_and_resume_are_one_message_for_each_addressed_site(
    server: Deployment, channels: Channels, states: str, service: str, address: str, action: str
) -> None:
    sites = {"/first": SERVICES[service][:1], "/second": SERVICES[service][1:]}.get(address, SERVICES[service])
    path = f"/{sites[0]}" if len(sites) == 1 else address
    command(server, "POST", f"/_/{service}/{action}{path}", {})

    assert expected(service, sites, {"action": f"{action}Service"}) == channels.messages()


# GET .../resume/all/schedule returns the stored text unchanged and `none`.


@both
@pytest.mark.parametrize("path", ["resume/all/schedule", "resume/all", "resume"])
def test_the_stored_date_is_given_as_it_stands(server: Deployment, states: str, service: str, path: str) -> None:
    active, paused = SERVICES[service]

    assert [(active, "none"), (paused, states)] == list(server.get(f"/_/{service}/{path}").items())


@both
def test_a_date_that_no_clock_gives_is_given_as_it_stands(server: Deployment, states: str, service: str) -> None:
    _, site = SERVICES[service]
    server.state(service, site, {"paused": True, "scheduledResume": "next Monday"})

    assert {site: "next Monday"} == server.get(f"/_/{service}/resume/{site}/schedule")


# Scheduled: at most an hour ahead with {"hours":1}, between 5 and 6 with an empty body.


@both
@pytest.mark.parametrize(
    ("body", "from_ms", "to_ms"), [({"hours": 1}, 0, HOUR_MS), ("", 5 * HOUR_MS, 6 * HOUR_MS)]
)
@pytest.mark.parametrize("address", ["all", "second"])
def test_a_schedule_is_one_message_with_a_date(
    server: Deployment,
    channels: Channels,
    states: str,
    service: str,
    body: Any,
    from_ms: int,
    to_ms: int,
    address: str,
) -> None:
    sites = SERVICES[service] if address == "all" else SERVICES[service][1:]
    place = address if address == "all" else sites[0]
    command(server, "POST", f"/_/{service}/resume/{place}/schedule", body)

    messages = channels.messages()

    (date,) = {message["date"] for _, message in messages}
    assert expected(service, sites, {"action": "resumeService", "date": date}) == messages
    ahead_ms = datetime.datetime.fromisoformat(date).timestamp() * 1000 - time.time() * 1000
    assert from_ms < ahead_ms <= to_ms
    assert date == datetime.datetime.fromisoformat(date).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


# DELETE .../resume/<site>/schedule publishes the delete message.


@both
@pytest.mark.parametrize("address", ["all", "second"])
def test_cancelling_is_one_message_for_each_addressed_site(
    server: Deployment, channels: Channels, states: str, service: str, address: str
) -> None:
    sites = SERVICES[service] if address == "all" else SERVICES[service][1:]
    place = address if address == "all" else sites[0]
    command(server, "DELETE", f"/_/{service}/resume/{place}/schedule")

    assert expected(service, sites, {"action": "deleteScheduledResumeService"}) == channels.messages()


# GET status -> enabled / disabled.


@both
@pytest.mark.parametrize("path", ["status", "status/all"])
def test_an_active_site_is_enabled_and_a_paused_one_disabled(
    server: Deployment, states: str, service: str, path: str
) -> None:
    active, paused = SERVICES[service]

    assert [(active, "enabled"), (paused, "disabled")] == list(server.get(f"/_/{service}/{path}").items())
    assert {paused: "disabled"} == server.get(f"/_/{service}/status/{paused}")


@both
def test_a_site_without_a_node_fails_the_request(server: Deployment, states: str, service: str) -> None:
    """http-api 6.5: the worker of that site never started."""
    active, paused = SERVICES[service]
    server.forget(service, paused)

    assert 500 == server.ask("GET", f"/_/{service}/status").status
    assert {active: "enabled"} == server.get(f"/_/{service}/status/{active}")


# POST configuration/workflows: `{` is 400, `{}` is 200.


def test_an_overlay_that_is_no_json_is_400(server: Deployment) -> None:
    answer = server.ask("POST", "/_/configuration/workflows", "{")

    assert (400, True, []) == (answer.status, answer.body["MalformedPOSTRequest"], server.applied)


def test_an_empty_overlay_is_200_and_applied(server: Deployment) -> None:
    command(server, "POST", "/_/configuration/workflows", "{}")

    assert [{}] == server.applied
