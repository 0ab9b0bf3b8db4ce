"""`CloudServer`: what Backbeat asks the server whose objects are replicated, over HTTP."""

from __future__ import annotations

import collections
import contextlib
import http.client
import socket
import time
from collections.abc import Mapping
from typing import Any, Final, Self
from urllib.parse import quote

import attrs

from backbeat_core.domain import wire
from backbeat_core.domain.metadata import Document
from backbeat_core.errors import LocationUnavailable

NOT_FOUND: Final = frozenset({"ObjNotFound", "NoSuchKey", "NoSuchVersion", "NoSuchBucket"})
"""Codes of errors that say that there is no such version, whatever their status (http-api 5.2)."""

MOST_BYTES: Final = 16 * 1024 * 1024
"""No metadata are longer: their entries would not fit into any message."""

_PART: Final = 64 * 1024


@attrs.frozen
class CloudServerSettings:
    """
    Where the server is, how long one question may take in all, and how many connections are kept.

    Requests are not signed: the server must take them for those of the replication service.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    timeout_ms: int = 3_000
    kept_connections: int = 10


@attrs.define(eq=False)
class CloudServer:
    """The source of objects. Safe to share between threads; its connections are kept for the next question."""

    settings: CloudServerSettings = attrs.field(factory=CloudServerSettings)
    _kept: collections.deque[_Connection] = attrs.field(factory=collections.deque)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. Twice is once; a question that is asked later opens one."""
        with contextlib.suppress(IndexError):
            while True:
                self._kept.pop().close()

    def read_source(self, bucket: str, key: str, version: str) -> Document | None:
        """
        Return the metadata of a version by its encoded id, of the newest for '', None if there is none.

        Raises LocationUnavailable for everything else that is answered, and when nothing is in time.
        """
        try:
            target = f"/_/backbeat/metadata/{quote(bucket, safe='')}/{quote(key)}"
            target += f"?versionId={quote(version, safe='')}" if version else ""
        except UnicodeEncodeError:
            return None  # no object is named by half of a surrogate pair
        status, body = self._get(target)
        answer = _object(body)
        if status == 404 or answer.get("code") in NOT_FOUND:
            return None
        if status != 200:
            raise LocationUnavailable(f"{self} answered {status} {answer.get('code', '')}".rstrip())
        metadata = _object(answer.get("Body"))
        if not metadata:
            raise LocationUnavailable(f"{self} answered something that is not the metadata of an object")
        return metadata

    def __str__(self) -> str:
        return f"CloudServer at {self.settings.host}:{self.settings.port}"

    def _get(self, target: str) -> tuple[int, bytes]:
        by = time.monotonic() + self.settings.timeout_ms / 1000
        while True:
            connection, is_new = self._connection()
            try:
                answer = connection.get(target, by)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                # One that was kept may have been closed at the other end meanwhile; asking twice does no harm.
                if is_new or isinstance(error, TimeoutError):
                    raise LocationUnavailable(f"{self}: {error or type(error).__name__}") from error
                continue
            if connection.sock is not None and len(self._kept) < self.settings.kept_connections:
                self._kept.append(connection)
            else:
                connection.close()
            return answer

    def _connection(self) -> tuple[_Connection, bool]:
        try:
            return self._kept.pop(), False
        except IndexError:
            return _Connection(self.settings.host, self.settings.port), True


class _Connection(http.client.HTTPConnection):
    """A connection of which every step ends by the same moment, however slowly the other end goes on."""

    timed: _Socket

    def connect(self) -> None:
        super().connect()
        self.timed = self.sock = _Socket(self.sock)

    def get(self, target: str, by: float) -> tuple[int, bytes]:
        """Return status and body of the answer by the `time.monotonic` moment *by*. Raises TimeoutError."""
        if self.sock is None:
            self.timeout = _left(by)
            self.connect()
        self.timed.by = by
        self.request("GET", target, headers={"Accept": "application/json"})
        with self.getresponse() as answer:
            body = bytearray()
            while part := answer.read1(_PART):
                body += part
                if len(body) > MOST_BYTES:
                    raise http.client.HTTPException(f"the answer is longer than {MOST_BYTES} bytes")
            return answer.status, bytes(body)


class _Socket(socket.socket):
    """A socket that waits for as long as is left, not for as long each time."""

    by: float = 0.0

    def __init__(self, other: socket.socket) -> None:
        super().__init__(other.family, other.type, other.proto, fileno=other.detach())

    def recv_into(self, *arguments: Any) -> int:
        self.settimeout(_left(self.by))
        return super().recv_into(*arguments)

    def sendall(self, *arguments: Any) -> None:
        self.settimeout(_left(self.by))
        super().sendall(*arguments)


def _left(by: float) -> float:
    left = by - time.monotonic()
    if left <= 0:
        raise TimeoutError("no answer in time")
    return left


def _object(text: Any) -> Mapping[str, Any]:
    """Return the JSON object that *text* is, or an empty one."""
    if not isinstance(text, (str, bytes)):
        return {}
    try:
        value = wire.parse(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
