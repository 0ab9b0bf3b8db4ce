"""One run's world: engines, programs, users and whoever looks on, all made from one seed."""

from __future__ import annotations

from collections.abc import Iterator

from backbeat_core.domain.replays import Replays
from backbeat_core.testing.memory import ManualClock, MemoryBroker, MemoryBucket
from backbeat_core.testing.simulation.chance import Chance
from backbeat_core.testing.simulation.chaos import Chaos
from backbeat_core.testing.simulation.checks import Checks
from backbeat_core.testing.simulation.crew import Crew
from backbeat_core.testing.simulation.engines import Engines
from backbeat_core.testing.simulation.faults import Faults
from backbeat_core.testing.simulation.lifecycle import COLD, STORES, Lifecycle
from backbeat_core.testing.simulation.operators import Operators
from backbeat_core.testing.simulation.parts import Parts
from backbeat_core.testing.simulation.process import Host, Process
from backbeat_core.testing.simulation.profile import REPLAY_TOPICS, Profile
from backbeat_core.testing.simulation.programs import (
    FAILED,
    FAILED_GROUP,
    GARBAGE,
    GARBAGE_GROUP,
    METRICS,
    METRICS_GROUP,
    REPLICATION,
    STATUS,
    STATUS_GROUP,
    CollectorProgram,
    PopulatorProgram,
    Program,
    ReconcilerProgram,
    RecorderProgram,
    SiteProgram,
    StatusProgram,
    site_group,
)
from backbeat_core.testing.simulation.scheduler import Scheduler
from backbeat_core.testing.simulation.source import SourceBucket
from backbeat_core.testing.simulation.trace import Trace
from backbeat_core.testing.simulation.users import Users

DATA_STORE = STORES[0]
SESSION_MS = 60_000


class _Supervisor(Process):
    spared = True

    def start(self, host: Host) -> None:
        pass


class World:
    """
    Everything that a run needs, and nothing that outlives it.

    *resting*: users and chaos have ended; what is there has to come to rest.
    """

    def __init__(self, seed: int, profile: Profile, parts: Parts, *, whole_trace: bool = False) -> None:
        chance = Chance(seed)
        clock = ManualClock()
        trace = Trace(whole=whole_trace)
        self.seed = seed
        self.profile = profile
        self.parts = parts
        self.resting = False
        self.replays: Replays = profile.replays
        self.populator_batch = 50
        self.seen_paused: dict[str, tuple[int, bool]] = {}
        self.transient_locations = frozenset({DATA_STORE} if profile.transient else ())
        self.engines = Engines(
            clock,
            chance,
            Faults(chance, on_chance=profile.on_chance, rates=profile.faults),
            trace,
            Scheduler(clock, chance, trace),
            MemoryBroker(partitions=profile.partitions, session_ms=SESSION_MS),
        )
        for name in (*STORES, COLD, *(site.name for site in profile.sites)):
            self.engines.locations[name] = MemoryBucket()
        every = tuple(site.name for site in profile.sites)
        self.buckets = {
            name: SourceBucket(name, DATA_STORE, profile.sites, every, forgetful=profile.forgetful)
            for name in (f"bucket-{n}" for n in range(profile.buckets))
        }
        supervisor = _Supervisor(self.engines, "supervisor")
        self.engines._supervisor = Host(supervisor)
        self.programs: list[Program] = list(self._programs())
        self.users = Users(self, chance.child("users"))
        self.operators = Operators(self)
        self.lifecycle = Lifecycle(self)
        self.chaos = Chaos(self)
        self.checks = Checks(self)
        self.engines.onlooker = self.checks

    def boot(self) -> None:
        """Start everything."""
        for process in (*self.programs, self.operators, self.users, self.lifecycle, self.chaos):
            process.boot()

    def heal(self) -> None:
        """End users and chaos: nothing goes wrong from now on, and all that was stopped goes on."""
        engines = self.engines
        engines.note("the world is healed")
        self.resting = True
        engines.faults.healed = True
        engines.away.clear()
        engines.refusing.clear()
        for program in self.programs:
            program.clock.skew_ms = 0
        self.operators.clock.skew_ms = 0

    def groups(self) -> list[tuple[str, str]]:
        """Return each topic and the group that has to read it to its end."""
        topics = (REPLICATION, *REPLAY_TOPICS)
        sites = [(topic, site_group(site.name)) for site in self.profile.sites for topic in topics]
        rest = ((STATUS, STATUS_GROUP), (FAILED, FAILED_GROUP), (METRICS, METRICS_GROUP), (GARBAGE, GARBAGE_GROUP))
        return [*sites, *rest]

    def crews(self) -> Iterator[Crew]:
        """Yield the crews that live."""
        for program in self.programs:
            if program.host is not None and program.host.alive:
                yield from program.crews

    def at_rest(self) -> str | None:
        """Return what is still to be done, None if nothing is."""
        for program in self.programs:
            if program.host is None or not program.host.alive:
                return f"{program.name} is down"
        position = self.checks.facts.saved_position()
        if position < self.engines.tables.writes:
            return f"the feed is read up to {position} of {self.engines.tables.writes}"
        for topic, group in self.groups():
            committed = self.engines.broker.group(topic, group).committed
            for number, partition in enumerate(self.engines.broker.topic(topic).partitions):
                if committed.get(number, 0) < partition.high:
                    return f"{group} has {topic}/{number} at {committed.get(number, 0)} of {partition.high}"
        for crew in self.crews():
            if crew.running:
                return f"{crew.host.name} works on {crew.topic}"
        return None

    def _programs(self) -> Iterator[Program]:
        profile = self.profile
        for n in range(profile.populators):
            yield PopulatorProgram(self, f"populator-{n}")
        for site in profile.sites:
            for n in range(profile.hosts):
                yield SiteProgram(self, f"{site.name}-{n}", site, REPLICATION)
            for topic in REPLAY_TOPICS:
                yield SiteProgram(self, f"{site.name}-replays{topic[-2:]}", site, topic)
        for n in range(profile.status_hosts):
            yield StatusProgram(self, f"status-{n}")
        yield RecorderProgram(self, "recorder")
        yield CollectorProgram(self, "collector")
        if profile.reconcile:
            yield ReconcilerProgram(self, "reconciler")
