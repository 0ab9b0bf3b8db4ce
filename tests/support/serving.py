"""A server of ours in a thread, and a client that sends bytes."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import uvicorn

from backbeat_adapters.web.asgi import AsgiApp
from backbeat_adapters.web.server import BoundedProtocol, config


class Impatient(BoundedProtocol):
    """The protocol with times that a test can wait for."""

    head_limit_s = 0.3
    body_limit_s = 1.0


@contextlib.contextmanager
def serving(app: AsgiApp, *, patient: bool = False) -> Iterator[int]:
    """Serve *app* on a free port of loopback, which is given; *patient* with the times of a real server."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    times = {} if patient else {"http": Impatient, "timeout_keep_alive": 0.3}
    server = uvicorn.Server(config(app, log_level="critical", **times))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.005)
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()


def exchange(port: int, data: bytes, timeout_s: float = 10.0) -> bytes:
    """Send *data* and return all that is answered until the server closes."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout_s) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(data)
        with contextlib.suppress(ConnectionError):
            while received := connection.recv(65536):
                answer += received
    return answer


def split(answer: bytes) -> list[tuple[bytes, bytes]]:
    """Return the heads and bodies of the responses in *answer*, by their lengths."""
    found = []
    while answer:
        head, _, answer = answer.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        found.append((head, answer[:length]))
        answer = answer[length:]
    return found
