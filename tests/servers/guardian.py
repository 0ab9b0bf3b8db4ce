"""
Ends the servers of a test run that has not come to its own end.

Run as a program with the process id of the run and its directory. There, each `<process id>.pid` holds the
directory that a server runs in: a number that was given to another process since is let alone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path


def end_all(run: Path) -> None:
    """Kill every server that is named in *run*, and remove it with the servers' directories in it."""
    for file in run.glob("*.pid"):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{file.stem}/cwd") == file.read_text():
                os.kill(int(file.stem), signal.SIGKILL)
    shutil.rmtree(run, ignore_errors=True)


def wait(process: int, run: Path) -> None:
    """Return when *process* has ended or *run* is gone."""
    while run.exists():
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        time.sleep(0.5)


if __name__ == "__main__":
    wait(int(sys.argv[1]), Path(sys.argv[2]))
    end_all(Path(sys.argv[2]))
