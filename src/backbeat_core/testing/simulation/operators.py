"""Operators: over the API they pause, resume and schedule sites, and have failures replicated again."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from backbeat_core.domain import metadata as md
from backbeat_core.domain.version_id import NULL, decode, encode
from backbeat_core.errors import BackbeatError
from backbeat_core.services.retry_failed import RetryRequest
from backbeat_core.testing.simulation.ports import FaultyCache, FaultyCoordinator, FaultyQueue, FaultyStore
from backbeat_core.testing.simulation.process import Host, Process

if TYPE_CHECKING:
    from backbeat_core.testing.simulation.world import World

WORK = {"pause": 1.0, "resume": 2.0, "schedule": 1.0, "cancel": 0.5, "retry": 4.0, "force": 0.5}


class Operators(Process):
    """An API server and whoever calls it."""

    def __init__(self, world: World) -> None:
        super().__init__(world.engines, "api")
        self.world = world
        self.chance = self.engines.chance
        self._owners = itertools.count()

    def start(self, host: Host) -> None:
        world, parts = self.world, self.world.parts
        store, queue, cache = FaultyStore(host), FaultyQueue(host), FaultyCache(host)

        def read_source(bucket: str, key: str, version: str) -> md.Document | None:
            internal = None if version in ("", NULL) else decode(version)
            document = store.get(bucket, md.join_key(key, internal))
            return None if document is None else document.value

        self.failures = parts.failed_operations(
            cache, queue, host.clock, read_source, lambda: f"owner-{next(self._owners)}"
        )
        self.control = parts.pause_resume(cache, FaultyCoordinator(host), store, host.clock)
        if world.profile.operator_ms and not world.resting:
            host.thread("operate", self._step, self.chance.around(world.profile.operator_ms))

    def _step(self) -> int:
        if self.world.resting:
            return -1
        name = self.chance.weighted(WORK)
        site = self.chance.pick(self.world.profile.sites).name
        self.engines.note(f"operator: {name} {site}")
        try:
            self.act(name, site)
        except BackbeatError as error:
            self.engines.note(f"operator is told: {error!r}")
        return self.chance.around(self.world.profile.operator_ms)

    def act(self, name: str, site: str) -> None:
        """Do one thing by its name in `WORK`. Raises what the API would answer with."""
        if name == "retry":
            self.retry(site)
        elif name == "force":
            self._force(site)
        elif name == "schedule":
            self.control.schedule("crr", [site], 1)
        else:
            getattr(self.control, name)("crr", [site])

    def retry(self, site: str) -> int:
        """Have all failures of *site* that are listed replicated again; return how many were."""
        count = 0
        marker = 0
        while True:
            page: dict[str, Any] = self.failures.list(site, marker)
            requests = [
                RetryRequest(each["Bucket"], each["Key"], site, each.get("VersionId", ""))
                for each in page["Versions"]
            ]
            if requests:
                count += len(self.failures.retry(requests))
            if not page["IsTruncated"]:
                return count
            marker = page["NextMarker"]

    def _force(self, site: str) -> None:
        bucket = self.chance.pick(sorted(self.world.buckets))
        keys = self.world.users.servers[bucket].keys()
        if not keys:
            return
        key, internal = md.split_key(self.chance.pick(keys))
        version = "" if internal is None else encode(internal)
        self.failures.retry([RetryRequest(bucket, key, site, version, force=True)])
