"""Running `backbeat` as a user would, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs

TIMEOUT_S = 120


@attrs.frozen
class Place:
    """A source, two locations and a state below one directory."""

    base: Path

    @property
    def source(self) -> Path:
        return self.base / "source"

    @property
    def state(self) -> Path:
        return self.base / "state"

    def location(self, name: str) -> Path:
        return self.base / name

    def replicate_arguments(self, *more: str, sites: tuple[str, ...] = ("a", "b")) -> list[str]:
        to = [text for site in sites for text in ("--to", f"{site}={self.location(site)}")]
        return ["replicate", str(self.source), *to, "--state", str(self.state), *more]

    def replicate(self, *more: str, sites: tuple[str, ...] = ("a", "b"), code: int = 0) -> dict[str, Any]:
        """Replicate and return the JSON document."""
        done = backbeat(*self.replicate_arguments("--json", *more, sites=sites))
        assert code == done.returncode, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def retry(self, *more: str, code: int = 0) -> dict[str, Any]:
        """Retry and return the JSON document."""
        done = backbeat("retry", "--state", str(self.state), "--json", *more)
        assert code == done.returncode, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def head(self, key: str) -> dict[str, str]:
        """Return what a HEAD of the object shows."""
        done = backbeat("head", "source", key, "--state", str(self.state), "--json")
        assert 0 == done.returncode, done.stderr
        document: dict[str, str] = json.loads(done.stdout)
        return document


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from backbeat_adapters.cli import main; main()", *arguments]


def backbeat(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run `backbeat` to its end. Whatever it says, it says without a traceback."""
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=TIMEOUT_S, errors="backslashreplace", **more
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def same_trees(one: Path, other: Path) -> bool:
    """Return whether two directories hold the same files with the same bytes, hidden ones included."""
    return tree(one) == tree(other)


def tree(root: Path) -> dict[str, bytes]:
    """Return the bytes of each file below *root*, by path."""
    return {
        os.path.relpath(os.path.join(directory, name), root): Path(directory, name).read_bytes()
        for directory, _, names in os.walk(root)
        for name in names
    }


__all__ = ["Place", "backbeat", "command", "same_trees", "tree"]
