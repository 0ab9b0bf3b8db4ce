"""The tree of everything that is raised on purpose."""

from __future__ import annotations

import attrs


class BackbeatError(Exception):
    """The root: catch it to catch all that this library raises on purpose."""

    @property
    def retryable(self) -> bool:
        """Return whether doing the same thing again, later, may succeed (PL-32)."""
        return False


class InvalidInput(BackbeatError):
    """The caller's fault: the same input will never be accepted."""


class InvalidConfiguration(InvalidInput):
    """A configuration that cannot be run with; the message names the key or the entry."""


@attrs.define(auto_exc=True, str=False)
class InvalidDocument(InvalidInput):
    """
    A document that does not have the shape that it claims.

    *code* and *description* are those of the S3 error that the caller should see.
    """

    code: str
    description: str = ""

    def __str__(self) -> str:
        return f"{self.code}: {self.description}" if self.description else self.code


@attrs.define(auto_exc=True, str=False)
class UndecodableEntry(InvalidInput):
    """A record that is not an entry; it carries where it was found and why it is refused."""

    reason: str
    topic: str = ""
    partition: int = -1
    offset: int = -1

    def __str__(self) -> str:
        return f"{self.reason} (topic {self.topic!r}, partition {self.partition}, offset {self.offset})"


@attrs.define(auto_exc=True, str=False)
class MessageTooLarge(InvalidInput):
    """One message is over the queue's limit; the others of its batch are not touched. Sizes in bytes."""

    size: int
    limit: int

    def __str__(self) -> str:
        return f"message of {self.size} bytes is over the limit of {self.limit} bytes"


@attrs.define(auto_exc=True, str=False)
class Denied(BackbeatError):
    """Access control said no, for *reason*."""

    reason: str

    def __str__(self) -> str:
        return self.reason


@attrs.define(auto_exc=True, str=False)
class Conflict(BackbeatError):
    """Somebody was there first: what stands at *key* is not what was expected. Read again."""

    key: str
    expected: object = None
    found: object = None

    def __str__(self) -> str:
        return f"{self.key!r} is not as expected"


@attrs.define(auto_exc=True, str=False)
class Fenced(Conflict):
    """The lease that this work was done under has passed to a newer owner."""


@attrs.define(auto_exc=True, str=False)
class NotFound(BackbeatError):
    """What was asked for is not there (S3: NoSuchKey, ObjNotFound)."""

    what: str

    def __str__(self) -> str:
        return f"{self.what} is not there"


class Corrupted(BackbeatError):
    """Bytes arrived that are not the bytes that were sent (S3: BadDigest)."""

    @property
    def retryable(self) -> bool:
        return True


class SourceChanged(BackbeatError):
    """The source's bytes are not those of the version that was to be read; a newer version exists or will."""


class Unavailable(BackbeatError):
    """
    Something outside did not answer, or said to come back later.

    What was asked may or may not have happened.
    """

    @property
    def retryable(self) -> bool:
        return True


class QueueUnavailable(Unavailable):
    """The queue (Kafka) did not answer."""


class StoreUnavailable(Unavailable):
    """The store (MongoDB) did not answer."""


class CacheUnavailable(Unavailable):
    """The cache (Redis) did not answer."""


class CoordinatorUnavailable(Unavailable):
    """The coordinator (ZooKeeper) did not answer."""


class LocationUnavailable(Unavailable):
    """A location (directory, S3, Azure Blob, CloudServer) did not answer."""


class LocationRefused(BackbeatError):
    """A location answered no, and will again: access denied, no such bucket, no space that will come back."""


class LocationOccupied(LocationRefused):
    """
    The place that a name would take is taken by another object's: `a` and `a/b` in a directory.

    The other one may be about to go, so it is worth trying again.
    """

    @property
    def retryable(self) -> bool:
        return True


@attrs.define(auto_exc=True, str=False)
class HistoryLost(BackbeatError):
    """The change feed no longer reaches back to *position*: an operator must decide where to go on (W-49)."""

    position: str

    def __str__(self) -> str:
        return f"the change feed no longer reaches back to {self.position!r}"
