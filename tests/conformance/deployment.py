"""
A server as upstream's functional tests want one (http-api 9), and what they reach round it to.

The names of keys, channels and nodes are spelt out here as those tests spell them: it is for the server to
use the same.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import attrs
import redis
from kazoo.client import KazooClient

from backbeat_adapters.api import ApiBackend
from backbeat_adapters.bootstrap import Ports, Settings, Topics
from backbeat_adapters.cloudserver import CloudServer, CloudServerSettings
from backbeat_adapters.environment import ingestion_sites, is_test_mode
from backbeat_adapters.redis import RedisCache, RedisSettings
from backbeat_adapters.web.asgi import asgi_app
from backbeat_adapters.zookeeper import ZooKeeperCoordinator, ZooKeeperSettings
from backbeat_core.domain.keys import RedisKeys
from backbeat_core.http.api import Api
from backbeat_core.http.routing import Sites
from backbeat_core.testing.memory import ManualClock, MemoryQueue, MemoryStore
from support.cloudserver import cloudserver
from support.serving import serving

ENVIRONMENT: Final = {"CI": "true", "MANAGEMENT_BACKEND": "operator"}
SITE_1, SITE_2 = SITES = ("test-site-1", "test-site-2")
INGESTION_1, INGESTION_2 = INGESTION = ("test-site-1-ingestion", "test-site-2-ingestion")
LOCATIONS: Final = ("us-east-1", *SITES)
TOPICS: Final = {"crr": "backbeat-replication", "ingestion": "backbeat-test-ingestion"}
CHROOT: Final = "/backbeat-conformance"
DATABASE: Final = 9
"""Of Redis: nobody else's."""

VERSION_ID: Final = "39383530303038363133343437313939393939395247303031202030"
METADATA: Final = {
    "content-length": 1,
    "last-modified": "2018-03-30T22:22:34.384Z",
    "versionId": "98500086134471999999RG001  0",
    "replicationInfo": {
        "status": "FAILED",
        "backends": [{"site": site, "status": "FAILED", "dataStoreVersionId": ""} for site in SITES],
        "content": ["DATA", "METADATA"],
        "destination": "arn:aws:s3:::destination",
        "storageClass": ",".join(SITES),
        "role": "arn:aws:iam::root:role/s3-replication-role",
        "storageType": "",
        "dataStoreVersionId": "",
    },
}
SOURCE_ANSWER: Final = json.dumps({"Body": json.dumps(METADATA)}).encode()

PATHS: Final = {"crr": "/backbeattest/replication/state", "ingestion": "/backbeattest/ingestion/state"}


@attrs.frozen
class Answer:
    """What came over the wire."""

    status: int
    phrase: str
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)


@attrs.define(eq=False)
class Deployment:
    """A running server, and the other ends of what it is connected to."""

    port: int
    redis: redis.Redis
    zookeeper: KazooClient
    now_ms: int
    applied: list[Mapping[str, Any]] = attrs.field(factory=list)

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """Send a request; *body* is sent as it is if it is a text, else as JSON."""
        text = body if isinstance(body, str) or body is None else json.dumps(body)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, None if text is None else text.encode())
            answer = connection.getresponse()
            return Answer(answer.status, answer.reason, answer.read().decode())

    def get(self, path: str) -> Any:
        """Return the body of what is found."""
        answer = self.ask("GET", path)
        assert (200, "OK") == (answer.status, answer.phrase), answer
        return answer.body

    # What upstream's tests write.

    @property
    def hours(self) -> list[int]:
        """Return the starts of the 24 hours that are listed, newest first."""
        newest = self.now_ms // 3_600_000 * 3_600_000
        return [newest - back * 3_600_000 for back in range(24)]

    def count(self, site: str, point: str, value: int) -> None:
        """Set a counter of the running interval; *site* may have an object's name behind it."""
        start = self.now_ms // 300_000 * 300_000
        self.redis.set(f"{site}:test:bb:{point}:requests:{start}", value, ex=86400)

    def pend(self, site: str, point: str, value: int) -> None:
        """Set a counter of what waits."""
        self.redis.set(f"{site}:test:bb:{point}", value)

    def fail(self, site: str, hour_ms: int, members: Mapping[str, int]) -> None:
        """Add failures, member → time, to the set of an hour."""
        self.redis.zadd(f"test:bb:crr:failed:{site}:{hour_ms}", dict(members))

    def state(self, service: str, site: str, state: Mapping[str, Any]) -> None:
        """Write the node that a worker keeps its state in."""
        path = f"{CHROOT}{PATHS[service]}/{site}"
        self.zookeeper.ensure_path(path)
        self.zookeeper.set(path, json.dumps(state).encode())

    def forget(self, service: str, site: str) -> None:
        """Remove a worker's node."""
        self.zookeeper.delete(f"{CHROOT}{PATHS[service]}/{site}")

    def clean(self) -> None:
        """Take away what a test has left."""
        for pattern in ("test-site-*", "test:bb:*", "*:processingFailures"):
            for key in list(self.redis.scan_iter(pattern, count=1000)):
                self.redis.unlink(key)
        self.zookeeper.delete(f"{CHROOT}/backbeattest", recursive=True)
        self.applied.clear()


@attrs.define(eq=False)
class Channels:
    """What is published on any channel of the two topics."""

    pubsub: Any

    def messages(self) -> list[tuple[str, Any]]:
        """Return channel and content of all that has come, sorted: the channels are not in any order."""
        found = []
        # What was published before an answer was given is here with the next message, at the latest.
        while (message := self.pubsub.get_message(timeout=0.2)) is not None:
            if message["type"] == "pmessage":
                found.append((message["channel"].decode(), json.loads(message["data"])))
        return sorted(found, key=lambda each: each[0])


@contextlib.contextmanager
def listening(client: redis.Redis) -> Iterator[Channels]:
    """Listen to the channels from now on."""
    pubsub = client.pubsub()
    pubsub.psubscribe(*(f"{topic}-*" for topic in TOPICS.values()))
    for _ in TOPICS:
        assert pubsub.get_message(timeout=5) is not None
    try:
        yield Channels(pubsub)
    finally:
        pubsub.close()


@contextlib.contextmanager
def deployed(redis_address: str, zookeeper_address: str) -> Iterator[Deployment]:
    """Run a server on real Redis and ZooKeeper, and a source that knows every object."""
    host, _, port = redis_address.rpartition(":")
    test_mode = is_test_mode(ENVIRONMENT)
    clock = ManualClock(wall_ms=time.time_ns() // 1_000_000)
    with contextlib.ExitStack() as stack:
        ports = Ports(
            MemoryQueue(clock),
            MemoryStore(clock),
            RedisCache(RedisSettings(host=host, port=int(port), db=DATABASE)),
            ZooKeeperCoordinator(ZooKeeperSettings(hosts=f"{zookeeper_address}{CHROOT}")),
            clock,
        )
        stack.callback(ports.coordinator.close)
        stack.callback(ports.cache.close)
        source_port, _ = stack.enter_context(cloudserver(lambda target: (200, SOURCE_ANSWER)))
        source = stack.enter_context(CloudServer(CloudServerSettings(port=source_port)))
        pool = stack.enter_context(ThreadPoolExecutor(10))
        applied: list[Mapping[str, Any]] = []
        backend = ApiBackend(
            ports,
            Settings(topics=Topics(ingestion=TOPICS["ingestion"]), keys=RedisKeys(test_mode)),
            lambda: Sites(SITES, ingestion_sites(SITES, (), test_mode=test_mode), LOCATIONS),
            source.read_source,
            workflows=applied.append,
            in_sync=1,
            test_mode=test_mode,
            each=pool.map,
        )
        served = stack.enter_context(serving(asgi_app(Api(backend)), patient=True))
        client = redis.Redis(host=host, port=int(port), db=DATABASE)
        stack.callback(client.close)
        zookeeper = KazooClient(zookeeper_address)
        zookeeper.start()
        stack.callback(zookeeper.stop)
        zookeeper.ensure_path(f"{CHROOT}/backbeattest")
        deployment = Deployment(served, client, zookeeper, clock.now_ms(), applied)
        deployment.clean()
        yield deployment
        deployment.clean()


__all__ = ["Answer", "Channels", "Deployment", "deployed", "listening"]
