"""A worker in virtual time: a thread that polls, and one for each task in hand."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable

import attrs

from backbeat_core.ports.queue import Record
from backbeat_core.queueing.backoff import Backoff
from backbeat_core.queueing.gate import Gate
from backbeat_core.queueing.outcome import Crashed, Outcome
from backbeat_core.services.worker import Task, Worker, WorkerSettings
from backbeat_core.testing.simulation.parts import Handler
from backbeat_core.testing.simulation.ports import FaultyQueue
from backbeat_core.testing.simulation.process import Host
from backbeat_core.testing.simulation.scheduler import Thread

IDLE_MS = 20_000
"""How long a poller sleeps at the most; far less than a session."""

COMMIT_MS = 2_000


@attrs.frozen
class Handled:
    """What a step works on, and since when."""

    record: Record
    began_at: int


class Crew:
    """Drives one worker, as `Runner` does with real threads."""

    def __init__(
        self,
        host: Host,
        topic: str,
        group: str,
        handler: Handler,
        *,
        concurrency: int = 1,
        before_poll: Callable[[Gate], None] | None = None,
    ) -> None:
        engines = host.engines
        self.host = host
        self.topic = topic
        self.group = group
        self.gate = Gate()
        self.running: list[Task] = []
        self.started: dict[tuple[int, int, Hashable], int] = {}
        """The last offset that was begun, by partition, assignment and key."""
        self.worker = Worker(
            FaultyQueue(host),
            topic,
            group,
            clock=host.clock,
            chance=engines.chance.draw,
            settings=WorkerSettings(
                concurrency=concurrency,
                commit_interval_ms=COMMIT_MS,
                backoff=Backoff(min_ms=500, max_ms=20_000, factor=2),
                max_parked_keys=20,
            ),
            gate=self.gate,
            wait_for_completions=self._wait,
        )
        self._handler = handler
        self._before_poll = before_poll
        self._completions = 0
        self._poller = host.thread(f"poll {topic}", self._poll)
        self._task_name = f"{host.name}/work {topic}"
        engines.listen(topic, self._poller)

    @property
    def poller(self) -> Thread:
        """The thread that polls: to be woken by whatever its gate depends on."""
        return self._poller

    def close(self) -> None:
        """End in an orderly way."""
        self.worker.close(20_000)

    def _poll(self) -> int:
        if self._before_poll is not None:
            self._before_poll(self.gate)
        worker = self.worker
        room = worker.room
        fetched = worker.poll()
        self._dispatch()
        return 0 if room and fetched >= room else worker.rest_ms(IDLE_MS)

    def _dispatch(self) -> None:
        engines = self.host.engines
        for task in self.worker.take():
            engines.onlooker.started(self, task)
            self.running.append(task)
            engines.scheduler.add(Thread(self.host, self._task_name, functools.partial(self._handle, task)))

    def _handle(self, task: Task) -> int:
        host, engines = self.host, self.host.engines
        record = task.record
        outer, host.handling = host.handling, Handled(record, engines.scheduler.now_ms)
        try:
            outcome = self._outcome(task)
        finally:
            host.handling = outer
            self.running.remove(task)
        engines.note(f"{host.name} {record.topic}/{record.partition}/{record.offset} {_told(outcome)}")
        engines.onlooker.finished(self, task, outcome)
        self.worker.complete(task, outcome)
        self._completions += 1
        self._dispatch()
        engines.scheduler.wake(self._poller, self.worker.rest_ms(IDLE_MS))
        return -1

    def _outcome(self, task: Task) -> Outcome:
        try:
            return self._handler(task.record, task)
        except Exception as error:
            return Crashed(error)

    def _wait(self, at_most_ms: int) -> bool:
        seen = self._completions
        return self.host.engines.scheduler.inside(at_most_ms, lambda: self._completions != seen)


def _told(outcome: Outcome) -> str:
    result = getattr(outcome, "result", None)
    if result is None:
        return repr(outcome)
    reason = getattr(result, "reason", "") or getattr(result, "code", "") or getattr(result, "status", "")
    return f"{type(result).__name__} {reason}"
