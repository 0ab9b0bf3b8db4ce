"""XML that attacks: answered with MalformedXML, in bounded time and memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import pytest

from backbeat_core.domain import xml_tree
from backbeat_core.errors import InvalidDocument

MEGABYTE = 2**20


def refused(document: bytes) -> str:
    with pytest.raises(InvalidDocument) as raised:
        xml_tree.read(document)
    return raised.value.code


def bomb() -> bytes:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    return f'<!DOCTYPE r [<!ENTITY e0 "{"x" * 100}">{entities}]><r>&e11;</r>'.encode()


def quadratic() -> bytes:
    return f'<!DOCTYPE r [<!ENTITY e "{"x" * MEGABYTE}">]><r>{"&e;" * MEGABYTE}</r>'.encode()


ATTACKS: dict[str, Callable[[], bytes]] = {
    "nested entities": bomb,
    "one large entity many times": quadratic,
    "an external entity": lambda: b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/hostname">]><r>&x;</r>',
    "a parameter entity": lambda: b'<!DOCTYPE r [<!ENTITY % p SYSTEM "http://127.0.0.1/">%p;]><r/>',
    "an external document type": lambda: b'<!DOCTYPE r SYSTEM "http://127.0.0.1/x.dtd"><r/>',
    "a public document type": lambda: b'<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0//EN" "x"><r/>',
    "an empty document type": lambda: b"<!DOCTYPE r><r/>",
    "an unknown entity": lambda: b"<r>&x;</r>",
    "an unknown entity in an attribute": lambda: b'<r a="&x;"/>',
    "deep nesting": lambda: b"<a>" * (xml_tree.MOST_BYTES // 3),
    "deep nesting that ends": lambda: b"<a>" * 33 + b"</a>" * 33,
    "100 MB of text": lambda: b"<r>" + b"x" * (100 * MEGABYTE) + b"</r>",
    "100 MB of nothing": lambda: b" " * (100 * MEGABYTE),
    "very many elements": lambda: b"<r>" + b"<a/>" * (MEGABYTE - 10) + b"</r>",
    "one byte too many": lambda: b"<r>" + b"x" * (xml_tree.MOST_BYTES - 6) + b"</r>",
    "a name without end": lambda: b"<" + b"a" * (4 * MEGABYTE),
    "a comment without end": lambda: b"<r><!--" + b"-" * (4 * MEGABYTE),
    "a section without end": lambda: b"<r><![CDATA[" + b"]" * (4 * MEGABYTE),
    "UTF-16": lambda: '<?xml version="1.0" encoding="UTF-16"?><r/>'.encode("utf-16"),
    "UTF-16 that is not declared": lambda: "<r/>".encode("utf-16-le"),
    "UTF-32": lambda: "<r/>".encode("utf-32"),
    "UTF-7": lambda: b'<?xml version="1.0" encoding="UTF-7"?><r/>',
    "EBCDIC": lambda: '<?xml version="1.0" encoding="cp037"?><r/>'.encode("cp037"),
    "a declared Latin-1": lambda: b'<?xml version="1.0" encoding="ISO-8859-1"?><r>\xe9</r>',
    "an encoding that nobody knows": lambda: b'<?xml version="1.0" encoding="none"?><r/>',
    "an undeclared Latin-1": lambda: b"<r>\xe9</r>",
    "an overlong encoding": lambda: b"<r>\xc0\xbc</r>",
    "a surrogate": lambda: b"<r>\xed\xa0\x80</r>",
    "a NUL": lambda: b"<r>\x00</r>",
    "a control character": lambda: b"<r>\x01</r>",
    "a reference to a control character": lambda: b"<r>&#1;</r>",
    "two roots": lambda: b"<r/><r/>",
    "text after the root": lambda: b"<r/>x",
    "an attribute twice": lambda: b'<r a="1" a="2"/>',
    "no root": lambda: b"<!-- -->",
    "nothing": lambda: b"",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_refused_within_bounds(attack: str) -> None:
    document = ATTACKS[attack]()
    tracemalloc.start()
    started = time.process_time()
    try:
        code = refused(document)
        taken = time.process_time() - started
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert "MalformedXML" == code
    # Of the processor, so that a busy machine does not count; tracing makes it several times slower.
    assert taken < 10
    assert peak < 150 * MEGABYTE


def test_very_many_attributes_are_read_within_bounds() -> None:
    document = b"<r " + b" ".join(b'a%x=""' % n for n in range(400_000)) + b"/>"
    tracemalloc.start()
    try:
        root = xml_tree.read(document)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert root.has_attributes
    assert peak < 150 * MEGABYTE


def test_the_bounds_themselves_are_inside() -> None:
    assert (
        "x" * (xml_tree.MOST_BYTES - 7)
        == xml_tree.read(b"<r>" + b"x" * (xml_tree.MOST_BYTES - 7) + b"</r>").text()
    )
    assert 99_999 == len(xml_tree.read(b"<r>" + b"<a/>" * 99_999 + b"</r>").children)
    assert "MalformedXML" == refused(b"<r>" + b"<a/>" * 100_000 + b"</r>")
    assert "a" == xml_tree.read(b"<a>" * 32 + b"</a>" * 32).name


@pytest.mark.parametrize(
    "declaration",
    [
        b"",
        b"\xef\xbb\xbf",
        b'<?xml version="1.0"?>',
        b'<?xml version="1.0" encoding="utf-8"?>',
        b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n',
        b'<?xml version="1.0" encoding="US-ASCII"?>',
    ],
)
def test_utf8_is_read_however_it_is_declared(declaration: bytes) -> None:
    assert "é" == xml_tree.read(declaration + "<r>é</r>".encode()).text()


def test_a_tree_is_read_as_it_was_written() -> None:
    root = xml_tree.read(b"<r>\n <a x='1'/><b>1<c/>2</b><b/>&lt;&#65;</r>")

    assert ["a", "b", "b"] == [child.name for child in root.children]
    assert root.child("b") is root.children[1]
    assert root.child("z") is None
    assert [True, False, False] == [child.has_attributes for child in root.children]
    assert [False, False, True] == [child.is_empty for child in root.children]
    assert "\n <A" == "".join(root.pieces)
    assert "" == root.children[2].text()


@pytest.mark.parametrize("written", [b"<r a='1'>x</r>", b"<r>x<b/></r>"])
def test_what_is_more_than_text_is_no_text(written: bytes) -> None:
    with pytest.raises(InvalidDocument):
        xml_tree.read(written).text()


@pytest.mark.parametrize(
    ("written", "empty"), [(b"<r/>", True), (b"<r> </r>", False), (b"<r a=''/>", False), (b"<r><a/></r>", False)]
)
def test_an_element_is_empty_when_nothing_is_written_in_it(written: bytes, empty: bool) -> None:
    assert empty == xml_tree.read(written).is_empty
