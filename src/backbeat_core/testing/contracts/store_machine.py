"""Any history of a few documents, beside a plain dict."""

from __future__ import annotations

import time
from typing import Any, Protocol

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from backbeat_core.errors import Conflict
from backbeat_core.ports.store import (
    ABSENT,
    ANY,
    Change,
    ChangeKind,
    Document,
    Expected,
    Position,
    Store,
    Version,
)
from backbeat_core.testing.contracts import common

Value = dict[str, Any]


def keys() -> st.SearchStrategy[str]:
    """Generate keys: any text that is UTF-8 and not empty, up to S3's 1,024 bytes."""
    odd = st.sampled_from(["a/b", "$set", "a.b", ".", "..", "/", " ", "a\x00b", "\n", "💥", "__proto__", "ß"])
    return odd | st.text(min_size=1, max_size=40)


def documents() -> st.SearchStrategy[Value]:
    """Generate JSON documents: any members, integers of 64 bits, numbers that are numbers."""
    leaves = (
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=20)
    )
    names = st.sampled_from(["a", "a.b", "$a", "_id", "", "value", "$", "."]) | st.text(max_size=8)
    values = st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=8,
    )
    return st.dictionaries(names, values, max_size=4)


def news(
    store: Store, after: Position | None, *, limit: int, patience_s: float
) -> tuple[list[Change], Position]:
    """
    Return all changes after the position, and the position from which to go on.

    The feed does not wait and an engine may show a change late, so a document of our own is written and
    the feed read until it shows: what was written before it is there by then.
    """
    marker = common.fresh("marker")
    store.put(marker, "k", {})
    found: list[Change] = []
    deadline = time.monotonic() + patience_s
    while True:
        feed = store.changes(after, limit=limit)
        assert len(feed.changes) <= limit
        found += feed.changes
        after = feed.position
        if any(change.collection == marker for change in feed.changes):
            return [change for change in found if change.collection != marker], after
        assert feed.changes or time.monotonic() < deadline, "a write never showed in the feed"


class Maker(Protocol):
    """What the machine needs of its contract."""

    patience_s: float

    def make_store(self) -> Store: ...


COLLECTIONS = st.sampled_from(["one", "two"])
KEYS = st.sampled_from(["a", "a/b", "b", "\U00010000"])
MEMBERS = st.dictionaries(st.sampled_from(["x", "y", "z.$"]), st.integers(0, 3) | st.lists(st.none()))
EXPECTED = st.sampled_from([ANY, ABSENT, "current", "stale"])


def store_machine(maker: Maker) -> type[RuleBasedStateMachine]:
    """Return the machine for the stores that *maker* makes."""

    class StoreMachine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.store = maker.make_store()
            self.names = {name: common.fresh(name) for name in ("one", "two")}
            self.model: dict[tuple[str, str], Document] = {}
            self.past: list[Version] = [b"never"]
            self.position = self.store.position()
            self.told: list[tuple[str, str, ChangeKind, Value | None]] = []

        def _expected(self, kind: Expected | str, found: Document | None) -> Version | Expected:
            if isinstance(kind, Expected):
                return kind
            if kind == "current" and found is not None:
                return found.version
            return self.past[-1]

        def _allowed(self, expected: Version | Expected, found: Document | None) -> bool:
            if isinstance(expected, Expected):
                return expected is ANY or found is None
            return found is not None and found.version == expected

        def _wrote(self, name: str, document: Document, value: Value) -> None:
            assert value == document.value
            old = self.model.get((name, document.key))
            if old is not None:
                self.past.append(old.version)
            assert document.version not in self.past
            self.model[name, document.key] = document
            self.told.append((name, document.key, ChangeKind.PUT, value))

        @rule(name=COLLECTIONS, key=KEYS, value=MEMBERS, kind=EXPECTED)
        def put(self, name: str, key: str, value: Value, kind: Expected | str) -> None:
            found = self.model.get((name, key))
            expected = self._expected(kind, found)
            if self._allowed(expected, found):
                written = self.store.put(self.names[name], key, value, expected=expected)
                self._wrote(name, written, value)
            else:
                with pytest.raises(Conflict):
                    self.store.put(self.names[name], key, value, expected=expected)

        @rule(name=COLLECTIONS, key=KEYS, members=MEMBERS, kind=EXPECTED)
        def patch(self, name: str, key: str, members: Value, kind: Expected | str) -> None:
            found = self.model.get((name, key))
            expected = self._expected(kind, found)
            if found is not None and self._allowed(expected, found):
                written = self.store.patch(self.names[name], key, members, expected=expected)
                self._wrote(name, written, {**found.value, **members})
            else:
                with pytest.raises(Conflict):
                    self.store.patch(self.names[name], key, members, expected=expected)

        @rule(name=COLLECTIONS, key=KEYS, kind=EXPECTED)
        def delete(self, name: str, key: str, kind: Expected | str) -> None:
            found = self.model.get((name, key))
            expected = self._expected(kind, found)
            if found is None:
                assert self.store.delete(self.names[name], key, expected=expected) is False
            elif self._allowed(expected, found):
                assert self.store.delete(self.names[name], key, expected=expected) is True
                self.past.append(self.model.pop((name, key)).version)
                self.told.append((name, key, ChangeKind.DELETE, None))
            else:
                with pytest.raises(Conflict):
                    self.store.delete(self.names[name], key, expected=expected)

        @rule(name=COLLECTIONS, key=KEYS)
        def get(self, name: str, key: str) -> None:
            assert self.model.get((name, key)) == self.store.get(self.names[name], key)

        @rule(name=COLLECTIONS, prefix=st.sampled_from(["", "a"]), after=KEYS, limit=st.integers(1, 4))
        def scan(self, name: str, prefix: str, after: str, limit: int) -> None:
            wanted = sorted(
                key for here, key in self.model if here == name and key > after and key.startswith(prefix)
            )
            found = self.store.scan(self.names[name], prefix=prefix, after=after, limit=limit)
            assert [self.model[name, key] for key in wanted[:limit]] == list(found)

        @rule()
        def reopen(self) -> None:
            self.store.close()
            self.store = maker.make_store()

        @rule()
        def read_feed(self) -> None:
            ours = {real: name for name, real in self.names.items()}
            found, self.position = news(self.store, self.position, limit=2, patience_s=maker.patience_s)
            heard = [
                (ours[change.collection], change.key, change.kind, change.value)
                for change in found
                if change.collection in ours
            ]
            for key in {(name, key) for name, key, _, _ in [*self.told, *heard]}:
                assert [t for t in self.told if t[:2] == key] == [t for t in heard if t[:2] == key]
            self.told.clear()

        def teardown(self) -> None:
            self.read_feed()
            self.store.close()

    return StoreMachine
