"""Any history of a few objects, beside a plain dict; and the names that objects may have."""

from __future__ import annotations

import hashlib
from typing import Protocol

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from backbeat_core.errors import Corrupted, NotFound
from backbeat_core.ports.location import Attributes, Location
from backbeat_core.testing.contracts.common import fresh


def components() -> st.SearchStrategy[str]:
    """Generate one part of a name: UTF-8 of at most 255 bytes, no '/' and no NUL in it, not '.' or '..'."""
    shapes = [" ", "a b", "new\nline", "\t", "\\", "%2F", "..a", "a..", ".hidden", "-rf", "~", "'\""]
    odd = st.sampled_from([*shapes, "ü" * 127, "x" * 255])
    alphabet = st.characters(exclude_characters="/\0", exclude_categories=["Cs"])
    text = st.text(alphabet, min_size=1, max_size=30)
    return (odd | text).filter(lambda part: part not in (".", "..") and len(part.encode()) <= 255)


def object_names() -> st.SearchStrategy[str]:
    """Generate object names of one to four components, under S3's 1,024 bytes with room for a folder."""
    names = st.lists(components(), min_size=1, max_size=4).map("/".join)
    return names.filter(lambda name: len(name.encode()) <= 900)


class Maker(Protocol):
    """What the machine needs of its contract."""

    def make_location(self) -> Location: ...


NAMES = st.sampled_from(["a", "b/c", "b/d/e", "b.f", "b/d-"])
PREFIXES = st.sampled_from(["", "b", "b/", "b/d", "x"])
BODIES = st.binary(max_size=5)
METADATA = st.dictionaries(st.sampled_from(["colour", "size"]), st.sampled_from(["blue", "1"]))


def location_machine(maker: Maker) -> type[RuleBasedStateMachine]:
    """Return the machine for the locations that *maker* makes."""

    class LocationMachine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.location, self.folder = maker.make_location(), fresh("folder") + "/"
            self.model: dict[str, tuple[bytes, dict[str, str]]] = {}

        @rule(name=NAMES, body=BODIES, metadata=METADATA)
        def write(self, name: str, body: bytes, metadata: dict[str, str]) -> None:
            md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
            stored = self.location.write(
                self.folder + name,
                [body[:2], body[2:]],
                size=len(body),
                md5=md5,
                attributes=Attributes(user_metadata=metadata),
            )
            assert (self.folder + name, len(body)) == (stored.name, stored.size)
            self.model[name] = body, metadata

        @rule(name=NAMES, body=BODIES)
        def write_badly(self, name: str, body: bytes) -> None:
            with pytest.raises(Corrupted):
                self.location.write(
                    self.folder + name, [body], size=len(body) + 1, md5="", attributes=Attributes()
                )

        @rule(name=NAMES, start=st.integers(0, 4), length=st.none() | st.integers(1, 5))
        def read(self, name: str, start: int, length: int | None) -> None:
            if name not in self.model:
                with pytest.raises(NotFound):
                    list(self.location.read(self.folder + name))
                return
            body = self.model[name][0]
            assert body == b"".join(self.location.read(self.folder + name))
            if start < len(body):
                end = None if length is None else min(start + length, len(body)) - 1
                wanted = body[start:] if end is None else body[start : end + 1]
                assert wanted == b"".join(self.location.read(self.folder + name, start=start, end=end))

        @rule(name=NAMES)
        def head(self, name: str) -> None:
            if name not in self.model:
                with pytest.raises(NotFound):
                    self.location.head(self.folder + name)
                return
            found, (body, metadata) = self.location.head(self.folder + name), self.model[name]
            assert (len(body), metadata) == (found.size, found.attributes.user_metadata)

        @rule(name=NAMES)
        def delete(self, name: str) -> None:
            self.location.delete(self.folder + name)
            self.model.pop(name, None)

        @rule(prefix=PREFIXES, after=st.just("") | NAMES, limit=st.integers(0, 4))
        def names(self, prefix: str, after: str, limit: int) -> None:
            wanted = sorted(name for name in self.model if name.startswith(prefix) and name > after)
            found = self.location.list(prefix=self.folder + prefix, after=self.folder + after, limit=limit)
            assert [self.folder + name for name in wanted[:limit]] == [stored.name for stored in found]

        @rule()
        def reopen(self) -> None:
            self.location.close()
            self.location = maker.make_location()

        def teardown(self) -> None:
            for name in self.model:
                self.location.delete(self.folder + name)
            assert [] == list(self.location.list(prefix=self.folder))
            self.location.close()

    return LocationMachine
