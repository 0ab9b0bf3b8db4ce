"""Workers in threads: each entry once and in order, a membership that never sleeps, and an orderly end."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from backbeat_adapters.clock import SystemClock
from backbeat_adapters.runner import Batch, Crew, Handler, Runner
from backbeat_core.errors import StoreUnavailable
from backbeat_core.ports.queue import Message, Record
from backbeat_core.queueing.backoff import Backoff
from backbeat_core.queueing.outcome import DONE, Context, Deferred, Outcome
from backbeat_core.services.worker import Worker, WorkerSettings
from backbeat_core.testing.memory import MemoryBroker, MemoryQueue

TOPIC, GROUP = "jobs", "workers"
QUICK = Backoff(min_ms=5, max_ms=20, jitter=0)
ENOUGH_MS = 10_000


class Shop:
    """One topic on one broker, and runners that are stopped at the end of the test."""

    def __init__(self, **broker: Any) -> None:
        self.clock = SystemClock()
        self.queue = MemoryQueue(self.clock, MemoryBroker(**{"partitions": 1, **broker}))
        self.runners: list[Runner] = []

    def publish(self, *values: str, partition: int = 0) -> None:
        self.queue.publish(TOPIC, [Message(v.encode(), v[0].encode(), partition=partition) for v in values])

    def runner(self) -> Runner:
        self.runners.append(Runner())
        return self.runners[-1]

    def run(self, handler: Handler, *, start: bool = True, **settings: Any) -> tuple[Runner, Crew]:
        runner, options = self.runner(), {}
        for name in ("threads", "batch", "poll_ms"):
            if name in settings:
                options[name] = settings.pop(name)
        crew = runner.add(self.worker(**settings), handler, **options)
        if start:
            runner.start()
        return runner, crew

    def worker(self, **settings: Any) -> Worker:
        settings = {"backoff": QUICK, "commit_interval_ms": 10, **settings}
        return Worker(
            self.queue,
            TOPIC,
            GROUP,
            clock=self.clock,
            chance=lambda: 0.0,
            settings=WorkerSettings(**settings),
        )

    @property
    def committed(self) -> Mapping[int, int]:
        return self.queue.committed(TOPIC, GROUP)


@pytest.fixture
def shop() -> Iterator[Shop]:
    made: list[Shop] = [Shop()]
    yield made[0]
    for runner in made[0].runners:
        runner.stop(grace_ms=0)


def held() -> tuple[threading.Event, Handler]:
    """Return a handler that waits for the event beside it."""
    event = threading.Event()

    def handler(record: Record, context: Context) -> Outcome:
        event.wait(ENOUGH_MS / 1000)
        return DONE

    return event, handler


def eventually(holds: Callable[[], object]) -> bool:
    """Wait until *holds*, for as long as a slow machine may need."""
    by = time.monotonic() + ENOUGH_MS / 1000
    while not holds():
        if time.monotonic() > by:
            return False
        time.sleep(0.002)
    return True


@pytest.mark.parametrize(("slots", "settings"), [(1, {}), (4, {}), (40, {"threads": 4, "batch": Batch(10)})])
def test_each_entry_is_handled_once_and_in_the_order_of_its_key(
    shop: Shop, slots: int, settings: dict[str, Any]
) -> None:
    running: set[bytes] = set()
    seen: dict[bytes, list[int]] = {}
    overlaps: list[bytes] = []

    def handler(record: Record, context: Context) -> Outcome:
        assert record.key is not None
        if record.key in running:
            overlaps.append(record.key)
        running.add(record.key)
        seen.setdefault(record.key, []).append(record.offset)
        running.discard(record.key)
        return DONE

    shop.publish(*(f"{chr(97 + n % 20)}{n}" for n in range(2000)))
    runner, _ = shop.run(handler, concurrency=slots, **settings)

    assert runner.wait_until_idle(ENOUGH_MS)
    assert overlaps == []
    assert {key: sorted(offsets) for key, offsets in seen.items()} == seen
    assert sum(map(len, seen.values())) == 2000
    assert {0: 2000} == shop.committed


def test_as_many_run_at_once_as_there_are_slots(shop: Shop) -> None:
    together = threading.Barrier(3, timeout=ENOUGH_MS / 1000)

    def handler(record: Record, context: Context) -> Outcome:
        together.wait()
        return DONE

    shop.publish("a1", "b1", "c1", "d1", "e1", "f1")
    runner, _ = shop.run(handler, concurrency=3)

    assert runner.wait_until_idle(ENOUGH_MS)
    assert not together.broken


def test_an_exception_is_a_crash_and_costs_no_thread(shop: Shop) -> None:
    def handler(record: Record, context: Context) -> Outcome:
        if record.value == b"a1":
            raise SystemExit("bad shape")
        return DONE

    shop.publish("a1", "b1", "a2")
    runner, crew = shop.run(handler, concurrency=1)

    assert runner.wait_until_idle(ENOUGH_MS)
    assert {0: 3} == shop.committed
    assert shop.queue.watermarks("jobs-dead-letter")[0].high == 1
    assert crew.healthy()


def test_a_member_whose_slots_are_all_busy_stays_a_member() -> None:
    """W-06."""
    shop = Shop(session_ms=200)
    gate = threading.Event()
    starts: list[bytes] = []

    def handler(record: Record, context: Context) -> Outcome:
        starts.append(record.value)
        gate.wait(ENOUGH_MS / 1000)
        return DONE

    shop.publish("a1")
    runner, _ = shop.run(handler, concurrency=1, poll_ms=20)

    assert eventually(lambda: starts)

    other = shop.worker()
    by = time.monotonic() + 0.6
    while time.monotonic() < by:
        assert other.step() == []
        time.sleep(0.02)
    gate.set()

    assert runner.wait_until_idle(ENOUGH_MS)
    assert starts == [b"a1"]
    assert runner.stop()


def test_a_runner_with_nothing_to_do_sleeps(shop: Shop) -> None:
    runner, crew = shop.run(lambda record, context: DONE, poll_ms=50)
    polls = 0
    poll = crew.worker.poll

    def counted(timeout_ms: int = 0) -> int:
        nonlocal polls
        polls += 1
        return poll(timeout_ms)

    assert runner.wait_until_idle(ENOUGH_MS)
    crew.worker.poll = counted  # type: ignore[method-assign]
    before = time.process_time()
    time.sleep(0.5)

    assert 2 <= polls <= 11
    assert time.process_time() - before < 0.25


def test_a_graceful_end_lets_running_tasks_finish_and_starts_no_other(shop: Shop) -> None:
    started, seen = threading.Event(), []

    def handler(record: Record, context: Context) -> Outcome:
        seen.append(record.value)
        started.set()
        time.sleep(0.1)
        return DONE

    shop.publish("a1", "b1", "c1")
    runner, crew = shop.run(handler, concurrency=1)
    order: list[Any] = []
    runner.closers += [lambda: order.append(("first", crew.worker.closed)), lambda: order.append("second")]

    assert runner.ready
    assert started.wait(ENOUGH_MS / 1000)
    assert runner.stop()
    assert not runner.ready
    assert seen == [b"a1"]
    assert {0: 1} == shop.committed
    assert order == [("first", True), "second"]
    assert shop.queue.broker.group(TOPIC, GROUP).members == []


def test_an_end_is_bounded_even_if_a_task_is_not(shop: Shop) -> None:
    gate, contexts = threading.Event(), []

    def handler(record: Record, context: Context) -> Outcome:
        contexts.append(context)
        gate.wait(ENOUGH_MS / 1000)
        return DONE

    shop.publish("a1")
    runner, crew = shop.run(handler)

    assert eventually(lambda: contexts)

    before = time.monotonic()

    assert not runner.stop(grace_ms=100)
    assert time.monotonic() - before < 2
    assert contexts[0].cancelled

    gate.set()

    assert eventually(lambda: not crew.worker.running)
    assert {0: 0} == shop.committed


def test_an_end_without_a_beginning_is_one(shop: Shop) -> None:
    runner, _ = shop.run(lambda record, context: DONE, start=False)
    runner.add_job("job", lambda: 1000)

    assert runner.stop()


def test_closing_goes_on_when_one_of_them_fails(shop: Shop) -> None:
    closed: list[str] = []
    runner = shop.runner()
    runner.closers += [lambda: 1 / 0, lambda: closed.append("second")]  # type: ignore[list-item, return-value]

    assert runner.stop()
    assert closed == ["second"]


def test_partitions_asked_back_are_drained_and_committed() -> None:
    shop = Shop(partitions=2)
    started, second_seen = threading.Event(), []

    def slow(record: Record, context: Context) -> Outcome:
        started.set()
        time.sleep(0.2)
        return DONE

    shop.publish("a1", "a2", partition=1)
    first, _ = shop.run(slow, concurrency=2, poll_ms=20)

    assert started.wait(ENOUGH_MS / 1000)

    def quick(record: Record, context: Context) -> Outcome:
        second_seen.append(record.value)
        return DONE

    second, _ = shop.run(quick, poll_ms=20)

    assert eventually(lambda: {0: 0, 1: 2} == shop.committed)
    assert second_seen == [b"a2"]
    assert first.stop()
    assert second.stop()


def test_a_closed_gate_starts_nothing_until_it_is_opened(shop: Shop) -> None:
    seen: list[bytes] = []

    def handler(record: Record, context: Context) -> Outcome:
        seen.append(record.value)
        return DONE

    runner, crew = shop.run(handler, poll_ms=20)
    crew.worker.gate.close("operator")
    shop.publish("a1")
    time.sleep(0.1)

    assert seen == []

    crew.worker.gate.open("operator")

    assert eventually(lambda: seen == [b"a1"])
    assert runner.wait_until_idle(ENOUGH_MS)


def test_a_deferred_task_can_be_completed_from_any_thread(shop: Shop) -> None:
    deferred: list[Any] = []

    def handler(record: Record, context: Context) -> Outcome:
        if record.value == b"a1":
            deferred.append(context)
            return Deferred(ENOUGH_MS)
        return DONE

    shop.publish("a1", "a2")
    runner, crew = shop.run(handler, concurrency=1)

    assert eventually(lambda: deferred and not crew.worker.running)
    assert not crew.idle

    crew.complete(deferred[0], DONE)

    assert runner.wait_until_idle(ENOUGH_MS)
    assert {0: 2} == shop.committed


def test_waiting_for_rest_is_bounded(shop: Shop) -> None:
    gate = threading.Event()
    shop.publish("a1")
    runner, _ = shop.run(lambda record, context: (gate.wait(ENOUGH_MS / 1000) and DONE) or DONE)

    assert not runner.wait_until_idle(30)

    gate.set()


def test_a_poll_that_fails_as_no_queue_should_is_told_and_tried_again(shop: Shop) -> None:
    runner, crew = shop.run(lambda record, context: DONE, poll_ms=10)
    poll = crew.worker.poll

    assert runner.wait_until_idle(ENOUGH_MS)
    assert runner.unhealthy() == []

    def broken(timeout_ms: int = 0) -> int:
        raise RuntimeError("a bug")

    crew.worker.poll = broken  # type: ignore[method-assign]

    assert eventually(lambda: runner.unhealthy() == [crew])

    crew.worker.poll = poll  # type: ignore[method-assign]

    assert eventually(lambda: runner.unhealthy() == [])


def test_a_crew_is_unhealthy_when_a_task_is_stuck_or_its_poller_is_gone(shop: Shop) -> None:
    gate = threading.Event()
    shop.publish("a1")
    runner, crew = shop.run(
        lambda record, context: (gate.wait(ENOUGH_MS / 1000) and DONE) or DONE, stuck_task_fatal_ms=30
    )

    assert eventually(lambda: not crew.healthy())

    gate.set()

    assert eventually(crew.healthy)

    runner.stop()

    assert not crew.healthy()


def test_a_crew_added_late_starts_at_once(shop: Shop) -> None:
    runner = shop.runner()
    runner.start()
    shop.publish("a1")
    runner.add(shop.worker(), lambda record, context: DONE)

    assert eventually(lambda: {0: 1} == shop.committed)


# Jobs.


def test_a_job_is_done_again_after_the_time_it_asks_for(shop: Shop) -> None:
    moments: list[float] = []

    def job() -> int:
        moments.append(time.monotonic())
        return 20

    runner = shop.runner()
    runner.add_job("count", job)
    runner.start()

    assert eventually(lambda: len(moments) >= 4)
    assert runner.stop()

    count = len(moments)
    time.sleep(0.06)

    assert count == len(moments)
    assert all(later - earlier >= 0.019 for earlier, later in itertools.pairwise(moments))


def test_a_job_that_fails_is_done_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from backbeat_adapters import runner as room

    monkeypatch.setattr(room, "FAILED_JOB_MS", 5)
    count = 0

    def job() -> int:
        nonlocal count
        count += 1
        raise RuntimeError("bug")

    runner = shop.runner()
    runner.start()
    runner.add_job("fails", job)

    assert eventually(lambda: count >= 3)


# Batches.


class Transaction:
    """What a batch is done within; the first *failures* of its ends fail."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.sizes: list[int] = []
        self.open = 0

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        self.open = 0
        yield
        self.sizes.append(self.open)
        if self.failures:
            raise self.failures.pop(0)


def batched(shop: Shop, transaction: Transaction, **limits: int) -> tuple[list[bytes], Runner]:
    seen: list[bytes] = []

    def handler(record: Record, context: Context) -> Outcome:
        transaction.open += 1
        seen.append(record.value)
        return DONE

    shop.publish("a1", "b1", "c1", "d1", "e1")
    batch = Batch(limits.get("most", 4), limits.get("within_ms", 1000), around=transaction)
    runner, _ = shop.run(handler, concurrency=4, threads=1, batch=batch)
    return seen, runner


def test_a_batch_is_handed_back_after_what_is_around_it(shop: Shop) -> None:
    transaction = Transaction()
    seen, runner = batched(shop, transaction)

    assert runner.wait_until_idle(ENOUGH_MS)
    assert sorted(seen) == [b"a1", b"b1", b"c1", b"d1", b"e1"]
    assert transaction.sizes == [4, 1]
    assert {0: 5} == shop.committed


def test_a_batch_ends_when_its_time_is_over(shop: Shop) -> None:
    transaction = Transaction()
    _, runner = batched(shop, transaction, within_ms=0)

    assert runner.wait_until_idle(ENOUGH_MS)
    assert transaction.sizes == [1] * 5


def test_a_batch_that_an_outage_undid_is_done_again(shop: Shop) -> None:
    transaction = Transaction(StoreUnavailable("away"))
    seen, runner = batched(shop, transaction)

    assert runner.wait_until_idle(ENOUGH_MS)
    assert sorted(seen) == [b"a1", b"a1", b"b1", b"b1", b"c1", b"c1", b"d1", b"d1", b"e1"]
    assert {0: 5} == shop.committed


def test_an_entry_that_undoes_its_batch_is_told_from_the_others(shop: Shop) -> None:
    transaction = Transaction(*[ValueError("one of them")] * 2)
    _, runner = batched(shop, transaction)

    assert runner.wait_until_idle(ENOUGH_MS)
    assert transaction.sizes[:5] == [4, 1, 1, 1, 1]
    assert {0: 5} == shop.committed
