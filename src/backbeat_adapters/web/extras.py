"""What is served beside the API: a page for people, and a stream of status changes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from importlib.resources import files
from typing import Any, Final

import attrs

from backbeat_core.domain import wire
from backbeat_core.errors import BackbeatError
from backbeat_core.http.message import Request, Response
from backbeat_core.services.watch_status import StatusChange

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Read = Callable[[str | None], tuple[Sequence[StatusChange], str]]
InThread = Callable[[Callable[[], Any], float], Awaitable[Any]]

PAGE_PATHS: Final = ("/_/backbeat/", "/_/backbeat")
EVENTS_PATHS: Final = ("/_/backbeat/api/crr/events", "/_/crr/events")

# The page is one file: nothing is loaded from elsewhere, and nobody may put it in a frame.
_PAGE_HEADERS: Final = (
    ("Content-Security-Policy", "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
     "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-cache"),
)  # fmt: skip


@attrs.frozen
class Page(Response):
    """The page, with the headers that keep it to itself."""

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        return (*Response.headers.fget(self), *_PAGE_HEADERS)  # type: ignore[attr-defined]  # a property's getter


def load_page() -> Response:
    """Return the page, read once."""
    body = (files("backbeat_adapters.web") / "page.html").read_bytes()
    return Page(200, body, "text/html; charset=utf-8")


@attrs.define(eq=False)
class EventStream:
    """
    Server-sent events: each status that is written, with the place in the feed as its id.

    A browser that comes back says the last id that it had, and misses nothing in between. *most* listeners at
    once. Times in seconds.
    """

    read: Read
    in_thread: InThread
    most: int = 64
    poll_s: float = 0.5
    ping_s: float = 15.0
    _listeners: int = 0

    @property
    def is_full(self) -> bool:
        """Return whether there are as many listeners as there may be."""
        return self._listeners >= self.most

    async def serve(self, request: Request, receive: Receive, send: Send) -> None:
        """Send events until the client goes."""
        self._listeners += 1
        gone = asyncio.ensure_future(_until_gone(receive))
        try:
            await self._stream(next(iter(request.values("last-event-id")), None) or None, send, gone)
        finally:
            gone.cancel()
            self._listeners -= 1

    async def _stream(self, after: str | None, send: Send, gone: asyncio.Future[None]) -> None:
        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await _write(send, b": status changes follow\n\n")
        quiet_s = 0.0
        while not gone.done():
            try:
                changes, after = await self.in_thread(lambda after=after: self.read(after), 5.0)  # type: ignore[misc]
            except (BackbeatError, TimeoutError):
                # The client comes back by itself, with the last id that it has seen.
                await send({"type": "http.response.body", "body": b"retry: 2000\n\n"})
                return
            if changes:
                await _write(send, b"".join(_event(change) for change in changes))
                quiet_s = 0.0
            elif quiet_s >= self.ping_s:
                await _write(send, b": still here\n\n")
                quiet_s = 0.0
            await asyncio.wait([gone], timeout=self.poll_s)
            quiet_s += self.poll_s


def _event(change: StatusChange) -> bytes:
    return f"id: {change.position}\nevent: status\ndata: {wire.dumps(change.document)}\n\n".encode()


async def _write(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
