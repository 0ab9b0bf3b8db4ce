"""`backbeat serve --role` and `backbeat doctor` on real servers: two processes share the work of one file."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import http.server
import json
import os
import re
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

import servers
from acceptance.commandline import command
from backbeat_adapters.clock import SystemClock
from backbeat_adapters.mongodb import MongoSettings, MongoStore
from backbeat_adapters.settings import Settings
from backbeat_core.domain.configuration import ReplicationConfiguration, Rule
from backbeat_core.domain.info import ReplicationInfo
from backbeat_core.domain.status import Status
from backbeat_core.services.write_object import BucketSettings, NewObject, ObjectWriter

pytestmark = [pytest.mark.kafka, pytest.mark.mongodb, pytest.mark.redis, pytest.mark.zookeeper]

CONF = Path(__file__).parents[2] / "conf"
OBJECTS = 50
LIMIT_S = 120
SITES = ("aws-backend-1", "azure-backend-1")


@attrs.frozen
class System:
    """The shipped configuration, moved to the servers of the run and to names that nobody else uses."""

    base: Path
    name: str
    source_port: int

    @property
    def config(self) -> Path:
        return self.base / "conf" / "config.json"

    @property
    def environment(self) -> Mapping[str, str]:
        host, _, port = servers.address("redis").rpartition(":")
        return {
            "KAFKA_HOSTS": servers.address("kafka"),
            "KAFKA_TOPIC_PREFIX": f"{self.name}-",
            "MONGODB_HOSTS": servers.address("mongodb"),
            "MONGODB_RS": "backbeat",
            "MONGODB_DATABASE": self.name,
            "REDIS_HOST": host,
            "REDIS_PORT": port,
            "ZOOKEEPER_CONNECTION_STRING": f"{servers.address('zookeeper')}/{self.name}",
            "BACKBEAT__METRICS__GROUPIDPREFIX": f"{self.name}-metrics",
            "BACKBEAT__EXTENSIONS__REPLICATION__SOURCE__S3__PORT": str(self.source_port),
        }

    def directory(self, location: str) -> Path:
        return self.base / "data" / location

    def arguments(self, *words: str) -> dict[str, Any]:
        return {"args": command(*words, "--config", str(self.config)), "env": {**os.environ, **self.environment}}

    @contextlib.contextmanager
    def serving(self, roles: str) -> Iterator[int | None]:
        """Run one process; give the port of its API, if it has one."""
        log = (self.base / f"{roles.replace(',', '-')}.log").open("w")
        with (
            log,
            subprocess.Popen(**self.arguments("serve", "--role", roles, "--port", "0"), stderr=log) as process,
        ):
            try:
                yield _port(Path(log.name), process)
                process.send_signal(signal.SIGTERM)
                assert 0 == process.wait(60), Path(log.name).read_text()
            finally:
                process.kill()


def _port(log: Path, process: subprocess.Popen[bytes]) -> int | None:
    by = time.monotonic() + LIMIT_S
    while time.monotonic() < by and process.poll() is None:
        if found := re.search(r"(?:port (\d+); )?running as", log.read_text()):
            return int(found[1]) if found[1] else None
        time.sleep(0.1)
    raise AssertionError(log.read_text())


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    (tmp_path / "conf").mkdir()
    for file in CONF.iterdir():
        (tmp_path / "conf" / file.name).write_bytes(file.read_bytes())
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answer) as source:
        thread = threading.Thread(target=source.serve_forever, daemon=True)
        thread.start()
        yield System(tmp_path, f"roles-{uuid.uuid4().hex[:8]}", source.server_address[1])
        source.shutdown()


@pytest.fixture
def store(system: System) -> Iterator[MongoStore]:
    settings = MongoSettings(servers.address("mongodb"), "backbeat", system.name)
    with contextlib.closing(MongoStore(settings)) as found:
        yield found


def written(system: System, store: MongoStore) -> Mapping[str, bytes]:
    """Write objects to the source as CloudServer does, and return their bytes by the key."""
    settings = Settings.read(system.config, system.environment)
    rule = Rule(id="all", prefix="", storage_class=",".join(SITES))
    configuration = ReplicationConfiguration("arn:aws:iam::1:role/r", "arn:aws:s3:::photos", (rule,))
    bucket = BucketSettings(
        "photos",
        configuration,
        settings.endpoints,
        "us-east-1",
        settings.constraints,
        group=settings.document["replicationGroupId"],
    )
    writer = ObjectWriter(store, SystemClock(), bucket)
    bodies = {f"album/{n:03}.jpg": f"picture {n}".encode() * (n + 1) for n in range(OBJECTS)}
    source = system.directory("us-east-1")
    for key, body in bodies.items():
        path = source / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
        writer.put(NewObject(key, len(body), md5, SystemClock().now_ms(), key))
    return bodies


def statuses(store: MongoStore) -> list[tuple[Status, ...]]:
    found = store.scan("photos", limit=10 * OBJECTS)
    return [
        tuple(each.status for each in info.backends)
        for document in found
        if (info := ReplicationInfo.from_document(document.value.get("replicationInfo") or {})).backends
    ]


def get(port: int, path: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        assert 200 == answer.status, body
        return json.loads(body)


@pytest.mark.slow
def test_two_processes_replicate_to_two_locations_and_a_doctor_finds_them_well(
    system: System, store: MongoStore
) -> None:
    with system.serving("api,populator,status") as port, system.serving("processor,gc"):
        assert port is not None
        bodies = written(system, store)
        by = time.monotonic() + LIMIT_S
        done_everywhere = [(Status.COMPLETED,) * len(SITES)] * OBJECTS
        while time.monotonic() < by and done_everywhere != statuses(store):
            time.sleep(0.5)

        assert done_everywhere == statuses(store)
        for site in SITES:
            directory = system.directory(site) / "photos"
            copies = {key: (directory / key).read_bytes() for key in bodies if (directory / key).exists()}
            assert bodies == copies, site
        assert {"zookeeper", "isrHealth"} <= set(get(port, "/_/healthcheck")["internalConnections"])
        assert dict.fromkeys(SITES, "enabled") == get(port, "/_/crr/status")
        done = subprocess.run(
            **system.arguments("doctor", "--json"), capture_output=True, text=True, timeout=60, check=False
        )

    told = json.loads(done.stdout)
    assert (0, True) == (done.returncode, told["ok"]), told
    assert {"ZooKeeper", "MongoDB", "Redis", "Kafka"} <= {each["what"] for each in told["findings"]}
    assert {f"topic {system.name}-backbeat-gc"} <= {each["what"] for each in told["findings"]}


def test_the_doctor_says_of_each_server_that_is_away_what_to_do(system: System) -> None:
    away = f"127.0.0.1:{servers.free_port()}"
    arguments = system.arguments("doctor")
    arguments["env"] |= {"KAFKA_HOSTS": away, "REDIS_PORT": away.rpartition(":")[2]}

    done = subprocess.run(**arguments, capture_output=True, text=True, timeout=100, check=False)

    lines = done.stdout.splitlines()
    assert 1 == done.returncode, done.stderr
    assert {"ZooKeeper: ok", "MongoDB: ok"} <= set(lines)
    assert any(line.startswith("Kafka: ") and "see kafka.hosts" in line for line in lines)
    assert any(line.startswith("Redis: ") and "see redis" in line for line in lines)
    assert "not used: queuePopulator.cronRule (the log is read as it grows, not at times)" in lines
