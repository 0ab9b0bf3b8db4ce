"""Which defect is planted how, in what kind of run, and which invariants may tell of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from backbeat_core.services.update_status import StatusUpdater
from backbeat_core.testing.simulation import Parts, Profile, Result, profile, run
from backbeat_core.testing.simulation.chaos import PLANS
from simulation import defects


@attrs.frozen
class Planted:
    """
    One defect. *at* names the profile that it is looked for in, *evolved* what is changed of that.

    *most* is how many seeds it may take to find it.
    """

    parts: Parts
    at: str
    told_by: frozenset[str]
    evolved: Mapping[str, Any] = attrs.field(factory=dict)
    most: int = 50

    def profile(self, seed: int) -> Profile:
        """Return the profile of *seed*."""
        return attrs.evolve(profile(self.at, seed), **self.evolved)

    def found(self, start: int = 1) -> tuple[int, Result] | None:
        """Return how many seeds it took to find the defect, and the run that did; None if *most* did not."""
        for tried in range(1, self.most + 1):
            seed = start + tried - 1
            result = run(seed, self.profile(seed), self.parts)
            if not result.ok:
                return tried, result
        return None


def _status(store: type | None = None, queue: type | None = None) -> Parts:
    def updater(its_store: Any, its_queue: Any, *rest: Any) -> StatusUpdater:
        return StatusUpdater(
            store(its_store) if store else its_store, queue(its_queue) if queue else its_queue, *rest
        )

    return Parts(status_updater=updater)


def _told(*invariants: str) -> frozenset[str]:
    return frozenset(f"INV-{number}" if number.isdigit() else number for number in invariants)


PLANTED: Final[Mapping[str, Planted]] = {
    "CE-1": Planted(Parts(replicator=defects.DroppingReplicator), "tagging", _told("1", "2", "14")),
    "CE-2": Planted(Parts(status_updater=defects.TimelessUpdater), "tagging", _told("2", "24")),
    "CE-3": Planted(Parts(status_updater=defects.SilentUpdater), "transient", _told("11")),
    "CE-4": Planted(_status(defects.BlindStore), "races", _told("1", "6", "7", "19", "24", "14")),
    "CE-5": Planted(_status(defects.ClobberingStore), "races", _told("8", "9", "24", "7", "6")),
    "CE-6": Planted(
        _status(defects.ClobberingStore), "races", _told("9", "7"), {"work": {"put": 4.0, "delete version": 6.0}}
    ),
    "CE-7": Planted(Parts(around=defects.dropping_reports(3)), "engines away", _told("1", "14")),
    "CE-8": Planted(_status(queue=defects.DeafQueue), "replays", _told("1", "14", "11")),
    "CE-9": Planted(
        _status(defects.LocationCarryingStore),
        "races",
        _told("8", "10", "24", "7", "6", "22"),
        {"lifecycle_ms": 3_000, "operator_ms": 0},
    ),
    "CE-11": Planted(Parts(status_updater=defects.MergingUpdater), "transient", _told("11")),
    "CE-12": Planted(
        Parts(garbage_collector=defects.TrustingCollector), "lifecycle", _told("10", "8", "12", "22")
    ),
    "CE-13": Planted(
        Parts(status_updater=defects.AccusingUpdater),
        "rules",
        _told("5", "19", "7"),
        {"keys": 1, "buckets": 1, "pause_ms": 6_000, "chaos_ms": 30_000, "on_chance": 1.0, "replays": PLANS[0]},
    ),
    "CE-14": Planted(_status(defects.FirstOnlyStore), "mixed", _told("1", "5", "14", "19")),
    "CE-15": Planted(Parts(replicator=defects.StaleReplicator), "deleting", _told("2", "4")),
    "CE-16": Planted(Parts(replicator=defects.ShruggingReplicator), "site down", _told("1", "14")),
    "CE-17": Planted(Parts(replicator=defects.CollidingReplicator), "null", _told("1", "14"), {"buckets": 2}),
    "CE-19": Planted(Parts(replicator=defects.UncountingReplicator), "gentle", _told("16")),
    "CE-21": Planted(Parts(failed_operations=defects.stuck_operations), "site down", _told("18")),
    "CE-22": Planted(Parts(status_updater=defects.FragileUpdater), "replays", _told("1", "14", "18")),
    "CE-28": Planted(Parts(replicator=defects.LitteringReplicator), "tagging", _told("17")),
    "CE-31": Planted(
        Parts(status_updater=defects.ContentBlindUpdater), "null", _told("2", "14"), {"forgetful": True}
    ),
    "W-01": Planted(Parts(replicator=defects.HastyReplicator), "mixed", _told("1", "14")),
    "W-02": Planted(Parts(around=defects.dropping_reports(0)), "mixed", _told("1", "14")),
    "W-14": Planted(Parts(populator=defects.EagerPopulator), "leases", _told("14", "1"), {"pause_ms": 2_000}),
    "W-15": Planted(Parts(populator=defects.ForgetfulPopulator), "leases", _told("14", "1")),
    "W-16": Planted(Parts(populator=defects.LeaselessPopulator), "leases", _told("14", "1")),
    "B22": Planted(
        Parts(failed_operations=defects.forgetting_operations), "site down", _told("1"), {"operator_ms": 20_000}
    ),
}
"""The defects of the reference that the simulator must be able to find (replication 6, queue-and-wire 6, B22)."""
