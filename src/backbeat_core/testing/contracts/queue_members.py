"""A member of a group as the queue's laws watch it: who owns what, and what each has seen."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import attrs

from backbeat_core.ports.queue import Consumer, Listener, Record


@attrs.define(eq=False)
class Ownership:
    """Who owns what, over all members of a group: it fails as soon as a partition has two owners."""

    owners: dict[int, Member] = attrs.field(factory=dict)


@attrs.define(eq=False)
class Member(Listener):
    """A consumer with its listener, and all that both have seen. *commits* commits what it is revoked."""

    table: Ownership
    commits: bool = False
    records: list[Record] = attrs.field(factory=list)
    began: dict[int, int] = attrs.field(factory=dict)
    given_up: list[int] = attrs.field(factory=list)
    forgotten: list[int] = attrs.field(factory=list)
    consumer: Consumer = attrs.field(init=False)

    def assigned(self, offsets: Mapping[int, int]) -> None:
        for partition, offset in offsets.items():
            other = self.table.owners.setdefault(partition, self)
            assert other is self, f"partition {partition} was assigned while another member owned it"
            self.began[partition] = offset

    def revoked(self, partitions: Collection[int]) -> None:
        assert self.owned >= set(partitions)
        if self.commits:
            self.consumer.commit({n: self.next_of(n) for n in partitions})
        self.given_up += partitions
        self._drop(partitions)

    def lost(self, partitions: Collection[int]) -> None:
        self.forgotten += partitions
        self._drop(partitions)

    @property
    def owned(self) -> set[int]:
        return {partition for partition, owner in self.table.owners.items() if owner is self}

    @property
    def values(self) -> list[bytes]:
        return [record.value for record in self.records]

    def next_of(self, partition: int) -> int:
        seen = [record.offset + 1 for record in self.records if record.partition == partition]
        return max(seen, default=self.began[partition])

    def _drop(self, partitions: Collection[int]) -> None:
        for partition in partitions:
            if self.table.owners.get(partition) is self:
                del self.table.owners[partition]
