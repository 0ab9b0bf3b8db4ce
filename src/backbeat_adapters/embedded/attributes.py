"""What is kept beside a file's bytes: in the file's own extended attributes, so that the tree stays as it is."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any, BinaryIO, Final

import attrs

from backbeat_adapters.embedded.folders import AREA, Way
from backbeat_adapters.embedded.staging import in_area, tidy
from backbeat_core.ports.location import Attributes

XATTR: Final = "user.backbeat"
SIDECARS: Final = b"attributes"
TOO_MUCH: Final = frozenset({errno.EOPNOTSUPP, errno.ENOSPC, errno.E2BIG, errno.ERANGE, errno.EPERM})
"""What a file system says that keeps no extended attributes, or none so large; then a file holds them."""

NOTHING: Final = Attributes()


class Beside:
    """
    Keeps attributes of files, by descriptor.

    What the file system cannot hold is in a file of the hidden area, named after the object and after the very
    file that it belongs to: a write that fails does not change what is known of the object that stands.
    """

    def __init__(self, root: Path, *, xattrs: bool = True) -> None:
        self._root = root
        self._xattrs = xattrs and hasattr(os, "setxattr")

    def save(self, name: str, descriptor: int, attributes: Attributes) -> None:
        """Set the attributes of an open file, before or after it has its place."""
        data = b"" if attributes == NOTHING else pack(attributes).encode()
        if not self._set(descriptor, data) and data:
            folder, file = _sidecar(name, descriptor)
            in_area(self._root, [SIDECARS, folder], lambda where: _replace(file, where, data))

    def load(self, name: str, descriptor: int) -> Attributes:
        """Return the attributes of an open file."""
        if self._xattrs:
            with contextlib.suppress(OSError):
                return _unpack(os.getxattr(descriptor, XATTR))
        folder, file = _sidecar(name, descriptor)
        with Way(self._root, [AREA, SIDECARS, folder]) as way:
            if not way.left:
                with contextlib.suppress(FileNotFoundError), _reading(file, way.folder) as opened:
                    return _unpack(opened.read())
        return NOTHING

    def keep_only(self, name: str, descriptor: int | None) -> None:
        """Forget what files that had the name before have left, or with None: all that has the name."""
        folder, file = (_digest(name), b"") if descriptor is None else _sidecar(name, descriptor)
        with Way(self._root, [AREA, SIDECARS, folder]) as way:
            if way.left:
                return
            for entry in os.listdir(way.folder):
                if os.fsencode(entry) != file:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(entry, dir_fd=way.folder)
        tidy(self._root, [SIDECARS, folder])

    def _set(self, descriptor: int, data: bytes) -> bool:
        if not self._xattrs:
            return False
        try:
            if data:
                os.setxattr(descriptor, XATTR, data)
            else:
                os.removexattr(descriptor, XATTR)
        except OSError as error:
            if error.errno in TOO_MUCH:
                with contextlib.suppress(OSError):
                    os.removexattr(descriptor, XATTR)
                return False
            if error.errno != errno.ENODATA:
                raise
        return True


def pack(attributes: Attributes) -> str:
    """Return the attributes as JSON text."""
    return json.dumps(attrs.asdict(attributes, filter=lambda _, value: bool(value)), separators=(",", ":"))


def unpack(text: str | bytes) -> Attributes:
    """Return the attributes that a JSON text tells. Raises ValueError for any other text."""
    found: Any = json.loads(text)
    return Attributes(**found)


def _unpack(data: bytes) -> Attributes:
    # Attributes that somebody else has changed are no reason not to give the bytes.
    try:
        return unpack(data)
    except (ValueError, TypeError):
        return NOTHING


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest().encode()


def _sidecar(name: str, descriptor: int) -> tuple[bytes, bytes]:
    found = os.fstat(descriptor)
    return _digest(name), b"%d.%d" % (found.st_ino, found.st_mtime_ns)


def _reading(name: bytes, folder: int) -> BinaryIO:
    return os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder), "rb")


def _replace(name: bytes, folder: int, data: bytes) -> None:
    aside = name + b".new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(aside, flags, 0o666, dir_fd=folder), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.rename(aside, name, src_dir_fd=folder, dst_dir_fd=folder)
