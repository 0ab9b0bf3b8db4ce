"""`MongoStore` keeps the laws of the store on a real MongoDB, beside others who write the same documents."""

from __future__ import annotations

import contextlib
import datetime
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import pymongo
import pytest
from bson import Int64
from pymongo.database import Database
from pymongo.errors import PyMongoError

import servers
from backbeat_adapters.mongodb import MongoSettings, MongoStore, MongoTls
from backbeat_adapters.mongodb_documents import REVISION
from backbeat_core.errors import Conflict, HistoryLost, InvalidDocument, InvalidInput, StoreUnavailable
from backbeat_core.ports.store import Change, ChangeKind, Store
from backbeat_core.testing.contracts.common import fresh, within
from backbeat_core.testing.contracts.store import StoreContract
from servers.certificates import make_certificates

pytestmark = pytest.mark.mongodb


def settings(address: str, **others: Any) -> MongoSettings:
    return MongoSettings(hosts=address, replica_set="backbeat", **others)


class TestMongoStore(StoreContract):
    bounded_s = 5.0
    examples = 25

    @pytest.fixture(autouse=True)
    def _connections(self) -> Iterator[None]:
        self.opened: list[Store] = []
        yield
        for store in self.opened:
            store.close()

    def make_store(self) -> Store:
        return self._opened(MongoStore(settings(servers.address("mongodb"))))

    def make_dead_store(self) -> Store:
        return self._opened(MongoStore(settings(f"127.0.0.1:{servers.free_port()}", timeout_ms=300)))

    def _opened(self, store: Store) -> Store:
        self.opened.append(store)
        return store


@contextlib.contextmanager
def store_on(address: str, **others: Any) -> Iterator[MongoStore]:
    store = MongoStore(settings(address, **others))
    try:
        yield store
    finally:
        store.close()


@contextlib.contextmanager
def beside(address: str, **others: Any) -> Iterator[pymongo.MongoClient[dict[str, Any]]]:
    """Another program that uses the same database, in its own way."""
    with pymongo.MongoClient[dict[str, Any]](address, directConnection=True, **others) as client:
        yield client


@pytest.fixture
def store() -> Iterator[MongoStore]:
    with store_on(servers.address("mongodb")) as opened:
        yield opened


@pytest.fixture
def others() -> Iterator[Database[dict[str, Any]]]:
    with beside(servers.address("mongodb")) as client:
        yield client["metadata"]


@pytest.fixture
def bucket() -> str:
    return fresh("bucket")


def heard(store: MongoStore, after: str, bucket: str) -> list[tuple[str, ChangeKind, object]]:
    """Return what the feed says of a bucket up to a document of our own."""
    marker = fresh("marker")
    store.put(marker, "k", {})
    changes: list[Change] = []
    while not changes or changes[-1].collection != marker:
        feed = store.changes(after, limit=10)
        after = feed.position
        changes += feed.changes
    return [(c.key, c.kind, c.value) for c in changes if c.collection == bucket]


def test_documents_of_others_are_read_compared_and_set(
    store: MongoStore, others: Database[dict[str, Any]], bucket: str
) -> None:
    others[bucket].insert_one({"_id": "k", "value": {"n": 1, "md-model-version": Int64(6)}})
    found = store.get(bucket, "k")
    assert found is not None
    assert found.value == {"n": 1, "md-model-version": 6}

    # As CloudServer writes: the whole value, and nothing of ours.
    others[bucket].update_one({"_id": "k"}, {"$set": {"_id": "k", "value": {"n": 2}}}, upsert=True)
    with pytest.raises(Conflict):
        store.patch(bucket, "k", {"m": 1}, expected=found.version)
    seen = store.get(bucket, "k")
    assert seen is not None
    store.patch(bucket, "k", {"m": 1}, expected=seen.version)

    others[bucket].update_one({"_id": "k"}, {"$set": {"value": {"n": 3}}})
    with pytest.raises(Conflict):
        store.put(bucket, "k", {"n": 4}, expected=seen.version)
    assert [{"n": 3}] == [document.value for document in store.scan(bucket)]


def test_what_others_keep_beside_the_value_stays(store: MongoStore, others: Database[dict[str, Any]]) -> None:
    buckets, name = fresh("__metastore"), "one"
    others[buckets].insert_one({"_id": name, "value": {"owner": "me"}, "vFormat": "v1"})

    store.patch(buckets, name, {"transient": False})
    store.put(buckets, name, {"owner": "you"})

    found = others[buckets].find_one({"_id": name}, {REVISION: False})
    assert found == {"_id": name, "value": {"owner": "you"}, "vFormat": "v1"}


def test_values_that_json_cannot_say_stay_as_they_were_and_read_as_text(
    store: MongoStore, others: Database[dict[str, Any]], bucket: str
) -> None:
    # `scheduledResume` of a location status is a date (3.6.5).
    moment = datetime.datetime(2024, 3, 6, 9, tzinfo=datetime.UTC)
    others[bucket].insert_one({"_id": "site", "value": {"at": moment, "n": Int64(2), "more": {"at": [moment]}}})

    patched = store.patch(bucket, "site", {"paused": True})

    text = "2024-03-06T09:00:00.000Z"
    assert patched.value == {"at": text, "n": 2, "more": {"at": [text]}, "paused": True}
    found = others[bucket].find_one({"_id": "site"})
    assert found is not None
    assert moment.replace(tzinfo=None) == found["value"]["at"]
    assert type(found["value"]["n"]) is Int64


def test_names_of_tags_are_kept_as_others_keep_them(
    store: MongoStore, others: Database[dict[str, Any]], bucket: str
) -> None:
    tags = {"a.b": "1", "$c": "2"}
    start = store.position()

    store.put(bucket, "k", {"tags": tags, "a.b": {"$c": 1}})

    found = others[bucket].find_one({"_id": "k"})
    assert found is not None
    assert {"a\uff0eb": "1", "\uff04c": "2"} == found["value"]["tags"]
    assert {"$c": 1} == found["value"]["a.b"]
    assert [("k", ChangeKind.PUT, {"tags": tags, "a.b": {"$c": 1}})] == heard(store, start, bucket)
    store.patch(bucket, "k", {"tags": {"d.": ""}})
    again = store.get(bucket, "k")
    assert again is not None
    assert again.value == {"tags": {"d.": ""}, "a.b": {"$c": 1}}


def test_the_feed_tells_what_others_wrote_in_their_ways(
    store: MongoStore, others: Database[dict[str, Any]], bucket: str
) -> None:
    start, put = store.position(), ChangeKind.PUT
    others[bucket].insert_one({"_id": "k", "value": {"n": 1}})
    others[bucket].update_one({"_id": "k"}, {"$set": {"value": {"n": 2}}})
    others[bucket].replace_one({"_id": "k"}, {"value": {"n": 3}})
    others[bucket].update_one({"_id": "k"}, {"$set": {"value.m": {"deep": 1}}})
    others[bucket].insert_many([{"_id": 7, "value": {}}, {"_id": "text", "value": "no document"}])
    others[bucket].delete_one({"_id": "k"})
    store.put(bucket, "other", {})

    # What was updated in its members only is told as it stands, and not at all when it is gone.
    assert heard(store, start, bucket) == [
        ("k", put, {"n": 1}),
        ("k", put, {"n": 2}),
        ("k", put, {"n": 3}),
        ("k", ChangeKind.DELETE, None),
        ("other", put, {}),
    ]
    start = store.position()
    others[bucket].update_one({"_id": "other"}, {"$set": {"value.m": 1}})
    assert [("other", put, {"m": 1})] == heard(store, start, bucket)


def test_equal_content_written_again_is_a_change(store: MongoStore, bucket: str) -> None:
    first = store.put(bucket, "k", {"n": 1})
    start = store.position()

    again = store.put(bucket, "k", {"n": 1})

    assert first.version != again.version
    with pytest.raises(Conflict):
        store.put(bucket, "k", {"n": 2}, expected=first.version)
    assert [("k", ChangeKind.PUT, {"n": 1})] == heard(store, start, bucket)


def test_patches_of_many_members_at_once_lose_none(bucket: str) -> None:
    with store_on(servers.address("mongodb")) as store, ThreadPoolExecutor(6) as pool:
        store.put(bucket, "k", {"location": "mine"})

        def work(n: int) -> None:
            for count in range(15):
                store.patch(bucket, "k", {f"site-{n}": count})

        list(pool.map(work, range(6)))

        found = store.get(bucket, "k")
        assert found is not None
        assert found.value == {"location": "mine", **{f"site-{n}": 14 for n in range(6)}}


def test_a_feed_that_no_longer_reaches_back_says_so(tmp_path: Path) -> None:
    # W-49: an operator must decide where to go on; nothing is skipped in silence.
    # A log is kept until its content has been saved otherwise, here every second.
    options = {"oplogSize": 1, "syncdelay": 1}
    with servers.MongoDB(tmp_path / "mongodb", options=options) as server, store_on(server.address) as store:
        position = store.position()
        store.put("bucket", "first", {})
        (change,) = store.changes(position).changes
        overflow(server)

        # The first is the one whose stream is still open.
        for old in (change.position, position):
            with pytest.raises(HistoryLost) as lost:
                store.changes(old)
            assert lost.value.position == old
        # From the oldest that is kept, and from now on, it goes on.
        assert store.changes(None).position > change.position
        assert [] == list(store.changes(store.position()).changes)


def overflow(server: servers.MongoDB) -> None:
    """Write until the log begins later than it did."""
    with server.client() as client:
        log, filler = client["local"]["oplog.rs"], client["other"]["filler"]

        def oldest() -> object:
            first = log.find_one(sort=[("$natural", 1)])
            assert first is not None
            return first["ts"]

        before, deadline = oldest(), time.monotonic() + 60
        while oldest() == before:
            assert time.monotonic() < deadline
            filler.insert_many([{"x": "x" * 100_000} for _ in range(20)])


def test_a_position_that_is_none_is_the_callers_fault(store: MongoStore) -> None:
    for wrong in ("", "no position", "82", "{", store.position()[:20]):
        with pytest.raises(InvalidInput):
            store.changes(wrong)


def test_the_feed_from_its_oldest_change_has_everything(store: MongoStore, bucket: str) -> None:
    store.put(bucket, "k", {"n": 1})
    changes: list[Change] = []

    feed = store.changes(None, limit=100)
    while feed.changes:
        changes += feed.changes
        feed = store.changes(feed.position, limit=1000)

    assert [("k", {"n": 1})] == [(c.key, c.value) for c in changes if c.collection == bucket]


def test_what_mongodb_cannot_keep_is_the_callers_fault(store: MongoStore, bucket: str) -> None:
    impossible: list[tuple[str, str, dict[str, Any]]] = [
        (bucket, "k", {"n": 2**63}),
        (bucket, "k", {"n": float("nan")}),
        (bucket, "k", {"n": b"bytes"}),
        (bucket, "k", {"n": {1: 2}}),
        (bucket, "k", {"n": "x" * 17_000_000}),
        (bucket, "", {}),
        ("", "k", {}),
        ("$cmd", "k", {}),
    ]
    for collection, key, value in impossible:
        with pytest.raises(InvalidInput):
            store.put(collection, key, value)

    assert [] == list(store.scan(bucket))


def test_a_document_without_members_is_told_apart(
    store: MongoStore, others: Database[dict[str, Any]], bucket: str
) -> None:
    others[bucket].insert_one({"_id": "uuid", "value": "an instance id"})

    with pytest.raises(InvalidDocument):
        store.get(bucket, "uuid")


def test_a_primary_that_steps_down_and_a_cursor_that_is_killed_lose_nothing(tmp_path: Path) -> None:
    with servers.MongoDB(tmp_path / "mongodb") as server, store_on(server.address) as store:
        position = store.position()
        store.put("bucket", "k", {"n": 1})
        seen = store.changes(position)
        position = seen.position
        with server.client() as client:
            with contextlib.suppress(PyMongoError):
                client.admin.command("replSetStepDown", 1, force=True)

            # Writes wait for a primary; the stream that was open is opened again by itself.
            store.put("bucket", "k", {"n": 2})
            found = told(store, position, 1)
            kill_cursors(client)
            store.put("bucket", "k", {"n": 3})
            found += told(store, found[-1].position, 1)

    assert [{"n": 2}, {"n": 3}] == [change.value for change in found]


def told(store: MongoStore, position: str, count: int) -> list[Change]:
    deadline = time.monotonic() + 20
    found: list[Change] = []
    while len(found) < count and time.monotonic() < deadline:
        with contextlib.suppress(StoreUnavailable):
            feed = store.changes(position)
            position = feed.position
            found += feed.changes
    assert len(found) == count
    return found


def kill_cursors(client: pymongo.MongoClient[dict[str, Any]]) -> None:
    idle = client.admin.aggregate([{"$currentOp": {"idleCursors": True}}])
    cursors = [op["cursor"]["cursorId"] for op in idle if op.get("type") == "idleCursor"]
    assert cursors
    client["metadata"].command("killCursors", "$cmd.aggregate", cursors=cursors)


def test_a_server_that_stands_still_is_unavailable_and_serves_again(tmp_path: Path) -> None:
    with servers.MongoDB(tmp_path / "mongodb") as server, store_on(server.address, timeout_ms=500) as store:
        store.put("bucket", "k", {"n": 1})
        position = store.position()
        store.changes(position)

        server.suspend()
        for ask in (lambda: store.get("bucket", "k"), lambda: store.changes(position)):
            with within(5), pytest.raises(StoreUnavailable):
                ask()
        server.wake()

        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(StoreUnavailable):
                store.put("bucket", "k", {"n": 2})
                break
        assert [{"n": 2}] == [document.value for document in store.scan("bucket")]


def test_tls_and_a_password_prove_who_speaks(tmp_path: Path) -> None:
    made = make_certificates(tmp_path / "certificates")
    pair, own = tmp_path / "server.pem", tmp_path / "client.pem"
    pair.write_bytes(made.server.read_bytes() + made.server_key.read_bytes())
    own.write_bytes(made.client.read_bytes() + made.client_key.read_bytes())
    options = {"tlsMode": "preferTLS", "tlsCertificateKeyFile": pair, "tlsCAFile": made.ca}
    known = MongoTls(ca=str(made.ca), certificate=str(own))

    with servers.MongoDB(tmp_path / "mongodb", options=options) as server:
        account: dict[str, Any] = {"username": "backbeat", "password": "secret", "tls": known}
        with server.client() as client:
            client.admin.command("createUser", "backbeat", pwd="secret", roles=["root"])
        with store_on(server.address, **account) as store:
            store.put("bucket", "k", {"n": 1})
            assert [{"n": 1}] == [document.value for document in store.scan("bucket")]
        strangers: list[dict[str, Any]] = [
            {"password": "wrong"},
            {"tls": attrs.evolve(known, certificate=None)},
            {"tls": attrs.evolve(known, ca=None)},
        ]
        for stranger in strangers:
            wrong = {**account, **stranger, "timeout_ms": 1_000}
            with store_on(server.address, **wrong) as store, pytest.raises(StoreUnavailable):
                store.get("bucket", "k")


def test_settings_do_not_show_their_secrets() -> None:
    shown = repr(MongoSettings(password="secret-1", tls=MongoTls(certificate_password="secret-2")))

    assert "secret-" not in shown
