"""How objects are cut for their copy (3.8, INV-26), and how stored pieces make parts (3.6.4)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.domain.ranges import (
    MOST_PARTS,
    MOST_PARTS_GCP,
    Range,
    needs_parts,
    part_number,
    range_size,
    ranges,
    reduced_locations,
)
from backbeat_core.errors import InvalidInput

MIB, GIB, TIB = 2**20, 2**30, 2**40


@pytest.mark.parametrize(
    ("length", "parts", "size"),
    [
        (1, 1, 1),
        (16 * MIB, 1, 16 * MIB),
        (16 * MIB + 1, 2, 16 * MIB),
        (16 * MIB * 1000, 1000, 16 * MIB),
        (16 * MIB * 1000 + 1, 501, 32 * MIB),
        (512 * MIB * 10000, 10000, 512 * MIB),
        (512 * MIB * 10000 + 1, 5001, GIB),
        (5 * TIB, 5120, GIB),
    ],
)
def test_the_vectors_of_the_specification(length: int, parts: int, size: int) -> None:
    cut = list(ranges(length))

    assert parts == len(cut)
    assert size == range_size(length)
    assert cut[0] == Range(0, size - 1)
    assert cut[-1] == Range((parts - 1) * size, length - 1)


@pytest.mark.parametrize(("length", "parts"), [(512 * MIB * 1024, 1024), (512 * MIB * 1024 + 1, 513)])
def test_gcp_takes_fewer_parts(length: int, parts: int) -> None:
    assert parts == sum(1 for _ in ranges(length, gcp=True))


@given(st.integers(1, 5 * TIB))
def test_gcp_is_cut_like_the_others_where_these_are_few_parts(length: int) -> None:
    usual = range_size(length)

    assert (usual == range_size(length, gcp=True)) == (length <= MOST_PARTS_GCP * usual)


def test_an_empty_object_is_one_part_without_a_range() -> None:
    assert [None] == list(ranges(0))
    assert [None] == list(ranges(0, gcp=True))


def test_a_negative_length_is_refused() -> None:
    with pytest.raises(InvalidInput, match="-1"):
        list(ranges(-1))


lengths = st.one_of(
    st.integers(1, 5 * TIB),
    # On and beside the powers of two, where logarithms of floating point go wrong.
    st.builds(lambda bits, near: max(1, 2**bits + near), st.integers(0, 45), st.integers(-2, 2)),
    st.builds(
        lambda n, bits, near: max(1, n * 2**bits + near),
        st.integers(1, 10001),
        st.integers(20, 31),
        st.integers(-1, 1),
    ),
)


@given(lengths, st.booleans())
def test_inv26_ranges_cover_the_object_in_no_more_parts_than_are_taken(length: int, gcp: bool) -> None:
    size = range_size(length, gcp=gcp)
    count = -(-length // size)

    assert 1 <= count <= (MOST_PARTS_GCP if gcp else MOST_PARTS)
    assert size == min(length, size)
    if count <= 64:
        cut = [each for each in ranges(length, gcp=gcp) if each is not None]

        assert (0, length - 1) == (cut[0].start, cut[-1].end)
        assert all(one.end + 1 == other.start for one, other in itertools.pairwise(cut))
        assert {size} >= {each.size for each in cut[:-1]}
        assert 0 < cut[-1].size <= size
        assert count == len(cut)


@given(st.integers(MOST_PARTS_GCP * 16 * MIB, 5 * TIB))
def test_the_size_for_gcp_is_the_power_of_two_that_just_fits(length: int) -> None:
    size = range_size(length, gcp=True)

    assert size & (size - 1) == 0
    assert length <= MOST_PARTS_GCP * size


def test_a_range_says_what_it_asks_for() -> None:
    part = Range(16, 31)

    assert 16 == part.size
    assert "bytes=16-31" == part.header


@pytest.mark.parametrize(
    ("length", "md5", "limit", "parts"),
    [
        (19_999_999, "abc", 20, False),
        (20_000_000, "abc", 20, True),
        (1, "abc-2", 20, True),
        (0, "abc", 20, False),
        (999_999, "abc", 1, False),
        (1_000_000, "abc", 1, True),
    ],
)
def test_large_objects_and_those_that_came_in_parts_are_copied_in_parts(
    length: int, md5: str, limit: int, parts: bool
) -> None:
    assert parts == needs_parts(length, md5, min_mpu_size_mb=limit)


def test_objects_of_20_million_bytes_are_large() -> None:
    assert needs_parts(20_000_000, "")
    assert not needs_parts(19_999_999, "")


# Pieces.


def piece(key: str, start: int, size: int, tag: str | None) -> dict[str, Any]:
    return {"key": key, "start": start, "size": size, "dataStoreName": "l", "dataStoreETag": tag}


def test_pieces_of_one_part_in_a_row_are_one() -> None:
    stored = [piece("a", 0, 5, "1:x"), piece("b", 5, 7, "1:x"), piece("c", 12, 1, "2:y")]

    assert (piece("b", 0, 12, "1:x"), piece("c", 12, 1, "2:y")) == reduced_locations(stored)


def test_pieces_that_do_not_follow_one_another_stay_apart() -> None:
    stored = [piece("a", 0, 1, "1:x"), piece("b", 1, 1, "2:x"), piece("c", 2, 1, "1:x")]

    assert tuple(stored) == reduced_locations(stored)


def test_pieces_that_do_not_say_their_part_stay_apart() -> None:
    stored = [piece("a", 0, 1, "x"), piece("b", 1, 1, "x"), {"key": "c"}, {"key": "d", "dataStoreETag": 5}]

    assert ["a", "b", "c", "d"] == [each["key"] for each in reduced_locations(stored)]


def test_only_what_is_known_about_a_piece_is_kept() -> None:
    known = {"blockId": "z", "cryptoScheme": 1, "cipheredDataKey": "k", "dataStoreVersionId": "v"}
    stored = {**piece("a", 0, 1, "1:x"), **known, "dataStoreType": "aws_s3", "foo": None}
    (reduced,) = reduced_locations([stored])

    assert {**piece("a", 0, 1, "1:x"), **known} == reduced
    assert ["key", "start", "size", "dataStoreName", "dataStoreETag"] == list(reduced)[:5]


def test_pieces_without_start_or_size_are_counted_from_nothing() -> None:
    stored = [
        {"key": "a", "dataStoreETag": "1:x"},
        {"key": "b", "size": "many", "dataStoreETag": "1:x"},
        {"key": "c", "size": 3, "dataStoreETag": "1:x"},
    ]

    assert ({"key": "c", "size": 3, "dataStoreETag": "1:x", "start": 0},) == reduced_locations(stored)


@given(st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["1:x", "2:x", "3:x"])), max_size=8))
def test_no_byte_is_lost_in_a_sum(pieces: list[tuple[int, str]]) -> None:
    starts = itertools.accumulate((size for size, _ in pieces), initial=0)
    stored = [piece("k", start, size, tag) for start, (size, tag) in zip(starts, pieces, strict=False)]
    reduced = reduced_locations(stored)

    assert sum(size for size, _ in pieces) == sum(each["size"] for each in reduced)
    assert all(one["start"] + one["size"] == other["start"] for one, other in itertools.pairwise(reduced))


@pytest.mark.parametrize(("tag", "number"), [("1:x", "1"), ("10:a:b", "10"), ("x", None), (None, None), (1, None)])
def test_the_part_of_a_piece_stands_before_the_colon(tag: Any, number: str | None) -> None:
    assert number == part_number({"dataStoreETag": tag})
