"""The invariants that hold at every write of an object's metadata (replication 5.2), a function each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from backbeat_core.domain.status import Status, derive
from backbeat_core.testing.simulation.copies import false_copy
from backbeat_core.testing.simulation.facts import Version, Write

if TYPE_CHECKING:
    from backbeat_core.testing.simulation.world import World

Law = Callable[["World", Write], "str | None"]
"""Returns what is wrong with a write, None if nothing is."""

STATUS_MEMBERS: Final = frozenset({"replicationInfo", "originOp"})
COLLECTOR_MEMBERS: Final = frozenset({"transientDataDeleted"})
ARCHIVED_MEMBERS: Final = frozenset(
    {"location", "dataStoreName", "x-amz-storage-class", "originOp", "x-amz-scal-transition-in-progress"}
)
TRANSITION_MEMBERS: Final = frozenset({"location", "dataStoreName", "x-amz-storage-class", "originOp"})
_ABSENT: Final = object()


def changed(write: Write) -> set[str]:
    """Return the members that a write has changed."""
    before = {} if write.before is None else write.before.metadata
    after = {} if write.after is None else write.after.metadata
    return {name for name in {**before, **after} if before.get(name, _ABSENT) != after.get(name, _ABSENT)}


def inv_2_completed_is_true(world: World, write: Write) -> str | None:
    """A site that a write says is COMPLETED has a copy of just this version and generation."""
    if write.after is None or write.host.spared:
        return None
    was = set() if write.before is None else {each.site for each in write.before.completed()}
    for backend in write.after.completed():
        if backend.site not in was and (problem := false_copy(world, write.after, backend)):
            return f"{write.after}: {problem}"
    return None


def inv_5_stored_consistency(world: World, write: Write) -> str | None:
    """What a status processor writes has the status that follows from its sites'."""
    if write.after is None or write.report is None or not write.host.name.startswith("status"):
        return None
    expected = derive(backend.status for backend in write.after.info.backends)
    return None if write.after.info.status is expected else f"{write.after} should be {expected.value}"


def inv_6_absorbing(world: World, write: Write) -> str | None:
    """Within a generation no site leaves COMPLETED."""
    if write.before is None or write.after is None or not same_generation(write.before, write.after):
        return None
    for backend in write.before.completed():
        now = write.after.info.backend(backend.site)
        if now is None or now.status is not Status.COMPLETED:
            return f"{backend.site} was COMPLETED, now {write.after}"
    return None


def inv_7_site_isolation(world: World, write: Write) -> str | None:
    """A report of one site leaves the others' entries as they were."""
    if write.before is None or write.after is None or write.report is None or write.host.spared:
        return None
    others = [each for each in write.before.info.backends if each.site != write.report.site]
    now = [each for each in write.after.info.backends if each.site != write.report.site]
    return None if others == now else f"a report of {write.report.site} turned {write.before} into {write.after}"


def inv_8_no_clobber(world: World, write: Write) -> str | None:
    """Whoever is no user changes only what is theirs to change, of the latest state."""
    if write.before is None or write.after is None or write.host.spared:
        return None
    members = changed(write)
    for prefix, allowed in _OWN_MEMBERS.items():
        if write.host.name.startswith(prefix):
            mine = any(members <= each for each in allowed)
            return None if mine else f"{write.host.name} changed {sorted(members)}"
    return f"{write.host.name} wrote {write.after}"


_OWN_MEMBERS: Final = {
    "status": (STATUS_MEMBERS,),
    "collector": (COLLECTOR_MEMBERS, ARCHIVED_MEMBERS),
    "lifecycle": (TRANSITION_MEMBERS | ARCHIVED_MEMBERS | {"archive"},),
}


def inv_9_no_resurrection(world: World, write: Write) -> str | None:
    """Only a user makes a version."""
    if write.before is None and write.after is not None and not write.host.spared:
        return f"{write.host.name} made {write.after}"
    return None


def inv_19_monotone_progress(world: World, write: Write) -> str | None:
    """Within a generation the COMPLETED sites never get fewer; PROCESSING has one COMPLETED and one PENDING."""
    if write.after is None:
        return None
    after = write.after.info
    if write.before is not None and same_generation(write.before, write.after):
        fewer = len(list(write.before.completed())) - len(list(write.after.completed()))
        if fewer > 0:
            return f"{write.before} became {write.after}"
    if after.status is Status.PROCESSING:
        present = {backend.status for backend in after.backends}
        if not {Status.COMPLETED, Status.PENDING} <= present:
            return f"{write.after}"
    return None


def inv_24_no_dead_writes(world: World, write: Write) -> str | None:
    """A report of another generation changes no status."""
    if write.before is None or write.after is None or write.report is None or write.host.spared:
        return None
    before, after = write.before.info, write.after.info
    same = [each.status for each in before.backends] == [each.status for each in after.backends]
    if write.report.info.generation == before.generation or same:
        return None
    return f"a report of generation {write.report.info.generation} turned {write.before} into {write.after}"


def same_generation(one: Version, other: Version) -> bool:
    """Return whether two states of a document are of one version and were armed by one write."""
    return one.info.generation == other.info.generation and one.number == other.number


AT_WRITES: Final[dict[str, Law]] = {
    "INV-9": inv_9_no_resurrection,
    "INV-8": inv_8_no_clobber,
    "INV-7": inv_7_site_isolation,
    "INV-24": inv_24_no_dead_writes,
    "INV-6": inv_6_absorbing,
    "INV-5": inv_5_stored_consistency,
    "INV-19": inv_19_monotone_progress,
    "INV-2": inv_2_completed_is_true,
}
