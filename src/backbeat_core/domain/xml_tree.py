"""XML from strangers, read into a small tree within fixed bounds of size, depth and number of elements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from xml.parsers import expat

import attrs

from backbeat_core.errors import InvalidDocument

# A thousand rules with the longest prefix and id fit, at three bytes a character.
MOST_BYTES: Final = 5 * 2**20
_MOST_ELEMENTS: Final = 100_000
_MOST_DEPTH: Final = 32

# Documents are UTF-8; of what else an XML declaration may say, only this is the same bytes.
_ENCODINGS: Final = frozenset({"utf-8", "utf8", "us-ascii"})


def malformed() -> InvalidDocument:
    """Return the error for a document that is not XML, or not the XML that was asked for."""
    return InvalidDocument(
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema.",
    )


@attrs.define(eq=False)
class Element:
    """An element as it was written: its name with any prefix, its children in order and its own text."""

    name: str
    has_attributes: bool = False
    children: list[Element] = attrs.field(factory=list)
    pieces: list[str] = attrs.field(factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all is written in or on the element."""
        return not (self.children or self.pieces or self.has_attributes)

    def child(self, name: str) -> Element | None:
        """Return the first child of this name; further ones are ignored."""
        return next((child for child in self.children if child.name == name), None)

    def text(self) -> str:
        """Return the text as it was written, untrimmed; more than text raises MalformedXML."""
        if self.children or self.has_attributes:
            raise malformed()
        return "".join(self.pieces)


def read(document: bytes) -> Element:
    """
    Return the root of *document*.

    What is not well-formed UTF-8 XML raises MalformedXML, and so do a document type (and with it every
    entity that is not one of XML's five), and anything over the bounds of this module.
    """
    # No UTF-8 document has a zero byte and every UTF-16 one has, which the parser would read all the same.
    if len(document) > MOST_BYTES or 0 in document:
        raise malformed()
    reader = _Reader()
    # The given encoding outranks the declared one, so no other decoder is ever looked up.
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.XmlDeclHandler = reader.declaration
    parser.StartDoctypeDeclHandler = reader.document_type
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    try:
        parser.Parse(document, True)
    except expat.ExpatError:
        raise malformed() from None
    return reader.holder.children[0]


class _Reader:
    def __init__(self) -> None:
        self.holder = Element("")
        self._open = [self.holder]
        self._count = 0

    def declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() not in _ENCODINGS:
            raise malformed()

    def document_type(self, name: str, system: str | None, public: str | None, internal: bool) -> None:
        raise malformed()

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._count += 1
        if self._count > _MOST_ELEMENTS or len(self._open) > _MOST_DEPTH:
            raise malformed()
        element = Element(name, bool(attributes))
        self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, name: str) -> None:
        self._open.pop()

    def characters(self, text: str) -> None:
        self._open[-1].pieces.append(text)
