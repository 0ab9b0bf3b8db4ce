"""The ASGI application by itself and mounted in others; the WSGI application; the threads behind both."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import time
import urllib.parse
import wsgiref.util
import wsgiref.validate
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from backbeat_adapters.web.asgi import AsgiApp, WebSettings, asgi_app
from backbeat_adapters.web.threads import Threads
from backbeat_adapters.web.wsgi import wsgi_app
from backbeat_core.access import Access, AllowList
from backbeat_core.http.api import Api, Report
from backbeat_core.http.bodies import MOST_BYTES
from backbeat_core.http.routing import Sites
from support.backend import EchoBackend

SITES = Sites(crr=("aws", "é/ü"), ingestion=("ring",))


def scope(method: str = "GET", path: str = "/_/healthcheck", **more: Any) -> dict[str, Any]:
    target, _, query = path.partition("?")
    return {
        "type": "http",
        "method": method,
        "path": target,
        "raw_path": target.encode(),
        "query_string": query.encode(),
        "headers": [],
        "client": ("127.0.0.1", 50000),
        **more,
    }


async def call(app: AsgiApp, asked: dict[str, Any], *messages: dict[str, Any]) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []
    waiting = iter(messages)

    async def receive() -> dict[str, Any]:
        message = next(waiting, None)
        if message is None:
            await asyncio.sleep(3600)
        assert message is not None
        return message

    async def send(message: Any) -> None:
        sent.append(dict(message))

    await app(asked, receive, send)
    return sent


def ask(app: AsgiApp, asked: dict[str, Any], *messages: dict[str, Any]) -> tuple[int, dict[bytes, bytes], bytes]:
    start, body = asyncio.run(call(app, asked, *messages))
    return start["status"], dict(start["headers"]), body["body"]


def body(data: bytes = b"", more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": data, "more_body": more}


def app_of(backend: EchoBackend | None = None, **settings: Any) -> AsgiApp:
    return asgi_app(Api(backend or EchoBackend(SITES)), WebSettings(**settings))


def test_an_answer_has_its_type_and_length_and_comes_whole() -> None:
    status, headers, sent = ask(app_of(), scope())
    assert (200, b'{"called":["health"]}') == (status, sent)
    assert {b"content-type": b"application/json", b"content-length": b"21"} == headers


def test_head_is_refused_with_the_length_but_without_the_body() -> None:
    status, headers, sent = ask(app_of(), scope("HEAD"))
    assert (405, b"") == (status, sent)
    assert headers[b"content-length"] == b"111"
    assert headers[b"allow"] == b"GET"


@pytest.mark.parametrize("client", [None, ("10.0.0.1", 1), ("", 0), ("unix", 0)])
def test_whoever_is_not_on_the_list_is_refused_without_reading_a_body(client: Any) -> None:
    assert ask(app_of(), scope("POST", "/_/crr/failed", client=client))[0] == 403


def test_a_body_in_pieces_is_joined_before_it_is_decoded() -> None:
    """B34: a character may be cut in two."""
    backend = EchoBackend(SITES)
    pieces = [b"", b'[{"Bucket":"b","Key":"\xc3', b'\xa9","StorageClass":"s"}', b"]"]
    messages = [body(piece, more=True) for piece in pieces]
    assert ask(app_of(backend), scope("POST", "/_/crr/failed"), *messages, body())[0] == 200
    assert backend.called[0][1][0].key == "é"


def test_a_body_is_read_no_further_than_shows_that_it_is_too_long() -> None:
    pieces = [body(b" " * 1_000_000, more=True) for _ in range(100)]
    read: list[int] = []

    async def run() -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            read.append(1)
            return pieces[len(read)]

        async def send(message: Any) -> None:
            sent.append(message)

        await app_of()(scope("POST", "/_/crr/failed"), receive, send)
        return sent

    assert asyncio.run(run())[0]["status"] == 400
    assert MOST_BYTES // 1_000_000 + 1 == len(read)


def test_a_body_that_does_not_come_is_a_400_in_time() -> None:
    status, _, sent = ask(app_of(body_limit_s=0.05), scope("POST", "/_/crr/failed"), body(b"[", more=True))
    assert (400, True) == (status, json.loads(sent)["RequestTimeout"])


def test_nobody_is_answered_who_has_gone() -> None:
    app = app_of()
    gone = {"type": "http.disconnect"}
    assert asyncio.run(call(app, scope("POST", "/_/crr/failed"), body(b"[", more=True), gone)) == []


def test_a_use_case_that_takes_too_long_is_a_500_and_is_reported() -> None:
    backend, reports, go_on = EchoBackend(SITES), list[Report](), threading.Event()
    backend.health = lambda: go_on.wait(10)  # type: ignore[method-assign]
    app = asgi_app(Api(backend, report=reports.append), WebSettings(limit_s=0.05))
    started = time.monotonic()
    assert ask(app, scope())[0] == 500
    assert time.monotonic() - started < 2
    assert [(500, "no answer within 0.05 s")] == [(report.status, report.reason) for report in reports]
    go_on.set()


def test_a_deep_health_check_and_a_long_body_have_more_time() -> None:
    backend = EchoBackend(SITES)

    def slow(*_: Any) -> dict[str, Any]:
        time.sleep(0.2)
        return {}

    backend.deep_health = backend.health = backend.retry = slow  # type: ignore[method-assign,assignment]
    app = app_of(backend, limit_s=0.05, slow_limit_s=5)
    assert ask(app, scope())[0] == 500
    assert ask(app, scope(path="/_/healthcheck/deep"))[0] == 200
    element = b'{"Bucket":"b","Key":"k","StorageClass":"s"}'
    assert ask(app, scope("POST", "/_/crr/failed"), body(b"[" + element + b"]"))[0] == 500
    assert ask(app, scope("POST", "/_/crr/failed"), body(b"[" + element + b" " * 10_000 + b"]"))[0] == 200


def test_it_speaks_the_lifespan_protocol_and_no_websocket() -> None:
    app = app_of()
    sent = asyncio.run(
        call(app, {"type": "lifespan"}, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    )
    assert ["lifespan.startup.complete", "lifespan.shutdown.complete"] == [message["type"] for message in sent]
    sent = asyncio.run(call(app, {"type": "websocket"}, {"type": "websocket.connect"}))
    assert [{"type": "websocket.close", "code": 1008}] == sent


@pytest.mark.parametrize("prefix", ["", "/backbeat", "/a/b", "/é", "/_"])
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/_/healthcheck", ["health"]),
        ("/_/backbeat/api/crr/failed/b/k%2Fl%3Fm?versionId=v", ["failed_object", "b", "k/l?m", "v"]),
        ("/_/crr/status/%C3%A9%2F%C3%BC", ["status", "crr", "('é/ü',)"]),
    ],
)
def test_it_mounts_under_any_prefix(prefix: str, path: str, expected: list[str]) -> None:
    app = app_of()
    host: Any = Starlette(routes=[Mount(prefix, app)]) if prefix else app

    def get(target: str) -> Any:
        raw = urllib.parse.quote(prefix + target, safe="/%?=")
        path, _, query = raw.partition("?")
        asked = scope(path=urllib.parse.unquote(path), raw_path=path.encode(), query_string=query.encode())
        return json.loads(ask(host, {**asked, "root_path": ""})[2])

    assert {"called": expected} == get(path)
    assert get("/_/nope")["description"] == "path nope does not exist"
    for known in ("/_/backbeat/api", "/_"):
        assert [{"url": prefix + known}] == get(f"{known}/openapi.json")["servers"]


def test_a_scope_without_a_raw_path_is_enough() -> None:
    asked = scope(path="/_/crr/failed/b/k é")
    del asked["raw_path"]
    assert json.loads(ask(app_of(), asked)[2])["called"] == ["failed_object", "b", "k é", ""]


def test_what_is_not_utf8_is_no_trouble() -> None:
    asked = scope(path="/_/crr/failed/b/k", raw_path=b"/_/crr/failed/b/\xff", query_string=b"versionId=\xfe")
    assert json.loads(ask(app_of(), asked)[2])["called"] == ["failed_object", "b", "�", "�"]


# --- threads -----------------------------------------------------------------------------------------------


def test_work_is_done_in_as_many_threads_as_it_needs_and_no_more_than_it_may() -> None:
    threads = Threads(3)
    barrier, names = threading.Barrier(3), set[str]()

    def together() -> str:
        barrier.wait(5)
        return threading.current_thread().name

    async def run() -> None:
        assert await threads.run(lambda: 1, 5) == 1
        for _ in range(20):
            names.update(await asyncio.gather(*(threads.run(together, 5) for _ in range(3))))

    asyncio.run(run())
    assert {"backbeat-api-1", "backbeat-api-2", "backbeat-api-3"} == names
    threads.close()
    threads.close()


def test_what_work_raises_is_told_and_its_thread_goes_on() -> None:
    threads = Threads(1)

    async def run() -> None:
        with pytest.raises(ZeroDivisionError):
            await threads.run(lambda: 1 // 0, 5)
        assert await threads.run(lambda: threading.current_thread().name, 5) == "backbeat-api-1"

    asyncio.run(run())


def test_work_that_nobody_waits_for_any_more_is_not_begun() -> None:
    threads, go_on, done = Threads(1), threading.Event(), list[int]()

    async def run() -> None:
        stuck = asyncio.create_task(threads.run(lambda: go_on.wait(5), 0.05))
        late = asyncio.create_task(threads.run(lambda: done.append(1), 0.05))
        for task in (stuck, late):
            with pytest.raises(TimeoutError):
                await task
        go_on.set()
        await threads.run(lambda: done.append(2), 5)

    asyncio.run(run())
    assert done == [2]


def test_work_that_ends_after_its_loop_ends_its_thread_all_the_same() -> None:
    threads, go_on = Threads(1), threading.Event()

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await threads.run(lambda: go_on.wait(5), 0.01)

    asyncio.run(give_up())
    go_on.set()
    assert asyncio.run(threads.run(lambda: 7, 5)) == 7


def test_threads_do_not_keep_the_process_alive() -> None:
    asyncio.run(Threads(1).run(lambda: 1, 5))
    ours = [thread for thread in threading.enumerate() if thread.name.startswith("backbeat-api")]
    assert ours
    assert all(thread.daemon for thread in ours)


# --- WSGI --------------------------------------------------------------------------------------------------


def wsgi_call(app: Any, method: str, path: str, **environ: Any) -> tuple[str, dict[str, str], bytes]:
    target, _, query = path.partition("?")
    given: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": target,
        "QUERY_STRING": query,
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": io.BytesIO(environ.pop("body", b"")),
        **environ,
    }
    wsgiref.util.setup_testing_defaults(given)
    started: list[Any] = []

    def start_response(status: str, headers: Any, error: Any = None) -> Any:
        started.append((status, dict(headers)))
        return lambda data: None

    answer = app(given, start_response)
    sent = b"".join(answer)
    if hasattr(answer, "close"):
        answer.close()
    ((status, headers),) = started
    return status, headers, sent


def test_wsgi_answers_as_asgi_does() -> None:
    app = wsgi_app(Api(EchoBackend(SITES)))
    status, headers, sent = wsgi_call(wsgiref.validate.validator(app), "GET", "/_/healthcheck")
    assert ("200 OK", b'{"called":["health"]}') == (status, sent)
    assert {"content-type": "application/json", "content-length": "21"} == headers
    body_of_retry = b'[{"Bucket":"b","Key":"k","StorageClass":"s"}]'
    status, _, _ = wsgi_call(
        app, "POST", "/_/crr/failed", body=body_of_retry, CONTENT_LENGTH=str(len(body_of_retry))
    )
    assert status == "200 OK"
    status, headers, sent = wsgi_call(app, "HEAD", "/_/healthcheck")
    assert ("405 Method Not Allowed", "111", b"") == (status, headers["content-length"], sent)


@pytest.mark.parametrize("peer", ["10.0.0.1", "", "unix:", None])
def test_wsgi_refuses_strangers(peer: str | None) -> None:
    app = wsgi_app(Api(EchoBackend(SITES)))
    forwarded = {"HTTP_X_FORWARDED_FOR": "127.0.0.1", "HTTP_FORWARDED": "for=127.0.0.1"}
    assert wsgi_call(app, "GET", "/_/healthcheck", REMOTE_ADDR=peer, **forwarded)[0] == "403 Forbidden"


def test_wsgi_believes_the_proxies_that_it_is_told_to() -> None:
    access = Access(AllowList.configured(["192.0.2.1"]), AllowList.parse(["198.51.100.1"]))
    app = wsgi_app(Api(EchoBackend(SITES), access))
    proxy = {"REMOTE_ADDR": "198.51.100.1"}
    assert wsgi_call(app, "GET", "/_/healthcheck", HTTP_X_FORWARDED_FOR="192.0.2.1", **proxy)[0] == "200 OK"
    assert wsgi_call(app, "GET", "/_/healthcheck", HTTP_X_FORWARDED_FOR="192.0.2.2", **proxy)[0] == "403 Forbidden"


@pytest.mark.parametrize(
    ("environ", "key"),
    [
        ({"PATH_INFO": "/_/crr/failed/b/k/l"}, "k/l"),
        ({"PATH_INFO": "/_/crr/failed/b/%41"}, "%41"),
        ({"PATH_INFO": "/_/crr/failed/b/é".encode().decode("latin-1")}, "é"),
        ({"PATH_INFO": "/_/crr/failed/b/\xff"}, "�"),
        ({"PATH_INFO": "/_/crr/failed/b/k//l", "RAW_URI": "/_/crr/failed/b/k%2F/l?x"}, "k//l"),
        ({"PATH_INFO": "/_/crr/failed/b/k?l", "REQUEST_URI": "/_/crr/failed/b/k%3Fl"}, "k?l"),
        ({"PATH_INFO": "/_/crr/failed/b/k", "REQUEST_URI": "/_/crr/failed/b/another"}, "k"),
        ({"SCRIPT_NAME": "/app", "PATH_INFO": "/_/crr/failed/b/k", "RAW_URI": "/app/_/crr/failed/b/k"}, "k"),
    ],
)
def test_wsgi_finds_the_key_that_was_asked_for(environ: dict[str, str], key: str) -> None:
    app = wsgi_app(Api(EchoBackend(SITES)))
    status, _, sent = wsgi_call(app, "GET", "", **environ)
    assert (status, json.loads(sent)["called"]) == ("200 OK", ["failed_object", "b", key, ""])


def test_wsgi_tells_a_slash_of_a_bucket_from_others_where_the_server_does() -> None:
    app = wsgi_app(Api(EchoBackend(SITES)))
    environ = {"PATH_INFO": "/_/crr/failed/a/b/k", "RAW_URI": "/_/crr/failed/a%2Fb/k"}
    assert json.loads(wsgi_call(app, "GET", "", **environ)[2])["called"] == ["failed_object", "a/b", "k", ""]


@pytest.mark.parametrize("length", ["", "x", "-1", "+1", "１"])
def test_wsgi_takes_a_length_that_is_none_for_no_body(length: str) -> None:
    app = wsgi_app(Api(EchoBackend(SITES)))
    assert wsgi_call(app, "POST", "/_/crr/pause", CONTENT_LENGTH=length, body=b"x")[0] == "200 OK"


def test_wsgi_takes_any_query() -> None:
    app = wsgi_app(Api(EchoBackend(SITES)))
    asked = {"QUERY_STRING": "sitename=a%20b+c\xff&x=<>"}
    _, _, sent = wsgi_call(app, "GET", "/_/crr/failed", **asked)
    assert json.loads(sent)["called"] == ["failed_at_site", "a b c�", "None"]
