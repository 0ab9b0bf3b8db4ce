"""What a worker hands out, how it is told to behave, and whom it tells what happened."""

from __future__ import annotations

import enum
from collections.abc import Hashable

import attrs

from backbeat_core.errors import BackbeatError, InvalidConfiguration
from backbeat_core.ports.queue import Record, Start
from backbeat_core.queueing.backoff import Backoff
from backbeat_core.queueing.membership import Tenure
from backbeat_core.queueing.outcome import Outcome


@attrs.frozen
class WorkerSettings:
    """How one worker behaves. Times in milliseconds; 0 turns a time-out of a task off."""

    concurrency: int = 10
    prefetch: int = 0
    """Keys that should stand ready to start; 0: four times *concurrency*, 100 at least."""
    max_waiting: int = 10_000
    """Entries delivered and not running, of all partitions: beyond it nothing is fetched."""
    max_parked_keys: int = 1000
    """Keys of one partition that wait for another try: beyond it the partition is paused."""
    max_deliveries: int = 3
    """Deliveries after which an entry whose handler crashes goes to the dead letters."""
    backoff: Backoff = attrs.field(factory=Backoff)
    rebalance_drain_ms: int = 30_000
    commit_interval_ms: int = 5000
    slow_task_ms: int = 300_000
    task_timeout_ms: int = 0
    stuck_task_fatal_ms: int = 600_000
    dead_letter_topic: str = ""
    """'': the topic's name with `-dead-letter` after it."""
    start: Start = Start.EARLIEST

    def __attrs_post_init__(self) -> None:
        for name in ("concurrency", "max_waiting", "max_parked_keys", "max_deliveries", "commit_interval_ms"):
            if getattr(self, name) < 1:
                raise InvalidConfiguration(f"{name} is at least 1, not {getattr(self, name)!r}")
        for name in (
            "prefetch",
            "rebalance_drain_ms",
            "slow_task_ms",
            "task_timeout_ms",
            "stuck_task_fatal_ms",
        ):
            if getattr(self, name) < 0:
                raise InvalidConfiguration(f"{name} is not negative: {getattr(self, name)!r}")

    @property
    def ready_wanted(self) -> int:
        """Return how many keys should stand ready."""
        return self.prefetch or max(4 * self.concurrency, 100)


class Stage(enum.Enum):
    """Where a task stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DEFERRED = "deferred"
    PARKED = "parked"
    ENDED = "ended"


@attrs.define(eq=False)
class Task:
    """One delivery of one record, and the `Context` of its handler."""

    record: Record
    tenure: Tenure[Task]
    key: Hashable
    stage: Stage = Stage.WAITING
    cancelled: bool = False
    """Nobody waits for the result any more: stop when nothing is left half done."""
    crashes: int = 0
    retries: int = 0
    started_ms: int = 0
    first_started_ms: int = -1
    verdict: str = ""
    """Why it goes to the dead letters; '' while there is hope."""

    @property
    def deliveries(self) -> int:
        """Return the number of this delivery to a handler, from 1."""
        return self.crashes + self.retries + 1

    @property
    def generation(self) -> int:
        """Return the number of the assignment under which the record was delivered."""
        return self.tenure.generation

    @property
    def waited_ms(self) -> int:
        """Return milliseconds from the first start to the latest."""
        return self.started_ms - self.first_started_ms


class Observer:
    """Who is told what happened, to count it. Called on the thread of the event; must not raise."""

    def finished(self, task: Task, outcome: Outcome, elapsed_ms: int) -> None:
        """Take note that a handler has answered, *elapsed_ms* after it was started."""

    def dead_lettered(self, task: Task, reason: str) -> None:
        """Take note that an entry stands with the dead letters."""

    def rebalanced(self, status: str) -> None:
        """Take note that partitions were given up: `idle`, `drained`, `timeout` or `lost`."""

    def troubled(self, error: BackbeatError) -> None:
        """Take note that the queue refused a poll, a commit or a dead letter. It is tried again."""
