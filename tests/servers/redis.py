"""A Redis that keeps nothing on disk."""

from __future__ import annotations

import shutil

from servers.process import Server, ask


class Redis(Server):
    """Redis 7 of the system's package; it comes back empty after a stop."""

    name = "redis"

    @staticmethod
    def installed() -> bool:
        return shutil.which("redis-server") is not None

    def command(self) -> list[str]:
        program = shutil.which("redis-server") or "redis-server"
        options = {"port": self.port, "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": self.directory}
        return [program, *(text for name, value in options.items() for text in (f"--{name}", str(value)))]

    def answers(self) -> bool:
        return ask(self.address, b"PING\r\n").startswith(b"+PONG")
