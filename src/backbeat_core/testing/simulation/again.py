"""What happens again at the end of a run: every message to the garbage collector, long after (INV-12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbeat_core.errors import UndecodableEntry
from backbeat_core.testing.simulation.facts import Broken
from backbeat_core.testing.simulation.locations import SOURCE, FaultyCloud
from backbeat_core.testing.simulation.ports import FaultyStore
from backbeat_core.testing.simulation.programs import GARBAGE

if TYPE_CHECKING:
    from backbeat_core.testing.simulation.world import World


def collect_again(world: World) -> None:
    """Deliver every message of the garbage topic once more: neither objects nor data change (INV-12)."""
    host = world.engines.supervisor
    collector = world.parts.garbage_collector(
        lambda name: FaultyCloud(host, name, SOURCE), FaultyStore(host), host.clock
    )
    before = _state(world)
    for partition in world.engines.broker.topic(GARBAGE).partitions:
        for record in list(partition.records):
            try:
                collector(record)
            except UndecodableEntry:
                continue
            if _state(world) != before:
                raise Broken("INV-12", f"{GARBAGE} offset {record.offset}, done again, changed something")


def _state(world: World) -> object:
    documents = {
        name: {key: written.text for key, written in sorted(documents.items())}
        for name, documents in sorted(world.engines.tables.collections.items())
    }
    data = {
        name: sorted(key for key, versions in bucket.objects.items() if versions)
        for name, bucket in sorted(world.engines.locations.items())
    }
    return documents, data
