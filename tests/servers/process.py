"""What every server that a test starts has in common: a directory, a port, a life."""

from __future__ import annotations

import abc
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import ClassVar, Self

from servers import run

START_SECONDS = 60.0
STOP_SECONDS = 15.0


class NotInstalled(Exception):
    """The server is neither given by an address nor installed here."""


def cache_directory() -> Path:
    """Return where `scripts/install-test-servers` puts what no system package carries."""
    return Path(os.environ.get("BACKBEAT_TEST_CACHE") or Path.home() / ".cache" / "backbeat-test-servers")


def free_port() -> int:
    """Return a loopback port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def ask(address: str, question: bytes, *, timeout_s: float = 2.0) -> bytes:
    """Send *question* to host:port and return the first bytes of the answer; empty when nobody answers."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=timeout_s) as connection:
            connection.sendall(question)
            return connection.recv(64)
    except OSError:
        return b""


class Server(abc.ABC):
    """
    One server process on a loopback port, with its files in *directory*.

    It keeps both over `stop`, `kill` and `start`, so that a test can let it come back.
    """

    name: ClassVar[str]

    def __init__(self, directory: Path, *, port: int | None = None) -> None:
        self.directory = directory
        self.port = port or free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Return host:port."""
        return f"127.0.0.1:{self.port}"

    @staticmethod
    @abc.abstractmethod
    def installed() -> bool:
        """Return whether this machine has what it takes."""

    @abc.abstractmethod
    def command(self) -> list[str]:
        """Return the program and its arguments; called after `prepare`."""

    @abc.abstractmethod
    def answers(self) -> bool:
        """Return whether clients are served."""

    def prepare(self) -> None:
        """Write what the program wants to find; called before every start."""
        self.directory.mkdir(parents=True, exist_ok=True)

    @property
    def log(self) -> Path:
        """Return the file with what the process has said."""
        return self.directory / f"{self.name}.log"

    def launch(self) -> None:
        """Start the process and do not wait for it to serve."""
        if not self.installed():
            raise NotInstalled(f"{self.name} is not installed: run scripts/install-test-servers")
        self.prepare()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A group of its own: Ctrl-C at the terminal must reach the tests first.
                start_new_session=True,
            )
        run.watch(self.process.pid, self.directory)

    def await_service(self) -> None:
        """Return when clients are served; raise with the end of the log when that takes too long."""
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{self.name} does not start:\n{self._last_words()}")
            time.sleep(0.05)

    def start(self) -> None:
        """Start the process and wait until it serves."""
        self.launch()
        self.await_service()

    def _last_words(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    def stop(self) -> None:
        """End the process in its own good order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the process as a power cut does."""
        self._end(signal.SIGKILL)

    def suspend(self) -> None:
        """Let the process stand still: connections stay, nothing is answered."""
        self._signal(signal.SIGSTOP)
        if self.process is not None:
            # Signals arrive when they arrive; what is asked from now on must find nobody.
            os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def wake(self) -> None:
        """Let a suspended process go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        self._signal(number)
        self._signal(signal.SIGCONT)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        run.forget(self.process.pid)
        self.process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
