"""A directory tree as a source: its files as keys, their states as versions, and what cannot be an object."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import attrs

from backbeat_core.errors import InvalidConfiguration, LocationUnavailable, NotFound, SourceChanged
from backbeat_core.ports.location import Source

CHUNK = 1 << 20
UNFINISHED = ".backbeat/"
MAX_KEY_BYTES = 1024
"""S3's limit for a key, in bytes of UTF-8."""


@attrs.frozen
class TreeFile:
    """A file that can be an object. *version* changes when the file is written or replaced."""

    key: str
    size: int
    mtime_ms: int
    version: str


@attrs.frozen
class Refused:
    """
    A name in the tree that cannot be an object, and what to do about it.

    *key* ends with a slash for a directory, of which nothing is known then; *name* is for people.
    """

    key: str
    reason: str

    @property
    def name(self) -> str:
        """Return the name on one line."""
        return printable(self.key)

    def covers(self, key: str) -> bool:
        """Return whether an object *key* is this name, or would be in this directory."""
        return key.startswith(self.key) if self.key.endswith("/") else key == self.key


@attrs.frozen
class Digest:
    """A file's state and the MD5 (hexadecimal) of the bytes that it had in that very state."""

    file: TreeFile
    md5: str


def printable(name: str) -> str:
    """Return *name* on one line: what cannot be printed is escaped."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class SourceTree(Source):
    """
    The files below *root*, never followed out of it.

    A symbolic link counts as the file that it leads to when that file is inside the tree; every other link,
    and whatever is neither file nor directory, is refused.
    """

    def __init__(self, root: Path) -> None:
        try:
            found = os.stat(root)
        except FileNotFoundError:
            raise InvalidConfiguration(f"source {str(root)!r} is not there: check the path") from None
        except OSError as error:
            raise InvalidConfiguration(
                f"source {str(root)!r} cannot be read: {error.strerror}: check the path"
            ) from error
        if not stat.S_ISDIR(found.st_mode):
            raise InvalidConfiguration(f"source {str(root)!r} is not a directory: name the directory it is in")
        if not os.access(root, os.R_OK | os.X_OK):
            raise InvalidConfiguration(f"source {str(root)!r} cannot be read: check its permissions")
        self.root = Path(os.path.realpath(root))
        self.filled = ""
        """Which directory the root was when something was last in it; '' if none is known."""
        self._prefix = os.path.join(self.root, "")

    def walk(self) -> Iterator[TreeFile | Refused]:
        """
        Yield what is in the tree, files in code-point order of their keys, directories not at all.

        Raises LocationUnavailable when the root has gone away, before or while it is read, or when it is empty
        and another directory than the one that was *filled*, as where a disk is not mounted: what is not met
        would read as deleted.
        """
        root = self._identity()
        entries = self._root_entries()
        self._expect_root(root)
        if not entries and self.filled not in ("", root):
            raise LocationUnavailable(
                f"source {str(self.root)!r} is empty, and another directory than it was; nothing is taken for "
                "removed: mount it again, or put a file into it if all is to be removed"
            )
        self.filled = root if entries else ""
        yield from self._walk(entries, root)

    def _identity(self) -> str:
        try:
            found = os.stat(self.root)
        except OSError as error:
            raise LocationUnavailable(f"source {str(self.root)!r} is away: {error.strerror}") from error
        return f"{found.st_dev:x}.{found.st_ino:x}"

    def _expect_root(self, root: str) -> None:
        if self._identity() != root:
            raise LocationUnavailable(f"source {str(self.root)!r} was replaced while it was read")

    def _root_entries(self) -> list[tuple[str, os.DirEntry[str]]]:
        try:
            return self._entries("")
        except OSError as error:
            raise LocationUnavailable(f"source {str(self.root)!r} is away: {error.strerror}") from error

    def _entries(self, prefix: str) -> list[tuple[str, os.DirEntry[str]]]:
        with os.scandir(self.root / prefix) as found:
            named = [
                (prefix + e.name + ("/" if e.is_dir(follow_symlinks=False) else ""), e)
                for e in found
            ]
        return sorted(named, key=lambda pair: pair[0])

    def _walk(self, entries: list[tuple[str, os.DirEntry[str]]], root: str) -> Iterator[TreeFile | Refused]:
        # No recursion: directories may be deeper than the interpreter's stack.
        ahead = [iter(entries)]
        while ahead:
            name, entry = next(ahead[-1], ("", None))
            if entry is None:
                ahead.pop()
                continue
            found = self._directory(name) if name.endswith("/") else self._file(name, entry)
            if isinstance(found, list):
                ahead.append(iter(found))
            elif found is not None:
                yield found
            else:
                # It is gone, and so may the whole tree be.
                self._expect_root(root)
        self._expect_root(root)

    def _directory(self, name: str) -> list[tuple[str, os.DirEntry[str]]] | Refused | None:
        """Return what is in the directory *name*, None if it is gone."""
        if not _is_utf8(name):
            return Refused(name, "is not a UTF-8 name, which an object key must be: rename it")
        if name == UNFINISHED:
            return Refused(name, "is where a location keeps what is not finished; rename it if it is yours")
        if len(name.encode()) >= MAX_KEY_BYTES:
            return Refused(name, f"is longer than {MAX_KEY_BYTES} bytes, the limit of a key: shorten it")
        try:
            return self._entries(name)
        except FileNotFoundError:
            return None
        except OSError as error:
            return Refused(name, f"cannot be read: {error.strerror}: give the right to read it")

    def _file(self, name: str, entry: os.DirEntry[str]) -> TreeFile | Refused | None:
        if not _is_utf8(name):
            return Refused(name, "is not a UTF-8 name, which an object key must be: rename it")
        if len(name.encode()) > MAX_KEY_BYTES:
            return Refused(name, f"is longer than {MAX_KEY_BYTES} bytes, the limit of a key: shorten it")
        try:
            if entry.is_symlink():
                return self._link(name)
            found = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError as error:
            return Refused(name, f"cannot be read: {error.strerror}: give the right to read it")
        if not stat.S_ISREG(found.st_mode):
            return Refused(name, "is neither a file nor a directory: leave it out of the source")
        return _tree_file(name, found)

    def _link(self, name: str) -> TreeFile | Refused:
        refusal = Refused(
            name,
            "is a symbolic link that does not lead to a file inside the source; it is not followed: "
            "put the file in its place, or remove the link",
        )
        target = os.path.realpath(self.root / name)
        if os.path.commonpath((target, self.root)) != str(self.root):
            return refusal
        try:
            found = os.stat(target, follow_symlinks=False)
        except OSError:
            return refusal
        return _tree_file(name, found) if stat.S_ISREG(found.st_mode) else refusal

    def digest(self, key: str) -> Digest:
        """
        Read the file whole and return its state and MD5.

        Raises NotFound, SourceChanged when it is written meanwhile, LocationUnavailable.
        """
        md5 = hashlib.md5(usedforsecurity=False)
        descriptor = self._open(key)
        try:
            before = os.fstat(descriptor)
            while chunk := os.read(descriptor, CHUNK):
                md5.update(chunk)
            after = os.fstat(descriptor)
        except OSError as error:
            raise LocationUnavailable(f"{printable(key)}: {error.strerror}") from error
        finally:
            os.close(descriptor)
        if _version(before) != _version(after):
            raise SourceChanged(f"{printable(key)} was written while it was read")
        return Digest(_tree_file(key, after), md5.hexdigest())

    def read(self, name: str, *, start: int = 0, end: int | None = None, version: str = "") -> Iterator[bytes]:
        descriptor = self._open(name)
        try:
            self._expect(descriptor, name, version)
            if start:
                os.lseek(descriptor, start, os.SEEK_SET)
            left = None if end is None else end - start + 1
            while left is None or left > 0:
                chunk = os.read(descriptor, CHUNK if left is None else min(CHUNK, left))
                if not chunk:
                    break
                if left is not None:
                    left -= len(chunk)
                yield chunk
            self._expect(descriptor, name, version)
        except OSError as error:
            raise LocationUnavailable(f"{printable(name)}: {error.strerror}") from error
        finally:
            os.close(descriptor)

    def _expect(self, descriptor: int, name: str, version: str) -> None:
        if version and _version(os.fstat(descriptor)) != version:
            raise SourceChanged(f"{printable(name)} has changed since it was recorded")

    def _open(self, key: str) -> int:
        """Open the file behind *key* without leaving the tree, whatever its directories have become."""
        try:
            # A handle first, which opens nothing: where it has led to is looked at before any byte is read,
            # and cannot be changed in between.
            handle = os.open(self._prefix + key, os.O_PATH | os.O_CLOEXEC)
            try:
                found = os.readlink(f"/proc/self/fd/{handle}")
                if not found.startswith(self._prefix) or not stat.S_ISREG(os.fstat(handle).st_mode):
                    raise NotFound(printable(key))
                return os.open(f"/proc/self/fd/{handle}", os.O_RDONLY | os.O_CLOEXEC)
            finally:
                os.close(handle)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise NotFound(printable(key)) from error
            raise LocationUnavailable(f"{printable(key)}: {error.strerror}") from error


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _version(found: os.stat_result) -> str:
    return f"{found.st_mtime_ns:x}.{found.st_size:x}.{found.st_ino:x}"


def _tree_file(key: str, found: os.stat_result) -> TreeFile:
    return TreeFile(key, found.st_size, found.st_mtime_ns // 1_000_000, _version(found))
