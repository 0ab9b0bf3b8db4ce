"""A server on loopback that answers as the source does."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Callable, Iterator

Answer = Callable[[str], tuple[int, bytes]]
"""Request target → status and body."""


@contextlib.contextmanager
def cloudserver(answer: Answer) -> Iterator[tuple[int, list[str]]]:
    """Serve on a free port, which is given with the targets that are asked for, in their order."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one segment an answer
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            asked.append(self.path)
            status, body = answer(self.path)
            self.send_response_only(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
