"""The REST API as a WSGI application, for hosts without an event loop."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Iterable
from typing import Any, cast

import a2wsgi

from backbeat_adapters.web.asgi import Receive, Scope, Send, WebSettings, asgi_app
from backbeat_core.http.api import Api

Environ = dict[str, Any]
WsgiApp = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


def wsgi_app(api: Api, settings: WebSettings | None = None) -> WsgiApp:
    """
    Return the application; an event loop of its own runs beside it in a thread.

    The peer is `REMOTE_ADDR`, as the server gives it. WSGI cannot tell `X_Forwarded_For` from
    `X-Forwarded-For`: with trusted proxies, use a server that drops header names with underscores.
    """
    app = asgi_app(api, settings)

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        environ = scope["wsgi_environ"]
        scope["client"] = (environ.get("REMOTE_ADDR") or "", 0)
        scope["raw_path"] = _raw_path(environ)
        await app(scope, receive, send)

    bridge: Any = a2wsgi.ASGIMiddleware(cast(Any, inner))  # its types are narrower than those of ASGI

    def wsgi(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        answer: Iterable[bytes] = bridge(_readable(environ), start_response)
        return answer

    return wsgi


def _raw_path(environ: Environ) -> bytes:
    """
    Return the path as it was sent, where the server tells; else as it can be rebuilt.

    A slash that was sent as %2F can only be told from others by the former.
    """
    decoded = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1", "replace")
    for name in ("RAW_URI", "REQUEST_URI"):
        raw = str(environ.get(name, "")).partition("?")[0]
        if urllib.parse.unquote_to_bytes(raw) == decoded:
            return raw.encode("latin-1", "replace")
    return urllib.parse.quote_from_bytes(decoded).encode()


def _readable(environ: Environ) -> Environ:
    """Return *environ* with everything in the form that the bridge insists on, whatever was sent."""
    length = str(environ.get("CONTENT_LENGTH") or "")
    return {
        **environ,
        "SCRIPT_NAME": _utf8(environ.get("SCRIPT_NAME", "")),
        "PATH_INFO": _utf8(environ.get("PATH_INFO", "")),
        "QUERY_STRING": urllib.parse.quote(
            environ.get("QUERY_STRING", "").encode("latin-1", "replace"), safe="%&=+?/:;,@!$'()*~#[]"
        ),
        "CONTENT_LENGTH": length if length.isascii() and length.isdigit() else "0",
    }


def _utf8(text: str) -> str:
    """Return a text of WSGI, whose characters are bytes, so that the bytes are UTF-8."""
    return text.encode("latin-1", "replace").decode("utf-8", "replace").encode().decode("latin-1")
