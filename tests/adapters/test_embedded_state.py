"""What a state directory survives: other versions, a full disk, its own growth, and odd input."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from pathlib import Path

import pytest

from adapters.state_directories import Owned, messages
from backbeat_adapters.clock import SystemClock
from backbeat_adapters.embedded import EmbeddedEngine
from backbeat_adapters.embedded.groups import KEEP_RECORDS
from backbeat_adapters.embedded.schema import VERSION
from backbeat_core.errors import (
    CacheUnavailable,
    CoordinatorUnavailable,
    HistoryLost,
    InvalidConfiguration,
    InvalidInput,
    QueueUnavailable,
    StoreUnavailable,
)
from backbeat_core.ports.cache import AddMember, Count, Increment, Range, Size
from backbeat_core.ports.queue import Message, Published, Start

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
    assert [99, 38, 39] == [document.value["n"] for document in store.scan("bucket")]
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
