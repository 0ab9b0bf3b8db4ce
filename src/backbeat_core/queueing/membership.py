"""
What one member of a group owns, from each assignment to its end: the rebalance automaton.

A tenure is one partition owned once. Its end is told by itself and never by its partition's number, because the
same partition may be assigned again before the end of the earlier tenure has been dealt with:

    assign ─▶ OWNED ──revoke──▶ DRAINING ──release──▶ ENDED (its last commit is the answer of `release`)
                │                  │
                └──lose, assign────┴────────────────▶ ENDED (nothing is committed)

Deliveries are taken while OWNED, completions until ENDED. A completion after that is nobody's: it is ignored.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Mapping
from typing import Generic, TypeVar

import attrs

from backbeat_core.queueing.ledger import Ledger

T = TypeVar("T")


class Phase(enum.Enum):
    """Where a tenure stands."""

    OWNED = "owned"
    DRAINING = "draining"
    ENDED = "ended"


@attrs.define(eq=False)
class Tenure(Generic[T]):
    """
    One partition, owned once. *generation* grows with every assignment; *start* is where it began.

    *tickets* are the deliveries in hand by offset: whoever finishes an offset shows the ticket of its delivery,
    so that an older delivery of the same offset cannot finish a newer one.
    """

    partition: int
    generation: int
    start: int
    phase: Phase = Phase.OWNED
    ledger: Ledger = attrs.field(factory=Ledger)
    tickets: dict[int, T] = attrs.field(factory=dict)
    committed: int | None = None
    parked: int = 0

    def deliver(self, offset: int, ticket: T) -> bool:
        """Take a delivery in hand; False if it is not to be worked on (W-07)."""
        if self.phase is not Phase.OWNED:
            return False
        self.ledger.consumed(offset)
        self.tickets[offset] = ticket
        return True

    def finish(self, offset: int, ticket: T) -> bool:
        """Count a delivery as finished; False if it is somebody else's by now, or was finished before."""
        if self.phase is Phase.ENDED or self.tickets.get(offset) is not ticket:
            return False
        del self.tickets[offset]
        self.ledger.processed(offset)
        return True

    def works_on(self, offset: int, ticket: T) -> bool:
        """Return whether *ticket* is the delivery of *offset* that counts."""
        return self.phase is not Phase.ENDED and self.tickets.get(offset) is ticket

    @property
    def reached(self) -> int:
        """Return the offset below which all is finished; before the first delivery, where the tenure began."""
        return self.start if self.ledger.committable is None else self.ledger.committable

    def to_commit(self) -> int | None:
        """
        Return the offset to commit, or None if there is nothing newer than what is committed.

        It never goes back: what is below an earlier commit was finished once.
        """
        offset = self.ledger.committable
        if offset is None or self.phase is Phase.ENDED:
            return None
        return offset if self.committed is None or offset > self.committed else None


class Membership(Generic[T]):
    """The tenures of one member. Knows no queue: it is told what happened and says what is to be done."""

    __slots__ = ("_generation", "closing", "owned")

    def __init__(self) -> None:
        self._generation = 0
        self.closing = False
        self.owned: dict[int, Tenure[T]] = {}
        """The tenure of each partition that is OWNED or DRAINING. Read it; do not change it."""

    def assign(self, offsets: Mapping[int, int]) -> tuple[list[Tenure[T]], list[Tenure[T]]]:
        """
        Begin a tenure of each partition; return the new ones and those that they put an end to.

        A member that is closing takes them only to give them back.
        """
        phase = Phase.DRAINING if self.closing else Phase.OWNED
        superseded = self.lose(offsets)
        self._generation += 1
        begun = [Tenure[T](partition, self._generation, start, phase) for partition, start in offsets.items()]
        self.owned.update((tenure.partition, tenure) for tenure in begun)
        return begun, superseded

    def revoke(self, partitions: Collection[int]) -> list[Tenure[T]]:
        """Take no more deliveries of *partitions*; return the tenures to drain and then to `release`."""
        draining = [self.owned[partition] for partition in partitions if partition in self.owned]
        for tenure in draining:
            tenure.phase = Phase.DRAINING
        return draining

    def release(self, tenures: Iterable[Tenure[T]]) -> dict[int, int]:
        """End drained *tenures*; return the offsets to commit before the partitions are given up."""
        last: dict[int, int] = {}
        for tenure in tenures:
            offset = tenure.to_commit()
            if offset is not None:
                last[tenure.partition] = offset
            self._end(tenure)
        return last

    def lose(self, partitions: Iterable[int]) -> list[Tenure[T]]:
        """End the tenures of *partitions* at once, without a commit; return them."""
        lost = [self.owned[partition] for partition in partitions if partition in self.owned]
        for tenure in lost:
            self._end(tenure)
        return lost

    def close(self) -> list[Tenure[T]]:
        """Take nothing any more; return all tenures, to drain and then to `release`."""
        self.closing = True
        return self.revoke(list(self.owned))

    def _end(self, tenure: Tenure[T]) -> None:
        tenure.phase = Phase.ENDED
        # A tenure that has been superseded is not the one that its partition's number leads to.
        if self.owned.get(tenure.partition) is tenure:
            del self.owned[tenure.partition]
