"""The command line: `backbeat`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; without its libraries, say in one line which extra brings them."""
    try:
        from backbeat_adapters.cli.commands import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("click", "rich"):
            raise
        sys.stderr.write(f"backbeat: {error.name} is not installed: pip install 'backbeat[cli]'\n")
        sys.exit(2)
    run()
