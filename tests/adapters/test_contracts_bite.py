"""Every law can fail: a bug planted in the model that keeps it is seen by the test of its name."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import Phase, settings

from adapters import test_memory as memory
from adapters.planted import cache_bugs, clock_bugs, coordinator_bugs, location_bugs, queue_bugs, store_bugs
from backbeat_core.errors import BackbeatError
from backbeat_core.ports import cache, clock, coordinator, location, queue, store
from backbeat_core.testing.contracts.common import laws

PORTS = [
    (queue, memory.TestMemoryQueue, queue_bugs.BUGS),
    (store, memory.TestMemoryStore, store_bugs.BUGS),
    (cache, memory.TestMemoryCache, cache_bugs.BUGS),
    (coordinator, memory.TestMemoryCoordinator, coordinator_bugs.BUGS),
    (location, memory.TestMemoryLocation, location_bugs.BUGS),
    (clock, memory.TestManualClock, clock_bugs.BUGS),
]
SEEN = (AssertionError, BackbeatError, KeyError, pytest.fail.Exception)


@pytest.fixture(autouse=True)
def first_failure_is_enough():
    """Hypothesis need not look for the smallest history: one that fails is what is asked for."""
    before = settings.get_current_profile_name()
    settings.register_profile("bite", phases=[Phase.generate], report_multiple_bugs=False, database=None)
    settings.load_profile("bite")
    yield
    settings.load_profile(before)


def run(contract, law):
    test = contract()
    with suppress(AttributeError):
        test.setup_method()
    test.examples = 200
    getattr(test, f"test_{law}")()


@pytest.mark.parametrize(("port", "bugs"), [(port, bugs) for port, _, bugs in PORTS])
def test_every_law_has_a_bug_planted_for_it(port, bugs):
    histories = set() if port is clock else {"any_history"}

    assert {*laws(port), *histories} == set(bugs)


@pytest.mark.parametrize(
    ("contract", "law", "bugs"),
    [(contract, law, bugs[law]) for _, contract, bugs in PORTS for law in bugs],
    ids=[f"{port.__name__.rpartition('.')[2]}-{law}" for port, _, bugs in PORTS for law in bugs],
)
def test_a_planted_bug_is_seen(contract, law, bugs, monkeypatch):
    for owner, name, change in bugs:
        monkeypatch.setattr(owner, name, change(getattr(owner, name)))

    with pytest.raises(SEEN):
        run(contract, law)
