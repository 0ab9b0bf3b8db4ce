"""Whether a browser is being used against its owner: pages of other sites, and names that turn into ours."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import attrs

from backbeat_core.access import parse_address
from backbeat_core.http.message import Request

ANY: Final = "*"
"""As a host: every name is believed. For servers that no browser can reach."""

# Names under these cannot be had in the public name system, so no stranger can let one point here.
_PRIVATE: Final = ("localhost", "local", "internal", "svc", "test", "home.arpa")
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")


def _lowered(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.lower() for name in names)


@attrs.frozen
class Guard:
    """
    The rule of which hosts and origins are believed.

    The allow list lets a person's machine in, and so everything that a page can make their browser send.
    Against DNS rebinding, `Host` must be an address, a name that no stranger can own, or one of *hosts*.
    Against forged requests, `Origin`, where there is one, must be the server itself or one of *origins*
    (`https://ui.example.com`). Programs that send neither header are not concerned.
    """

    hosts: frozenset[str] = attrs.field(default=frozenset(), converter=_lowered)
    origins: frozenset[str] = attrs.field(default=frozenset(), converter=_lowered)

    def refusal(self, request: Request) -> str | None:
        """Return why *request* is refused, None if it is not."""
        hosts, origins = request.values("host"), request.values("origin")
        if len(hosts) > 1 or len(origins) > 1:
            return "more than one Host or Origin"
        if hosts and not self._believes(hosts[0]):
            return f"host {hosts[0]!r} is not one of this server's names"
        if origins:
            itself = {f"{scheme}://{host.lower()}" for host in hosts for scheme in ("http", "https")}
            if origins[0].lower() not in self.origins | itself:
                return f"origin {origins[0]!r} is not this server"
        elif request.method != "GET" and not set(request.values("sec-fetch-site")) <= {"same-origin", "none"}:
            return "a page of another site made this request"
        return None

    def _believes(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = found[1].lower().removesuffix(".")
        if name in self.hosts or ANY in self.hosts:
            return True
        if name.startswith("["):
            return parse_address(name[1:-1]) is not None
        # A name of one label is looked up in the local network only.
        return "." not in name or parse_address(name) is not None or name.endswith(_SUFFIXES)


_SUFFIXES: Final = tuple(f".{name}" for name in _PRIVATE)
