"""Processes: what a host starts, how it dies, and how it comes back with nothing but what is durable."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from backbeat_core.ports.clock import Clock
from backbeat_core.testing.memory import ManualClock, MemoryConsumer, MemoryCoordinator
from backbeat_core.testing.simulation.faults import AFTER, BEFORE
from backbeat_core.testing.simulation.scheduler import Crash, Thread

if TYPE_CHECKING:
    from backbeat_core.errors import BackbeatError
    from backbeat_core.testing.memory.cache import MemorySubscription
    from backbeat_core.testing.simulation.engines import Engines

RESTART_MS = (500, 30_000)
SLOW_MS = (50, 90_000)


@attrs.define(eq=False)
class HostClock(Clock):
    """The clock of one host: time passes as everywhere, the wall clock is off by *skew_ms*."""

    base: ManualClock
    skew_ms: int = 0

    def now_ms(self) -> int:
        return self.base.wall_ms + self.skew_ms

    def elapsed_ms(self) -> int:
        return self.base.monotonic_ms


class Process(abc.ABC):
    """
    A program that is started again whenever it has died.

    A subclass builds everything anew in `start` and keeps nothing on itself that a real process would lose.
    """

    spared = False
    """Whether it is outside of the system that is tried: nothing ever goes wrong with its calls."""

    def __init__(self, engines: Engines, name: str) -> None:
        self.engines = engines
        self.name = name
        self.clock = HostClock(engines.clock)
        self.host: Host | None = None

    @abc.abstractmethod
    def start(self, host: Host) -> None:
        """Build what the process is made of, over the ports of *host*, and add its threads."""

    def stop(self) -> None:
        """End in an orderly way: what is in hand is finished or given back."""
        return

    def boot(self) -> None:
        """Start, with nothing but what is durable."""
        self.engines.trace.add(f"{self.engines.scheduler.now_ms} {self.name} starts")
        self.host = Host(self)
        try:
            self.start(self.host)
        except Crash:
            self.host.crashed()

    def reboot(self) -> None:
        """Stop in an orderly way and start again at once."""
        if self.host is None or not self.host.alive:
            return
        try:
            self.stop()
        except Crash:
            self.host.crashed()
            return
        self.host.end()
        self.boot()


class Host:
    """One life of a process: its ports, its threads, and whether it still lives."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.engines = process.engines
        self.name = process.name
        self.clock = process.clock
        self.alive = True
        self.spared = process.spared
        self.handling: object = None
        """The task that the step being taken works on."""
        self.consumers: list[MemoryConsumer] = []
        self.subscriptions: list[MemorySubscription] = []
        self.coordinators: list[MemoryCoordinator] = []

    def thread(self, name: str, run: Callable[[], int], delay_ms: int = 0) -> Thread:
        """Add a thread that takes its first step in *delay_ms*; below 0: when it is woken."""
        thread = Thread(self, f"{self.name}/{name}", run)
        if delay_ms >= 0:
            self.engines.scheduler.add(thread, delay_ms)
        return thread

    def crashed(self) -> None:
        """Die here and now, and be started again in a while."""
        if not self.alive:
            return
        engines = self.engines
        engines.trace.add(f"{engines.scheduler.now_ms} {self.name} dies")
        self.end()
        process = self.process
        supervisor = engines.supervisor
        supervisor.thread(f"restart {self.name}", lambda: _restart(process), engines.chance.between(*RESTART_MS))

    def end(self) -> None:
        """Leave the world: connections are closed or found dead, leases run out."""
        self.alive = False
        chance = self.engines.chance
        for subscription in self.subscriptions:
            subscription.close()
        for consumer in self.consumers:
            # A broker that has not noticed finds out when the session is over.
            if not consumer.closed and chance.hits(0.7):
                consumer.queue.expel(consumer)
        for coordinator in self.coordinators:
            if chance.hits(0.5):
                coordinator.expire()

    def expel(self) -> None:
        """End the sessions of this process's consumers: they learn of it when they poll or commit."""
        for consumer in self.consumers:
            if not consumer.closed:
                consumer.queue.expel(consumer)

    def before(self, point: str, error: Callable[[str], BackbeatError]) -> str | None:
        """Let happen what happens before a call reaches its engine; return a fault that the caller has to make."""
        if not self.alive:
            raise Crash
        if self.spared:
            return None
        engines = self.engines
        if point in engines.away or point.partition(".")[0] in engines.away:
            raise error(f"{point} is away")
        kind = engines.faults.draw(point, BEFORE)
        if kind is None:
            return None
        engines.trace.add(f"{engines.scheduler.now_ms} {self.name} {point}: {kind}")
        if kind == "crash before":
            raise Crash
        if kind == "unavailable":
            raise error(f"{point} does not answer")
        self._meanwhile(kind)
        return kind

    def after(self, point: str, error: Callable[[str], BackbeatError]) -> str | None:
        """Let happen what happens after a call has reached its engine."""
        engines = self.engines
        kind = None if self.spared else engines.faults.draw(point, AFTER)
        if kind is None:
            return None
        engines.trace.add(f"{engines.scheduler.now_ms} {self.name} {point}: {kind}")
        if kind == "crash after":
            raise Crash
        if kind == "answer lost":
            raise error(f"{point} did not answer in time")
        self._meanwhile(kind)
        return kind

    def _meanwhile(self, kind: str) -> None:
        engines = self.engines
        if kind.startswith("slow"):
            ms = engines.chance.between(*SLOW_MS)
        elif kind.startswith("overtaken"):
            ms = engines.chance.between(10, 200)
        else:
            if kind == "expelled":
                self.expel()
            return
        engines.scheduler.inside(ms)
        if not self.alive:
            raise Crash


def _restart(process: Process) -> int:
    process.boot()
    return -1
