"""
The worker itself: membership, what is fetched, what may start, what is committed.

It holds no thread, reads no clock of its own and never sleeps. Whoever drives it calls `step`, works on the tasks
that come back, and hands each to `complete`. Threads are the edge's affair: given a lock as *guard*, `take` and
`complete` may be called from any thread while one thread polls.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Hashable, Mapping

from backbeat_core.errors import BackbeatError
from backbeat_core.ports.clock import Clock
from backbeat_core.ports.queue import Listener, Queue, Record
from backbeat_core.queueing.gate import SHUTDOWN, Gate
from backbeat_core.queueing.membership import Membership, Phase, Tenure
from backbeat_core.queueing.outcome import Outcome
from backbeat_core.services.worker.desk import Desk
from backbeat_core.services.worker.feed import Feed
from backbeat_core.services.worker.task import Observer, Task, WorkerSettings


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
        self.topic = topic
        self.group = group
        self.settings = settings = settings or WorkerSettings()
        self.gate = gate or Gate()
        self.guard = guard or contextlib.nullcontext()
        self.wait_for_completions = wait_for_completions
        self.closed = False
        self._clock = clock
        self._key_fn = key_fn
        self._observer = observer = observer or Observer()
        self._members: Membership[Task] = Membership()
        self._desk = Desk(settings, clock, chance, observer)
        self._feed = Feed(
            queue, topic, group, settings=settings, clock=clock, chance=chance, observer=observer
        )
        self._dirty = False
        self._starved = False
        self._commit_due = clock.elapsed_ms() + settings.commit_interval_ms
        self._drain_ms = settings.rebalance_drain_ms

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
        if self.closed:
            return 0
        with self.guard:
            dead = self._desk.due(self._clock.elapsed_ms())
        for task in dead:
            stands = self._feed.bury(task) is None
            with self.guard:
                self._dirty |= self._desk.buried(task, stands)
        fetched = self._fetch(timeout_ms)
        if self._dirty and self._clock.elapsed_ms() >= self._commit_due:
            self.commit()
        return fetched

    def take(self, limit: int = 1 << 30) -> list[Task]:
        """Start up to *limit* tasks: none while the gate is closed (INV-21)."""
        if not self.gate.is_open:
            return []
        with self.guard:
            return self._desk.take(limit)

    def complete(self, task: Task, outcome: Outcome) -> None:
        """
        Say how *task* ended. Of a task that was revoked or lost meanwhile only the slot and the key are freed.

        Never talks to the queue. Completing what neither runs nor is deferred is ignored.
        """
        with self.guard:
            if self._desk.complete(task, outcome):
                self._dirty = True

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
        committed = self._feed.commit(offsets)
        with self.guard:
            for partition in committed:
                self._members.owned[partition].committed = offsets[partition]
            self._dirty = self._dirty or len(committed) < len(offsets)

    def close(self, drain_ms: int | None = None) -> None:
        """Take no more work, drain for at most *drain_ms*, commit, leave the group. Twice is once."""
        if self.closed:
            return
        self.gate.close(SHUTDOWN)
        self._drain_ms = self._drain_ms if drain_ms is None else drain_ms
        with self.guard:
            self._members.close()
        self._feed.close()
        # What the queue has not asked back is nobody's from here on.
        self.lost(list(self._members.owned))
        self.closed = True

    # What it says of itself.

    @property
    def trouble(self) -> BackbeatError | None:
        """Return why the queue cannot be polled just now; None when it can."""
        return self._feed.trouble

    @property
    def running(self) -> int:
        """How many tasks were handed out and not completed."""
        return len(self._desk.running)

    @property
    def in_flight(self) -> int:
        """How many entries are delivered and not finished, in any stage."""
        return self._desk.size

    @property
    def parked(self) -> int:
        """How many keys wait for another try."""
        return self._desk.parked

    @property
    def owned(self) -> Mapping[int, Tenure[Task]]:
        """The partitions that are assigned, and how far each is."""
        return self._members.owned

    @property
    def startable(self) -> int:
        """How many tasks `take` would start."""
        return self._desk.startable if self.gate.is_open else 0

    @property
    def room(self) -> int:
        """How many entries `poll` would fetch, if there are as many."""
        if self.closed or not self.gate.is_open:
            return 0
        desk = self._desk
        waiting = desk.size - len(desk.running)
        return max(0, min(self.settings.ready_wanted - desk.ready, self.settings.max_waiting - waiting))

    @property
    def busy(self) -> bool:
        """Whether something is under way that an orderly end waits for: running, deferred, or to be buried."""
        return self._desk.busy

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do: nothing in hand, nothing came last time, all is committed."""
        return self._starved and not self._desk.size and not self._dirty and self.trouble is None

    def slow(self) -> int:
        """Return how many tasks have been running for too long (1.13)."""
        with self.guard:
            return self._desk.running_for(self.settings.slow_task_ms)

    def healthy(self) -> bool:
        """Return False when only a new process helps: a task is stuck (1.13)."""
        with self.guard:
            return not self._desk.running_for(self.settings.stuck_task_fatal_ms)

    def next_due_ms(self) -> int | None:
        """Return the `elapsed_ms` moment when `step` wants to be called at the latest; None: any time will do."""
        with self.guard:
            moments = [self._desk.next_due()]
        if self._dirty:
            moments.append(self._commit_due)
        if self.trouble is not None:
            moments.append(self._feed.due_ms)
        return min((moment for moment in moments if moment is not None), default=None)

    def rest_ms(self, at_most: int) -> int:
        """Return how many milliseconds the driver may let pass until the next `step`: *at_most* or less."""
        due = self.next_due_ms()
        return at_most if due is None else max(0, min(at_most, due - self._clock.elapsed_ms()))

    def lag(self) -> dict[int, int]:
        """Return how many entries of each owned partition are not finished. Raises QueueUnavailable."""
        marks = self._feed.queue.watermarks(self.topic)
        with self.guard:
            reached = {partition: tenure.reached for partition, tenure in self._members.owned.items()}
        return {n: max(0, marks[n].high - offset) for n, offset in reached.items() if n in marks}

    # What the queue tells it, from inside `poll` and `close` (Listener).

    def assigned(self, offsets: Mapping[int, int]) -> None:
        """Begin to work on partitions."""
        with self.guard:
            _, superseded = self._members.assign(offsets)
            self._feed.assigned(offsets)
            self._desk.forget(superseded)
            self._starved = False

    def revoked(self, partitions: Collection[int]) -> None:
        """Let running tasks finish, commit, and forget the partitions (1.10)."""
        with self.guard:
            tenures = self._members.revoke(partitions)
            self._desk.drop(lambda task: task.tenure in tenures)
        status = self._drain(tenures)
        with self.guard:
            offsets = self._members.release(tenures)
            self._desk.forget(tenures)
        self._feed.commit(offsets)
        self._observer.rebalanced(status)

    def lost(self, partitions: Collection[int]) -> None:
        """Forget partitions that are somebody else's by now; their running tasks are cancelled."""
        with self.guard:
            tenures = self._members.lose(partitions)
            self._desk.forget(tenures)
        if tenures:
            self._observer.rebalanced("lost")

    def _drain(self, tenures: Collection[Tenure[Task]]) -> str:
        status = "idle"
        deadline = self._clock.elapsed_ms() + self._drain_ms
        while self._works_for(tenures):
            left = deadline - self._clock.elapsed_ms()
            if left <= 0 or not self.wait_for_completions(left):
                return "timeout" if self._works_for(tenures) else "drained"
            status = "drained"
        return status

    def _works_for(self, tenures: Collection[Tenure[Task]]) -> bool:
        with self.guard:
            return self._desk.works_for(tenures)

    # Fetching.

    def _fetch(self, timeout_ms: int) -> int:
        with self.guard:
            limit = self.room
            silent = self._silent()
        records = self._feed.poll(self, limit, self.rest_ms(timeout_ms), silent)
        if records is None:
            return 0
        with self.guard:
            for record in records:
                self._accept(record)
            if limit:
                self._starved = not records
        return len(records)

    def _silent(self) -> set[int]:
        """Return the partitions that must not deliver: all while the gate is closed, else the overparked ones."""
        return {
            partition
            for partition, tenure in self._members.owned.items()
            if not self.gate.is_open or tenure.parked >= self.settings.max_parked_keys
        }

    def _accept(self, record: Record) -> None:
        tenure = self._members.owned.get(record.partition)
        if tenure is None or tenure.phase is not Phase.OWNED:
            return
        if record.offset < tenure.ledger.following:
            self._rewound(tenure, record.offset)
        first = tenure.tickets.get(record.offset)
        if first is not None and self._desk.is_last(first):
            # Its first delivery is still in hand, and nothing of its key has to come before it: that run counts.
            tenure.deliver(record.offset, first)
            return
        task = Task(record, tenure, self._key_of(record))
        if task.key is None:
            task.key = task
        tenure.deliver(record.offset, task)
        self._desk.add(task)

    def _rewound(self, tenure: Tenure[Task], offset: int) -> None:
        """Take what has not started at or above *offset* out of the lines: it comes again, in order."""
        for task in self._desk.drop(lambda task: task.tenure is tenure and task.record.offset >= offset):
            del tenure.tickets[task.record.offset]

    def _key_of(self, record: Record) -> Hashable:
        try:
            return self._key_fn(record)
        except Exception:
            # What is wrong with it is for the handler to say; until then the message's key orders it.
            return record.key
