"""
`ZooKeeperCoordinator`: the Coordinator port on ZooKeeper.

A lease *name* is two nodes below the lease path:

    <name>/epoch    persistent; its version is the fencing number of the latest lease
    <name>/holder   ephemeral; says who holds it, until when the holder's next renewal is due

Both change in one transaction, and a fenced write is one that checks the version of `epoch`. Whether a lease is
over is asked of ZooKeeper's own clock: hosts need not agree about the time. A lease ends with the session
that acquired it, too, so that the work of a dead host is free after the session's time (W-16).
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, unquote

import attrs
from kazoo import exceptions as zk
from kazoo.client import KazooClient
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.security import CREATOR_ALL_ACL, OPEN_ACL_UNSAFE

from backbeat_core.errors import Conflict, CoordinatorUnavailable, Fenced, InvalidConfiguration, InvalidInput
from backbeat_core.ports.coordinator import Coordinator, Lease, Node
from backbeat_core.ports.store import ABSENT, ANY, Expected

# ZooKeeper drops the connection of whoever sends more (jute.maxbuffer, 1 MiB with what surrounds the data).
_LARGEST_DATA: Final = 1_000_000

# How often a step that others got in between of is taken again. Each time somebody else has come further.
_ATTEMPTS: Final = 20

# Characters that ZooKeeper refuses in the path of a node, and does not find in that of a question.
_IMPOSSIBLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\uf8ff\ufff0-\uffff]")

_FOLLOWERS: Final = (zk.RolledBackError, zk.RuntimeInconsistency)


@attrs.frozen
class ZooKeeperTls:
    """TLS towards ZooKeeper. *certificate* and *key* are given together; all are paths of PEM files."""

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    key_password: str | None = attrs.field(default=None, repr=False)
    verify: bool = True


@attrs.frozen
class ZooKeeperSettings:
    """
    How to reach ZooKeeper.

    *hosts* is `host:port[,host:port…][/chroot]`; all paths are below the chroot. It must exist unless
    *create_namespace*. *auth* is pairs of scheme and credential (`("digest", "user:password")`); with
    *private* the nodes that are made are for that user only. Leases of a dead host are free after
    *session_timeout_ms* at the latest.
    """

    hosts: str = "127.0.0.1:2181"
    create_namespace: bool = True
    tls: ZooKeeperTls | None = None
    auth: tuple[tuple[str, str], ...] = attrs.field(default=(), repr=False)
    private: bool = False
    session_timeout_ms: int = 10_000
    timeout_ms: int = 5_000
    lease_path: str = "/backbeat-leases"


class ZooKeeperCoordinator(Coordinator):
    """
    A coordinator over one ZooKeeper session, begun with the first call and begun anew when it is lost.

    Leases of a lost session are gone: renewing them raises Fenced.
    """

    def __init__(self, settings: ZooKeeperSettings) -> None:
        hosts, _, chroot = settings.hosts.partition("/")
        self._settings = settings
        self._root = f"/{chroot.strip('/')}" if chroot.strip("/") else ""
        self._leases = self._path(settings.lease_path)
        self._timeout_s = settings.timeout_ms / 1000
        self._client = _client(settings, hosts)
        self._live: Any = None
        self._ready = False
        self._closed = False
        self._starting = threading.Lock()

    def get(self, path: str) -> Node | None:
        with self._border():
            found = self._read(self._path(path))
            return None if found is None else Node(found[0], found[1].version)

    def put(self, path: str, data: bytes, *, expected: int | Expected = ANY, lease: Lease | None = None) -> Node:
        if len(data) > _LARGEST_DATA:
            raise InvalidInput(f"{len(data)} bytes are too many for a node")
        with self._border():
            full = self._path(path)
            if lease is None and (written := self._put_at_once(full, data, expected)) is not None:
                return written
            for _ in range(_ATTEMPTS):
                try:
                    return self._put(full, data, expected, lease)
                except (zk.NoNodeError, zk.NodeExistsError, zk.BadVersionError):
                    # Somebody was in between; the next attempt reads again and knows.
                    continue
            raise CoordinatorUnavailable(f"{path!r} changes too fast to be written")

    def delete(self, path: str, *, expected: int | Expected = ANY) -> bool:
        with self._border():
            full = self._path(path)
            found = self._read(full)
            if found is None:
                return False
            _demand(path, expected, found[1].version)
            try:
                self._wait(self._client.delete_async(full, -1 if expected is ANY else found[1].version))
            except zk.NoNodeError:
                return False
            except zk.BadVersionError as error:
                raise Conflict(path, expected=expected) from error
            except zk.NotEmptyError as error:
                raise Conflict(path, expected="no children") from error
            return True

    def children(self, path: str) -> Sequence[str]:
        with self._border():
            return self._children(self._path(path))

    def acquire(self, name: str, owner: str, ttl_ms: int) -> Lease | None:
        with self._border():
            epoch, holder = self._lease(name)
            for _ in range(_ATTEMPTS):
                fencing = self._epoch(epoch) + 1
                held = self._holder(holder)
                if held is not None and held.owner != owner and held.due_ms >= self._server_ms():
                    return None
                lease = Lease(name, owner, fencing)
                transaction = self._client.transaction()
                transaction.set_data(epoch, b"", version=fencing - 1)
                if held is not None:
                    transaction.delete(holder, version=held.version)
                transaction.create(holder, _written(lease, ttl_ms), ephemeral=True)
                with contextlib.suppress(zk.NoNodeError, zk.NodeExistsError, zk.BadVersionError):
                    self._commit(transaction)
                    return lease
            return None

    def renew(self, lease: Lease, ttl_ms: int) -> None:
        with self._border():
            _, holder = self._lease(lease.name)
            held = self._holder(holder)
            if held is None or held.fencing != lease.fencing:
                raise Fenced(lease.name, expected=lease.fencing, found=held and held.fencing)
            try:
                stat = self._wait(self._client.set_async(holder, _written(lease, ttl_ms), held.version))
                if stat.mtime > held.due_ms:
                    # Too late, though nobody has noticed: what was over must not begin again by itself.
                    self._wait(self._client.delete_async(holder, stat.version))
                    raise Fenced(lease.name, expected=lease.fencing)
            except (zk.NoNodeError, zk.BadVersionError) as error:
                raise Fenced(lease.name, expected=lease.fencing) from error

    def release(self, lease: Lease) -> None:
        with self._border():
            _, holder = self._lease(lease.name)
            while (held := self._holder(holder)) is not None and held.fencing == lease.fencing:
                with contextlib.suppress(zk.NoNodeError, zk.BadVersionError):
                    self._wait(self._client.delete_async(holder, held.version))

    def holders(self, prefix: str) -> Mapping[str, str]:
        with self._border():
            names = [name for n in self._children(self._leases) if (name := _unquoted(n)).startswith(prefix)]
            # All questions are on their way before the first answer is awaited.
            asked = [(name, self._client.get_async(self._lease(name)[1])) for name in sorted(names)]
            held = [(name, found) for name, reply in asked if (found := self._held(reply)) is not None]
            now_ms = self._server_ms() if held else 0
            return {name: found.owner for name, found in held if found.due_ms >= now_ms}

    def close(self) -> None:
        with self._starting:
            self._closed = True
        # The end of the session frees its leases.
        with contextlib.suppress(Exception):
            self._client.stop()
        with contextlib.suppress(Exception):
            self._client.close()

    def _put_at_once(self, path: str, data: bytes, expected: int | Expected) -> Node | None:
        """Write with a single question; None when that is not possible, or not allowed."""
        with contextlib.suppress(zk.NoNodeError, zk.NodeExistsError, zk.BadVersionError):
            if expected is ABSENT:
                self._wait(self._client.create_async(path, data))
                return Node(bytes(data), 0)
            stat = self._wait(self._client.set_async(path, data, -1 if expected is ANY else expected))
            return Node(bytes(data), stat.version)
        return None

    def _put(self, path: str, data: bytes, expected: int | Expected, lease: Lease | None) -> Node:
        found = self._read(path)
        version = None if found is None else found[1].version
        if lease is not None:
            self._demand_lease(lease)
        _demand(path.removeprefix(self._root), expected, version)
        transaction = self._client.transaction()
        if lease is not None:
            transaction.check(self._lease(lease.name)[0], lease.fencing)
        if version is not None:
            transaction.set_data(path, data, version=version)
        else:
            for parent in self._absent_parents(path):
                transaction.create(parent)
            transaction.create(path, data)
        self._commit(transaction)
        return Node(bytes(data), 0 if version is None else version + 1)

    def _absent_parents(self, path: str) -> Sequence[str]:
        names = path.split("/")[1:-1]
        parents = ["/" + "/".join(names[: n + 1]) for n in range(len(names))]
        asked = [self._client.exists_async(parent) for parent in parents]
        return [parent for parent, reply in zip(parents, asked, strict=True) if self._wait(reply) is None]

    def _demand_lease(self, lease: Lease) -> None:
        found = self._read(self._lease(lease.name)[0])
        if found is None or found[1].version != lease.fencing:
            raise Fenced(lease.name, expected=lease.fencing, found=found and found[1].version)

    def _read(self, path: str) -> tuple[bytes, Any] | None:
        try:
            data, stat = self._wait(self._client.get_async(path))
        except zk.NoNodeError:
            return None
        return data or b"", stat

    def _children(self, path: str) -> list[str]:
        try:
            return sorted(self._wait(self._client.get_children_async(path)))
        except zk.NoNodeError:
            return []

    def _lease(self, name: str) -> tuple[str, str]:
        if not name:
            raise InvalidInput("a lease needs a name")
        # One node a name, whatever is in it; "." and ".." mean something to ZooKeeper.
        node = f"{self._leases}/{quote(name, safe='', errors='surrogatepass').replace('.', '%2E')}"
        return f"{node}/epoch", f"{node}/holder"

    def _epoch(self, path: str) -> int:
        found = self._read(path)
        if found is None:
            self._wait(self._client.ensure_path_async(path))
            found = self._read(path)
        return 0 if found is None else int(found[1].version)

    def _holder(self, path: str) -> _Held | None:
        return self._held(self._client.get_async(path))

    def _held(self, reply: Any) -> _Held | None:
        try:
            data, stat = self._wait(reply)
        except zk.NoNodeError:
            return None
        content = json.loads(data)
        due_ms = stat.mtime + content["ttlMs"]
        return _Held(content["owner"], content["fencing"], due_ms, stat.version)

    def _server_ms(self) -> int:
        # Only a write makes ZooKeeper say what time it is.
        clock = f"{self._leases}-clock"
        try:
            return int(self._wait(self._client.set_async(clock, b"")).mtime)
        except zk.NoNodeError:
            self._wait(self._client.ensure_path_async(clock))
            return int(self._wait(self._client.set_async(clock, b"")).mtime)

    def _commit(self, transaction: Any) -> None:
        """Do all or nothing; raise the reason for nothing."""
        results = self._wait(transaction.commit_async())
        for result in results:
            # The others only say that one of them failed.
            if isinstance(result, Exception) and not isinstance(result, _FOLLOWERS):
                raise result

    def _wait(self, reply: Any) -> Any:
        return reply.get(timeout=self._timeout_s)

    def _path(self, path: str) -> str:
        if path == "/":
            return self._root or "/"
        names = path.split("/")
        if not path.startswith("/") or "" in names[1:]:
            raise InvalidInput(f"{path!r} is no path: it is '/' or names that each follow a '/'")
        if "." in names or ".." in names or _IMPOSSIBLE.search(path):
            raise InvalidInput(f"{path!r} is no path of ZooKeeper")
        return self._root + path

    @contextlib.contextmanager
    def _border(self) -> Iterator[None]:
        """Begin the session if need be, and translate what kazoo raises."""
        try:
            self._connect()
            yield
        except zk.BadArgumentsError as error:
            raise InvalidInput(f"ZooKeeper refuses: {error!r}") from error
        except (zk.KazooException, KazooTimeoutError, OSError) as error:
            raise CoordinatorUnavailable(f"ZooKeeper: {error!r}") from error

    def _connect(self) -> None:
        with self._starting:
            if self._closed:
                raise CoordinatorUnavailable("the coordinator is closed")
            if self._live is None:
                # Once only: to start a client that has lost its connection would throw its session away.
                self._live = self._client.start_async()
        if not self._live.wait(self._timeout_s):
            raise CoordinatorUnavailable(f"no session with ZooKeeper at {self._settings.hosts}")
        if not self._ready and self._root:
            if self._settings.create_namespace:
                self._wait(self._client.ensure_path_async(self._root))
            elif self._wait(self._client.exists_async(self._root)) is None:
                raise InvalidConfiguration(f"zookeeper.connectionString: {self._root} does not exist")
        self._ready = True


@attrs.frozen
class _Held:
    owner: str
    fencing: int
    due_ms: int
    version: int


def _unquoted(node: str) -> str:
    return unquote(node, errors="surrogatepass")


def _written(lease: Lease, ttl_ms: int) -> bytes:
    return json.dumps({"owner": lease.owner, "fencing": lease.fencing, "ttlMs": ttl_ms}).encode()


def _demand(path: str, expected: int | Expected, version: int | None) -> None:
    if expected is not ANY and version != (None if expected is ABSENT else expected):
        raise Conflict(path, expected=expected, found=version)


def _client(settings: ZooKeeperSettings, hosts: str) -> KazooClient:
    tls = settings.tls or ZooKeeperTls()
    return KazooClient(
        hosts=hosts,
        timeout=settings.session_timeout_ms / 1000,
        default_acl=CREATOR_ALL_ACL if settings.private else OPEN_ACL_UNSAFE,
        auth_data=list(settings.auth),
        # For ever, and never far apart: whoever waits here waits for a server that is coming back.
        connection_retry={"max_tries": -1, "delay": 0.1, "max_delay": 2.0},
        use_ssl=settings.tls is not None,
        ca=tls.ca,
        certfile=tls.certificate,
        keyfile=tls.key,
        keyfile_password=tls.key_password,
        verify_certs=tls.verify,
    )
