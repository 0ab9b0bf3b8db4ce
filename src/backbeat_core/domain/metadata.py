"""Questions to an object's metadata document, which stays a plain mapping as it was read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

# Any value that JSON can write. Documents come from other programs, so nothing more is promised of one.
Json: TypeAlias = Any
Document: TypeAlias = Mapping[str, Json]

_VERSION_SEPARATOR: Final = "\0"
_V1_PREFIXES: Final = ("\x7fM", "\x7fV")


def split_key(key: str) -> tuple[str, str | None]:
    """Return the object key and the internal version id of a versioned *key*, None for a master key."""
    object_key, separator, version_id = key.partition(_VERSION_SEPARATOR)
    return object_key, version_id if separator else None


def join_key(object_key: str, version_id: str | None) -> str:
    """Return the versioned key of *object_key*, or the master key where *version_id* is None or empty."""
    return f"{object_key}{_VERSION_SEPARATOR}{version_id}" if version_id else object_key


def is_master_key(key: str) -> bool:
    """Return whether *key* names no version: the record of whichever version is current."""
    return _VERSION_SEPARATOR not in key


def strip_key_format(key: str) -> str:
    """Return *key* without the prefix that buckets of key format v1 put before it (queue-and-wire 3.6.2)."""
    return key[2:] if key.startswith(_V1_PREFIXES) else key


def version_id(metadata: Document) -> str | None:
    """Return the internal version id, None where the version has none."""
    return _text(metadata, "versionId") or None


def is_null_version(metadata: Document) -> bool:
    """Return whether this is the version that is addressed as `null`."""
    return bool(metadata.get("isNull"))


def is_delete_marker(metadata: Document) -> bool:
    """Return whether this version says that the object is deleted."""
    return bool(metadata.get("isDeleteMarker"))


def content_length(metadata: Document) -> int:
    """Return the size in bytes, 0 where there is none or it is not a count."""
    length = metadata.get("content-length")
    if isinstance(length, str) and length.isascii() and length.isdigit():
        # A number of more digits than any size has is not a size, and would take long to read.
        return int(length) if len(length) <= 16 else 0
    if isinstance(length, (int, float)) and not isinstance(length, bool) and 0 <= length <= 2**53:
        return int(length)
    return 0


def content_md5(metadata: Document) -> str:
    """Return the MD5 in hexadecimal, followed by `-` and a number of parts for a multipart upload."""
    return _text(metadata, "content-md5")


def is_multipart(metadata: Document) -> bool:
    """Return whether the object was uploaded in parts, which only its MD5 tells for certain."""
    return "-" in content_md5(metadata)


def last_modified(metadata: Document) -> str:
    """Return the time of the last modification as it is stored, ISO 8601 in UTC."""
    return _text(metadata, "last-modified")


def owner_id(metadata: Document) -> str:
    """Return the canonical id of the owner."""
    return _text(metadata, "owner-id")


def origin_op(metadata: Document) -> str:
    """Return the operation that wrote this metadata, such as `s3:ObjectCreated:Put`."""
    return _text(metadata, "originOp")


def data_store_name(metadata: Document) -> str:
    """Return the location that holds the data."""
    return _text(metadata, "dataStoreName")


def tags(metadata: Document) -> Document:
    """Return the object's tags."""
    found = metadata.get("tags")
    return found if isinstance(found, Mapping) else {}


def locations(metadata: Document) -> tuple[Document, ...]:
    """Return where the data lies, every stored piece of it in order; nothing for an empty object (GC-1)."""
    found = metadata.get("location")
    if not isinstance(found, list | tuple):
        return ()
    return tuple(piece for piece in found if isinstance(piece, Mapping))


def bytes_to_replicate(metadata: Document, content: tuple[str, ...]) -> int:
    """Return what replicating *content* of this object moves, in bytes: its size or nothing (PL-7)."""
    return content_length(metadata) if "DATA" in content else 0


def _text(metadata: Document, member: str) -> str:
    found = metadata.get(member)
    return found if isinstance(found, str) else ""
