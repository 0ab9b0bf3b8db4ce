"""A run has one server of each kind, knows which ones it lacks, and leaves none behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import servers
from servers.process import ask

TESTS = Path(__file__).parents[1]


def run_pytest(directory: Path, source: str, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run *source* as a test module in a pytest of its own; return its status and what it has written."""
    (directory / "conftest.py").write_text('pytest_plugins = ["servers.plugin"]\n')
    (directory / "test_inner.py").write_text(source)
    markers = "".join(f"\n    {name}: needs it" for name in servers.ENGINES)
    (directory / "pytest.ini").write_text(f"[pytest]\npythonpath = {TESTS}\nmarkers ={markers}\n")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("BACKBEAT_", "PYTEST_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, str(directory)],
        cwd=directory,
        # Only what is asked for: most of the time would go into plugins that nothing here uses.
        env=inherited | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


NEEDS_KAFKA = """
import pytest

@pytest.mark.kafka
def test_with(kafka_address): pass

def test_without(): pass
"""


def test_a_test_without_its_server_is_deselected_and_the_server_is_named(tmp_path: Path) -> None:
    status, output = run_pytest(tmp_path, NEEDS_KAFKA, BACKBEAT_TEST_CACHE=str(tmp_path / "nothing"))

    assert status == 0
    assert "1 passed, 1 deselected" in output
    assert "deselected for want of a server: kafka, mongodb" in output


def test_a_missing_server_fails_when_servers_are_required(tmp_path: Path) -> None:
    nothing = str(tmp_path / "nothing")

    status, output = run_pytest(tmp_path, NEEDS_KAFKA, BACKBEAT_TEST_CACHE=nothing, BACKBEAT_REQUIRE_SERVERS="1")

    assert status == 1
    assert "1 passed, 1 error" in output


def test_a_given_address_is_used_and_nothing_is_started(tmp_path: Path) -> None:
    source = """
import pytest

@pytest.mark.kafka
def test_given(kafka_address):
    assert kafka_address == "example.net:9092"
"""
    given = {"BACKBEAT_TEST_CACHE": str(tmp_path / "nothing"), "BACKBEAT_TEST_KAFKA": "example.net:9092"}

    status, output = run_pytest(tmp_path, source, **given)

    assert status == 0, output


SHARES_REDIS = """
import os, pathlib, pytest

@pytest.mark.redis
@pytest.mark.parametrize("n", range(4))
def test_shared(n, redis_address, worker_id):
    with pathlib.Path("seen").open("a") as seen:
        seen.write(f"{worker_id} {redis_address}\\n")
"""


@pytest.mark.redis
def test_processes_of_one_run_share_a_server_that_ends_with_the_run(tmp_path: Path) -> None:
    status, output = run_pytest(tmp_path, SHARES_REDIS, "-p", "xdist.plugin", "-n2", "--dist=each")

    seen = {tuple(line.split()) for line in (tmp_path / "seen").read_text().splitlines()}
    addresses = {address for _, address in seen}
    assert (status, len(seen), len(addresses)) == (0, 2, 1), output
    assert ask(addresses.pop(), b"PING\r\n") == b""


DIES = """
import os, pathlib, pytest, servers, signal

@pytest.mark.redis
def test_dies(redis_address, tmp_path):
    own = servers.Redis(tmp_path)
    own.start()
    pathlib.Path("seen").write_text(f"{redis_address} {own.address}")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.redis
def test_a_run_that_is_killed_leaves_no_server_behind(tmp_path: Path) -> None:
    status, _ = run_pytest(tmp_path, DIES)

    addresses = (tmp_path / "seen").read_text().split()
    deadline = time.monotonic() + 10
    while any(ask(address, b"PING\r\n") for address in addresses) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert status < 0
    assert [b"", b""] == [ask(address, b"PING\r\n") for address in addresses]


@pytest.mark.redis
def test_a_server_of_ones_own_stands_still_wakes_and_comes_back(tmp_path: Path) -> None:
    with servers.Redis(tmp_path / "redis") as redis:
        redis.suspend()
        assert ask(redis.address, b"PING\r\n", timeout_s=0.3) == b""
        redis.wake()
        assert ask(redis.address, b"PING\r\n") == b"+PONG\r\n"
        redis.kill()
        assert ask(redis.address, b"PING\r\n") == b""
        redis.start()
        assert ask(redis.address, b"PING\r\n") == b"+PONG\r\n"
