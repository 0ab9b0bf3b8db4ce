"""The offset ledger (queue-and-wire 1.7), beside a list that does the same the slow way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.errors import InvalidInput
from backbeat_core.queueing import ledger as room
from backbeat_core.queueing.ledger import Ledger


class SlowLedger:
    """The rules of 1.7 word for word: a list in order of arrival."""

    def __init__(self) -> None:
        self.processing: list[int] = []
        self.latest: int | None = None

    def consumed(self, offset: int) -> None:
        if self.latest is not None and offset != self.latest + 1:
            self.processing = [held for held in self.processing if held < offset]
        self.processing.append(offset)
        self.latest = offset

    def processed(self, offset: int) -> None:
        self.processing = [held for held in self.processing if held != offset]

    @property
    def committable(self) -> int | None:
        if self.processing:
            return self.processing[0]
        return None if self.latest is None else self.latest + 1


Step = tuple[str, int]


@st.composite
def histories(draw: st.DrawFn, *, rewinds: bool = True) -> list[Step]:
    """Deliveries that mostly follow one another, with gaps and rewinds, and completions of anything."""
    steps: list[Step] = []
    following = draw(st.integers(0, 5))
    for _ in range(draw(st.integers(0, 60))):
        kind = draw(st.sampled_from("ccccdddgr" if rewinds else "ccccdddg"))
        if kind == "d":
            steps.append(("d", max(0, following - draw(st.integers(-1, 30)))))
            continue
        if kind == "g":
            following += draw(st.sampled_from([1, 2, 3, 4, 10, 64, 65, 66, 1000, 10**12]))
        elif kind == "r":
            following = max(0, following - draw(st.sampled_from([1, 2, 3, 5, 8, 20, 70, 1000])))
        steps.append(("c", following))
        following += 1
    return steps


def run(steps: list[Step], *ledgers: Any) -> None:
    for kind, offset in steps:
        for each in ledgers:
            (each.consumed if kind == "c" else each.processed)(offset)


def read(vector: str) -> list[tuple[str, int, int]]:
    return [(word[0], int(word[1:].split("=")[0]), int(word.split("=")[1])) for word in vector.split()]


@pytest.mark.parametrize(
    "vector",
    [
        "c7=7 c8=7 c9=7 c10=7 c11=7 d9=7 d11=7 d7=8 d10=8 d8=12",
        "c100=100 c101=100 d101=100 c102=100 d100=102 c103=102 d103=102 d102=104",
        "c20=20 c21=20 c22=20 d22=20 c21=20 c22=20 d21=20 d20=22 d22=23",
        "c0=0 c4=0 c5=0 d4=0 d0=5 d5=6",
    ],
    ids="ABCD",
)
def test_conformance_vectors_give_their_values(vector: str) -> None:
    ledger = Ledger()

    for kind, offset, committable in read(vector):
        run([(kind, offset)], ledger)

        assert committable == ledger.committable


def test_nothing_is_committable_before_the_first_delivery() -> None:
    ledger = Ledger()
    ledger.processed(0)

    assert ledger.committable is None
    assert ledger.latest is None
    assert ledger.unfinished == 0
    assert ledger.following == -1
    assert {"processing": [], "latestConsumed": None} == ledger.export()


def same(ledger: Ledger, slow: SlowLedger) -> None:
    assert slow.committable == ledger.committable
    assert slow.latest == ledger.latest
    assert len(slow.processing) == ledger.unfinished
    assert {"processing": slow.processing, "latestConsumed": slow.latest} == ledger.export()


@given(histories())
def test_agrees_with_the_slow_ledger_after_every_step(steps: list[Step]) -> None:
    ledger, slow = Ledger(), SlowLedger()

    for step in steps:
        run([step], ledger, slow)

        same(ledger, slow)


@given(histories(), st.integers(0, 3), st.integers(1, 4))
def test_where_islands_begin_and_fronts_are_cut_changes_nothing(
    steps: list[Step], gap: int, front: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "GAP_FILLED", gap)
        patch.setattr(room, "FRONT_KEPT", front)
        ledger, slow = Ledger(), SlowLedger()
        for step in steps:
            run([step], ledger, slow)

            same(ledger, slow)


@given(histories(rewinds=False))
def test_commit_never_passes_work_in_hand_and_never_goes_back(steps: list[Step]) -> None:
    ledger = Ledger()
    before = -1

    for step in steps:
        run([step], ledger)
        in_hand = ledger.in_hand()
        if ledger.committable is not None:
            assert before <= ledger.committable
            before = ledger.committable
            assert ledger.committable <= min(in_hand, default=ledger.committable)
            assert (ledger.committable == ledger.following) == (not in_hand)


@pytest.mark.parametrize("offset", [-1, 1.0, 0.5, None, "1", True])
def test_what_is_no_offset_is_refused_and_changes_nothing(offset: Any) -> None:
    ledger = Ledger()
    ledger.consumed(0)
    before = ledger.export()

    with pytest.raises(InvalidInput, match="a non-negative integer, not " + repr(offset).replace(".", r"\.")):
        ledger.consumed(offset)

    assert before == ledger.export()


def test_the_offset_after_the_latest_is_told() -> None:
    ledger = Ledger()
    ledger.consumed(41)

    assert ledger.following == 42


@pytest.mark.parametrize("gap", [room.GAP_FILLED, room.GAP_FILLED + 1])
def test_no_distance_costs_memory(gap: int) -> None:
    near, far = Ledger(), Ledger()
    for nth in range(100):
        near.consumed(nth)
        far.consumed(nth * (gap + 1))

    assert sum(kept(near)) == 100
    assert sum(kept(far)) <= 100 * (room.GAP_FILLED + 1)


def test_a_jump_over_nothing_in_hand_keeps_nothing() -> None:
    ledger = Ledger()
    ledger.consumed(0)
    ledger.processed(0)
    ledger.consumed(10)
    ledger.processed(10)

    assert [0] == kept(ledger)


def test_finished_marks_at_the_front_are_cut_off_in_time() -> None:
    ledger = Ledger()
    in_hand = 10
    for offset in range(5 * room.FRONT_KEPT):
        ledger.consumed(offset)
        if offset >= in_hand:
            ledger.processed(offset - in_hand)

        assert sum(kept(ledger)) <= room.FRONT_KEPT + in_hand + 1
    assert 5 * room.FRONT_KEPT - in_hand == ledger.committable


def test_a_front_is_cut_off_only_when_it_is_most_of_what_is_kept() -> None:
    ledger = Ledger()
    for offset in range(3 * room.FRONT_KEPT):
        ledger.consumed(offset)
    for offset in range(room.FRONT_KEPT):
        ledger.processed(offset)

    assert [3 * room.FRONT_KEPT] == kept(ledger)


def test_islands_that_are_finished_are_forgotten() -> None:
    ledger = Ledger()
    for nth in range(50):
        ledger.consumed(nth * 1000)
    for nth in range(49):
        ledger.processed(nth * 1000)

    assert [1] == kept(ledger)
    assert 49_000 == ledger.committable


def kept(ledger: Ledger) -> list[int]:
    """Return how many marks each island keeps."""
    return [*(len(island.marks) for island in ledger._islands), len(ledger._marks)]
