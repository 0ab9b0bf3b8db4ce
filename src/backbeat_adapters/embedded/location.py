"""A directory as a location: one file an object, shown whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs

from backbeat_adapters.embedded.attributes import NOTHING, Beside
from backbeat_adapters.embedded.folders import DIRECTORY, Way, border, components
from backbeat_adapters.embedded.listing import objects
from backbeat_adapters.embedded.staging import ATTEMPTS, Staged, Staging, sync_file_system
from backbeat_adapters.embedded.uploads import Uploads
from backbeat_core.errors import Corrupted, LocationRefused, LocationUnavailable, NotFound, SourceChanged
from backbeat_core.ports.location import (
    Attributes,
    ConditionalDelete,
    Part,
    Stored,
    TaggedLocation,
    UploadLocation,
)

CHUNK: Final = 1 << 20
# A name may be that of a pipe, which must not be waited for.
READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class DirectoryLocation(UploadLocation, TaggedLocation, ConditionalDelete):
    """
    A location in the directory *root*.

    An object's name is the path of its file. The file's modification time is that of its arrival. With
    *durable* a write returns when a power loss cannot take it back any more; without, call `flush` before
    anybody is told that it is there.
    """

    def __init__(self, root: str | os.PathLike[str], *, durable: bool = True, create: bool = True) -> None:
        self.root = Path(os.fspath(root)).absolute()
        self._durable = durable
        self._staging = Staging(self.root)
        self._beside = Beside(self.root)
        self._uploads = Uploads(self.root)
        if create:
            with border(self.root):
                self.root.mkdir(parents=True, exist_ok=True)
        # A directory that is away may come back; every call says so until then.
        with contextlib.suppress(LocationRefused, LocationUnavailable), border(self.root):
            self._staging.sweep()

    def write(
        self, name: str, body: Iterable[bytes], *, size: int, md5: str, attributes: Attributes
    ) -> Stored:
        return self._store(name, body, size, md5, attributes)

    def read(self, name: str, *, start: int = 0, end: int | None = None, version: str = "") -> Iterator[bytes]:
        with self._open(name, version) as descriptor:
            before = os.fstat(descriptor)
            left = before.st_size - start if end is None else min(end + 1, before.st_size) - start
            while left > 0:
                with border(self.root, name):
                    piece = os.pread(descriptor, min(left, CHUNK), start)
                if not piece:
                    break
                start, left = start + len(piece), left - len(piece)
                yield piece
            after = os.fstat(descriptor)
            if left > 0 or before.st_mtime_ns != after.st_mtime_ns:
                raise SourceChanged(f"{name!r} in {self.root} was changed while it was read")

    def head(self, name: str, *, version: str = "") -> Stored:
        with self._open(name, version) as descriptor, border(self.root, name):
            found = _stored(name, os.fstat(descriptor))
            return attrs.evolve(found, attributes=self._beside.load(name, descriptor))

    def delete(self, name: str, *, version: str = "") -> str:
        if not version:
            self._remove(name, None)
        return ""

    def list(self, *, prefix: str = "", after: str = "", limit: int = 1000) -> Sequence[Stored]:
        with border(self.root), Way(self.root) as way:
            found = objects(way.folder, "", prefix, after)
            return [_stored(name, status) for name, status in itertools.islice(found, max(limit, 0))]

    def flush(self) -> None:
        """Return when all that was written so far is durable: one wait for many small objects."""
        with border(self.root), Way(self.root) as way:
            sync_file_system(way.folder)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._staging.sweep()

    def begin(self, name: str, *, attributes: Attributes) -> str:
        with self._way(name, components(name)), border(self.root, name):
            return self._uploads.begin(name, attributes)

    def write_part(
        self, name: str, upload: str, number: int, body: Iterable[bytes], *, size: int, md5: str = ""
    ) -> Part:
        with border(self.root, name):
            self._uploads.attributes(name, upload)
        with self._staged(name) as staged:
            digest = self._receive(name, staged, body, size, md5)
            part = Part(number, digest, size)
            with border(self.root, name):
                self._uploads.put(name, upload, part, staged)
        return part

    def complete(self, name: str, upload: str, parts: Sequence[Part]) -> Stored:
        with border(self.root, name):
            attributes = self._uploads.attributes(name, upload)
            body = self._uploads.read(name, upload, parts, CHUNK)
            size = sum(part.size for part in parts)
            stored = self._store(name, body, size, "", attributes)
            self._uploads.remove(name, upload)
        return stored

    def abort(self, name: str, upload: str) -> None:
        with border(self.root, name):
            self._uploads.remove(name, upload)

    def uploads(self) -> Sequence[tuple[str, str]]:
        with border(self.root):
            return self._uploads.all()

    def put_tags(self, name: str, tags: Mapping[str, str], *, version: str = "") -> None:
        with self._open(name, version) as descriptor, border(self.root, name):
            attributes = attrs.evolve(self._beside.load(name, descriptor), tags=dict(tags))
            self._beside.save(name, descriptor, attributes)

    def delete_tags(self, name: str, *, version: str = "") -> None:
        self.put_tags(name, {}, version=version)

    def delete_unmodified(self, name: str, *, since_ms: int) -> bool:
        return self._remove(name, since_ms)

    @contextlib.contextmanager
    def _way(self, name: str, parts: Sequence[bytes]) -> Iterator[Way]:
        # Before a byte is read of the body: what would be refused in the end is refused at once.
        with border(self.root, name):
            way = Way(self.root, parts[:-1])
        with way:
            if not way.left:
                with border(self.root, name):
                    _refuse_full_directory(parts[-1], way.folder)
            yield way

    def _store(
        self, name: str, body: Iterable[bytes], size: int, md5: str, attributes: Attributes
    ) -> Stored:
        parts = components(name)
        with self._way(name, parts) as way, self._staged(name) as staged:
            digest = self._receive(name, staged, body, size, md5)
            with border(self.root, name):
                if attributes != NOTHING:
                    self._beside.save(name, staged.descriptor, attributes)
                if self._durable:
                    os.fsync(staged.descriptor)
                if self._place(staged, parts, way):
                    self._beside.keep_only(name, staged.descriptor)
                stored = _stored(name, os.fstat(staged.descriptor))
        return attrs.evolve(stored, md5=digest, attributes=attributes)

    @contextlib.contextmanager
    def _staged(self, name: str) -> Iterator[Staged]:
        # The body's own errors pass through: only what the directory says is translated.
        with border(self.root, name):
            opened = self._staging.file()
            staged = opened.__enter__()
        try:
            yield staged
        finally:
            with border(self.root, name):
                opened.__exit__(None, None, None)

    def _receive(self, name: str, staged: Staged, body: Iterable[bytes], size: int, md5: str) -> str:
        digest, arrived = hashlib.md5(usedforsecurity=False), 0
        for piece in body:
            arrived += len(piece)
            if arrived > size:
                raise Corrupted(f"more than the {size} bytes that were announced arrived for {name!r}")
            digest.update(piece)
            with border(self.root, name):
                _write_all(staged.descriptor, piece)
        if arrived != size:
            raise Corrupted(f"{arrived} bytes arrived for {name!r} where {size} were announced")
        if md5 and digest.hexdigest() != md5:
            raise Corrupted(f"the bytes that arrived for {name!r} have the MD5 {digest.hexdigest()}, not {md5}")
        return digest.hexdigest()

    def _place(self, staged: Staged, parts: Sequence[bytes], way: Way) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return self._place_at(staged, parts[-1], way)
        # A directory that was empty has been tidied away under us by a delete: go again.
        for _ in range(ATTEMPTS):
            with Way(self.root, parts[:-1]) as again, contextlib.suppress(FileNotFoundError):
                return self._place_at(staged, parts[-1], again)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    def _place_at(self, staged: Staged, part: bytes, way: Way) -> bool:
        before = len(way.parts) - len(way.left)
        try:
            way.make(durable=self._durable)
            replaced = staged.place(part, way.folder)
        except FileNotFoundError:
            raise
        except OSError:
            way.prune(keep=before)
            raise
        if self._durable:
            os.fsync(way.folder)
        return replaced

    @contextlib.contextmanager
    def _open(self, name: str, version: str) -> Iterator[int]:
        descriptor = None
        with border(self.root, name), self._folder_of(name) as (way, part):
            if way is not None:
                descriptor = _open_regular(part, way.folder)
        if descriptor is None:
            raise NotFound(f"{name!r} in {self.root}")
        try:
            if version:
                raise SourceChanged(f"{self.root} keeps no versions: {version!r} is not what stands there")
            yield descriptor
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _folder_of(self, name: str) -> Iterator[tuple[Way | None, bytes]]:
        """Open the directory that the object is in, None if there is no such directory."""
        try:
            *folders, part = components(name)
        except LocationRefused:
            # What cannot be here is not here. The location itself must be, though.
            folders, part = [], b""
        with contextlib.ExitStack() as stack:
            root = stack.enter_context(Way(self.root))
            way = root
            if folders:
                try:
                    way = stack.enter_context(Way(self.root, folders))
                except OSError as error:
                    if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                        raise
                    part = b""
            yield (None if way.left or not part else way), part

    def _remove(self, name: str, since_ms: int | None) -> bool:
        with border(self.root, name), self._folder_of(name) as (way, part):
            if way is None:
                return False
            try:
                found = os.stat(part, dir_fd=way.folder, follow_symlinks=False)
                if not stat.S_ISREG(found.st_mode):
                    return False
                if since_ms is not None and _ms(found) > since_ms:
                    return False
                os.unlink(part, dir_fd=way.folder)
            except FileNotFoundError:
                return False
            self._beside.keep_only(name, None)
            if self._durable:
                os.fsync(way.folder)
            way.prune()
        return True


def _refuse_full_directory(name: bytes, folder: int) -> None:
    try:
        descriptor = os.open(name, DIRECTORY, dir_fd=folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        if os.listdir(descriptor):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    finally:
        os.close(descriptor)


def _open_regular(name: bytes, folder: int) -> int | None:
    try:
        descriptor = os.open(name, READ, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        # A symbolic link (ELOOP), or a socket (ENXIO): whatever it is, it is no object.
        if error.errno in (errno.ELOOP, errno.ENXIO):
            return None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    return descriptor


def _write_all(descriptor: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]


def _ms(found: os.stat_result) -> int:
    return found.st_mtime_ns // 1_000_000


def _stored(name: str, found: os.stat_result) -> Stored:
    return Stored(name, found.st_size, last_modified_ms=_ms(found))
