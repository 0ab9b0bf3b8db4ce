"""What CloudServer answers, and what is made of it, on a real socket."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

import servers
from backbeat_adapters.cloudserver import MOST_BYTES, CloudServer, CloudServerSettings
from backbeat_core.errors import LocationUnavailable
from support.cloudserver import cloudserver

LIMIT_MS = 400


def reader(port: int) -> CloudServer:
    return CloudServer(CloudServerSettings(port=port, timeout_ms=LIMIT_MS))


def body(**metadata: object) -> bytes:
    return json.dumps({"Body": json.dumps(metadata)}).encode()


@contextlib.contextmanager
def raw(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """Give the port of a server that does *talk* with each connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection, contextlib.suppress(OSError):
                        connection.recv(65536)
                        talk(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def test_the_metadata_of_a_version_are_read() -> None:
    with cloudserver(lambda target: (200, body(**{"content-length": 1}))) as (port, asked), reader(port) as source:
        assert {"content-length": 1} == source.read_source("bucket", "a/b c:é?.txt", "39 38")

    assert ["/_/backbeat/metadata/bucket/a/b%20c%3A%C3%A9%3F.txt?versionId=39%2038"] == asked


def test_the_newest_version_is_asked_for_without_an_id() -> None:
    with cloudserver(lambda target: (200, body(a=1))) as (port, asked), reader(port) as source:
        source.read_source("bucket", "key", "")

    assert ["/_/backbeat/metadata/bucket/key"] == asked


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (404, b""),
        (404, b"<html>"),
        (404, b'{"code":"SomethingElse"}'),
        *((400, json.dumps({"code": code}).encode()) for code in ("ObjNotFound", "NoSuchKey", "NoSuchBucket")),
        (500, b'{"code":"NoSuchVersion"}'),
    ],
)
def test_what_the_source_does_not_have_is_none(status: int, answer: bytes) -> None:
    with cloudserver(lambda target: (status, answer)) as (port, _), reader(port) as source:
        assert source.read_source("bucket", "key", "v") is None


def test_a_key_that_no_object_has_is_not_asked_for() -> None:
    with cloudserver(lambda target: (200, body(a=1))) as (port, asked), reader(port) as source:
        assert source.read_source("bucket", "\ud800", "v") is None

    assert [] == asked


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (503, b'{"code":"ServiceUnavailable"}'),
        (403, b'{"code":"AccessDenied"}'),
        (500, b""),
        (301, b""),
        (200, b""),
        (200, b"[]"),
        (200, b"\xff"),
        (200, b'{"Body":5}'),
        (200, b'{"Body":"["}'),
        (200, b'{"Body":"{}"}'),
        (200, b"[" * 100_000),
        (200, b'{"Body":"' + b"x" * MOST_BYTES + b'"}'),
    ],
)
def test_anything_else_is_no_answer(status: int, answer: bytes) -> None:
    """B22: a source that cannot answer now has not said that there is no such version."""
    with cloudserver(lambda target: (status, answer)) as (port, _), reader(port) as source:
        refused = pytest.raises(LocationUnavailable, match=f"CloudServer at 127.0.0.1:{port}")
        with refused:
            source.read_source("bucket", "key", "v")


def test_nobody_there_is_told() -> None:
    with pytest.raises(LocationUnavailable):
        reader(servers.free_port()).read_source("bucket", "key", "v")


def drip(connection: socket.socket, text: bytes) -> None:
    for byte in text:
        connection.sendall(bytes([byte]))
        time.sleep(LIMIT_MS / 1000 / 8)


@pytest.mark.parametrize(
    "talk",
    [
        lambda connection: time.sleep(2),
        lambda connection: drip(connection, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000),
        lambda connection: drip(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"{" * 100),
    ],
    ids=["silent", "slow head", "slow body"],
)
def test_a_slow_answer_is_waited_for_only_so_long(talk: Callable[[socket.socket], None]) -> None:
    with raw(talk) as port:
        started = time.monotonic()
        with pytest.raises(LocationUnavailable):
            reader(port).read_source("bucket", "key", "v")
        assert time.monotonic() - started < LIMIT_MS / 1000 + 1


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"])
def test_an_answer_that_breaks_off_is_none(answer: bytes) -> None:
    with raw(lambda connection: connection.sendall(answer)) as port, pytest.raises(LocationUnavailable):
        reader(port).read_source("bucket", "key", "v")


def test_a_connection_that_was_closed_meanwhile_is_made_anew() -> None:
    text = body(a=1)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)
    with raw(lambda connection: connection.sendall(answer)) as port, reader(port) as source:
        assert [{"a": 1}] * 3 == [source.read_source("bucket", "key", "v") for _ in range(3)]
