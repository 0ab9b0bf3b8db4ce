"""A worker whose partitions come and go: drain, late completions, fencing, rewinds, outages, an orderly end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from backbeat_core.errors import Fenced, QueueUnavailable
from backbeat_core.queueing.backoff import Backoff
from backbeat_core.queueing.gate import SHUTDOWN
from backbeat_core.queueing.outcome import DONE, Deferred, Failed, Retry
from backbeat_core.services.worker import Task, Worker
from services.worker_desk import GROUP, TOPIC, Diary, Shop, names, work_off


def draining(shop: Shop, ends: list[tuple[int, Callable[[Worker], None]]], **options: Any) -> Worker:
    """Return a worker for which, while it drains, each of *ends* is called when its milliseconds have passed."""
    waits = iter(ends)

    def wait(timeout_ms: int) -> bool:
        after, end = next(waits, (None, None))
        if after is None or end is None or after > timeout_ms:
            shop.clock.advance(timeout_ms)
            return False
        shop.clock.advance(after)
        end(worker)
        return True

    worker = shop.worker(wait_for_completions=wait, **options)
    return worker


def take_over(shop: Shop, worker: Worker) -> Worker:
    """Let a second worker join, so that half of the first one's partitions are asked back at its next step."""
    second = shop.worker()
    second.step()
    worker.step()
    return second


def test_running_tasks_finish_within_the_drain_and_are_committed() -> None:
    shop, diary = Shop(partitions=2), Diary()
    shop.publish("a1", "a2", partition=1)
    tasks: list[Task] = []
    worker = draining(shop, [(500, lambda worker: worker.complete(tasks[0], DONE))], observer=diary)
    tasks += worker.step()
    second = take_over(shop, worker)

    assert diary.rebalances == ["drained"]
    assert {0: 0, 1: 1} == shop.committed
    assert list(worker.owned) == [0]
    assert work_off(second) == ["a2"]


def test_what_had_not_started_is_not_started_while_draining() -> None:
    shop = Shop(partitions=2)
    shop.publish("a1", "a2", "b1", partition=1)
    tasks: list[Task] = []
    started: list[Task] = []

    def end(worker: Worker) -> None:
        worker.complete(tasks[0], DONE)
        started.extend(worker.take())

    worker = draining(shop, [(500, end)], settings={"concurrency": 1})
    tasks += worker.step()
    second = take_over(shop, worker)

    assert started == []
    assert worker.in_flight == 0
    assert work_off(second) == ["a2", "b1"]


def test_a_task_over_the_drain_is_cancelled_and_done_once_elsewhere() -> None:
    shop, diary = Shop(partitions=2), Diary()
    shop.publish("a1", partition=1)
    worker = draining(shop, [], observer=diary, settings={"rebalance_drain_ms": 700})
    (task,) = worker.step()
    second = take_over(shop, worker)

    assert shop.clock.elapsed_ms() == 700
    assert diary.rebalances == ["timeout"]
    assert task.cancelled
    assert work_off(second) == ["a1"]
    second.commit()

    worker.complete(task, DONE)
    worker.commit()

    assert {0: 0, 1: 1} == shop.committed
    assert (worker.running, worker.in_flight) == (0, 0)


def test_a_drain_is_bounded_from_the_moment_it_began() -> None:
    waits: list[int] = []
    shop, diary = Shop(partitions=2), Diary()
    shop.clock.advance(100_000)
    shop.publish("a1", partition=1)

    def wait(timeout_ms: int) -> bool:
        # Something ends each time, and it is never a task of what is given up.
        waits.append(timeout_ms)
        shop.clock.advance(250)
        return True

    worker = shop.worker(
        observer=diary, wait_for_completions=wait, settings={"rebalance_drain_ms": 501, "concurrency": 1}
    )
    worker.step()
    take_over(shop, worker)

    assert waits == [501, 251, 1]
    assert diary.rebalances == ["timeout"]


def test_a_drain_that_is_over_at_its_deadline_does_not_wait() -> None:
    shop, diary = Shop(partitions=2), Diary()
    shop.publish("a1", partition=1)
    worker = draining(shop, [(0, lambda worker: None)], observer=diary, settings={"rebalance_drain_ms": 0})
    (task,) = worker.step()
    take_over(shop, worker)

    assert diary.rebalances == ["timeout"]
    assert task.cancelled


def test_a_task_that_ends_although_nobody_says_so_is_drained() -> None:
    shop, diary = Shop(partitions=2), Diary()
    shop.publish("a1", partition=1)
    tasks: list[Task] = []

    def wait(timeout_ms: int) -> bool:
        worker.complete(tasks[0], DONE)
        return False

    worker = shop.worker(observer=diary, wait_for_completions=wait)
    tasks += worker.step()
    take_over(shop, worker)

    assert diary.rebalances == ["drained"]


def test_tasks_of_other_partitions_are_not_waited_for() -> None:
    """1.10: only revoked partitions drain."""
    shop, diary = Shop(partitions=2), Diary()
    shop.publish("a1")
    worker = draining(shop, [], observer=diary)
    (task,) = worker.step()
    take_over(shop, worker)

    assert diary.rebalances == ["idle"]
    assert shop.clock.elapsed_ms() == 0
    assert not task.cancelled


def test_an_end_that_comes_with_the_last_wait_counts_as_drained() -> None:
    shop, diary = Shop(partitions=2), Diary()
    shop.publish("a1", "b1", partition=1)
    tasks: list[Task] = []
    ends = [(300, lambda worker: worker.complete(tasks[0], DONE)), (400, lambda w: w.complete(tasks[1], DONE))]
    worker = draining(shop, ends, observer=diary, settings={"rebalance_drain_ms": 700})
    tasks += worker.step()
    take_over(shop, worker)

    assert diary.rebalances == ["drained"]
    assert {0: 0, 1: 2} == shop.committed


def test_a_worker_without_hands_does_not_wait() -> None:
    shop, diary = Shop(partitions=2), Diary()
    shop.publish("a1", partition=1)
    worker = shop.worker(observer=diary)
    worker.step()
    take_over(shop, worker)

    assert diary.rebalances == ["timeout"]


def test_a_deferred_answer_is_waited_for() -> None:
    shop, diary = Shop(partitions=2), Diary()
    shop.publish("a1", "b1", partition=1)
    tasks: list[Task] = []
    ends = [
        (10, lambda worker: worker.complete(tasks[1], Deferred(10_000))),
        (10, lambda worker: worker.complete(tasks[0], DONE)),
        (10, lambda worker: worker.complete(tasks[1], DONE)),
    ]
    worker = draining(shop, ends, observer=diary)
    tasks += worker.step()
    worker.complete(tasks[0], Deferred(10_000))
    take_over(shop, worker)

    assert diary.rebalances == ["drained"]
    assert {0: 0, 1: 2} == shop.committed


def test_answers_for_other_partitions_are_still_awaited_afterwards() -> None:
    shop = Shop(partitions=2)
    shop.publish("a1")
    shop.publish("b1", partition=1)
    worker = shop.worker()
    tasks = worker.step()
    for task in tasks:
        worker.complete(task, Deferred(10_000))
    take_over(shop, worker)

    assert worker.in_flight == 1
    assert worker.next_due_ms() == 10_000

    for task in tasks:
        worker.complete(task, DONE)
    worker.commit()

    assert {0: 1, 1: 0} == shop.committed


def test_a_deferred_answer_that_comes_after_the_end_is_ignored() -> None:
    shop = Shop(partitions=2)
    shop.publish("a1", "a2", partition=1)
    worker = shop.worker()
    (task,) = worker.step()
    worker.complete(task, Deferred(10_000))
    second = take_over(shop, worker)
    worker.complete(task, DONE)

    assert (worker.in_flight, worker.busy, worker.next_due_ms()) == (0, False, None)
    assert work_off(second) == ["a1", "a2"]


@pytest.mark.parametrize("outcome", [Retry(5), Failed("no")])
def test_what_is_put_off_while_draining_is_left_to_the_next_owner(outcome: Any) -> None:
    shop = Shop(partitions=2)
    shop.publish("a1", partition=1)
    tasks: list[Task] = []
    worker = draining(shop, [(5, lambda worker: worker.complete(tasks[0], outcome))])
    tasks += worker.step()
    second = take_over(shop, worker)

    assert (worker.in_flight, worker.busy) == (0, False)
    assert work_off(second) == ["a1"]
    assert shop.dead_letters() == []


@pytest.mark.parametrize("outcome", [Retry(5), Failed("no")])
def test_parked_entries_go_with_their_partition(outcome: Any) -> None:
    shop = Shop(partitions=2)
    shop.publish("a1", partition=1)
    worker = shop.worker()
    (task,) = worker.step()
    worker.complete(task, outcome)
    second = shop.worker()
    second.step()
    worker.revoked([1])

    assert (worker.parked, worker.in_flight, worker.busy, worker.next_due_ms()) == (0, 0, False, None)
    assert not worker.owned.get(1)
    worker.step()
    assert work_off(second) == ["a1"]


def test_a_partition_that_comes_back_begins_at_the_commit_and_forgets_the_past() -> None:
    """W-08."""
    shop = Shop(partitions=2)
    shop.publish("a1", "b1", partition=1)
    worker = shop.worker()
    late, _ = worker.step()
    second = take_over(shop, worker)
    work_off(second)
    second.close()
    shop.publish("c1", partition=1)

    assert names(worker.step()) == ["c1"]
    assert worker.owned[1].generation > late.generation

    worker.complete(late, DONE)
    worker.commit()

    assert {0: 0, 1: 2} == shop.committed


def test_a_key_is_not_begun_while_a_late_task_still_works_on_it() -> None:
    """INV-13: not even across assignments."""
    shop = Shop(partitions=2)
    shop.publish("a1", partition=1)
    worker = shop.worker()
    (late,) = worker.step()
    take_over(shop, worker).close()

    assert worker.step() == []
    assert worker.in_flight == 2

    worker.complete(late, Retry())

    assert names(worker.step()) == ["a1"]


def test_lost_partitions_commit_nothing_and_their_tasks_are_cancelled() -> None:
    shop, diary = Shop(), Diary()
    shop.publish("a1", "b1", "c1")
    worker = shop.worker(observer=diary, settings={"concurrency": 2})
    a, b = worker.step()
    worker.complete(a, DONE)
    shop.queue.expel(shop.queue.consumers[0])
    worker.gate.close("test")
    worker.step()

    assert diary.rebalances == ["lost"]
    assert b.cancelled
    assert {0: 0} == shop.committed
    assert worker.in_flight == 1

    worker.complete(b, DONE)
    worker.gate.open("test")

    assert work_off(worker) == ["a1", "b1", "c1"]


def test_news_of_partitions_it_does_not_have_changes_nothing() -> None:
    shop, diary = Shop(), Diary()
    shop.publish("a1")
    worker = shop.worker(observer=diary)
    (task,) = worker.step()
    worker.lost([5])

    assert diary.rebalances == []
    assert not task.cancelled


def test_a_grant_that_overtakes_the_end_of_a_drain_is_worked_on() -> None:
    """The reference was found idle for hours after it, healthy on every probe."""
    shop = Shop()
    shop.publish("a1", "b1")
    tasks: list[Task] = []

    def end(worker: Worker) -> None:
        worker.assigned({0: 0})
        worker.complete(tasks[0], DONE)

    worker = draining(shop, [(1, end)], settings={"concurrency": 1})
    tasks += worker.step()
    worker.revoked([0])

    assert list(worker.owned) == [0]

    shop.queue.rewind(0, 0)

    assert work_off(worker) == ["a1", "b1"]


def test_an_assignment_over_an_assignment_begins_anew() -> None:
    shop = Shop()
    shop.publish("a1", "b1", "c1")
    worker = shop.worker(settings={"concurrency": 1})
    (old,) = worker.step()
    worker.assigned({0: 0})

    assert old.cancelled
    assert worker.in_flight == 1

    shop.queue.rewind(0, 0)
    worker.complete(old, DONE)

    assert work_off(worker) == ["a1", "b1", "c1"]


def test_records_of_a_partition_given_up_meanwhile_are_discarded() -> None:
    """W-07."""
    shop = Shop()
    shop.publish("a1")
    worker = shop.worker()
    worker.gate.close("test")
    worker.step()
    consumer = shop.queue.consumers[0]
    poll = consumer.poll

    def poll_and_lose(limit: int, timeout_ms: int = 0) -> Any:
        records = poll(limit, timeout_ms)
        worker.lost([0])
        return records

    consumer.poll = poll_and_lose  # type: ignore[method-assign]
    worker.gate.open("test")

    assert worker.step() == []
    assert worker.in_flight == 0


def test_a_fenced_partition_does_not_hold_up_the_commits_of_the_others() -> None:
    shop, diary = Shop(partitions=3), Diary()
    for partition, name in enumerate(("a1", "b1", "c1")):
        shop.publish(name, partition=partition)
    worker = shop.worker(observer=diary)
    for task in worker.step():
        worker.complete(task, DONE)
    shop.broker.group(TOPIC, GROUP).owners[1] = None  # type: ignore[assignment]
    worker.commit()

    assert {0: 1, 1: 0, 2: 1} == shop.committed
    assert [type(error) for error in diary.troubles] == [Fenced]
    # It goes on with what it has until the queue says otherwise: nothing is left to nobody.
    assert not worker.idle
    assert 1 in worker.owned

    worker.step()

    assert diary.rebalances == ["lost"]


# Rewinds.


def test_a_redelivery_of_a_running_entry_is_not_run_twice() -> None:
    shop = Shop()
    shop.publish("a1", "b1")
    worker = shop.worker()
    a, b = worker.step()
    shop.queue.rewind(0, 0)

    assert worker.step() == []

    worker.complete(b, DONE)
    worker.complete(a, DONE)
    worker.commit()

    assert {0: 2} == shop.committed


def test_a_rewind_keeps_the_order_of_a_key() -> None:
    shop = Shop()
    shop.publish("a1", "a2", "a3")
    worker = shop.worker()
    (first,) = worker.step()
    worker.complete(first, DONE)
    (second,) = worker.step()
    shop.queue.rewind(0, 0)

    assert worker.step() == []

    worker.complete(second, DONE)

    assert work_off(worker) == ["a1", "a2", "a3"]

    worker.commit()

    assert {0: 3} == shop.committed


def test_a_rewind_lets_go_of_what_was_parked_or_condemned() -> None:
    shop = Shop()
    shop.publish("a1", "b1", "c1")
    worker = shop.worker()
    a, b, c = worker.step()
    worker.complete(a, DONE)
    worker.complete(b, Retry(1000))
    worker.complete(c, Failed("no"))
    shop.queue.refused.add("jobs-dead-letter")
    worker.step()

    assert worker.parked == 2

    shop.queue.rewind(0, 1)

    assert work_off(worker) == ["b1", "c1"]
    assert (worker.parked, worker.busy, worker.in_flight) == (0, False, 0)


def test_what_a_rewind_lets_go_of_is_parked_no_more() -> None:
    shop = Shop()
    shop.publish("a1", "b1", "c1")
    worker = shop.worker(settings={"max_parked_keys": 2, "prefetch": 2, "concurrency": 2})
    for _ in range(3):
        a, b = worker.step()
        worker.complete(a, DONE)
        worker.complete(b, Retry(10_000))
        shop.queue.rewind(0, 0)
    a, b = worker.step()
    worker.complete(a, Retry(10_000))
    worker.complete(b, DONE)

    assert names(worker.step()) == ["c1"]


def test_a_rewind_of_one_partition_leaves_the_others_alone() -> None:
    shop = Shop(partitions=2)
    shop.publish("a1", "b1")
    shop.publish("c1", "d1", partition=1)
    worker = shop.worker(settings={"concurrency": 1})
    (task,) = worker.step()
    shop.queue.rewind(1, 0)
    worker.poll()
    worker.complete(task, DONE)

    assert sorted(names([task]) + work_off(worker)) == ["a1", "b1", "c1", "d1"]


def test_a_rewind_below_the_commit_does_not_take_the_commit_back() -> None:
    shop = Shop()
    shop.publish("a1", "b1")
    worker = shop.worker()
    work_off(worker)
    worker.commit()
    shop.queue.rewind(0, 0)
    worker.step()
    worker.commit()

    assert {0: 2} == shop.committed


# Outages.


def test_a_queue_that_is_away_is_left_alone_for_longer_each_time() -> None:
    shop, diary = Shop(), Diary()
    shop.publish("a1", "b1")
    worker = shop.worker(observer=diary, settings={"concurrency": 1})
    (task,) = worker.step()
    shop.queue.unreachable = True

    assert worker.step() == []
    assert isinstance(worker.trouble, QueueUnavailable)
    assert worker.next_due_ms() == 1000

    worker.complete(task, DONE)

    assert worker.poll() == 0
    assert names(worker.take()) == ["b1"]
    assert [type(error) for error in diary.troubles] == [QueueUnavailable]

    shop.clock.advance(1000)
    worker.step()

    assert worker.next_due_ms() == 3000

    shop.clock.advance(2000)
    worker.step()
    worker.commit()

    assert worker.next_due_ms() == 7000

    shop.queue.unreachable = False
    shop.clock.advance(4000)
    worker.step()

    assert worker.trouble is None

    worker.commit()
    shop.queue.unreachable = True
    shop.clock.advance(1)
    worker.step()

    assert worker.next_due_ms() == 8001


def test_a_queue_that_is_away_is_left_alone_for_a_time_with_jitter() -> None:
    shop = Shop()
    worker = shop.worker(settings={"backoff": Backoff(jitter=0.5)}, chance=lambda: 0.1)
    shop.queue.unreachable = True
    worker.step()

    assert worker.next_due_ms() == 1050


def test_a_queue_that_is_away_at_first_is_joined_later() -> None:
    shop = Shop()
    shop.publish("a1")
    worker = shop.worker()
    shop.queue.unreachable = True

    assert worker.step() == []

    shop.queue.unreachable = False
    shop.clock.advance(1000)

    assert work_off(worker) == ["a1"]


def test_a_commit_that_is_refused_is_made_at_the_next_turn() -> None:
    shop, diary = Shop(), Diary()
    shop.publish("a1")
    worker = shop.worker(observer=diary)
    work_off(worker)
    shop.queue.unreachable = True
    worker.commit()

    assert [type(error) for error in diary.troubles] == [QueueUnavailable]
    assert not worker.idle
    assert worker.next_due_ms() == 5000

    shop.queue.unreachable = False
    shop.clock.advance(5000)
    worker.step()

    assert {0: 1} == shop.committed
    assert worker.idle


# The end.


def test_a_graceful_end_drains_commits_and_leaves() -> None:
    shop = Shop()
    shop.publish("a1", "b1")
    tasks: list[Task] = []
    worker = draining(shop, [(5, lambda worker: worker.complete(tasks[0], DONE))], settings={"concurrency": 1})
    tasks += worker.step()
    worker.close()

    assert {0: 1} == shop.committed
    assert worker.gate.reasons == (SHUTDOWN,)
    assert worker.closed
    assert worker.owned == {}
    assert shop.broker.group(TOPIC, GROUP).members == []
    assert work_off(shop.worker()) == ["b1"]


def test_the_end_waits_no_longer_than_it_is_told() -> None:
    shop = Shop()
    shop.publish("a1")
    worker = draining(shop, [])
    (task,) = worker.step()
    worker.close(drain_ms=40)

    assert shop.clock.elapsed_ms() == 40
    assert task.cancelled


def test_after_the_end_nothing_is_polled_started_or_counted() -> None:
    shop = Shop()
    shop.publish("a1", "b1")
    worker = shop.worker(settings={"concurrency": 1})
    (task,) = worker.step()
    worker.close()
    worker.close()
    worker.complete(task, DONE)
    worker.gate.open(SHUTDOWN)

    assert worker.step() == []
    assert worker.room == 0
    assert {0: 0} == shop.committed


def test_a_worker_that_never_joined_has_nothing_to_leave() -> None:
    worker = Shop().worker()
    worker.close()

    assert worker.closed


def test_a_queue_that_is_away_at_the_end_does_not_hold_it_up() -> None:
    shop, diary = Shop(), Diary()
    shop.publish("a1", "b1")
    worker = shop.worker(observer=diary, settings={"concurrency": 1})
    work_off(worker)
    worker.step()
    shop.publish("c1")
    (task,) = worker.step()
    consumer = shop.queue.consumers[0]

    def refuse() -> None:
        raise QueueUnavailable("away")

    consumer.close = refuse  # type: ignore[method-assign]
    worker.close()

    assert worker.closed
    assert task.cancelled
    assert diary.rebalances == ["lost"]
    assert [type(error) for error in diary.troubles] == [QueueUnavailable]


def test_partitions_that_arrive_after_the_end_began_are_given_back_unworked() -> None:
    shop = Shop()
    shop.publish("a1")
    worker = shop.worker()
    worker.gate.close("test")
    worker.step()
    consumer = shop.queue.consumers[0]
    close = consumer.close

    def assign_and_close() -> None:
        worker.assigned({0: 0})
        close()

    consumer.close = assign_and_close  # type: ignore[method-assign]
    worker.close()

    assert worker.owned == {}
