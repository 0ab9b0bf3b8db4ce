"""Many questions at once are answered as each alone is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_adapters.embedded import EmbeddedEngine, cache
from backbeat_core.ports.cache import AddMember, Cache, Count, Increment, Question, Range, Score, Size, Write
from backbeat_core.testing.memory import ManualClock

SERIES = ("aws:bb:crr:opsdone:requests:", "aws:bb:crr:opsdone:request", "", "a:", "\ud800:", "é:")
NUMBERS = range(40)
keys = st.builds(lambda series, number: f"{series}{number}", st.sampled_from(SERIES), st.sampled_from(NUMBERS))
kinds: tuple[Callable[[str], Question], ...] = (Count, Count, Count, Size, Range, lambda key: Score(key, "m"))
questions = st.builds(lambda make, key: make(key), st.sampled_from(kinds), keys)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """Return a cache in which every third key is a counter, every seventh a set, and some have expired."""
    clock = ManualClock()
    engine = EmbeddedEngine.open(Path(tmp_path_factory.mktemp("state")), clock)
    writes: list[Write] = []
    for number in NUMBERS:
        for series in SERIES:
            ttl_ms = 1000 if number % 4 == 0 else None
            if number % 3 == 0:
                writes.append(Increment(f"{series}{number}", number + 1, ttl_ms))
            elif number % 7 == 0:
                writes += [AddMember(f"{series}{number}", member, number, ttl_ms) for member in "mn"]
    engine.cache.write(writes)
    clock.advance(1000)
    return engine.cache


@given(st.lists(questions, min_size=cache.MANY, max_size=200))
def test_many_questions_have_the_answers_of_each(filled: Cache, asked: list[Question]) -> None:
    assert [filled.read([question])[0] for question in asked] == list(filled.read(asked))


@given(st.sampled_from(SERIES), st.sampled_from([Count, Size]), st.randoms())
def test_so_have_those_of_a_whole_series(
    filled: Cache, series: str, kind: Callable[[str], Question], chance: object
) -> None:
    asked = [kind(f"{series}{number}") for number in NUMBERS]
    chance.shuffle(asked)  # type: ignore[attr-defined]  # a Random, which hypothesis controls

    assert [filled.read([question])[0] for question in asked] == list(filled.read(asked))


def test_what_lies_between_the_keys_that_are_asked_for_is_not_read_in_thousands(tmp_path: Path) -> None:
    engine = EmbeddedEngine.open(tmp_path, ManualClock())
    names = [f"series:{number:04}" for number in range(1000)]
    engine.cache.write([Increment(name, number) for number, name in enumerate(names)])
    asked = [*names[:: len(names) // cache.MANY], names[-1]]

    assert [names.index(name) for name in asked] == list(engine.cache.read([Count(name) for name in asked]))
    engine.close()
