"""Files on their way into a location: written aside, then given their name in one step."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

from backbeat_adapters.embedded.folders import AREA, Way

T = TypeVar("T")

INCOMING: Final = b"incoming"
UNNAMED: Final = getattr(os, "O_TMPFILE", 0)
ATTEMPTS: Final = 100
"""How often a directory is made again that another thread or process has tidied away meanwhile."""


class Staging:
    """
    Where a location writes before anybody sees it.

    Where the file system can, a file has no name at all until it gets its own, so that a process that is
    killed leaves nothing. Elsewhere, and to replace a file, it has a name in the hidden area for a while, and
    a lock that tells a living writer's from a dead one's.
    """

    def __init__(self, root: Path, *, unnamed: bool = True) -> None:
        self._root = root
        self._unnamed = unnamed and bool(UNNAMED) and os.path.isdir("/proc/self/fd")

    @contextlib.contextmanager
    def file(self) -> Iterator[Staged]:
        """Give a new file to write to; if it has not been put into its place in the end, it is gone."""
        staged = self._create()
        try:
            yield staged
        finally:
            staged.discard()

    def sweep(self) -> None:
        """Remove files that a killed process has left behind."""
        with contextlib.suppress(OSError), Way(self._root, [AREA, INCOMING]) as way:
            if not way.left:
                for name in os.listdir(way.folder):
                    _remove_stale(os.fsencode(name), way.folder)
        tidy(self._root, [INCOMING])

    def _create(self) -> Staged:
        if self._unnamed:
            try:
                flags = os.O_RDWR | UNNAMED | os.O_CLOEXEC
                return Staged(self._root, os.open(self._root, flags, 0o666), b"")
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
                    raise
                self._unnamed = False
        name = secrets.token_hex(16).encode()
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = in_area(
            self._root, [INCOMING], lambda folder: os.open(name, flags, 0o666, dir_fd=folder)
        )
        _lock(descriptor)
        return Staged(self._root, descriptor, name)


class Staged:
    """A file that is being written. *name* is its name in the hidden area, if it has one."""

    def __init__(self, root: Path, descriptor: int, name: bytes) -> None:
        self._root = root
        self._name = name
        self.descriptor = descriptor

    def place(self, name: bytes, folder: int) -> None:
        """Give the file its name in the directory *folder*, over whatever file stands there."""
        if not self._name:
            try:
                self._link(name, folder)
            except FileExistsError:
                self._give_temporary_name()
            else:
                return
        with Way(self._root, [AREA, INCOMING]) as way:
            try:
                os.rename(self._name, name, src_dir_fd=way.folder, dst_dir_fd=folder)
            except IsADirectoryError:
                # A directory that is empty is nobody's object: it is what a broken write left.
                os.rmdir(name, dir_fd=folder)
                os.rename(self._name, name, src_dir_fd=way.folder, dst_dir_fd=folder)
        self._name = b""
        tidy(self._root, [INCOMING])

    def discard(self) -> None:
        """Close the file; without a place it is gone."""
        os.close(self.descriptor)
        if self._name:
            with contextlib.suppress(OSError), Way(self._root, [AREA, INCOMING]) as way:
                os.unlink(self._name, dir_fd=way.folder)
            tidy(self._root, [INCOMING])

    def _give_temporary_name(self) -> None:
        _lock(self.descriptor)
        name = secrets.token_hex(16).encode()
        in_area(self._root, [INCOMING], lambda folder: self._link(name, folder))
        self._name = name

    def _link(self, name: bytes, folder: int) -> None:
        source = b"/proc/self/fd/%d" % self.descriptor
        os.link(source, name, dst_dir_fd=folder, follow_symlinks=True)


def in_area(root: Path, parts: Sequence[bytes], action: Callable[[int], T]) -> T:
    """Do *action*, which makes an entry, in a directory of the hidden area that is made if need be."""
    for _ in range(ATTEMPTS):
        # Another writer may find the area empty and remove it at any moment before there is an entry.
        with Way(root, [AREA, *parts]) as way, contextlib.suppress(FileNotFoundError):
            way.make(durable=False)
            return action(way.folder)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fsdecode(root))


def tidy(root: Path, parts: Sequence[bytes]) -> None:
    """Remove a directory of the hidden area, and the area, as far as they are empty."""
    with contextlib.suppress(OSError), Way(root, [AREA, *parts]) as way:
        way.prune()


def _lock(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _remove_stale(name: bytes, folder: int) -> None:
    descriptor = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(name, dir_fd=folder)
    except OSError:
        return
    finally:
        os.close(descriptor)
