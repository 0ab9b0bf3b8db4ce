"""The one place where use cases and engines meet: from ports, sites and settings to workers and jobs."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence

import attrs

from backbeat_adapters.batching import BatchingQueue
from backbeat_adapters.runner import Batch, Handler, Runner
from backbeat_core.domain.keys import RedisKeys
from backbeat_core.domain.outcome import Replicated, ReplicationFailed, StatusWritten
from backbeat_core.domain.replays import Replays
from backbeat_core.errors import Unavailable
from backbeat_core.ports.cache import Cache
from backbeat_core.ports.clock import Clock
from backbeat_core.ports.coordinator import Coordinator
from backbeat_core.ports.location import Location, Source
from backbeat_core.ports.queue import Queue, Record, Start
from backbeat_core.ports.store import Store
from backbeat_core.queueing.backoff import Backoff, RetryPolicy
from backbeat_core.queueing.gate import OPERATOR, Gate
from backbeat_core.queueing.handling import Handling
from backbeat_core.queueing.outcome import Context, Done, Outcome
from backbeat_core.services.collect_garbage import GarbageCollector
from backbeat_core.services.count_metrics import MetricsReader
from backbeat_core.services.populate import PopulateSettings, Populator
from backbeat_core.services.record_attempts import AttemptRecorder
from backbeat_core.services.record_failures import FailureRecorder
from backbeat_core.services.record_metrics import MetricsRecorder
from backbeat_core.services.replicate import ReplicateSettings, Replicator
from backbeat_core.services.update_status import StatusSettings, StatusUpdater
from backbeat_core.services.worker import Worker, WorkerSettings


@attrs.frozen
class Ports:
    """The engines of one process."""

    queue: Queue
    store: Store
    cache: Cache
    coordinator: Coordinator
    clock: Clock


@attrs.frozen
class Topics:
    """The topics, by what they are for; names are those of the shipped configuration (queue-and-wire 3.1)."""

    replication: str = "backbeat-replication"
    status: str = "backbeat-replication-status"
    failed: str = "backbeat-replication-failed"
    metrics: str = "backbeat-metrics"
    gc: str = "backbeat-gc"
    ingestion: str = "backbeat-ingestion"


@attrs.frozen
class Groups:
    """The consumer groups; each site has one of its own, *replication* and the site's name (W-44)."""

    replication: str = "backbeat-replication-group"
    status: str = "backbeat-replication-status-group"
    failed: str = "backbeat-retry-group"
    metrics: str = "backbeat-metrics-group-crr"
    gc: str = "backbeat-gc-consumer-group"


@attrs.frozen
class Site:
    """One target: where its bytes go, how often an error is tried again, and how much is done at once."""

    name: str
    target: Location
    policy: RetryPolicy = attrs.field(factory=RetryPolicy)
    concurrency: int = 10
    bucket_match: bool = True
    min_mpu_size_mb: int | None = 20
    versioned: bool = False
    stamp: bool = True
    one_version: bool = False
    flush: Callable[[], None] | None = None
    """What makes durable all that was written to the target, called before it is reported."""


@attrs.frozen
class Settings:
    """What a process of Backbeat runs with. Times in milliseconds."""

    topics: Topics = attrs.field(factory=Topics)
    groups: Groups = attrs.field(factory=Groups)
    replays: Replays = attrs.field(factory=Replays)
    keys: RedisKeys = attrs.field(factory=RedisKeys)
    populate: PopulateSettings = attrs.field(factory=PopulateSettings)
    status_policy: RetryPolicy = attrs.field(factory=RetryPolicy)
    status_concurrency: int = 4
    batch: int = 1
    """Entries that a thread does before their reports are published at once."""
    status_around: Callable[[], contextlib.AbstractContextManager[object]] | None = None
    """What makes the writes of one batch of reports durable at once, where the engine can do that."""
    object_metrics_from: int = 0
    transient_locations: frozenset[str] = frozenset()
    shared_key_locations: frozenset[str] = frozenset()
    poll_ms: int = 100
    populate_idle_ms: int = 100
    commit_interval_ms: int = 200


class Watcher:
    """Who looks on. Called on the threads of the workers; must be quick and must not raise."""

    def replicated(self, outcome: Replicated) -> None:
        """A copy was made."""

    def failed(self, outcome: ReplicationFailed) -> None:
        """A site has given up on a version, for now or for good."""

    def written(self, outcome: StatusWritten) -> None:
        """A site's status was written."""


@attrs.define(eq=False)
class Backbeat:
    """
    The workers and jobs of one process over one set of engines.

    Add what the process is for, then `runner.start()`.
    """

    ports: Ports
    settings: Settings
    sources: Callable[[str], Source]
    watcher: Watcher = attrs.field(factory=Watcher)
    chance: Callable[[], float] = random.random
    runner: Runner = attrs.field(factory=Runner)
    gates: dict[str, Gate] = attrs.field(factory=dict)
    populator: Populator | None = None
    workers: list[Worker] = attrs.field(factory=list)
    _news: int = 0
    _read_up_to: int = -1
    _queue: BatchingQueue = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._queue = BatchingQueue(self.ports.queue)

    def add_populator(self) -> None:
        """Read the change feed and queue what is owed."""
        ports = self.ports
        populator = Populator(ports.store, ports.queue, ports.coordinator, ports.clock, self.settings.populate)

        def job() -> int:
            news = self._news
            done = populator.step()
            if not (done.more or done.read or done.standby):
                self._read_up_to = news
            return 0 if done.more or done.read else self.settings.populate_idle_ms

        self.populator = populator
        self.runner.add_job("populator", job)
        self.runner.closers.insert(0, populator.close)

    def add_site(self, site: Site) -> None:
        """Replicate what is queued for *site*, from the replication topic and from the replay topics."""
        topics = self.settings.topics
        replicator = Replicator(
            self.sources,
            site.target,
            self.ports.store,
            self._queue,
            self.ports.clock,
            ReplicateSettings(
                site=site.name,
                bucket_match=site.bucket_match,
                min_mpu_size_mb=site.min_mpu_size_mb,
                status_topic=topics.status,
                metrics_topic=topics.metrics,
                object_metrics_from=self.settings.object_metrics_from,
                versioned=site.versioned,
                stamp=site.stamp,
                one_version=site.one_version,
            ),
            policy=site.policy,
            chance=self.chance,
        )

        attempts = AttemptRecorder(self.ports.cache, self.ports.clock, site.name, self.settings.keys)

        def handle(record: Record, context: Context) -> Outcome:
            outcome = replicator(record, context)
            attempts.finished(record, outcome, context.deliveries)
            if isinstance(outcome, Done):
                if isinstance(outcome.result, Replicated):
                    self.watcher.replicated(outcome.result)
                elif isinstance(outcome.result, ReplicationFailed):
                    self.watcher.failed(outcome.result)
            return outcome

        gate = self.gates.setdefault(site.name, Gate())
        group = f"{self.settings.groups.replication}-{site.name}"
        batch = Batch(self.settings.batch, around=lambda: self._queue.batch(site.flush))
        for topic in (topics.replication, *self.settings.replays.names):
            self._add(topic, group, handle, threads=site.concurrency, gate=gate, batch=batch)

    def add_status_processor(self) -> None:
        """Fold reports into the source objects."""
        topics = self.settings.topics
        updater = StatusUpdater(
            self.ports.store,
            self._queue,
            self.ports.clock,
            StatusSettings(
                replays=self.settings.replays,
                failed_topic=topics.failed,
                gc_topic=topics.gc,
                metrics_topic=topics.metrics,
                transient_locations=self.settings.transient_locations,
                keys=self.settings.keys,
            ),
        )

        def update(record: Record) -> object:
            outcome = updater(record)
            if isinstance(outcome, StatusWritten):
                self.watcher.written(outcome)
            return outcome

        handle = Handling(self.settings.status_policy, self.chance).wrap(update)
        attempts = AttemptRecorder(self.ports.cache, self.ports.clock, None, self.settings.keys)

        def noted(record: Record, context: Context) -> Outcome:
            outcome = handle(record, context)
            attempts.finished(record, outcome, context.deliveries)
            return outcome

        self._add(
            topics.status,
            self.settings.groups.status,
            noted,
            threads=self.settings.status_concurrency,
            batch=self._writes,
        )

    def add_recorders(self) -> None:
        """Keep failures and counters in the Cache."""
        topics, groups, ports = self.settings.topics, self.settings.groups, self.ports
        failures = FailureRecorder(ports.cache, ports.clock)
        handling = Handling(self.settings.status_policy, self.chance)
        if topics.failed:
            self._add(
                topics.failed, groups.failed, handling.wrap(lambda record: failures.record_value(record.value))
            )
        metrics = MetricsRecorder(ports.cache, ports.clock, topic=topics.metrics, keys=self.settings.keys)
        reader = MetricsReader(ports.queue, topics.metrics, groups.metrics, metrics.apply)

        def job() -> int:
            try:
                reader.step(self.settings.poll_ms)
            except Unavailable:
                return 1000
            return 0

        self.runner.add_job("metrics", job)
        self.runner.closers.insert(0, reader.close)

    def add_garbage_collector(self, locations: Callable[[str], Location]) -> None:
        """Delete what the garbage topic asks to be deleted."""
        collector = GarbageCollector(locations, self.ports.store, self.ports.clock)
        handling = Handling(self.settings.status_policy, self.chance)
        self._add(self.settings.topics.gc, self.settings.groups.gc, handling.wrap(collector))

    def pause(self, sites: Mapping[str, bool]) -> None:
        """Close the gates of the sites that map to true, open the others."""
        for site, paused in sites.items():
            gate = self.gates.get(site)
            if gate is not None:
                (gate.close if paused else gate.open)(OPERATOR)

    def expect_news(self) -> None:
        """Say that something was written: `at_rest` is false until the feed was read to its end once more."""
        self._news += 1

    def at_rest(self) -> bool:
        """
        Return whether nothing is left to do for the sites of this process: feed read, topics worked off.

        Work moves on from feed to topic to topic, so what was empty is looked at again at the end.
        """
        if self.populator is not None and self._read_up_to < self._news:
            return False
        if not self.runner.idle():
            return False
        before = self._places()
        return before is not None and self.runner.idle() and before == self._places()

    def _places(self) -> Mapping[tuple[str, str], object] | None:
        """Return where each group of this process stands, None if one has something left to read."""
        found: dict[tuple[str, str], object] = {}
        groups = [(worker.topic, worker.group) for worker in self.workers]
        for topic, group in (*groups, (self.settings.topics.metrics, self.settings.groups.metrics)):
            committed = self.ports.queue.committed(topic, group)
            marks = self.ports.queue.watermarks(topic)
            if any(committed.get(partition, mark.low) < mark.high for partition, mark in marks.items()):
                return None
            found[topic, group] = marks
        return found

    @property
    def _writes(self) -> Batch:
        around = self.settings.status_around

        @contextlib.contextmanager
        def together() -> Iterator[None]:
            assert around is not None
            with around(), self._queue.batch():
                yield

        return Batch(1) if around is None else Batch(self.settings.batch, around=together)

    def _add(
        self,
        topic: str,
        group: str,
        handler: Handler,
        *,
        threads: int = 1,
        gate: Gate | None = None,
        batch: Batch | None = None,
    ) -> None:
        batch = batch or Batch()
        worker = Worker(
            self.ports.queue,
            topic,
            group,
            clock=self.ports.clock,
            chance=self.chance,
            settings=WorkerSettings(
                concurrency=threads * batch.most,
                commit_interval_ms=self.settings.commit_interval_ms,
                start=Start.EARLIEST,
                backoff=Backoff(min_ms=100, max_ms=10_000, factor=2),
            ),
            gate=gate,
        )
        self.workers.append(worker)
        self.runner.add(worker, handler, poll_ms=self.settings.poll_ms, threads=threads, batch=batch)


__all__: Sequence[str] = ["Backbeat", "Groups", "Ports", "Settings", "Site", "Topics", "Watcher"]
