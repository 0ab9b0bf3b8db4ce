"""`ZooKeeperCoordinator` keeps the laws of the coordinator on a real ZooKeeper, and survives its sessions."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

import servers
from backbeat_adapters.zookeeper import ZooKeeperCoordinator, ZooKeeperSettings
from backbeat_core.ports.coordinator import Coordinator
from backbeat_core.testing.contracts.coordinator import CoordinatorContract

pytestmark = pytest.mark.zookeeper


class TestZooKeeperCoordinator(CoordinatorContract):
    ttl_ms = 300
    bounded_s = 5.0
    examples = 25

    @pytest.fixture(autouse=True)
    def _connections(self) -> Iterator[None]:
        self.opened: list[Coordinator] = []
        yield
        for coordinator in self.opened:
            coordinator.close()

    def make_coordinator(self) -> Coordinator:
        return self._opened(ZooKeeperCoordinator(ZooKeeperSettings(hosts=servers.address("zookeeper"))))

    def make_dead_coordinator(self) -> Coordinator:
        dead = ZooKeeperSettings(hosts=f"127.0.0.1:{servers.free_port()}", timeout_ms=300)
        return self._opened(ZooKeeperCoordinator(dead))

    def pass_time(self, ms: int) -> None:
        time.sleep(ms / 1000)

    def _opened(self, coordinator: Coordinator) -> Coordinator:
        self.opened.append(coordinator)
        return coordinator
