"""The invariants that hold when nothing is left to do (replication 5.2), each a function of its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from backbeat_core.domain import metadata as md
from backbeat_core.domain.entry import ObjectEntry
from backbeat_core.domain.headers import head_headers, parse_head_headers
from backbeat_core.domain.keys import FailedVersion, RedisKeys
from backbeat_core.domain.status import Status
from backbeat_core.services.recount import Recount
from backbeat_core.testing.memory import MemoryCache, MemoryStore
from backbeat_core.testing.simulation.copies import false_copy, unreadable
from backbeat_core.testing.simulation.facts import Version

if TYPE_CHECKING:
    from backbeat_core.testing.simulation.world import World

Law = Callable[["World"], "str | None"]


def inv_1_nothing_lost(world: World) -> str | None:
    """
    Every site of every version is COMPLETED, or FAILED and listed.

    Where a retry was begun and its process died between its two messages, the site is PENDING and still
    listed: whoever retries what is listed goes on with it.
    """
    failures = listed(world)
    for version in world.checks.facts.now.values():
        if not version.awaits:
            continue
        for backend in version.info.backends:
            if backend.status is Status.COMPLETED or (version.place, backend.site) in failures:
                continue
            if backend.status is Status.FAILED:
                return f"{version}: {backend.site} is FAILED and not listed"
            return f"{version}: {backend.site} is {backend.status.value}"
    return None


def inv_2_completed_is_true(world: World) -> str | None:
    """Every site that is said to be COMPLETED has a copy of what is stored now."""
    for version in world.checks.facts.now.values():
        for backend in version.completed():
            if problem := false_copy(world, version, backend, at_rest=True):
                return f"{version}: {problem}"
    return None


def inv_11_collection_is_complete(world: World) -> str | None:
    """Of transient data of what is COMPLETED nothing is left at the source, and of moved data nothing behind."""
    for version in world.checks.facts.now.values():
        if md.data_store_name(version.metadata) not in world.transient_locations:
            continue
        if version.info.status is not Status.COMPLETED:
            continue
        for piece in md.locations(version.metadata):
            if world.engines.locations[str(piece["dataStoreName"])].objects.get(str(piece["key"])):
                return f"{version} still has {piece['key']}"
    for store, name in world.lifecycle.abandoned:
        if world.engines.locations[store].objects.get(name):
            return f"{store} still has {name}"
    return None


def inv_16_conservation(world: World) -> str | None:
    """
    What is counted as pending is what is pending.

    Counters are told by messages that are published beside the work and not with it, so this is exact only
    where no fault has struck; where one has, a recount must be able to set it right.
    """
    recount = Recount(MemoryStore(world.engines.clock, world.engines.tables), _cache(world), world.engines.clock)
    sites = [site.name for site in world.profile.sites]
    report = recount(sorted(world.buckets), sites)
    for site, tally in report.tallies.items():
        if tally.put != tally.completed + tally.pending + tally.failed + tally.skipped:
            return f"{site}: {tally}"
    if report.differences and not world.engines.faults.loud:
        return "; ".join(f"{each.key} is {each.counted}, not {each.stored}" for each in report.differences)
    if not report.differences:
        return None
    recount.repair(report)
    again = recount(sorted(world.buckets), sites)
    return f"not repaired: {again.differences}" if again.differences else None


def inv_17_no_target_garbage(world: World) -> str | None:
    """No upload is open at a target, but those whose process died or could not abort them."""
    for site in world.profile.sites:
        for upload in world.engines.locations[site.name].uploads:
            host = world.checks.uploads.get((site.name, upload))
            if host is not None and host.alive and (site.name, upload) not in world.checks.excused_uploads:
                return f"{host.name} left {upload} open at {site.name}"
    return None


def inv_22_readability(world: World) -> str | None:
    """Every version can be read."""
    for version in world.checks.facts.now.values():
        if not md.is_delete_marker(version.metadata) and (problem := unreadable(world, version)):
            return problem
    return None


def inv_23_header_truth(world: World) -> str | None:
    """A HEAD tells each version's status, and that of each of its sites."""
    for version in world.checks.facts.now.values():
        said = parse_head_headers(head_headers(version.info))
        if said.status is not version.info.status:
            return f"{version}: HEAD says {said.status.value}"
        sites = {each.site: each.status for each in version.info.backends}
        if version.awaits and {each.site: each.status for each in said.backends} != sites:
            return f"{version}: HEAD says {said.backends}"
    return None


def listed(world: World) -> set[tuple[tuple[str, str], str]]:
    """Return each version, by its place, and site that stand in a set of failures."""
    found: set[tuple[tuple[str, str], str]] = set()
    prefix = RedisKeys().failures_prefix
    members: dict[str, set[str]] = {}
    for key, entry in world.engines.keys.entries.items():
        if key.startswith(f"{prefix}:") and isinstance(entry.content, dict):
            site = key.removeprefix(f"{prefix}:").rpartition(":")[0]
            members.setdefault(site, set()).update(entry.content)
    for version in world.checks.facts.now.values():
        spellings = set(_failed(version).spellings())
        for site, of_site in members.items():
            if not spellings.isdisjoint(of_site):
                found.add((version.place, site))
    return found


def _failed(version: Version) -> FailedVersion:
    entry = ObjectEntry(version.bucket, version.key, version.metadata)
    return FailedVersion(version.bucket, version.object_key, entry.encoded_version_id or "")


def _cache(world: World) -> MemoryCache:
    return MemoryCache(world.engines.clock, world.engines.keys)


AT_REST: Final[dict[str, Law]] = {
    "INV-1": inv_1_nothing_lost,
    "INV-2": inv_2_completed_is_true,
    "INV-11": inv_11_collection_is_complete,
    "INV-22": inv_22_readability,
    "INV-17": inv_17_no_target_garbage,
    "INV-16": inv_16_conservation,
    "INV-23": inv_23_header_truth,
}
