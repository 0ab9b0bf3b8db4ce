"""What a state directory survives: kills, other processes, other versions, a full disk, and its own growth."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from backbeat_adapters.clock import SystemClock
from backbeat_adapters.embedded import EmbeddedEngine
from backbeat_adapters.embedded.groups import KEEP_RECORDS
from backbeat_adapters.embedded.schema import VERSION
from backbeat_core.errors import (
    CacheUnavailable,
    Conflict,
    CoordinatorUnavailable,
    Fenced,
    HistoryLost,
    InvalidConfiguration,
    InvalidInput,
    QueueUnavailable,
    StoreUnavailable,
)
from backbeat_core.ports.cache import AddMember, Count, Increment, Range, Size
from backbeat_core.ports.queue import Listener, Message, Published, Start
from backbeat_core.testing.memory import ManualClock


class Owned(Listener):
    """Remembers what it owns, and all that it was told."""

    def __init__(self) -> None:
        self.now, self.lost_ever = set(), []

    def assigned(self, offsets):
        self.now |= set(offsets)

    def revoked(self, partitions):
        self.now -= set(partitions)

    def lost(self, partitions):
        self.lost_ever += partitions
        self.now -= set(partitions)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def open_engine(state, clock):
    """Open engines, each a process of its own as far as the directory can tell."""
    opened = []

    def open_one(**options):
        opened.append(EmbeddedEngine.open(state, options.pop("clock", clock), **options))
        return opened[-1]

    yield open_one
    for engine in opened:
        engine.close()


def messages(count, size=10):
    return [Message(b"%d" % n + b"." * size, b"key-%d" % n) for n in range(count)]


# Opening


def test_a_second_worker_is_told_who_is_there(open_engine, state):
    open_engine(exclusive=True)

    with pytest.raises(InvalidConfiguration) as refusal:
        open_engine(exclusive=True)

    assert f"{state} is in use by process {os.getpid()}" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_others_look_and_write_while_the_worker_works(open_engine):
    worker = open_engine(exclusive=True)
    worker.store.put("bucket", "key", {"n": 1})

    looker = open_engine()

    assert {"n": 1} == looker.store.get("bucket", "key").value
    looker.queue.publish("topic", messages(3))
    assert 3 == sum(mark.high for mark in worker.queue.watermarks("topic").values())


def test_a_closed_worker_makes_room(open_engine):
    open_engine(exclusive=True).close()

    open_engine(exclusive=True).close()


def test_a_state_of_another_version_is_named(open_engine, state):
    open_engine().close()
    with sqlite3.connect(state / "backbeat.db") as database:
        database.execute("PRAGMA user_version = 7")
    database.close()

    with pytest.raises(InvalidConfiguration) as refusal:
        open_engine()

    for part in (str(state), "version 7", f"version {VERSION}"):
        assert part in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_database_of_something_else_is_left_alone(open_engine, state):
    state.mkdir()
    with sqlite3.connect(state / "backbeat.db") as database:
        database.execute("CREATE TABLE theirs (a)")
    database.close()

    with pytest.raises(InvalidConfiguration, match="not a database of backbeat"):
        open_engine()

    with sqlite3.connect(state / "backbeat.db") as database:
        assert [("theirs",)] == database.execute("SELECT name FROM sqlite_master").fetchall()
    database.close()


@pytest.mark.parametrize("content", [b"no database at all" * 300, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_state_is_refused_in_one_line(open_engine, state, content):
    state.mkdir()
    (state / "backbeat.db").write_bytes(content)

    with pytest.raises(InvalidConfiguration, match="cannot use") as refusal:
        open_engine()

    assert str(state) in str(refusal.value)
    assert content == (state / "backbeat.db").read_bytes()


def test_looking_at_a_state_that_is_not_there_makes_none(open_engine, state):
    with pytest.raises(InvalidConfiguration, match="there is no state"):
        open_engine(create=False)

    assert not state.exists()


def test_a_place_where_no_directory_can_be_is_refused(tmp_path, clock):
    (tmp_path / "file").write_bytes(b"")

    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InvalidConfiguration, match="cannot use"):
            EmbeddedEngine.open(place, clock)


# Failing


def test_a_removed_state_is_not_written_to_any_more(open_engine, state):
    engine = open_engine(clock=SystemClock())
    engine.store.put("bucket", "key", {})
    shutil.rmtree(state)
    time.sleep(1.1)

    with pytest.raises(StoreUnavailable):
        engine.store.put("bucket", "key", {})
    with pytest.raises(CacheUnavailable):
        engine.cache.read([Count("n")])
    with pytest.raises(CoordinatorUnavailable):
        engine.coordinator.get("/")
    assert [QueueUnavailable] == [type(result) for result in engine.queue.publish("topic", messages(1))]


def test_a_full_disk_is_said_and_loses_nothing(open_engine):
    engine = open_engine()
    first = engine.store.put("bucket", "key", {"n": 1})
    database = engine.database.connection()
    ((pages,),) = database.execute("PRAGMA page_count")
    database.execute(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(StoreUnavailable, match="no space is left for"):
        engine.store.put("bucket", "other", {"filler": "x" * 500_000})
    results = engine.queue.publish("topic", messages(500, 5000))

    assert {QueueUnavailable} == {type(result) for result in results}
    assert first == engine.store.get("bucket", "key")
    database.execute("PRAGMA max_page_count = 1000000")
    assert all(isinstance(result, Published) for result in engine.queue.publish("topic", messages(500, 5000)))
    assert 500 == sum(mark.high for mark in engine.queue.watermarks("topic").values())


def test_what_is_refused_for_its_own_fault_stays_so_when_the_engine_fails(open_engine):
    engine = open_engine()
    engine.close()
    huge = Message(b"x" * 5_000_021)

    assert [QueueUnavailable] * 2 == [type(result) for result in engine.queue.publish("t", [Message(b""), huge])]


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
    assert time.monotonic() - begun < 5


def test_an_idle_poll_waits_no_longer_than_told(open_engine):
    consumer = open_engine(clock=SystemClock()).queue.subscribe("topic", "g", Owned())
    begun = time.monotonic()

    assert [] == consumer.poll(10, 300)

    assert 0.25 <= time.monotonic() - begun < 5


def test_a_process_that_died_gives_its_lease_up(open_engine, state):
    engine = open_engine()
    lease = engine.coordinator.acquire("name", "dies", 3_600_000)
    engine.processes.close()  # what the kernel does to a killed process's locks

    other = open_engine()

    assert {} == other.coordinator.holders("name")
    assert lease.fencing < other.coordinator.acquire("name", "heir", 1000).fencing
    with pytest.raises(Fenced):
        engine.coordinator.renew(lease, 1000)


# Growth


def test_records_that_all_groups_are_done_with_are_let_go(open_engine, state):
    engine = open_engine()
    consumers = [engine.queue.subscribe("topic", group, Owned()) for group in ("fast", "slow")]
    sizes = []
    for round_ in range(12):
        engine.queue.publish("topic", [Message(b"x" * 300, partition=0) for _ in range(1000)])
        for consumer in consumers if round_ < 8 else consumers[:1]:
            while records := consumer.poll(500):
                consumer.commit({0: records[-1].offset + 1})
        sizes.append((state / "backbeat.db").stat().st_size)

    mark = engine.queue.watermarks("topic")[0]
    assert sizes[7] < 1.2 * sizes[4], "the file does not grow while all groups keep up"
    assert 12_000 == mark.high
    assert 0 < mark.low <= 8000, "what one group has still to read stays"
    while records := consumers[1].poll(500):
        consumers[1].commit({0: records[-1].offset + 1})
    mark = engine.queue.watermarks("topic")[0]
    assert mark.high - mark.low <= KEEP_RECORDS + 2000
    late = engine.queue.subscribe("topic", "late", Owned(), start=Start.EARLIEST)
    assert mark.low == late.poll(1)[0].offset


def test_a_poll_stops_before_large_records_fill_the_memory(open_engine):
    engine = open_engine()
    engine.queue.publish("topic", [Message(b"x" * 4_000_000, partition=0) for _ in range(12)])
    consumer, polls = engine.queue.subscribe("topic", "g", Owned()), []

    while records := consumer.poll(1000):
        polls.append(len(records))

    assert 12 == sum(polls)
    assert max(polls) <= 5


def test_grown_topics_are_read_from_their_beginning(open_engine):
    engine = open_engine()
    owned = Owned()
    consumer = engine.queue.subscribe("topic", "g", owned, start=Start.LATEST)
    consumer.poll(0)
    engine.queue.grow("topic", 6)
    engine.queue.publish("topic", [Message(b"new", partition=5)])

    assert [b"new"] == [record.value for record in consumer.poll(10)]
    assert {0, 1, 2, 3, 4, 5} == owned.now


def test_a_group_that_will_not_come_back_can_be_forgotten(open_engine):
    queue = open_engine().queue
    queue.subscribe("topic", "gone", Owned()).close()

    queue.forget_group("topic", "gone")
    queue.forget_group("topic", "never")

    assert {} == queue.committed("topic", "gone")


def test_the_feed_lets_go_of_what_its_readers_have_behind_them(open_engine, state):
    store = open_engine().store
    for n in range(40):
        store.put("bucket", f"key-{n % 4}", {"n": n})
    store.delete("bucket", "key-0")
    behind = store.changes(None, limit=30).position

    store.forget(behind)
    store.forget(behind)

    assert [str(n) for n in range(31, 42)] == [c.position for c in store.changes(None).changes]
    with pytest.raises(HistoryLost):
        store.changes("29")
    assert [36 + n for n in (1, 2, 3)] == [d.value["n"] for d in store.scan("bucket")]
    store.forget(store.position())
    store.put("bucket", "key-1", {"n": 99})
    assert {"n": 99} == store.get("bucket", "key-1").value
    with sqlite3.connect(state / "backbeat.db") as database:
        assert 4 >= database.execute("SELECT count(*) FROM writes").fetchone()[0]
    database.close()


def test_positions_are_never_given_twice(open_engine):
    store = open_engine().store
    store.put("bucket", "key", {})
    store.delete("bucket", "key")
    position = store.position()
    store.forget(position)

    store.put("bucket", "key", {"new": 1})

    assert int(store.position()) > int(position)
    assert [{"new": 1}] == [change.value for change in store.changes(position).changes]


def test_expired_sets_go_little_by_little(open_engine, clock, state):
    cache = open_engine().cache
    for at in range(0, 5000, 500):
        cache.write([AddMember("big", str(n), n, 1000) for n in range(at, at + 500)])
    clock.advance(1001)
    assert [0] == list(cache.read([Size("big")]))
    cache.write([AddMember("big", "new", 1)])
    assert [(("new", 1),)] == list(cache.read([Range("big")]))

    for _ in range(256 * 12):
        cache.write([Increment("n", 1)])

    with sqlite3.connect(state / "backbeat.db") as database:
        assert [(1,)] == database.execute("SELECT count(*) FROM cache_members").fetchall()
    database.close()


# Odd input


def test_keys_may_be_names_of_any_bytes(open_engine):
    store = open_engine().store
    keys = [b"\xff".decode("utf-8", "surrogateescape"), "\ud800", "\U00010000", "\ue000", "a\0b", "z"]
    for key in keys:
        store.put("bucket", key, {"name": key})

    assert sorted(keys) == [document.key for document in store.scan("bucket")]
    assert sorted(keys) == [document.value["name"] for document in store.scan("bucket")]
    assert sorted(keys) == sorted(change.key for change in store.changes(None).changes)


@pytest.mark.parametrize("value", [{"n": float("nan")}, {"n": object()}, [1], {"n": {1, 2}}])
def test_what_is_not_json_is_refused(open_engine, value):
    store = open_engine().store

    with pytest.raises(InvalidInput):
        store.put("bucket", "key", value)

    assert store.get("bucket", "key") is None


def test_numbers_that_do_not_fit_are_refused_whole(open_engine):
    cache = open_engine().cache
    for writes in (
        [Increment("a", 1), Increment("b", 2**64)],
        [Increment("a", 2**63 - 1), Increment("a", 1)],
        [Increment("a", 1), AddMember("a", "m", 1)],
    ):
        with pytest.raises(InvalidInput):
            cache.write(writes)

    assert [0, 0] == list(cache.read([Count("a"), Count("b")]))


def test_closing_twice_is_closing_once(open_engine):
    engine = open_engine()
    consumer = engine.queue.subscribe("topic", "g", Owned())
    consumer.poll(0)
    for _ in range(2):
        consumer.close()
        for port in (engine.queue, engine.store, engine.cache, engine.coordinator, engine):
            port.close()


def test_leaving_the_directory_leaves_no_process_behind(open_engine, state):
    open_engine().close()

    assert [] == os.listdir(Path(state) / "processes")
