"""
The real servers that tests run against: `address("kafka")` gives one, and starts it if it must.

An address in the environment (`BACKBEAT_TEST_KAFKA=host:port` and so on) is used instead, when given.
One of each is started a test run, however many processes run the tests; it is ended with the run.
A test that harms its server makes its own, with the classes of this package and a temporary directory.
"""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
from pathlib import Path

from servers.kafka import Kafka, KafkaCluster
from servers.mongodb import MongoDB
from servers.process import NotInstalled, Server, free_port
from servers.redis import Redis, Sentinel
from servers.run import close_run, open_run
from servers.zookeeper import ZooKeeper

__all__ = [
    "ENGINES",
    "Kafka",
    "KafkaCluster",
    "MongoDB",
    "NotInstalled",
    "Redis",
    "Sentinel",
    "Server",
    "ZooKeeper",
    "address",
    "close_run",
    "free_port",
    "given",
    "missing",
    "open_run",
]

ENGINES: dict[str, type[Server]] = {}
for _engine in (Kafka, MongoDB, Redis, ZooKeeper):
    ENGINES[_engine.name] = _engine


def given(name: str) -> str | None:
    """Return the address that the environment gives for a server, if it does."""
    return os.environ.get(f"BACKBEAT_TEST_{name.upper()}") or None


BROWSER = ("chromium", "chromedriver")
"""The programs that tests marked `browser` need."""


def missing() -> list[str]:
    """Return the names of the servers that are neither given nor installed."""
    absent = [name for name, engine in ENGINES.items() if not given(name) and not engine.installed()]
    return absent if all(map(shutil.which, BROWSER)) else [*absent, "browser"]


@functools.cache
def address(name: str) -> str:
    """Return host:port of the run's server; the first to ask starts it. Raises NotInstalled."""
    if found := given(name):
        return found
    run = open_run()
    with (run / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        file = run / f"{name}.address"
        if not file.exists():
            _start(ENGINES[name](run / name), run)
        return file.read_text()


def _start(server: Server, run: Path) -> None:
    server.start()
    (run / f"{server.name}.address").write_text(server.address)
