"""The codec of messages: round trips of every type, and refusals that say what is wrong."""

from __future__ import annotations

import enum
import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.domain import messages as all_messages
from backbeat_core.domain import wire
from backbeat_core.domain.codec import Kind, Message, field, optional, parse_object, present
from backbeat_core.errors import UndecodableEntry
from domain.values import documents, json_values, messages


class Colour(enum.StrEnum):
    RED = "red"
    GREEN = "green"


@attrs.frozen
class Painting(Message):
    title: str = field("Title", required=True)
    year: int | None = field("Year", Kind.INTEGER)
    sold: bool | None = field("Sold", Kind.FLAG)
    colour: Colour | None = field("Colour", Colour)
    frame: Any = field("Frame", Kind.OBJECT)
    owners: Any = field("Owners", Kind.LIST)
    note: object = field("Note", Kind.ANY, null=True)


TYPES = [
    kind
    for kind in vars(all_messages).values()
    if isinstance(kind, type) and issubclass(kind, Message) and kind is not Message
] + [Painting]


@pytest.mark.parametrize("kind", TYPES)
@given(data=st.data(), unknown=documents)
def test_every_message_is_read_back(kind: type[Message], data: st.DataObject, unknown: dict[str, Any]) -> None:
    message = data.draw(messages(kind))

    assert message == kind.decode(message.encode())
    # Newer writers say more (queue-and-wire 3.2.13, NEW); only some types pass it on.
    more = {**unknown, "v": 1, **message.to_document()}
    again = kind.decode(wire.encode(more))
    assert more == again.to_document() if keeps_others(kind) else message == again


def keeps_others(kind: type[Message]) -> bool:
    return any(field.metadata["name"] is None for field in attrs.fields(kind))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", TYPES)
@given(data=st.binary(max_size=40) | json_values.map(wire.encode) | documents.map(wire.encode))
def test_any_bytes_are_a_message_or_undecodable(kind: type[Message], data: bytes) -> None:
    try:
        kind.decode(data)
    except UndecodableEntry:
        return


def test_members_are_written_in_their_order_and_without_those_that_are_not_set() -> None:
    message = Painting("Blue", sold=False, colour=Colour.RED)

    assert message.encode() == b'{"Title":"Blue","Sold":false,"Colour":"red","Note":null}'


def test_what_is_read_is_of_its_type() -> None:
    found = Painting.decode(b'{"Title":"Blue","Colour":"green","Year":null}')

    assert (Colour.GREEN, None) == (found.colour, found.year)
    assert isinstance(found.colour, Colour)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "malformed JSON in message"),
        ("[]", "message is not an object"),
        ("null", "message is not an object"),
        ("{}", "missing Title"),
        ('{"Title":null}', "missing Title"),
        ('{"Title":1}', "Title is not a text"),
        ('{"Title":"x","Year":"1"}', "Year is not a whole number"),
        ('{"Title":"x","Year":1.5}', "Year is not a whole number"),
        ('{"Title":"x","Year":true}', "Year is not a whole number"),
        ('{"Title":"x","Sold":0}', "Sold is not true or false"),
        ('{"Title":"x","Colour":"blue"}', "Colour is none of red, green"),
        ('{"Title":"x","Colour":[]}', "Colour is none of red, green"),
        ('{"Title":"x","Frame":[]}', "Frame is not an object"),
        ('{"Title":"x","Owners":{}}', "Owners is not a list"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_where(text: str, reason: str) -> None:
    with pytest.raises(UndecodableEntry) as refused:
        Painting.decode(text.encode(), topic="paintings", partition=3, offset=14)

    # What follows the colon of malformed JSON are the words of the standard library.
    assert reason == refused.value.reason.partition(":")[0]
    assert ("paintings", 3, 14) == (refused.value.topic, refused.value.partition, refused.value.offset)


def test_a_refusal_names_what_was_read() -> None:
    with pytest.raises(ValueError, match="attributes is not an object"):
        parse_object("1", "attributes")


def test_all_types_are_frozen() -> None:
    for kind in TYPES:
        assert attrs.has(kind)
        assert kind.__setattr__ is not object.__setattr__


def test_our_writing_is_plain_json() -> None:
    assert json.loads(Painting("é", frame={"a": 1}, owners=["b"]).encode()) == {
        "Title": "é",
        "Frame": {"a": 1},
        "Owners": ["b"],
        "Note": None,
    }


def test_a_member_that_must_be_there_is_there_and_of_its_kind() -> None:
    assert present("x", Kind.TEXT, "Title") == "x"
    with pytest.raises(ValueError, match=r"^missing Title$"):
        present(None, Kind.TEXT, "Title")
    with pytest.raises(ValueError, match=r"^Title is not a text$"):
        present(1, Kind.TEXT, "Title")


@pytest.mark.parametrize(("value", "found"), [(None, None), (0, 0), (7, 7)])
def test_a_member_that_may_be_absent_is_none_then(value: int | None, found: int | None) -> None:
    assert found == optional({"Count": value}, Kind.COUNT, "Count")
    assert optional({}, Kind.COUNT, "Count") is None


@pytest.mark.parametrize("value", [-1, True, 1.0, "1"])
def test_a_count_is_a_whole_number_from_zero(value: object) -> None:
    with pytest.raises(ValueError, match=r"^Count is not a count$"):
        optional({"Count": value}, Kind.COUNT, "Count")
