"""The status algebra: the truth tables of 1.5, the laws of 1.6, and the transitions of 1.3 and 1.4."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.domain.info import Backend, ReplicationInfo
from backbeat_core.domain.status import (
    OBJECT_TRANSITIONS,
    REPORT_ORIGIN_OP,
    SITE_STATUSES,
    SITE_TRANSITIONS,
    Status,
    combine,
    derive,
)
from backbeat_core.errors import InvalidInput

NONE, PENDING, PROCESSING = Status.NONE, Status.PENDING, Status.PROCESSING
COMPLETED, FAILED, REPLICA = Status.COMPLETED, Status.FAILED, Status.REPLICA

LETTERS = {"P": PENDING, "C": COMPLETED, "F": FAILED}

# The tables of 1.5: what the sites say, and what the object then says. A star marks the rows where the
# reference says PROCESSING instead.
TRUTH = """
P PENDING *    C COMPLETED    F FAILED
PP PENDING *   PC PROCESSING  PF FAILED      CP PROCESSING  CC COMPLETED   CF FAILED
FP FAILED      FC FAILED      FF FAILED
PPP PENDING *  PPC PROCESSING PPF FAILED     PCP PROCESSING PCC PROCESSING PCF FAILED
PFP FAILED     PFC FAILED     PFF FAILED     CPP PROCESSING CPC PROCESSING CPF FAILED
CCP PROCESSING CCC COMPLETED  CCF FAILED     CFP FAILED     CFC FAILED     CFF FAILED
FPP FAILED     FPC FAILED     FPF FAILED     FCP FAILED     FCC FAILED     FCF FAILED
FFP FAILED     FFC FAILED     FFF FAILED
"""
WORDS = TRUTH.replace("*", "").split()
ROWS = list(zip(WORDS[::2], map(Status, WORDS[1::2]), strict=True))

# The table of 1.6, row by row.
COMBINED = """
NONE       NONE PENDING COMPLETED PROCESSING FAILED
PENDING    PENDING PENDING PROCESSING PROCESSING FAILED
COMPLETED  COMPLETED PROCESSING COMPLETED PROCESSING FAILED
PROCESSING PROCESSING PROCESSING PROCESSING PROCESSING FAILED
FAILED     FAILED FAILED FAILED FAILED FAILED
"""
COLUMNS = (NONE, PENDING, COMPLETED, PROCESSING, FAILED)

site_statuses = st.sampled_from((PENDING, COMPLETED, FAILED))
lists = st.lists(site_statuses, max_size=6)
derived = st.sampled_from(COLUMNS)


def everything(most: int) -> Iterable[tuple[Status, ...]]:
    for size in range(most + 1):
        yield from itertools.product((PENDING, COMPLETED, FAILED), repeat=size)


def info_of(statuses: Iterable[Status]) -> ReplicationInfo:
    backends = tuple(Backend(f"site-{n}", status) for n, status in enumerate(statuses))
    return ReplicationInfo(derive(backend.status for backend in backends), backends)


# The values.


def test_a_status_is_its_literal() -> None:
    literals = ["", "PENDING", "PROCESSING", "COMPLETED", "FAILED", "REPLICA"]

    assert literals == [status.value for status in Status]
    assert [str(status) for status in Status] == literals
    assert list(Status) == literals
    assert {status: status for status in Status} == {text: text for text in literals}


def test_a_status_hashes_as_the_text_it_is() -> None:
    assert str.__hash__ is Status.__hash__
    assert str.__eq__ is Status.__eq__


# 1.5


def test_the_truth_tables_are_complete() -> None:
    assert 3 + 9 + 27 == len({row for row, _ in ROWS})
    assert 3 == TRUTH.count("*")


@pytest.mark.parametrize(("sites", "status"), ROWS)
def test_the_object_status_is_that_of_the_truth_tables(sites: str, status: Status) -> None:
    assert status == derive(LETTERS[letter] for letter in sites)


def test_no_sites_are_no_status() -> None:
    assert derive([]) is NONE


@pytest.mark.parametrize(
    ("sites", "status"),
    [
        ([PROCESSING], PENDING),
        ([NONE], PENDING),
        ([REPLICA], PENDING),
        ([COMPLETED, PROCESSING], PROCESSING),
        ([COMPLETED, REPLICA], PROCESSING),
        ([FAILED, REPLICA], FAILED),
        ([NONE, PENDING, PROCESSING, COMPLETED, REPLICA], PROCESSING),
        (list(Status), FAILED),
    ],
)
def test_what_no_site_says_counts_as_awaited(sites: list[Status], status: Status) -> None:
    assert status == derive(sites)


# 1.6


@given(lists, st.randoms(use_true_random=False))
def test_l1_order_does_not_matter(xs: list[Status], random: object) -> None:
    shuffled = list(xs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # a random.Random, as hypothesis documents

    assert derive(xs) == derive(shuffled)


@given(lists)
def test_l2_repetition_does_not_matter(xs: list[Status]) -> None:
    assert derive(xs) == derive(set(xs)) == derive(xs + xs)


@given(lists, lists)
def test_l3_lists_combine_as_their_statuses_do(xs: list[Status], ys: list[Status]) -> None:
    assert derive(xs + ys) == combine(derive(xs), derive(ys))


@pytest.mark.parametrize("row", COMBINED.strip().splitlines())
def test_the_combination_is_that_of_the_table(row: str) -> None:
    first, *rest = (Status[name] for name in row.split())

    assert rest == [combine(first, column) for column in COLUMNS]


@given(derived, derived, derived)
def test_l4_statuses_are_a_semilattice(a: Status, b: Status, c: Status) -> None:
    assert combine(a, combine(b, c)) == combine(combine(a, b), c)
    assert combine(a, b) == combine(b, a)
    assert combine(a, a) == a
    assert combine(a, NONE) == a
    assert combine(a, FAILED) == FAILED


def at_most(a: Status, b: Status) -> bool:
    return combine(a, b) == b


def test_l4_the_order_is_the_one_of_the_specification() -> None:
    chain = [(NONE, PENDING), (NONE, COMPLETED), (PENDING, PROCESSING), (COMPLETED, PROCESSING)]

    assert all(at_most(a, b) and not at_most(b, a) for a, b in [*chain, (PROCESSING, FAILED)])
    assert not at_most(PENDING, COMPLETED)
    assert not at_most(COMPLETED, PENDING)


@pytest.mark.parametrize("pair", [(REPLICA, PENDING), (NONE, REPLICA), (REPLICA, REPLICA)])
def test_a_replica_has_no_part_in_the_algebra(pair: tuple[Status, Status]) -> None:
    with pytest.raises(InvalidInput) as raised:
        combine(*pair)

    assert f"{pair[0]!r} and {pair[1]!r} are not both derived statuses" == str(raised.value)


@given(st.lists(site_statuses, min_size=1, max_size=6), st.data())
def test_l5_taking_a_site_away_never_raises_the_status(xs: list[Status], data: st.DataObject) -> None:
    removed = data.draw(st.integers(0, len(xs) - 1))

    assert at_most(derive(xs[:removed] + xs[removed + 1 :]), derive(xs))


@given(lists)
def test_l6_each_status_says_exactly_what_its_sites_say(xs: list[Status]) -> None:
    status = derive(xs)

    assert (status == COMPLETED) == (xs != [] and all(x == COMPLETED for x in xs))
    assert (status == FAILED) == (FAILED in xs)
    assert (status == PENDING) == (xs != [] and all(x == PENDING for x in xs))
    assert (status == PROCESSING) == (FAILED not in xs and COMPLETED in xs and PENDING in xs)


def reference(xs: Iterable[Status]) -> Status:
    """ST-1."""
    present = set(xs)
    if FAILED in present:
        return FAILED
    return PROCESSING if PENDING in present else COMPLETED


@pytest.mark.parametrize("most", [5])
def test_l16_the_reference_differs_only_where_nothing_has_happened(most: int) -> None:
    chain = [COMPLETED, PROCESSING, FAILED]
    for xs in everything(most):
        assert (reference(xs) == derive(xs)) == (set(xs) not in (set(), {PENDING}))
        ranks = [chain.index(PROCESSING if x == PENDING else x) for x in xs]

        assert reference(xs) == chain[max(ranks, default=0)]


# 1.3 and the laws about reports, on every object of up to four sites.


@functools.cache
def objects() -> tuple[ReplicationInfo, ...]:
    return tuple(info_of(xs) for xs in everything(4))


MESSAGES = (PENDING, COMPLETED, FAILED)


@pytest.mark.parametrize("now", [PENDING, COMPLETED, FAILED])
@pytest.mark.parametrize("message", list(Status))
def test_a_site_moves_as_the_table_says_and_no_other_way(now: Status, message: Status) -> None:
    table = {
        PENDING: {COMPLETED: COMPLETED, FAILED: FAILED, PENDING: PENDING},
        COMPLETED: {},
        FAILED: {COMPLETED: COMPLETED, FAILED: FAILED, PENDING: PENDING},
    }
    before = info_of([now])
    after = before.report("site-0", message)

    assert SITE_TRANSITIONS[now] == set(table[now])
    assert (after is before) == (message not in table[now])
    assert after.backends == (Backend("site-0", table[now].get(message, now)),)


def test_there_is_a_row_for_every_status_a_document_can_have() -> None:
    assert set(Status) == set(SITE_TRANSITIONS)
    assert set(MESSAGES) == SITE_STATUSES == set(REPORT_ORIGIN_OP)
    assert SITE_TRANSITIONS[REPLICA] == frozenset()
    assert SITE_TRANSITIONS[NONE] == SITE_TRANSITIONS[PROCESSING] == SITE_STATUSES


def test_l7_a_report_that_comes_twice_is_a_report_that_comes_once() -> None:
    for info in objects():
        for site, message in itertools.product(info.sites, MESSAGES):
            once = info.report(site, message)

            assert once == once.report(site, message)


def test_l8_reports_of_different_sites_commute() -> None:
    for info in objects():
        for (a, b), m, n in itertools.product(itertools.permutations(info.sites, 2), MESSAGES, MESSAGES):
            assert info.report(a, m).report(b, n) == info.report(b, n).report(a, m)


@given(st.lists(st.sampled_from(MESSAGES), max_size=8), site_statuses)
def test_l9_completed_wins_whatever_else_is_said_and_when(messages: list[Status], start: Status) -> None:
    info = info_of([start])
    for message in messages:
        info = info.report("site-0", message)

    if COMPLETED in [*messages, start]:
        assert info.backends[0].status == COMPLETED


def test_l10_only_a_retry_and_a_failure_do_not_commute_at_one_site() -> None:
    clashing = set()
    for start, m, n in itertools.product(MESSAGES, MESSAGES, MESSAGES):
        info = info_of([start])
        if info.report("site-0", m).report("site-0", n) != info.report("site-0", n).report("site-0", m):
            clashing.add(frozenset({m, n}))

    assert {frozenset({PENDING, FAILED})} == clashing


def test_l11_a_completed_site_takes_no_report() -> None:
    for info in objects():
        for backend, message in itertools.product(info.backends, Status):
            if backend.status == COMPLETED:
                assert info.report(backend.site, message) is info


def test_l12_the_number_of_completed_sites_never_falls() -> None:
    def completed(info: ReplicationInfo) -> int:
        return sum(backend.status == COMPLETED for backend in info.backends)

    for info in objects():
        for site, message in itertools.product(info.sites, MESSAGES):
            assert completed(info) <= completed(info.report(site, message))


def test_l13_a_report_leaves_the_other_sites_alone() -> None:
    for info in objects():
        for site, message in itertools.product(info.sites, MESSAGES):
            after = info.report(site, message, data_store_version_id="v")

            assert info.sites == after.sites
            assert all(after.backend(other) == info.backend(other) for other in info.sites if other != site)


@given(st.lists(st.lists(st.sampled_from((COMPLETED, FAILED)), min_size=1, max_size=3), max_size=4), st.data())
def test_l14_without_retries_the_interleaving_does_not_matter(
    reports: list[list[Status]], data: st.DataObject
) -> None:
    said = [(f"site-{n}", message) for n, messages in enumerate(reports) for message in messages]
    start = info_of([PENDING] * len(reports))
    shuffled = data.draw(st.permutations(said))
    one, other = start, start
    for site, message in said:
        one = one.report(site, message)
    for site, message in shuffled:
        other = other.report(site, message)

    assert one == other


def test_l15_what_is_stored_is_what_is_derived() -> None:
    for info in objects():
        for site, message in itertools.product((*info.sites, "nowhere"), Status):
            after = info.report(site, message)

            assert after.status == derive(backend.status for backend in after.backends)


# 1.4


def test_the_transitions_of_an_object_are_those_of_its_table() -> None:
    """Every report on every object of up to four sites, with arming as 1.4 says; nothing more, nothing less."""
    seen = set()
    for info in objects():
        for site, message in itertools.product(info.sites, MESSAGES):
            after = info.report(site, message)
            if after is not info:
                seen.add((info.status, after.status))
    armed = {(status, PENDING) for status in Status}

    assert seen | armed == set(OBJECT_TRANSITIONS)


# The table of 1.4 with its causes, as people are shown it.
CAUSES = """
NONE       PENDING     first arming
PENDING    PENDING     retry before any site has completed, or armed again
PENDING    PROCESSING  first of several sites completed
PENDING    COMPLETED   the only site completed
PENDING    FAILED      final failure of any site
PROCESSING PROCESSING  one more site reported, others are awaited
PROCESSING COMPLETED   last site completed
PROCESSING FAILED      final failure of any site
PROCESSING PENDING     armed again
COMPLETED  PENDING     armed again
FAILED     FAILED      a site reported, one is still failed
FAILED     PROCESSING  last failed site retried or completed, others are awaited
FAILED     COMPLETED   last failed site completed
FAILED     PENDING     last failed site retried and none has completed, or armed again
REPLICA    PENDING     a user wrote the copy and a rule matches at the target
"""


def test_every_transition_says_what_brings_it_about() -> None:
    rows = [row.split(maxsplit=2) for row in CAUSES.strip().splitlines()]

    assert OBJECT_TRANSITIONS == {(Status[before], Status[after]): cause for before, after, cause in rows}


def test_st2_a_report_is_an_operation_on_the_object() -> None:
    assert REPORT_ORIGIN_OP == {
        PENDING: "s3:Replication:OperationPendingReplication",
        COMPLETED: "s3:Replication:OperationCompletedReplication",
        FAILED: "s3:Replication:OperationFailedReplication",
    }


def test_st4_a_failure_dominates_and_does_not_stick() -> None:
    failed = info_of([COMPLETED, FAILED, PENDING])

    assert failed.report("site-2", COMPLETED).status == FAILED
    assert failed.report("site-1", PENDING).status == PROCESSING
    assert failed.report("site-1", COMPLETED).report("site-2", COMPLETED).status == COMPLETED
    assert info_of([FAILED]).report("site-0", PENDING).status == PENDING
