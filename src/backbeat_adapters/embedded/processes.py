"""Who works in a state directory: a locked file each, which the system unlocks when its process dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from backbeat_core.errors import InvalidConfiguration

IN_USE: Final = "in-use"


def worker_of(directory: Path) -> int | None:
    """Return the number of the process that does the work of a state directory, None if there is none."""
    try:
        descriptor = os.open(directory / IN_USE, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _number(os.pread(descriptor, 20, 0))
    finally:
        os.close(descriptor)
    return None


def _number(text: bytes) -> int | None:
    return int(text) if text.strip().isdigit() else None


class Processes:
    """
    The processes that have a state directory open, this one among them as *token*.

    Whether one is alive is asked of the kernel (a file lock), not of a clock or of process numbers, which
    are used again.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.token = secrets.token_hex(8)
        self._folder = directory / "processes"
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._mine: int | None = None
        self._claimed: int | None = None

    @contextlib.contextmanager
    def gate(self) -> Iterator[None]:
        """Let one process at a time come in or look for dead ones."""
        descriptor = os.open(self.directory / "gate", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def claim(self) -> None:
        """Be the one worker of the directory. Raises InvalidConfiguration, naming the process that is."""
        descriptor = os.open(self.directory / IN_USE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise InvalidConfiguration(
                f"the state directory {self.directory} is in use by process {holder}: "
                "stop that one first, or choose another directory"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        self._claimed = descriptor

    def enter(self) -> None:
        """Be seen as alive from now on. To be called inside the gate."""
        descriptor = os.open(self._folder / self.token, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        self._mine = descriptor

    def alive(self, token: str) -> bool:
        """Return whether the process of *token* still runs and has the directory open."""
        if token == self.token:
            return self._mine is not None
        try:
            descriptor = os.open(self._folder / token, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False

    def dead(self) -> Sequence[str]:
        """Return the tokens of processes that came in and died without leaving."""
        with self.gate():
            return [token for token in sorted(os.listdir(self._folder)) if not self.alive(token)]

    def forget(self, token: str) -> None:
        """Remove the trace of a dead process."""
        with contextlib.suppress(OSError):
            os.unlink(self._folder / token)

    def close(self) -> None:
        """Leave the directory. Twice is once."""
        if self._mine is not None:
            self.forget(self.token)
            os.close(self._mine)
        if self._claimed is not None:
            os.close(self._claimed)
        self._mine = self._claimed = None
