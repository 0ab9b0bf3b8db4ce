"""The reference and the diagrams are those of the code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_reference_is_current() -> None:
    check = [sys.executable, ROOT / "scripts" / "make-reference", "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)

    assert (0, "") == (done.returncode, done.stdout)
