"""
Ends the servers of a test run that has not come to its own end.

Run as a program with the process id of the run and its directory: each `<name>.pid` in it names a process.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path


def end_all(directory: Path) -> None:
    """Kill every process that is named in *directory*, and remove it. Twice is once."""
    for file in directory.glob("*.pid"):
        with contextlib.suppress(ProcessLookupError, ValueError):
            os.kill(int(file.read_text()), signal.SIGKILL)
        file.unlink(missing_ok=True)
    shutil.rmtree(directory, ignore_errors=True)


def watch(process: int, directory: Path) -> None:
    """Return when *process* has ended or *directory* is gone."""
    while directory.exists():
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        time.sleep(0.5)


if __name__ == "__main__":
    watch(int(sys.argv[1]), Path(sys.argv[2]))
    end_all(Path(sys.argv[2]))
