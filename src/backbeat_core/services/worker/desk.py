"""The tasks in hand: which run, which wait and for what, and what an outcome does to them."""

from __future__ import annotations

from collections.abc import Callable, Collection

from backbeat_core.errors import BackbeatError, InvalidInput
from backbeat_core.ports.clock import Clock
from backbeat_core.queueing import dead_letter
from backbeat_core.queueing.membership import Phase, Tenure
from backbeat_core.queueing.ordering import Ordering
from backbeat_core.queueing.outcome import Crashed, Deferred, Done, Failed, Outcome, Retry
from backbeat_core.services.worker.task import Observer, Stage, Task, WorkerSettings


class Desk:
    """
    Every task from its delivery to its end. Knows no queue.

    A task leaves in one of two ways: *finished*, its offset counted in its tenure, or *let go*, its offset left
    unfinished for whoever is given the entry next.
    """

    def __init__(
        self, settings: WorkerSettings, clock: Clock, chance: Callable[[], float], observer: Observer
    ) -> None:
        self.running: set[Task] = set()
        self._settings = settings
        self._clock = clock
        self._chance = chance
        self._observer = observer
        self._lines: Ordering[Task] = Ordering(settings.concurrency)
        self._deferred: dict[Task, int] = {}
        self._condemned = 0

    @property
    def size(self) -> int:
        """How many tasks there are."""
        return self._lines.size

    @property
    def ready(self) -> int:
        """How many wait for nothing but a slot."""
        return self._lines.ready

    @property
    def parked(self) -> int:
        """How many wait for another try."""
        return self._lines.parked

    @property
    def startable(self) -> int:
        """How many `take` would start."""
        return min(self._lines.ready, self._lines.concurrency - self._lines.running)

    @property
    def busy(self) -> bool:
        """Whether something is under way that an orderly end waits for: running, deferred, or to be buried."""
        return bool(self.running or self._deferred or self._condemned)

    def works_for(self, tenures: Collection[Tenure[Task]]) -> bool:
        """Return whether a task of *tenures* is running or deferred."""
        return any(task.tenure in tenures for task in (*self.running, *self._deferred))

    def add(self, task: Task) -> None:
        """Put a new task in line behind the others of its key."""
        self._lines.add(task.key, task)

    def is_last(self, task: Task) -> bool:
        """Return whether no task of the same key stands behind *task*."""
        return self._lines.last(task.key) is task

    def take(self, limit: int) -> list[Task]:
        """Start up to *limit* tasks."""
        tasks = self._lines.take(limit)
        if tasks:
            now = self._clock.elapsed_ms()
            for task in tasks:
                task.stage = Stage.RUNNING
                task.cancelled = False
                task.started_ms = now
                if task.first_started_ms < 0:
                    task.first_started_ms = now
            self.running.update(tasks)
        return tasks

    def complete(self, task: Task, outcome: Outcome) -> bool:
        """
        Do what *outcome* says; return whether an offset is finished by it.

        Of a task whose delivery counts no more, only the slot and the key are freed. One that neither runs nor
        is deferred is ignored: it was completed before.
        """
        if task.stage is Stage.RUNNING:
            self.running.remove(task)
        elif self._deferred.pop(task, None) is None:
            return False
        self._observer.finished(task, outcome, self._clock.elapsed_ms() - task.started_ms)
        if outcome.__class__ is Done:
            return self.finish(task)
        if self._is_wanted(task, outcome):
            self._put_off(task, outcome)
        else:
            task.stage = Stage.ENDED
            self._lines.finish(task.key)
        return False

    def finish(self, task: Task) -> bool:
        """End a task whose work is done; return whether its offset counts."""
        task.stage = Stage.ENDED
        self._lines.finish(task.key)
        return task.tenure.finish(task.record.offset, task)

    def due(self, now: int) -> list[Task]:
        """Make ready what has waited long enough; return what is to be buried: see `buried`."""
        self._watch_time(now)
        dead: list[Task] = []
        for task in self._lines.due(now):
            task.tenure.parked -= 1
            if task.verdict:
                dead.append(task)
            else:
                task.stage = Stage.WAITING
                self._lines.release(task.key)
        return dead

    def buried(self, task: Task, stands: bool) -> bool:
        """Finish a task whose dead letter *stands*, else try again later; return whether an offset is finished."""
        if not stands:
            self._retry(task, None)
            return False
        self._condemned -= 1
        self._observer.dead_lettered(task, task.verdict)
        return self.finish(task)

    def drop(self, unwanted: Callable[[Task], bool]) -> list[Task]:
        """Let go of all *unwanted* tasks that neither run nor are deferred; return them."""
        dropped = self._lines.drop(unwanted)
        for task in dropped:
            if task.stage is Stage.PARKED:
                task.tenure.parked -= 1
                self._condemned -= bool(task.verdict)
            task.stage = Stage.ENDED
        return dropped

    def forget(self, tenures: Collection[Tenure[Task]]) -> None:
        """Let go of all tasks of *tenures*; those that run keep slot and key until they are completed."""
        if not tenures:
            return
        self.drop(lambda task: task.tenure in tenures)
        for task in self.running:
            task.cancelled = task.cancelled or task.tenure in tenures
        for task in [task for task in self._deferred if task.tenure in tenures]:
            del self._deferred[task]
            task.stage = Stage.ENDED
            self._lines.finish(task.key)

    def next_due(self) -> int | None:
        """Return the `elapsed_ms` moment at which something is due here."""
        moments = list(self._deferred.values())
        if self._lines.next_due is not None:
            moments.append(self._lines.next_due)
        if self._settings.task_timeout_ms:
            timeout = self._settings.task_timeout_ms
            moments += (task.started_ms + timeout for task in self.running if not task.cancelled)
        return min(moments, default=None)

    def running_for(self, ms: int) -> int:
        """Return how many tasks have been running for at least *ms*; none if that is 0."""
        now = self._clock.elapsed_ms()
        return sum(now - task.started_ms >= ms for task in self.running) if ms else 0

    def _is_wanted(self, task: Task, outcome: Outcome) -> bool:
        """Return whether it is still this member's affair to see an unfinished task to its end."""
        if not task.tenure.works_on(task.record.offset, task):
            return False
        # Of a partition that is being given up nothing is begun again; only an answer is waited for.
        return task.tenure.phase is Phase.OWNED or isinstance(outcome, Deferred)

    def _put_off(self, task: Task, outcome: Outcome) -> None:
        if isinstance(outcome, Deferred):
            task.stage = Stage.DEFERRED
            self._deferred[task] = self._clock.elapsed_ms() + outcome.timeout_ms
            self._lines.hold(task.key)
        elif isinstance(outcome, Retry):
            self._retry(task, outcome.delay_ms)
        elif isinstance(outcome, Failed):
            self._condemn(task, outcome.reason)
        elif isinstance(outcome, Crashed):
            self._crashed(task, outcome.error)
        else:
            self._crashed(task, TypeError(f"a handler answers with an Outcome, not with {outcome!r}"))

    def _crashed(self, task: Task, error: BaseException) -> None:
        """Outages pass, bad input stays bad, and anything else gets a few more tries."""
        if isinstance(error, BackbeatError) and error.retryable:
            self._retry(task, None)
            return
        if not task.crashes:
            task.crashes = dead_letter.deliveries_before(task.record.headers)
        delay = self._delay(task)
        task.crashes += 1
        if isinstance(error, InvalidInput) or task.crashes >= self._settings.max_deliveries:
            self._condemn(task, f"{type(error).__name__}: {error}")
        else:
            self._park(task, delay)

    def _retry(self, task: Task, delay_ms: int | None) -> None:
        delay = self._delay(task) if delay_ms is None else delay_ms
        task.retries += 1
        self._park(task, delay)

    def _condemn(self, task: Task, reason: str) -> None:
        task.verdict = reason or "failed"
        self._condemned += 1
        self._park(task, 0)

    def _delay(self, task: Task) -> int:
        return self._settings.backoff.delay_ms(task.deliveries - 1, self._chance)

    def _park(self, task: Task, delay_ms: int) -> None:
        task.stage = Stage.PARKED
        task.tenure.parked += 1
        self._lines.park(task.key, self._clock.elapsed_ms() + delay_ms)

    def _watch_time(self, now: int) -> None:
        for task in [task for task, expiry in self._deferred.items() if expiry <= now]:
            # Nobody has answered; the follow-up may be lost (W-31), so the entry is worked on again.
            self.complete(task, Crashed(TimeoutError("a deferred completion was never given")))
        if self._settings.task_timeout_ms:
            for task in self.running:
                task.cancelled = task.cancelled or now - task.started_ms >= self._settings.task_timeout_ms
