"""Workers that come and go on one topic, whatever happens: nothing lost, in order, and at rest in the end."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from backbeat_core.errors import StoreUnavailable
from backbeat_core.queueing.outcome import DONE, Crashed, Deferred, Failed, Outcome, Retry
from backbeat_core.services.worker import Stage, Task, Worker
from services.worker_desk import TOPIC, Shop

PARTITIONS = 3

outcomes = st.one_of(
    st.just(DONE),
    st.builds(Retry, st.one_of(st.none(), st.integers(0, 3000))),
    st.builds(Deferred, st.integers(1, 5000)),
    st.builds(Failed, st.just("no")),
    st.sampled_from([Crashed(ValueError("bug")), Crashed(StoreUnavailable("outage"))]),
)


class WorkersMachine(RuleBasedStateMachine):
    """
    Up to three workers, and a handler that ends in any outcome at any time.

    After every step no commit is past an entry that nobody finished, no two tasks of one key run in one worker,
    and within a generation tasks of a key start in the order of their offsets. At the end the world is healed,
    and must come to rest with every entry finished or with the dead letters.
    """

    def __init__(self) -> None:
        super().__init__()
        self.shop = Shop(partitions=PARTITIONS, session_ms=20_000)
        self.workers: list[Worker] = []
        self.hands: dict[Worker, list[Task]] = {}
        self.published = 0
        self.done: dict[int, set[int]] = defaultdict(set)
        self.last_start: dict[tuple[int, int, Any], int] = {}
        self.rewinds = False
        self.rewound: set[int] = set()

    @initialize(rewinds=st.booleans())
    def open(self, rewinds: bool) -> None:
        self.rewinds = rewinds
        self.join(2)

    @precondition(lambda self: len(self.workers) < 3)
    @rule(concurrency=st.integers(1, 3))
    def join(self, concurrency: int) -> None:
        worker = self.shop.worker(
            settings={"concurrency": concurrency, "max_parked_keys": 2, "prefetch": 3, "task_timeout_ms": 4000},
            wait_for_completions=lambda timeout_ms: self.drain(worker),
        )
        self.workers.append(worker)
        self.hands[worker] = []

    def drain(self, worker: Worker) -> bool:
        """While partitions are given up, the oldest task ends well, if the machine is in the mood."""
        tasks = self.live(worker)
        if len(tasks) % 2 == 0:
            return False
        self.end(worker, tasks[0], DONE)
        return True

    @rule(key=st.sampled_from("abcd"), count=st.integers(1, 3))
    def publish(self, key: str, count: int) -> None:
        self.published += count
        self.shop.publish(*[key] * count, partition=ord(key) % PARTITIONS)

    @rule(nth=st.integers(0, 2))
    def step(self, nth: int) -> None:
        if nth < len(self.workers):
            worker = self.workers[nth]
            for task in worker.step():
                self.started(worker, task)

    def live(self, worker: Worker) -> list[Task]:
        """Return the tasks that *worker* waits for: running, or deferred."""
        self.hands[worker] = [t for t in self.hands[worker] if t.stage in (Stage.RUNNING, Stage.DEFERRED)]
        return self.hands[worker]

    def started(self, worker: Worker, task: Task) -> None:
        others = [other for other in self.live(worker) if other is not task]
        assert task.key not in {other.key for other in others}, "two of a key at once"
        line = (id(worker), task.generation, task.key)
        if task.deliveries == 1 and task.record.partition not in self.rewound:
            assert self.last_start.get(line, -1) < task.record.offset, "out of order"
            self.last_start[line] = task.record.offset
        self.hands[worker] = [*others, task]

    @rule(nth=st.integers(0, 2), which=st.integers(0, 9), outcome=outcomes)
    def complete(self, nth: int, which: int, outcome: Outcome) -> None:
        if nth < len(self.workers) and (tasks := self.live(self.workers[nth])):
            self.end(self.workers[nth], tasks[which % len(tasks)], outcome)

    def end(self, worker: Worker, task: Task, outcome: Outcome) -> None:
        if outcome is DONE:
            self.done[task.record.partition].add(task.record.offset)
        worker.complete(task, outcome)

    @rule(ms=st.sampled_from([1, 500, 5000, 21_000]))
    def pass_time(self, ms: int) -> None:
        self.shop.clock.advance(ms)

    @rule(away=st.booleans())
    def outage(self, away: bool) -> None:
        self.shop.queue.unreachable = away

    @rule(refused=st.booleans())
    def refuse_dead_letters(self, refused: bool) -> None:
        self.shop.queue.refused = {"jobs-dead-letter"} if refused else set()

    @precondition(lambda self: self.rewinds)
    @rule(partition=st.integers(0, PARTITIONS - 1), back=st.integers(1, 3))
    def rewind(self, partition: int, back: int) -> None:
        for consumer in self.shop.queue.consumers:
            if partition in consumer._positions:
                self.rewound.add(partition)
                consumer._positions[partition] = max(0, consumer._positions[partition] - back)

    @rule(nth=st.integers(0, 2))
    def expel(self, nth: int) -> None:
        if nth < len(self.shop.queue.consumers):
            self.shop.queue.expel(self.shop.queue.consumers[nth])

    @rule(nth=st.integers(0, 2), closed=st.booleans())
    def gate(self, nth: int, closed: bool) -> None:
        if nth < len(self.workers):
            gate = self.workers[nth].gate
            (gate.close if closed else gate.open)("operator")

    @precondition(lambda self: len(self.workers) > 1)
    @rule(nth=st.integers(0, 2), crash=st.booleans())
    def leave(self, nth: int, crash: bool) -> None:
        worker = self.workers.pop(nth % len(self.workers))
        if crash:
            # A process that dies says nothing to anybody; the broker finds out later.
            del self.hands[worker]
        else:
            worker.close()

    @invariant()
    def nothing_is_committed_that_nobody_finished(self) -> None:
        buried = self.buried()
        for partition, offset in self.committed().items():
            lost = set(range(offset)) - self.done[partition] - buried[partition]
            assert not lost, f"partition {partition} is committed to {offset} and {lost} never finished"

    def committed(self) -> dict[int, int]:
        return dict(self.shop.broker.group(TOPIC, "workers").committed)

    def buried(self) -> dict[int, set[int]]:
        found: dict[int, set[int]] = defaultdict(set)
        for letter in self.shop.dead_letters():
            headers = dict(letter.headers)
            found[int(headers["x-original-partition"])].add(int(headers["x-original-offset"]))
        return found

    def teardown(self) -> None:
        self.shop.queue.unreachable = False
        self.shop.queue.refused = set()
        for worker in self.workers:
            worker.gate.open("operator")
        for _ in range(200):
            if self.at_rest():
                return
            self.shop.clock.advance(1000)
            for worker in self.workers:
                for task in worker.step():
                    self.started(worker, task)
                for task in list(self.live(worker)):
                    self.end(worker, task, DONE)
        raise AssertionError(f"no rest: {[worker.in_flight for worker in self.workers]}, {self.committed()}")

    def at_rest(self) -> bool:
        high = {n: marks.high for n, marks in self.shop.queue.watermarks(TOPIC).items()}
        return all(worker.idle for worker in self.workers) and self.committed() == high


TestAnyHistory = WorkersMachine.TestCase
TestAnyHistory.settings = settings(stateful_step_count=60, deadline=None)
