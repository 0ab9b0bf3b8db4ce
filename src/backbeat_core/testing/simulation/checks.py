"""Whoever looks on: tells every event to the laws that speak of it, and stops the run where one is broken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from backbeat_core.domain.keys import Service, state_path
from backbeat_core.domain.status import Status
from backbeat_core.ports.queue import Message, Published
from backbeat_core.ports.store import Document
from backbeat_core.queueing.outcome import Outcome
from backbeat_core.services.worker import Task
from backbeat_core.testing.simulation import order
from backbeat_core.testing.simulation.copies import unreadable
from backbeat_core.testing.simulation.crew import Crew
from backbeat_core.testing.simulation.engines import Onlooker
from backbeat_core.testing.simulation.facts import POSITION_PATH, Broken, Facts, Place, Version
from backbeat_core.testing.simulation.laws import AT_WRITES
from backbeat_core.testing.simulation.process import Host
from backbeat_core.testing.simulation.profile import REPLAY_TOPICS
from backbeat_core.testing.simulation.programs import REPLICATION, STATUS
from backbeat_core.testing.simulation.rest import AT_REST

if TYPE_CHECKING:
    from backbeat_core.testing.simulation.source import SourceServer
    from backbeat_core.testing.simulation.world import World


class Checks(Onlooker):
    """Checks what must always hold as it happens, and on demand what must hold at rest."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.facts = Facts(world)
        self.paused_since: dict[str, int] = {}
        """Since when each site that is paused is paused, in the coordinator's eyes."""
        self.completed_at: dict[tuple[Place, str], int] = {}
        """When a site of a version was written to be COMPLETED."""
        self.uploads: dict[tuple[str, str], Host] = {}
        """Who began each upload."""
        self.excused_uploads: set[tuple[str, str]] = set()
        self._sites = {state_path(Service.CRR, site.name): site.name for site in world.profile.sites}

    def wrote(self, host: Host) -> None:
        for write in self.facts.news(host):
            for name, law in AT_WRITES.items():
                self._require(name, law(self.world, write))
            if write.after is not None:
                for backend in write.after.completed():
                    was = None if write.before is None else write.before.info.backend(backend.site)
                    if was is None or was.status is not Status.COMPLETED:
                        self.completed_at[write.place, backend.site] = self.world.engines.scheduler.now_ms

    def published(self, host: Host, topic: str, messages: Sequence[Message], places: Sequence[object]) -> None:
        for message, place in zip(messages, places, strict=False):
            if isinstance(place, Published):
                order.note_published(self.world, topic, (topic, place.partition, place.offset), message.value)
            self._require("INV-15", order.inv_15_bounded_replays(self.world, host, topic, message.value))
            self._require("INV-20", order.inv_20_loop_free(self.world, host, topic, message.value))

    def committed(self, host: Host, topic: str, group: str, before: dict[int, int], after: dict[int, int]) -> None:
        if topic not in (STATUS, REPLICATION, *REPLAY_TOPICS):
            return
        for partition, last in after.items():
            problem = order.inv_14_at_least_once(self.world, topic, group, partition, before[partition], last)
            self._require("INV-14", problem)

    def positioned(self, host: Host, path: str, before: bytes | None, after: bytes) -> None:
        if path == POSITION_PATH:
            self._require("INV-14", order.inv_14_populator(self.world, host, before, after))
        elif path in self._sites:
            site = self._sites[path]
            if order.paused_in(after):
                self.paused_since.setdefault(site, self.world.engines.scheduler.now_ms)
            else:
                self.paused_since.pop(site, None)

    def started(self, crew: Crew, task: Task) -> None:
        self._require("INV-13", order.inv_13_key_order(self.world, crew, task))
        self._require("INV-21", order.inv_21_pause(self.world, crew, task))

    def began(self, host: Host, location: str, upload: str) -> None:
        self.uploads[location, upload] = host

    def excused(self, location: str, upload: str) -> None:
        self.excused_uploads.add((location, upload))

    def deleting(self, host: Host, location: str, name: str) -> None:
        self._require("INV-10", order.inv_10_collection_is_safe(self.world, host, location, name))

    def placed(self, host: Host, location: str, name: str) -> None:
        self._require("INV-4", order.inv_4_no_stale_overwrite(self.world, host, location, name))

    def finished(self, crew: Crew, task: Task, outcome: Outcome) -> None:
        pass

    def read(self, server: SourceServer, document: Document) -> None:
        """A user reads a version (INV-22)."""
        version = Version(server.bucket.name, document.key, document.value)
        self._require("INV-22", unreadable(self.world, version))

    def at_rest(self, *, all_completed: bool = False) -> None:
        """Check what must hold when nothing is left to do; with *all_completed*, after all was retried."""
        for name, law in AT_REST.items():
            self._require(name, law(self.world))
        if all_completed:
            for version in self.facts.now.values():
                if version.awaits and version.info.status is not Status.COMPLETED:
                    raise Broken("INV-18", f"all was retried, and still: {version}")

    def content_of(self, version: Version) -> bytes:
        """Return the bytes that a version was put with."""
        return self.world.users.servers[version.bucket].contents[version.number]

    def _require(self, invariant: str, problem: str | None) -> None:
        if problem is not None:
            raise Broken(invariant, problem)
