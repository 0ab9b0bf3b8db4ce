"""
Where bytes live: a directory, an S3 bucket, an Azure container, a CloudServer.

Laws (each is a test of the same name in `backbeat_core.testing.contracts.location`):

    keeps_bytes                 what is read is what was written, also nothing, also any name
    keeps_attributes            user metadata and content type come back with `head`
    reads_ranges                a range gives exactly its bytes; both ends are inclusive
    absent_is_not_found         reading or heading what is not there raises NotFound
    wrong_checksum_is_corrupted a body that is not the body announced raises Corrupted and leaves nothing new
    short_body_is_corrupted     a body shorter or longer than announced raises Corrupted and leaves nothing new
    never_half_written          a reader sees the old object or the new one, never a part
    failed_write_keeps_the_old  a write that fails leaves what stood there before
    overwrites                  writing a name again replaces what a reader sees
    delete_is_idempotent        deleting what is not there is not an error
    lists_in_order              `list` gives names in code-point order, after *after*, at most *limit*
    upload_completes            an upload completed from its parts reads as their concatenation
    upload_is_invisible         parts are not seen before `complete`
    abort_leaves_nothing        after `abort` no trace of the upload is listed or kept
    abort_is_idempotent         aborting twice, or what is unknown, is not an error
    tags_are_replaced           `put_tags` replaces all tags; `delete_tags` leaves none        (TaggedLocation)
    newer_is_not_deleted        `delete_unmodified` removes only what is not newer         (ConditionalDelete)
    dead_endpoint_is_unavailable  an engine that cannot be reached raises LocationUnavailable, in bounded time
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs


@attrs.frozen
class Attributes:
    """What is kept beside an object's bytes. *user_metadata* names are without the `x-amz-meta-` prefix."""

    content_type: str = ""
    cache_control: str = ""
    content_disposition: str = ""
    content_encoding: str = ""
    user_metadata: Mapping[str, str] = attrs.field(factory=dict)
    tags: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Stored:
    """
    An object as a location has it.

    *version* is the location's own version id ('' where it keeps none: `dataStoreVersionId`);
    *size* in bytes; *md5* hexadecimal, '' where the location does not know it.
    """

    name: str
    size: int
    md5: str = ""
    version: str = ""
    last_modified_ms: int = 0
    attributes: Attributes = attrs.field(factory=Attributes)


@attrs.frozen
class Part:
    """
    One written part of an upload. *number* counts from 1; *etag* is what `complete` needs of it.

    *md5* is that of the bytes that have arrived, hexadecimal, '' where the location does not tell it.
    """

    number: int
    etag: str
    size: int
    md5: str = ""


class Source(abc.ABC):
    """A place that bytes are read from. Safe to share between threads."""

    @abc.abstractmethod
    def read(self, name: str, *, start: int = 0, end: int | None = None, version: str = "") -> Iterator[bytes]:
        """
        Yield the bytes from *start* to *end*, both inclusive; None: to the last.

        With *version*, the bytes of that very version or SourceChanged. Raises NotFound, SourceChanged,
        LocationUnavailable, LocationRefused, at the first step at the latest.
        """


class Location(Source):
    """A place that keeps named bytes. Safe to share between threads."""

    @abc.abstractmethod
    def write(
        self, name: str, body: Iterable[bytes], *, size: int, md5: str, attributes: Attributes
    ) -> Stored:
        """
        Store *body* under *name*, whole or not at all, durably, and check *size* and *md5* on arrival.

        Raises Corrupted, LocationUnavailable, LocationRefused, and whatever *body* raises.
        """

    @abc.abstractmethod
    def head(self, name: str, *, version: str = "") -> Stored:
        """Return what is known of the object. Raises NotFound, LocationUnavailable, LocationRefused."""

    @abc.abstractmethod
    def delete(self, name: str, *, version: str = "") -> str:
        """
        Remove the object, or with *version* that version only; absent is not an error.

        Returns the version id of the delete marker that a versioned location made, else ''.
        """

    @abc.abstractmethod
    def list(self, *, prefix: str = "", after: str = "", limit: int = 1000) -> Sequence[Stored]:
        """Return up to *limit* objects whose name starts with *prefix* and sorts after *after*."""

    @abc.abstractmethod
    def close(self) -> None:
        """Release connections. Twice is once."""


class UploadLocation(Location):
    """A location that takes an object in parts (S3 multipart upload, Azure blocks)."""

    @abc.abstractmethod
    def begin(self, name: str, *, attributes: Attributes) -> str:
        """Start an upload and return its id."""

    @abc.abstractmethod
    def write_part(
        self, name: str, upload: str, number: int, body: Iterable[bytes], *, size: int, md5: str = ""
    ) -> Part:
        """Store one part; the same number again replaces it. *md5* '' means: unknown, not checked."""

    @abc.abstractmethod
    def complete(self, name: str, upload: str, parts: Sequence[Part]) -> Stored:
        """Make the object of its parts, in order, visible at once."""

    @abc.abstractmethod
    def abort(self, name: str, upload: str) -> None:
        """Give the upload up and remove all that it has written."""

    @abc.abstractmethod
    def uploads(self) -> Sequence[tuple[str, str]]:
        """Return (name, upload id) of each upload that is neither completed nor aborted."""


class TaggedLocation(Location):
    """A location that keeps tags beside an object (or one version of it)."""

    @abc.abstractmethod
    def put_tags(self, name: str, tags: Mapping[str, str], *, version: str = "") -> None:
        """Replace all tags. Raises NotFound."""

    @abc.abstractmethod
    def delete_tags(self, name: str, *, version: str = "") -> None:
        """Leave no tag. Raises NotFound."""


class ConditionalDelete(Location):
    """A location that deletes only what has not been modified since a moment (GC-12)."""

    @abc.abstractmethod
    def delete_unmodified(self, name: str, *, since_ms: int) -> bool:
        """Remove the object if it was last modified at or before *since_ms*; else False."""
