"""The rebalance automaton: one thing at a time, and then every order of events up to a depth."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from backbeat_core.queueing.membership import Membership, Phase, Tenure


def member(*offsets: int) -> tuple[Membership[str], list[Tenure[str]]]:
    """Return a member that owns a partition for each of *offsets*, and its tenures."""
    membership: Membership[str] = Membership()
    begun, _ = membership.assign(dict(enumerate(offsets)))
    return membership, begun


def test_an_assignment_begins_tenures_of_one_generation() -> None:
    membership, (first, second) = member(5, 7)

    assert (first.partition, first.start, first.generation, first.phase) == (0, 5, 1, Phase.OWNED)
    assert (second.partition, second.start, second.generation, second.phase) == (1, 7, 1, Phase.OWNED)
    assert membership.owned == {0: first, 1: second}
    assert first.reached == 5


def test_generations_grow_and_an_assignment_ends_what_it_overtakes() -> None:
    membership, (old,) = member(0)
    (new,), superseded = membership.assign({0: 3})

    assert superseded == [old]
    assert old.phase is Phase.ENDED
    assert (new.generation, new.phase) == (2, Phase.OWNED)
    assert membership.owned == {0: new}


def test_a_delivery_is_finished_by_its_own_ticket_only() -> None:
    _, (tenure,) = member(0)
    tenure.deliver(0, "first")
    tenure.deliver(0, "second")

    assert not tenure.works_on(0, "first")
    assert tenure.works_on(0, "second")
    assert not tenure.finish(0, "first")
    assert tenure.reached == 0
    assert tenure.finish(0, "second")
    assert not tenure.finish(0, "second")
    assert tenure.reached == 1


def test_the_ledger_is_committed_forward_only() -> None:
    _, (tenure,) = member(10)

    assert tenure.to_commit() is None

    tenure.deliver(10, "a")

    assert tenure.to_commit() == 10

    tenure.committed = 10

    assert tenure.to_commit() is None

    tenure.finish(10, "a")

    assert tenure.to_commit() == 11

    tenure.committed = 11
    tenure.deliver(9, "again")

    assert tenure.to_commit() is None


def test_a_revoked_partition_takes_no_deliveries_and_still_counts_completions() -> None:
    membership, (tenure,) = member(0)
    tenure.deliver(0, "a")
    draining = membership.revoke([0, 9])

    assert draining == [tenure]
    assert not tenure.deliver(1, "b")
    assert tenure.finish(0, "a")
    assert membership.release(draining) == {0: 1}
    assert membership.owned == {}
    assert tenure.phase is Phase.ENDED


def test_a_release_commits_only_what_is_new() -> None:
    membership, (first, second) = member(0, 0)
    first.deliver(0, "a")
    first.finish(0, "a")
    first.committed = 1

    assert membership.release(membership.revoke([0, 1])) == {}
    assert second.phase is Phase.ENDED


def test_a_lost_partition_commits_nothing_and_ignores_late_completions() -> None:
    membership, (tenure,) = member(0)
    tenure.deliver(0, "a")

    assert membership.lose([0, 9]) == [tenure]
    assert not tenure.finish(0, "a")
    assert not tenure.works_on(0, "a")
    assert tenure.to_commit() is None
    assert membership.release([tenure]) == {}
    assert tenure.tickets == {0: "a"}


def test_a_grant_that_overtakes_the_end_of_a_revoke_stands() -> None:
    """The reference gave the new grant up with the old one, and was idle for hours."""
    membership, _ = member(0)
    draining = membership.revoke([0])
    (new,), _ = membership.assign({0: 0})

    assert membership.release(draining) == {}
    assert membership.owned == {0: new}
    assert new.deliver(0, "a")


def test_a_closing_member_takes_partitions_only_to_give_them_back() -> None:
    membership, (tenure,) = member(0)

    assert membership.close() == [tenure]
    assert membership.closing

    (late,), _ = membership.assign({1: 0})

    assert tenure.phase is late.phase is Phase.DRAINING
    assert not late.deliver(0, "a")


# Every order of events.

LOG = 2
"""Records in each partition."""


class World:
    """
    One broker, some members, and what happens between them, in any order that a client library may show.

    The broker numbers each grant of a partition, and a commit must carry the number of the grant that stands. A
    member that gives up a grant gives up that one: a later grant of the same partition stays.
    """

    def __init__(self, members: list[Membership[str]], *, partitions: int, grants: int) -> None:
        self.members = members
        self.grants_left = grants
        # By partition: the number of the latest grant, who has it (None: nobody), what the group has committed,
        # and the offsets that were finished by whoever had the right to.
        self.grant = [0] * partitions
        self.owner: list[int | None] = [None] * partitions
        self.committed = [0] * partitions
        self.counted: list[set[int]] = [set() for _ in range(partitions)]
        # By (member, partition): the grant that the member has been told of and not been asked back, and the
        # next record that it will be given. By (member, generation, partition): the number of the grant.
        self.told: dict[tuple[int, int], int] = {}
        self.position: dict[tuple[int, int], int] = {}
        self.numbers: dict[tuple[int, int, int], int] = {}
        self.draining: list[tuple[int, Tenure[str]]] = []
        self.running: list[tuple[int, Tenure[str], int, str]] = []

    def events(self) -> Iterator[tuple[Any, ...]]:
        for who, membership in enumerate(self.members):
            if not membership.closing:
                yield self.close, who
            for partition, owner in enumerate(self.owner):
                told = (who, partition) in self.told
                if self.grants_left and (owner is None or (owner == who and not told)):
                    yield self.hand_over, who, partition
                if told:
                    yield self.revoke, who, partition
                    yield self.deliver, who, partition
                    yield (self.expel, partition) if owner == who else (self.tell_lost, who, partition)
                if partition in membership.owned:
                    yield self.commit, who, partition
        for nth in range(len(self.draining)):
            yield self.release, nth
        for nth in range(len(self.running)):
            yield self.finish, nth

    def close(self, who: int) -> None:
        for tenure in self.members[who].close():
            self.drain(who, tenure)

    def hand_over(self, who: int, partition: int) -> None:
        self.grants_left -= 1
        self.grant[partition] += 1
        self.owner[partition] = who
        self.told[who, partition] = self.grant[partition]
        self.position[who, partition] = self.committed[partition]
        begun, _ = self.members[who].assign({partition: self.committed[partition]})
        for tenure in begun:
            self.numbers[who, tenure.generation, partition] = self.grant[partition]
            if self.members[who].closing:
                self.drain(who, tenure)

    def revoke(self, who: int, partition: int) -> None:
        for tenure in self.members[who].revoke([partition]):
            self.drain(who, tenure)

    def drain(self, who: int, tenure: Tenure[str]) -> None:
        if self.told.pop((who, tenure.partition), None) is not None:
            self.draining.append((who, tenure))

    def release(self, nth: int) -> None:
        who, tenure = self.draining.pop(nth)
        number = self.numbers[who, tenure.generation, tenure.partition]
        for partition, offset in self.members[who].release([tenure]).items():
            self.take_commit(who, partition, number, offset)
        if self.owner[tenure.partition] == who and self.grant[tenure.partition] == number:
            self.owner[tenure.partition] = None

    def expel(self, partition: int) -> None:
        self.owner[partition] = None

    def tell_lost(self, who: int, partition: int) -> None:
        del self.told[who, partition]
        self.members[who].lose([partition])

    def deliver(self, who: int, partition: int) -> None:
        offset = self.position[who, partition]
        if offset < LOG:
            self.position[who, partition] += 1
            tenure = self.members[who].owned[partition]
            ticket = f"{tenure.generation}:{offset}"
            if tenure.deliver(offset, ticket):
                self.running.append((who, tenure, offset, ticket))

    def finish(self, nth: int) -> None:
        who, tenure, offset, ticket = self.running.pop(nth)
        owned, before = self.members[who].owned.get(tenure.partition) is tenure, tenure.reached
        if tenure.finish(offset, ticket):
            self.counted[tenure.partition].add(offset)
        assert owned or before == tenure.reached, "a late task wrote into a tenure that had ended"

    def commit(self, who: int, partition: int) -> None:
        tenure = self.members[who].owned[partition]
        offset = tenure.to_commit()
        number = self.numbers[who, tenure.generation, partition]
        if offset is not None and self.take_commit(who, partition, number, offset):
            tenure.committed = offset

    def take_commit(self, who: int, partition: int, number: int, offset: int) -> bool:
        if self.owner[partition] != who or self.grant[partition] != number:
            return False
        assert self.committed[partition] <= offset, "a commit went back"
        self.committed[partition] = offset
        return True

    def check(self) -> None:
        for partition, owner in enumerate(self.owner):
            unfinished = set(range(self.committed[partition])) - self.counted[partition]
            assert not unfinished, "committed past an unfinished entry"
            if owner is not None and (owner, partition) in self.told:
                tenure = self.members[owner].owned.get(partition)
                assert tenure is not None, "owned, and the member does not know"
                assert tenure.phase is Phase.OWNED, "owned, and nobody works on it"
                assert self.numbers[owner, tenure.generation, partition] == self.grant[partition]
        for who, membership in enumerate(self.members):
            for partition, tenure in membership.owned.items():
                told = (who, partition) in self.told
                assert told == (tenure.phase is Phase.OWNED), "works on what it was to give up"

    def signature(self) -> tuple[Any, ...]:
        """Return what tells two worlds apart. Of a number only its distance from the latest grant counts."""

        def age(who: int, tenure: Tenure[str]) -> int:
            return self.grant[tenure.partition] - self.numbers[who, tenure.generation, tenure.partition]

        def seen(who: int, tenure: Tenure[str]) -> tuple[Any, ...]:
            known = self.members[who].owned.get(tenure.partition) is tenure
            facts = tenure.phase.value, tenure.reached, tenure.committed or -1, tuple(tenure.tickets)
            return who, tenure.partition, age(who, tenure), known, *facts

        return (
            self.grants_left,
            tuple(self.owner),
            tuple(self.committed),
            tuple(map(frozenset, self.counted)),
            tuple(sorted((place, self.grant[place[1]] - number) for place, number in self.told.items())),
            tuple(sorted(self.position.items())),
            tuple(sorted(seen(w, t) for w, m in enumerate(self.members) for t in m.owned.values())),
            tuple(member.closing for member in self.members),
            tuple(sorted(seen(who, tenure) for who, tenure in self.draining)),
            tuple(sorted((*seen(who, tenure), offset) for who, tenure, offset, _ in self.running)),
        )


def explore(world: World, depth: int) -> tuple[int, int]:
    """
    Check every world that up to *depth* events lead to.

    Returns how many different ones there are, and how many of them were new at the last depth.
    """
    seen = {world.signature()}
    edge = [world]
    for _ in range(depth):
        following: list[World] = []
        for here in edge:
            for happens, *about in here.events():
                there = copy.deepcopy(here)
                getattr(there, happens.__name__)(*about)
                there.check()
                mark = there.signature()
                if mark not in seen:
                    seen.add(mark)
                    following.append(there)
        edge = following
    return len(seen), len(edge)


@pytest.mark.parametrize(
    ("members", "partitions", "grants", "depth"), [(2, 1, 2, 9), (1, 1, 3, 10), (1, 2, 2, 7), (2, 2, 3, 5)]
)
def test_no_order_of_events_breaks_a_promise(members: int, partitions: int, grants: int, depth: int) -> None:
    started: list[Membership[str]] = [Membership() for _ in range(members)]

    seen, _ = explore(World(started, partitions=partitions, grants=grants), depth)

    assert seen > 1000


class GivesUpByNumber(Membership[str]):
    """As the reference does: the end of a revoke gives up whatever the partition's number stands for by then."""

    def release(self, tenures: Any) -> dict[int, int]:
        current = [self.owned.get(tenure.partition, tenure) for tenure in tenures]
        return super().release(current)


class KeepsItsLedger(Membership[str]):
    """As the reference does (W-08): a partition that comes back goes on with its old ledger."""

    def assign(self, offsets: Any) -> tuple[list[Tenure[str]], list[Tenure[str]]]:
        old = {p: tenure.ledger for p, tenure in getattr(self, "past", {}).items()}
        begun, superseded = super().assign(offsets)
        for tenure in begun:
            tenure.ledger = old.get(tenure.partition, tenure.ledger)
        self.past = {**getattr(self, "past", {}), **self.owned}
        return begun, superseded


class TakesLateTasks(Membership[str]):
    """A lost partition whose tasks are still believed."""

    def lose(self, partitions: Any) -> list[Tenure[str]]:
        lost = super().lose(partitions)
        for tenure in lost:
            tenure.phase = Phase.DRAINING
        return lost


class CommitsWhatItWasGiven(Membership[str]):
    """A release that commits all that was delivered."""

    def release(self, tenures: Any) -> dict[int, int]:
        tenures = list(tenures)
        super().release(tenures)
        return {t.partition: t.ledger.following for t in tenures if t.ledger.following > 0}


class ForgetsOverlaps(Membership[str]):
    """An assignment of what is still being given up is ignored."""

    def assign(self, offsets: Any) -> tuple[list[Tenure[str]], list[Tenure[str]]]:
        return super().assign({p: offset for p, offset in offsets.items() if p not in self.owned})


@pytest.mark.parametrize(
    "flawed", [GivesUpByNumber, KeepsItsLedger, CommitsWhatItWasGiven, ForgetsOverlaps, TakesLateTasks]
)
def test_the_search_finds_each_flaw(flawed: type[Membership[str]]) -> None:
    world = World([flawed(), flawed()], partitions=1, grants=4)
    # The first member was given a record, and was expelled before it was finished.
    world.hand_over(0, 0)
    world.deliver(0, 0)
    world.expel(0)
    world.tell_lost(0, 0)
    world.check()

    with pytest.raises(AssertionError):
        explore(world, 7)
