"""
Metadata documents with compare-and-set, and the feed of their changes.

Laws (each is a test of the same name in `backbeat_core.testing.contracts.store`):

    keeps_documents            what is read equals what was written, any JSON value, any key text
    hands_out_copies           changing a document that was read changes nothing in the store
    absent_is_none             reading what is not there gives None
    put_if_absent              `expected=ABSENT` writes only where nothing stands, else Conflict
    put_if_unchanged           `expected=version` writes only over that very version, else Conflict
    versions_change            every write that succeeds gives the document a version it never had
    patch_touches_only_its_members  members that a patch does not name keep their latest values
    patch_never_creates        patching what is not there raises Conflict
    delete_if_unchanged        `delete` with a version removes only that version
    delete_of_absent_is_false  deleting what is not there is not an error
    scan_in_key_order          `scan` gives keys in code-point order, from *after* exclusive, at most *limit*
    collections_are_strangers  the same key in two collections is two documents
    feed_tells_every_write     every put, patch and delete appears in the feed, with the document as written
    feed_keeps_order_by_key    changes of one key come in the order in which they were made
    feed_resumes               reading again from a position gives all that came after it, and nothing lost
    feed_starts_at_its_end     `position()` taken before a write yields that write
    feed_of_nothing_is_empty   a feed without news returns at once, with a position no older than asked
    dead_endpoint_is_unavailable  an engine that cannot be reached raises StoreUnavailable, in bounded time
"""

from __future__ import annotations

import abc
import enum
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import attrs

Json: TypeAlias = Any
"""A JSON value: None, bool, int, float, str, list or dict of these."""

Version: TypeAlias = bytes
"""Opaque: what a document was when it was read. Equal only if the document is the same."""

Position: TypeAlias = str
"""Opaque: a place in the change feed, kept by whoever reads it."""


class Expected(enum.Enum):
    """What a writer may demand of a document besides a version."""

    ABSENT = "absent"
    ANY = "any"


ABSENT: Final = Expected.ABSENT
ANY: Final = Expected.ANY


@attrs.frozen
class Document:
    """A document as it stood when it was read."""

    key: str
    value: Mapping[str, Json]
    version: Version


class ChangeKind(enum.Enum):
    """What a change did to its key."""

    PUT = "put"
    DELETE = "delete"


@attrs.frozen
class Change:
    """
    One change of one document. *value* is None for a delete.

    *position* resumes the feed right after this change; *timestamp_ms* is when it was made.
    """

    collection: str
    key: str
    kind: ChangeKind
    value: Mapping[str, Json] | None
    position: Position
    timestamp_ms: int


@attrs.frozen
class Feed:
    """A stretch of the change feed, and the position from which to go on."""

    changes: Sequence[Change]
    position: Position


class Store(abc.ABC):
    """An engine that keeps documents in collections (a bucket is a collection). Safe between threads."""

    @abc.abstractmethod
    def get(self, collection: str, key: str) -> Document | None:
        """Return the document as it stands, or None. Raises StoreUnavailable."""

    @abc.abstractmethod
    def put(
        self, collection: str, key: str, value: Mapping[str, Json], *, expected: Version | Expected = ANY
    ) -> Document:
        """Write the whole document if what stands is as *expected*. Raises Conflict, StoreUnavailable."""

    @abc.abstractmethod
    def patch(
        self, collection: str, key: str, members: Mapping[str, Json], *, expected: Version | Expected = ANY
    ) -> Document:
        """
        Replace only the named top-level *members* of a document that exists.

        A status write uses this, so that it can never carry `location` back (CE-9).
        Raises Conflict, StoreUnavailable.
        """

    @abc.abstractmethod
    def delete(self, collection: str, key: str, *, expected: Version | Expected = ANY) -> bool:
        """Remove the document; False if nothing stood there. Raises Conflict, StoreUnavailable."""

    @abc.abstractmethod
    def scan(
        self, collection: str, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> Sequence[Document]:
        """Return up to *limit* documents whose key starts with *prefix* and sorts after *after*."""

    @abc.abstractmethod
    def changes(self, after: Position | None, *, limit: int = 1000) -> Feed:
        """
        Return up to *limit* changes of all collections after the position; None: from the oldest kept.

        Does not wait. Raises StoreUnavailable, HistoryLost.
        """

    @abc.abstractmethod
    def position(self) -> Position:
        """Return the end of the feed as it stands: later changes come after it."""

    @abc.abstractmethod
    def close(self) -> None:
        """Release connections. Twice is once."""
