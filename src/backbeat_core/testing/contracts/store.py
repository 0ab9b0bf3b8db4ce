"""The laws of `backbeat_core.ports.store` as tests that any adapter can inherit."""

from __future__ import annotations

import abc
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings

from backbeat_core.errors import Conflict, StoreUnavailable
from backbeat_core.ports.store import ABSENT, Change, ChangeKind, Position, Store
from backbeat_core.testing.contracts.common import any_history, fresh, within
from backbeat_core.testing.contracts.store_machine import documents, keys, news, store_machine

VALUE = {"one": 1, "two": {"three": [3, None, "x"]}}


def told(changes: Sequence[Change], collection: str) -> list[tuple[str, ChangeKind, object]]:
    """Return what the changes of one collection say."""
    return [(c.key, c.kind, c.value) for c in changes if c.collection == collection]


class StoreContract(abc.ABC):
    """
    Subclass as ``Test…`` and fill the holes. All stores that one test makes stand for one engine.

    An engine may be shared between tests: every test names its own collections.
    """

    bounded_s: float = 30.0
    patience_s: float = 15.0
    """How late a change may show in the feed."""
    examples: int = 60
    steps: int = 40

    @abc.abstractmethod
    def make_store(self) -> Store:
        """Return a store; it need not be empty, only working."""

    @abc.abstractmethod
    def make_dead_store(self) -> Store:
        """Return a store whose engine cannot be reached."""

    def news(self, store: Store, after: Position | None) -> list[Change]:
        """Return all changes after the position."""
        changes, _ = news(store, after, limit=5, patience_s=self.patience_s)
        return changes

    def test_keeps_documents(self) -> None:
        store, collection = self.make_store(), fresh("bucket")

        @settings(max_examples=self.examples, deadline=None, suppress_health_check=list(HealthCheck))
        @given(keys(), documents())
        def keeps(key: str, value: dict[str, object]) -> None:
            written = store.put(collection, key, value)

            assert (key, value) == (written.key, written.value)
            assert written == store.get(collection, key)

        keeps()

    def test_hands_out_copies(self) -> None:
        store, collection = self.make_store(), fresh("bucket")
        sent = {"list": [1], "dict": {"a": 1}}
        start = store.position()
        handed = [store.put(collection, "k", sent)]
        sent["list"].append(2)  # type: ignore[attr-defined]  # the point is to change it behind the store

        handed += [store.get(collection, "k") or handed[0], *store.scan(collection)]
        for document in handed:
            document.value["list"].append(3)
            document.value["dict"]["b"] = 2

        (change,) = [c for c in self.news(store, start) if c.collection == collection]
        assert change.value == {"list": [1], "dict": {"a": 1}}
        assert [{"list": [1], "dict": {"a": 1}}] == [d.value for d in store.scan(collection)]
        patched = store.patch(collection, "k", {"more": [1]})
        patched.value["more"].append(2)
        assert self._value(store, collection) == {"list": [1], "dict": {"a": 1}, "more": [1]}

    def _value(self, store: Store, collection: str, key: str = "k") -> object:
        found = store.get(collection, key)
        return None if found is None else found.value

    def test_absent_is_none(self) -> None:
        store, collection = self.make_store(), fresh("bucket")
        assert store.get(collection, "k") is None

        store.put(collection, "k", VALUE)
        store.delete(collection, "k")

        assert store.get(collection, "k") is None
        assert store.get(collection, "K") is None
        assert [] == list(store.scan(collection))

    def test_put_if_absent(self) -> None:
        store, collection = self.make_store(), fresh("bucket")
        first = store.put(collection, "k", VALUE, expected=ABSENT)

        with pytest.raises(Conflict):
            store.put(collection, "k", {"other": 1}, expected=ABSENT)

        assert first == store.get(collection, "k")
        store.delete(collection, "k")
        assert store.put(collection, "k", {"other": 1}, expected=ABSENT) == store.get(collection, "k")

    def test_put_if_unchanged(self) -> None:
        store, collection = self.make_store(), fresh("bucket")
        first = store.put(collection, "k", VALUE)
        second = store.put(collection, "k", {"n": 2}, expected=first.version)

        for stale in (first.version, b"no version"):
            with pytest.raises(Conflict):
                store.put(collection, "k", {"n": 3}, expected=stale)
            with pytest.raises(Conflict):
                store.patch(collection, "k", {"n": 3}, expected=stale)
            with pytest.raises(Conflict):
                store.put(collection, "absent", {"n": 3}, expected=first.version)

        assert second == store.get(collection, "k")
        assert store.get(collection, "absent") is None
        store.patch(collection, "k", {"n": 4}, expected=second.version)
        assert {"n": 4} == self._value(store, collection)

    def test_versions_change(self) -> None:
        store, collection = self.make_store(), fresh("bucket")
        versions = [store.put(collection, "k", VALUE).version for _ in range(3)]
        versions += [store.patch(collection, "k", {"one": 1}).version for _ in range(3)]
        store.delete(collection, "k")
        versions += [store.put(collection, "k", VALUE).version]

        assert len(versions) == len(set(versions))

    def test_patch_touches_only_its_members(self) -> None:
        store, collection = self.make_store(), fresh("bucket")
        store.put(collection, "k", {"status": {"old": 1, "gone": 2}, "location": "first", "a.b$c": 1})
        # Whoever patches `status` has not seen this: it must survive (CE-9).
        store.patch(collection, "k", {"location": "second"})

        patched = store.patch(collection, "k", {"status": {"new": 1}, "$more.": None})

        wanted = {"status": {"new": 1}, "location": "second", "a.b$c": 1, "$more.": None}
        assert wanted == patched.value == self._value(store, collection)
        assert patched == store.get(collection, "k")
        store.patch(collection, "k", {"a.b$c": [2]})
        assert {**wanted, "a.b$c": [2]} == self._value(store, collection)

    def test_patch_never_creates(self) -> None:
        store, collection = self.make_store(), fresh("bucket")

        with pytest.raises(Conflict):
            store.patch(collection, "k", {"n": 1})

        assert store.get(collection, "k") is None
        assert [] == list(store.scan(collection))

    def test_delete_if_unchanged(self) -> None:
        store, collection = self.make_store(), fresh("bucket")
        first = store.put(collection, "k", VALUE)
        second = store.put(collection, "k", {"n": 2})

        with pytest.raises(Conflict):
            store.delete(collection, "k", expected=first.version)

        assert second == store.get(collection, "k")
        assert store.delete(collection, "k", expected=second.version) is True
        assert store.get(collection, "k") is None

    def test_delete_of_absent_is_false(self) -> None:
        store, collection = self.make_store(), fresh("bucket")
        assert store.delete(collection, "k") is False

        version = store.put(collection, "k", VALUE).version

        assert store.delete(collection, "k") is True
        assert store.delete(collection, "k") is False
        assert store.delete(collection, "k", expected=version) is False

    def test_scan_in_key_order(self) -> None:
        store, collection = self.make_store(), fresh("bucket")
        # U+FFFF sorts before U+10000 by code point, and after it in UTF-16.
        names = ["a", "A", "a/b", "a/", "a0", "ab", "b", "\uffff", "\U00010000", "é", "%", "a\x00", "a\n"]
        for name in names:
            store.put(collection, name, {"n": name})

        assert sorted(names) == [d.key for d in store.scan(collection)]
        assert [d.key for d in store.scan(collection, limit=3)] == sorted(names)[:3]
        assert sorted(n for n in names if n > "a/") == [d.key for d in store.scan(collection, after="a/")]
        assert sorted(n for n in names if n.startswith("a")) == [
            d.key for d in store.scan(collection, prefix="a")
        ]
        assert ["a/b", "a0"] == [d.key for d in store.scan(collection, prefix="a", after="a/", limit=2)]
        assert [] == list(store.scan(collection, prefix="%%"))
        assert [{"n": name} for name in sorted(names)] == [d.value for d in store.scan(collection)]

    def test_collections_are_strangers(self) -> None:
        store, one, two = self.make_store(), fresh("bucket"), fresh("bucket")
        store.put(one, "k", {"n": 1})
        store.put(two, "k", {"n": 2})
        store.patch(one, "k", {"n": 3})

        assert {"n": 2} == self._value(store, two)
        assert store.delete(one, "k") is True
        assert [{"n": 2}] == [document.value for document in store.scan(two)]

    def test_feed_tells_every_write(self) -> None:
        store, one, two = self.make_store(), fresh("bucket"), fresh("bucket")
        start = store.position()
        for n in range(3):
            store.put(one, f"k{n}", {"n": n, "a.b": {"$c": 1}})
        store.patch(one, "k1", {"m": 1})
        store.put(two, "k1", {"n": 9})
        store.delete(one, "k1")
        store.delete(one, "k1")

        changes = self.news(store, start)

        put = ChangeKind.PUT
        assert [
            *[(f"k{n}", put, {"n": n, "a.b": {"$c": 1}}) for n in range(3)],
            ("k1", put, {"n": 1, "a.b": {"$c": 1}, "m": 1}),
            ("k1", ChangeKind.DELETE, None),
        ] == told(changes, one)
        assert [("k1", put, {"n": 9})] == told(changes, two)
        assert all(change.timestamp_ms > 1_000_000_000_000 for change in changes)

    def test_feed_keeps_order_by_key(self) -> None:
        store, collection = self.make_store(), fresh("bucket")
        start = store.position()
        for n in range(12):
            store.put(collection, f"k{n % 3}", {"n": n})

        changes = told(self.news(store, start), collection)

        for key in ("k0", "k1", "k2"):
            values = [value for name, _, value in changes if name == key]
            assert [{"n": n} for n in range(12) if f"k{n % 3}" == key] == values

    def test_feed_resumes(self) -> None:
        store, collection = self.make_store(), fresh("bucket")
        start = store.position()
        for n in range(7):
            store.put(collection, "k", {"n": n})
        changes = [change for change in self.news(store, start) if change.collection == collection]

        # Each change's own position goes on right after it, for whoever opens the store anew.
        again = self.make_store()
        for n, change in enumerate(changes):
            rest = told(self.news(again, change.position), collection)
            assert [("k", ChangeKind.PUT, {"n": m}) for m in range(n + 1, 7)] == rest

    def test_feed_starts_at_its_end(self) -> None:
        store, collection = self.make_store(), fresh("bucket")
        store.put(collection, "k", {"n": "before"})
        position = store.position()
        store.put(collection, "k", {"n": "after"})

        assert [("k", ChangeKind.PUT, {"n": "after"})] == told(self.news(store, position), collection)

    def test_feed_of_nothing_is_empty(self) -> None:
        store, collection = self.make_store(), fresh("bucket")
        position = store.position()

        with within(5):
            feed = store.changes(position)
        assert [] == [change for change in feed.changes if change.collection == collection]

        store.put(collection, "k", VALUE)
        assert [("k", ChangeKind.PUT, VALUE)] == told(self.news(store, feed.position), collection)

    def test_dead_endpoint_is_unavailable(self) -> None:
        store = self.make_dead_store()

        for ask in (
            lambda: store.get("c", "k"),
            lambda: store.put("c", "k", {}),
            lambda: store.patch("c", "k", {}),
            lambda: store.delete("c", "k"),
            lambda: store.scan("c"),
            lambda: store.changes(None),
            lambda: store.position(),
        ):
            with within(self.bounded_s), pytest.raises(StoreUnavailable):
                ask()

    def test_any_history(self) -> None:
        any_history(store_machine(self), examples=self.examples, steps=self.steps)
