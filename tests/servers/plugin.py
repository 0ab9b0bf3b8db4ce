"""
Chooses among tests that need a real server, by their markers.

A test whose server is neither given nor installed is deselected and the run ends with one line that names
the server; with BACKBEAT_REQUIRE_SERVERS=1 it stays, and fails when it asks for the server.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

import servers


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _required() -> bool:
    return os.environ.get("BACKBEAT_REQUIRE_SERVERS") == "1"


def pytest_configure(config: pytest.Config) -> None:
    """Make the run's directory before the workers are started, so that they share it."""
    if not _is_worker(config) and not config.option.collectonly:
        servers.open_run()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out what cannot be run."""
    absent = set() if _required() else set(servers.missing())
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        (dropped if any(item.get_closest_marker(name) for name in absent) else kept).append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Name what was not there."""
    if (absent := servers.missing()) and not _required():
        terminalreporter.write_line(f"deselected for want of a server: {', '.join(sorted(absent))}", yellow=True)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the servers, in the process that began the run."""
    if not _is_worker(config):
        servers.close_run()


@pytest.fixture(scope="session")
def kafka_address() -> str:
    """Return host:port of the run's Kafka."""
    return servers.address("kafka")


@pytest.fixture(scope="session")
def mongodb_address() -> str:
    """Return host:port of the run's MongoDB."""
    return servers.address("mongodb")


@pytest.fixture(scope="session")
def redis_address() -> str:
    """Return host:port of the run's Redis."""
    return servers.address("redis")


@pytest.fixture(scope="session")
def zookeeper_address() -> str:
    """Return host:port of the run's ZooKeeper."""
    return servers.address("zookeeper")
