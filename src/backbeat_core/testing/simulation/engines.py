"""What all processes of a run share: engines, time, chance, faults, and whoever looks on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from backbeat_core.testing.memory import (
    ManualClock,
    MemoryBroker,
    MemoryBucket,
    MemoryEnsemble,
    MemoryKeys,
    MemoryTables,
)
from backbeat_core.testing.simulation.chance import Chance
from backbeat_core.testing.simulation.faults import Faults
from backbeat_core.testing.simulation.scheduler import Scheduler, Thread
from backbeat_core.testing.simulation.trace import Trace

if TYPE_CHECKING:
    from backbeat_core.ports.queue import Message
    from backbeat_core.queueing.outcome import Outcome
    from backbeat_core.services.worker import Task
    from backbeat_core.testing.simulation.crew import Crew
    from backbeat_core.testing.simulation.process import Host


class Onlooker:
    """Who is told of what reaches the engines, at the moment it does. The checkers are one."""

    def wrote(self, host: Host) -> None:
        """*host* has changed the store."""

    def published(self, host: Host, topic: str, messages: Sequence[Message], places: Sequence[object]) -> None:
        """*host* has had *messages* stored, at *places* that are Published where they were."""

    def committed(self, host: Host, topic: str, group: str, before: dict[int, int], after: dict[int, int]) -> None:
        """*host* has moved offsets of a group."""

    def started(self, crew: Crew, task: Task) -> None:
        """A worker has begun with a task."""

    def finished(self, crew: Crew, task: Task, outcome: Outcome) -> None:
        """A worker has come to the end of a task, whatever that is."""

    def deleting(self, host: Host, location: str, name: str) -> None:
        """*host* is about to delete data."""

    def positioned(self, host: Host, path: str, before: bytes | None, after: bytes) -> None:
        """*host* has written a node of the coordinator."""

    def began(self, host: Host, location: str, upload: str) -> None:
        """*host* has begun an upload."""

    def excused(self, location: str, upload: str) -> None:
        """An upload cannot be given up by whoever began it: the call for that has failed."""

    def placed(self, host: Host, location: str, name: str) -> None:
        """*host* has changed what stands under *name* at a location."""


@attrs.define(eq=False)
class Engines:
    """
    The world that processes share.

    *away* names the ports, or methods of them, that answer nobody just now. *listeners* are the threads that
    are woken by news of a topic, a channel or the feed.
    """

    clock: ManualClock
    chance: Chance
    faults: Faults
    trace: Trace
    scheduler: Scheduler
    broker: MemoryBroker
    tables: MemoryTables = attrs.field(factory=MemoryTables)
    keys: MemoryKeys = attrs.field(factory=MemoryKeys)
    ensemble: MemoryEnsemble = attrs.field(factory=MemoryEnsemble)
    locations: dict[str, MemoryBucket] = attrs.field(factory=dict)
    away: set[str] = attrs.field(factory=set)
    refusing: set[str] = attrs.field(factory=set)
    listeners: dict[str, list[Thread]] = attrs.field(factory=dict)
    onlooker: Onlooker = attrs.field(factory=Onlooker)
    _supervisor: Host | None = None

    @property
    def supervisor(self) -> Host:
        """The host that starts the others again; nothing ever happens to it."""
        assert self._supervisor is not None
        return self._supervisor

    def listen(self, news: str, thread: Thread) -> None:
        """Have *thread* woken by *news*: the name of a topic, or `feed`."""
        threads = [each for each in self.listeners.get(news, ()) if each.host.alive]
        self.listeners[news] = [*threads, thread]

    def tell(self, news: str, within_ms: int = 0) -> None:
        """Wake who listens to *news*."""
        for thread in self.listeners.get(news, ()):
            if thread.host.alive:
                self.scheduler.wake(thread, within_ms)

    def note(self, line: str) -> None:
        """Write a line of the trace, with the time."""
        self.trace.add(f"{self.scheduler.now_ms} {line}")
