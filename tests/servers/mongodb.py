"""A MongoDB replica set of one, because change streams need a replica set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from servers.process import Server, cache_directory

if TYPE_CHECKING:
    import pymongo

ALREADY_INITIALIZED = 23


def _program() -> Path:
    return cache_directory() / "mongodb" / "fiftyone" / "db" / "bin" / "mongod"


class MongoDB(Server):
    """MongoDB 6. *options* are those of its manual."""

    name = "mongodb"

    def __init__(
        self, directory: Path, *, port: int | None = None, options: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(directory, port=port)
        self.options = options or {}

    @staticmethod
    def installed() -> bool:
        return _program().exists()

    def prepare(self) -> None:
        (self.directory / "data").mkdir(parents=True, exist_ok=True)

    def command(self) -> list[str]:
        return [
            str(_program()),
            f"--dbpath={self.directory}/data",
            "--bind_ip=127.0.0.1",
            f"--port={self.port}",
            "--replSet=backbeat",
            "--nounixsocket",
            "--wiredTigerCacheSizeGB=0.25",
            "--setParameter=diagnosticDataCollectionEnabled=false",
            *(f"--{name}={value}" for name, value in self.options.items()),
        ]

    def client(self) -> pymongo.MongoClient[dict[str, object]]:
        """Return a client of this very server, whatever its role; the caller closes it."""
        import pymongo  # here, so that tests without servers need no clients

        return pymongo.MongoClient(self.address, directConnection=True, serverSelectionTimeoutMS=500)

    def answers(self) -> bool:
        from pymongo.errors import OperationFailure, PyMongoError

        # A member that nobody has initiated is initiated on the way: only then does it serve.
        with self.client() as client:
            try:
                if client.admin.command("hello").get("isWritablePrimary"):
                    return True
                members = [{"_id": 0, "host": self.address}]
                client.admin.command("replSetInitiate", {"_id": "backbeat", "members": members})
            except OperationFailure as error:
                if error.code != ALREADY_INITIALIZED:
                    raise
            except PyMongoError:
                pass
            return False
