"""Any history of a few nodes and leases between two hosts, beside plain dicts."""

from __future__ import annotations

from typing import Protocol

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from backbeat_core.errors import Conflict, Fenced
from backbeat_core.ports.coordinator import Coordinator, Lease, Node
from backbeat_core.ports.store import ABSENT, ANY, Expected
from backbeat_core.testing.contracts.common import fresh


class Maker(Protocol):
    """What the machine needs of its contract."""

    def make_coordinator(self) -> Coordinator: ...


HOSTS, NAMES = st.sampled_from([0, 1]), st.sampled_from("xy")
PATHS = st.sampled_from(["/a", "/a/b", "/a/c", "/d/e"])
EXPECTED = st.sampled_from([ANY, ABSENT, "current", "stale"])
LONG_MS = 3_600_000


def coordinator_machine(maker: Maker) -> type[RuleBasedStateMachine]:
    """Return the machine for the coordinators that *maker* makes."""

    class CoordinatorMachine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.hosts = [maker.make_coordinator(), maker.make_coordinator()]
            self.root = "/" + fresh("root")
            self.nodes: dict[str, Node] = {}
            self.held: dict[str, Lease] = {}
            self.newest: dict[str, int] = {}
            self.leases: list[Lease] = []

        def _expected(self, kind: Expected | str, found: Node | None) -> int | Expected:
            if isinstance(kind, Expected):
                return kind
            version = found.version if found is not None else 0
            return version if kind == "current" else version + 7

        def _allowed(self, expected: int | Expected, found: Node | None) -> bool:
            if isinstance(expected, Expected):
                return expected is ANY or found is None
            return found is not None and found.version == expected

        @rule(host=HOSTS, path=PATHS, data=st.binary(max_size=3), kind=EXPECTED)
        def put(self, host: int, path: str, data: bytes, kind: Expected | str) -> None:
            found = self.nodes.get(path)
            expected = self._expected(kind, found)
            if not self._allowed(expected, found):
                with pytest.raises(Conflict):
                    self.hosts[host].put(self.root + path, data, expected=expected)
                return
            written = self.hosts[host].put(self.root + path, data, expected=expected)
            assert data == written.data
            assert found is None or written.version > found.version
            self._wrote(host, path, written)

        def _wrote(self, host: int, path: str, written: Node) -> None:
            parent = path.rpartition("/")[0]
            if parent and parent not in self.nodes:
                made = self.hosts[host].get(self.root + parent)
                assert made is not None
                assert b"" == made.data
                self.nodes[parent] = made
            self.nodes[path] = written

        @rule(host=HOSTS, path=PATHS, kind=EXPECTED)
        def delete(self, host: int, path: str, kind: Expected | str) -> None:
            found = self.nodes.get(path)
            expected = self._expected(kind, found)
            if found is None:
                assert self.hosts[host].delete(self.root + path, expected=expected) is False
            elif self._children(path) or not self._allowed(expected, found):
                with pytest.raises(Conflict):
                    self.hosts[host].delete(self.root + path, expected=expected)
            else:
                assert self.hosts[host].delete(self.root + path, expected=expected) is True
                del self.nodes[path]

        def _children(self, path: str) -> list[str]:
            return sorted(p.removeprefix(path + "/") for p in self.nodes if p.startswith(path + "/"))

        @rule(host=HOSTS, path=PATHS)
        def read(self, host: int, path: str) -> None:
            assert self.nodes.get(path) == self.hosts[host].get(self.root + path)
            assert self._children(path) == list(self.hosts[host].children(self.root + path))

        @rule(host=HOSTS, name=NAMES)
        def acquire(self, host: int, name: str) -> None:
            real, owner = self.root[1:] + name, f"host{host}"
            lease = self.hosts[host].acquire(real, owner, LONG_MS)
            holder = self.held.get(real)
            if holder is not None and holder.owner != owner:
                assert lease is None
                return
            assert lease is not None
            assert lease.fencing > self.newest.get(real, 0)
            self.newest[real], self.held[real] = lease.fencing, lease
            self.leases.append(lease)

        @rule(data=st.data())
        def renew(self, data: st.DataObject) -> None:
            if not self.leases:
                return
            lease = data.draw(st.sampled_from(self.leases))
            host = self.hosts[int(lease.owner[-1])]
            if self.held.get(lease.name) == lease:
                host.renew(lease, LONG_MS)
            elif self.newest[lease.name] > lease.fencing:
                with pytest.raises(Fenced):
                    host.renew(lease, LONG_MS)

        @rule(data=st.data())
        def release(self, data: st.DataObject) -> None:
            if not self.leases:
                return
            lease = data.draw(st.sampled_from(self.leases))
            self.hosts[int(lease.owner[-1])].release(lease)
            if self.held.get(lease.name) == lease:
                del self.held[lease.name]

        @rule(data=st.data(), path=PATHS)
        def put_under_a_lease(self, data: st.DataObject, path: str) -> None:
            if not self.leases:
                return
            lease = data.draw(st.sampled_from(self.leases))
            host = int(lease.owner[-1])
            if self.held.get(lease.name) == lease:
                self._wrote(host, path, self.hosts[host].put(self.root + path, b"fenced", lease=lease))
            elif self.newest[lease.name] > lease.fencing:
                with pytest.raises(Fenced):
                    self.hosts[host].put(self.root + path, b"late", lease=lease)

        @rule(host=HOSTS)
        def holders(self, host: int) -> None:
            held = {name: lease.owner for name, lease in self.held.items()}
            assert held == self.hosts[host].holders(self.root[1:])

        @rule(host=HOSTS)
        def restart(self, host: int) -> None:
            self.hosts[host].close()
            self.hosts[host] = maker.make_coordinator()
            self.held = {n: lease for n, lease in self.held.items() if lease.owner != f"host{host}"}

        def teardown(self) -> None:
            for host in self.hosts:
                host.close()

    return CoordinatorMachine
