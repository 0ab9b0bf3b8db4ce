"""Counts of one run, kept by whoever sees things happen and read by whoever shows them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

import attrs

from backbeat_core.domain import metadata as md
from backbeat_core.domain.info import ReplicationInfo
from backbeat_core.domain.status import Status
from backbeat_core.ports.store import Document


@attrs.define
class Tally:
    """
    One location: objects by status, their bytes, and what this run has copied.

    *last_ms* is when its last object came to rest, milliseconds since the run began.
    """

    pending: int = 0
    completed: int = 0
    failed: int = 0
    bytes_all: int = 0
    bytes_done: int = 0
    copied_objects: int = 0
    copied_bytes: int = 0
    last_ms: int = 0

    @property
    def objects(self) -> int:
        """Return the number of objects owed to the location."""
        return self.pending + self.completed + self.failed


class Board:
    """
    The tallies of a run. Safe between threads.

    It is for looking at: the result of a run is counted from the store by `count`, not from here.
    """

    def __init__(self, sites: Iterable[str], elapsed_ms: Callable[[], int]) -> None:
        self._lock = threading.Lock()
        self._tallies = {site: Tally() for site in sites}
        self._elapsed_ms = elapsed_ms
        self._started_ms = elapsed_ms()

    def tallies(self) -> dict[str, Tally]:
        """Return a copy of each tally."""
        with self._lock:
            return {site: attrs.evolve(tally) for site, tally in self._tallies.items()}

    def found(self, document: Document) -> None:
        """Add a version that the run is about."""
        with self._lock:
            add(self._tallies, document)

    def rested(self, site: str, status: Status, size: int) -> None:
        """A site has come to rest with a version: PENDING became COMPLETED or FAILED."""
        with self._lock:
            tally = self._tallies.get(site)
            if tally is None:
                return
            tally.pending = max(0, tally.pending - 1)
            tally.last_ms = self._elapsed_ms() - self._started_ms
            if status is Status.COMPLETED:
                tally.completed += 1
                tally.bytes_done += size
            elif status is Status.FAILED:
                tally.failed += 1

    def copied(self, site: str, size: int) -> None:
        """A copy was made in this run."""
        with self._lock:
            tally = self._tallies.get(site)
            if tally is not None:
                tally.copied_objects += 1
                tally.copied_bytes += size


def add(tallies: Mapping[str, Tally], document: Document) -> None:
    """Add a version to the tallies of the sites that it is owed to."""
    size = 0 if md.is_delete_marker(document.value) else md.content_length(document.value)
    info = ReplicationInfo.from_document(document.value.get("replicationInfo") or {})
    for backend in info.backends:
        tally = tallies.get(backend.site)
        if tally is None:
            continue
        tally.bytes_all += size
        if backend.status is Status.COMPLETED:
            tally.completed += 1
            tally.bytes_done += size
        elif backend.status is Status.FAILED:
            tally.failed += 1
        else:
            tally.pending += 1
