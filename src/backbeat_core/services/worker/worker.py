"""
The worker's state machine: what is fetched, what may start, what an outcome does to the offset.

It holds no thread, reads no clock of its own and never sleeps. Whoever drives it calls `step`, works on the tasks
that come back, and hands each to `complete`. Threads are the edge's affair: given a lock as *guard*, `take` and
`complete` may be called from any thread while one thread polls.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Hashable, Mapping

from backbeat_core.errors import BackbeatError, Fenced, InvalidInput, MessageTooLarge, QueueUnavailable
from backbeat_core.ports.clock import Clock
from backbeat_core.ports.queue import Consumer, Listener, Message, Queue, Record
from backbeat_core.queueing import dead_letter
from backbeat_core.queueing.gate import SHUTDOWN, Gate
from backbeat_core.queueing.membership import Membership, Phase, Tenure
from backbeat_core.queueing.ordering import Ordering
from backbeat_core.queueing.outcome import DONE, Crashed, Deferred, Done, Failed, Outcome, Retry
from backbeat_core.services.worker.task import Observer, Stage, Task, WorkerSettings


def no_completions(timeout_ms: int) -> bool:
    """Wait for nobody: nothing runs while the worker does."""
    return False


def message_key(record: Record) -> Hashable:
    """Order by the message's key; without one, by nothing."""
    return record.key


class Worker(Listener):
    """
    One member of *group* on *topic*.

    *chance* draws from [0, 1) for back-off. *key_fn* gives the ordering key, None for no order.
    *wait_for_completions* is called while partitions are drained: it waits at most the milliseconds given for
    running tasks to be handed to `complete`, and says whether any was.
    """

    def __init__(
        self,
        queue: Queue,
        topic: str,
        group: str,
        *,
        clock: Clock,
        chance: Callable[[], float],
        settings: WorkerSettings | None = None,
        key_fn: Callable[[Record], Hashable] = message_key,
        gate: Gate | None = None,
        observer: Observer | None = None,
        guard: contextlib.AbstractContextManager[object] | None = None,
        wait_for_completions: Callable[[int], bool] = no_completions,
    ) -> None:
        self.queue = queue
        self.topic = topic
        self.group = group
        self.settings = settings or WorkerSettings()
        self.gate = gate or Gate()
        self.guard = guard or contextlib.nullcontext()
        self.wait_for_completions = wait_for_completions
        self.closed = False
        self.trouble: BackbeatError | None = None
        """What the queue refused last, until it no longer does."""
        self._clock = clock
        self._chance = chance
        self._key_fn = key_fn
        self._observer = observer or Observer()
        self._members: Membership[Task] = Membership()
        self._ordering: Ordering[Task] = Ordering(self.settings.concurrency)
        self._running: set[Task] = set()
        self._deferred: dict[Task, int] = {}
        self._consumer: Consumer | None = None
        self._paused: set[int] = set()
        self._dirty = False
        self._starved = False
        self._refusals = 0
        self._poll_due = 0
        self._commit_due = clock.elapsed_ms() + self.settings.commit_interval_ms
        self._condemned = 0
        self._drain_ms = self.settings.rebalance_drain_ms

    # What the driver calls.

    def step(self, timeout_ms: int = 0) -> list[Task]:
        """Poll once and return the tasks that may start now; each must be handed to `complete`."""
        self.poll(0 if self.startable else timeout_ms)
        return self.take()

    def poll(self, timeout_ms: int = 0) -> int:
        """
        Keep up the membership, fetch what there is room for, wake what is due, commit when due.

        Waits in the queue for at most *timeout_ms* and not beyond what is due. Returns the number of records
        fetched. The queue's being away is not raised: see `trouble`. On one thread only.
        """
        with self.guard:
            now = self._clock.elapsed_ms()
            dead = self._wake(now)
            limit = self.room
            timeout = self.rest_ms(timeout_ms)
        if dead:
            self._bury(dead)
        fetched = 0 if self.closed or now < self._poll_due else self._fetch(limit, timeout)
        if self._dirty and self._clock.elapsed_ms() >= self._commit_due:
            self.commit()
        return fetched

    def take(self, limit: int = 1 << 30) -> list[Task]:
        """Start up to *limit* tasks: none while the gate is closed (INV-21)."""
        if not self.gate.is_open:
            return []
        with self.guard:
            tasks = self._ordering.take(limit)
            if tasks:
                now = self._clock.elapsed_ms()
                for task in tasks:
                    task.stage = Stage.RUNNING
                    task.started_ms = now
                    if task.first_started_ms < 0:
                        task.first_started_ms = now
                self._running.update(tasks)
            return tasks

    def complete(self, task: Task, outcome: Outcome) -> None:
        """
        Say how *task* ended. Of a task that was revoked or lost meanwhile only the slot and the key are freed.

        Never talks to the queue. Completing what is not running is ignored.
        """
        with self.guard:
            if task.stage is Stage.RUNNING:
                self._running.remove(task)
            elif self._deferred.pop(task, None) is None:
                return
            if outcome.__class__ is Done or not self._is_wanted(task, outcome):
                self._end(task, outcome)
            else:
                self._put_off(task, outcome)
            self._observer.finished(task, outcome, self._clock.elapsed_ms() - task.started_ms)

    def commit(self) -> None:
        """Commit what is finished, now. What the queue refuses is tried again. On the polling thread only."""
        with self.guard:
            offsets = {
                partition: offset
                for partition, tenure in self._members.owned.items()
                if (offset := tenure.to_commit()) is not None
            }
            self._dirty = False
            self._commit_due = self._clock.elapsed_ms() + self.settings.commit_interval_ms
        committed = self._commit(offsets)
        with self.guard:
            for partition in committed:
                tenure = self._members.owned.get(partition)
                if tenure is not None:
                    tenure.committed = offsets[partition]
            self._dirty = self._dirty or len(committed) < len(offsets)

    def close(self, drain_ms: int | None = None) -> None:
        """Take no more work, drain for at most *drain_ms*, commit, leave the group. Twice is once."""
        if self.closed:
            return
        self.gate.close(SHUTDOWN)
        self._drain_ms = self._drain_ms if drain_ms is None else drain_ms
        with self.guard:
            self._members.close()
        if self._consumer is not None:
            self._consumer.close()
        # What the queue has not asked back is nobody's from here on.
        self.lost(list(self._members.owned))
        self.closed = True

    # What it says of itself.

    @property
    def running(self) -> int:
        """How many tasks were handed out and not completed."""
        return len(self._running)

    @property
    def in_flight(self) -> int:
        """How many entries are delivered and not finished, in any stage."""
        return self._ordering.size

    @property
    def startable(self) -> int:
        """How many tasks `take` would start."""
        ordering = self._ordering
        return min(ordering.ready, ordering.concurrency - ordering.running) if self.gate.is_open else 0

    @property
    def parked(self) -> int:
        """How many keys wait for another try."""
        return self._ordering.parked

    @property
    def owned(self) -> Mapping[int, Tenure[Task]]:
        """The partitions that are assigned, and how far each is."""
        return self._members.owned

    @property
    def room(self) -> int:
        """How many entries `poll` would fetch, if there are as many."""
        if self.closed or not self.gate.is_open:
            return 0
        waiting = self._ordering.size - len(self._running)
        return max(0, min(self.settings.ready_wanted - self._ordering.ready, self.settings.max_waiting - waiting))

    @property
    def busy(self) -> bool:
        """Whether something is under way that a graceful stop waits for: running, deferred, or to be buried."""
        return bool(self._running or self._deferred or self._condemned)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do: nothing in hand, nothing came last time, all is committed."""
        return self._starved and not self._ordering.size and not self._dirty and self.trouble is None

    def slow(self) -> int:
        """Return how many tasks have been running for too long (1.13)."""
        return self._running_for(self.settings.slow_task_ms)

    def healthy(self) -> bool:
        """Return False when only a new process helps: a task is stuck (1.13)."""
        return not self._running_for(self.settings.stuck_task_fatal_ms)

    def next_due_ms(self) -> int | None:
        """Return the `elapsed_ms` moment when `step` wants to be called at the latest; None: any time will do."""
        with self.guard:
            moments = list(self._deferred.values())
            if self.settings.task_timeout_ms:
                timeout = self.settings.task_timeout_ms
                moments += (task.started_ms + timeout for task in self._running if not task.cancelled)
        if self._ordering.next_due is not None:
            moments.append(self._ordering.next_due)
        if self._dirty:
            moments.append(self._commit_due)
        if self.trouble is not None:
            moments.append(self._poll_due)
        return min(moments, default=None)

    def rest_ms(self, at_most: int) -> int:
        """Return how many milliseconds the driver may let pass until the next `step`: *at_most* or less."""
        due = self.next_due_ms()
        return at_most if due is None else max(0, min(at_most, due - self._clock.elapsed_ms()))

    def lag(self) -> dict[int, int]:
        """Return how many entries of each owned partition are not finished. Raises QueueUnavailable."""
        marks = self.queue.watermarks(self.topic)
        with self.guard:
            reached = {
                partition: tenure.start if tenure.ledger.committable is None else tenure.ledger.committable
                for partition, tenure in self._members.owned.items()
            }
        return {n: max(0, marks[n].high - offset) for n, offset in reached.items() if n in marks}

    # What the queue tells it, from inside `poll` and `close` (Listener).

    def assigned(self, offsets: Mapping[int, int]) -> None:
        """Begin to work on partitions."""
        with self.guard:
            _, superseded = self._members.assign(offsets)
            self._paused.difference_update(offsets)
            self._forget(superseded)
            self._starved = False

    def revoked(self, partitions: Collection[int]) -> None:
        """Let running tasks finish, commit, and forget the partitions (1.10)."""
        with self.guard:
            tenures = self._members.revoke(partitions)
            self._drop(tenures)
        status = self._drain(tenures)
        with self.guard:
            offsets = self._members.release(tenures)
            self._forget(tenures)
        self._commit(offsets)
        self._observer.rebalanced(status)

    def lost(self, partitions: Collection[int]) -> None:
        """Forget partitions that are somebody else's by now; their running tasks are cancelled."""
        with self.guard:
            tenures = self._members.lose(partitions)
            self._forget(tenures)
        if tenures:
            self._observer.rebalanced("lost")

    def _drain(self, tenures: Collection[Tenure[Task]]) -> str:
        if not self._busy(tenures):
            return "idle"
        deadline = self._clock.elapsed_ms() + self._drain_ms
        while (left := deadline - self._clock.elapsed_ms()) > 0 and self.wait_for_completions(left):
            if not self._busy(tenures):
                return "drained"
        return "timeout"

    def _busy(self, tenures: Collection[Tenure[Task]]) -> bool:
        with self.guard:
            return any(task.tenure in tenures for task in (*self._running, *self._deferred))

    def _drop(self, tenures: Collection[Tenure[Task]]) -> None:
        """Take what has not started out of the lines: whoever owns the partitions next will be given it."""
        if tenures:
            for task in self._ordering.drop(lambda task: task.tenure in tenures):
                self._let_go(task)

    def _forget(self, tenures: Collection[Tenure[Task]]) -> None:
        """Let go of all that was in hand of tenures that have ended."""
        self._drop(tenures)
        for task in self._running:
            task.cancelled = task.cancelled or task.tenure in tenures
        for task in [task for task in self._deferred if task.tenure in tenures]:
            del self._deferred[task]
            self._end(task, None)

    # Fetching.

    def _fetch(self, limit: int, timeout_ms: int) -> int:
        try:
            if self._consumer is None:
                self._consumer = self.queue.subscribe(self.topic, self.group, self, start=self.settings.start)
            self._steer(self._consumer)
            records = self._consumer.poll(limit, timeout_ms)
        except QueueUnavailable as error:
            self._troubled(error)
            return 0
        self.trouble = None
        self._refusals = 0
        with self.guard:
            for record in records:
                self._accept(record)
            if limit:
                self._starved = not records
        return len(records)

    def _steer(self, consumer: Consumer) -> None:
        """Silence the partitions that must not deliver, and only those."""
        silent = {
            partition
            for partition, tenure in self._members.owned.items()
            if not self.gate.is_open or tenure.parked >= self.settings.max_parked_keys
        }
        if silent != self._paused:
            consumer.resume(sorted(self._paused - silent))
            consumer.pause(sorted(silent - self._paused))
            self._paused = silent

    def _accept(self, record: Record) -> None:
        tenure = self._members.owned.get(record.partition)
        if tenure is None or tenure.phase is not Phase.OWNED:
            return
        if record.offset < tenure.ledger.following:
            self._rewound(tenure, record.offset)
        first = tenure.tickets.get(record.offset)
        if first is not None and self._ordering.last(first.key) is first:
            # Its first delivery is still in hand, and nothing of its key has to come before it: that run counts.
            tenure.deliver(record.offset, first)
            return
        try:
            key = self._key_fn(record)
        except Exception:
            # What is wrong with it is for the handler to say; until then the message's key orders it.
            key = record.key
        task = Task(record, tenure, key)
        if key is None:
            task.key = task
        tenure.deliver(record.offset, task)
        self._ordering.add(task.key, task)

    def _rewound(self, tenure: Tenure[Task], offset: int) -> None:
        """Take what has not started at or above *offset* out of the lines: it comes again, in order."""
        for task in self._ordering.drop(lambda task: task.tenure is tenure and task.record.offset >= offset):
            self._let_go(task)
            del tenure.tickets[task.record.offset]

    # Outcomes.

    def _is_wanted(self, task: Task, outcome: Outcome) -> bool:
        """Return whether what is to be done about an unfinished task is still this member's to do."""
        if not task.tenure.works_on(task.record.offset, task):
            return False
        return task.tenure.phase is Phase.OWNED or isinstance(outcome, Deferred)

    def _end(self, task: Task, outcome: Outcome | None) -> None:
        """Free the slot and the key; count the offset only if the work is done and still this member's."""
        task.stage = Stage.ENDED
        if outcome.__class__ is Done and task.tenure.finish(task.record.offset, task):
            self._dirty = True
        self._ordering.finish(task.key)

    def _put_off(self, task: Task, outcome: Outcome) -> None:
        if isinstance(outcome, Deferred):
            task.stage = Stage.DEFERRED
            self._deferred[task] = self._clock.elapsed_ms() + outcome.timeout_ms
            self._ordering.hold(task.key)
        elif isinstance(outcome, Retry):
            self._retry(task, outcome.delay_ms)
        elif isinstance(outcome, Failed):
            self._condemn(task, outcome.reason)
        elif isinstance(outcome, Crashed):
            self._crashed(task, outcome.error)
        else:
            self._crashed(task, TypeError(f"a handler answers with an Outcome, not with {outcome!r}"))

    def _crashed(self, task: Task, error: BaseException) -> None:
        """Decide what a crash means: outages pass, bad input stays bad, anything else gets a few more tries."""
        if isinstance(error, BackbeatError) and error.retryable:
            self._retry(task, None)
            return
        if not task.crashes:
            task.crashes = dead_letter.deliveries_before(task.record.headers)
        task.crashes += 1
        if isinstance(error, InvalidInput) or task.crashes >= self.settings.max_deliveries:
            self._condemn(task, f"{type(error).__name__}: {error}")
        else:
            self._park(task, self._delay(task))

    def _retry(self, task: Task, delay_ms: int | None) -> None:
        delay = self._delay(task) if delay_ms is None else delay_ms
        task.retries += 1
        self._park(task, delay)

    def _condemn(self, task: Task, reason: str) -> None:
        task.verdict = reason or "failed"
        self._condemned += 1
        self._park(task, 0)

    def _delay(self, task: Task) -> int:
        return self.settings.backoff.delay_ms(task.deliveries - 1, self._chance)

    def _park(self, task: Task, delay_ms: int) -> None:
        task.stage = Stage.PARKED
        task.tenure.parked += 1
        self._ordering.park(task.key, self._clock.elapsed_ms() + delay_ms)

    def _let_go(self, task: Task) -> None:
        """Forget that a task that has not started, or was parked, was ever delivered."""
        if task.stage is Stage.PARKED:
            task.tenure.parked -= 1
            self._condemned -= bool(task.verdict)
        task.stage = Stage.ENDED

    # What time does.

    def _wake(self, now: int) -> list[Task]:
        """Make ready what has waited long enough; return what is to be buried."""
        self._check_time(now)
        dead: list[Task] = []
        for task in self._ordering.due(now):
            task.tenure.parked -= 1
            if task.verdict:
                dead.append(task)
            else:
                task.stage = Stage.WAITING
                self._ordering.release(task.key)
        return dead

    def _check_time(self, now: int) -> None:
        for task in [task for task, expiry in self._deferred.items() if expiry <= now]:
            # Nobody answered: the follow-up may have been lost (W-31), so the entry is worked on again.
            self.complete(task, Crashed(TimeoutError("a deferred completion was never given")))
        if self.settings.task_timeout_ms:
            for task in self._running:
                task.cancelled = task.cancelled or now - task.started_ms >= self.settings.task_timeout_ms

    def _bury(self, dead: Collection[Task]) -> None:
        """Publish dead letters; an entry is finished only when its letter stands (1.18)."""
        topic = self.settings.dead_letter_topic or dead_letter.topic_of(self.topic)
        for task in dead:
            answer = self.queue.publish(topic, [_letter(task)])[0]
            if isinstance(answer, MessageTooLarge):
                answer = self.queue.publish(topic, [_letter(task, size=len(task.record.value))])[0]
            with self.guard:
                if isinstance(answer, BackbeatError):
                    task.retries += 1
                    self._park(task, self._delay(task))
                    self._observer.troubled(answer)
                else:
                    self._condemned -= 1
                    self._end(task, DONE)
                    self._observer.dead_lettered(task, task.verdict)

    def _running_for(self, ms: int) -> int:
        if not ms:
            return 0
        with self.guard:
            now = self._clock.elapsed_ms()
            return sum(now - task.started_ms >= ms for task in self._running)

    # The queue.

    def _commit(self, offsets: Mapping[int, int]) -> Collection[int]:
        """Commit; return the partitions for which it was done."""
        if not offsets or self._consumer is None:
            return ()
        try:
            self._consumer.commit(offsets)
        except Fenced as error:
            # One of them is somebody else's by now, which the queue will say at the next poll. The others count.
            if len(offsets) > 1:
                return [n for n, offset in offsets.items() if self._commit({n: offset})]
            self._observer.troubled(error)
            return ()
        except QueueUnavailable as error:
            self._observer.troubled(error)
            return ()
        return offsets

    def _troubled(self, error: BackbeatError) -> None:
        self.trouble = error
        delay = self.settings.backoff.delay_ms(self._refusals, self._chance)
        self._refusals += 1
        self._poll_due = self._clock.elapsed_ms() + delay
        self._observer.troubled(error)


def _letter(task: Task, *, size: int | None = None) -> Message:
    record = task.record
    headers = dead_letter.headers(record.topic, record.partition, record.offset, task.verdict, size=size)
    return Message(record.value if size is None else b"", record.key, record.headers + headers)
