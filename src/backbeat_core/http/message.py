"""A request and a response, as values without a connection."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import attrs

from backbeat_core.domain import wire
from backbeat_core.domain.metadata import Json
from backbeat_core.responses import Row, error_document

JSON_TYPE: Final = "application/json"
PROMETHEUS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


@attrs.frozen
class Request:
    """
    What was asked.

    *target* is the request line's, path and query, as it came (bytes that are not UTF-8 replaced).
    *headers* are (name in lower case, value) in their order; *peer* is the TCP peer's address as text. *root*
    is the path under which a host has mounted the API, which is not in the target.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    peer: str = ""
    root: str = ""

    def values(self, name: str) -> tuple[str, ...]:
        """Return the value of each header line called *name* (lower case)."""
        return tuple(value for header, value in self.headers if header == name)


@attrs.frozen
class Response:
    """
    What is answered, whole: no answer is sent in pieces (http-api 2.1).

    *allow* are the methods that would have been allowed, where that was the trouble.
    """

    status: int
    body: bytes
    content_type: str = JSON_TYPE
    allow: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """Return the standard reason phrase."""
        return HTTPStatus(self.status).phrase

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return the headers; the length is that of the body in bytes, also where the body is not sent (HEAD)."""
        always = (("Content-Type", self.content_type), ("Content-Length", str(len(self.body))))
        return (*always, ("Allow", ", ".join(self.allow))) if self.allow else always


def json_response(value: Json) -> Response:
    """Return *value* as the body of a success, compact, members in their order."""
    return Response(200, wire.encode(value))


def error_response(row: Row, description: str | None = None, allow: tuple[str, ...] = ()) -> Response:
    """Return an error as it is answered (http-api 2.3 [R])."""
    return Response(row.status, error_document(row, description), allow=allow)
