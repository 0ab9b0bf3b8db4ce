"""The command line: `backbeat`."""

from __future__ import annotations

import os
import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command line; without its libraries, say in one line which extra brings them."""
    try:
        _open_standard_files()
        try:
            from backbeat_adapters.cli.commands import run
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in ("click", "rich"):
                raise
            sys.stderr.write(f"backbeat: {error.name} is not installed: pip install 'backbeat[cli]'\n")
            sys.exit(2)
        run()
    except KeyboardInterrupt:  # before anything was begun, or a second time
        sys.exit(INTERRUPTED)


def _open_standard_files() -> None:
    # Where one is closed, the next file that is opened would get its number, and what is said would go there.
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - it is open as long as the process
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
