"""Files on their way into a location: written aside, then given their name in one step."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import itertools
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

from backbeat_adapters.embedded.folders import AREA, SLOTS, Way

T = TypeVar("T")

INCOMING: Final = b"incoming"
UNNAMED: Final = getattr(os, "O_TMPFILE", 0)
ATTEMPTS: Final = 100
"""How often a directory is made again that another thread or process has tidied away meanwhile."""


class Staging:
    """
    Where a location writes before anybody sees it.

    Where the file system can, a file has no name at all until it gets its own, so that a process that is
    killed leaves nothing. Elsewhere it has one in the hidden area; and for the moment in which it replaces
    another, one of a few hidden names in the root. A lock tells a living writer's file from a dead one's.
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
        with Way(self._root) as way:
            for slot in SLOTS:
                _remove_stale(slot, way.folder)

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

    def place(self, name: bytes, folder: int) -> bool:
        """Give the file its name in *folder*; return whether it replaced what stood there."""
        if self._name:
            with Way(self._root, [AREA, INCOMING]) as way:
                _rename(self._name, way.folder, name, folder)
            self._name = b""
            tidy(self._root, [INCOMING])
            return True
        try:
            self._link(name, folder)
        except FileExistsError:
            self._replace(name, folder)
            return True
        return False

    def discard(self) -> None:
        """Close the file; without a place it is gone."""
        os.close(self.descriptor)
        if self._name:
            with contextlib.suppress(OSError), Way(self._root, [AREA, INCOMING]) as way:
                os.unlink(self._name, dir_fd=way.folder)
            tidy(self._root, [INCOMING])

    def _replace(self, name: bytes, folder: int) -> None:
        # A link cannot replace, and a rename needs a name to start from.
        _lock(self.descriptor)
        with Way(self._root) as way:
            slot = self._take_slot(way.folder)
            try:
                _rename(slot, way.folder, name, folder)
            except BaseException:
                os.unlink(slot, dir_fd=way.folder)
                raise

    def _take_slot(self, root: int) -> bytes:
        for slot in itertools.islice(itertools.cycle(SLOTS), self.descriptor, ATTEMPTS * len(SLOTS)):
            with contextlib.suppress(FileExistsError):
                self._link(slot, root)
                return slot
        raise BlockingIOError(errno.EAGAIN, "too many files are being replaced at once")

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


def sync_file_system(descriptor: int) -> None:
    """Write out the file system that *descriptor* is on; where one alone cannot be, all of them."""
    try:
        done = ctypes.CDLL(None, use_errno=True).syncfs(descriptor)
    except (OSError, AttributeError):
        os.sync()
        return
    if done != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _rename(source: bytes, source_folder: int, name: bytes, folder: int) -> None:
    try:
        os.rename(source, name, src_dir_fd=source_folder, dst_dir_fd=folder)
    except IsADirectoryError:
        # A directory that is empty is nobody's object: it is what a broken write left.
        os.rmdir(name, dir_fd=folder)
        os.rename(source, name, src_dir_fd=source_folder, dst_dir_fd=folder)


def _lock(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _remove_stale(name: bytes, folder: int) -> None:
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(name, dir_fd=folder)
    except OSError:
        return
    finally:
        os.close(descriptor)
