"""Attempts as they are kept: read back as they were, bounded, one set a version and site."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.domain.attempts import Attempt, Result, attempts_key
from backbeat_core.domain.keys import FailedVersion, RedisKeys


@given(st.builds(Attempt, at=st.integers(0), result=st.sampled_from(Result), reason=st.none() | st.text("aé\n")))
def test_an_attempt_reads_back_as_it_was(attempt: Attempt) -> None:
    assert attempt == Attempt.decode(attempt.encode())


def test_texts_are_bounded_and_nothing_else_is_changed() -> None:
    attempt = Attempt(at=1, result=Result.FAILED, number=2, error="E" * 1000, reason="r" * 1000)

    bounded = attempt.bounded()

    assert ("E" * 512, "r" * 512) == (bounded.error, bounded.reason)
    assert (1, Result.FAILED, 2) == (bounded.at, bounded.result, bounded.number)
    assert Attempt(at=1, result=Result.PARKED) == Attempt(at=1, result=Result.PARKED).bounded()


def test_each_version_has_a_set_for_each_site() -> None:
    version = FailedVersion("b", "k:with:colons", "v")

    assert 'bb:crr:attempts:east:["b","k:with:colons","v"]' == attempts_key(RedisKeys(), "east", version)
    assert 'test:bb:crr:attempts:east:["b","k:with:colons","v"]' == attempts_key(RedisKeys(True), "east", version)
