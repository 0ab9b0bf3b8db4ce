"""Lifecycle, as far as replication and the garbage collector meet it: transitions, archives and restores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from backbeat_core.domain import metadata as md
from backbeat_core.domain import wire
from backbeat_core.domain.action import DELETE_ARCHIVED_SOURCE_DATA, DELETE_DATA, Action
from backbeat_core.domain.info import ReplicationInfo
from backbeat_core.domain.status import Status
from backbeat_core.errors import Conflict
from backbeat_core.ports.location import Attributes
from backbeat_core.ports.queue import Message
from backbeat_core.ports.store import Document
from backbeat_core.testing.memory import MemoryLocation
from backbeat_core.testing.simulation.ports import FaultyQueue, FaultyStore
from backbeat_core.testing.simulation.process import Host, Process
from backbeat_core.testing.simulation.programs import GARBAGE

if TYPE_CHECKING:
    from backbeat_core.testing.simulation.world import World

STORES = ("source-data", "second-data")
COLD = "cold"
SERVICE = "lifecycle-transition"


class Lifecycle(Process):
    """
    Moves data about, as the lifecycle processors do (GC-2).

    It is a stub: nothing goes wrong with its own calls, but between any two of them time passes.
    """

    spared = True

    def __init__(self, world: World) -> None:
        super().__init__(world.engines, "lifecycle")
        self.world = world
        self.chance = self.engines.chance
        self.abandoned: list[tuple[str, str]] = []
        """Locations that nothing refers to any more, by store and name: the collector was told so."""
        self._moves = 0

    def start(self, host: Host) -> None:
        self._store = FaultyStore(host)
        self._queue = FaultyQueue(host)
        if self.world.profile.lifecycle_ms:
            host.thread("lifecycle", self._step, self.chance.around(self.world.profile.lifecycle_ms))

    def _step(self) -> int:
        if self.world.resting:
            return -1
        bucket = self.chance.pick(sorted(self.world.buckets))
        server = self.world.users.servers[bucket]
        keys = server.keys()
        version = server.version(self.chance.pick(keys)) if keys else None
        if version is not None and _movable(version):
            begin = self.chance.weighted({self._transition: 3.0, self._archive: 1.0, self._restore: 2.0})
            begin(bucket, version)
        return self.chance.around(self.world.profile.lifecycle_ms)

    def _transition(self, bucket: str, version: Document) -> None:
        """Copy the data elsewhere; a while later the metadata follows, or the copy is given up."""
        if _is_cold(version.value) or not _is_settled(version.value):
            return
        store = STORES[1 - STORES.index(md.data_store_name(version.value))]
        pieces = self._copied(version.value, store)
        self.engines.note(f"lifecycle copies {bucket}/{version.key} to {store}")
        self._later(lambda: self._moved(bucket, version, store, pieces))

    def _moved(self, bucket: str, version: Document, store: str, pieces: list[dict[str, Any]]) -> None:
        found = self._store.inner.get(bucket, version.key)
        if found is None or _identity(found.value) != _identity(version.value):
            self._give_up(bucket, version, pieces)
            return
        members = {"location": pieces, "dataStoreName": store, "originOp": "s3:LifecycleTransition"}
        try:
            self._store.patch(bucket, version.key, members, expected=found.version)
        except Conflict:
            self._later(lambda: self._moved(bucket, version, store, pieces))
            return
        old = [dict(each) for each in md.locations(found.value)]
        self._later(lambda: self._give_up(bucket, version, old))

    def _archive(self, bucket: str, version: Document) -> None:
        """Say that a cold location has the data, and ask for the hot copy to be dropped."""
        if _is_cold(version.value) or not _is_settled(version.value):
            return
        archive = {"archiveInfo": {"archiveId": version.key}}
        try:
            self._store.patch(bucket, version.key, {"archive": archive}, expected=version.version)
        except Conflict:
            return
        key, internal = md.split_key(version.key)
        target = {
            "oldLocation": md.data_store_name(version.value),
            "newLocation": COLD,
            "bucket": bucket,
            "key": key,
            "version": internal or "",
        }
        context = {"origin": "lifecycle", "ruleType": "archive"}
        action = Action.create(
            DELETE_ARCHIVED_SOURCE_DATA,
            self._id(),
            serviceName=SERVICE,
            contextInfo=context,
            target=target,
        )
        self._later(lambda: self._publish(action))

    def _restore(self, bucket: str, version: Document) -> None:
        """Bring back the data of what is cold."""
        if md.data_store_name(version.value) != COLD:
            return
        number = str(version.value["x-amz-meta-number"])
        body = self.world.users.servers[bucket].contents[number]
        pieces = self._stored(STORES[0], [body])
        now = wire.iso(self.engines.clock.now_ms())
        archive = {**version.value["archive"], "restoreRequestedAt": now, "restoreCompletedAt": now}
        members = {"location": pieces, "dataStoreName": STORES[0], "archive": archive}
        self._store.patch(bucket, version.key, members, expected=version.version)

    def _give_up(self, bucket: str, version: Document, pieces: list[dict[str, Any]]) -> None:
        key, internal = md.split_key(version.key)
        context = {
            "origin": "lifecycle",
            "ruleType": "transition",
            "bucketName": bucket,
            "objectKey": key,
            "versionId": internal,
        }
        self.abandoned += [(str(each["dataStoreName"]), str(each["key"])) for each in pieces]
        target = {"locations": pieces, "accountId": None, "owner": "owner"}
        self._publish(
            Action.create(DELETE_DATA, self._id(), serviceName=SERVICE, contextInfo=context, target=target)
        )

    def _copied(self, metadata: Mapping[str, Any], store: str) -> list[dict[str, Any]]:
        bodies = []
        for piece in md.locations(metadata):
            location = MemoryLocation(self.clock, self.engines.locations[str(piece["dataStoreName"])])
            bodies.append(b"".join(location.read(str(piece["key"]))))
        copied = self._stored(store, bodies)
        return [
            {**piece, **copy, "dataStoreETag": piece["dataStoreETag"]}
            for piece, copy in zip(md.locations(metadata), copied, strict=True)
        ]

    def _stored(self, store: str, bodies: list[bytes]) -> list[dict[str, Any]]:
        location = MemoryLocation(self.clock, self.engines.locations[store])
        pieces = []
        start = 0
        for body in bodies:
            name = f"moved/{self._id()}"
            location.write(name, [body], size=len(body), md5="", attributes=Attributes())
            pieces.append({"key": name, "start": start, "size": len(body), "dataStoreName": store})
            start += len(body)
        return pieces

    def _publish(self, action: Action) -> None:
        self._queue.publish(GARBAGE, [Message(action.encode())])

    def _later(self, act: Callable[[], None]) -> None:
        def run() -> int:
            act()
            return -1

        assert self.host is not None
        self.host.thread("lifecycle goes on", run, self.chance.between(50, 20_000))

    def _id(self) -> str:
        self._moves += 1
        return f"move-{self._moves}"


@attrs.frozen
class _Identity:
    md5: str
    modified: str
    location: object


def _identity(metadata: Mapping[str, Any]) -> _Identity:
    return _Identity(md.content_md5(metadata), md.last_modified(metadata), metadata.get("location"))


def _movable(version: Document) -> bool:
    if md.is_delete_marker(version.value) or not md.content_length(version.value):
        return False
    return md.data_store_name(version.value) == COLD or bool(version.value.get("location"))


def _is_cold(metadata: Mapping[str, Any]) -> bool:
    return "archive" in metadata


def _is_settled(metadata: Mapping[str, Any]) -> bool:
    """Return whether a transition may begin: replication is over, or was never due (GC-2)."""
    info = ReplicationInfo.from_document(metadata.get("replicationInfo") or {})
    return info.status in (Status.NONE, Status.COMPLETED)
