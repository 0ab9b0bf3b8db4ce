"""One server for all that upstream's functional tests assert."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator

import pytest

from conformance.deployment import SITE_1, SITE_2, Channels, Deployment, deployed, listening


@pytest.fixture(scope="module")
def _deployment(
    redis_address: str, zookeeper_address: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    # Sites, keys and channels have the names that they have upstream: one module at a time may use them.
    shared = tmp_path_factory.getbasetemp().parent / "conformance.lock"
    with open(shared, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with deployed(redis_address, zookeeper_address) as deployment:
            yield deployment


@pytest.fixture
def server(_deployment: Deployment) -> Deployment:
    """Return the server, with nothing in its engines."""
    _deployment.clean()
    return _deployment


@pytest.fixture
def channels(server: Deployment) -> Iterator[Channels]:
    """Return what is published from now on."""
    with listening(server.redis) as found:
        yield found


@pytest.fixture
def states(server: Deployment) -> str:
    """Write the nodes of section 9, the first site active, the second paused until the date that is returned."""
    date = "2030-01-01T12:00:00.123Z"
    for service, suffix in (("crr", ""), ("ingestion", "-ingestion")):
        server.state(service, f"{SITE_1}{suffix}", {"paused": False})
        server.state(service, f"{SITE_2}{suffix}", {"paused": True, "scheduledResume": date})
    return date
