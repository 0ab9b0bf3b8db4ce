"""Whoever looks on: tells every event to the laws that speak of it, and stops the run where one is broken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from backbeat_core.ports.queue import Message
from backbeat_core.ports.store import Document
from backbeat_core.queueing.outcome import Outcome
from backbeat_core.services.worker import Task
from backbeat_core.testing.simulation.crew import Crew
from backbeat_core.testing.simulation.engines import Onlooker
from backbeat_core.testing.simulation.facts import Broken, Facts, Version
from backbeat_core.testing.simulation.laws import AT_WRITES
from backbeat_core.testing.simulation.process import Host
from backbeat_core.testing.simulation.rest import AT_REST

if TYPE_CHECKING:
    from backbeat_core.testing.simulation.source import SourceServer
    from backbeat_core.testing.simulation.world import World


class Checks(Onlooker):
    """Checks what must always hold as it happens, and on demand what must hold at rest."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.facts = Facts(world)

    def wrote(self, host: Host) -> None:
        for write in self.facts.news(host):
            for name, law in AT_WRITES.items():
                self._require(name, law(self.world, write))

    def published(self, host: Host, topic: str, messages: Sequence[Message]) -> None:
        pass

    def committed(self, host: Host, topic: str, group: str, before: dict[int, int], after: dict[int, int]) -> None:
        pass

    def started(self, crew: Crew, task: Task) -> None:
        pass

    def finished(self, crew: Crew, task: Task, outcome: Outcome) -> None:
        pass

    def read(self, server: SourceServer, version: Document) -> None:
        pass

    def at_rest(self, **what: Any) -> None:
        """Check what must hold when nothing is left to do."""
        for name, law in AT_REST.items():
            self._require(name, law(self.world))

    def content_of(self, version: Version) -> bytes:
        """Return the bytes that a version was put with."""
        return self.world.users.servers[version.bucket].contents[version.number]

    def _require(self, invariant: str, problem: str | None) -> None:
        if problem is not None:
            raise Broken(invariant, problem)
