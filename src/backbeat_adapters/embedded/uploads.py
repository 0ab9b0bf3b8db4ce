"""Uploads in parts: a directory each in the hidden area, with the parts as files named after their sums."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from backbeat_adapters.embedded.attributes import pack, unpack
from backbeat_adapters.embedded.folders import AREA, DIRECTORY, Way, remove_tree
from backbeat_adapters.embedded.staging import Staged, in_area, tidy
from backbeat_core.errors import LocationRefused, NotFound
from backbeat_core.ports.location import Attributes, Part

UPLOADS: Final = b"uploads"
META: Final = b"meta"
READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class Uploads:
    """The uploads of one location that are neither completed nor aborted. They survive the process."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def begin(self, name: str, attributes: Attributes) -> str:
        """Make the directory of a new upload and return its id."""
        upload = secrets.token_hex(16)
        meta = json.dumps({"name": name, "attributes": pack(attributes)}).encode()

        def make(folder: int) -> None:
            os.mkdir(upload.encode(), 0o777, dir_fd=folder)
            descriptor = os.open(upload.encode(), DIRECTORY, dir_fd=folder)
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                with os.fdopen(os.open(META, flags, 0o666, dir_fd=descriptor), "wb") as file:
                    file.write(meta)
            finally:
                os.close(descriptor)

        in_area(self._root, [UPLOADS], make)
        return upload

    def attributes(self, name: str, upload: str) -> Attributes:
        """Return what was given to `begin`. Raises NotFound if *name* has no such upload."""
        with self._folder(name, upload) as folder:
            return unpack(_meta(folder)["attributes"])

    def put(self, name: str, upload: str, part: Part, staged: Staged) -> None:
        """Give a written part its place, over an earlier one of its number."""
        with self._folder(name, upload) as folder:
            number = b"%d." % part.number
            earlier = [os.fsencode(entry) for entry in os.listdir(folder)]
            staged.place(_part_name(part), folder)
            for entry in earlier:
                if entry.startswith(number) and entry != _part_name(part):
                    os.unlink(entry, dir_fd=folder)

    def read(self, name: str, upload: str, parts: Sequence[Part], chunk: int) -> Iterator[bytes]:
        """Yield the bytes of *parts* in their order. Raises LocationRefused for one that was not written."""
        with self._folder(name, upload) as folder:
            for part in parts:
                try:
                    descriptor = os.open(_part_name(part), READ, dir_fd=folder)
                except FileNotFoundError as error:
                    raise LocationRefused(f"part {part.number} of {name!r} is not what was written") from error
                with os.fdopen(descriptor, "rb", buffering=0) as file:
                    while piece := file.read(chunk):
                        yield piece

    def remove(self, name: str, upload: str) -> None:
        """Remove all that an upload has written. Absent is not an error."""
        with contextlib.suppress(NotFound):
            with self._folder(name, upload), Way(self._root, [AREA, UPLOADS]) as way:
                remove_tree(upload.encode(), way.folder)
            tidy(self._root, [UPLOADS])

    def all(self) -> list[tuple[str, str]]:
        """Return (name, id) of each upload, by id."""
        found = []
        with Way(self._root, [AREA, UPLOADS]) as way:
            entries = [] if way.left else sorted(os.listdir(way.folder))
            for upload in entries:
                with contextlib.suppress(OSError, ValueError, KeyError), Way(
                    self._root, [AREA, UPLOADS, os.fsencode(upload)]
                ) as inner:
                    found.append((str(_meta(inner.folder)["name"]), upload))
        return found

    @contextlib.contextmanager
    def _folder(self, name: str, upload: str) -> Iterator[int]:
        # An id is ours: hexadecimal. Anything else must not become a way through directories.
        known = len(upload) == 32 and set(upload) <= set("0123456789abcdef")
        with Way(self._root, [AREA, UPLOADS, upload.encode() if known else b"none"]) as way:
            with contextlib.suppress(OSError, ValueError):
                known = known and not way.left and _meta(way.folder)["name"] == name
            if not known or way.left:
                raise NotFound(f"upload {upload!r} of {name!r}")
            yield way.folder


def _meta(folder: int) -> dict[str, str]:
    with os.fdopen(os.open(META, READ, dir_fd=folder), "rb") as file:
        found: dict[str, str] = json.loads(file.read())
    return found


def _part_name(part: Part) -> bytes:
    if not part.etag.isalnum():
        raise LocationRefused(f"part {part.number} is not what was written")
    return b"%d.%s" % (part.number, part.etag.encode())
