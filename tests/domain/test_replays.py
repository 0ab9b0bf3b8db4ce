"""Which topic a failed replication goes to, and when it is over (3.12.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.domain.replays import Replay, Replays, ReplayTopic
from backbeat_core.errors import InvalidConfiguration

EXAMPLE = Replays.from_topics([ReplayTopic("t0", 5), ReplayTopic("t1", 2)])

topics = st.lists(st.builds(ReplayTopic, st.sampled_from("abc"), st.integers(0, 5)), max_size=4)


def test_the_plan_is_laid_out_from_its_end() -> None:
    assert ("t1", "t1", "t0", "t0", "t0", "t0", "t0") == EXAMPLE.attempts
    assert ("t0", "t1") == EXAMPLE.names
    assert 7 == EXAMPLE.total


def test_topics_are_tried_in_the_order_in_which_they_are_configured() -> None:
    tried = []
    count: int | None = None
    while (replay := EXAMPLE.next(count)) is not None:
        tried.append(replay.topic)
        count = replay.count

    assert ["t0"] * 5 + ["t1"] * 2 == tried
    assert 0 == count


def test_the_first_failure_starts_with_all_replays() -> None:
    assert Replay("t0", 6, first=True, total=7) == EXAMPLE.next(None)


@pytest.mark.parametrize(("count", "left"), [(7, 6), (8, 6), (1000, 6), (1, 0)])
def test_a_count_above_the_total_is_the_total(count: int, left: int) -> None:
    replay = EXAMPLE.next(count)

    assert replay is not None
    assert (left, False) == (replay.count, replay.first)


@pytest.mark.parametrize("count", [0, -1])
def test_no_replays_left_is_final(count: int) -> None:
    assert EXAMPLE.next(count) is None


@pytest.mark.parametrize("count", [None, 0, 3])
def test_ce22_without_topics_every_failure_is_final(count: int | None) -> None:
    assert Replays().next(count) is None
    assert Replays.from_topics([ReplayTopic("t0", 0)]).next(count) is None


def test_a_topic_without_retries_is_still_a_topic() -> None:
    assert ("a", "b") == Replays.from_topics([ReplayTopic("a", 1), ReplayTopic("b", 0), ReplayTopic("a", 1)]).names


@given(topics, st.none() | st.integers(0, 30))
def test_inv15_counts_fall_and_attempts_are_bounded(configured: list[ReplayTopic], count: int | None) -> None:
    replays = Replays.from_topics(configured)
    attempts = 0
    while (replay := replays.next(count)) is not None:
        assert 0 <= replay.count < (replays.total if count is None else min(count, replays.total))
        assert replay.topic == replays.attempts[replay.count]
        count = replay.count
        attempts += 1

    assert attempts <= replays.total == sum(topic.retries for topic in configured)


@pytest.mark.parametrize("retries", [-1, 100_001])
def test_a_number_of_retries_that_cannot_be_is_a_configuration_error(retries: int) -> None:
    with pytest.raises(InvalidConfiguration, match=f"^replay topic 't' cannot have {retries} retries$"):
        Replays.from_topics([ReplayTopic("t", retries)])


def test_all_topics_together_are_bounded() -> None:
    with pytest.raises(InvalidConfiguration, match="'a'"):
        Replays.from_topics([ReplayTopic("a", 1), ReplayTopic("b", 100_000)])
    assert 100_000 == Replays.from_topics([ReplayTopic("b", 100_000)]).total
