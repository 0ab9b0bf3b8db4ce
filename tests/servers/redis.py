"""A Redis that keeps nothing on disk, and a sentinel that watches one."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from servers.process import Server, ask


class Redis(Server):
    """Redis 7 of the system's package; it comes back empty after a stop. *options* are those of its manual."""

    name = "redis"

    def __init__(
        self, directory: Path, *, port: int | None = None, options: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(directory, port=port)
        self.options = options or {}

    @staticmethod
    def installed() -> bool:
        return shutil.which("redis-server") is not None

    def command(self) -> list[str]:
        options: dict[str, object] = {
            "port": self.port,
            "bind": "127.0.0.1",
            "save": "",
            "appendonly": "no",
            "dir": self.directory,
            **self.options,
        }
        words = (text for name, value in options.items() for text in (f"--{name}", *str(value).split(" ")))
        return [shutil.which("redis-server") or "redis-server", *words]

    def answers(self) -> bool:
        # With a password it answers that it wants one; with TLS, nothing that could be asked for here.
        return ask(self.address, b"PING\r\n")[:1] in (b"+", b"-") or "tls-port" in self.options


class Sentinel(Redis):
    """Says where the master called *master_name* is: at *watched*, host:port."""

    name = "redis-sentinel"

    def __init__(self, directory: Path, watched: str, *, master_name: str) -> None:
        super().__init__(directory)
        self.watched = watched.replace(":", " ")
        self.master_name = master_name

    def prepare(self) -> None:
        super().prepare()
        (self.directory / "sentinel.conf").write_text(
            f"port {self.port}\nbind 127.0.0.1\nsentinel monitor {self.master_name} {self.watched} 1\n"
        )

    def command(self) -> list[str]:
        return [
            shutil.which("redis-server") or "redis-server",
            str(self.directory / "sentinel.conf"),
            "--sentinel",
        ]
