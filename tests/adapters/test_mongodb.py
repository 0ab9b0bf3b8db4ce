"""`MongoStore` keeps the laws of the store on a real MongoDB, beside others who write the same documents."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import servers
from backbeat_adapters.mongodb import MongoSettings, MongoStore
from backbeat_core.ports.store import Store
from backbeat_core.testing.contracts.store import StoreContract

pytestmark = pytest.mark.mongodb


def settings(address: str, **others: int) -> MongoSettings:
    return MongoSettings(hosts=address, replica_set="backbeat", **others)


class TestMongoStore(StoreContract):
    bounded_s = 5.0
    examples = 25

    @pytest.fixture(autouse=True)
    def _connections(self) -> Iterator[None]:
        self.opened: list[Store] = []
        yield
        for store in self.opened:
            store.close()

    def make_store(self) -> Store:
        return self._opened(MongoStore(settings(servers.address("mongodb"))))

    def make_dead_store(self) -> Store:
        return self._opened(MongoStore(settings(f"127.0.0.1:{servers.free_port()}", timeout_ms=300)))

    def _opened(self, store: Store) -> Store:
        self.opened.append(store)
        return store
