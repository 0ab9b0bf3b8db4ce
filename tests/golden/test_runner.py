"""The runner as a command: what it does with a directory, and without one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FINE = {"name": "fine", "kind": "replay_topics", "input": {"replayTopics": []}, "expected": {"topicNames": []}}


def run(*arguments: str, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "tests/golden/test_golden.py", "-q", "-p", "no:cacheprovider"]
    # Plugins that happen to be installed have no part in this, and take their time.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        [*command, *arguments], cwd=root, env=environment, capture_output=True, text=True, check=False
    )


def directory(path: Path, *cases: dict[str, Any], group: str = "replication_status") -> str:
    document = {"group": group, "source": "a test", "cases": list(cases)}
    (path / "some.json").write_text(json.dumps(document))
    return str(path)


def recorded(path: Path, *cases: dict[str, Any], group: str = "replication_status") -> tuple[int, str]:
    done = run("-k", "recorded_case", "--vectors", directory(path, *cases, group=group))
    return done.returncode, done.stdout


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    """A repository without anything beside it."""
    root = tmp_path / "nest" / "alone"
    shutil.copytree(ROOT / "tests", root / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root / "pyproject.toml")
    return root


def test_every_case_of_the_directory_is_a_test(tmp_path: Path) -> None:
    status, output = recorded(tmp_path, {**FINE, "expected": {"attemptTopics": None, "topicNames": []}})

    assert 0 == status
    assert "1 passed" in output


def test_a_case_that_is_not_as_expected_is_a_failure(tmp_path: Path) -> None:
    wrong = {**FINE, "expected": {"attemptTopics": ["t"], "topicNames": []}}

    assert (1, True) == ((told := recorded(tmp_path, wrong))[0], "1 failed" in told[1])


def test_an_unknown_group_is_a_failure_and_not_a_skip(tmp_path: Path) -> None:
    status, output = recorded(tmp_path, FINE, group="nobody")

    assert 1 == status
    assert "no checker for group 'nobody'" in output


def test_an_unknown_kind_is_a_failure_and_not_a_skip(tmp_path: Path) -> None:
    status, output = recorded(tmp_path, {**FINE, "kind": "nothing"})

    assert 1 == status
    assert "no check for kind 'nothing'" in output


def test_a_directory_without_cases_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    done = run("--vectors", str(tmp_path))

    assert pytest.ExitCode.USAGE_ERROR == done.returncode
    assert "there are no cases in" in done.stderr


def test_a_clone_that_stands_alone_runs_its_own_cases_and_says_so_in_one_line(alone: Path) -> None:
    done = run("-k", "case", root=alone)
    *_, before_last, last = done.stdout.strip().splitlines()

    assert 0 == done.returncode, done.stdout
    assert "golden: the recorded cases are not there (../shared/vectors), only our own ran" in (before_last, last)
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
