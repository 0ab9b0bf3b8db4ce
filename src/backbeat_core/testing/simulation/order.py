"""The invariants about order and durability: what may be published, begun, deleted, and committed when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbeat_core.domain import metadata as md
from backbeat_core.domain.entry import ObjectEntry
from backbeat_core.domain.keys import FailedVersion, RedisKeys
from backbeat_core.domain.messages import FailureRecord
from backbeat_core.domain.selection import LogEntry, Selected, select
from backbeat_core.domain.service_state import decode_state, is_paused
from backbeat_core.domain.status import Status
from backbeat_core.services.follow_pauses import FollowSettings
from backbeat_core.services.replicate import sites_of
from backbeat_core.services.worker import Task
from backbeat_core.testing.simulation.copies import name_at_target, site_of
from backbeat_core.testing.simulation.facts import decoded, entry_in_hand, owed, position_in
from backbeat_core.testing.simulation.profile import REPLAY_TOPICS
from backbeat_core.testing.simulation.programs import FAILED, REPLICATION, STATUS, SiteProgram

if TYPE_CHECKING:
    from backbeat_core.testing.simulation.crew import Crew
    from backbeat_core.testing.simulation.process import Host
    from backbeat_core.testing.simulation.world import World


REFRESH_MS = FollowSettings().refresh_ms
"""A worker that polls more often than this need not look each time."""


def note_published(world: World, topic: str, place: tuple[str, int, int], value: bytes) -> None:
    """Take note of a record, for the laws below."""
    facts = world.checks.facts
    turn = facts.published_at[place] = next(facts.turn)
    if topic == FAILED:
        try:
            record = FailureRecord.decode(value)
        except Exception:  # poison
            return
        facts.failed_at[record.key.rpartition(":")[0], record.member] = turn
        return
    if topic not in (STATUS, REPLICATION, *REPLAY_TOPICS):
        return
    entry = decoded(value)
    if entry is None:
        return
    if topic == STATUS and entry.site is not None and (backend := entry.info.backend(entry.site)):
        facts.reported_at.setdefault(owed(entry, entry.site), {})[backend.status] = turn
    elif topic == REPLICATION:
        number = str(entry.metadata.get("x-amz-meta-number", ""))
        facts.queued.add((entry.bucket, entry.key, entry.info.generation, number))
    elif topic in REPLAY_TOPICS:
        for site in sites_of(entry.info):
            facts.replayed_at[owed(entry, site)] = turn


def inv_15_bounded_replays(world: World, host: Host, topic: str, value: bytes) -> str | None:
    """Along a chain of replays the count that is left gets smaller each time and never falls below 0."""
    entry = decoded(value) if topic in REPLAY_TOPICS else None
    if entry is None:
        return None
    left, report = entry.replay_count, entry_in_hand(host)
    if left is None or left < 0:
        return f"a replay with {left} left"
    if report is not None and report.replay_count is not None and left >= report.replay_count:
        return f"a replay with {left} left after one with {report.replay_count}"
    return None


def inv_20_loop_free(world: World, host: Host, topic: str, value: bytes) -> str | None:
    """Nothing that is itself a copy is queued."""
    entry = decoded(value) if topic == REPLICATION else None
    if entry is not None and entry.info.status is not Status.PENDING:
        return f"{host.name} queued {entry.key!r} with status {entry.info.status.value}"
    return None


def inv_13_key_order(world: World, crew: Crew, task: Task) -> str | None:
    """For one consumer, tasks of one key never overlap and start in the order of their offsets."""
    if any(other.key == task.key for other in crew.running):
        return f"{crew.host.name} began {task.record.offset} of {task.key!r} beside another"
    line = (task.record.partition, task.generation, task.key)
    last = crew.started.get(line, -1)
    crew.started[line] = task.record.offset
    if task.record.offset < last:
        return f"{crew.host.name} began {task.record.offset} of {task.key!r} after {last}"
    return None


def inv_21_pause(world: World, crew: Crew, task: Task) -> str | None:
    """Nothing is begun for a site that its worker has seen paused and not resumed."""
    program = crew.host.process
    if not isinstance(program, SiteProgram) or crew.topic != REPLICATION:
        return None
    since = world.checks.paused_since.get(program.site.name)
    looked, _ = world.seen_paused.get(program.name, (-1, False))
    if since is not None and since < looked - REFRESH_MS:
        return f"{program.name} began {task.record.offset} while {program.site.name} was paused"
    return None


def inv_10_collection_is_safe(world: World, host: Host, location: str, name: str) -> str | None:
    """Data is deleted only where no version has it, or every version that has it is COMPLETED everywhere."""
    if host.spared or site_of(world, location) is not None:
        return None
    for version in world.checks.facts.now.values():
        places = {(each["dataStoreName"], each["key"]) for each in md.locations(version.metadata)}
        if (location, name) in places:
            spare = location in world.transient_locations and version.info.status is Status.COMPLETED
            if not spare:
                return f"{host.name} deletes {location}/{name} of {version}"
    return None


def inv_4_no_stale_overwrite(world: World, host: Host, location: str, name: str) -> str | None:
    """What an older version brings to a target never stands before what a newer one has COMPLETED there."""
    site, entry = site_of(world, location), entry_in_hand(host)
    if site is None or entry is None or name != f"{entry.bucket}/{entry.object_key}":
        return None
    stored = world.engines.locations[location].objects.get(name, [])
    brought = stored[-1] if stored else None
    if site.versioned and brought is not None:
        return None  # it keeps all versions; which one is current is only seen by who does not ask for one
    key = _key_of(world, entry, None if brought is None else brought.stored.attributes.user_metadata["number"])
    begun = getattr(host.handling, "began_at", 0)
    for newer in world.checks.facts.newer(entry.bucket, key):
        backend = newer.info.backend(location)
        done = world.checks.completed_at.get((newer.place, location), begun)
        # What was completed while this was already on its way is put back: see INV-2 at rest.
        if backend is not None and backend.status is Status.COMPLETED and done < begun:
            return f"{host.name} brings {key!r} to {location} over {newer}"
    return None


def _key_of(world: World, entry: ObjectEntry, number: str | None) -> str:
    """Return the newest version of an object that a target shows, by the number of its put, None: a deletion."""
    keys = [
        key
        for key, version in world.checks.facts.versions(entry.bucket, entry.object_key)
        if (version.number == number if number else md.is_delete_marker(version.metadata))
    ]
    return min(keys, default=entry.stored_key)


def inv_14_populator(world: World, host: Host, before: bytes | None, after: bytes) -> str | None:
    """The saved position of the feed passes no entry that is not queued, and never goes back (W-14, W-16)."""
    first = 0 if before is None else position_in(before)
    last = position_in(after)
    if last < first:
        return f"{host.name} moves the position back from {first} to {last}"
    facts = world.checks.facts
    for logged in world.engines.tables.log[first:last]:
        if logged.text is None or logged.collection.startswith("__"):
            continue
        entry = LogEntry("put", logged.collection, logged.key, logged.text)
        if not isinstance(select(entry), Selected):
            continue
        found = decoded(entry.encode())
        assert found is not None
        number = str(found.metadata.get("x-amz-meta-number", ""))
        if (found.bucket, found.key, found.info.generation, number) not in facts.queued:
            return f"{host.name} saves {last}, but {logged.number} ({logged.key!r}) is not queued"
    return None


def inv_14_at_least_once(
    world: World, topic: str, group: str, partition: int, first: int, last: int
) -> str | None:
    """Nothing is committed before all that it implied is durable."""
    low = world.engines.broker.topic(topic).partitions[partition].low
    records = world.engines.broker.topic(topic).partitions[partition].records
    for record in records[max(first - low, 0) : last - low]:
        entry = decoded(record.value)
        if entry is None:
            continue
        turn = world.checks.facts.published_at.get((topic, partition, record.offset), 0)
        if topic == STATUS:
            problem = _report_undone(world, entry, turn)
        else:
            site = group.removeprefix("backbeat-replication-group-")
            problem = _entry_undone(world, entry, site, turn)
        if problem is not None:
            return f"{topic}/{partition}/{record.offset} is committed by {group}: {problem}"
    return None


def _entry_undone(world: World, entry: ObjectEntry, site: str, turn: int) -> str | None:
    facts = world.checks.facts
    if site not in sites_of(entry.info):
        return None
    now = facts.now.get((entry.bucket, entry.stored_key))
    if now is None or now.info.generation > entry.info.generation:
        return None
    backend = now.info.backend(site)
    if backend is None or backend.status is Status.COMPLETED:
        return None
    if md.content_md5(now.metadata) != md.content_md5(entry.metadata):
        return None
    reports = facts.reported_at.get(owed(entry, site), {})
    if any(reports.get(status, 0) > turn for status in (Status.COMPLETED, Status.FAILED)):
        return None
    return f"no report of {site} about {now}"


def _report_undone(world: World, report: ObjectEntry, turn: int) -> str | None:
    facts, site = world.checks.facts, report.site
    if site is None or (reported := report.info.backend(site)) is None:
        return None
    now = facts.now.get((report.bucket, report.stored_key))
    if now is None or now.info.generation != report.info.generation:
        return None
    backend = now.info.backend(site)
    if backend is None or backend.status is Status.COMPLETED:
        return None
    if md.content_md5(now.metadata) != md.content_md5(report.metadata):
        return None
    if reported.status is Status.COMPLETED:
        return f"{now} was not told that {site} is COMPLETED"
    if reported.status is Status.FAILED:
        return _failure_undone(world, report, site, turn)
    return None


def _failure_undone(world: World, report: ObjectEntry, site: str, turn: int) -> str | None:
    facts = world.checks.facts
    key = owed(report, site)
    if facts.replayed_at.get(key, 0) > turn or facts.reported_at[key].get(Status.PENDING, 0) > turn:
        return None
    failed = FailedVersion(report.bucket, report.object_key, report.encoded_version_id or "")
    series = f"{RedisKeys().failures_prefix}:{site}"
    if any(facts.failed_at.get((series, member), 0) > turn for member in failed.spellings()):
        return None
    return f"the failure of {report.stored_key!r} at {site} is neither replayed nor recorded"


def paused_in(data: bytes) -> bool:
    """Return whether a node of the coordinator says that its site is paused."""
    state = decode_state(data)
    return state is not None and is_paused(state)


__all__ = [
    "inv_4_no_stale_overwrite",
    "inv_10_collection_is_safe",
    "inv_13_key_order",
    "inv_14_at_least_once",
    "inv_14_populator",
    "inv_15_bounded_replays",
    "inv_20_loop_free",
    "inv_21_pause",
    "name_at_target",
    "note_published",
    "paused_in",
]
