"""The laws of `backbeat_core.ports.location` as tests that any adapter can inherit."""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backbeat_core.errors import Corrupted, LocationUnavailable, NotFound
from backbeat_core.ports.location import (
    Attributes,
    ConditionalDelete,
    Location,
    Part,
    Stored,
    TaggedLocation,
    UploadLocation,
)
from backbeat_core.testing.contracts.common import any_history, fresh, within
from backbeat_core.testing.contracts.location_machine import location_machine, object_names

NO_ATTRIBUTES = Attributes()


class Broken(Exception):
    """What a body raises that breaks off; no adapter knows it."""


def digest(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def pieces(body: bytes, size: int = 65_536) -> Iterator[bytes]:
    """Yield *body* in pieces, an empty one between them."""
    for at in range(0, len(body), size):
        yield body[at : at + size]
        yield b""


def store(location: Location, name: str, body: bytes, attributes: Attributes = NO_ATTRIBUTES) -> Stored:
    return location.write(name, pieces(body), size=len(body), md5=digest(body), attributes=attributes)


def fetch(location: Location, name: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join(location.read(name, start=start, end=end))


def listed(location: Location, prefix: str) -> list[str]:
    return [found.name for found in location.list(prefix=prefix)]


class LocationContract(abc.ABC):
    """
    Subclass as ``Test…`` and fill the holes. All locations that one test makes are one place.

    A place may be shared between tests: every test names its own objects.
    """

    bounded_s: float = 60.0
    examples: int = 50
    steps: int = 30
    big: int = 3_000_001
    """Bytes of the largest object that is written; more than any chunk of the adapter."""

    @abc.abstractmethod
    def make_location(self) -> Location:
        """Return a location; it need not be empty, only working."""

    @abc.abstractmethod
    def make_dead_location(self) -> Location:
        """Return a location that cannot be reached."""

    def names(self) -> st.SearchStrategy[str]:
        """Generate names that the location can hold, beside one another."""
        return object_names()

    def test_keeps_bytes(self) -> None:
        location, folder = self.make_location(), fresh("folder")

        @settings(max_examples=self.examples, deadline=None, suppress_health_check=list(HealthCheck))
        @given(self.names(), st.binary(max_size=64))
        def keeps(name: str, body: bytes) -> None:
            name = f"{folder}/{name}"
            stored = store(location, name, body)

            assert (name, len(body)) == (stored.name, stored.size)
            assert stored.md5 in ("", digest(body))
            assert body == fetch(location, name)
            head = location.head(name)
            assert (name, len(body)) == (head.name, head.size)
            assert name in listed(location, name)
            location.delete(name)

        keeps()
        body = bytes(range(256)) * (self.big // 256 + 1)
        store(location, folder + "/big", body)
        assert digest(body) == digest(fetch(self.make_location(), folder + "/big"))

    def test_keeps_attributes(self) -> None:
        location, folder = self.make_location(), fresh("folder")
        attributes = Attributes(
            content_type="text/x-test; charset=utf-8",
            cache_control="max-age=60",
            content_disposition='attachment; filename="a.txt"',
            content_encoding="identity",
            user_metadata={"colour": "blue", "scal-replication-status": "REPLICA", "empty": "x=1&y;"},
        )
        store(location, folder + "/with", b"1", attributes)
        store(location, folder + "/without", b"1")
        store(location, folder + "/overwritten", b"1", attributes)
        store(location, folder + "/overwritten", b"1")

        again = self.make_location()
        assert attributes == again.head(folder + "/with").attributes
        for name in ("/without", "/overwritten"):
            assert {} == again.head(folder + name).attributes.user_metadata
        assert b"1" == fetch(again, folder + "/with")

    def test_reads_ranges(self) -> None:
        location, name = self.make_location(), fresh("object")
        body = bytes(range(256)) * (self.big // 256 + 1)
        store(location, name, body)
        last = len(body) - 1

        for start, end in ((0, 0), (0, last), (7, 7), (5, 2_100_000), (last, last), (1_048_576, 1_048_577)):
            assert body[start : end + 1] == fetch(location, name, start, end)
        for start in (0, 1, 1_048_575, last):
            assert body[start:] == fetch(location, name, start)

    def test_absent_is_not_found(self) -> None:
        location, name = self.make_location(), fresh("object")
        store(location, name + "-deleted", b"1")
        location.delete(name + "-deleted")

        for absent in (name, name + "-deleted", f"{name}/below"):
            with pytest.raises(NotFound):
                location.head(absent)
            with pytest.raises(NotFound):
                fetch(location, absent)

    def test_wrong_checksum_is_corrupted(self) -> None:
        location, name = self.make_location(), fresh("object")
        body = b"these bytes" * 10_000

        with pytest.raises(Corrupted):
            location.write(name, pieces(body), size=len(body), md5=digest(b"others"), attributes=NO_ATTRIBUTES)

        assert [] == listed(location, name)
        with pytest.raises(NotFound):
            location.head(name)

    def test_short_body_is_corrupted(self) -> None:
        location, name = self.make_location(), fresh("object")
        body = b"x" * 100_000

        for announced in (len(body) + 1, len(body) - 1, 0):
            with pytest.raises(Corrupted):
                location.write(
                    name, pieces(body), size=announced, md5=digest(body), attributes=NO_ATTRIBUTES
                )
            assert [] == listed(location, name)

    def test_never_half_written(self) -> None:
        location, reader, folder = self.make_location(), self.make_location(), fresh("folder")
        new, old = folder + "/new", folder + "/old"
        store(location, old, b"old")
        body = b"n" * 200_000

        def watched() -> Iterator[bytes]:
            for piece in pieces(body):
                yield piece
                assert b"old" == fetch(reader, old)
                assert [old] == listed(reader, folder)
                with pytest.raises(NotFound):
                    reader.head(new)

        location.write(new, watched(), size=len(body), md5=digest(body), attributes=NO_ATTRIBUTES)
        assert body == fetch(reader, new)

        def seen_old() -> Iterator[bytes]:
            for piece in pieces(body):
                yield piece
                assert (3, b"old") == (reader.head(old).size, fetch(reader, old))

        location.write(old, seen_old(), size=len(body), md5=digest(body), attributes=NO_ATTRIBUTES)
        assert body == fetch(reader, old)

    def test_failed_write_keeps_the_old(self) -> None:
        location, folder = self.make_location(), fresh("folder")
        name, attributes = folder + "/object", Attributes(user_metadata={"kept": "yes"})
        store(location, name, b"old", attributes)

        def breaks() -> Iterator[bytes]:
            yield b"n" * 100_000
            raise Broken

        attempts: list[tuple[type[Exception], Iterable[bytes], int, str]] = [
            (Broken, breaks(), 200_000, digest(b"")),
            (Corrupted, [b"new"], 3, digest(b"other")),
            (Corrupted, [b"new"], 4, digest(b"new")),
        ]
        for error, body, size, md5 in attempts:
            with pytest.raises(error):
                location.write(name, body, size=size, md5=md5, attributes=NO_ATTRIBUTES)
            assert b"old" == fetch(location, name)
            assert {"kept": "yes"} == location.head(name).attributes.user_metadata
            assert [name] == listed(location, folder)

    def test_overwrites(self) -> None:
        location, name = self.make_location(), fresh("object")
        store(location, name, b"first, and longer", Attributes(user_metadata={"n": "1"}))

        store(location, name, b"second", Attributes(user_metadata={"m": "2"}))

        head = location.head(name)
        assert b"second" == fetch(location, name)
        assert (6, {"m": "2"}) == (head.size, head.attributes.user_metadata)
        assert [name] == listed(location, name)
        store(location, name, b"")
        assert b"" == fetch(location, name)

    def test_delete_is_idempotent(self) -> None:
        location, folder = self.make_location(), fresh("folder")
        store(location, folder + "/a", b"1")
        store(location, folder + "/b", b"2")

        for _ in range(2):
            location.delete(folder + "/a")
            location.delete(folder + "/never")

        assert [folder + "/b"] == listed(location, folder)
        assert b"2" == fetch(location, folder + "/b")

    def test_lists_in_order(self) -> None:
        location, folder = self.make_location(), fresh("folder")
        # '-' and '.' sort before '/': a tree that is walked by folder gets this wrong.
        names = ["a", "b/c", "b-c", "b.c", "b/c.d", "b0", "é", "\U00010000", "\uffee", "Z", "c/d/e/f", "c/d-"]
        wanted = sorted(f"{folder}/{name}" for name in names)
        for name in reversed(wanted):
            store(location, name, name.encode())

        found = location.list(prefix=folder)
        assert wanted == [stored.name for stored in found]
        assert [len(name.encode()) for name in wanted] == [stored.size for stored in found]
        for at in range(len(wanted)):
            after = location.list(prefix=folder, after=wanted[at], limit=3)
            assert wanted[at + 1 : at + 4] == [stored.name for stored in after]
        for prefix in ("/b", "/b/", "/b/c", "/c/d", "/x"):
            matching = [name for name in wanted if name.startswith(folder + prefix)]
            assert matching == listed(location, folder + prefix)
        between = [stored.name for stored in location.list(prefix=folder, after=f"{folder}/b/", limit=2)]
        assert [name for name in wanted if name > f"{folder}/b/"][:2] == between

    def test_dead_endpoint_is_unavailable(self) -> None:
        location = self.make_dead_location()

        for ask in (
            lambda: store(location, "name", b"1"),
            lambda: fetch(location, "name"),
            lambda: location.head("name"),
            lambda: location.delete("name"),
            lambda: location.list(),
        ):
            with within(self.bounded_s), pytest.raises(LocationUnavailable):
                ask()

    def test_any_history(self) -> None:
        any_history(location_machine(self), examples=self.examples, steps=self.steps)


class UploadContract(abc.ABC):
    """The laws of a location that takes an object in parts. Subclass beside `LocationContract`."""

    part_bytes: int = 100_000
    """Bytes of every part but the last: an engine may have a minimum."""

    @abc.abstractmethod
    def make_location(self) -> UploadLocation:
        """Return a location; it need not be empty, only working."""

    def bodies(self) -> list[bytes]:
        return [bytes([n]) * self.part_bytes for n in (1, 2)] + [b"the end"]

    def begin(self, location: UploadLocation, name: str) -> tuple[str, list[Part]]:
        upload = location.begin(name, attributes=Attributes(user_metadata={"n": "1"}))
        parts = [
            location.write_part(name, upload, number, pieces(body), size=len(body), md5=digest(body))
            for number, body in reversed(list(enumerate(self.bodies(), 1)))
        ]
        return upload, parts[::-1]

    def test_upload_completes(self) -> None:
        location, name = self.make_location(), fresh("object")
        upload, parts = self.begin(location, name)
        whole = b"".join(self.bodies())
        assert [1, 2, 3] == [part.number for part in parts]

        stored = location.complete(name, upload, parts)

        assert (name, len(whole)) == (stored.name, stored.size)
        assert whole == b"".join(location.read(name))
        assert {"n": "1"} == location.head(name).attributes.user_metadata
        assert (name, upload) not in location.uploads()

        upload, (_, *rest) = self.begin(location, name)
        first = bytes([9]) * self.part_bytes
        again = location.write_part(name, upload, 1, [first], size=len(first))
        location.complete(name, upload, [again, *rest])
        assert first + b"".join(self.bodies()[1:]) == b"".join(location.read(name))

    def test_upload_is_invisible(self) -> None:
        location, name = self.make_location(), fresh("object")
        upload, parts = self.begin(location, name)

        assert [] == list(location.list(prefix=name))
        with pytest.raises(NotFound):
            location.head(name)
        assert (name, upload) in self.make_location().uploads()
        with pytest.raises(Corrupted):
            location.write_part(name, upload, 1, [b"bad"], size=3, md5=digest(b"good"))
        with pytest.raises(Corrupted):
            location.write_part(name, upload, 1, [b"bad"], size=4, md5=digest(b"bad"))
        location.complete(name, upload, parts)
        assert b"".join(self.bodies()) == b"".join(location.read(name))

    def test_abort_leaves_nothing(self) -> None:
        location, name = self.make_location(), fresh("object")
        upload, _ = self.begin(location, name)

        location.abort(name, upload)

        assert (name, upload) not in location.uploads()
        assert [] == list(location.list(prefix=name))
        with pytest.raises(NotFound):
            location.head(name)

    def test_abort_is_idempotent(self) -> None:
        location, name = self.make_location(), fresh("object")
        upload, _ = self.begin(location, name)
        store(location, name, b"stands")

        for _ in range(2):
            location.abort(name, upload)

        assert b"stands" == b"".join(location.read(name))


class TaggedContract(abc.ABC):
    """The laws of a location that keeps tags. Subclass beside `LocationContract`."""

    @abc.abstractmethod
    def make_location(self) -> TaggedLocation:
        """Return a location; it need not be empty, only working."""

    def test_tags_are_replaced(self) -> None:
        location, name = self.make_location(), fresh("object")
        metadata = {"colour": "blue"}
        store(location, name, b"body", Attributes(user_metadata=metadata, tags={"written": "with it"}))
        assert {"written": "with it"} == location.head(name).attributes.tags

        location.put_tags(name, {"a": "1", "b": "2 + 3"})
        assert {"a": "1", "b": "2 + 3"} == self.make_location().head(name).attributes.tags
        location.put_tags(name, {"c": ""})
        assert {"c": ""} == location.head(name).attributes.tags
        location.delete_tags(name)

        head = location.head(name)
        assert ({}, metadata) == (head.attributes.tags, head.attributes.user_metadata)
        assert b"body" == b"".join(location.read(name))
        location.delete_tags(name)
        with pytest.raises(NotFound):
            location.put_tags(name + "x", {})
        with pytest.raises(NotFound):
            location.delete_tags(name + "x")


class ConditionalDeleteContract(abc.ABC):
    """The law of a location that deletes only what is old enough. Subclass beside `LocationContract`."""

    @abc.abstractmethod
    def make_location(self) -> ConditionalDelete:
        """Return a location; it need not be empty, only working."""

    def test_newer_is_not_deleted(self) -> None:
        location, name = self.make_location(), fresh("object")
        store(location, name, b"body")
        modified = location.head(name).last_modified_ms

        # A whole second: servers keep times to the second.
        assert location.delete_unmodified(name, since_ms=modified - 1000) is False
        assert b"body" == b"".join(location.read(name))
        assert location.delete_unmodified(name, since_ms=modified) is True
        with pytest.raises(NotFound):
            location.head(name)
        assert location.delete_unmodified(name, since_ms=modified) is False
