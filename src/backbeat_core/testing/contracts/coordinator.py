"""The laws of `backbeat_core.ports.coordinator` as tests that any adapter can inherit."""

from __future__ import annotations

import abc

import pytest

from backbeat_core.errors import Conflict, CoordinatorUnavailable, Fenced
from backbeat_core.ports.coordinator import Coordinator, Lease
from backbeat_core.ports.store import ABSENT
from backbeat_core.testing.contracts.common import any_history, fresh, within
from backbeat_core.testing.contracts.coordinator_machine import coordinator_machine

LONG_MS = 600_000
EVERY_BYTE = bytes(range(256))


class CoordinatorContract(abc.ABC):
    """
    Subclass as ``Test…`` and fill the holes. All coordinators that one test makes are hosts of one engine.

    An engine may be shared between tests: every test names its own paths and leases.
    """

    ttl_ms: int = 1000
    """A time to live that `pass_time` can wait for, and that the calls between two of its uses stay under."""
    bounded_s: float = 30.0
    examples: int = 60
    steps: int = 40

    @abc.abstractmethod
    def make_coordinator(self) -> Coordinator:
        """Return a coordinator, another host of the same engine each time."""

    @abc.abstractmethod
    def make_dead_coordinator(self) -> Coordinator:
        """Return a coordinator whose engine cannot be reached."""

    @abc.abstractmethod
    def pass_time(self, ms: int) -> None:
        """Let time pass for the engine: move its clock, or sleep."""

    def path(self) -> str:
        return "/" + fresh("node")

    def take(self, coordinator: Coordinator, name: str, owner: str, ttl_ms: int = LONG_MS) -> Lease:
        lease = coordinator.acquire(name, owner, ttl_ms)
        assert lease is not None
        assert (name, owner) == (lease.name, lease.owner)
        return lease

    def data(self, coordinator: Coordinator, path: str) -> bytes | None:
        node = coordinator.get(path)
        return None if node is None else node.data

    def test_keeps_data(self) -> None:
        coordinator, other, path = self.make_coordinator(), self.make_coordinator(), self.path()

        for data in (b"", b"\x00", EVERY_BYTE, b"x" * 100_000, b"null", b" spaced \n"):
            written = coordinator.put(path, data)
            assert data == written.data
            assert written == coordinator.get(path) == other.get(path)

        coordinator.put(path + "/ü and %2F", b"named")
        assert b"named" == self.data(other, path + "/ü and %2F")

    def test_absent_is_none(self) -> None:
        coordinator, path = self.make_coordinator(), self.path()

        assert coordinator.get(path) is None
        coordinator.put(path, b"")
        assert coordinator.get(path + "/below") is None
        assert coordinator.delete(path) is True
        assert coordinator.get(path) is None

    def test_put_creates_parents(self) -> None:
        coordinator, path = self.make_coordinator(), self.path()

        coordinator.put(path + "/a/b/c", b"deep")

        assert b"deep" == self.data(coordinator, path + "/a/b/c")
        assert [b"", b"", b""] == [self.data(coordinator, p) for p in (path, path + "/a", path + "/a/b")]
        coordinator.put(path + "/a", b"mine")
        coordinator.put(path + "/a/d", b"other")
        assert b"mine" == self.data(coordinator, path + "/a")

    def test_create_only(self) -> None:
        coordinator, path = self.make_coordinator(), self.path()
        first = coordinator.put(path, b"first", expected=ABSENT)

        with pytest.raises(Conflict):
            self.make_coordinator().put(path, b"second", expected=ABSENT)

        assert first == coordinator.get(path)
        coordinator.delete(path)
        coordinator.put(path, b"third", expected=ABSENT)
        assert b"third" == self.data(coordinator, path)

    def test_put_if_unchanged(self) -> None:
        coordinator, path = self.make_coordinator(), self.path()
        first = coordinator.put(path, b"1")
        second = coordinator.put(path, b"2", expected=first.version)

        with pytest.raises(Conflict):
            coordinator.put(path, b"3", expected=first.version)
        with pytest.raises(Conflict):
            coordinator.put(path, b"3", expected=second.version + 1)
        with pytest.raises(Conflict):
            coordinator.put(path + "-absent", b"3", expected=first.version)

        assert second == coordinator.get(path)
        assert coordinator.get(path + "-absent") is None

    def test_versions_count_up(self) -> None:
        coordinator, path = self.make_coordinator(), self.path()

        versions = [coordinator.put(path, b"same").version for _ in range(12)]

        assert sorted(set(versions)) == versions

    def test_delete_is_idempotent(self) -> None:
        coordinator, path = self.make_coordinator(), self.path()
        assert coordinator.delete(path) is False
        coordinator.put(path + "/child", b"")

        with pytest.raises(Conflict):
            coordinator.delete(path)
        assert b"" == self.data(coordinator, path + "/child")

        assert coordinator.delete(path + "/child") is True
        assert coordinator.delete(path) is True
        assert coordinator.delete(path) is False

    def test_delete_if_unchanged(self) -> None:
        coordinator, path = self.make_coordinator(), self.path()
        first = coordinator.put(path, b"1")
        second = coordinator.put(path, b"2")

        with pytest.raises(Conflict):
            coordinator.delete(path, expected=first.version)

        assert second == coordinator.get(path)
        assert coordinator.delete(path, expected=second.version) is True
        assert coordinator.delete(path, expected=second.version) is False

    def test_children_are_sorted_names(self) -> None:
        coordinator, path = self.make_coordinator(), self.path()
        assert [] == list(coordinator.children(path))
        names = ["b", "a", "B", "10", "9", "a-b", "é", "a b"]
        for name in names:
            coordinator.put(f"{path}/{name}", b"")
        coordinator.put(f"{path}/a/grandchild", b"")
        coordinator.put(f"{path}-neighbour/x", b"")

        assert sorted(names) == list(coordinator.children(path))
        assert ["grandchild"] == list(coordinator.children(path + "/a"))
        assert [] == list(coordinator.children(path + "/b"))
        assert path[1:] in coordinator.children("/")

    def test_lease_is_exclusive(self) -> None:
        one, two, name = self.make_coordinator(), self.make_coordinator(), fresh("lease")
        self.take(one, name, "one")

        assert two.acquire(name, "two", LONG_MS) is None
        assert one.acquire(name, "two", LONG_MS) is None
        self.take(two, fresh("lease"), "two")

    def test_fencing_grows(self) -> None:
        one, two, name = self.make_coordinator(), self.make_coordinator(), fresh("lease")
        numbers = []
        for n in range(6):
            host, owner = ((one, "one"), (two, "two"))[n % 2]
            lease = self.take(host, name, owner)
            numbers.append(lease.fencing)
            numbers.append(self.take(host, name, owner).fencing)  # its own lease again: a new number
            host.release(Lease(name, owner, numbers[-1]))

        assert sorted(set(numbers)) == numbers

    def test_lease_expires(self) -> None:
        one, two, name = self.make_coordinator(), self.make_coordinator(), fresh("lease")
        first = self.take(one, name, "one", self.ttl_ms)
        self.pass_time(self.ttl_ms + 1)

        second = self.take(two, name, "two", LONG_MS)

        assert second.fencing > first.fencing
        assert one.acquire(name, "one", LONG_MS) is None

    def test_renewed_lease_holds(self) -> None:
        one, two, name = self.make_coordinator(), self.make_coordinator(), fresh("lease")
        lease = self.take(one, name, "one", self.ttl_ms)
        for _ in range(3):
            self.pass_time(self.ttl_ms // 2)
            one.renew(lease, self.ttl_ms)

        assert two.acquire(name, "two", LONG_MS) is None
        assert {name: "one"} == two.holders(name)
        one.put("/" + name, b"still fenced by the same number", lease=lease)

    def test_late_renewal_is_fenced(self) -> None:
        one, two, name = self.make_coordinator(), self.make_coordinator(), fresh("lease")
        late = self.take(one, name, "one", self.ttl_ms)
        self.pass_time(self.ttl_ms + 1)
        heir = self.take(two, name, "two", LONG_MS)

        with pytest.raises(Fenced):
            one.renew(late, LONG_MS)
        one.release(late)

        assert {name: "two"} == one.holders(name)
        two.renew(heir, LONG_MS)

    def test_release_frees_at_once(self) -> None:
        one, two, name, other = self.make_coordinator(), self.make_coordinator(), fresh("lease"), fresh("lease")
        lease = self.take(one, name, "one")
        one.release(lease)
        one.release(lease)
        assert {} == two.holders(name)
        self.take(two, name, "two")

        self.take(one, other, "one")
        one.close()
        one.close()
        self.take(two, other, "two")

    def test_holders_are_listed(self) -> None:
        one, two, prefix = self.make_coordinator(), self.make_coordinator(), fresh("group")
        self.take(one, prefix + "/1", "one")
        self.take(two, prefix + "/2", "two")
        self.take(two, prefix + "/3/x", "two")
        gone = self.take(one, prefix + "/4", "one")
        self.take(one, prefix + "/5", "one", self.ttl_ms)
        self.take(one, "not-" + prefix, "one")
        one.release(gone)
        self.pass_time(self.ttl_ms + 1)

        wanted = {prefix + "/1": "one", prefix + "/2": "two", prefix + "/3/x": "two"}
        assert wanted == one.holders(prefix) == two.holders(prefix)
        assert {prefix + "/3/x": "two"} == one.holders(prefix + "/3")

    def test_fenced_write_is_refused(self) -> None:
        one, two, name, path = self.make_coordinator(), self.make_coordinator(), fresh("lease"), self.path()
        late = self.take(one, name, "one", self.ttl_ms)
        one.put(path, b"one's", lease=late)
        self.pass_time(self.ttl_ms + 1)
        heir = self.take(two, name, "two", LONG_MS)
        stands = two.put(path, b"two's", lease=heir)

        with pytest.raises(Fenced):
            one.put(path, b"late", lease=late)
        with pytest.raises(Fenced):
            one.put(path + "-new", b"late", lease=late)
        with pytest.raises(Fenced):
            one.put(path, b"late", expected=stands.version, lease=late)

        assert stands == two.get(path)
        assert two.get(path + "-new") is None
        two.put(path, b"two's again", lease=heir)

    def test_dead_endpoint_is_unavailable(self) -> None:
        coordinator, lease = self.make_dead_coordinator(), Lease("name", "owner", 1)

        for ask in (
            lambda: coordinator.get("/path"),
            lambda: coordinator.put("/path", b""),
            lambda: coordinator.delete("/path"),
            lambda: coordinator.children("/path"),
            lambda: coordinator.acquire("name", "owner", LONG_MS),
            lambda: coordinator.renew(lease, LONG_MS),
            lambda: coordinator.holders("name"),
        ):
            with within(self.bounded_s), pytest.raises(CoordinatorUnavailable):
                ask()

    def test_any_history(self) -> None:
        any_history(coordinator_machine(self), examples=self.examples, steps=self.steps)
