"""
Requests a second of the REST API, beside a bare Starlette route that returns the same bytes.

    python benchmarks/bench_api.py [--seconds S] [--rounds N]

A server process and a client process, sixteen connections kept alive. Both servers are uvicorn with the same
parser; the bare one does nothing but answer. The rounds of the two alternate, so that what disturbs one disturbs
the other. Measured on the embedded engine and, where one is installed, on a Redis of its own; and at 1,000
locations beside 4. Results go to `benchmarks/results/api.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from recording import write_result

from backbeat_adapters.api import ApiBackend
from backbeat_adapters.bootstrap import Ports, Settings
from backbeat_adapters.clock import SystemClock
from backbeat_adapters.embedded import EmbeddedEngine
from backbeat_adapters.web.asgi import asgi_app
from backbeat_adapters.web.server import config
from backbeat_core.domain.keys import Service, state_path
from backbeat_core.http.api import Api
from backbeat_core.http.routing import Sites

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from servers.redis import Redis

CONNECTIONS = 16
PATHS = {
    "metrics of all, 4 locations": (4, "/_/backbeat/api/metrics/crr/all"),
    "status of all, 4 locations": (4, "/_/backbeat/api/crr/status"),
    "pending of one of 4 locations": (4, "/_/backbeat/api/metrics/crr/site-3/pending"),
    "pending of one of 1,000 locations": (1000, "/_/backbeat/api/metrics/crr/site-3/pending"),
    "status of one of 4 locations": (4, "/_/backbeat/api/crr/status/site-3"),
    "status of one of 1,000 locations": (1000, "/_/backbeat/api/crr/status/site-3"),
    "an unknown route": (4, "/_/backbeat/api/crr/statuss"),
    "a stranger's name for the server": (4, "/_/backbeat/api/healthcheck"),
}


# --- servers -----------------------------------------------------------------------------------------------


def serve_api(state: str, locations: int, redis: str) -> None:
    """Serve the API on the embedded engine, its cache on *redis* (host:port) where that is given."""
    clock = SystemClock()
    engine = EmbeddedEngine.open(state, clock)
    cache: Any = engine.cache
    if redis:
        from backbeat_adapters.redis import RedisCache, RedisSettings

        host, _, port = redis.rpartition(":")
        cache = RedisCache(RedisSettings(host=host, port=int(port)))
    names = tuple(f"site-{index}" for index in range(locations))
    for name in names:
        engine.coordinator.put(state_path(Service.CRR, name, test_mode=False), b'{"paused":false}')
    sites = Sites(crr=names, lifecycle=names)
    ports = Ports(engine.queue, engine.store, cache, engine.coordinator, clock)
    backend = ApiBackend(ports, Settings(), lambda: sites, lambda *_: None, in_sync=1)
    _listen(config(asgi_app(Api(backend))))


def serve_bare(body: bytes, status: int) -> None:
    """Serve a Starlette application that answers every path with *body*."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    async def answer(request: Request) -> Response:
        return Response(body, status, media_type="application/json")

    app = Starlette(routes=[Route("/{path:path}", answer)])
    _listen(uvicorn.Config(app, http="httptools", access_log=False, log_config=None, server_header=False))


def _listen(how: uvicorn.Config) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(how).run(sockets=[listening])


@contextlib.contextmanager
def server(*arguments: str) -> Iterator[int]:
    process = subprocess.Popen(
        [sys.executable, __file__, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(20)


# --- client ------------------------------------------------------------------------------------------------


class Connection(asyncio.Protocol):
    """Sends the same request again as soon as it is answered."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.done = 0
        self.waiting = 0
        self.first = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.write(self.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.first += data if not self.done else b""
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]) if not self.waiting else 0
        self.waiting += length - len(body if length else data)
        if self.waiting <= 0:
            self.waiting = 0
            self.done += 1
            self.transport.write(self.request)  # type: ignore[attr-defined]


async def load(port: int, path: str, seconds: float, host: str) -> tuple[float, bytes]:
    """Return requests a second, and the first answer."""
    loop = asyncio.get_running_loop()
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    connections = [
        (await loop.create_connection(lambda: Connection(request), "127.0.0.1", port))[1]
        for _ in range(CONNECTIONS)
    ]
    await asyncio.sleep(0.3)
    before, started = sum(each.done for each in connections), time.perf_counter()
    await asyncio.sleep(seconds)
    rate = (sum(each.done for each in connections) - before) / (time.perf_counter() - started)
    for each in connections:
        each.transport.close()
    return rate, connections[0].first


def measured(port: int, path: str, seconds: float, host: str) -> tuple[float, int, bytes]:
    rate, first = uvloop.run(load(port, path, seconds, host))
    head, _, body = first.partition(b"\r\n\r\n")
    return rate, int(head.split(b" ")[1]), body


def compare(arguments: Sequence[str], path: str, seconds: float, rounds: int, host: str) -> dict[str, Any]:
    """Return the rates of the API and of the bare route, in alternating rounds, and their ratio."""
    ours, bare = [], []
    with server(*arguments) as port:
        _, status, body = measured(port, path, 0.2, host)
        with server("--bare", str(status), body.decode()) as other:
            for _ in range(rounds):
                ours.append(measured(port, path, seconds, host)[0])
                bare.append(measured(other, path, seconds, host)[0])
    ratios = [one / two for one, two in zip(ours, bare, strict=True)]
    return {
        "status": status,
        "bytes": len(body),
        "a second": round(statistics.median(ours)),
        "bare, a second": round(statistics.median(bare)),
        "ratio": round(statistics.median(ratios), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="a round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as base, contextlib.ExitStack() as stack:
        engines = {"embedded": ""}
        if shutil.which("redis-server"):
            redis = Redis(Path(base) / "redis")
            redis.start()
            stack.callback(redis.stop)
            engines["Redis"] = redis.address
        for engine, address in engines.items():
            for name, (locations, path) in PATHS.items():
                host = "evil.example.com" if "stranger" in name else "localhost"
                state = Path(base) / f"{engine}-{locations}"
                arguments = ["--api", str(state), str(locations), address]
                found = compare(arguments, path, options.seconds, options.rounds, host)
                figures.setdefault(engine, {})[name] = found
                print(engine, name, json.dumps(found), file=sys.stderr, flush=True)
    write_result("api", {"connections": CONNECTIONS, **figures})


if __name__ == "__main__":
    if sys.argv[1:2] == ["--api"]:
        serve_api(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    elif sys.argv[1:2] == ["--bare"]:
        serve_bare(sys.argv[3].encode(), int(sys.argv[2]))
    else:
        main()
