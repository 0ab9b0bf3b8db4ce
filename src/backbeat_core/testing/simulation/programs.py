"""The programs of a Backbeat, each a process over faulty ports: the services of the product, wired."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from backbeat_core.errors import NotFound, Unavailable
from backbeat_core.ports.queue import Record
from backbeat_core.queueing.backoff import Backoff, RetryPolicy
from backbeat_core.queueing.gate import OPERATOR, Gate
from backbeat_core.services.follow_pauses import FollowSettings
from backbeat_core.services.populate import PopulateSettings
from backbeat_core.services.reconcile import ReconcileSettings
from backbeat_core.services.replicate import ReplicateSettings
from backbeat_core.services.update_status import StatusSettings
from backbeat_core.testing.simulation.crew import IDLE_MS, Crew
from backbeat_core.testing.simulation.locations import SOURCE, TARGET, FaultyCloud, FaultyLocation
from backbeat_core.testing.simulation.ports import FaultyCache, FaultyCoordinator, FaultyQueue, FaultyStore
from backbeat_core.testing.simulation.process import Host, Process
from backbeat_core.testing.simulation.profile import Site

if TYPE_CHECKING:
    from backbeat_core.testing.simulation.world import World

REPLICATION = "backbeat-replication"
STATUS = "backbeat-replication-status"
FAILED = "backbeat-replication-failed"
METRICS = "backbeat-metrics"
GARBAGE = "backbeat-gc"
STATUS_GROUP = "backbeat-replication-status-group"
FAILED_GROUP = "backbeat-retry-group"
METRICS_GROUP = "backbeat-metrics-group-crr"
GARBAGE_GROUP = "backbeat-gc-consumer-group"

ENDLESS = RetryPolicy(max_retries=None, timeout_s=None, backoff=Backoff(min_ms=500, max_ms=20_000, factor=2))
"""What nobody else knows of is tried until the engines are back (PL-52)."""


def site_group(site: str) -> str:
    """Return the consumer group of a site; one a topic, so that replays do not rebalance the rest (W-44)."""
    return f"backbeat-replication-group-{site}"


class Program(Process):
    """A process of the world that is tried."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world.engines, name)
        self.world = world
        self.crews: list[Crew] = []

    def stop(self) -> None:
        for crew in self.crews:
            crew.close()


class PopulatorProgram(Program):
    """Reads the feed; several hosts share the work by a lease."""

    def start(self, host: Host) -> None:
        self.populator = self.world.parts.populator(
            FaultyStore(host),
            FaultyQueue(host),
            FaultyCoordinator(host),
            host.clock,
            PopulateSettings(owner=self.name, batch=self.world.populator_batch),
        )
        self.engines.listen("feed", host.thread("populate", self._step))

    def stop(self) -> None:
        try:
            self.populator.close()
        except Unavailable:
            return

    def _step(self) -> int:
        try:
            done = self.populator.step()
        except Unavailable as error:
            self.engines.note(f"{self.name} {error}")
            return 1000
        if done.read:
            self.engines.note(f"{self.name} read {done.read} queued {done.queued}")
        return 0 if done.more or done.read else 3_000 if done.standby else 10_000


class SiteProgram(Program):
    """Brings what one topic has to one site."""

    def __init__(self, world: World, name: str, site: Site, topic: str) -> None:
        super().__init__(world, name)
        self.site = site
        self.topic = topic

    def start(self, host: Host) -> None:
        world, site = self.world, self.site
        replay = self.topic != REPLICATION
        kind = FaultyCloud if site.cloud else FaultyLocation
        replicator = world.parts.replicator(
            _locations(host, SOURCE),
            kind(host, site.name, TARGET, versioned=site.versioned),
            FaultyStore(host),
            FaultyQueue(host),
            host.clock,
            ReplicateSettings(
                site=site.name, bucket_match=False, object_metrics_from=50, versioned=site.versioned
            ),
            policy=world.profile.policy,
            chance=self.engines.chance.draw,
        )
        controller = world.parts.pause_controller(
            (site.name,),
            FaultyCoordinator(host),
            FaultyStore(host),
            FaultyCache(host),
            FollowSettings(replay_topic=self.topic if replay else None),
        )

        def follow(gate: Gate) -> None:
            since = self.engines.scheduler.now_ms
            paused = site.name in controller.poll(host.clock.now_ms())
            (gate.close if paused else gate.open)(OPERATOR)
            if not controller.problems:
                world.seen_paused[self.name] = (since, paused)

        crew = Crew(
            host,
            self.topic,
            site_group(site.name),
            world.parts.around(self.topic, replicator),
            concurrency=world.profile.concurrency,
            before_poll=follow,
        )
        self.engines.listen(f"{REPLICATION}-{site.name}", crew.poller)
        self.crews = [crew]


class StatusProgram(Program):
    """Folds reports into the source's objects."""

    def start(self, host: Host) -> None:
        world = self.world
        updater = world.parts.status_updater(
            FaultyStore(host),
            FaultyQueue(host),
            host.clock,
            StatusSettings(replays=world.replays, transient_locations=world.transient_locations),
        )
        handling = world.parts.handling(ENDLESS, self.engines.chance.draw)
        handler = world.parts.around(STATUS, handling.wrap(updater))
        self.crews = [Crew(host, STATUS, STATUS_GROUP, handler, concurrency=world.profile.concurrency)]


class RecorderProgram(Program):
    """Keeps failures and counters in the cache."""

    def start(self, host: Host) -> None:
        parts = self.world.parts
        cache = FaultyCache(host)
        failures = parts.failure_recorder(cache, host.clock)
        handling = parts.handling(ENDLESS, self.engines.chance.draw)

        def record(record: Record) -> None:
            failures.record_value(record.value)

        self.crews = [Crew(host, FAILED, FAILED_GROUP, parts.around(FAILED, handling.wrap(record)))]
        metrics = parts.metrics_recorder(cache, host.clock)
        self._reader = parts.metrics_reader(FaultyQueue(host), METRICS, METRICS_GROUP, metrics.apply)
        self._metrics = host.thread("metrics", self._step)
        self.engines.listen(METRICS, self._metrics)

    def stop(self) -> None:
        super().stop()
        self._reader.close()

    def _step(self) -> int:
        try:
            return 500 if self._reader.step() else IDLE_MS
        except Unavailable:
            return 1000


class CollectorProgram(Program):
    """Deletes what nobody refers to any more."""

    def start(self, host: Host) -> None:
        parts = self.world.parts
        collector = parts.garbage_collector(_locations(host, SOURCE), FaultyStore(host), host.clock)
        handling = parts.handling(ENDLESS, self.engines.chance.draw)
        handler = parts.around(GARBAGE, handling.wrap(collector))
        self.crews = [Crew(host, GARBAGE, GARBAGE_GROUP, handler, concurrency=2)]


class ReconcilerProgram(Program):
    """Queues again what has waited for too long."""

    def start(self, host: Host) -> None:
        world = self.world
        self._reconciler = world.parts.reconciler(
            FaultyStore(host),
            FaultyQueue(host),
            host.clock,
            ReconcileSettings(buckets=tuple(world.buckets), older_than_ms=8 * 60_000, page=5),
        )
        host.thread("reconcile", self._step, 60_000)

    def _step(self) -> int:
        try:
            found, over = self._reconciler.step()
        except Unavailable:
            return 5_000
        for each in found:
            self.engines.note(f"{self.name} queues {each.key} for {each.site} again: {each.reason}")
        return 4 * 60_000 if over else 200


def _locations(host: Host, side: str) -> Callable[[str], FaultyCloud]:
    def location(name: str) -> FaultyCloud:
        if name not in host.engines.locations:
            raise NotFound(f"location {name!r}")
        return FaultyCloud(host, name, side)

    return location

