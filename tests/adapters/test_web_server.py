"""Our server on a real socket: what bytes are answered, what is never obeyed, and what ends in time."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backbeat_adapters.web.asgi import AsgiApp, WebSettings, asgi_app
from backbeat_adapters.web.server import config
from backbeat_core.access import Access, AllowList
from backbeat_core.http.api import Api
from backbeat_core.http.routing import Sites
from support.backend import EchoBackend
from support.raw_requests import SMUGGLED, raw_requests, request
from support.serving import exchange, serving, split

ANSWERS = Path(__file__).parent / "raw_answers.json"
"""What each raw request was answered; `BACKBEAT_RECORD=1` writes it anew, to be read before it is kept."""

HEALTH = request(b"GET /_/healthcheck HTTP/1.1", b"Connection: close")
CLOSE = b"Connection: close"


def app_of(backend: EchoBackend, **settings: object) -> AsgiApp:
    return asgi_app(Api(backend), WebSettings(**{"body_limit_s": 0.4, **settings}))  # type: ignore[arg-type]


def new_backend() -> EchoBackend:
    return EchoBackend(Sites(crr=("aws", "smuggled")))


@pytest.fixture
def backend() -> EchoBackend:
    return new_backend()


@pytest.fixture
def port(backend: EchoBackend) -> Iterator[int]:
    with serving(app_of(backend)) as port:
        yield port


def described(answer: bytes) -> list[str]:
    """Return status and error code of each response, and check what every response must be."""
    found = []
    for head, body in split(answer):
        status = head.split(b" ", 2)[1].decode()
        lines = head.split(b"\r\n")[1:]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        code = ""
        if status not in ("100", "200") and body:
            code = f" {list(json.loads(body))[2]}"
        if status != "100":
            assert headers[b"content-type"] == b"application/json"
            assert b"content-length" in headers
            assert b"server" not in headers
            assert {b"date", b"connection", b"content-type", b"content-length", b"allow"} >= set(headers)
        found.append(status + code)
    return found


# --- bytes -------------------------------------------------------------------------------------------------


def test_every_raw_request_is_answered_as_recorded_and_nothing_smuggled_is_obeyed() -> None:
    requests = list(raw_requests())
    assert len(requests) >= 200
    assert len({name for name, _ in requests}) == len(requests)
    backend = new_backend()
    with serving(app_of(backend)) as port, ThreadPoolExecutor(12) as pool:
        answers = pool.map(lambda each: (each[0], described(exchange(port, each[1]))), requests)
        given = dict(answers)
        assert described(exchange(port, HEALTH)) == ["200"]
    if os.environ.get("BACKBEAT_RECORD"):
        ANSWERS.write_text(json.dumps(given, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")
    assert json.loads(ANSWERS.read_text(encoding="utf-8")) == given
    assert not [call for call in backend.called if call == ("pause", "crr", ("smuggled",))]
    assert not any(status.startswith("5") for statuses in given.values() for status in statuses)


def test_a_stranger_gets_a_403_whatever_the_bytes(backend: EchoBackend) -> None:
    # Loopback is always allowed, so here a proxy that says nothing stands for the stranger.
    access = Access(AllowList.configured(), AllowList.parse(["127.0.0.1"]))
    app = asgi_app(Api(backend, access), WebSettings(body_limit_s=0.4))
    unfinished = {"a head that never ends", "nothing but empty lines"}
    with serving(app) as port, ThreadPoolExecutor(12) as pool:
        requests = [data for name, data in raw_requests() if name not in unfinished]
        for data, answer in zip(requests, pool.map(lambda data: exchange(port, data), requests), strict=True):
            for status in described(answer):
                too_long = len(data) > 65_536 and status == "400 BadRequest"
                assert status in ("403 AccessDenied", "403") or too_long, data[:80]
    assert backend.called == []


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_requests_in_small_pieces_are_the_same_requests(port: int, size: int) -> None:
    data = request(b"POST /_/crr/failed HTTP/1.1", b"Content-Length: 6", CLOSE, body=b"[null]")
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        for index in range(0, len(data), size):
            connection.sendall(data[index : index + size])
            time.sleep(0.0005)
        assert described(connection.recv(65536)) == ["400 MalformedPOSTRequest"]


def test_requests_follow_one_another_on_a_connection(port: int, backend: EchoBackend) -> None:
    statuses = described(exchange(port, request() * 20 + HEALTH))
    assert ["200"] * 21 == statuses
    assert [("health",)] * 21 == backend.called


def test_what_came_before_garbage_is_answered_before_it(port: int) -> None:
    slow = request(b"POST /_/crr/pause/aws HTTP/1.1", b"Content-Length: 2", body=b"{}")
    assert described(exchange(port, slow * 3 + b"\x00garbage")) == ["200", "200", "200", "405 MethodNotAllowed"]
    broken = request(b"POST /_/crr/failed HTTP/1.1", b"Transfer-Encoding: chunked", body=b"z\r\n\r\n")
    assert described(exchange(port, slow * 2 + broken)) == ["200", "200", "400 BadRequest"]
    refused = request(b"PUT /_/x HTTP/1.1", b"Transfer-Encoding: chunked")
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(refused)
        assert described(connection.recv(65536)) == ["405 MethodNotAllowed"]
        connection.sendall(b"z\r\n\r\n")  # the body of a request that has had its answer
        assert connection.recv(65536) == b""


# --- size and time -----------------------------------------------------------------------------------------


def test_a_body_over_the_limit_is_a_400_and_is_not_kept(port: int, backend: EchoBackend) -> None:
    head = request(b"POST /_/crr/failed HTTP/1.1", b"Content-Length: 1073741824")
    sent = 0
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(head)
        chunk = b" " * 1_000_000
        answer = b""
        connection.settimeout(0.02)
        while not answer and sent < 64_000_000:
            connection.settimeout(5)
            connection.sendall(chunk)
            sent += len(chunk)
            connection.settimeout(0.02)
            try:
                answer = connection.recv(65536)
            except TimeoutError:
                continue
    assert described(answer) == ["400 MalformedPOSTRequest"]
    assert sent < 30_000_000
    assert backend.called == []


def test_a_refused_body_is_not_waited_for(backend: EchoBackend) -> None:
    refused = request(b"PUT /_/crr/failed HTTP/1.1", b"Content-Length: 1073741824")
    with (
        serving(app_of(backend, body_limit_s=20)) as port,
        socket.create_connection(("127.0.0.1", port), 10) as connection,
    ):
        connection.sendall(refused)
        assert described(connection.recv(65536)) == ["405 MethodNotAllowed"]
        assert connection.recv(65536) == b""  # and its connection is cut in the end


@pytest.mark.parametrize(
    ("start", "drip"),
    [
        (b"", b"\r\n"),
        (b"GET /_/healthcheck HTTP/1.1\r\n", b"X: a\r\n"),
        (b"GET /_/healthcheck HTTP/1.1\r\nX: ", b"a"),
        (b"GET /_/health", b"c"),
        (request(b"POST /_/crr/failed HTTP/1.1", b"Content-Length: 1000"), b"["),
        (request(b"POST /_/crr/failed HTTP/1.1", b"Transfer-Encoding: chunked"), b"1\r\n[\r\n"),
        (request() + b"\r\n", b"\r\n"),
        (request(b"PUT /_/x HTTP/1.1", b"Content-Length: 1000"), b"["),
    ],
)
def test_whoever_sends_drop_by_drop_is_cut_off_in_time(port: int, start: bytes, drip: bytes) -> None:
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.settimeout(0.05)
        connection.sendall(start)
        received = None
        while received != b"" and time.monotonic() - started < 5:
            try:
                connection.sendall(drip)
                received = connection.recv(65536)
            except TimeoutError:
                continue
            except ConnectionError:
                break
    assert time.monotonic() - started < 4.5


def test_a_head_that_grows_without_end_is_refused(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(b"GET /_/healthcheck HTTP/1.1\r\nX: ")
        sent, answer = 0, b""
        with contextlib.suppress(ConnectionError):
            while sent < 1_000_000:
                connection.sendall(b"a" * 10_000)
                sent += 10_000
                time.sleep(0.001)
        with contextlib.suppress(ConnectionError):
            answer = connection.recv(65536)
    assert sent < 500_000
    assert answer == b"" or described(answer) == ["400 BadRequest"]


def test_nothing_behind_garbage_is_listened_to(backend: EchoBackend) -> None:
    go_on = threading.Event()
    backend.status = lambda service, sites: {"a": str(go_on.wait(5))}  # type: ignore[method-assign]
    with serving(app_of(backend)) as port, socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(request(b"GET /_/crr/status HTTP/1.1") + b"\x00\r\n\r\n")
        time.sleep(0.05)
        connection.sendall(SMUGGLED)
        time.sleep(0.05)
        go_on.set()
        answer = b""
        while received := connection.recv(65536):
            answer += received
    assert described(answer) == ["200", "405 MethodNotAllowed"]
    assert backend.called == []


def test_a_thousand_slow_connections_do_not_keep_others_waiting(port: int) -> None:
    slow = []
    try:
        for _ in range(400):
            connection = socket.create_connection(("127.0.0.1", port), 5)
            connection.sendall(b"GET /_/healthcheck HTTP/1.1\r\nX: ")
            slow.append(connection)
        started = time.monotonic()
        assert described(exchange(port, HEALTH)) == ["200"]
        assert time.monotonic() - started < 3
    finally:
        for connection in slow:
            connection.close()


def test_a_hanging_engine_is_a_500_in_time_and_stops_nobody_else(backend: EchoBackend) -> None:
    hanging = threading.Event()
    backend.status = lambda service, sites: hanging.wait(20)  # type: ignore[method-assign]
    stuck = request(b"GET /_/crr/status HTTP/1.1", CLOSE)
    with serving(app_of(backend, limit_s=2, threads=4)) as port, ThreadPoolExecutor(12) as pool:
        started = time.monotonic()
        answers = [pool.submit(exchange, port, stuck) for _ in range(3)]
        assert described(exchange(port, HEALTH)) == ["200"]
        assert time.monotonic() - started < 1.8
        assert [["500 InternalError"]] * 3 == [described(answer.result()) for answer in answers]
        assert 1.8 < time.monotonic() - started < 6
        # With every thread hanging, answers still come in time.
        assert [["500 InternalError"]] * 8 == [
            described(a) for a in pool.map(lambda _: exchange(port, stuck), range(8))
        ]
        hanging.set()
        assert described(exchange(port, HEALTH)) == ["200"]


def test_headers_choose_nobody_s_address(backend: EchoBackend) -> None:
    """uvicorn would believe a peer on loopback, by default."""
    assert not config(app_of(backend)).proxy_headers
    with serving(app_of(backend)) as port:
        forwarded = request(b"GET /_/healthcheck HTTP/1.1", b"X-Forwarded-For: 10.0.0.1", CLOSE)
        assert described(exchange(port, forwarded)) == ["200"]
