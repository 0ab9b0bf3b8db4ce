"""The executable laws of a location: objects are bytes in a dict, uploads are dicts of parts."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

from backbeat_core.errors import Corrupted, LocationRefused, LocationUnavailable, NotFound, SourceChanged
from backbeat_core.ports.clock import Clock
from backbeat_core.ports.location import (
    Attributes,
    ConditionalDelete,
    Part,
    Stored,
    TaggedLocation,
    UploadLocation,
)
from backbeat_core.testing.memory.locking import locked

CHUNK = 1 << 20


@attrs.frozen
class _Object:
    body: bytes
    stored: Stored


@attrs.define
class _Upload:
    name: str
    attributes: Attributes
    parts: dict[int, tuple[Part, bytes]] = attrs.field(factory=dict)


@attrs.define(eq=False)
class MemoryBucket:
    """What several `MemoryLocation` objects share. The last version of a name is what a reader sees."""

    objects: dict[str, list[_Object | None]] = attrs.field(factory=dict)
    uploads: dict[str, _Upload] = attrs.field(factory=dict)
    counter: int = 0
    lock: threading.RLock = attrs.field(factory=threading.RLock, repr=False)

    def next_id(self, prefix: str) -> str:
        self.counter += 1
        return f"{prefix}{self.counter}"


@attrs.define(eq=False)
class MemoryLocation(UploadLocation, TaggedLocation, ConditionalDelete):
    """
    A location without threads or files.

    *versioned* keeps older versions and makes delete markers, as an S3 bucket with versions does. While
    *unreachable* is true every call raises LocationUnavailable, while *refusing* is true LocationRefused.
    """

    clock: Clock
    bucket: MemoryBucket = attrs.field(factory=MemoryBucket)
    versioned: bool = False
    unreachable: bool = False
    refusing: bool = False

    def write(
        self, name: str, body: Iterable[bytes], *, size: int, md5: str, attributes: Attributes
    ) -> Stored:
        self._check(name)
        found = _arrived(body, size, md5)
        return self._show(name, found, attributes)

    def read(self, name: str, *, start: int = 0, end: int | None = None, version: str = "") -> Iterator[bytes]:
        self._check()
        body = self._find(name, version).body
        wanted = body[start : len(body) if end is None else end + 1]
        for at in range(0, len(wanted), CHUNK):
            self._check()
            yield bytes(bytearray(wanted[at : at + CHUNK]))

    @property
    def lock(self) -> threading.RLock:
        return self.bucket.lock

    @locked
    def head(self, name: str, *, version: str = "") -> Stored:
        self._check()
        return self._find(name, version).stored

    @locked
    def delete(self, name: str, *, version: str = "") -> str:
        self._check()
        versions = self.bucket.objects.get(name, [])
        if version:
            self.bucket.objects[name] = [found for found in versions if not _is(found, version)]
        elif not self.versioned:
            self.bucket.objects.pop(name, None)
        else:
            self.bucket.objects.setdefault(name, []).append(None)
            return self.bucket.next_id("marker-")
        return ""

    @locked
    def list(self, *, prefix: str = "", after: str = "", limit: int = 1000) -> Sequence[Stored]:
        self._check()
        latest = {name: versions[-1] for name, versions in self.bucket.objects.items() if versions}
        names = sorted(name for name in latest if name.startswith(prefix) and name > after)
        seen = [found.stored for name in names if (found := latest[name]) is not None]
        return seen[: max(limit, 0)]

    def close(self) -> None:
        pass

    @locked
    def begin(self, name: str, *, attributes: Attributes) -> str:
        self._check(name)
        upload = self.bucket.next_id("upload-")
        self.bucket.uploads[upload] = _Upload(name, attributes)
        return upload

    def write_part(
        self, name: str, upload: str, number: int, body: Iterable[bytes], *, size: int, md5: str = ""
    ) -> Part:
        self._check()
        found = self._upload(name, upload)
        arrived = _arrived(body, size, md5)
        digest = hashlib.md5(arrived, usedforsecurity=False).hexdigest()
        part = Part(number, digest, size, digest)
        with self.lock:
            found.parts[number] = (part, arrived)
        return part

    @locked
    def complete(self, name: str, upload: str, parts: Sequence[Part]) -> Stored:
        self._check()
        found = self._upload(name, upload)
        for part in parts:
            if found.parts.get(part.number, (None, b""))[0] != part:
                raise LocationRefused(f"part {part.number} of {name!r} is not what was written")
        body = b"".join(found.parts[part.number][1] for part in parts)
        del self.bucket.uploads[upload]
        return self._show(name, body, found.attributes)

    @locked
    def abort(self, name: str, upload: str) -> None:
        self._check()
        self.bucket.uploads.pop(upload, None)

    @locked
    def uploads(self) -> Sequence[tuple[str, str]]:
        self._check()
        return [(found.name, upload) for upload, found in self.bucket.uploads.items()]

    @locked
    def put_tags(self, name: str, tags: Mapping[str, str], *, version: str = "") -> None:
        self._check()
        old = self._find(name, version)
        stored = attrs.evolve(old.stored, attributes=attrs.evolve(old.stored.attributes, tags=dict(tags)))
        versions = self.bucket.objects[name]
        versions[versions.index(old)] = attrs.evolve(old, stored=stored)

    def delete_tags(self, name: str, *, version: str = "") -> None:
        self.put_tags(name, {}, version=version)

    @locked
    def delete_unmodified(self, name: str, *, since_ms: int) -> bool:
        self._check()
        versions = self.bucket.objects.get(name, [])
        if not versions or versions[-1] is None or versions[-1].stored.last_modified_ms > since_ms:
            return False
        self.delete(name)
        return True

    def _check(self, name: str | None = None) -> None:
        if self.unreachable:
            raise LocationUnavailable("the memory location is away")
        if self.refusing:
            raise LocationRefused("the memory location says no")
        if name == "":
            raise LocationRefused("an object must have a name")

    @locked
    def _show(self, name: str, body: bytes, attributes: Attributes) -> Stored:
        version = self.bucket.next_id("v") if self.versioned else ""
        digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
        kept = attrs.evolve(
            attributes, user_metadata=dict(attributes.user_metadata), tags=dict(attributes.tags)
        )
        stored = Stored(name, len(body), digest, version, self.clock.now_ms(), kept)
        older = self.bucket.objects.get(name, []) if self.versioned else []
        self.bucket.objects[name] = [*older, _Object(body, stored)]
        return stored

    def _find(self, name: str, version: str) -> _Object:
        versions = self.bucket.objects.get(name, [])
        if version and versions and not self.versioned:
            raise SourceChanged(f"{name!r} has no versions: {version!r} is not what stands there")
        if version:
            versions = [found for found in versions if _is(found, version)]
        if not versions or versions[-1] is None:
            raise NotFound(f"{name!r}")
        return versions[-1]

    def _upload(self, name: str, upload: str) -> _Upload:
        found = self.bucket.uploads.get(upload)
        if found is None or found.name != name:
            raise NotFound(f"upload {upload!r} of {name!r}")
        return found


def _is(found: _Object | None, version: str) -> bool:
    return found is not None and found.stored.version == version


def _arrived(body: Iterable[bytes], size: int, md5: str) -> bytes:
    arrived = b"".join(body)
    if len(arrived) != size:
        raise Corrupted(f"{len(arrived)} bytes arrived where {size} were announced")
    if md5 and hashlib.md5(arrived, usedforsecurity=False).hexdigest() != md5:
        raise Corrupted("the bytes that arrived do not have the MD5 that was announced")
    return arrived
