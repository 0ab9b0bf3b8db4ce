"""A ZooKeeper of one."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from servers.process import Server, ask

JAR = Path("/usr/share/java/zookeeper.jar")

# Its manifest names what else it wants, and forgets these, which it wants when it speaks TLS.
FORGOTTEN = [JAR.with_name(f"netty-{name}.jar") for name in ("codec", "resolver", "transport-native-unix-common")]


class ZooKeeper(Server):
    """
    ZooKeeper 3.8 of the system's package, with short ticks so that sessions can end quickly.

    *options* are those of its manual.
    """

    name = "zookeeper"

    def __init__(
        self, directory: Path, *, port: int | None = None, options: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(directory, port=port)
        self.options = options or {}

    @staticmethod
    def installed() -> bool:
        return JAR.exists() and shutil.which("java") is not None

    def prepare(self) -> None:
        (self.directory / "data").mkdir(parents=True, exist_ok=True)
        (self.directory / "zoo.cfg").write_text(
            "tickTime=100\n"
            "minSessionTimeout=200\n"
            "maxSessionTimeout=60000\n"
            f"dataDir={self.directory}/data\n"
            "clientPortAddress=127.0.0.1\n"
            f"clientPort={self.port}\n"
            "maxClientCnxns=0\n"
            "admin.enableServer=false\n"
            "4lw.commands.whitelist=*\n" + "".join(f"{name}={value}\n" for name, value in self.options.items())
        )

    def command(self) -> list[str]:
        # Nothing more on the class path: a wider one breaks its logging.
        return [
            "java",
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            # A test's disk may be slow and its data is not dear.
            "-Dzookeeper.forceSync=no",
            "-cp",
            ":".join(map(str, [JAR, *FORGOTTEN])),
            "org.apache.zookeeper.server.quorum.QuorumPeerMain",
            str(self.directory / "zoo.cfg"),
        ]

    def answers(self) -> bool:
        # It says "imok" already when it does not serve yet.
        return ask(self.address, b"srvr").startswith(b"Zookeeper version")
