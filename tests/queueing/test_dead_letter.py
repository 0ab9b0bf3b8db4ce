"""What is written on a dead letter (queue-and-wire 1.18)."""

from __future__ import annotations

import pytest

from backbeat_core.queueing import dead_letter


def test_a_dead_letter_says_where_it_was_and_why_it_is_here() -> None:
    assert (
        ("x-original-topic", b"jobs"),
        ("x-original-partition", b"3"),
        ("x-original-offset", b"42"),
        ("x-error", b"bad shape"),
    ) == dead_letter.headers("jobs", 3, 42, "bad shape")


def test_the_size_of_a_value_left_behind_is_told() -> None:
    assert ("x-original-size", b"7") == dead_letter.headers("jobs", 0, 0, "big", size=7)[-1]


def test_a_long_or_odd_error_is_kept_as_far_as_it_goes() -> None:
    text = "\ud800" + "é" * 2000

    assert dict(dead_letter.headers("jobs", 0, 0, text))["x-error"] == rb"\ud800" + "é".encode() * 509


def test_dead_letters_have_a_topic_beside_their_own() -> None:
    assert dead_letter.topic_of("jobs") == "jobs-dead-letter"


@pytest.mark.parametrize(
    ("headers", "count"),
    [
        ((), 0),
        ((("x-deliveries", b"2"),), 2),
        ((("other", b"5"), ("x-deliveries", b"2"), ("x-deliveries", b"9")), 2),
        ((("x-deliveries", b"-2"),), 0),
        ((("x-deliveries", b"many"),), 0),
        ((("x-deliveries", b""),), 0),
        ((("x-deliveries", b"9" * 5000),), 999_999_999),
    ],
)
def test_earlier_deliveries_are_counted_if_the_header_is_a_number(
    headers: tuple[tuple[str, bytes], ...], count: int
) -> None:
    assert count == dead_letter.deliveries_before(headers)
