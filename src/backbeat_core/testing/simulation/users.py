"""Users: they put, overwrite, delete, tag and read, whatever else is going on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from backbeat_core.domain import metadata as md
from backbeat_core.domain.arming import Operation
from backbeat_core.ports.store import Document
from backbeat_core.testing.simulation.chance import Chance
from backbeat_core.testing.simulation.process import Host, Process
from backbeat_core.testing.simulation.source import SourceServer

if TYPE_CHECKING:
    from backbeat_core.testing.simulation.world import World


class Users(Process):
    """
    All users of a run.

    They draw from a sequence of their own, and look at nothing but versions: what they do is the same
    whatever goes wrong meanwhile.
    """

    spared = True

    def __init__(self, world: World, chance: Chance) -> None:
        super().__init__(world.engines, "users")
        self.world = world
        self.chance = chance
        self.servers: dict[str, SourceServer] = {}
        self.done = 0

    def start(self, host: Host) -> None:
        self.servers = {
            name: SourceServer(host, bucket) for name, bucket in sorted(self.world.buckets.items())
        }
        for nth in range(self.world.profile.users):
            host.thread(f"user {nth}", self._step, self.chance.below(self.world.profile.pause_ms))

    def _step(self) -> int:
        world = self.world
        if world.resting or 0 < world.profile.most_operations <= self.done:
            return -1
        server = self.servers[self.chance.pick(sorted(self.servers))]
        name = self.chance.weighted(world.profile.work)
        key = f"key-{self.chance.below(world.profile.keys)}"
        self.engines.note(f"users {name} {server.bucket.name}/{key}")
        OPERATIONS[name](self, server, key)
        self.done += 1
        return self.chance.around(world.profile.pause_ms)

    def version_of(self, server: SourceServer, key: str) -> Document | None:
        """Return one of the versions of *key*, the newest most often."""
        found = server.keys(key)
        if not found:
            return None
        return server.version(found[0] if self.chance.hits(0.6) else self.chance.pick(found))


def _put(users: Users, server: SourceServer, key: str) -> None:
    server.put(key, users.chance.between(1, 60))


def _put_in_parts(users: Users, server: SourceServer, key: str) -> None:
    parts = users.chance.between(1, 3)
    server.put(key, users.chance.between(12, 60), pieces=parts + users.chance.below(2), parts=parts)


def _put_empty(users: Users, server: SourceServer, key: str) -> None:
    server.put(key, 0)


def _overwrite_null(users: Users, server: SourceServer, key: str) -> None:
    server.overwrite_null(f"null-{key}", users.chance.between(1, 60))


def _delete(users: Users, server: SourceServer, key: str) -> None:
    server.mark_deleted(key)


def _delete_version(users: Users, server: SourceServer, key: str) -> None:
    version = users.version_of(server, key)
    if version is not None:
        server.delete_version(version)


def _tag(users: Users, server: SourceServer, key: str) -> None:
    _change(users, server, key, Operation.PUT_TAGGING, lambda: {"tags": {"t": str(users.chance.below(1000))}})


def _untag(users: Users, server: SourceServer, key: str) -> None:
    _change(users, server, key, Operation.DELETE_TAGGING, lambda: {"tags": {}})


def _retain(users: Users, server: SourceServer, key: str) -> None:
    _change(users, server, key, Operation.PUT_RETENTION, lambda: {"retentionMode": "GOVERNANCE"})


def _share(users: Users, server: SourceServer, key: str) -> None:
    _change(users, server, key, Operation.PUT_ACL, lambda: {"acl": {"Canned": str(users.chance.below(1000))}})


def _change(
    users: Users,
    server: SourceServer,
    key: str,
    operation: Operation,
    members: Callable[[], dict[str, object]],
) -> None:
    chosen = f"null-{key}" if users.chance.hits(0.2) else key
    version = users.version_of(server, chosen)
    # What is cold is left alone: the populator does not queue it (PL-1).
    if version is not None and not md.is_delete_marker(version.value) and "archive" not in version.value:
        server.change(version, operation, members(), f"s3:{operation.name}")


def _replica(users: Users, server: SourceServer, key: str) -> None:
    server.receive_replica(f"replica-{key}")


def _listed_twice(users: Users, server: SourceServer, key: str) -> None:
    server.put_listed_twice(key, users.chance.between(1, 60))


def _get(users: Users, server: SourceServer, key: str) -> None:
    version = users.version_of(server, key)
    if version is not None and not md.is_delete_marker(version.value):
        users.world.checks.read(server, version)


OPERATIONS: dict[str, Callable[[Users, SourceServer, str], None]] = {
    "put": _put,
    "put in parts": _put_in_parts,
    "put empty": _put_empty,
    "overwrite null": _overwrite_null,
    "delete": _delete,
    "delete version": _delete_version,
    "tag": _tag,
    "untag": _untag,
    "retain": _retain,
    "share": _share,
    "get": _get,
    "replica": _replica,
    "listed twice": _listed_twice,
}
"""What users do, by the names of `profile.WORK`."""
