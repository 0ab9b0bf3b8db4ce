"""How a large object is cut for its copy (3.8), and how its stored pieces make parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from backbeat_core.domain.metadata import Document, Json
from backbeat_core.errors import InvalidInput

_SMALLEST_SIZE: Final = 16 * 2**20
_LARGEST_COMFORTABLE_SIZE: Final = 512 * 2**20
_COMFORTABLE_COUNT: Final = 1000

# What the services accept in one upload.
MOST_PARTS: Final = 10_000
MOST_PARTS_GCP: Final = 1024

_MEGABYTE: Final = 1_000_000


@attrs.frozen
class Range:
    """A run of bytes, both ends included, the first byte of the object being 0."""

    start: int
    end: int

    @property
    def size(self) -> int:
        """The number of bytes."""
        return self.end - self.start + 1

    @property
    def header(self) -> str:
        """The value of the HTTP `Range` header."""
        return f"bytes={self.start}-{self.end}"


def needs_parts(length: int, md5: str, *, min_mpu_size_mb: int = 20) -> bool:
    """
    Return whether an object of *length* bytes is copied by a multipart upload (3.8, step 6).

    *min_mpu_size_mb* is in millions of bytes. An object that was uploaded in parts, which its *md5*
    tells, is copied in parts whatever its size.
    """
    return length >= min_mpu_size_mb * _MEGABYTE or "-" in md5


def range_size(length: int, *, gcp: bool = False) -> int:
    """Return the number of bytes of each range but the last of an object of *length* bytes."""
    if length <= _SMALLEST_SIZE:
        return length
    size = _SMALLEST_SIZE
    while length > _COMFORTABLE_COUNT * size and size < _LARGEST_COMFORTABLE_SIZE:
        size *= 2
    while length > MOST_PARTS * size:
        size *= 2
    if gcp and length > MOST_PARTS_GCP * size:
        # The next power of two, by bit length: floating point logarithms are wrong near it. It is a
        # multiple of the limit, for it is larger than the limit times the smallest size.
        size = (1 << (length - 1).bit_length()) // MOST_PARTS_GCP
    return size


def ranges(length: int, *, gcp: bool = False) -> Iterator[Range | None]:
    """
    Cut *length* bytes into contiguous ranges of equal size, the last one shorter (INV-26).

    An empty object is one part without a range: None.
    """
    if length < 0:
        raise InvalidInput(f"no object has {length} bytes")
    if length == 0:
        yield None
        return
    size = range_size(length, gcp=gcp)
    for start in range(0, length, size):
        yield Range(start, min(start + size, length) - 1)


# What is known about a stored piece, in the order in which it is written.
_PIECE_MEMBERS: Final = (
    "key",
    "start",
    "size",
    "dataStoreName",
    "dataStoreETag",
    "dataStoreVersionId",
    "blockId",
    "cryptoScheme",
    "cipheredDataKey",
)


def reduced_locations(pieces: Iterable[Document]) -> tuple[dict[str, Json], ...]:
    """
    Return one piece for each run of *pieces* of the same part, as the reference sums them up.

    A part that was copied from another upload has several pieces, of which only the last one's key
    survives: good for copying by part, never for deleting data (CE-11).
    """
    reduced: list[dict[str, Json]] = []
    part: str | None = None
    for piece in pieces:
        known = {member: piece[member] for member in _PIECE_MEMBERS if piece.get(member) is not None}
        number = part_number(piece)
        if reduced and number is not None and number == part:
            known["start"] = reduced[-1].get("start", 0)
            known["size"] = _size(reduced[-1]) + _size(piece)
            reduced[-1] = known
        else:
            reduced.append(known)
        part = number
    return tuple(reduced)


def part_number(piece: Document) -> str | None:
    """Return the part that a stored *piece* belongs to, as text; None where it does not say."""
    tag = piece.get("dataStoreETag")
    if not isinstance(tag, str):
        return None
    number, separator, _ = tag.partition(":")
    return number if separator else None


def _size(piece: Document) -> int:
    size = piece.get("size", 0)
    return size if isinstance(size, int) else 0
