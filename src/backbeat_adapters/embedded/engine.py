"""The embedded engine: one state directory that several threads, and several processes, work in."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from backbeat_adapters.embedded.cache import EmbeddedCache
from backbeat_adapters.embedded.coordinator import EmbeddedCoordinator
from backbeat_adapters.embedded.database import Border, Database
from backbeat_adapters.embedded.processes import Processes
from backbeat_adapters.embedded.queue import EmbeddedQueue
from backbeat_adapters.embedded.store import EmbeddedStore
from backbeat_core.errors import (
    CacheUnavailable,
    CoordinatorUnavailable,
    InvalidConfiguration,
    QueueUnavailable,
    StoreUnavailable,
)
from backbeat_core.ports.clock import Clock

DATABASE = "backbeat.db"


class EmbeddedEngine:
    """
    A queue, a store, a cache and a coordinator in one database, safe to kill at any moment.

    Times that outlive a process are kept by the wall clock, leases by `Clock.elapsed_ms`, which the processes
    of one machine must agree on. What a process held when it died is free as soon as another looks.
    """

    def __init__(self, directory: Path, database: Database, processes: Processes, clock: Clock) -> None:
        self.directory = directory
        self.database = database
        self.processes = processes
        self.queue = EmbeddedQueue(Border(database, QueueUnavailable), processes, clock)
        self.store = EmbeddedStore(Border(database, StoreUnavailable), clock)
        self._border = Border(database, StoreUnavailable)
        self.cache = EmbeddedCache(Border(database, CacheUnavailable), clock)
        self.coordinator = EmbeddedCoordinator(Border(database, CoordinatorUnavailable), processes, clock)

    @classmethod
    def open(
        cls, directory: str | os.PathLike[str], clock: Clock, *, exclusive: bool = False, create: bool = True
    ) -> EmbeddedEngine:
        """
        Open the state directory, and make it if it is not there and *create* is true.

        *exclusive* is for the one process that does the work: a second one that asks for it is refused, while
        others may still look and write (`backbeat head`, `backbeat retry`). Raises InvalidConfiguration.
        """
        path = Path(os.fspath(directory)).absolute()
        if not create and not (path / DATABASE).is_file():
            raise InvalidConfiguration(f"there is no state of backbeat in {path}")
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            processes = Processes(path)
        except OSError as error:
            raise InvalidConfiguration(f"cannot use {path} as state directory: {error.strerror}") from error
        try:
            if exclusive:
                processes.claim()
            with processes.gate():
                database = _open_database(path)
                processes.enter()
            engine = cls(path, database, processes, clock)
        except BaseException as error:
            processes.close()
            if isinstance(error, OSError):
                raise InvalidConfiguration(
                    f"cannot use {path} as state directory: {error.filename or path}: {error.strerror}"
                ) from error
            raise
        engine.sweep()
        return engine

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """
        Make all that this thread does to the engine until the end of the block one transaction.

        Other threads wait meanwhile: keep it short, and no file or socket in it. Raises StoreUnavailable when
        nothing of it has happened.
        """
        with self._border.together():
            yield

    def sweep(self) -> None:
        """Free what processes held that are not there any more: group memberships and leases."""
        for process in self.processes.dead():
            self.queue.forget_process(process)
            self.coordinator.forget_process(process)
            self.processes.forget(process)

    def close(self) -> None:
        """Give everything up that this process holds, and close the database. Twice is once."""
        with contextlib.suppress(QueueUnavailable):
            self.queue.forget_process(self.processes.token)
        self.coordinator.close()
        self.database.close()
        self.processes.close()

    def __enter__(self) -> EmbeddedEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _open_database(directory: Path) -> Database:
    try:
        return Database(directory / DATABASE)
    except sqlite3.Error as error:
        raise InvalidConfiguration(f"cannot use {directory} as state directory: {error}") from error
