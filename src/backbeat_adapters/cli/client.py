"""A client of any Backbeat's REST API, ours or the reference's."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from backbeat_core.errors import InvalidInput, Unavailable

PREFIXES = ("/_/backbeat/api", "/_")
"""Ours answers both; the reference's own server only the second, CloudServer in front of it only the first."""


class Unanswered(Unavailable):
    """The API did not answer, or answered with an error of its own."""


@attrs.define
class Client:
    """
    *url* is where the server is: scheme, host and port, and a prefix if it is mounted somewhere.

    The first request finds out which of the two prefixes the server has.
    """

    url: str
    timeout_s: float = 30.0
    _prefix: str | None = None

    def __attrs_post_init__(self) -> None:
        try:
            parts = urllib.parse.urlsplit(self.url)
            known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            known = False
        if not known:
            raise InvalidInput(f"{self.url!r} is not a URL of a server: write it as http://127.0.0.1:8900")

    def get(self, *path: str, **query: str) -> Any:
        """GET a route. Raises InvalidInput for what the server says cannot be, Unanswered for the rest."""
        return self._ask("GET", path, query, None)

    def post(self, *path: str, body: Any = None) -> Any:
        """POST to a route, with *body* as JSON if there is one."""
        return self._ask("POST", path, {}, body)

    def delete(self, *path: str) -> Any:
        """DELETE a route."""
        return self._ask("DELETE", path, {}, None)

    def failures(self, site: str) -> Iterator[Mapping[str, Any]]:
        """Yield all failures of a site, page by page."""
        marker: Mapping[str, str] = {}
        while True:
            page = self.get("crr", "failed", sitename=site, **marker)
            yield from page["Versions"]
            if not page.get("IsTruncated"):
                return
            marker = {"marker": str(page["NextMarker"])}

    def _ask(self, method: str, path: Sequence[str], query: Mapping[str, str], body: Any) -> Any:
        route = "/".join(urllib.parse.quote(part, safe="") for part in path)
        if query:
            route += "?" + urllib.parse.urlencode(query)
        if self._prefix is None:
            self._prefix = self._find_prefix()
        status, text = self._send(method, f"{self._prefix}/{route}", body)
        return self._read(status, text, "/".join(path))

    def _find_prefix(self) -> str:
        for prefix in PREFIXES:
            status, _ = self._send("GET", f"{prefix}/crr/status", None)
            if status != 404:
                return prefix
        raise Unanswered(f"{self.url} answers, but is no Backbeat: it has no {PREFIXES[0]}/crr/status")

    def _read(self, status: int, text: bytes, what: str) -> Any:
        try:
            document = json.loads(text) if text else None
        except ValueError:
            document = text.decode("utf-8", "replace")
        if status == 200:
            return document
        said = document.get("description") if isinstance(document, dict) else None
        if status == 403:
            raise Unanswered(
                f"{self.url} refuses this address: add it to server.healthChecks.allowFrom of its configuration"
            )
        if status in (400, 404, 405):
            raise InvalidInput(f"{self.url} does not know {what!r}: {said or status}")
        raise Unanswered(f"{self.url} answered {status} to {what!r}: {said or 'see its log'}")

    def _send(self, method: str, target: str, body: Any) -> tuple[int, bytes]:
        parts = urllib.parse.urlsplit(self.url)
        make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = make(parts.hostname or "", parts.port, timeout=self.timeout_s)
        content = None if body is None else json.dumps(body).encode()
        try:
            connection.request(
                method, parts.path.rstrip("/") + target, content, {"Content-Type": "application/json"}
            )
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Unanswered(f"{self.url} does not answer: {reason}: is backbeat serve running?") from error
        finally:
            connection.close()


__all__ = ["Client", "Unanswered"]
