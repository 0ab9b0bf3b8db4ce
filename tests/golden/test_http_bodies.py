"""The bodies of http-api 3 to 7, letter by letter, from the function with its services on the memory engines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backbeat_adapters.api import ApiBackend
from backbeat_adapters.bootstrap import Ports, Settings
from backbeat_core.domain import wire
from backbeat_core.domain.keys import DataPoint, RedisKeys, Service, state_path
from backbeat_core.http.api import Api, respond
from backbeat_core.http.message import Request
from backbeat_core.http.routes import ROUTES, Operation, Route
from backbeat_core.http.routing import Resolved, Sites, resolve
from backbeat_core.ports.cache import AddMember, SetCounter, Write
from backbeat_core.ports.queue import Message
from backbeat_core.services.explain import Explain
from backbeat_core.services.healthcheck import Connection, Partition
from backbeat_core.testing.memory import (
    ManualClock,
    MemoryBroker,
    MemoryCache,
    MemoryCoordinator,
    MemoryQueue,
    MemoryStore,
)

HTTP = Path(__file__).parent / "http"
BODIES = [
    case
    for name in ("bodies.json", "routes.json")
    for case in json.loads((HTTP / name).read_text(encoding="utf-8"))
]
"""Method, route, request body, status, answer; the engines hold what is in the worked examples (4.5, 5.5, 6.5)."""

NOW_MS = 1714558050000  # 2024-05-01T10:07:30Z
FIVE_MINUTES_MS = 300_000
HOUR_MS = 3_600_000
SITES = Sites(crr=("aws-location", "zenko"), ingestion=("ring-1", "ring-2"), lifecycle=("us-east-1",))
METADATA = {
    "content-length": 1024,
    "last-modified": "2024-05-01T09:58:02.117Z",
    "versionId": "98",
    "replicationInfo": {
        "status": "FAILED",
        "backends": [{"site": "aws-location", "status": "FAILED", "dataStoreVersionId": ""}],
        "content": ["DATA", "METADATA"],
        "destination": "arn:aws:s3:::b1",
        "storageClass": "aws-location",
        "role": "arn:aws:iam::root:role/s3-replication-role",
        "storageType": "aws_s3",
        "dataStoreVersionId": "",
    },
}


def counters(keys: RedisKeys) -> list[Write]:
    newest = NOW_MS // FIVE_MINUTES_MS * FIVE_MINUTES_MS
    hour = NOW_MS // HOUR_MS * HOUR_MS
    crr, ingestion = Service.CRR, Service.INGESTION
    written: list[Write] = [
        SetCounter(keys.pending("aws-location", crr, DataPoint.OPS_PENDING), 3),
        SetCounter(keys.pending("aws-location", crr, DataPoint.BYTES_PENDING), 1500),
        SetCounter(keys.pending("zenko", crr, DataPoint.OPS_PENDING), -1),
        SetCounter(keys.pending("zenko", crr, DataPoint.BYTES_PENDING), -200),
        SetCounter(keys.site_counter("aws-location", crr, DataPoint.BYTES_DONE, newest), 900),
    ]
    for back, done in ((0, 60), (1, 120), (2, 90), (3, 100), (287, 5), (288, 7)):
        at = newest - back * FIVE_MINUTES_MS
        written.append(SetCounter(keys.site_counter("aws-location", crr, DataPoint.OPS_DONE, at), done))
    for site, done, pending in (("ring-1", 100, 12), ("ring-2", 200, 30)):
        written.append(SetCounter(keys.site_counter(site, ingestion, DataPoint.OPS_DONE, newest), done))
        written.append(SetCounter(keys.pending(site, ingestion, DataPoint.OPS_PENDING), pending))
    of_object = (
        ("docs/a.txt", DataPoint.OBJECT_BYTES, 4_000_000),
        ("docs/a.txt", DataPoint.OBJECT_BYTES_DONE, 3_000_000),
    )
    for key, point, count in (*of_object, ("small", DataPoint.OBJECT_BYTES_DONE, 50)):
        written.append(SetCounter(keys.object_counter("aws-location", "b1", key, "3938", point, newest), count))
    for site, back, member in (
        *(("aws-location", 0, "b1:docs/a.txt:3938"), ("aws-location", 0, "b1:gone:3938")),
        *(
            ("aws-location", 0, "b1:gone:3939"),
            ("zenko", 7, "b1:x:"),
            ("zenko", 7, "b1:y:"),
            ("zenko", 24, "b1:z:"),
        ),
    ):
        at = hour - back * HOUR_MS
        written.append(AddMember(keys.failures(site, at), member, at + 1))
    return written


@pytest.fixture
def api() -> Api:
    clock = ManualClock(NOW_MS)
    ports = Ports(
        MemoryQueue(clock=clock, broker=MemoryBroker(partitions=2)),
        MemoryStore(clock=clock),
        MemoryCache(clock),
        MemoryCoordinator(clock),
        clock,
    )
    ports.queue.publish("backbeat-replication", [Message(b"{}")])
    ports.cache.write(counters(RedisKeys()))
    for service, site, state in (
        (Service.CRR, "aws-location", {"paused": True, "scheduledResume": "2024-05-01T16:07:30.000Z"}),
        (Service.CRR, "zenko", {"paused": False}),
        (Service.INGESTION, "ring-1", {"paused": True}),
    ):
        ports.coordinator.put(state_path(service, site, test_mode=False), json.dumps(state).encode())

    def read_source(bucket: str, key: str, version: str) -> dict[str, Any] | None:
        return METADATA if (bucket, key, version) == ("b1", "docs/a.txt", "3938") else None

    backend = ApiBackend(
        ports,
        Settings(),
        lambda: SITES,
        read_source,
        Explain(ports.cache, ports.queue, ports.coordinator, clock, read_source, lambda bucket: None),
        exposition=lambda: "# HELP s3_backbeat_queue_rebalance_total Rebalances\n",
        workflows=lambda overlay: None,
        describe=lambda topic: [Partition(0, 1, (1, 2, 3), (1, 2, 3))],
        connection=lambda: Connection.SYNC_CONNECTED,
    )
    return Api(backend)


@pytest.mark.parametrize("prefix", ["/_/backbeat/api/", "/_/"])
@pytest.mark.parametrize(("method", "route", "body", "status", "expected"), BODIES)
def test_a_route_answers_letter_by_letter(
    api: Api, prefix: str, method: str, route: str, body: str, status: int, expected: str
) -> None:
    response = respond(api, Request(method, prefix + route, body=body.encode(), peer="127.0.0.1"))
    assert (status, expected) == (response.status, response.body.decode())


def test_the_history_is_a_value_for_each_interval_of_a_day(api: Api) -> None:
    """Ours: 288 values of three kinds, the oldest first."""
    response = respond(api, Request("GET", "/_/metrics/crr/all/history", peer="127.0.0.1"))
    expected = {
        "description": "Completed and failed operations and bytes in each interval, oldest first",
        "start": 1714471800000,
        "interval": 300,
        "results": {
            "completed": [5, *[0] * 283, 100, 90, 120, 60],
            "completedBytes": [*[0] * 287, 900],
            "failed": [0] * 288,
        },
    }
    assert (200, json.dumps(expected, separators=(",", ":"))) == (response.status, response.body.decode())


@pytest.mark.parametrize("prefix", ["/_/backbeat/api", "/_"])
def test_the_description_of_the_api_is_given_letter_by_letter(api: Api, prefix: str) -> None:
    """Kept with its lines broken, so that a change of it can be read; members are in their order."""
    expected = json.loads((HTTP / "openapi.json").read_text(encoding="utf-8"))
    expected["servers"] = [{"url": prefix}]
    response = respond(api, Request("GET", f"{prefix}/openapi.json", peer="127.0.0.1"))

    assert (200, wire.dumps(expected)) == (response.status, response.body.decode())


OF_THEIR_OWN = {Operation.OPENAPI, Operation.HISTORY}


@pytest.mark.parametrize(
    ("route", "service"),
    [(route, service) for route in ROUTES for service in route.services or ("",)],
    ids=lambda part: f"{part.method} {part.pattern}" if isinstance(part, Route) else part,
)
def test_every_route_of_the_table_has_the_body_of_a_success_for_each_of_its_services(
    route: Route, service: str
) -> None:
    answered = [
        resolve(method, f"/_/{target}", lambda: SITES) for method, target, _, status, _ in BODIES if status == 200
    ]
    found = [
        each for each in answered if isinstance(each, Resolved) and (each.route, each.service) == (route, service)
    ]

    assert found or route.operation in OF_THEIR_OWN
