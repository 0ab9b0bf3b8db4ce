"""Threads for workers: one that polls, as many as there are slots that handle, and an orderly end."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import attrs

from backbeat_core.ports.queue import Record
from backbeat_core.queueing.backoff import is_retryable
from backbeat_core.queueing.gate import SHUTDOWN
from backbeat_core.queueing.outcome import Context, Crashed, Outcome, Retry
from backbeat_core.services.worker import Task, Worker

Handler: TypeAlias = Callable[[Record, Context], Outcome]
"""What is done with one entry. It may raise: that is a `Crashed`. Called on many threads at once."""

Job: TypeAlias = Callable[[], int]
"""What is done again and again; returns how many milliseconds until the next time (0: at once)."""


@attrs.frozen
class Batch:
    """
    How many entries a handling thread takes one after the other before it hands them back together.

    *around* is entered before the first and left after the last; what makes their effects durable may happen
    there. A batch ends early after *within_ms*, so that no quick entry waits long for a slow one.
    """

    most: int = 1
    within_ms: int = 20
    around: Callable[[], contextlib.AbstractContextManager[object]] = contextlib.nullcontext


SHUTDOWN_GRACE_MS: Final = 25_000
FAILED_JOB_MS: Final = 1000

_log = logging.getLogger("backbeat.runner")


class Crew:
    """
    One worker and its threads.

    A handling thread hands its task back and takes the next one in one step under the worker's lock; there is no
    dispatcher between it and the worker, hence no hop from thread to thread. The polling thread never handles, so
    that the membership does not depend on how long a task takes (W-06). It sleeps in the queue while there is
    room, and on a condition while there is none.
    """

    def __init__(
        self,
        worker: Worker,
        handler: Handler,
        *,
        poll_ms: int = 100,
        threads: int | None = None,
        batch: Batch | None = None,
    ) -> None:
        self.worker = worker
        self._batch = batch or Batch()
        self.failure: Exception | None = None
        """What the last poll raised that no queue should raise; None once one has gone well."""
        self._handler = handler
        self._poll_ms = poll_ms
        self._lock = threading.RLock()
        self._work = threading.Condition(self._lock)
        self._news = threading.Condition(self._lock)
        self._listening = False
        self._draining = False
        self._wanted_room = max(1, worker.settings.ready_wanted // 2)
        self._completions = 0
        self._seen = 0
        self._ended = False
        self._stop_by: float | None = None
        self._drained = True
        worker.guard = self._lock
        worker.wait_for_completions = self._wait_for_completions
        name = f"{worker.topic}/{worker.group}"
        self._poller = threading.Thread(target=self._poll, name=f"poll {name}", daemon=True)
        self._handlers = [
            threading.Thread(target=self._handle, name=f"work {name} {n}", daemon=True)
            for n in range(threads or worker.settings.concurrency)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in (*self._handlers, self._poller):
            thread.start()

    def stop_taking(self, by: float) -> None:
        """Begin the end: start no task any more, and be done by the `time.monotonic` moment *by*."""
        self.worker.gate.close(SHUTDOWN)
        with self._lock:
            self._stop_by = by
            self._news.notify_all()

    def join(self) -> bool:
        """Wait for the end that `stop_taking` began; False if some task had to be left running."""
        if self._poller.ident is not None:
            self._poller.join()
        with self._lock:
            self._ended = True
            self._work.notify_all()
        for thread in self._handlers:
            if thread.ident is not None and self._drained:
                thread.join()
        return self._drained

    def complete(self, task: Task, outcome: Outcome) -> None:
        """Hand a task back, from any thread: for handlers that have answered `Deferred`."""
        with self._lock:
            self.worker.complete(task, outcome)
            self._completions += 1
            if self._listening and self._is_news():
                self._news.notify()

    @property
    def idle(self) -> bool:
        """Whether the worker has nothing to do."""
        with self._lock:
            return self.worker.idle

    def healthy(self) -> bool:
        """Return whether the threads do what they are for."""
        return self.failure is None and self._poller.is_alive() and self.worker.healthy()

    # The handling threads.

    def _handle(self) -> None:
        task = self._next()
        while task is not None:
            ended = self._work_on(task)
            with self._lock:
                for each, outcome in ended:
                    self.complete(each, outcome)
                task = self._next()

    def _work_on(self, first: Task) -> Sequence[tuple[Task, Outcome]]:
        """Work on *first*, and on what else is ready as long as the batch lasts."""
        ended: list[tuple[Task, Outcome]] = []
        by = time.monotonic() + self._batch.within_ms / 1000
        try:
            with self._batch.around():
                task: Task | None = first
                while task is not None:
                    ended.append((task, self._outcome_of(task)))
                    more = len(ended) < self._batch.most and time.monotonic() < by
                    task = next(iter(self.worker.take(1)), None) if more else None
        except Exception as error:
            # None of them is durable, whatever they answered; one of them may be why.
            if is_retryable(error) or len(ended) == 1:
                failure: Outcome = Retry(None, str(error)) if is_retryable(error) else Crashed(error)
                return [(task, failure) for task, _ in ended]
            return [self._alone(task) for task, _ in ended]
        return ended

    def _alone(self, task: Task) -> tuple[Task, Outcome]:
        try:
            with self._batch.around():
                return task, self._outcome_of(task)
        except Exception as error:
            return task, Retry(None, str(error)) if is_retryable(error) else Crashed(error)

    def _next(self) -> Task | None:
        with self._lock:
            while not self._ended:
                tasks = self.worker.take(1)
                if tasks:
                    return tasks[0]
                self._work.wait()
        return None

    def _outcome_of(self, task: Task) -> Outcome:
        try:
            return self._handler(task.record, task)
        except BaseException as error:  # a thread that dies would keep its slot for ever
            _log.warning("handler raised on %s", _place(task.record), exc_info=error)
            return Crashed(error)

    def _is_news(self) -> bool:
        if self._draining or self._stop_by is not None:
            return True
        return self.worker.room >= self._wanted_room or not self.worker.running

    # The polling thread.

    def _poll(self) -> None:
        while self._stop_by is None or (self.worker.busy and time.monotonic() < self._stop_by):
            started = time.monotonic()
            fetched = self._poll_once()
            with self._lock:
                self._work.notify(self.worker.startable)
                if self._stop_by is not None and not self.worker.busy:
                    break
                left = self._poll_ms / 1000 - (time.monotonic() - started)
                # A queue that came back early with nothing cannot wait; then it is waited for it here.
                if left > 0 and not fetched:
                    self._listen(left)
        self._leave()

    def _poll_once(self) -> int:
        try:
            fetched = self.worker.poll(self._poll_ms if self.worker.room else 0)
        except Exception as error:
            self.failure = error
            _log.exception("polling %s failed", self.worker.topic)
            return 0
        self.failure = None
        return fetched

    def _listen(self, seconds: float) -> None:
        rest_ms = self.worker.rest_ms(int(seconds * 1000))
        if rest_ms:
            self._listening = True
            self._news.wait(rest_ms / 1000)
            self._listening = False

    def _wait_for_completions(self, timeout_ms: int) -> bool:
        # Counted since the last call, so that a task that ends between two calls is not waited for.
        with self._lock:
            self._listening = self._draining = True
            self._news.wait_for(lambda: self._completions != self._seen, timeout_ms / 1000)
            self._listening = self._draining = False
            changed = self._completions != self._seen
            self._seen = self._completions
            return changed

    def _leave(self) -> None:
        by = self._stop_by or 0.0
        try:
            self.worker.close(drain_ms=max(0, int((by - time.monotonic()) * 1000)))
        except Exception:
            _log.exception("leaving %s failed", self.worker.topic)
        self._drained = not self.worker.running


@attrs.define(eq=False)
class Runner:
    """
    The workers and jobs of one process, from start to an orderly end (1.14).

    *closers* are called last, in order: sessions of the Coordinator, the Store and the Cache, the queue.
    """

    crews: list[Crew] = attrs.field(factory=list)
    closers: list[Callable[[], None]] = attrs.field(factory=list)
    ready: bool = False
    _jobs: list[threading.Thread] = attrs.field(factory=list)
    _stopping: threading.Event = attrs.field(factory=threading.Event)

    def add(
        self,
        worker: Worker,
        handler: Handler,
        *,
        poll_ms: int = 100,
        threads: int | None = None,
        batch: Batch | None = None,
    ) -> Crew:
        """
        Give *worker* threads, one for each slot unless told otherwise.

        *poll_ms* is how long it may sleep in the queue. With a *batch*, a slot is an entry and not a thread: give
        the worker as many slots as *threads* take together.
        """
        crew = Crew(worker, handler, poll_ms=poll_ms, threads=threads, batch=batch)
        self.crews.append(crew)
        if self.ready:
            crew.start()
        return crew

    def add_job(self, name: str, job: Job) -> None:
        """Call *job* again and again on a thread of its own. What it raises is logged."""
        thread = threading.Thread(target=self._run_job, args=(name, job), name=name, daemon=True)
        self._jobs.append(thread)
        if self.ready:
            thread.start()

    def start(self) -> None:
        """Start all threads."""
        for crew in self.crews:
            crew.start()
        for thread in self._jobs:
            thread.start()
        self.ready = True

    def stop(self, grace_ms: int = SHUTDOWN_GRACE_MS) -> bool:
        """
        End in order: not ready, no new work, drain, commit, leave the groups, close what `closers` close.

        Tasks get *grace_ms* together. Returns False if some had to be left running; they will be done again.
        """
        self.ready = False
        self._stopping.set()
        by = time.monotonic() + grace_ms / 1000
        for crew in self.crews:
            crew.stop_taking(by)
        for thread in self._jobs:
            if thread.ident is not None:
                thread.join(max(0, by - time.monotonic()))
        drained = [crew.join() for crew in self.crews]
        for close in self.closers:
            try:
                close()
            except Exception:
                _log.exception("closing failed")
        return all(drained)

    def idle(self) -> bool:
        """Return whether no worker has anything to do."""
        return all(crew.idle for crew in self.crews)

    def wait_until_idle(self, timeout_ms: int) -> bool:
        """Wait until `idle`, for at most *timeout_ms*; return whether it was."""
        by = time.monotonic() + timeout_ms / 1000
        while not self.idle():
            if time.monotonic() >= by:
                return False
            time.sleep(0.01)
        return True

    def unhealthy(self) -> Sequence[Crew]:
        """Return the crews that only a new process helps."""
        return [crew for crew in self.crews if not crew.healthy()]

    def _run_job(self, name: str, job: Job) -> None:
        wait_ms = 0
        while not self._stopping.wait(wait_ms / 1000):
            try:
                wait_ms = job()
            except Exception:
                _log.exception("job %s failed", name)
                wait_ms = FAILED_JOB_MS


def _place(record: Record) -> str:
    return f"{record.topic}/{record.partition}@{record.offset}"
