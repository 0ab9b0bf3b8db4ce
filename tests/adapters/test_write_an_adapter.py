"""The adapter of `docs/howto/write-an-adapter.md` is real: its code runs, and keeps the laws."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from backbeat_core.testing.contracts.location import LocationContract

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "write-an-adapter.md"
LAWS = sum(1 for name in vars(LocationContract) if name.startswith("test_"))


def run(tmp_path: Path, code: str) -> str:
    (tmp_path / "test_shelf.py").write_text(code)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    return done.stdout


@pytest.fixture
def code() -> str:
    return "\n".join(re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL))


def test_the_adapter_on_the_page_keeps_every_law(tmp_path, code):
    assert f"{LAWS} passed" in run(tmp_path, code)


def test_a_law_broken_on_the_page_is_named(tmp_path, code):
    broken = code.replace('shelf.pop(name, None)', "del shelf[name]")

    assert "test_delete_is_idempotent" in run(tmp_path, broken)
