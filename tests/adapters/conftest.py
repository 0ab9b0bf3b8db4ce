"""A state directory for a test, and engines on it."""

from __future__ import annotations

import pytest

from backbeat_adapters.embedded import EmbeddedEngine
from backbeat_core.testing.memory import ManualClock


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def open_engine(state, clock):
    """Open engines, each a process of its own as far as the directory can tell."""
    opened = []

    def open_one(**options):
        opened.append(EmbeddedEngine.open(state, options.pop("clock", clock), **options))
        return opened[-1]

    yield open_one
    for engine in opened:
        engine.close()
