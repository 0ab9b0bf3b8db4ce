"""`ZooKeeperCoordinator` keeps the laws of the coordinator on a real ZooKeeper, and survives its sessions."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import attrs
import pytest
from kazoo.client import KazooClient

import servers
from backbeat_adapters.zookeeper import ZooKeeperCoordinator, ZooKeeperSettings, ZooKeeperTls
from backbeat_core.errors import (
    Conflict,
    CoordinatorUnavailable,
    Fenced,
    InvalidConfiguration,
    InvalidInput,
)
from backbeat_core.ports.coordinator import Coordinator, Node
from backbeat_core.ports.store import ABSENT
from backbeat_core.testing.contracts.common import fresh, within
from backbeat_core.testing.contracts.coordinator import CoordinatorContract
from servers.certificates import make_certificates

T = TypeVar("T")

pytestmark = pytest.mark.zookeeper


class TestZooKeeperCoordinator(CoordinatorContract):
    ttl_ms = 300
    bounded_s = 5.0
    examples = 25

    @pytest.fixture(autouse=True)
    def _connections(self) -> Iterator[None]:
        self.opened: list[Coordinator] = []
        yield
        for coordinator in self.opened:
            coordinator.close()

    def make_coordinator(self) -> Coordinator:
        return self._opened(ZooKeeperCoordinator(ZooKeeperSettings(hosts=servers.address("zookeeper"))))

    def make_dead_coordinator(self) -> Coordinator:
        dead = ZooKeeperSettings(hosts=f"127.0.0.1:{servers.free_port()}", timeout_ms=300)
        return self._opened(ZooKeeperCoordinator(dead))

    def pass_time(self, ms: int) -> None:
        time.sleep(ms / 1000)

    def _opened(self, coordinator: Coordinator) -> Coordinator:
        self.opened.append(coordinator)
        return coordinator


@contextlib.contextmanager
def host_on(address: str, **others: Any) -> Iterator[ZooKeeperCoordinator]:
    coordinator = ZooKeeperCoordinator(ZooKeeperSettings(hosts=address, **others))
    try:
        yield coordinator
    finally:
        coordinator.close()


@pytest.fixture
def host() -> Iterator[ZooKeeperCoordinator]:
    with host_on(servers.address("zookeeper")) as opened:
        yield opened


@pytest.fixture
def other() -> Iterator[ZooKeeperCoordinator]:
    with host_on(servers.address("zookeeper")) as opened:
        yield opened


@contextlib.contextmanager
def beside(address: str, **others: Any) -> Iterator[KazooClient]:
    """Another program that uses the same ensemble, in its own way."""
    client = KazooClient(address, **others)
    client.start(10)
    try:
        yield client
    finally:
        client.stop()
        client.close()


def patiently(ask: Callable[[], T], *, seconds: float = 20) -> T:
    """Ask until there is an answer: what a caller does with an error that is retryable."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except CoordinatorUnavailable:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def expire(coordinator: ZooKeeperCoordinator, address: str) -> None:
    """End the session as the ensemble does to a host that went silent: somebody else with its id closes it."""
    with beside(address, client_id=coordinator._client.client_id):
        pass


def test_a_session_that_expires_takes_its_leases_and_nothing_else(
    host: ZooKeeperCoordinator, other: ZooKeeperCoordinator
) -> None:
    name, path = fresh("lease"), "/" + fresh("node")
    late = host.acquire(name, "one", 600_000)
    assert late is not None
    host.put(path, b"kept", lease=late)

    expire(host, servers.address("zookeeper"))

    heir = patiently(lambda: other.acquire(name, "two", 600_000))
    assert heir is not None
    assert heir.fencing > late.fencing
    for write in (lambda: host.renew(late, 600_000), lambda: host.put(path, b"late", lease=late)):
        with pytest.raises(Fenced):
            patiently(write)
    host.release(late)
    assert {name: "two"} == host.holders(name)
    assert Node(b"kept", 0) == host.get(path)


def test_a_lease_that_expired_is_not_renewed_even_when_nobody_took_it(host: ZooKeeperCoordinator) -> None:
    name = fresh("lease")
    late = host.acquire(name, "one", 100)
    assert late is not None
    time.sleep(0.2)

    with pytest.raises(Fenced):
        host.renew(late, 600_000)

    assert {} == host.holders(name)


def test_a_restart_that_is_shorter_than_a_session_costs_no_lease(tmp_path: Path) -> None:
    with servers.ZooKeeper(tmp_path / "zookeeper") as server, host_on(server.address, timeout_ms=1_000) as host:
        lease = host.acquire("name", "one", 600_000)
        assert lease is not None
        host.put("/path", b"before", lease=lease)

        server.kill()
        for ask in (lambda: host.get("/path"), lambda: host.holders("")):
            with within(5), pytest.raises(CoordinatorUnavailable):
                ask()
        server.start()

        assert Node(b"before", 0) == patiently(lambda: host.get("/path"))
        patiently(lambda: host.renew(lease, 600_000))
        assert b"after" == patiently(lambda: host.put("/path", b"after", lease=lease)).data


def test_a_server_that_stands_still_is_unavailable_in_bounded_time(tmp_path: Path) -> None:
    with (
        servers.ZooKeeper(tmp_path / "zookeeper") as server,
        host_on(server.address, timeout_ms=1_000, session_timeout_ms=1_500) as host,
    ):
        lease = host.acquire("name", "one", 600_000)
        assert lease is not None

        server.suspend()
        with within(3), pytest.raises(CoordinatorUnavailable):
            host.get("/path")
        time.sleep(1)
        server.wake()

        # The session may have outlived the pause or not: the lease is held, or it is free again.
        with contextlib.suppress(Fenced):
            patiently(lambda: host.renew(lease, 600_000))
        assert patiently(lambda: host.acquire("name", "one", 600_000)) is not None


def test_many_hosts_that_want_one_lease_have_it_one_after_the_other() -> None:
    name, path = fresh("lease"), "/" + fresh("counter")
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(6) as pool:
        hosts = [stack.enter_context(host_on(servers.address("zookeeper"))) for _ in range(6)]
        hosts[0].put(path, b"0")

        def work(n: int) -> list[int]:
            numbers: list[int] = []
            while len(numbers) < 5:
                lease = hosts[n].acquire(name, str(n), 60_000)
                if lease is None:
                    continue
                found = hosts[n].get(path)
                assert found is not None
                # No compare-and-set here: only the lease keeps the others away.
                hosts[n].put(path, b"%d" % (int(found.data) + 1), lease=lease)
                numbers.append(lease.fencing)
                hosts[n].release(lease)
            return numbers

        numbers = [number for numbers in pool.map(work, range(6)) for number in numbers]
        final = hosts[0].get(path)

    assert final is not None
    assert b"30" == final.data
    assert len(set(numbers)) == 30


class Slow(ZooKeeperCoordinator):
    """A host that lets something happen between two steps of its first acquisition."""

    meanwhile: Callable[[], None] | None = None

    def _epoch(self, path: str) -> int:
        epoch = super()._epoch(path)
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        return epoch


def test_a_number_is_given_once_whoever_comes_in_between(other: ZooKeeperCoordinator) -> None:
    name, path, numbers = fresh("lease"), "/" + fresh("node"), []
    slow = Slow(ZooKeeperSettings(hosts=servers.address("zookeeper")))

    def meanwhile() -> None:
        lease = other.acquire(name, "two", 60_000)
        assert lease is not None
        numbers.append(lease.fencing)
        other.release(lease)

    slow.meanwhile = meanwhile
    lease = slow.acquire(name, "one", 60_000)

    assert lease is not None
    assert [lease.fencing - 1] == numbers
    slow.put(path, b"under that number", lease=lease)
    slow.close()


def test_counting_up_together_loses_nothing() -> None:
    path = "/" + fresh("deep") + "/counter"
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(4) as pool:
        hosts = [stack.enter_context(host_on(servers.address("zookeeper"))) for _ in range(4)]

        def work(n: int) -> None:
            done = 0
            while done < 10:
                found = hosts[n].get(path)
                with contextlib.suppress(Conflict):
                    if found is None:
                        hosts[n].put(path, b"1", expected=ABSENT)
                    else:
                        hosts[n].put(path, b"%d" % (int(found.data) + 1), expected=found.version)
                    done += 1

        list(pool.map(work, range(4)))
        final = hosts[0].get(path)

    assert final is not None
    assert b"40" == final.data


def test_names_of_leases_are_any_text(host: ZooKeeperCoordinator) -> None:
    prefix = fresh("group")
    names = [prefix + odd for odd in ("", "/a", ".", "/..", "%2F", " ", "é", "\x00", "\ud800", "/zookeeper")]

    for name in names:
        assert host.acquire(name, "one", 600_000) is not None

    assert dict.fromkeys(names, "one") == host.holders(prefix)
    with pytest.raises(InvalidInput):
        host.acquire("", "one", 600_000)


def test_paths_are_those_of_other_programs_below_the_same_chroot() -> None:
    address, chroot = servers.address("zookeeper"), fresh("backbeat")
    path = "/backbeat/replication/state/site-1"
    data = b'{"paused":false,"scheduledResume":null}'
    with host_on(f"{address}/{chroot}") as host, beside(address) as client:
        host.put(path, data)

        assert data == client.get(f"/{chroot}{path}")[0]
        client.set(f"/{chroot}{path}", b"theirs")
        assert Node(b"theirs", 1) == host.get(path)
        assert ["backbeat"] == list(host.children("/"))
        client.create(f"/{chroot}/empty")
        assert Node(b"", 0) == host.get("/empty")


def test_a_chroot_is_made_only_when_that_is_wanted() -> None:
    address, chroot = servers.address("zookeeper"), fresh("chroot") + "/below"
    with host_on(f"{address}/{chroot}", create_namespace=False) as host:
        for _ in range(2):
            with pytest.raises(InvalidConfiguration, match=chroot):
                host.put("/path", b"")
    with host_on(f"{address}/{chroot}") as host:
        host.put("/path", b"")
    with host_on(f"{address}/{chroot}/", create_namespace=False) as host:
        assert Node(b"", 0) == host.get("/path")


def test_what_zookeeper_cannot_keep_is_the_callers_fault(host: ZooKeeperCoordinator) -> None:
    for path in ("", "relative", "/trailing/", "//", "/a//b", "/a/../b", "/.", "/nul\x00", "/\ud800"):
        with pytest.raises(InvalidInput):
            host.put(path, b"")
        with pytest.raises(InvalidInput):
            host.get(path)
    with pytest.raises(InvalidInput):
        host.put("/" + fresh("large"), b"x" * 2_000_000)


def test_nodes_that_are_private_are_for_their_user_only(host: ZooKeeperCoordinator) -> None:
    path, user = "/" + fresh("private"), ("digest", "backbeat:secret")
    with host_on(servers.address("zookeeper"), auth=(user,), private=True) as owner:
        owner.put(path + "/below", b"mine")
        lease = owner.acquire(fresh("lease"), "one", 600_000)

        assert lease is not None
        assert Node(b"mine", 0) == owner.get(path + "/below")
        owner.put(path + "/below", b"again", lease=lease)
    with pytest.raises(CoordinatorUnavailable, match="NoAuth"):
        host.get(path + "/below")


def test_tls_proves_both_ends_to_one_another(tmp_path: Path) -> None:
    made = make_certificates(tmp_path / "certificates")
    pair, port = tmp_path / "pair.pem", servers.free_port()
    pair.write_bytes(made.server_key.read_bytes() + made.server.read_bytes())
    options = {
        "secureClientPort": port,
        "secureClientPortAddress": "127.0.0.1",
        "serverCnxnFactory": "org.apache.zookeeper.server.NettyServerCnxnFactory",
        "ssl.keyStore.location": pair,
        "ssl.trustStore.location": made.ca,
    }
    known = ZooKeeperTls(ca=str(made.ca), certificate=str(made.client), key=str(made.client_key))
    with servers.ZooKeeper(tmp_path / "zookeeper", options=options):
        with host_on(f"127.0.0.1:{port}", tls=known) as host:
            host.put("/path", b"safe")
            assert Node(b"safe", 0) == host.get("/path")
        for stranger in (None, ZooKeeperTls(ca=str(made.ca)), attrs.evolve(known, ca=None)):
            refused = host_on(f"127.0.0.1:{port}", tls=stranger, timeout_ms=500)
            with refused as host, pytest.raises(CoordinatorUnavailable):
                host.get("/path")


def test_a_closed_coordinator_stays_closed() -> None:
    with host_on(servers.address("zookeeper")) as host:
        host.get("/")
        host.close()

        with within(2), pytest.raises(CoordinatorUnavailable, match="closed"):
            host.get("/")


def test_settings_do_not_show_their_secrets() -> None:
    shown = repr(ZooKeeperSettings(auth=(("digest", "user:secret"),), tls=ZooKeeperTls(key_password="secret")))

    assert "secret" not in shown
