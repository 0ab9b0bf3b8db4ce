"""
One test run: a directory, known to all of its processes, that names every server that was started in it.

A run that does not come to its own end is cleaned up by a guardian, a program that waits for that end.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from servers import guardian

# Inherited by the processes among which the tests are divided: it is how they find the same servers.
RUN_DIRECTORY = "BACKBEAT_TEST_RUN_DIRECTORY"
OWNER = "owner"


def open_run() -> Path:
    """Return the directory of this test run, made by whoever asks first."""
    if found := os.environ.get(RUN_DIRECTORY):
        return Path(found)
    run = Path(tempfile.mkdtemp(prefix="backbeat-servers-"))
    (run / OWNER).write_text(str(os.getpid()))
    os.environ[RUN_DIRECTORY] = str(run)
    return run


def close_run() -> None:
    """End the servers of this test run, if this process began it."""
    found = os.environ.get(RUN_DIRECTORY)
    if found and (Path(found) / OWNER).read_text() == str(os.getpid()):
        del os.environ[RUN_DIRECTORY]
        guardian.end_all(Path(found))


def watch(process: int, directory: Path) -> None:
    """Have a server, which runs in *directory*, ended with the run, however the run ends."""
    run = open_run()
    (run / f"{process}.pid").write_text(str(directory.resolve()))
    with (run / "guardian.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (run / "guardian").exists():
            (run / "guardian").touch()
            subprocess.Popen(
                [sys.executable, guardian.__file__, (run / OWNER).read_text(), str(run)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )


def forget(process: int) -> None:
    """Strike out a server that has ended: its number may be given to another process."""
    if found := os.environ.get(RUN_DIRECTORY):
        with contextlib.suppress(FileNotFoundError):
            (Path(found) / f"{process}.pid").unlink()
