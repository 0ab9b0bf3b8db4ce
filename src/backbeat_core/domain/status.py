"""The status of one replica, the status of the whole, and the tables that lead from one to the other."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Final

from backbeat_core.errors import InvalidInput


class Status(enum.StrEnum):
    """
    A replication status; its value is the literal that is stored and sent.

    It is a `str`, so that it compares and hashes as its literal, at the speed of one.
    """

    NONE = ""
    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    REPLICA = "REPLICA"


# What a site on a source object may say about itself (1.1). PROCESSING is only ever derived, and
# REPLICA is only ever said by an object that is a copy.
SITE_STATUSES: Final = frozenset({Status.PENDING, Status.COMPLETED, Status.FAILED})

# The site's status now -> the reports that move it there (1.3). A re-arm by the source server is no
# report: it starts again from PENDING, whatever stood there. COMPLETED takes no report (ST-11).
SITE_TRANSITIONS: Final[Mapping[Status, frozenset[Status]]] = {
    Status.PENDING: SITE_STATUSES,
    Status.COMPLETED: frozenset(),
    Status.FAILED: SITE_STATUSES,
    # No source object says these of a site, but a document may: what is not finished can still finish,
    # and a copy at a target takes no reports.
    Status.NONE: SITE_STATUSES,
    Status.PROCESSING: SITE_STATUSES,
    Status.REPLICA: frozenset(),
}

# (the object's status before, after) -> what brings it about (1.4, with ST-3 as the derivation).
OBJECT_TRANSITIONS: Final[Mapping[tuple[Status, Status], str]] = {
    (Status.NONE, Status.PENDING): "first arming",
    (Status.PENDING, Status.PENDING): "retry before any site has completed, or armed again",
    (Status.PENDING, Status.PROCESSING): "first of several sites completed",
    (Status.PENDING, Status.COMPLETED): "the only site completed",
    (Status.PENDING, Status.FAILED): "final failure of any site",
    (Status.PROCESSING, Status.PROCESSING): "one more site reported, others are awaited",
    (Status.PROCESSING, Status.COMPLETED): "last site completed",
    (Status.PROCESSING, Status.FAILED): "final failure of any site",
    (Status.PROCESSING, Status.PENDING): "armed again",
    (Status.COMPLETED, Status.PENDING): "armed again",
    (Status.FAILED, Status.FAILED): "a site reported, one is still failed",
    (Status.FAILED, Status.PROCESSING): "last failed site retried or completed, others are awaited",
    (Status.FAILED, Status.COMPLETED): "last failed site completed",
    (Status.FAILED, Status.PENDING): "last failed site retried and none has completed, or armed again",
    (Status.REPLICA, Status.PENDING): "a user wrote the copy and a rule matches at the target",
}

# What the object's `originOp` becomes with a report of that status (ST-2).
REPORT_ORIGIN_OP: Final[Mapping[Status, str]] = {
    Status.PENDING: "s3:Replication:OperationPendingReplication",
    Status.COMPLETED: "s3:Replication:OperationCompletedReplication",
    Status.FAILED: "s3:Replication:OperationFailedReplication",
}


def _derive(present: frozenset[Status]) -> Status:
    if not present:
        return Status.NONE
    if Status.FAILED in present:
        return Status.FAILED
    if present == {Status.COMPLETED}:
        return Status.COMPLETED
    # Neither FAILED nor COMPLETED is "awaited", also where it is none of a site's three literals.
    return Status.PROCESSING if Status.COMPLETED in present else Status.PENDING


# Duplicates never matter (L2), so sixty-four sets are all the lists that there are.
_BY_SET: Final = {
    frozenset(chosen): _derive(frozenset(chosen))
    for size in range(len(Status) + 1)
    for chosen in combinations(Status, size)
}


def derive(statuses: Iterable[Status]) -> Status:
    """Return the status of an object whose sites have *statuses*, in any order (ST-3)."""
    return _BY_SET[frozenset(statuses)]


# The rows and columns of the table of 1.6, least first; PENDING and COMPLETED have no order between them.
_ORDER: Final = (Status.NONE, Status.PENDING, Status.COMPLETED, Status.PROCESSING, Status.FAILED)


def _combine(a: Status, b: Status) -> Status:
    if {a, b} == {Status.PENDING, Status.COMPLETED}:
        return Status.PROCESSING
    return max(a, b, key=_ORDER.index)


_COMBINED: Final = {(a, b): _combine(a, b) for a in _ORDER for b in _ORDER}


def combine(a: Status, b: Status) -> Status:
    """
    Return the status of two lists of sites together, from the status of each (L3, the table of 1.6).

    REPLICA is not derived from anything and raises `InvalidInput`.
    """
    try:
        return _COMBINED[a, b]
    except KeyError:
        raise InvalidInput(f"{a!r} and {b!r} are not both derived statuses") from None
