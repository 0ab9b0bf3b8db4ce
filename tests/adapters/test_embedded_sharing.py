"""What a state directory survives when it is shared: kills, threads, other processes, and steps as one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest

from adapters.state_directories import Owned, messages
from backbeat_adapters.clock import SystemClock
from backbeat_core.errors import (
    Conflict,
    Fenced,
    InvalidInput,
    QueueUnavailable,
    StoreUnavailable,
)
from backbeat_core.ports.cache import AddMember, Count, Increment

# Killed

CHILD = """
import sys
from backbeat_adapters.clock import SystemClock
from backbeat_adapters.embedded import EmbeddedEngine
from backbeat_core.ports.cache import Increment
from backbeat_core.ports.queue import Listener, Message

class Quiet(Listener):
    def assigned(self, offsets): pass
    def revoked(self, partitions): pass
    def lost(self, partitions): pass

engine = EmbeddedEngine.open(sys.argv[1], SystemClock(), exclusive=True)
lease = engine.coordinator.acquire("work", "a process that dies", 3_600_000)
assert lease is not None, "a dead process keeps its lease"
consumer = engine.queue.subscribe("topic", "group", Quiet())
held = engine.store.get("bucket", "counter")
n = held.value["n"] if held else 0
while True:
    n += 1
    engine.store.put("bucket", "counter", {"n": n, "filler": "x" * 500})
    engine.queue.publish("topic", [Message(b"%d" % n, partition=0), Message(b"%d" % n, partition=1)])
    engine.cache.write([Increment("a", 1), Increment("b", 1)])
    for record in consumer.poll(10):
        consumer.commit({record.partition: record.offset + 1})
    if n % 100 == 0:
        print(n, flush=True)
"""


def test_kills_at_random_moments_lose_nothing_that_was_done(open_engine, state):
    chance, done = random.Random(20), 0
    for _ in range(8):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(state)], stdout=subprocess.PIPE)
        for _ in range(chance.randrange(1, 4)):
            line = child.stdout.readline()
            assert line, "the child ended on its own"
            done = int(line)
        time.sleep(chance.random() * 0.02)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        engine = open_engine(clock=SystemClock(), exclusive=True)
        assert [engine.processes.token] == os.listdir(state / "processes"), "the dead leave no trace"
        counter = engine.store.get("bucket", "counter").value["n"]
        highs = {mark.high for number, mark in engine.queue.watermarks("topic").items() if number < 2}
        # Each step of the child comes after the one before it is in the database.
        assert counter >= done
        assert len(highs) == 1, "a batch is published whole or not at all"
        assert len(set(engine.cache.read([Count("a"), Count("b")]))) == 1, "a write is whole"
        owned = Owned()
        consumer = engine.queue.subscribe("topic", "group", owned)
        consumer.poll(0)
        assert {0, 1, 2, 3} == owned.now, "what a dead process owned is free at once"
        engine.close()


# Several steps as one


def test_steps_together_are_one_transaction(open_engine):
    engine, other = open_engine(), open_engine()
    engine.store.put("bucket", "key", {"n": 1})

    with engine.together():
        engine.store.put("bucket", "key", {"n": 2})
        with engine.together():
            engine.queue.publish("topic", messages(4))
        with pytest.raises(Conflict):
            engine.store.put("bucket", "key", {"n": 3}, expected=b"stale")
        assert {"n": 2} == engine.store.get("bucket", "key").value
        assert {"n": 1} == other.store.get("bucket", "key").value
        assert {} == other.queue.watermarks("topic")
        engine.cache.write([Increment("n", 1)])

    assert {"n": 2} == other.store.get("bucket", "key").value
    assert 4 == sum(mark.high for mark in other.queue.watermarks("topic").values())
    assert [1] == list(other.cache.read([Count("n")]))


def half_written(engine):
    with pytest.raises(InvalidInput):
        engine.cache.write([Increment("n", 1), Increment("set", 1)])


def raised(engine):
    raise ZeroDivisionError


def out_of_space(engine):
    database = engine.database.connection()
    database.execute("PRAGMA max_page_count = 1")
    results = engine.queue.publish("topic", messages(100, 5000))
    assert {QueueUnavailable} == {type(result) for result in results}
    database.execute("PRAGMA max_page_count = 1000000")
    with pytest.raises(StoreUnavailable):
        engine.store.put("bucket", "after", {})


@pytest.mark.parametrize(
    ("trouble", "error"),
    [(half_written, StoreUnavailable), (raised, ZeroDivisionError), (out_of_space, StoreUnavailable)],
)
def test_steps_together_are_taken_back_together(open_engine, trouble, error):
    engine = open_engine()
    engine.cache.write([AddMember("set", "m", 1)])
    engine.queue.publish("topic", messages(1))
    before = dict(engine.queue.watermarks("topic"))

    def do():
        with engine.together():
            engine.store.put("bucket", "before", {})
            engine.queue.publish("topic", messages(2))
            trouble(engine)

    with pytest.raises(error):
        do()

    assert [] == list(engine.store.scan("bucket"))
    assert before == engine.queue.watermarks("topic")
    assert [0] == list(engine.cache.read([Count("n")]))
    with engine.together():
        engine.store.put("bucket", "again", {})
    assert ["again"] == [document.key for document in engine.store.scan("bucket")]


# Several threads, several processes


def test_threads_that_compare_and_set_lose_no_update(open_engine):
    engine = open_engine()
    engine.store.put("bucket", "key", {"n": 0, "kept": True})

    def work():
        done = 0
        while done < 50:
            found = engine.store.get("bucket", "key")
            try:
                engine.store.patch("bucket", "key", {"n": found.value["n"] + 1}, expected=found.version)
                done += 1
            except Conflict:
                continue

    run_threads([work] * 6)

    assert {"n": 300, "kept": True} == engine.store.get("bucket", "key").value


def run_threads(works):
    errors = []

    def guarded(work):
        try:
            work()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == errors


def test_members_of_threads_and_processes_share_the_work(open_engine):
    engines, seen, lock = [open_engine(clock=SystemClock()) for _ in range(3)], Counter(), threading.Lock()
    owners = [Owned() for _ in engines]
    consumers = [
        engine.queue.subscribe("topic", "g", owned) for engine, owned in zip(engines, owners, strict=True)
    ]
    for _ in range(5):
        for consumer in consumers:
            consumer.poll(0)
    assert [4, 0] == [len(set().union(*(o.now for o in owners))), sum(len(o.lost_ever) for o in owners)]

    def consume(consumer):
        def work():
            deadline = time.monotonic() + 30
            while sum(seen.values()) < 600 and time.monotonic() < deadline:
                records = consumer.poll(5, 50)
                with lock:
                    seen.update((record.partition, record.offset) for record in records)

        return work

    def publish():
        for n in range(20):
            engines[n % 3].queue.publish("topic", messages(30))

    run_threads([publish, *map(consume, consumers)])

    assert 600 == len(seen)
    assert {1} == set(seen.values())


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_waiting_poll_wakes_for_news(open_engine, elsewhere):
    engine = open_engine(clock=SystemClock())
    other = open_engine(clock=SystemClock()) if elsewhere else engine
    consumer, subscription = engine.queue.subscribe("topic", "g", Owned()), engine.cache.subscribe(["c"])
    consumer.poll(0)

    threading.Timer(0.2, lambda: other.queue.publish("topic", messages(1))).start()
    begun = time.monotonic()
    records = consumer.poll(10, 20_000)
    threading.Timer(0.2, lambda: other.cache.publish("c", "m")).start()
    heard = subscription.poll(20_000)

    assert 1 == len(records)
    assert [("c", "m")] == heard
    assert time.monotonic() - begun < 15


def test_an_idle_poll_waits_no_longer_than_told(open_engine):
    consumer = open_engine(clock=SystemClock()).queue.subscribe("topic", "g", Owned())
    begun = time.monotonic()

    assert [] == consumer.poll(10, 300)

    assert 0.25 <= time.monotonic() - begun < 15


def test_a_process_that_died_gives_its_lease_up(open_engine, state):
    engine = open_engine()
    lease = engine.coordinator.acquire("name", "dies", 3_600_000)
    engine.processes.close()  # what the kernel does to a killed process's locks

    other = open_engine()

    assert {} == other.coordinator.holders("name")
    assert lease.fencing < other.coordinator.acquire("name", "heir", 1000).fencing
    with pytest.raises(Fenced):
        engine.coordinator.renew(lease, 1000)
