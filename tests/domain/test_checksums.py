"""Checksums of streamed data: the whole, its parts, and what a receiver says of a range (W-43)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.domain.checksums import Checksums
from backbeat_core.errors import Corrupted


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def whole(data: bytes) -> dict[str, Any]:
    pieces = [{"size": len(data), "dataStoreETag": f"1:{md5(data)}"}] if data else None
    return {"key": "k", "content-md5": md5(data), "content-length": len(data), "location": pieces}


def in_parts(parts: Sequence[bytes]) -> dict[str, Any]:
    pieces = [{"size": len(part), "dataStoreETag": f"{n}:{md5(part)}"} for n, part in enumerate(parts, 1)]
    return {"key": "k", "content-md5": f"{md5(b'')}-{len(parts)}", "location": pieces}


def pass_all(metadata: dict[str, Any], chunks: Sequence[bytes]) -> bytes:
    checksums = Checksums(metadata)
    passed = b"".join(checksums.passing(chunks))
    checksums.arrived("")
    checksums.finish()
    return passed


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@given(st.binary(max_size=50), st.integers(1, 60))
def test_what_was_stored_passes_however_it_is_cut(data: bytes, size: int) -> None:
    assert data == pass_all(whole(data), cut(data, size))


@given(st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=5), st.integers(1, 12))
def test_parts_pass_however_they_are_cut(parts: list[bytes], size: int) -> None:
    data = b"".join(parts)

    assert data == pass_all(in_parts(parts), cut(data, size))


@given(st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=4), st.data())
def test_one_flipped_byte_is_corrupted(parts: list[bytes], data: st.DataObject) -> None:
    sent = bytearray(b"".join(parts))
    at = data.draw(st.integers(0, len(sent) - 1))
    sent[at] ^= 1

    with pytest.raises(Corrupted):
        pass_all(in_parts(parts), cut(bytes(sent), 4))
    with pytest.raises(Corrupted):
        pass_all(whole(b"".join(parts)), cut(bytes(sent), 4))


def test_a_short_body_is_corrupted_at_the_end() -> None:
    with pytest.raises(Corrupted):
        pass_all({**whole(b"hello"), "location": None}, [b"hell"])


def test_a_part_in_several_pieces_has_one_md5() -> None:
    # GC-1: a part that was copied from another upload.
    part = b"0123456789"
    pieces = [{"size": 4, "dataStoreETag": f"1:{md5(part)}"}, {"size": 6, "dataStoreETag": f"1:{md5(part)}"}]

    assert part == pass_all({"content-md5": "x-1", "location": pieces}, [part])
    with pytest.raises(Corrupted):
        pass_all({"content-md5": "x-1", "location": pieces}, [b"0123456780"])


def test_what_has_no_md5_is_not_checked() -> None:
    pieces = [{"size": 2}, {"size": 0, "dataStoreETag": "2:nonsense"}, {"dataStoreETag": f"3:{md5(b'')}"}]

    assert b"any" == pass_all({"content-md5": "", "location": pieces}, [b"an", b"y"])


def test_each_range_is_checked_against_what_its_receiver_found() -> None:
    checksums = Checksums({"content-md5": ""})
    list(checksums.passing([b"first"]))
    checksums.arrived(md5(b"first"))
    list(checksums.passing([b"second"]))

    with pytest.raises(Corrupted):
        checksums.arrived(md5(b"first"))
