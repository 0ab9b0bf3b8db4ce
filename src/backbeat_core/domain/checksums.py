"""Whether bytes that are read piece by piece are those that were stored, by every MD5 that the metadata has."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Final

from backbeat_core.domain import metadata as md
from backbeat_core.domain.metadata import Document
from backbeat_core.domain.ranges import part_number
from backbeat_core.errors import Corrupted

_MD5: Final = re.compile(r"[0-9a-f]{32}")


class Checksums:
    """
    The MD5s of one object's data, checked while it streams past once, from its first byte to its last.

    An object that was uploaded in parts has no MD5 of its own, but each of its parts has (W-43). A part may
    lie in several pieces. What has no MD5 is not checked.
    """

    def __init__(self, metadata: Document) -> None:
        self._name = str(metadata.get("key", ""))
        self._whole = _as_md5(md.content_md5(metadata))
        self._total = _new()
        self._parts = _parts(metadata)
        self._part = _new()
        self._sent = _new()
        self._at = 0

    def passing(self, body: Iterable[bytes]) -> Iterator[bytes]:
        """Yield *body*, the bytes that come next. Raises Corrupted when a part ends as it did not begin."""
        for chunk in body:
            if self._whole:
                self._total.update(chunk)
            self._sent.update(chunk)
            self._take(memoryview(chunk))
            yield chunk

    def arrived(self, md5: str) -> None:
        """
        Check what has passed since the last call against the *md5* that its receiver found, '' if it tells none.

        Raises Corrupted: it was damaged on its way.
        """
        sent, self._sent = self._sent, _new()
        if _as_md5(md5) and sent.hexdigest() != md5:
            raise Corrupted(f"{self._name!r}: what has arrived does not have the MD5 of what was sent")

    def finish(self) -> None:
        """Check the whole, once all of it has passed. Raises Corrupted."""
        if self._whole and self._total.hexdigest() != self._whole:
            raise Corrupted(f"{self._name!r}: what was read does not have the object's MD5")

    def _take(self, chunk: memoryview) -> None:
        while chunk and self._at < len(self._parts):
            left, md5 = self._parts[self._at]
            taken, chunk = chunk[:left], chunk[left:]
            self._part.update(taken)
            self._parts[self._at] = (left - len(taken), md5)
            if left == len(taken):
                if md5 and self._part.hexdigest() != md5:
                    raise Corrupted(f"{self._name!r}: part {self._at + 1} does not have its MD5")
                self._part = _new()
                self._at += 1


def _parts(metadata: Document) -> list[tuple[int, str]]:
    """Return size and MD5 of each part in order, '' where it has none."""
    found: list[tuple[int, str]] = []
    last: tuple[str | None, str] | None = None
    for piece in md.locations(metadata):
        size = int(piece.get("size") or 0)
        number, _, md5 = str(piece.get("dataStoreETag") or "").partition(":")
        this = (part_number(piece), _as_md5(md5))
        if found and number and this == last:
            found[-1] = (found[-1][0] + size, this[1])
        else:
            found.append((size, this[1]))
        last = this
    return [(size, md5) for size, md5 in found if size]


def _as_md5(text: str) -> str:
    return text if _MD5.fullmatch(text) else ""


def _new() -> hashlib._Hash:
    return hashlib.md5(usedforsecurity=False)
