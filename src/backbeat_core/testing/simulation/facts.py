"""What is known of a run so far: every version as it stands, who wrote it, and what has been published."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from backbeat_core.domain import metadata as md
from backbeat_core.domain.entry import ObjectEntry, decode_entry
from backbeat_core.domain.info import Backend, ReplicationInfo
from backbeat_core.domain.status import Status
from backbeat_core.errors import UndecodableEntry

if TYPE_CHECKING:
    from backbeat_core.testing.simulation.process import Host
    from backbeat_core.testing.simulation.world import World

Place = tuple[str, str]
"""A bucket and the key of a document in it."""

POSITION_PATH = "/queue-populator/queue-populator/logState/feed/logOffset"


class Broken(BaseException):
    """An invariant does not hold. No handler of what is tried may catch it."""

    def __init__(self, invariant: str, problem: str) -> None:
        super().__init__(f"{invariant}: {problem}")
        self.invariant = invariant
        self.problem = problem


@attrs.frozen(slots=False)
class Version:
    """A document of a version as it stood."""

    bucket: str
    key: str
    metadata: Mapping[str, Any]

    @functools.cached_property
    def info(self) -> ReplicationInfo:
        """Its replication information."""
        return ReplicationInfo.from_document(self.metadata.get("replicationInfo") or {})

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self.bucket, self.key

    @property
    def object_key(self) -> str:
        """The key without the version."""
        return md.split_key(self.key)[0]

    @property
    def number(self) -> str:
        """Which put it comes from."""
        return str(self.metadata.get("x-amz-meta-number", ""))

    @property
    def awaits(self) -> bool:
        """Whether it is or was to be replicated from here."""
        return self.info.status not in (Status.NONE, Status.REPLICA)

    def completed(self) -> Iterator[Backend]:
        """Yield the sites that are said to have a copy."""
        return (backend for backend in self.info.backends if backend.status is Status.COMPLETED)

    def __str__(self) -> str:
        states = ",".join(f"{each.site}={each.status.value}" for each in self.info.backends)
        key = self.key.replace("\0", "@")
        return f"{self.bucket}/{key} gen {self.info.generation} {self.info.status.value} [{states}]"


@attrs.frozen
class Write:
    """One change of a version. *host* made it; *report* is the entry that it was made for."""

    host: Host
    place: Place
    before: Version | None
    after: Version | None
    report: ObjectEntry | None


Owed = tuple[str, str, int, str, str]
"""Bucket, stored key, generation and content of a version, and a site: what a report speaks of."""


class Facts:
    """The state of the store and its history, kept beside it by reading its log."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now: dict[Place, Version] = {}
        self.of_object: dict[Place, dict[str, Version]] = {}
        """The live versions of each object, by bucket and object key, and each by its own key."""
        self.newest: dict[Place, str] = {}
        """The newest version that each object ever had, deleted or not."""
        self.tags: dict[Place, list[Mapping[str, Any]]] = {}
        """
        The tags that each version has had since it was armed last.

        Those that came without arming it are nobody's business (2.3), but a late copy may take them along.
        """
        self.turn = itertools.count(1)
        self.published_at: dict[tuple[str, int, int], int] = {}
        """When each record of a topic was stored, as a number that grows."""
        self.reported_at: dict[Owed, dict[Status, int]] = {}
        self.replayed_at: dict[Owed, int] = {}
        self.failed_at: dict[tuple[str, str], int] = {}
        """When a failure record of a key of sets and a member was published."""
        self.queued: set[tuple[str, str, int, str]] = set()
        """Bucket, key, generation and number of everything that a populator has queued."""
        self._read = 0

    def news(self, host: Host) -> Iterator[Write]:
        """Yield the changes since the last call, which are *host*'s."""
        log = self.world.engines.tables.log
        while self._read < len(log):
            logged = log[self._read]
            self._read += 1
            if logged.collection.startswith("__"):
                continue
            place = (logged.collection, logged.key)
            before = self.now.get(place)
            after = None
            if logged.text is None:
                self._drop(place)
            else:
                after = self.now[place] = Version(*place, json.loads(logged.text))
                self._note(host, before, after)
            yield Write(host, place, before, after, entry_in_hand(host))

    def newer_ever(self, version: Version) -> bool:
        """Return whether there ever was a newer version of the same object."""
        return self.newest[version.bucket, version.object_key] < version.key

    def newer(self, bucket: str, key: str) -> Iterator[Version]:
        """Yield the live versions of the same object that are newer than the one at *key*."""
        for other, version in self.versions(bucket, md.split_key(key)[0]):
            if "\0" in other and other < key:
                yield version

    def versions(self, bucket: str, object_key: str) -> Iterable[tuple[str, Version]]:
        """Return the live versions of an object with their keys."""
        return self.of_object.get((bucket, object_key), {}).items()

    def saved_position(self) -> int:
        """Return how far the feed is read, as the populators have saved it."""
        node = self.world.engines.ensemble.nodes.get(POSITION_PATH)
        return 0 if node is None else position_in(node.data)

    def _drop(self, place: Place) -> None:
        version = self.now.pop(place, None)
        if version is not None:
            del self.of_object[version.bucket, version.object_key][version.key]

    def _note(self, host: Host, before: Version | None, after: Version) -> None:
        name = (after.bucket, after.object_key)
        self.of_object.setdefault(name, {})[after.key] = after
        if "\0" in after.key:
            self.newest[name] = min(after.key, self.newest.get(name, after.key))
        else:
            self.newest.setdefault(name, after.key)
        if host.spared:
            if before is None or before.info.generation != after.info.generation or before.number != after.number:
                self.tags[after.place] = []
            self.tags[after.place].append(md.tags(after.metadata))


def position_in(data: bytes) -> int:
    """Return the position of the feed that a node of the coordinator has."""
    offset = json.loads(data).get("offset")
    return int(offset) if offset is not None else 0


def owed(entry: ObjectEntry, site: str) -> Owed:
    """Return what an entry means for a site."""
    return entry.bucket, entry.stored_key, entry.info.generation, md.content_md5(entry.metadata), site


def entry_in_hand(host: Host) -> ObjectEntry | None:
    """Return the entry that the step being taken works on."""
    record = getattr(host.handling, "record", None)
    return None if record is None else decoded(record.value)


@functools.lru_cache(maxsize=2048)
def decoded(value: bytes) -> ObjectEntry | None:
    """Return the entry of a record's value, None where it has none."""
    try:
        entry = decode_entry(value)
    except UndecodableEntry:
        return None
    return entry if isinstance(entry, ObjectEntry) else None
