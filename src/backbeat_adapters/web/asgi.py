"""The REST API as an ASGI application, to be served alone or mounted in another."""

from __future__ import annotations

import asyncio
import functools
import urllib.parse
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import attrs

from backbeat_adapters.web.extras import EVENTS_PATHS, PAGE_PATHS, EventStream, Read, load_page
from backbeat_adapters.web.threads import Threads
from backbeat_core.http.api import Api, is_slow, late, refuse, respond
from backbeat_core.http.bodies import MOST_BYTES
from backbeat_core.http.message import Request, Response, error_response
from backbeat_core.http.routing import METHODS
from backbeat_core.responses import CATALOGUE

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_BYTES_A_SECOND: Final = 10 * 1024  # of a body, that is some hundred versions to be retried


@attrs.frozen
class WebSettings:
    """
    How long anything may take, in seconds, and how many requests are worked on at once.

    *limit_s* is for an answer once the request is there; long bodies get a second more for every 10 KiB.
    *slow_limit_s* is for a deep health check, *body_limit_s* for a body to arrive. More *threads* stand in one
    another's way unless engines are slow. *page*: there is also a page
    for people at `/_/backbeat/`.
    """

    limit_s: float = 5.0
    slow_limit_s: float = 65.0
    body_limit_s: float = 30.0
    threads: int = 8
    page: bool = False


def asgi_app(api: Api, settings: WebSettings | None = None, *, watch: Read | None = None) -> AsgiApp:
    """
    Return the application. It mounts under any prefix.

    *watch* reads status changes (`services.watch_status`); with it they are streamed at `crr/events`.

    The peer is who the server says it is: serve with `proxy_headers=False` (uvicorn), or a header decides who
    may ask. Use cases run in threads of the application's own; a server that speaks the lifespan protocol
    ends them, others call `close`.
    """
    return AsgiApp(api, settings or WebSettings(), watch)


@attrs.define(eq=False)
class AsgiApp:
    """See `asgi_app`."""

    api: Api
    settings: WebSettings
    watch: Read | None = None
    _threads: Threads = attrs.field(init=False)
    _page: Response | None = attrs.field(init=False, default=None)
    _events: EventStream | None = attrs.field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._threads = Threads(self.settings.threads)
        self._page = load_page() if self.settings.page else None
        if self.watch is not None:
            self._events = EventStream(self.watch, self._threads.run)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            request = _request(scope)
            if self._is_stream(request):
                assert self._events is not None
                await self._events.serve(request, receive, send)
                return
            response = await self._answer(request, receive)
            if response is not None:
                await _send(response, send, with_body=scope["method"] != "HEAD")

    def unreadable(self, peer: str, method: str = "GET") -> Response:
        """Return the answer to what *peer* sent and no server could read; '' for a *method* that is none."""
        refused = refuse(self.api, Request("GET", "/_/", peer=peer))
        if refused is None and not method:
            refused = error_response(CATALOGUE["MethodNotAllowed"], allow=METHODS)
        return refused or error_response(CATALOGUE["BadRequest"], "the request cannot be read")

    def _is_stream(self, request: Request) -> bool:
        """Return whether the request is for the events, and may have them."""
        if self._events is None or request.method != "GET" or _path(request) not in EVENTS_PATHS:
            return False
        return not self._events.is_full and refuse(self.api, request) is None

    def close(self) -> None:
        """End the threads, without waiting for what they still do. Twice is once."""
        self._threads.close()

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self.close()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _answer(self, request: Request, receive: Receive) -> Response | None:
        refused = refuse(self.api, request)
        if refused is not None:
            return refused
        if self._page is not None and request.method == "GET" and _path(request) in PAGE_PATHS:
            return self._page
        if request.method == "POST":
            try:
                body = await asyncio.wait_for(_read(receive), self.settings.body_limit_s)
            except TimeoutError:
                return error_response(CATALOGUE["RequestTimeout"])
            if body is None:
                return None
            request = attrs.evolve(request, body=body)
        return await self._work(request)

    async def _work(self, request: Request) -> Response:
        settings = self.settings
        limit_s = settings.slow_limit_s if is_slow(request) else settings.limit_s
        limit_s += len(request.body) / _BYTES_A_SECOND
        try:
            return await self._threads.run(functools.partial(respond, self.api, request), limit_s)
        except TimeoutError:
            return late(self.api, request, limit_s)


def _path(request: Request) -> str:
    return request.target.partition("?")[0]


def _request(scope: Scope) -> Request:
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    peer = (scope.get("client") or ("",))[0]
    return Request(scope["method"], _target(scope), headers, b"", peer, scope.get("root_path", ""))


def _target(scope: Scope) -> str:
    """Return the request target as it came, without the prefix under which the application is mounted."""
    raw: bytes | None = scope.get("raw_path")
    path = urllib.parse.quote(scope["path"]) if raw is None else raw.decode("utf-8", "replace")
    root = scope.get("root_path", "")
    for prefix in (root, urllib.parse.quote(root)):
        if prefix and path.startswith(f"{prefix}/"):
            path = path[len(prefix) :]
            break
    query: bytes = scope.get("query_string", b"")
    return f"{path}?{query.decode('utf-8', 'replace')}" if query else path


async def _read(receive: Receive) -> bytes | None:
    """Return the body, or as much of it as shows that it is too long; None if the client has gone."""
    body = bytearray()
    more = True
    while more and len(body) <= MOST_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)


async def _send(response: Response, send: Send, *, with_body: bool) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body if with_body else b""})
