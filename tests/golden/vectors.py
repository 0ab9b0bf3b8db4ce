"""Golden cases: where they come from, what one is, and which checker decides it."""

from __future__ import annotations

import functools
import importlib
import json
import pkgutil
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Final, TypeVar

import attrs

from backbeat_core.errors import BackbeatError
from golden import checkers

T = TypeVar("T")

OWN_CASES: Final = Path(__file__).parent / "cases"

# Where the recorded cases are when nobody says, from the root of the repository.
RECORDED_BY_DEFAULT: Final = Path("../shared/vectors")

_MOST_SECONDS: Final = 20.0


@attrs.frozen
class Case:
    """One input and what is expected of it; `kind` says which rule it is about."""

    group: str
    kind: str
    name: str
    input: Any
    expected: Any

    @property
    def id(self) -> str:
        return f"{self.group}/{self.name}".encode("unicode_escape").decode("ascii")


Check = Callable[[Case], None]


@functools.cache
def checks() -> Mapping[str, Mapping[str, Check]]:
    """
    Return the checks by group and kind: those of every module in `golden.checkers`.

    `group.py` has the checks of a group, and so has `group__part.py`.
    """
    found: dict[str, dict[str, Check]] = {}
    for module in pkgutil.iter_modules(checkers.__path__):
        own = importlib.import_module(f"{checkers.__name__}.{module.name}").CHECKS
        group = found.setdefault(group_of(module.name), {})
        assert not group.keys() & own.keys(), f"{module.name} checks again what another module checks"
        group.update(own)
    return found


def group_of(stem: str) -> str:
    """Return the group that a module or a file of cases of this name is about."""
    return stem.partition("__")[0]


@functools.cache
def cases(directory: Path) -> tuple[Case, ...]:
    """Return the cases of every JSON file in *directory*, files and cases in a fixed order."""
    return tuple(case for path in sorted(directory.glob("*.json")) for case in _read(path))


def _read(path: Path) -> Iterator[Case]:
    document = json.loads(path.read_text(encoding="utf-8"))
    group = document["group"]
    for case in document["cases"]:
        yield Case(group, case["kind"], case["name"], case["input"], case["expected"])


def run(case: Case) -> None:
    """Decide *case*; a group or kind that nobody knows is a failure."""
    group = checks().get(case.group)
    assert group is not None, f"no checker for group {case.group!r}"
    check = group.get(case.kind)
    assert check is not None, f"no check for kind {case.kind!r} of group {case.group!r}"
    with_deadline(lambda: check(case))


def answer(call: Callable[[], T]) -> T | BackbeatError:
    """
    Return what *call* returns, or the error of ours that it raises; any other error is a failure.

    This is all that kinds ending in `_exotic` and `_crash` ask for.
    """
    try:
        return call()
    except BackbeatError as error:
        return error


def with_deadline(call: Callable[[], T], seconds: float = _MOST_SECONDS) -> T:
    """Return what *call* returns, and fail if it takes longer than *seconds*."""

    def late(signum: int, frame: FrameType | None) -> None:
        raise AssertionError(f"no answer within {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return call()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
