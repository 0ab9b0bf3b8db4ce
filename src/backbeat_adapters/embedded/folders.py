"""Ways through a location's directories, by descriptors: no symbolic link inside is ever followed."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from backbeat_core.errors import LocationOccupied, LocationRefused, LocationUnavailable

AREA: Final = b".backbeat"
"""What is not an object: files on their way in, uploads. It is there only while there are any."""
SLOTS: Final = tuple(b"%s.%d" % (AREA, n) for n in range(32))
"""Names in the root that a file has for the moment in which it replaces another."""
HIDDEN: Final = frozenset({AREA, *SLOTS})

DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
MAX_COMPONENT: Final = 255

REFUSED: Final = {
    errno.EACCES: "access is denied",
    errno.EPERM: "access is denied",
    errno.EEXIST: "a file is in its place",
    errno.EROFS: "the file system is read-only",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ELOOP: "there is a symbolic link on the way",
    errno.EXDEV: "another file system is mounted on the way",
    errno.EFBIG: "the file system takes no file that large",
}
OCCUPIED: Final = {
    errno.ENOTDIR: "a part of its name is an object there, and a directory cannot hold both",
    errno.EISDIR: "there are objects below that name, and a directory cannot hold both",
    errno.ENOTEMPTY: "there are objects below that name, and a directory cannot hold both",
}
UNAVAILABLE: Final = {
    errno.ENOSPC: "no space is left: free some and try again",
    errno.EDQUOT: "the quota is used up: free some and try again",
}


def components(name: str) -> list[bytes]:
    """
    Return *name* as a way through directories, byte for byte.

    Bytes that are no UTF-8 are told as lone surrogates (PEP 383). Raises LocationRefused for what a directory
    cannot hold.
    """
    try:
        raw = name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raw = b""
    parts = raw.split(b"/")
    if raw.decode("utf-8", "surrogateescape") != name or not name:
        raise LocationRefused(f"{name!r} cannot be stored in a directory: it is no text of bytes")
    if b"\0" in raw or any(part in (b"", b".", b"..") for part in parts):
        raise LocationRefused(
            f"{name!r} cannot be stored in a directory: a part of it is empty, '.', '..' or has a zero byte"
        )
    if any(len(part) > MAX_COMPONENT for part in parts):
        raise LocationRefused(f"{name!r} cannot be stored in a directory: a part of it is over 255 bytes long")
    if parts[0] in HIDDEN:
        raise LocationRefused(f"{name!r} cannot be stored: a location keeps files of its own under that name")
    return parts


def text(raw: bytes) -> str:
    """Return the name that bytes of a directory stand for."""
    return raw.decode("utf-8", "surrogateescape")


@contextlib.contextmanager
def border(root: Path, name: str = "") -> Iterator[None]:
    """Translate what the system says about *name* below *root*."""
    try:
        yield
    except OSError as error:
        what = f"{name!r} in {root}" if name else f"location {root}"
        code = error.errno or 0
        if code in OCCUPIED:
            raise LocationOccupied(f"{what}: {OCCUPIED[code]}") from error
        if code in REFUSED:
            raise LocationRefused(f"{what}: {REFUSED[code]}") from error
        raise LocationUnavailable(f"{what}: {UNAVAILABLE.get(code, error.strerror)}") from error


class Way:
    """
    An open directory and what is left to go from there: the parts of a name that are not there yet.

    Descriptors are closed on leaving the `with` block.
    """

    def __init__(self, root: Path, parts: Sequence[bytes] = ()) -> None:
        self._opened = [os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)]
        self.parts = list(parts)
        try:
            while self.left and self._step(self.left[0]):
                pass
        except BaseException:
            self.close()
            raise

    @property
    def folder(self) -> int:
        """Return the descriptor of the deepest directory that is there."""
        return self._opened[-1]

    @property
    def left(self) -> Sequence[bytes]:
        """Return the parts that are not there."""
        return self.parts[len(self._opened) - 1 :]

    def __enter__(self) -> Way:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        while self._opened:
            os.close(self._opened.pop())

    def make(self, *, durable: bool) -> None:
        """Make the directories that are missing, and open them."""
        for part in self.left:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, 0o777, dir_fd=self.folder)
                if durable:
                    os.fsync(self.folder)
            if not self._step(part):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    def prune(self, keep: int = 0) -> None:
        """Remove the directories of the way that are empty, from the deepest up; the first *keep* stay."""
        for depth in range(min(len(self.parts), len(self._opened)), keep, -1):
            try:
                os.rmdir(self.parts[depth - 1], dir_fd=self._opened[depth - 1])
            except FileNotFoundError:
                continue
            except OSError:
                return

    def _step(self, part: bytes) -> bool:
        try:
            self._opened.append(os.open(part, DIRECTORY, dir_fd=self.folder))
        except FileNotFoundError:
            return False
        except NotADirectoryError:
            found = os.stat(part, dir_fd=self.folder, follow_symlinks=False)
            if stat.S_ISLNK(found.st_mode):
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None
            raise
        return True


def remove_tree(name: bytes, folder: int) -> None:
    """Remove the directory *name* of *folder* and the files in it. Absent is not an error."""
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(name, DIRECTORY, dir_fd=folder)
        try:
            for entry in os.listdir(descriptor):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(entry, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        os.rmdir(name, dir_fd=folder)
