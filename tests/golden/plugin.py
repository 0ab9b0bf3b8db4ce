"""The option that says where the recorded cases are, one test for each case, and the run's last line."""

from __future__ import annotations

from pathlib import Path

import pytest

from golden import vectors


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--vectors",
        metavar="DIR",
        help=f"run the recorded golden cases in DIR (default: {vectors.RECORDED_BY_DEFAULT}, if it is there)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a directory without cases before anything is run."""
    recorded_directory(config)


def recorded_directory(config: pytest.Config) -> Path | None:
    """Return the directory of the recorded cases, None where there is none and none was asked for."""
    asked = config.getoption("--vectors")
    if asked is None:
        default = config.rootpath / vectors.RECORDED_BY_DEFAULT
        return default if any(default.glob("*.json")) else None
    directory = Path(config.invocation_params.dir, asked)
    if not any(directory.glob("*.json")):
        raise pytest.UsageError(f"--vectors: there are no cases in {asked}")
    return directory


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "own_case" in metafunc.fixturenames:
        _parametrize(metafunc, "own_case", vectors.cases(vectors.OWN_CASES))
    if "recorded_case" in metafunc.fixturenames:
        directory = recorded_directory(metafunc.config)
        _parametrize(metafunc, "recorded_case", vectors.cases(directory) if directory else ())


def _parametrize(metafunc: pytest.Metafunc, argument: str, cases: tuple[vectors.Case, ...]) -> None:
    metafunc.parametrize(argument, cases, ids=[case.id for case in cases])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the placeholder that pytest makes of a test without cases: it would count as skipped."""
    empty = [
        item
        for item in items
        if "recorded_case" in getattr(item, "fixturenames", ())
        and isinstance(item, pytest.Function)
        and not isinstance(item.callspec.params.get("recorded_case"), vectors.Case)
    ]
    if empty:
        config.hook.pytest_deselected(items=empty)
        items[:] = [item for item in items if item not in empty]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    reports = (report for some in terminalreporter.stats.values() for report in some)
    ran = any("golden/test_golden.py" in getattr(report, "nodeid", "") for report in reports)
    if ran and (line := summary(config)):
        terminalreporter.write_line(line, yellow=True)


def summary(config: pytest.Config) -> str:
    """Return the line about what was not run, empty where everything was."""
    if recorded_directory(config) is not None:
        return ""
    return f"golden: the recorded cases are not there ({vectors.RECORDED_BY_DEFAULT}), only our own ran"
