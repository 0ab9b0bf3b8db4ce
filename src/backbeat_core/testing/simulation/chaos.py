"""What goes wrong between calls: processes die, engines go away, configurations change, strangers write."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from backbeat_core.domain.replays import Replays, ReplayTopic
from backbeat_core.ports.queue import Message
from backbeat_core.testing.memory import MemoryQueue
from backbeat_core.testing.simulation.process import Host, Process
from backbeat_core.testing.simulation.profile import REPLAY_TOPICS
from backbeat_core.testing.simulation.programs import (
    FAILED,
    GARBAGE,
    METRICS,
    REPLICATION,
    STATUS,
    Program,
    StatusProgram,
)

if TYPE_CHECKING:
    from backbeat_core.testing.simulation.world import World

ENGINES = ("queue", "store", "cache", "coordinator")
MOST_SKEW_MS = 120_000
POISON = (b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"value":"{}"}', b'{"canary":true}', b'{"bootstrapId":"1"}')

PLANS = (
    Replays(),
    Replays.from_topics([ReplayTopic(REPLAY_TOPICS[0], 1)]),
    Replays.from_topics([ReplayTopic(REPLAY_TOPICS[0], 2), ReplayTopic(REPLAY_TOPICS[1], 1)]),
)


class Chaos(Process):
    """Whoever brings about the faults between calls (`faults.EVENTS`)."""

    spared = True

    def __init__(self, world: World) -> None:
        super().__init__(world.engines, "chaos")
        self.world = world
        self.chance = self.engines.chance
        faults = self.engines.faults
        # Switched on or off for the whole run, as the faults at calls are.
        self.events = {
            name: weight * faults.rate(name)
            for name, weight in {**WEIGHTS, **world.profile.events}.items()
            if faults.rate(name) and self.chance.hits(world.profile.on_chance)
        }

    def start(self, host: Host) -> None:
        if any(self.events.values()):
            host.thread("chaos", self._step, self.chance.around(self.world.profile.chaos_ms))

    def _step(self) -> int:
        if self.world.resting:
            return -1
        name = self.chance.weighted(self.events)
        self.engines.faults.count(name)
        self.engines.note(f"chaos: {name}")
        EVENTS[name](self)
        return self.chance.around(self.world.profile.chaos_ms)

    def program(self) -> Program:
        """Return one of the programs that live, or of all if none does."""
        programs = self.world.programs
        alive = [each for each in programs if each.host is not None and each.host.alive]
        return self.chance.pick(alive or programs)

    def later(self, name: str, change: Callable[[], None], low_ms: int, high_ms: int) -> None:
        """Have *change* made after a while."""

        def run() -> int:
            self.engines.note(f"chaos: {name}")
            change()
            return -1

        assert self.host is not None
        self.host.thread(name, run, self.chance.between(low_ms, high_ms))


def _kill(chaos: Chaos) -> None:
    host = chaos.program().host
    if host is not None:
        chaos.engines.note(f"chaos kills {host.name}")
        host.crashed()


def _restart(chaos: Chaos) -> None:
    chaos.program().reboot()


def _engine_away(chaos: Chaos) -> None:
    engine = chaos.chance.pick(ENGINES)
    chaos.engines.note(f"chaos: {engine} is away")
    chaos.engines.away.add(engine)
    chaos.later(f"{engine} is back", lambda: chaos.engines.away.discard(engine), 1_000, 240_000)


def _site_away(chaos: Chaos) -> None:
    site = chaos.chance.pick(chaos.world.profile.sites).name
    chaos.engines.away.add(site)
    chaos.later(f"{site} is back", lambda: chaos.engines.away.discard(site), 5_000, 900_000)


def _site_refuses(chaos: Chaos) -> None:
    site = chaos.chance.pick(chaos.world.profile.sites).name
    chaos.engines.refusing.add(site)
    chaos.later(f"{site} agrees", lambda: chaos.engines.refusing.discard(site), 5_000, 300_000)


def _step_clock(chaos: Chaos) -> None:
    program = chaos.program()
    program.clock.skew_ms = chaos.chance.between(-MOST_SKEW_MS, MOST_SKEW_MS)
    chaos.engines.note(f"chaos: the clock of {program.name} is off by {program.clock.skew_ms}")


def _expel(chaos: Chaos) -> None:
    host = chaos.program().host
    if host is not None:
        host.expel()


def _lose_lease(chaos: Chaos) -> None:
    host = chaos.program().host
    for coordinator in host.coordinators if host is not None else ():
        coordinator.expire()


def _change_rule(chaos: Chaos) -> None:
    bucket = chaos.world.buckets[chaos.chance.pick(sorted(chaos.world.buckets))]
    sites = tuple(site.name for site in chaos.world.profile.sites if chaos.chance.hits(0.7))
    bucket.enabled = chaos.chance.hits(0.8)
    bucket.sites = sites or None
    chaos.engines.note(f"chaos: {bucket.name} goes to {bucket.sites} enabled {bucket.enabled}")


def _change_replays(chaos: Chaos) -> None:
    chaos.world.replays = chaos.chance.pick(PLANS)
    for program in chaos.world.programs:
        if isinstance(program, StatusProgram) and chaos.chance.hits(0.8):
            program.reboot()


def _poison(chaos: Chaos) -> None:
    topic = chaos.chance.pick((REPLICATION, STATUS, FAILED, METRICS, GARBAGE, *REPLAY_TOPICS))
    queue = MemoryQueue(chaos.clock, chaos.engines.broker)
    queue.publish(topic, [Message(chaos.chance.pick(POISON), b"poison")])
    chaos.engines.tell(topic)


WEIGHTS = {
    "process killed": 3.0,
    "process restarted": 2.0,
    "engine away": 2.0,
    "site away": 2.0,
    "site refuses": 1.0,
    "clock stepped": 1.0,
    "member expelled": 2.0,
    "lease lost": 1.0,
    "rule changed": 1.0,
    "replays changed": 1.0,
    "poison": 1.0,
}

EVENTS: dict[str, Callable[[Chaos], None]] = {
    "process killed": _kill,
    "process restarted": _restart,
    "engine away": _engine_away,
    "site away": _site_away,
    "site refuses": _site_refuses,
    "clock stepped": _step_clock,
    "member expelled": _expel,
    "lease lost": _lose_lease,
    "rule changed": _change_rule,
    "replays changed": _change_replays,
    "poison": _poison,
}
