"""The executable laws of the coordinator: a dict of nodes and a dict of leases."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import attrs

from backbeat_core.errors import Conflict, CoordinatorUnavailable, Fenced, InvalidInput
from backbeat_core.ports.clock import Clock
from backbeat_core.ports.coordinator import Coordinator, Lease, Node
from backbeat_core.ports.store import ABSENT, ANY, Expected
from backbeat_core.testing.memory.locking import locked


@attrs.frozen
class _Held:
    lease: Lease
    until_ms: int


@attrs.define(eq=False)
class MemoryEnsemble:
    """What several `MemoryCoordinator` objects share, as hosts share an ensemble."""

    nodes: dict[str, Node] = attrs.field(factory=dict)
    held: dict[str, _Held] = attrs.field(factory=dict)
    fencing: dict[str, int] = attrs.field(factory=dict)
    lock: threading.RLock = attrs.field(factory=threading.RLock, repr=False)


@attrs.define(eq=False)
class MemoryCoordinator(Coordinator):
    """
    A coordinator without threads or files. While *unreachable* is true every call fails.

    `expire` ends the session, as an ensemble does to a host that went silent: its leases are free at once.
    """

    clock: Clock
    ensemble: MemoryEnsemble = attrs.field(factory=MemoryEnsemble)
    unreachable: bool = False
    _mine: list[Lease] = attrs.field(factory=list)

    @property
    def lock(self) -> threading.RLock:
        return self.ensemble.lock

    @locked
    def get(self, path: str) -> Node | None:
        self._check(path)
        return self.ensemble.nodes.get(path)

    @locked
    def put(
        self, path: str, data: bytes, *, expected: int | Expected = ANY, lease: Lease | None = None
    ) -> Node:
        self._check(path)
        if lease is not None and self.ensemble.fencing.get(lease.name, 0) != lease.fencing:
            raise Fenced(lease.name, expected=lease.fencing, found=self.ensemble.fencing.get(lease.name))
        found = self._demand(path, expected)
        for parent in _parents(path):
            self.ensemble.nodes.setdefault(parent, Node(b"", 0))
        written = Node(bytes(bytearray(data)), 0 if found is None else found.version + 1)
        self.ensemble.nodes[path] = written
        return written

    @locked
    def delete(self, path: str, *, expected: int | Expected = ANY) -> bool:
        self._check(path)
        if path not in self.ensemble.nodes:
            return False
        self._demand(path, expected)
        names = self.children(path)
        if names:
            raise Conflict(path, expected="no children", found=len(names))
        del self.ensemble.nodes[path]
        return True

    @locked
    def children(self, path: str) -> Sequence[str]:
        self._check(path)
        below = path.rstrip("/") + "/"
        return sorted(
            found.removeprefix(below)
            for found in self.ensemble.nodes
            if found.startswith(below) and "/" not in found.removeprefix(below)
        )

    @locked
    def acquire(self, name: str, owner: str, ttl_ms: int) -> Lease | None:
        self._check()
        held = self._live(name)
        if held is not None and held.lease.owner != owner:
            return None
        fencing = self.ensemble.fencing.get(name, 0) + 1
        self.ensemble.fencing[name] = fencing
        lease = Lease(name, owner, fencing)
        self.ensemble.held[name] = _Held(lease, self.clock.elapsed_ms() + ttl_ms)
        self._mine.append(lease)
        return lease

    @locked
    def renew(self, lease: Lease, ttl_ms: int) -> None:
        self._check()
        held = self._live(lease.name)
        if held is None or held.lease != lease:
            raise Fenced(lease.name, expected=lease.fencing, found=self.ensemble.fencing.get(lease.name))
        self.ensemble.held[lease.name] = _Held(lease, self.clock.elapsed_ms() + ttl_ms)

    @locked
    def release(self, lease: Lease) -> None:
        self._check()
        self._let_go(lease)

    @locked
    def holders(self, prefix: str) -> Mapping[str, str]:
        self._check()
        names = sorted(name for name in self.ensemble.held if name.startswith(prefix))
        return {name: held.lease.owner for name in names if (held := self._live(name)) is not None}

    @locked
    def expire(self) -> None:
        """Free every lease that was acquired through this object, without telling whoever holds them."""
        for lease in self._mine:
            self._let_go(lease)
        self._mine.clear()

    def close(self) -> None:
        self.expire()

    def _check(self, path: str = "/") -> None:
        if self.unreachable:
            raise CoordinatorUnavailable("the memory coordinator is away")
        if path != "/" and (not path.startswith("/") or "" in path[1:].split("/")):
            raise InvalidInput(f"{path!r} is no path: it is '/' or names that each follow a '/'")

    def _demand(self, path: str, expected: int | Expected) -> Node | None:
        found = self.ensemble.nodes.get(path)
        version = None if found is None else found.version
        if expected is not ANY and version != (None if expected is ABSENT else expected):
            raise Conflict(path, expected=expected, found=version)
        return found

    def _live(self, name: str) -> _Held | None:
        held = self.ensemble.held.get(name)
        return held if held is not None and self.clock.elapsed_ms() < held.until_ms else None

    def _let_go(self, lease: Lease) -> None:
        held = self.ensemble.held.get(lease.name)
        if held is not None and held.lease == lease:
            del self.ensemble.held[lease.name]


def _parents(path: str) -> Sequence[str]:
    names = path.split("/")[1:-1]
    return ["/" + "/".join(names[: n + 1]) for n in range(len(names))]
