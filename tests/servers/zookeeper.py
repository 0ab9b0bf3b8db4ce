"""A ZooKeeper of one."""

from __future__ import annotations

import shutil
from pathlib import Path

from servers.process import Server, ask

JAR = Path("/usr/share/java/zookeeper.jar")


class ZooKeeper(Server):
    """ZooKeeper 3.8 of the system's package, with short ticks so that sessions can end quickly."""

    name = "zookeeper"

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
            "4lw.commands.whitelist=*\n"
        )

    def command(self) -> list[str]:
        # The class path is this one jar, whose manifest names the rest: a wider one breaks its logging.
        return [
            "java",
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            # A test's disk may be slow and its data is not dear.
            "-Dzookeeper.forceSync=no",
            "-cp",
            str(JAR),
            "org.apache.zookeeper.server.quorum.QuorumPeerMain",
            str(self.directory / "zoo.cfg"),
        ]

    def answers(self) -> bool:
        return ask(self.address, b"ruok") == b"imok"
