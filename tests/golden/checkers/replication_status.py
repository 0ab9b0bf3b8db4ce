"""The status of an object: derived, reported, folded into what is stored, and replayed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import attrs

from backbeat_core.domain.entry import ObjectEntry, retry_entry, status_entry
from backbeat_core.domain.info import ReplicationInfo
from backbeat_core.domain.replays import Replays, ReplayTopic
from backbeat_core.domain.status import Status, derive
from golden import status_model as model
from golden.status_run import StatusRun
from golden.vectors import Case, Check

REPORTS: Final = {
    "toPendingEntry": Status.PENDING,
    "toCompletedEntry": Status.COMPLETED,
    "toFailedEntry": Status.FAILED,
}


def check_global_status(case: Case) -> None:
    statuses = case.input["siteStatuses"]
    derived = derive(Status(status) for status in statuses)

    assert model.derived(statuses) == derived.value
    if model.derives_as_recorded(statuses):
        assert case.expected["status"] == derived.value


def check_replay_topics(case: Case) -> None:
    replays = replays_of(case.input["replayTopics"])

    assert (case.expected["attemptTopics"] or []) == list(replays.attempts)
    assert case.expected["topicNames"] == list(replays.names)


def replays_of(topics: Iterable[Mapping[str, Any]] | None) -> Replays:
    return Replays.from_topics(ReplayTopic(each["topicName"], each["retries"]) for each in topics or ())


# Entries.


def check_entry_ops(case: Case) -> None:
    """Each operation is applied to what the reference had before it, so that no difference spreads."""
    given = case.input
    before = _first(given)
    for operation, recorded in zip(given["ops"], case.expected["steps"], strict=True):
        after = _apply(before, operation)

        _assert_step(before, operation, after, recorded)
        before = _recorded_entry(given, recorded)


def check_aliasing(case: Case) -> None:
    """What the reference shares between entries is a value here: nothing is seen in another entry (4.1)."""
    given = case.input
    entries = [_first(given)]
    expected = [entries[0].info.to_document()]
    for operation in given["ops"]:
        entries.append(_apply(entries[operation["on"]], operation))
        expected.append(model.applied(expected[operation["on"]], operation))

    assert expected == [entry.info.to_document() for entry in entries]


def _first(given: Mapping[str, Any]) -> ObjectEntry:
    return ObjectEntry(
        given["bucket"],
        given["key"],
        given["objectMd"],
        site=given.get("site"),
        replay_count=given.get("replayCount"),
        account_id=given.get("accountId"),
    )


def _recorded_entry(given: Mapping[str, Any], recorded: Mapping[str, Any]) -> ObjectEntry:
    metadata = {
        **given["objectMd"],
        "replicationInfo": recorded["replicationInfo"],
        "originOp": recorded["originOp"],
    }
    return ObjectEntry(
        recorded["bucket"],
        recorded["key"],
        metadata,
        replay_count=recorded.get("replayCount"),
        account_id=recorded["accountId"],
    )


def _apply(entry: ObjectEntry, operation: Mapping[str, Any]) -> ObjectEntry:
    name, site = operation["op"], operation.get("site", "")
    if name in REPORTS:
        return status_entry(entry, site, REPORTS[name])
    if name == "toRetryEntry":
        return retry_entry(entry, site, entry.replay_count)
    if name == "toReplicaEntry":
        moved = attrs.evolve(entry, bucket=entry.info.target_bucket)
        return moved.with_info(entry.info.as_replica(site))
    if name == "clone":
        return attrs.evolve(entry)
    return entry.with_info(_SETTERS[name](entry.info, site, operation["value"]))


def _set_site(attribute: str) -> Callable[[ReplicationInfo, str, Any], ReplicationInfo]:
    def change(info: ReplicationInfo, site: str, value: Any) -> ReplicationInfo:
        value = Status(value) if attribute == "status" else value
        backends = [
            attrs.evolve(backend, **{attribute: value}) if backend.site == site else backend
            for backend in info.backends
        ]
        return attrs.evolve(info, backends=tuple(backends))

    return change


def _set(attribute: str, convert: Callable[[Any], Any]) -> Callable[[ReplicationInfo, str, Any], ReplicationInfo]:
    return lambda info, site, value: attrs.evolve(info, **{attribute: convert(value)})


def _set_all(info: ReplicationInfo, site: str, value: Any) -> ReplicationInfo:
    return ReplicationInfo.from_document(value)


_SETTERS: Final[Mapping[str, Callable[[ReplicationInfo, str, Any], ReplicationInfo]]] = {
    "setReplicationInfo": _set_all,
    "setReplicationStatus": _set("status", Status),
    "setReplicationContent": _set("content", tuple),
    "setReplicationStorageClass": _set("storage_class", str),
    "setReplicationStorageType": _set("storage_type", str),
    "setReplicationDataStoreVersionId": _set("data_store_version_id", str),
    "setReplicationIsNFS": _set("is_nfs", bool),
    "setReplicationSiteStatus": _set_site("status"),
    "setReplicationSiteDataStoreVersionId": _set_site("data_store_version_id"),
}


def _assert_step(
    before: ObjectEntry, operation: Mapping[str, Any], after: ObjectEntry, recorded: Mapping[str, Any]
) -> None:
    name = operation["op"]
    ours, theirs = after.info, ReplicationInfo.from_document(recorded["replicationInfo"])

    assert (recorded["bucket"], recorded["key"]) == (after.bucket, after.key)
    assert recorded["originOp"] == after.metadata["originOp"]
    assert recorded.get("replayCount") == after.replay_count
    if name != "clone":  # a clone of the reference forgets the account, a value can't
        assert recorded["accountId"] == after.account_id
    if name in (*REPORTS, "toReplicaEntry", "toRetryEntry"):
        assert model.applied(before.info.to_document(), operation) == ours.to_document()
    if not model.differs_in_backends(before.info.to_document(), operation):
        assert theirs.backends == ours.backends
    if not model.differs_in_status(before.info.to_document(), operation):
        assert theirs.status == ours.status
        assert recorded["globalStatus"] == ours.status.value
    rest = {"status": Status.NONE, "backends": (), "extras": {}}

    assert attrs.evolve(theirs, **rest) == attrs.evolve(ours, **rest)


# Reports, through the use case that folds them into the store.


def check_status_update(case: Case) -> None:
    given = case.input
    expected = model.updated(given)
    run = StatusRun.of(given, replays_of(given.get("replayTopics")))

    assert expected == run.told(given)
    if not model.updates_otherwise(given, case.expected):
        assert model.as_recorded(case.expected) == expected


CHECKS: Final[Mapping[str, Check]] = {
    "global_status": check_global_status,
    "replay_topics": check_replay_topics,
    "entry_ops": check_entry_ops,
    "entry_ops_aliasing": check_aliasing,
    "status_update": check_status_update,
}
