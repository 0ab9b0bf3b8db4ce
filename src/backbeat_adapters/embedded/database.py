"""The one connection to the state directory's database: steps, errors at the border, and news."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final

from backbeat_adapters.embedded.schema import APPLICATION_ID, SCHEMA, VERSION
from backbeat_core.errors import BackbeatError, InvalidConfiguration, InvalidInput, Unavailable

BUSY_MS: Final = 10_000
"""How long a writer waits for the writer of another process."""
CHECK_S: Final = 1.0
"""How often the database is looked for under its name: a removed one can still be written to."""

MESSAGES: Final = {
    sqlite3.SQLITE_FULL: "no space is left for {path}: free some and try again",
    sqlite3.SQLITE_BUSY: "{path} is held by another process for too long",
    sqlite3.SQLITE_LOCKED: "{path} is held by another process for too long",
    sqlite3.SQLITE_CORRUPT: "{path} is damaged ({error})",
    sqlite3.SQLITE_NOTADB: "{path} is damaged ({error})",
    sqlite3.SQLITE_READONLY: "{path} cannot be written ({error})",
    sqlite3.SQLITE_CANTOPEN: "{path} cannot be opened ({error})",
    sqlite3.SQLITE_PERM: "{path} cannot be opened ({error})",
    sqlite3.SQLITE_IOERR: "{path} cannot be read or written ({error})",
}


class Database:
    """
    One SQLite connection that the threads of this process take turns at.

    A power loss takes the latest transactions with it, never a part of one, and never an earlier one than
    those that stay: all tables are in this one file, synchronised when its log is folded in.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = threading.RLock()
        self.together = False
        """Whether the thread that holds the lock is making all that it does one transaction."""
        self.spoiled = False
        """Whether something in that transaction has gone wrong, so that none of it may stay."""
        self.groups = 0
        """Counts the changes of group membership that this process has made."""
        self._news = threading.Condition()
        self._published = 0
        self._checked = 0.0
        self._connection: sqlite3.Connection | None = _connect(path)
        self._inode = os.stat(path).st_ino

    def connection(self) -> sqlite3.Connection | None:
        """Return the connection; None when it is closed or its file is gone. The lock must be held."""
        now = time.monotonic()
        if now - self._checked > CHECK_S:
            self._checked = now
            try:
                if os.stat(self.path).st_ino != self._inode:
                    return None
            except OSError:
                self._checked = 0.0
                return None
        return self._connection

    def close(self) -> None:
        with self.lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
        self.tell()

    @property
    def published(self) -> int:
        """Return how often this process has told news; it changes with each."""
        return self._published

    def tell(self) -> None:
        """Wake those who wait for news in this process."""
        with self._news:
            self._published += 1
            self._news.notify_all()

    def wait(self, published: int, seconds: float) -> None:
        """Wait until *published* has changed, at most *seconds*."""
        with self._news:
            if self._published == published:
                self._news.wait(seconds)


class Border:
    """A port's own way into the database: what goes wrong beyond it is that port's error."""

    def __init__(self, database: Database, error: type[Unavailable]) -> None:
        self.database = database
        self.error = error
        self.closed = False

    def read(self) -> Step:
        """Run single statements that change nothing."""
        return Step(self, None)

    def snapshot(self) -> Step:
        """Run several statements that see one and the same state."""
        return Step(self, "BEGIN")

    def write(self) -> Step:
        """Run a transaction: all of it or nothing."""
        return Step(self, "BEGIN IMMEDIATE")

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """
        Make all that this thread does to the database until the end of the block one transaction.

        What raises inside a step before it has written anything, as a Conflict does, spoils nothing. Whatever
        else goes wrong takes everything back: steps that follow are refused, this raises, and nothing has
        happened. So does whatever the block raises. A block inside a block is a part of it.
        """
        database = self.database
        with database.lock:
            if database.together:
                yield
                return
            with self.write():
                database.together, database.spoiled = True, False
                try:
                    yield
                finally:
                    database.together = False
                if database.spoiled:
                    raise self.error(f"{database.path}: a transaction had to be taken back")

    def translate(self, error: sqlite3.Error) -> Unavailable:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        text = MESSAGES.get(code, "{path} does not answer ({error})")
        return self.error(text.format(path=self.database.path, error=error))


class Step:
    """One turn at the connection, and with *begin* one transaction, rolled back by whatever is raised."""

    __slots__ = ("_begin", "_border", "_changes", "_connection", "_inside")

    def __init__(self, border: Border, begin: str | None) -> None:
        self._border = border
        self._begin = begin
        self._inside = False

    def __enter__(self) -> sqlite3.Connection:
        border = self._border
        border.database.lock.acquire()
        try:
            connection = None if border.closed else border.database.connection()
            if connection is None:
                raise border.error(f"{border.database.path} is closed, or is not there any more")
            if border.database.together:
                self._enter_block(connection)
            elif self._begin is not None:
                connection.execute(self._begin)
        except BaseException as error:
            border.database.lock.release()
            if isinstance(error, sqlite3.Error):
                raise border.translate(error) from error
            raise
        self._connection = connection
        return connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        database = self._border.database
        try:
            if self._inside:
                wrote = self._connection.total_changes != self._changes
                if error is not None and (wrote or not isinstance(error, BackbeatError)):
                    database.spoiled = True
            elif self._begin is not None:
                self._finish(commit=kind is None)
        except sqlite3.Error as failure:
            raise self._border.translate(failure) from failure
        finally:
            self._border.database.lock.release()
        if isinstance(error, sqlite3.IntegrityError | OverflowError):
            raise InvalidInput(f"a number is too large to be kept: {error}") from error
        if isinstance(error, sqlite3.Error):
            raise self._border.translate(error) from error

    def _enter_block(self, connection: sqlite3.Connection) -> None:
        database = self._border.database
        # A full disk ends a transaction on its own; what came after would stay without what was before.
        if database.spoiled or not connection.in_transaction:
            database.spoiled = True
            raise self._border.error(f"{database.path}: the transaction that this is a part of is taken back")
        self._inside = True
        self._changes = connection.total_changes

    def _finish(self, *, commit: bool) -> None:
        if commit:
            try:
                self._connection.execute("COMMIT")
            except BaseException:
                self._finish(commit=False)
                raise
        # A full disk may have ended the transaction already.
        elif self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute("PRAGMA temp_store = MEMORY")
        _check_version(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    ((application,),) = connection.execute("PRAGMA application_id")
    ((found,),) = connection.execute("PRAGMA user_version")
    ((tables,),) = connection.execute("SELECT count(*) FROM sqlite_master")
    if not application and not tables:
        for statement in SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        found = VERSION
    elif application != APPLICATION_ID:
        raise InvalidConfiguration(f"{path} is not a database of backbeat: choose another state directory")
    connection.execute("COMMIT")
    if found != VERSION:
        raise InvalidConfiguration(
            f"the state directory {path.parent} is of version {found} and this program reads version {VERSION}: "
            "choose another one, or run the program that wrote it"
        )
