"""How a frozen value says which members of a JSON message it is made of, and the codec that reads that."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

import attrs

from backbeat_core.domain import wire
from backbeat_core.domain.metadata import Document, Json
from backbeat_core.errors import UndecodableEntry


class Kind(enum.Enum):
    """What a member may be; the value is how a refusal calls it."""

    TEXT = "a text"
    INTEGER = "a whole number"
    COUNT = "a count"
    FLAG = "true or false"
    OBJECT = "an object"
    LIST = "a list"
    ANY = "anything"


_CHECKS: Final[Mapping[Kind, Callable[[Json], bool]]] = {
    Kind.TEXT: lambda value: isinstance(value, str),
    Kind.INTEGER: lambda value: isinstance(value, int) and not isinstance(value, bool),
    Kind.COUNT: lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 0,
    Kind.FLAG: lambda value: isinstance(value, bool),
    Kind.OBJECT: lambda value: isinstance(value, Mapping),
    Kind.LIST: lambda value: isinstance(value, list),
    Kind.ANY: lambda value: True,
}


def field(
    name: str, kind: Kind | type[enum.StrEnum] = Kind.TEXT, *, required: bool = False, null: bool = False
) -> Any:
    """
    Declare an attribute that is the member *name* of the message.

    What is not *required* may be absent, and then is None. None is written only where *null* says so.
    """
    default = attrs.NOTHING if required else None
    return attrs.field(default=default, metadata={"name": name, "kind": kind, "null": null})


def others() -> Any:
    """Declare the attribute, of its class the last, that keeps all members that no other declares."""
    return attrs.field(factory=dict, hash=False, metadata={"name": None, "kind": Kind.OBJECT, "null": False})


class Message:
    """A message that is a JSON object: attributes declared with `field`, written in that order."""

    __slots__ = ()

    def to_document(self) -> dict[str, Json]:
        """Return the members of the message."""
        fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(type(self))  # type: ignore[arg-type]  # subclasses are attrs classes
        document = {}
        for each in fields:
            value = getattr(self, each.name)
            if each.metadata["name"] is None:
                document.update(value)
            elif value is not None or each.metadata["null"]:
                document[each.metadata["name"]] = value
        return document

    def encode(self) -> bytes:
        """Return the message value."""
        return wire.encode(self.to_document())

    @classmethod
    def from_document(cls, document: Document) -> Self:
        """Return the message that *document* is; unknown members are ignored or kept. Raises ValueError."""
        fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(cls)  # type: ignore[arg-type]  # as above
        return cls(**{each.name: _read(each, document, fields) for each in fields})

    @classmethod
    def decode(cls, value: bytes, *, topic: str = "", partition: int = -1, offset: int = -1) -> Self:
        """Return the message. Raises UndecodableEntry, and nothing else, whatever the bytes."""
        try:
            return cls.from_document(parse_object(value))
        except ValueError as error:
            raise UndecodableEntry(str(error), topic, partition, offset) from None


def parse_json(text: str | bytes, name: str) -> Json:
    """Return the value of a JSON text; *name* is what a ValueError calls it."""
    try:
        return wire.parse(text)
    except ValueError as error:
        raise ValueError(f"malformed JSON in {name}: {error}") from None


def parse_object(text: str | bytes, name: str = "message") -> dict[str, Json]:
    """Return the JSON object that *text* is; *name* is what a ValueError calls it."""
    document = parse_json(text, name)
    if not isinstance(document, dict):
        raise ValueError(f"{name} is not an object")
    return document


def checked(value: Json, kind: Kind, name: str) -> Json:
    """Return *value* if it is of that *kind*. Raises ValueError that calls it *name*."""
    if not _CHECKS[kind](value):
        raise ValueError(f"{name} is not {kind.value}")
    return value


def present(value: Json, kind: Kind, name: str) -> Json:
    """Return *value* if it is there and of that *kind*. Raises ValueError that calls it *name*."""
    if value is None:
        raise ValueError(f"missing {name}")
    return checked(value, kind, name)


def optional(document: Document, kind: Kind, name: str) -> Json:
    """Return the member *name* if it is of that *kind*, None where it is absent. Raises ValueError."""
    value = document.get(name)
    return None if value is None else checked(value, kind, name)


def _read(attribute: attrs.Attribute[Any], document: Document, fields: tuple[attrs.Attribute[Any], ...]) -> Json:
    name = attribute.metadata["name"]
    if name is None:
        known = {each.metadata["name"] for each in fields}
        return {other: value for other, value in document.items() if other not in known}
    value = document.get(name)
    if value is not None:
        kind = attribute.metadata["kind"]
        return checked(value, kind, name) if isinstance(kind, Kind) else _chosen(value, kind, name)
    if attribute.default is attrs.NOTHING:
        raise ValueError(f"missing {name}")
    return None


def _chosen(value: Json, choices: type[enum.StrEnum], name: str) -> enum.StrEnum:
    try:
        return choices(value)
    except ValueError:
        raise ValueError(f"{name} is none of {', '.join(choices)}") from None
