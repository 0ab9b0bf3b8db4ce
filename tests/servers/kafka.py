"""Kafka without ZooKeeper: one broker, or several, each also a controller."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from servers.process import Server, cache_directory, free_port

CLUSTER_ID = "YmFja2JlYXQtdGVzdHMtMQ"
JVM = ["java", "-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]


def _jars() -> Path:
    return cache_directory() / "kafka"


class Broker(Server):
    """One Kafka 4 node. *voters* maps the number of each node of the cluster to its controller port."""

    name = "kafka"

    def __init__(
        self,
        directory: Path,
        *,
        node: int,
        voters: dict[int, int],
        port: int | None = None,
        options: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(directory, port=port)
        self.node = node
        self.voters = voters
        self.options = options or {}

    @staticmethod
    def installed() -> bool:
        return (_jars() / "complete").exists() and shutil.which("java") is not None

    @property
    def _configuration(self) -> Path:
        return self.directory / "server.properties"

    def _java(self, main: str, *arguments: str) -> list[str]:
        return [*JVM, "-cp", f"{_jars()}/*", main, *arguments]

    def prepare(self) -> None:
        super().prepare()
        if self._configuration.exists():
            return
        self._configuration.write_text("".join(f"{k}={v}\n" for k, v in self._properties().items()))
        tool = self._java("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(self._configuration))
        subprocess.run(tool, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _properties(self) -> dict[str, object]:
        copies = min(3, len(self.voters))
        return {
            "process.roles": "broker,controller",
            "node.id": self.node,
            "controller.quorum.voters": ",".join(f"{n}@127.0.0.1:{port}" for n, port in self.voters.items()),
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{self.voters[self.node]}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": self.directory / "data",
            # The limit of the shipped brokers (queue-and-wire 3.1).
            "message.max.bytes": 5_000_020,
            # Whoever wants a topic must create it, with the partitions that it wants.
            "auto.create.topics.enable": "false",
            "min.insync.replicas": max(1, copies - 1),
            "default.replication.factor": copies,
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": 1,
            # The rest is haste: few partitions for the group coordinator to load, no waiting for members.
            "offsets.topic.num.partitions": 1,
            "transaction.state.log.num.partitions": 1,
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 500,
            "controlled.shutdown.enable": "false" if copies == 1 else "true",
            "num.network.threads": 2,
            "num.io.threads": 4,
            "log.cleaner.enable": "false",
            **self.options,
        }

    def command(self) -> list[str]:
        return self._java("kafka.Kafka", str(self._configuration))

    def answers(self) -> bool:
        from confluent_kafka import KafkaException  # here, so that tests without servers need no clients
        from confluent_kafka.admin import AdminClient

        client = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        try:
            # All its peers are wanted too: a topic of three copies needs three brokers.
            return len(client.list_topics(timeout=2).brokers) == len(self.voters)
        except KafkaException:
            return False


class Kafka(Broker):
    """A cluster of one: what the contracts run against. *options* are those of its manual."""

    def __init__(
        self, directory: Path, *, port: int | None = None, options: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(directory, node=1, voters={1: free_port()}, port=port, options=options)


class KafkaCluster:
    """Several brokers, for tests that kill one of them."""

    def __init__(self, directory: Path, brokers: int = 3) -> None:
        self.directory = directory
        voters = {node: free_port() for node in range(1, brokers + 1)}
        self.brokers = [Broker(directory / f"broker-{n}", node=n, voters=voters) for n in voters]

    @property
    def address(self) -> str:
        """Return host:port of all brokers, with commas."""
        return ",".join(broker.address for broker in self.brokers)

    def __enter__(self) -> Self:
        for broker in self.brokers:
            broker.launch()
        for broker in self.brokers:
            broker.await_service()
        return self

    def __exit__(self, *_: object) -> None:
        for broker in self.brokers:
            broker.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
