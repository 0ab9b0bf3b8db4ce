"""The simulator can fail: each planted defect of the reference is found within fifty seeds (issue 4)."""

from __future__ import annotations

import pytest

from simulation.planted import PLANTED


@pytest.mark.parametrize("defect", list(PLANTED))
def test_a_planted_defect_is_found_and_named(defect: str) -> None:
    planted = PLANTED[defect]
    found = planted.found()

    assert found is not None, f"{defect} was not found in {planted.most} seeds"
    assert found[1].invariant in planted.told_by, found[1].problem
