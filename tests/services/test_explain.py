"""Why a version is in its state: each answer from what is stored, and what is not stored not said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from backbeat_core.domain import wire
from backbeat_core.domain.attempts import MOST_KEPT, Attempt, Result
from backbeat_core.domain.configuration import ReplicationConfiguration, Rule
from backbeat_core.domain.entry import ObjectEntry
from backbeat_core.domain.keys import DataPoint, FailedVersion, RedisKeys, Service, state_path
from backbeat_core.domain.outcome import ReplayQueued, Replicated, ReplicationFailed, ReplicationSkipped
from backbeat_core.errors import CacheUnavailable, InvalidDocument, NotFound
from backbeat_core.ports.cache import AddMember, SetCounter, Size
from backbeat_core.ports.queue import Message, Record
from backbeat_core.queueing.outcome import DONE, Crashed, Done, Failed, Outcome, Retry
from backbeat_core.services.explain import Explain, ExplainSettings
from backbeat_core.services.record_attempts import AttemptRecorder
from support.engines import ENCODED_VERSION, HOUR_START_MS, NOW_MS, Engines, object_metadata

KEYS = RedisKeys()
TOPIC, STATUS = "backbeat-replication", "backbeat-replication-status"
GROUP, STATUS_GROUP = "backbeat-replication-group-aws", "backbeat-replication-status-group"
RULE = Rule("rule-1", "docs/", storage_class="aws,zenko")


def waiting(status: str = "PENDING", **members: Any) -> dict[str, Any]:
    metadata = object_metadata(**members)
    metadata["replicationInfo"]["backends"][0]["status"] = status
    metadata["replicationInfo"]["status"] = status
    return metadata


def explained(
    engines: Engines,
    metadata: Mapping[str, Any] | None,
    *,
    rules: tuple[Rule, ...] | None = (RULE,),
    **settings: Any,
) -> dict[str, Any]:
    configuration = None if rules is None else ReplicationConfiguration("role", "arn:aws:s3:::t", rules)
    explain = Explain(
        engines.cache,
        engines.queue,
        engines.coordinator,
        engines.clock,
        lambda bucket, key, version: metadata,
        lambda bucket: configuration,
        ExplainSettings(**settings),
    )
    body = explain("b", "docs/a.txt", "")
    json.dumps(body)
    return body


def now(body: Mapping[str, Any], site: str = "aws") -> Mapping[str, Any]:
    (found,) = [each for each in body["Sites"] if each["Site"] == site]
    return dict(found["Now"])


def queue_entries(engines: Engines, topic: str, count: int, *, done: int, group: str = GROUP) -> None:
    """Put entries into the partition of the object's key, of which the group has finished the first."""
    key = ObjectEntry("b", "docs/a.txt", object_metadata()).message_key
    (first, *_) = engines.queue.publish(topic, [Message(b"x", key)] * count)
    partition = getattr(first, "partition", -1)
    engines.queue.seek(topic, group, {partition: done})


def recorder(engines: Engines, site: str | None = "aws") -> AttemptRecorder:
    return AttemptRecorder(engines.cache, engines.clock, site)


def finished(engines: Engines, outcome: Outcome, *, deliveries: int = 1, site: str | None = "aws") -> None:
    entry = ObjectEntry("b", "docs/a.txt", object_metadata(), site="aws")
    record = Record(TOPIC, 0, 7, entry.encode(), entry.message_key)
    recorder(engines, site).finished(record, outcome, deliveries)


def attempts(engines: Engines) -> list[Mapping[str, Any]]:
    return list(explained(engines, waiting())["Sites"][0]["Attempts"])


def test_a_version_that_is_not_there_is_not_found() -> None:
    with pytest.raises(NotFound):
        explained(Engines(), None)


def test_a_cache_that_is_away_explains_nothing() -> None:
    engines = Engines()
    engines.cache.unreachable = True

    with pytest.raises(CacheUnavailable):
        explained(engines, waiting())


def test_metadata_that_cannot_be_read_says_so() -> None:
    with pytest.raises(InvalidDocument):
        explained(Engines(), object_metadata(replicationInfo={"backends": "none"}))


def test_an_explanation_names_the_version_and_its_rule() -> None:
    body = explained(Engines(), waiting())

    assert ["Bucket", "Key", "VersionId", "LastModified", "Status", "ArmedBy", "Sites"] == list(body)
    assert (ENCODED_VERSION, "PENDING") == (body["VersionId"], body["Status"])
    assert ("rule-1", "docs/") == (body["ArmedBy"]["Rule"], body["ArmedBy"]["Prefix"])
    assert ["aws", "zenko"] == [each["Site"] for each in body["Sites"]]


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ((RULE,), "the rule that matches"),
        ((Rule("other", "", storage_class="azure"),), "an earlier form of the rule"),
        ((Rule("off", "docs/", enabled=False),), "no longer there"),
        (None, "no longer has"),
    ],
)
def test_a_version_that_is_armed_is_compared_with_what_is_configured_now(
    rules: tuple[Rule, ...] | None, reason: str
) -> None:
    assert reason in explained(Engines(), waiting(), rules=rules)["ArmedBy"]["Reason"]


@pytest.mark.parametrize(
    ("info", "rules", "reason"),
    [
        (None, None, "no replication configuration"),
        (None, (Rule("other", "logs/"),), "no rule matches"),
        (None, (RULE,), "before the rule"),
        ({"status": "REPLICA", "backends": []}, (RULE,), "a replica itself"),
    ],
)
def test_a_version_that_is_not_armed_is_told_why(info: Any, rules: Any, reason: str) -> None:
    body = explained(Engines(), object_metadata(replicationInfo=info), rules=rules)

    assert reason in body["ArmedBy"]["Reason"]
    assert [] == body["Sites"]


def test_a_site_that_has_it_is_done() -> None:
    body = explained(Engines(), waiting())

    assert {"State": "completed"} == now(body, "zenko")
    assert "z1" == body["Sites"][1]["DataStoreVersionId"]


def test_an_entry_waits_behind_the_lag_of_its_partition() -> None:
    engines = Engines()
    queue_entries(engines, TOPIC, 5, done=2)

    assert {"State": "queued", "Topic": TOPIC, "Lag": 3} == now(explained(engines, waiting()))


def test_a_group_that_never_read_leaves_it_stuck() -> None:
    engines = Engines()
    engines.queue.publish(TOPIC, [Message(b"x", ObjectEntry("b", "docs/a.txt", {}).message_key)])

    found = now(explained(engines, waiting()))

    assert ("stuck", None) == (found["State"], found["Lag"])
    assert "has ever read" in found["Reason"]


def test_an_entry_whose_bytes_are_coming_is_in_work() -> None:
    engines = Engines()
    queue_entries(engines, TOPIC, 1, done=0)
    for point, number in ((DataPoint.OBJECT_BYTES, 1024), (DataPoint.OBJECT_BYTES_DONE, 256)):
        key = KEYS.object_counter("aws", "b", "docs/a.txt", ENCODED_VERSION, point, 1_714_557_900_000)
        engines.cache.write([SetCounter(key, number)])

    body = explained(engines, waiting())

    assert "working" == now(body)["State"]
    assert {"Queued": 1024, "Done": 256} == body["Sites"][0]["Bytes"]


def test_a_paused_site_is_told_with_its_schedule() -> None:
    engines = Engines()
    queue_entries(engines, TOPIC, 1, done=0)
    state = {"paused": True, "scheduledResume": wire.iso(NOW_MS + 1)}
    engines.coordinator.put(state_path(Service.CRR, "aws"), json.dumps(state).encode())

    body = explained(engines, waiting())

    assert "paused" == now(body)["State"]
    assert (True, wire.iso(NOW_MS + 1)) == (body["Sites"][0]["Paused"], body["Sites"][0]["ScheduledResume"])
    assert body["Sites"][1]["Paused"] is None


def test_a_parked_entry_is_told_with_its_errors_and_its_time() -> None:
    engines = Engines()
    queue_entries(engines, TOPIC, 1, done=0)
    finished(engines, Retry(30_000, "503 slow down"), deliveries=2)

    body = explained(engines, waiting())

    assert {"State": "parked", "Until": wire.iso(NOW_MS + 30_000), "Topic": TOPIC, "Lag": 1} == now(body)
    assert [
        {
            "At": wire.iso(NOW_MS),
            "Until": wire.iso(NOW_MS + 30_000),
            "Number": 2,
            "Result": "parked",
            "Reason": "503 slow down",
        }
    ] == body["Sites"][0]["Attempts"]
    engines.clock.advance(30_000)
    assert "queued" == now(explained(engines, waiting()))["State"]


def test_a_replay_is_told_with_its_number() -> None:
    engines = Engines()
    entry = ObjectEntry("b", "docs/a.txt", object_metadata(), site="aws")
    finished(engines, Done(ReplayQueued(entry, "aws", "replay-0", left=4, total=7, first=False)), site=None)
    queue_entries(engines, "replay-0", 2, done=1)

    assert {"State": "replaying", "Replay": 3, "Of": 7, "Topic": "replay-0", "Lag": 1} == now(
        explained(engines, waiting())
    )


def test_what_has_ended_and_is_not_written_yet_is_being_reported() -> None:
    engines = Engines()
    queue_entries(engines, STATUS, 1, done=0, group=STATUS_GROUP)

    assert {"State": "reporting", "Topic": STATUS, "Lag": 1} == now(explained(engines, waiting()))


def test_a_report_is_known_before_the_lag_of_others_is() -> None:
    engines = Engines()
    entry = ObjectEntry("b", "docs/a.txt", object_metadata())
    finished(engines, Done(ReplicationFailed(entry, "aws", "LocationRefused", "no")))
    queue_entries(engines, TOPIC, 3, done=1)
    queue_entries(engines, STATUS, 1, done=0, group=STATUS_GROUP)

    body = explained(engines, waiting())

    assert "reporting" == now(body)["State"]
    assert ("LocationRefused", "no") == tuple(
        body["Sites"][0]["Attempts"][0][name] for name in ("Error", "Reason")
    )


def test_what_nobody_works_on_is_stuck_and_why() -> None:
    """CE-8: and when it is queued again."""
    engines = Engines()

    found = now(explained(engines, waiting()))

    assert "stuck" == found["State"]
    assert "queued again after 2024-05-01T10:58:02.117Z" in found["Reason"]
    assert "again" not in now(explained(engines, waiting(), reconciled_after_ms=None))["Reason"]


@pytest.mark.parametrize("member", FailedVersion("b", "docs/a.txt", ENCODED_VERSION).spellings())
def test_a_failure_is_told_with_its_time(member: str) -> None:
    engines = Engines()
    engines.cache.write([AddMember(KEYS.failures("aws", HOUR_START_MS), member, NOW_MS)])

    body = explained(engines, object_metadata())

    assert {"State": "failed", "Listed": True} == now(body)
    assert wire.iso(NOW_MS) == body["Sites"][0]["FailedSince"]


def test_a_failure_that_is_not_listed_any_more_must_be_forced() -> None:
    found = now(explained(Engines(), object_metadata()))

    assert ("failed", False) == (found["State"], found["Listed"])
    assert "forced" in found["Reason"]


def test_one_look_at_the_cache_is_enough_for_a_site() -> None:
    engines = Engines()

    explained(engines, waiting())

    assert 2 == engines.cache.reads


@pytest.mark.parametrize(
    ("outcome", "deliveries", "result"),
    [
        (Retry(None, "later"), 1, Result.PARKED),
        (Crashed(ValueError("oops")), 1, Result.PARKED),
        (Failed("undecodable"), 1, Result.FAILED),
        (Done(ReplicationSkipped("version gone")), 2, Result.SKIPPED),
        (Done(Replicated(ObjectEntry("b", "k", {}), "aws", 1)), 2, Result.COMPLETED),
    ],
)
def test_trouble_and_its_end_are_written_down(outcome: Outcome, deliveries: int, result: Result) -> None:
    engines = Engines()

    finished(engines, outcome, deliveries=deliveries)

    assert [result.value] == [attempt["Result"] for attempt in attempts(engines)]


@pytest.mark.parametrize(
    "outcome",
    [DONE, Done(ReplicationSkipped("for other sites")), Done(Replicated(ObjectEntry("b", "k", {}), "aws", 1))],
)
def test_what_goes_well_at_once_costs_nothing(outcome: Outcome) -> None:
    engines = Engines()

    finished(engines, outcome)

    assert [] == engines.cache.writes
    assert 0 == engines.cache.reads


def test_only_the_newest_attempts_are_kept_and_not_for_ever() -> None:
    engines = Engines()
    for _ in range(MOST_KEPT + 5):
        engines.clock.advance(1)
        finished(engines, Retry(1, "x" * 10_000))

    found = attempts(engines)

    assert MOST_KEPT == len(found)
    assert wire.iso(engines.clock.now_ms()) == found[-1]["At"]
    assert all(len(attempt["Reason"]) <= 512 for attempt in found)
    engines.clock.advance(7 * 86_400_000)
    assert [] == attempts(engines)


def test_a_record_that_is_no_object_leaves_no_attempt() -> None:
    engines = Engines()
    for value in (b"{", b'{"canary":true}'):
        recorder(engines).finished(Record(TOPIC, 0, 0, value), Retry(1))
    entry = ObjectEntry("b", "k", object_metadata())
    recorder(engines, None).finished(Record(STATUS, 0, 0, entry.encode()), Retry(1))

    assert [] == engines.cache.writes


def test_an_attempt_that_cannot_be_kept_disturbs_nobody() -> None:
    engines = Engines()
    engines.cache.unreachable = True

    finished(engines, Retry(1))


def test_what_stands_among_the_attempts_and_is_none_is_passed_over() -> None:
    engines = Engines()
    finished(engines, Retry(1, "later"))
    (key,) = [key for key in engines.cache.keys.entries if ":attempts:" in key]
    engines.cache.write([AddMember(key, "x", 1), AddMember(key, '{"at":1,"result":"odd"}', 2)])

    assert 1 == len(attempts(engines))
    assert [3] == list(engines.cache.read([Size(key)]))


def test_an_attempt_is_read_as_it_was_written() -> None:
    attempt = Attempt(NOW_MS, Result.REPLAYED, 3, topic="replay-0", left=1, total=2)

    assert attempt == Attempt.decode(attempt.encode())
