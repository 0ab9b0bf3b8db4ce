"""A server of our own for the API: uvicorn, with bounds on what a connection may do before it is a request."""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Final, cast

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from backbeat_adapters.web.asgi import AsgiApp
from backbeat_core.http.message import Response, error_response
from backbeat_core.responses import CATALOGUE

MOST_HEAD_BYTES: Final = 64 * 1024


def config(app: AsgiApp, **more: Any) -> uvicorn.Config:
    """
    Return how *app* is served: by whom it is asked is never read from a header, and nothing waits for ever.

    *more* are parameters of `uvicorn.Config`.
    """
    return uvicorn.Config(
        app,
        **{
            "http": BoundedProtocol,
            "ws": "none",
            "lifespan": "on",
            # Its default lets a peer on loopback choose its own address.
            "proxy_headers": False,
            "server_header": False,
            "access_log": False,
            "log_config": None,
            "timeout_keep_alive": 5,
            "timeout_graceful_shutdown": 5,
            "backlog": 1024,
            **more,
        },
    )


class BoundedProtocol(HttpToolsProtocol):
    """
    One connection.

    A head must come whole within a time and a size, a body within a time; a body that still comes after its
    time, and so after its answer, is cut off. What cannot be read, or could be read in two ways, is answered
    like everything else: in JSON, and to strangers with 403. The request target is handed on as it is, whatever
    it is, for the routes to refuse.
    """

    head_limit_s: float = 10.0
    body_limit_s: float = 60.0
    _timer: asyncio.TimerHandle | None = None
    _in_head: bool = True
    _head_bytes: int = 0
    _unanswered: int = 0
    _refusal: Response | None = None

    # What the transport tells.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as its parent
        super().connection_made(transport)
        self._arm(self.head_limit_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None:
            return
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self._refuse(_bad_request("the head of the request is too long"))
        elif self._timer is None and self.timeout_keep_alive_task is None and not self._unanswered:
            self._arm(self.head_limit_s)  # an empty line, after which nothing may come for ever

    # What the parser tells.

    def on_message_begin(self) -> None:
        self._in_head = True
        self._head_bytes = 0
        self._arm(self.head_limit_s)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        trouble = _trouble(self.parser.get_http_version(), self.headers)
        if trouble or len(self.url) + sum(len(n) + len(v) for n, v in self.headers) > MOST_HEAD_BYTES:
            raise ValueError(trouble or "too long")  # which the parser hands to `send_400_response`
        self._in_head = False
        self._unanswered += 1
        self._arm(self.body_limit_s)
        path, _, query = self.url.partition(b"?")
        self.url = b"/"  # any target is for the routes; the parent would insist on a URL
        super().on_headers_complete()
        # The task that answers has not run yet, and sees what stands here now.
        self.scope["raw_path"], self.scope["path"] = path, path.decode("latin-1")
        self.scope["query_string"] = query

    def on_message_complete(self) -> None:
        self._disarm()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser refused; called while its error is being handled."""
        unknown_verb = isinstance(sys.exc_info()[1], httptools.HttpParserInvalidMethodError)
        peer = self.client[0] if self.client else ""
        app = cast(AsgiApp, self.config.app)
        self._refuse(app.unreadable(peer, "" if unknown_verb else "GET"))

    # What the answers tell.

    def on_response_complete(self) -> None:
        self._unanswered -= 1
        super().on_response_complete()
        if self._refusal is not None and not self._unanswered and not self.transport.is_closing():
            self._write(self._refusal)

    def _refuse(self, response: Response) -> None:
        """Answer what comes now with *response*, after what came before, and listen no more."""
        self._disarm()
        if not self._in_head:
            # A body went wrong, and its request is the latest.
            if self.cycle.response_complete:
                self.transport.close()
                return
            self._unanswered -= 1
            if self.pipeline:
                self.pipeline.popleft()
        if self._unanswered:
            self._refusal = response
        else:
            self._write(response)

    def _write(self, response: Response) -> None:
        head = [f"HTTP/1.1 {response.status} {response.reason}", "Connection: close"]
        head += [f"{name}: {value}" for name, value in response.headers]
        self.transport.write("\r\n".join([*head, "", ""]).encode("latin-1") + response.body)
        self.transport.close()

    # Time.

    def _arm(self, limit_s: float) -> None:
        self._disarm()
        self._timer = self.loop.call_later(limit_s, self._late)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        if self.transport.is_closing():
            return
        if self._in_head and self._head_bytes:
            self._refuse(error_response(CATALOGUE["RequestTimeout"]))
        else:
            self.transport.close()


def _bad_request(description: str) -> Response:
    return error_response(CATALOGUE["BadRequest"], description)


def _trouble(version: str, headers: list[tuple[bytes, bytes]]) -> str:
    """Return what makes a head that the parser took ambiguous, '' where nothing does (RFC 9112)."""
    hosts = encodings = 0
    for name, value in headers:
        if name == b"host":
            hosts += 1
        elif name == b"transfer-encoding":
            encodings += 1 if value.strip().lower() == b"chunked" else 2
    if version not in ("1.0", "1.1"):
        return "version"
    if hosts > 1 or (not hosts and version == "1.1"):
        return "host"
    return "encoding" if encodings > (version == "1.1") else ""
