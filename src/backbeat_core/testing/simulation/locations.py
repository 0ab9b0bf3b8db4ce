"""Locations as one process sees them: streams that break, bytes that flip, answers that never come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from backbeat_core.errors import BackbeatError, LocationRefused, LocationUnavailable
from backbeat_core.ports.location import (
    Attributes,
    ConditionalDelete,
    Location,
    Part,
    Stored,
    TaggedLocation,
    UploadLocation,
)
from backbeat_core.testing.memory import MemoryLocation
from backbeat_core.testing.simulation.process import Host

SOURCE: Final = "source"
TARGET: Final = "target"


class FaultyLocation(Location):
    """
    A directory: whole objects, no tags, no versions.

    *side* says which faults it has: what is read from a *source* may be damaged, what is written to a *target*
    may be damaged on its way.
    """

    def __init__(self, host: Host, name: str, side: str, *, versioned: bool = False) -> None:
        self.host = host
        self.name = name
        self.side = side
        self.inner = MemoryLocation(host.engines.clock, host.engines.locations[name], versioned)

    def read(self, name: str, *, start: int = 0, end: int | None = None, version: str = "") -> Iterator[bytes]:
        kind = self._before("read")
        body = b"".join(self.inner.read(name, start=start, end=end, version=version))
        half = len(body) // 2
        if kind == "byte flipped":
            body = damaged(body)
        yield body[:half]
        if self._before("read") == "stream cut short" or kind == "stream cut short":
            raise LocationUnavailable("the stream ended too early")
        yield body[half:]

    def write(
        self, name: str, body: Iterable[bytes], *, size: int, md5: str, attributes: Attributes
    ) -> Stored:
        arrived = self._arriving("write", body)
        stored = self.inner.write(name, arrived, size=size, md5=md5, attributes=attributes)
        self._placed("write", name)
        return stored

    def head(self, name: str, *, version: str = "") -> Stored:
        self._before("head")
        return self.inner.head(name, version=version)

    def delete(self, name: str, *, version: str = "") -> str:
        self._before("delete")
        self.host.engines.onlooker.deleting(self.host, self.name, name)
        marker = self.inner.delete(name, version=version)
        self._placed("delete", name)
        return marker

    def _arriving(self, method: str, body: Iterable[bytes]) -> list[bytes]:
        arrived = list(body)
        if self._before(method) == "damaged on the way":
            arrived = [damaged(b"".join(arrived))]
        return arrived

    def _before(self, method: str) -> str | None:
        engines = self.host.engines
        kind = self.host.before(f"{self.side}.{method}", LocationUnavailable)
        if self.name in engines.away:
            raise LocationUnavailable(f"{self.name} is away")
        if kind == "refused" or self.name in engines.refusing:
            raise LocationRefused(f"{self.name} says no")
        return kind

    def _placed(self, method: str, name: str) -> None:
        engines = self.host.engines
        engines.note(f"{self.host.name} {method} {self.name}/{name}")
        if not method.endswith("tags"):
            engines.onlooker.placed(self.host, self.name, name)
        self.host.after(f"{self.side}.{method}", _unavailable)

    def list(self, *, prefix: str = "", after: str = "", limit: int = 1000) -> Sequence[Stored]:
        self._before("list")
        return self.inner.list(prefix=prefix, after=after, limit=limit)

    def close(self) -> None:
        self.inner.close()


class FaultyCloud(FaultyLocation, UploadLocation, TaggedLocation, ConditionalDelete):
    """A cloud: uploads in parts, tags, and deletions that depend on the time of the last change."""

    def begin(self, name: str, *, attributes: Attributes) -> str:
        self._before("begin")
        onlooker = self.host.engines.onlooker
        upload = self.inner.begin(name, attributes=attributes)
        onlooker.began(self.host, self.name, upload)
        try:
            self.host.after(f"{self.side}.begin", _unavailable)
        except BackbeatError:
            onlooker.excused(self.name, upload)
            raise
        return upload

    def write_part(
        self, name: str, upload: str, number: int, body: Iterable[bytes], *, size: int, md5: str = ""
    ) -> Part:
        arrived = self._arriving("write_part", body)
        part = self.inner.write_part(name, upload, number, arrived, size=size, md5=md5)
        self.host.after(f"{self.side}.write_part", _unavailable)
        return part

    def complete(self, name: str, upload: str, parts: Sequence[Part]) -> Stored:
        self._before("complete")
        stored = self.inner.complete(name, upload, parts)
        self._placed("complete", name)
        return stored

    def abort(self, name: str, upload: str) -> None:
        try:
            self._before("abort")
        except BackbeatError:
            self.host.engines.onlooker.excused(self.name, upload)
            raise
        self.inner.abort(name, upload)
        self.host.after(f"{self.side}.abort", _unavailable)

    def uploads(self) -> Sequence[tuple[str, str]]:
        self._before("uploads")
        return self.inner.uploads()

    def put_tags(self, name: str, tags: Mapping[str, str], *, version: str = "") -> None:
        self._before("put_tags")
        self.inner.put_tags(name, tags, version=version)
        self._placed("put_tags", name)

    def delete_tags(self, name: str, *, version: str = "") -> None:
        self._before("delete_tags")
        self.inner.delete_tags(name, version=version)
        self._placed("delete_tags", name)

    def delete_unmodified(self, name: str, *, since_ms: int) -> bool:
        self._before("delete_unmodified")
        self.host.engines.onlooker.deleting(self.host, self.name, name)
        deleted = self.inner.delete_unmodified(name, since_ms=since_ms)
        self._placed("delete_unmodified", name)
        return deleted


def damaged(body: bytes) -> bytes:
    """Return *body* with one bit of one byte turned over; nothing stays nothing."""
    at = len(body) // 2
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :] if body else body


def _unavailable(text: str) -> BackbeatError:
    return LocationUnavailable(text)
