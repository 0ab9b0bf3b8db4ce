"""Every golden case, ours and the recorded ones, and the rules of the runner itself."""

from __future__ import annotations

import json

import pytest

from golden import vectors
from golden.vectors import Case


def test_our_own_case_holds(own_case: Case) -> None:
    vectors.run(own_case)


def test_recorded_case_holds(recorded_case: Case) -> None:
    vectors.run(recorded_case)


def test_an_unknown_group_is_a_failure() -> None:
    with pytest.raises(AssertionError, match="no checker for group 'nobody'"):
        vectors.run(Case("nobody", "kind", "name", {}, {}))


@pytest.mark.parametrize("group", sorted(vectors.checks()))
def test_an_unknown_kind_is_a_failure(group: str) -> None:
    with pytest.raises(AssertionError, match="no check for kind 'nothing'"):
        vectors.run(Case(group, "nothing", "name", {}, {}))


def test_a_case_without_an_answer_in_time_is_a_failure() -> None:
    def forever() -> None:
        while True:
            pass

    with pytest.raises(AssertionError, match="no answer within"):
        vectors.with_deadline(forever, seconds=0.05)


@pytest.mark.parametrize("group", sorted(vectors.checks()))
def test_every_kind_has_a_case_of_our_own(group: str) -> None:
    ours = {case.kind for case in vectors.cases(vectors.OWN_CASES) if case.group == group}

    assert set(vectors.checks()[group]) == ours


def test_names_are_unique_in_each_file_of_ours() -> None:
    for path in vectors.OWN_CASES.glob("*.json"):
        document = json.loads(path.read_text(encoding="utf-8"))
        names = [case["name"] for case in document["cases"]]

        assert vectors.group_of(path.stem) == document["group"]
        assert len(names) == len(set(names))
