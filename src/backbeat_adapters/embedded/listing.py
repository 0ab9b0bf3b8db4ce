"""The objects of a directory tree in the order of their names, read as far as they are asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator

from backbeat_adapters.embedded.folders import DIRECTORY, HIDDEN, text


def objects(folder: int, base: str, prefix: str, after: str) -> Iterator[tuple[str, os.stat_result]]:
    """
    Yield name and state of each file below the open directory *folder*, whose name is *base*.

    Names start with *prefix* and sort after *after*. Symbolic links, pipes and devices are no objects.
    """
    for key in sorted(_keys(folder, base)):
        part = key[len(base) :].encode("utf-8", "surrogateescape")
        # A directory sorts as its name and the slash, which is how the names in it go on.
        if not key.endswith("/"):
            if key > after and key.startswith(prefix):
                yield from _file(part, folder, key)
        elif _overlaps(key, prefix) and (key > after or after.startswith(key)):
            yield from _below(part[:-1], folder, key, prefix, after)


def _keys(folder: int, base: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            raw = os.fsencode(entry.name)
            if not base and raw in HIDDEN:
                continue
            if entry.is_dir(follow_symlinks=False):
                yield base + text(raw) + "/"
            elif entry.is_file(follow_symlinks=False):
                yield base + text(raw)


def _overlaps(key: str, prefix: str) -> bool:
    return key.startswith(prefix) or prefix.startswith(key)


def _file(part: bytes, folder: int, key: str) -> Iterator[tuple[str, os.stat_result]]:
    # What is deleted while it is listed is not there.
    try:
        found = os.stat(part, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    yield key, found


def _below(
    part: bytes, folder: int, base: str, prefix: str, after: str
) -> Iterator[tuple[str, os.stat_result]]:
    try:
        descriptor = os.open(part, DIRECTORY, dir_fd=folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        yield from objects(descriptor, base, prefix, after)
    finally:
        os.close(descriptor)
