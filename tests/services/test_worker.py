"""What a worker does with entries and outcomes: order, slots, commits, retries, dead letters, time."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from backbeat_core.errors import InvalidConfiguration, QueueUnavailable, StoreUnavailable, UndecodableEntry
from backbeat_core.ports.queue import Start
from backbeat_core.queueing.backoff import Backoff
from backbeat_core.queueing.gate import OPERATOR, SHUTDOWN, Gate
from backbeat_core.queueing.outcome import DONE, Crashed, Deferred, Done, Failed, Outcome, Retry
from backbeat_core.services.worker import WorkerSettings
from services.worker_desk import GROUP, TOPIC, Diary, Shop, names, work_off

# Order and slots.


def test_one_of_a_key_at_a_time_in_the_order_of_offsets() -> None:
    """INV-13."""
    shop = Shop()
    shop.publish("a1", "a2", "b1", "a3", "b2")
    worker = shop.worker()

    first = worker.step()

    assert names(first) == ["a1", "b1"]
    assert worker.step() == []

    worker.complete(first[0], DONE)

    assert names(worker.step()) == ["a2"]


def test_as_many_keys_at_once_as_there_are_slots() -> None:
    shop = Shop()
    shop.publish("a1", "b1", "c1", "d1")
    worker = shop.worker(settings={"concurrency": 2})
    first = worker.step()

    assert names(first) == ["a1", "b1"]
    assert (worker.running, worker.startable, worker.in_flight) == (2, 0, 4)

    worker.complete(first[1], DONE)

    assert worker.startable == 1
    assert names(worker.take()) == ["c1"]


def test_no_more_are_taken_than_asked_for() -> None:
    shop = Shop()
    shop.publish("a1", "b1", "c1")
    worker = shop.worker()
    worker.poll()

    assert names(worker.take(2)) == ["a1", "b1"]
    assert names(worker.take(2)) == ["c1"]


def test_entries_without_a_key_wait_for_nobody() -> None:
    shop = Shop()
    shop.publish("a1", "a2", "a3")
    worker = shop.worker(key_fn=lambda record: None)

    assert names(worker.step()) == ["a1", "a2", "a3"]


def test_the_order_is_that_of_the_key_function() -> None:
    shop = Shop()
    shop.publish("a1", "b1", "c2")
    worker = shop.worker(key_fn=lambda record: record.value[1:])

    assert names(worker.step()) == ["a1", "c2"]


def test_an_entry_whose_key_cannot_be_told_is_ordered_by_its_message_key() -> None:
    def key(record: Any) -> str:
        raise UndecodableEntry("no")

    shop = Shop()
    shop.publish("a1", "a2", "b1")

    assert names(shop.worker(key_fn=key).step()) == ["a1", "b1"]


def test_a_context_tells_what_is_to_be_known_of_the_delivery() -> None:
    shop = Shop()
    shop.publish("a1")
    worker = shop.worker()
    (task,) = worker.step()

    assert (task.deliveries, task.retries, task.waited_ms, task.generation) == (1, 0, 0, 1)

    worker.complete(task, Retry(20))
    shop.clock.advance(50)
    (task,) = worker.step()

    assert (task.deliveries, task.retries, task.waited_ms, task.generation) == (2, 1, 50, 1)
    assert not task.cancelled


# Commits.


def test_commits_are_the_contiguous_prefix_whatever_the_order_of_completion() -> None:
    for order in itertools.permutations(range(3)):
        shop = Shop()
        shop.publish("a1", "b1", "c1")
        worker = shop.worker()
        tasks = worker.step()
        finished: set[int] = set()
        for nth in order:
            worker.complete(tasks[nth], DONE)
            worker.commit()
            finished.add(nth)

            prefix = next(n for n in range(4) if n not in finished)
            assert {0: prefix} == shop.committed


def test_a_restart_goes_on_at_the_commit() -> None:
    shop = Shop()
    shop.publish("a1", "b1", "c1")
    worker = shop.worker()
    a, _, c = worker.step()
    worker.complete(a, DONE)
    worker.complete(c, DONE)
    worker.close()

    assert work_off(shop.worker()) == ["b1", "c1"]


def test_commits_come_at_their_interval() -> None:
    shop = Shop()
    shop.publish("a1")
    worker = shop.worker(settings={"commit_interval_ms": 70})

    assert worker.next_due_ms() is None

    work_off(worker)

    assert worker.next_due_ms() == 70
    assert {0: 0} == shop.committed

    shop.clock.advance(69)
    worker.step()

    assert {0: 0} == shop.committed

    shop.clock.advance(1)
    worker.step()

    assert {0: 1} == shop.committed
    assert worker.next_due_ms() is None

    shop.publish("a2")
    work_off(worker)

    assert worker.next_due_ms() == 140


def test_a_result_in_the_outcome_is_done_all_the_same() -> None:
    shop = Shop()
    shop.publish("a1")
    worker = shop.worker()
    work_off(worker, lambda task: Done({"bytes": 3}))
    worker.commit()

    assert {0: 1} == shop.committed


def test_completing_twice_is_completing_once() -> None:
    shop, diary = Shop(), Diary()
    shop.publish("a1", "a2")
    worker = shop.worker(observer=diary)
    (task,) = worker.step()
    worker.complete(task, DONE)
    worker.complete(task, Failed("no, it was not"))

    assert len(diary.finishes) == 1
    assert (worker.running, worker.in_flight) == (0, 1)


# Room.


def test_it_fetches_what_can_start_soon_and_no_more() -> None:
    shop = Shop()
    shop.publish(*(f"{chr(97 + n % 26)}{n}" for n in range(100)))
    worker = shop.worker(settings={"concurrency": 2, "prefetch": 5})

    assert worker.room == 5

    tasks = worker.step()

    assert (worker.in_flight, worker.room) == (5, 2)
    assert worker.poll() == 2

    worker.complete(tasks[0], DONE)

    assert worker.room == 0

    worker.take()

    assert worker.room == 1


@pytest.mark.parametrize(("concurrency", "wanted"), [(1, 100), (25, 100), (26, 104)])
def test_unless_told_four_entries_a_slot_are_kept_ready(concurrency: int, wanted: int) -> None:
    assert WorkerSettings(concurrency=concurrency).ready_wanted == wanted
    assert WorkerSettings(concurrency=concurrency, prefetch=7).ready_wanted == 7


def test_what_waits_behind_a_slow_key_is_bounded() -> None:
    shop = Shop()
    shop.publish(*(f"a{n}" for n in range(100)))
    worker = shop.worker(settings={"max_waiting": 10, "prefetch": 4})
    worker.step()
    fetched = [worker.poll() for _ in range(10)]

    assert (worker.running, worker.in_flight, worker.room) == (1, 11, 0)
    assert sum(fetched) == 7


def test_a_membership_does_not_depend_on_how_long_tasks_take() -> None:
    """W-06: nothing expels a member whose slots are all busy."""
    shop = Shop(session_ms=1000)
    shop.publish("a1", "b1")
    busy = shop.worker(settings={"concurrency": 1, "prefetch": 1})
    (task,) = busy.step()
    other = shop.worker()
    for _ in range(10):
        shop.clock.advance(900)

        assert busy.step() == []
        assert other.step() == []

    busy.complete(task, DONE)

    assert work_off(busy) == ["b1"]


def test_a_step_waits_only_if_nothing_can_start_and_nothing_is_due() -> None:
    waited: list[int] = []
    shop = Shop()
    worker = shop.worker(settings={"concurrency": 1, "commit_interval_ms": 50, "prefetch": 9})
    worker.step()
    consumer = shop.queue.consumers[0]
    poll = consumer.poll
    consumer.poll = lambda limit, timeout_ms=0: waited.append(timeout_ms) or poll(limit)  # type: ignore[method-assign]
    worker.step(1000)
    shop.publish("a1", "b1")
    (task,) = worker.step(1000)
    worker.step(1000)
    worker.complete(task, DONE)
    worker.step(1000)
    worker.take()
    shop.clock.advance(20)
    worker.poll(1000)
    worker.poll(7)

    assert waited == [1000, 1000, 1000, 0, 30, 7]


# Putting off.


def test_a_retry_parks_its_key_and_nothing_else() -> None:
    shop = Shop()
    shop.publish("a1", "b1", "a2", "c1")
    worker = shop.worker(settings={"concurrency": 1})
    (task,) = worker.step()
    worker.complete(task, Retry(100))

    assert work_off(worker) == ["b1", "c1"]
    assert (worker.parked, worker.next_due_ms()) == (1, 100)
    worker.commit()

    assert {0: 0} == shop.committed

    shop.clock.advance(100)

    assert work_off(worker) == ["a1", "a2"]

    worker.commit()

    assert {0: 4} == shop.committed


def due_after(outcome: Outcome, tries: int, **options: Any) -> list[int]:
    """Return the delays that a worker puts before each new try of an entry that always ends in *outcome*."""
    shop = Shop()
    shop.publish("a1")
    worker = shop.worker(**options)
    delays = []
    for _ in range(tries):
        (task,) = worker.step()
        now = shop.clock.elapsed_ms()
        worker.complete(task, outcome)
        due = worker.next_due_ms()
        assert due is not None
        delays.append(due - now)
        shop.clock.advance(delays[-1])
    return delays


def test_a_retry_that_names_no_delay_backs_off() -> None:
    assert due_after(Retry(), 8) == [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]


def test_back_off_draws_its_jitter_from_the_chance_it_was_given() -> None:
    assert due_after(Retry(), 2, settings={"backoff": Backoff(jitter=0.5)}, chance=lambda: 0.1) == [1050, 1575]


def test_an_outage_is_tried_again_without_end() -> None:
    assert len(due_after(Crashed(StoreUnavailable()), 20)) == 20


def test_too_many_parked_keys_silence_their_partition_until_they_are_fewer() -> None:
    shop = Shop(partitions=2)
    shop.publish("a1", "b1", "c1")
    shop.publish("d1", partition=1)
    worker = shop.worker(settings={"max_parked_keys": 2, "prefetch": 2})
    for task in worker.step():
        worker.complete(task, Retry(100 if task.record.value == b"a1" else 200))
    shop.publish("e1", partition=1)

    assert work_off(worker) == ["d1", "e1"]

    shop.clock.advance(100)

    assert sorted(names(worker.step())) == ["a1", "c1"]


def test_a_key_that_is_parked_again_and_again_counts_once() -> None:
    shop = Shop()
    shop.publish("a1", "b1", "c1")
    worker = shop.worker(settings={"max_parked_keys": 3, "prefetch": 2, "concurrency": 2})
    for _ in range(5):
        tasks = worker.step()

        assert names(tasks) == ["a1", "b1"]

        for task in tasks:
            worker.complete(task, Retry(10))
        shop.clock.advance(10)
    worker.gate.close(OPERATOR)
    worker.step()
    worker.gate.open(OPERATOR)
    tasks = worker.step()
    for task in tasks:
        worker.complete(task, Retry(10))

    assert names(worker.step()) == ["c1"]


# Deferred.


def deferred() -> tuple[Shop, Any, Any]:
    shop = Shop()
    shop.publish("a1", "a2", "b1")
    worker = shop.worker(settings={"concurrency": 1})
    (task,) = worker.step()
    worker.complete(task, Deferred(500))
    return shop, worker, task


def test_a_deferred_entry_frees_its_slot_and_blocks_its_key_and_the_commit() -> None:
    """W-01, W-21: the commit waits for the acknowledgement of the follow-up."""
    shop, worker, task = deferred()

    assert work_off(worker) == ["b1"]
    worker.commit()
    assert {0: 0} == shop.committed
    assert worker.busy

    worker.complete(task, DONE)

    assert work_off(worker) == ["a2"]
    worker.commit()
    assert {0: 3} == shop.committed
    assert not worker.busy


def test_a_deferred_entry_can_be_put_off_again() -> None:
    shop, worker, task = deferred()
    worker.complete(task, Retry(10))
    shop.clock.advance(10)

    assert work_off(worker) == ["b1", "a1", "a2"]


def test_a_deferred_entry_that_nobody_answers_for_counts_as_crashed() -> None:
    """W-31."""
    shop, worker, task = deferred()

    assert worker.next_due_ms() == 500

    shop.clock.advance(500)
    worker.step()

    assert (task.crashes, worker.parked) == (1, 1)
    assert worker.next_due_ms() == 1500

    worker.complete(task, DONE)

    assert worker.parked == 1


def test_a_deferred_entry_that_is_never_answered_for_is_a_dead_letter_that_says_so() -> None:
    shop = Shop()
    shop.publish("a1")

    assert patience(shop, shop.worker(), lambda task: Deferred(10), rounds=20) == ["a1"] * 3
    (letter,) = shop.dead_letters()
    assert letter.headers[-1] == ("x-error", b"TimeoutError: a deferred completion was never given")


def test_what_is_due_first_is_told() -> None:
    shop = Shop()
    shop.publish("a1", "b1", "c1")
    worker = shop.worker(settings={"task_timeout_ms": 300})
    a, b, _ = worker.step()
    worker.complete(a, Deferred(200))
    worker.complete(b, Retry(250))

    assert worker.next_due_ms() == 200

    worker.complete(a, DONE)

    assert worker.next_due_ms() == 250

    shop.clock.advance(250)
    worker.poll()

    assert worker.next_due_ms() == 300


# Dead letters.


def crash(task: Any) -> Outcome:
    return Crashed(RuntimeError("bad shape"))


def patience(shop: Shop, worker: Any, handler: Callable[[Any], Outcome], rounds: int = 10) -> list[str]:
    """Work for a long while."""
    done = []
    for _ in range(rounds):
        done += work_off(worker, handler)
        shop.clock.advance(100_000)
    return done


def test_an_entry_that_keeps_crashing_goes_to_the_dead_letters_and_lets_the_rest_pass() -> None:
    shop, diary = Shop(), Diary()
    shop.publish("a1", headers=(("trace", b"t"),))
    shop.publish("a2")
    worker = shop.worker(observer=diary)

    seen = patience(shop, worker, lambda task: crash(task) if task.record.offset == 0 else DONE)

    assert seen == ["a1", "a1", "a1", "a2"]
    (letter,) = shop.dead_letters()
    assert (letter.key, letter.value) == (b"a", b"a1")
    assert letter.headers == (
        ("trace", b"t"),
        ("x-original-topic", b"jobs"),
        ("x-original-partition", b"0"),
        ("x-original-offset", b"0"),
        ("x-error", b"RuntimeError: bad shape"),
    )
    assert diary.burials == [(0, "RuntimeError: bad shape")]
    assert {0: 2} == shop.committed
    assert worker.idle


def test_deliveries_before_this_one_count() -> None:
    shop = Shop()
    shop.publish("a1", headers=(("x-deliveries", b"1"),))
    worker = shop.worker()

    assert patience(shop, worker, crash) == ["a1", "a1"]
    assert len(shop.dead_letters()) == 1


def test_tries_after_an_outage_are_no_deliveries_that_count() -> None:
    shop = Shop()
    shop.publish("a1")
    outcomes = iter([Retry(), Crashed(StoreUnavailable()), *[Crashed(ValueError())] * 3])

    assert patience(shop, shop.worker(), lambda task: next(outcomes)) == ["a1"] * 5
    assert len(shop.dead_letters()) == 1


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (Failed("will never work"), b"will never work"),
        (Failed(""), b"failed"),
        (Crashed(UndecodableEntry("no JSON")), b"UndecodableEntry: no JSON (topic '', partition -1, offset -1)"),
    ],
)
def test_what_will_never_work_goes_there_at_once(outcome: Outcome, error: bytes) -> None:
    shop = Shop()
    shop.publish("a1", "b1")

    assert patience(shop, shop.worker(), lambda task: outcome if task.record.offset == 0 else DONE) == ["a1", "b1"]
    (letter,) = shop.dead_letters()
    assert letter.headers[-1] == ("x-error", error)


def test_an_answer_that_is_no_outcome_is_a_crash() -> None:
    shop = Shop()
    shop.publish("a1")
    answer: Any = None

    assert patience(shop, shop.worker(), lambda task: answer) == ["a1"] * 3
    (letter,) = shop.dead_letters()
    assert letter.headers[-1] == ("x-error", b"TypeError: a handler answers with an Outcome, not with None")


def test_an_entry_whose_dead_letter_is_refused_stays_unfinished_and_is_not_worked_on_again() -> None:
    shop, diary = Shop(), Diary()
    shop.publish("a1", "a2", "b1")
    shop.queue.refused.add("jobs-dead-letter")
    worker = shop.worker(observer=diary)
    handler = lambda task: Failed("no") if task.record.offset == 0 else DONE  # noqa: E731

    assert work_off(worker, handler) == ["a1", "b1"]
    assert worker.busy
    assert worker.next_due_ms() == 1000
    worker.commit()
    assert {0: 0} == shop.committed

    shop.clock.advance(1000)

    assert work_off(worker, handler) == []
    assert worker.next_due_ms() == 3000
    assert [type(error) for error in diary.troubles] == [QueueUnavailable] * 2

    shop.queue.refused.clear()
    shop.clock.advance(2000)

    assert work_off(worker, handler) == ["a2"]
    assert not worker.busy
    worker.commit()
    assert {0: 3} == shop.committed
    assert diary.burials == [(0, "no")]


def test_a_burial_alone_is_committed_in_its_time() -> None:
    shop = Shop()
    shop.publish("a1", "b1")
    worker = shop.worker()
    work_off(worker, lambda task: Failed("no"))

    assert not worker.busy
    assert worker.next_due_ms() == 5000

    shop.clock.advance(5000)
    worker.step()

    assert {0: 2} == shop.committed


def test_an_end_waits_for_every_burial() -> None:
    shop = Shop()
    shop.publish("a1", "b1")
    worker = shop.worker()
    a, b = worker.step()
    worker.complete(a, Failed("no"))
    worker.complete(b, Failed("no"))
    shop.queue.refused.add("jobs-dead-letter")
    worker.step()
    shop.queue.refused.clear()
    shop.clock.advance(1000)

    assert worker.busy

    worker.step()

    assert not worker.busy
    assert len(shop.dead_letters()) == 2


def test_a_dead_letter_too_large_for_its_topic_goes_without_its_value() -> None:
    shop = Shop(max_message_bytes=180)
    shop.publish("a" * 120)
    worker = shop.worker()
    work_off(worker, lambda task: Failed("no"))
    worker.step()

    (letter,) = shop.dead_letters()
    assert letter.value == b""
    assert letter.headers[-1] == ("x-original-size", b"120")
    assert not worker.in_flight


def test_the_dead_letter_topic_can_be_chosen() -> None:
    shop = Shop()
    shop.publish("a1")
    patience(shop, shop.worker(settings={"dead_letter_topic": "graves"}), lambda task: Failed("no"))

    assert len(shop.dead_letters("graves")) == 1
    assert shop.dead_letters() == []


# The gate.


def test_a_closed_gate_starts_nothing_and_fetches_nothing_while_what_runs_is_committed() -> None:
    """INV-21, W-09."""
    shop = Shop()
    shop.publish("a1", "b1", "c1")
    worker = shop.worker(settings={"concurrency": 1, "prefetch": 2})
    (task,) = worker.step()
    worker.gate.close(OPERATOR)

    assert (worker.room, worker.startable) == (0, 0)

    worker.complete(task, DONE)
    shop.clock.advance(5000)

    assert worker.step() == []
    assert {0: 1} == shop.committed
    assert list(worker.owned) == [0]

    worker.gate.open(OPERATOR)

    assert work_off(worker) == ["b1", "c1"]


def test_a_worker_started_paused_takes_its_place_and_loses_nothing() -> None:
    """W-03: what is queued while a new location is paused is there when it is resumed."""
    shop, gate = Shop(), Gate()
    gate.close(OPERATOR)
    worker = shop.worker(gate=gate, settings={"start": Start.LATEST})
    worker.step()
    shop.publish("a1")

    assert worker.step() == []
    assert {0: 0} == shop.committed

    worker.close()
    gate.open(OPERATOR)

    assert work_off(shop.worker(settings={"start": Start.LATEST})) == ["a1"]


def test_a_new_group_starts_where_it_is_told() -> None:
    for start, seen in ((Start.EARLIEST, ["a1", "a2"]), (Start.LATEST, ["a2"])):
        shop = Shop()
        shop.publish("a1")
        worker = shop.worker(settings={"start": start})
        done = work_off(worker)
        shop.publish("a2")

        assert seen == done + work_off(worker)


def test_partitions_that_arrive_while_the_gate_is_closed_are_silent_and_flow_afterwards() -> None:
    shop = Shop(partitions=2)
    one, two = shop.worker(), shop.worker()
    two.step()
    one.step()
    one.gate.close("breaker")
    one.step()
    two.close()
    shop.publish("a1")
    shop.publish("b1", partition=1)
    one.step()
    one.step()

    assert sorted(one.owned) == [0, 1]
    assert one.in_flight == 0

    one.gate.open("breaker")

    assert sorted(work_off(one)) == ["a1", "b1"]


def test_workers_start_with_an_open_gate_of_their_own() -> None:
    shop = Shop()
    one, two = shop.worker(), shop.worker()
    one.gate.close(SHUTDOWN)

    assert two.gate.is_open


# Time.


def test_a_task_over_its_time_is_cancelled_and_tried_again_when_it_says_so() -> None:
    shop = Shop()
    shop.publish("a1", "b1")
    shop.clock.advance(70)
    worker = shop.worker(settings={"task_timeout_ms": 100})
    slow, quick = worker.step()
    worker.complete(quick, DONE)

    assert worker.next_due_ms() == 170

    shop.clock.advance(99)
    worker.step()

    assert not slow.cancelled

    shop.clock.advance(1)
    worker.step()

    assert slow.cancelled
    assert worker.next_due_ms() == 5070

    worker.complete(slow, Retry(0))
    (again,) = worker.step()

    assert again is slow
    assert not again.cancelled


def test_slow_and_stuck_tasks_are_told() -> None:
    shop = Shop()
    shop.publish("a1", "b1")
    worker = shop.worker(settings={"slow_task_ms": 10, "stuck_task_fatal_ms": 20, "concurrency": 1})
    (task,) = worker.step()
    shop.clock.advance(9)

    assert (worker.slow(), worker.healthy()) == (0, True)

    shop.clock.advance(1)

    assert (worker.slow(), worker.healthy()) == (1, True)

    shop.clock.advance(10)

    assert (worker.slow(), worker.healthy()) == (1, False)

    worker.complete(task, DONE)
    worker.step()

    assert (worker.slow(), worker.healthy()) == (0, True)


def test_nothing_is_slow_or_stuck_when_that_is_turned_off() -> None:
    shop = Shop()
    shop.publish("a1")
    worker = shop.worker(settings={"slow_task_ms": 0, "stuck_task_fatal_ms": 0})
    worker.step()
    shop.clock.advance(10**9)

    assert (worker.slow(), worker.healthy()) == (0, True)


def test_an_observer_is_told_how_each_handler_ended_and_how_long_it_took() -> None:
    shop, diary = Shop(), Diary()
    shop.publish("a1")
    worker = shop.worker(observer=diary)
    (task,) = worker.step()
    shop.clock.advance(30)
    worker.complete(task, Retry(0))
    (task,) = worker.step()
    shop.clock.advance(5)
    worker.complete(task, DONE)

    assert diary.finishes == [(0, Retry(0), 30), (0, DONE, 5)]


# What it says of itself.


def test_lag_is_what_is_not_finished() -> None:
    shop = Shop(partitions=2)
    shop.publish("a1", "b1", "c1")
    worker = shop.worker(settings={"prefetch": 1})

    assert worker.lag() == {}

    (task,) = worker.step()

    assert worker.lag() == {0: 3, 1: 0}

    worker.complete(task, DONE)

    assert worker.lag() == {0: 2, 1: 0}


def test_lag_is_not_guessed_when_the_queue_is_away() -> None:
    """W-19: unknown is not caught up."""
    shop = Shop()
    worker = shop.worker()
    shop.queue.unreachable = True

    with pytest.raises(QueueUnavailable):
        worker.lag()


def test_it_is_idle_when_all_is_done_and_committed() -> None:
    shop = Shop()
    worker = shop.worker()

    assert not worker.idle

    worker.step()

    assert worker.idle

    shop.publish("a1")
    work_off(worker)

    assert not worker.idle

    worker.commit()

    assert worker.idle

    shop.queue.unreachable = True
    worker.step()

    assert not worker.idle


def test_it_is_not_idle_while_it_has_not_looked_into_a_new_partition() -> None:
    worker = Shop().worker()
    worker.step()
    worker.assigned({1: 0})

    assert not worker.idle


def test_what_is_due_says_how_long_the_driver_may_rest() -> None:
    shop = Shop()
    shop.publish("a1")
    worker = shop.worker(settings={"commit_interval_ms": 60})

    assert worker.rest_ms(500) == 500

    work_off(worker)

    assert (worker.rest_ms(500), worker.rest_ms(20)) == (60, 20)

    shop.clock.advance(100)

    assert worker.rest_ms(500) == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, 0) for name in ("concurrency", "max_waiting", "max_parked_keys", "max_deliveries")),
        ("commit_interval_ms", 0),
        *(
            (name, -1)
            for name in (
                "prefetch",
                "rebalance_drain_ms",
                "slow_task_ms",
                "task_timeout_ms",
                "stuck_task_fatal_ms",
            )
        ),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(name: str, value: int) -> None:
    with pytest.raises(InvalidConfiguration, match=name):
        WorkerSettings(**{name: value})


def test_settings_have_the_defaults_of_the_specification() -> None:
    settings = WorkerSettings()

    assert (settings.concurrency, settings.commit_interval_ms, settings.max_deliveries) == (10, 5000, 3)
    assert (settings.rebalance_drain_ms, settings.max_parked_keys) == (30_000, 1000)
    assert (settings.task_timeout_ms, settings.stuck_task_fatal_ms, settings.slow_task_ms) == (0, 600_000, 300_000)


def test_the_topic_and_group_of_a_worker_are_told() -> None:
    worker = Shop().worker()

    assert (worker.topic, worker.group) == (TOPIC, GROUP)
