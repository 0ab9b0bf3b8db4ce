"""Bugs to plant in the model of the store, by the law that must see them."""

from __future__ import annotations

import attrs

from adapters.planted.changes import always, given, returning, silent
from backbeat_core.ports.store import ANY
from backbeat_core.testing.memory import store

STORE = store.MemoryStore


def _share(original):
    """Hand out one and the same dict for one and the same text."""
    kept = {}

    def document(key, written):
        found = kept.setdefault(written.text, original(key, written).value)
        return attrs.evolve(original(key, written), value=found)

    return document


def _patch_whole(original):
    def patch(self, collection, key, members, *, expected=ANY):
        original(self, collection, key, members, expected=expected)
        return self.put(collection, key, members)

    return patch


def _patch_creates(original):
    def patch(self, collection, key, members, *, expected=ANY):
        if self.get(collection, key) is None:
            return self.put(collection, key, members)
        return original(self, collection, key, members, expected=expected)

    return patch


def _expect_anything(original):
    return lambda self, collection, key, expected: original(self, collection, key, ANY)


def _same_version(original):
    def write(self, collection, key, text):
        version = str(hash(text)).encode()
        original(self, collection, key, text)
        written = store._Written(text, version)
        self.tables.collections[collection][key] = written
        return store._document(key, written)

    return write


def _quiet_deletes(original):
    return lambda self, collection, key, text: text is None or original(self, collection, key, text)


def _reversed_feed(original):
    def changes(self, after, *, limit=1000):
        feed = original(self, after, limit=limit)
        return attrs.evolve(feed, changes=feed.changes[::-1])

    return changes


def _feed_skips_one(original):
    def changes(self, after, *, limit=1000):
        return original(self, str(int(after) + 1) if after else after, limit=limit)

    return changes


BUGS = {
    "keeps_documents": [(store, "_document", returning(lambda d: attrs.evolve(d, key=d.key.strip())))],
    "hands_out_copies": [(store, "_document", _share)],
    "absent_is_none": [(STORE, "get", returning(lambda d: d or store.Document("k", {}, b"")))],
    "put_if_absent": [(STORE, "_demand", _expect_anything)],
    "put_if_unchanged": [(STORE, "_demand", _expect_anything)],
    "versions_change": [(STORE, "_write", _same_version)],
    "patch_touches_only_its_members": [(STORE, "patch", _patch_whole)],
    "patch_never_creates": [(STORE, "patch", _patch_creates)],
    "delete_if_unchanged": [(STORE, "delete", given(expected=ANY))],
    "delete_of_absent_is_false": [(STORE, "delete", always(True))],
    "scan_in_key_order": [
        (STORE, "scan", returning(lambda found: sorted(found, key=lambda d: d.key.encode("utf-16-be"))))
    ],
    "collections_are_strangers": [(STORE, "_collection", lambda o: lambda self, name: o(self, "one"))],
    "feed_tells_every_write": [(STORE, "_log", _quiet_deletes)],
    "feed_keeps_order_by_key": [(STORE, "changes", _reversed_feed)],
    "feed_resumes": [(STORE, "changes", _feed_skips_one)],
    "feed_starts_at_its_end": [(STORE, "position", always("0"))],
    "feed_of_nothing_is_empty": [
        (STORE, "changes", returning(lambda feed: attrs.evolve(feed, position=str(int(feed.position) + 1))))
    ],
    "dead_endpoint_is_unavailable": [(STORE, "_check", silent)],
    "any_history": [(STORE, "put", given(expected=ANY))],
}
