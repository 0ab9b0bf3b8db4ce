"""Version ids, inside and outside (queue-and-wire 3.6.3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.domain import version_id
from backbeat_core.errors import InvalidDocument, InvalidInput

digits = st.text("0123456789", min_size=20, max_size=20)
groups = st.text(st.characters(min_codepoint=1, max_codepoint=127), min_size=7, max_size=7)
plain = st.builds(str.__add__, digits, groups)


@pytest.mark.parametrize(
    ("internal", "public"),
    [
        ("98500086134471999999RG001  ", "aKBDcF4SE3uf00000000001I4j3QKItW"),
        ("null", "null"),
        (
            "98376906954349999999RG001  145.20.5",
            "3938333736393036393534333439393939393939524730303120203134352e32302e35",
        ),
    ],
)
def test_the_public_form_is_that_of_the_reference(internal: str, public: str) -> None:
    assert public == version_id.encode(internal)
    assert internal == version_id.decode(public)


@given(plain)
def test_plain_ids_come_back_from_32_symbols(internal: str) -> None:
    public = version_id.encode(internal)

    assert 32 == len(public)
    assert public.isalnum()
    assert internal == version_id.decode(public)


@given(st.text(min_size=17, max_size=40))
def test_any_other_text_comes_back_from_hexadecimal(internal: str) -> None:
    assert internal == version_id.decode(version_id.encode(internal))


@pytest.mark.parametrize(
    "internal",
    [
        "9850008613447199999xRG001  ",  # not a number
        "98500086134471999999日日日日日日日",  # of characters too large for 20 symbols
        "98500086134471999999\0G001  ",  # would lose its first character
        "9850008613447199999٣RG001  ",  # a digit, but not one of ours
    ],
)
def test_27_characters_that_are_no_plain_id_are_hexadecimal(internal: str) -> None:
    public = version_id.encode(internal)

    assert internal.encode().hex() == public
    assert internal == version_id.decode(public)


@given(
    st.text(max_size=80) | st.text("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=30)
)
def test_decoding_answers_with_a_text_or_a_typed_error(public: str) -> None:
    try:
        assert version_id.decode(public)
    except InvalidDocument as error:
        assert ("InvalidArgument", "Invalid version id specified") == (error.code, error.description)  # noqa: PT017


@pytest.mark.parametrize(
    "public",
    [
        "",
        "abc",
        "3" * 31,
        "z" * 32,  # numbers of more than ten digits
        "-" * 32,
        "aJLWKz4Ko9IjBBgXKj5KQT2G9UHv0g7P",  # the base 62 of 35 characters
        "aKBDcF4SE3uf00000000000000000000",  # a group of nothing
        "aKBDcF4SE3uf10000000001I4j3QKItW",  # a group with something before it
        "aKBDcF4SE3ufZZZZZZZZZZZZZZZZZZZZ",  # a group of more than seven characters
        "g" * 40,
    ],
)
def test_what_is_no_public_id_is_refused(public: str) -> None:
    with pytest.raises(InvalidDocument):
        version_id.decode(public)


@pytest.mark.parametrize("group", ["RG00é  ", "日日aaaaa", "\U0001f600aaaaa", "\x01aaaaaa"])
def test_a_group_is_seven_characters_whatever_their_bytes(group: str) -> None:
    internal = "98500086134471999999" + group
    public = version_id.encode(internal)

    assert 32 == len(public)
    assert public.startswith("aKBDcF4SE3uf")
    assert internal == version_id.decode(public)


def test_a_group_that_is_no_text_is_read_as_one_that_nothing_has() -> None:
    symbols = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    value, group = int.from_bytes(b"\xff" * 7, "big"), ""
    while value:
        value, digit = divmod(value, 62)
        group = symbols[digit] + group

    assert "98500086134471999999" + "\ufffd" * 7 == version_id.decode("aKBDcF4SE3uf" + group.rjust(20, "0"))


def test_hexadecimal_is_read_for_as_long_as_there_are_pairs() -> None:
    assert "3" * 16 == version_id.decode("3" * 33)
    assert "abc" == version_id.decode("616263zz" + "0" * 30)
    assert "abc" == version_id.decode("6162636é" + "0" * 30)


def test_an_id_is_made_of_time_sequence_and_group() -> None:
    assert "98500086134471999999RG001  " == version_id.make(1499913865528, 0, "RG001")
    assert "99999999999999999998RG001xx" == version_id.make(0, 1, "RG001xx")
    assert "00000000000000000000       " == version_id.make(10**14 - 1, 10**6 - 1, "")


@given(
    st.tuples(st.integers(0, 10**13), st.integers(0, 999)), st.tuples(st.integers(0, 10**13), st.integers(0, 999))
)
def test_newer_ids_sort_first(one: tuple[int, int], other: tuple[int, int]) -> None:
    first, second = version_id.make(*one, "RG001"), version_id.make(*other, "RG001")

    assert (one > other) == (first < second)
    assert (one == other) == (first == second)


@pytest.mark.parametrize(("timestamp", "sequence"), [(-1, 0), (10**14, 0), (0, -1), (0, 10**6)])
def test_an_id_that_has_no_place_for_its_numbers_is_refused(timestamp: int, sequence: int) -> None:
    with pytest.raises(InvalidInput, match=f"^no version id holds time {timestamp} with sequence {sequence}$"):
        version_id.make(timestamp, sequence, "")


def test_a_group_id_of_more_than_seven_characters_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^replication group id 'RG001xxx' is longer than 7 characters$"):
        version_id.make(0, 0, "RG001xxx")


def test_a_text_that_is_no_unicode_has_a_public_form() -> None:
    assert "eda080" + "20" * 14 == version_id.encode("\ud800" + " " * 14)
