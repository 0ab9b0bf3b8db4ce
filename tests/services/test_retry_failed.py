"""Listing failures page by page, and retrying them; recorded cases are in golden/checkers/api_failed.py."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backbeat_core.domain.entry import ObjectEntry, decode_entry
from backbeat_core.domain.keys import DataPoint, FailedVersion, RedisKeys, Service, hour_start
from backbeat_core.domain.messages import FailureRecord
from backbeat_core.domain.status import Status
from backbeat_core.errors import (
    CacheUnavailable,
    LocationRefused,
    QueueUnavailable,
    StoreUnavailable,
)
from backbeat_core.ports.cache import AddMember, Count, Range
from backbeat_core.ports.queue import Message, Published
from backbeat_core.services.record_failures import FailureRecorder
from backbeat_core.services.retry_failed import PAGE, FailedOperations, RetryRequest, RetrySettings
from backbeat_core.testing.memory import MemoryCache, MemoryQueue
from golden.engines import drain
from support.engines import ENCODED_VERSION, HOUR_START_MS, NOW_MS, Engines, object_metadata

KEYS = RedisKeys()
HOUR_MS = 3_600_000
STATUS, REPLICATION = "backbeat-replication-status", "backbeat-replication"


@attrs.define(eq=False)
class Source:
    """A source whose versions all look alike; a few are gone, and it may be away."""

    metadata: Mapping[str, Any] = attrs.field(factory=object_metadata)
    gone: set[str] = attrs.field(factory=set)
    trouble: Exception | None = None
    asked: list[tuple[str, str, str]] = attrs.field(factory=list)

    def __call__(self, bucket: str, key: str, version: str) -> Mapping[str, Any] | None:
        self.asked.append((bucket, key, version))
        if self.trouble is not None:
            raise self.trouble
        return None if key in self.gone else self.metadata


def operations(engines: Engines, source: Source | None = None, **options: Any) -> FailedOperations:
    owners = itertools.count()
    return FailedOperations(
        engines.cache,
        engines.queue,
        engines.clock,
        source or Source(),
        lambda: f"owner {next(owners)}",
        RetrySettings(**options),
    )


def fail(engines: Engines, *names: str, site: str = "aws", at_ms: int = NOW_MS, version: str = "v") -> None:
    for name in names:
        member = FailedVersion("b", name, version).member()
        engines.cache.write([AddMember(KEYS.failures(site, hour_start(at_ms)), member, at_ms)])


def failing(engines: Engines, site: str = "aws") -> dict[str, int]:
    hours = [HOUR_START_MS - back * HOUR_MS for back in range(25)]
    answers = engines.cache.read([Range(KEYS.failures(site, hour)) for hour in hours])
    return {member: score for answer in answers if isinstance(answer, tuple) for member, score in answer}


def pending(engines: Engines, site: str = "aws") -> tuple[object, ...]:
    points = (DataPoint.OPS_PENDING, DataPoint.BYTES_PENDING)
    return tuple(engines.cache.read([Count(KEYS.pending(site, Service.CRR, point)) for point in points]))


def keys_of(body: Mapping[str, Any]) -> list[str]:
    return [version["Key"] for version in body["Versions"]]


def pages(failed: FailedOperations, site: str = "aws") -> list[Mapping[str, Any]]:
    found = [failed.list(site)]
    while found[-1]["IsTruncated"]:
        found.append(failed.list(site, found[-1]["NextMarker"]))
    return found


def test_a_failure_is_listed_with_the_members_of_the_wire() -> None:
    """http-api 5.2: in this order, the version as the source's metadata has it."""
    engines = Engines()
    fail(engines, "docs/a.txt")

    body = operations(engines).list("aws")

    assert (
        '{"IsTruncated": false, "Versions": [{"Bucket": "b", "Key": "docs/a.txt", '
        f'"VersionId": "{ENCODED_VERSION}", "StorageClass": "aws", "Size": 1024, '
        '"LastModified": "2024-05-01T09:58:02.117Z"}]}'
    ) == json.dumps(body)


def test_an_unversioned_object_has_no_version_id() -> None:
    engines = Engines()
    fail(engines, "k", version="")
    metadata = object_metadata()
    del metadata["versionId"]

    (version,) = operations(engines, Source(metadata)).list("aws")["Versions"]

    assert "VersionId" not in version


def test_without_a_site_nothing_is_listed() -> None:
    """D8."""
    engines = Engines()
    fail(engines, "k", site="undefined")

    assert {"IsTruncated": False, "Versions": []} == operations(engines).list(None)
    assert {"IsTruncated": False, "Versions": []} == operations(engines).list("")


@pytest.mark.parametrize("marker", [-1, 1, 9_999_999_999, HOUR_START_MS + HOUR_MS, HOUR_START_MS - 24 * HOUR_MS])
def test_a_marker_of_another_day_lists_nothing(marker: int) -> None:
    engines = Engines()
    fail(engines, "k")

    assert {"IsTruncated": False, "Versions": []} == operations(engines).list("aws", marker)


def test_what_the_source_has_no_more_is_left_out() -> None:
    engines = Engines()
    fail(engines, "gone", "here")

    assert ["here"] == keys_of(operations(engines, Source(gone={"gone"})).list("aws"))


def test_a_source_that_is_away_fails_the_listing() -> None:
    """5.2 [R]: a page with holes would look complete."""
    engines = Engines()
    fail(engines, "k")

    with pytest.raises(StoreUnavailable):
        operations(engines, Source(trouble=StoreUnavailable("away"))).list("aws")


def test_a_cache_that_is_away_fails_the_listing() -> None:
    """B36."""
    engines = Engines()
    engines.cache.unreachable = True

    with pytest.raises(CacheUnavailable):
        operations(engines).list("aws")
    with pytest.raises(CacheUnavailable):
        operations(engines).find("b", "k", "v", ["aws"])
    with pytest.raises(CacheUnavailable):
        operations(engines).retry([RetryRequest("b", "k", "aws", "v")])


def test_members_that_name_nothing_are_passed_over() -> None:
    engines = Engines()
    engines.cache.write([AddMember(KEYS.failures("aws", HOUR_START_MS), "foo", NOW_MS)])

    assert {"IsTruncated": False, "Versions": []} == operations(engines).list("aws")


@pytest.mark.parametrize("key", ["a:b", "::", "a/b:c", "[", '["x","y","z"]', "é ü", "a\nb"])
def test_keys_of_any_text_are_listed_found_and_retried(key: str) -> None:
    """B17, W-25."""
    engines = Engines()
    fail(engines, key)
    failed = operations(engines)

    assert [key] == keys_of(failed.list("aws"))
    assert [key] == keys_of(failed.find("b", key, "v", ["aws"]))
    assert [key] == [document["Key"] for document in failed.retry([RetryRequest("b", key, "aws", "v")])]
    assert {} == failing(engines)


def test_no_object_has_a_key_with_a_nul_in_it() -> None:
    """It would name a version of another object: it is where the version begins (queue-and-wire 3.2.1)."""
    engines = Engines()
    fail(engines, "k\0v")
    source = Source()

    assert [] == keys_of(operations(engines, source).list("aws"))
    assert () == operations(engines, source).retry([RetryRequest("b", "k\0v", "aws", "v", force=True)])
    assert [] == source.asked


def test_members_of_the_reference_with_colons_are_found_and_removed() -> None:
    """B17: what an older recorder has written is split at the first and the last colon."""
    engines = Engines()
    engines.cache.write([AddMember(KEYS.failures("aws", HOUR_START_MS), "b:a:b:v", NOW_MS)])
    failed = operations(engines)

    assert ["a:b"] == keys_of(failed.list("aws"))
    assert 1 == len(failed.retry([RetryRequest("b", "a:b", "aws", "v")]))
    assert {} == failing(engines)


def test_two_records_of_a_version_are_one_entry_and_become_one_record() -> None:
    """5.2: the gauges are decremented as the reference does (B40)."""
    engines = Engines()
    fail(engines, "k")
    fail(engines, "k", at_ms=NOW_MS - 3 * HOUR_MS)

    assert ["k"] == keys_of(operations(engines).list("aws"))
    assert {"b:k:v": NOW_MS - 3 * HOUR_MS} == failing(engines)
    assert (-1, -1024) == pending(engines)


# So many at a time, in an hour, all of them in the same millisecond or each in its own.
bursts = st.tuples(st.integers(0, 23), st.integers(1, 130), st.booleans())


@settings(max_examples=50, deadline=None)
@given(st.lists(bursts, max_size=6))
def test_pages_give_every_failure_once_and_end(failures: list[tuple[int, int, bool]]) -> None:
    """5.3 with B18: pages never overlap and always advance, also where many failed at the same time."""
    engines = Engines()
    times = [
        HOUR_START_MS - back * HOUR_MS + 1_000 * burst + (0 if at_once else number)
        for burst, (back, many, at_once) in enumerate(failures)
        for number in range(many)
    ]
    for number, at_ms in enumerate(times):
        fail(engines, f"k{number:03}", at_ms=at_ms)

    found = pages(operations(engines))

    listed = [[int(key[1:]) for key in keys_of(page)] for page in found]
    assert list(range(len(times))) == sorted(number for page in listed for number in page)
    assert all(len(page) >= PAGE for page in listed[:-1])
    for page, after in itertools.pairwise(listed):
        assert min(times[number] for number in page) > max(times[number] for number in after)
    for page, body in zip(listed, found, strict=True):
        in_order = sorted(page, key=lambda number: (-hour_start(times[number]), times[number], number))
        assert in_order == page
        assert ("NextMarker" in body) == body["IsTruncated"]


def test_equal_times_are_one_page_and_the_next_is_what_comes_below() -> None:
    """B18: the group at the end of the page is given whole; only then the marker is known."""
    engines = Engines()
    fail(engines, *(f"tie{number:03}" for number in range(150)), at_ms=HOUR_START_MS + 5)
    fail(engines, "newest", at_ms=HOUR_START_MS + 6)
    fail(engines, "below", at_ms=HOUR_START_MS + 4)
    fail(engines, "hour before", at_ms=HOUR_START_MS - 1)

    first, second = pages(operations(engines))

    assert [f"tie{number:03}" for number in range(150)] + ["newest"] == keys_of(first)
    assert HOUR_START_MS + 4 == first["NextMarker"]
    assert ["below", "hour before"] == keys_of(second)


def test_a_page_that_ends_with_its_hour_goes_on_with_the_next_that_has_any() -> None:
    engines = Engines()
    fail(engines, *(f"tie{number:03}" for number in range(PAGE + 1)), at_ms=HOUR_START_MS)
    fail(engines, "older", at_ms=HOUR_START_MS - 9 * HOUR_MS + 7)

    first, second = pages(operations(engines))

    assert PAGE + 1 == len(keys_of(first))
    assert HOUR_START_MS - 9 * HOUR_MS + 7 == first["NextMarker"]
    assert ["older"] == keys_of(second)


def test_the_last_place_of_a_page_goes_to_the_hour_before() -> None:
    engines = Engines()
    fail(engines, *(f"new{number:02}" for number in range(PAGE - 1)))
    fail(engines, "old1", at_ms=NOW_MS - HOUR_MS)
    fail(engines, "old0", at_ms=NOW_MS - HOUR_MS - 1)

    page = operations(engines).list("aws")

    assert PAGE == len(keys_of(page))
    assert "old1" == keys_of(page)[-1]
    assert NOW_MS - HOUR_MS - 1 == page["NextMarker"]


def test_members_in_the_wrong_hour_do_not_make_the_paging_go_in_circles() -> None:
    engines = Engines()
    key = KEYS.failures("aws", HOUR_START_MS - HOUR_MS)
    engines.cache.write([AddMember(key, f"b:k{n}:v", NOW_MS - 1000 + n) for n in range(250)])

    found = pages(operations(engines))

    assert 250 == len({key for page in found for key in keys_of(page)})
    assert 3 == len(found)


@pytest.mark.parametrize("failures", [1_000, 8_000])
def test_a_page_costs_the_same_whatever_has_failed(failures: int) -> None:
    """No question is answered with a whole set."""
    engines = Engines()
    names = [f"k{n}" for n in range(failures // 2)]
    for hour in range(2):
        set_of_hour = KEYS.failures("aws", HOUR_START_MS - hour * HOUR_MS)
        at_ms = HOUR_START_MS - hour * HOUR_MS
        engines.cache.write([AddMember(set_of_hour, f"b:{name}:v", at_ms + n) for n, name in enumerate(names)])
    source = Source()

    operations(engines, source).list("aws", HOUR_START_MS + failures // 4)

    assert engines.cache.reads <= 3
    assert engines.cache.members <= 2 * (PAGE + 1) + 22
    assert len(source.asked) == PAGE


@pytest.mark.parametrize("a_set", [1, 4, 60, 99])
def test_a_page_of_many_small_hours_costs_two_looks(a_set: int) -> None:
    engines = Engines()
    for hour in range(24):
        fail(engines, *(f"k{hour:02}-{n:02}" for n in range(a_set)), at_ms=HOUR_START_MS - hour * HOUR_MS)

    page = operations(engines).list("aws")

    assert min(24 * a_set, PAGE) <= len(keys_of(page)) <= PAGE + a_set
    assert engines.cache.reads <= 3
    assert engines.cache.members <= 24 * min(a_set, PAGE + 1) + 2 * PAGE


def test_a_version_is_found_at_each_site_in_the_order_of_the_sites() -> None:
    engines = Engines()
    source = Source()
    fail(engines, "k", site="zenko")
    fail(engines, "k", site="aws", at_ms=NOW_MS - HOUR_MS)
    fail(engines, "other", site="azure")

    body = operations(engines, source).find("b", "k", "v", ["aws", "azure", "zenko"])

    assert ["aws", "zenko"] == [version["StorageClass"] for version in body["Versions"]]
    assert [("b", "k", "v")] == source.asked
    assert not body["IsTruncated"]


def test_an_unversioned_object_is_found_without_a_version() -> None:
    """B19."""
    engines = Engines()
    fail(engines, "k", version="")

    assert ["k"] == keys_of(operations(engines).find("b", "k", "", ["aws"]))


def test_a_version_that_the_source_has_no_more_is_not_found() -> None:
    engines = Engines()
    fail(engines, "k")

    body = operations(engines, Source(gone={"k"})).find("b", "k", "v", ["aws"])

    assert {"IsTruncated": False, "Versions": []} == body


def sent(engines: Engines, topic: str) -> list[ObjectEntry]:
    entries = [decode_entry(record.value) for record in drain(engines.queue, topic)]
    return [entry for entry in entries if isinstance(entry, ObjectEntry)]


def test_a_retry_sends_two_messages_counts_and_forgets_the_failure() -> None:
    """http-api 5.5, the worked sequence."""
    engines = Engines()
    fail(engines, "docs/a.txt")
    failed = operations(engines)
    never_failed = RetryRequest("b", "never", "aws", "v")

    (document,) = failed.retry([RetryRequest("b", "docs/a.txt", "aws", "v"), never_failed])

    assert ["Bucket", "Key", "VersionId", "StorageClass", "Size", "LastModified", "ReplicationStatus"] == list(
        document
    )
    assert "PENDING" == document["ReplicationStatus"]
    (status,), (work,) = sent(engines, STATUS), sent(engines, REPLICATION)
    assert ("docs/a.txt", "aws", None) == (status.key, status.site, status.replay_count)
    assert "s3:Replication:OperationPendingReplication" == status.metadata["originOp"]
    assert ["aws", "zenko"] == list(status.info.sites)
    assert Status.PENDING is status.info.backends[0].status
    assert ("docs/a.txt", "aws", None) == (work.key, work.site, work.replay_count)
    assert ("aws",) == work.info.sites
    assert "aws" == work.info.storage_class
    assert (1, 1024) == pending(engines)
    assert {} == failing(engines)
    assert () == failed.retry([RetryRequest("b", "docs/a.txt", "aws", "v")])


def test_both_messages_go_where_all_of_the_object_goes() -> None:
    """3.2.3: the key of each is the object's, so that the later report cannot overtake."""
    engines = Engines()
    fail(engines, "docs/a.txt")
    operations(engines).retry([RetryRequest("b", "docs/a.txt", "aws", "v")])

    for topic in (STATUS, REPLICATION):
        (record,) = drain(engines.queue, topic)
        assert b"b%2Fdocs%2Fa.txt" == record.key


def test_a_forced_retry_needs_no_failure_and_leaves_one_standing() -> None:
    engines = Engines()
    fail(engines, "k")
    force = RetryRequest("b", "k", "aws", "v", force=True)

    assert 1 == len(operations(engines).retry([force]))
    assert 1 == len(operations(engines).retry([force]))
    assert {"b:k:v": NOW_MS} == failing(engines)
    assert (2, 2048) == pending(engines)


def test_a_site_that_has_completed_is_not_counted_as_pending() -> None:
    """B40: nothing would ever subtract it again."""
    engines = Engines()

    (document,) = operations(engines).retry([RetryRequest("b", "k", "zenko", "v", force=True)])

    assert "PENDING" == document["ReplicationStatus"]
    assert (0, 0) == pending(engines, "zenko")


def test_a_site_that_has_completed_is_not_set_to_work_again() -> None:
    """3.15: the report would be ignored and the work skipped; the answer is the same without them."""
    engines = Engines()

    operations(engines).retry([RetryRequest("b", "k", "zenko", "v", force=True)])

    assert [] == sent(engines, STATUS)
    assert [] == sent(engines, REPLICATION)


def test_a_site_that_the_object_does_not_name_is_answered_and_not_counted() -> None:
    """5.5: the site of a retry is not checked; INV-16: nobody would ever take it off again."""
    engines = Engines()

    (document,) = operations(engines).retry([RetryRequest("b", "k", "nowhere", "v", force=True)])

    assert ("nowhere", "PENDING") == (document["StorageClass"], document["ReplicationStatus"])
    assert 1 == len(sent(engines, REPLICATION))
    assert (0, 0) == pending(engines, "nowhere")


def test_metadata_alone_has_no_bytes() -> None:
    """B32."""
    engines = Engines()
    metadata = object_metadata()
    metadata["replicationInfo"]["content"] = ["METADATA", "PUT_TAGGING"]

    operations(engines, Source(metadata)).retry([RetryRequest("b", "k", "aws", "v", force=True)])

    assert (1, 0) == pending(engines)


def test_the_answer_names_the_role_that_reads_the_source_if_it_is_wanted() -> None:
    engines = Engines()
    force = RetryRequest("b", "k", "aws", "v", force=True)

    (document,) = operations(engines, with_role=True).retry([force])

    assert "arn:aws:iam::1:role/source" == document["Role"]
    assert "Role" == list(document)[-1]


def test_a_source_that_does_not_answer_keeps_the_failure_and_frees_the_lock() -> None:
    """B22, and the issue: a source that answers 503 during a retry."""
    engines = Engines()
    fail(engines, "k")
    source = Source(trouble=StoreUnavailable("503"))
    failed = operations(engines, source)
    request = RetryRequest("b", "k", "aws", "v")

    assert () == failed.retry([request])
    assert {"b:k:v": NOW_MS} == failing(engines)
    source.trouble = None
    assert 1 == len(failed.retry([request]))


@pytest.mark.parametrize("trouble", [LocationRefused("access denied"), StoreUnavailable("away")])
def test_only_what_the_source_has_no_more_is_forgotten(trouble: Exception) -> None:
    engines = Engines()
    fail(engines, "gone", "here")
    requests = [RetryRequest("b", key, "aws", "v") for key in ("gone", "here")]

    assert () == operations(engines, Source(trouble=trouble)).retry(requests)
    assert 2 == len(failing(engines))
    assert 1 == len(operations(engines, Source(gone={"gone"})).retry(requests))
    assert {} == failing(engines)
    assert (1, 1024) == pending(engines)


def test_metadata_that_cannot_be_read_keeps_the_failure() -> None:
    engines = Engines()
    fail(engines, "k")
    source = Source(object_metadata(replicationInfo={"backends": "none"}))

    assert () == operations(engines, source).retry([RetryRequest("b", "k", "aws", "v")])
    assert {"b:k:v": NOW_MS} == failing(engines)


def test_a_cache_that_goes_away_in_the_middle_fails_the_retry_and_keeps_the_failure() -> None:
    """What was sent is sent; nobody is told that it was not, and the lock goes by itself."""
    engines = Engines()
    fail(engines, "k")
    request = RetryRequest("b", "k", "aws", "v")

    class Going(Source):
        def __call__(self, bucket: str, key: str, version: str) -> Mapping[str, Any] | None:
            engines.cache.unreachable = True
            return super().__call__(bucket, key, version)

    with pytest.raises(CacheUnavailable):
        operations(engines, Going()).retry([request])
    engines.cache.unreachable = False
    assert {"b:k:v": NOW_MS} == failing(engines)
    engines.clock.advance(299_999)
    assert not engines.cache.acquire(request.lock, "next", 1)
    engines.clock.advance(1)
    assert 1 == len(operations(engines).retry([request]))


@attrs.define(eq=False)
class RefusingQueue(MemoryQueue):
    """A queue that refuses what goes to one topic, or every message after the first few."""

    refused: str = ""
    accept: int = 1000

    def publish(self, topic: str, messages: Any) -> Any:
        self.accept -= 1
        if topic == self.refused or self.accept < 0:
            return [QueueUnavailable(f"{topic} is away")] * len(messages)
        return super().publish(topic, messages)


@pytest.mark.parametrize(("refused", "before"), [(STATUS, 0), (REPLICATION, 1)])
def test_when_nothing_could_be_queued_the_retry_fails_and_can_be_repeated(refused: str, before: int) -> None:
    """5.5 step 2: the failure stays, the lock is given back, and the status message always comes first."""
    engines = Engines()
    fail(engines, "k")
    engines.queue = queue = RefusingQueue(engines.clock, refused=refused)
    request = RetryRequest("b", "k", "aws", "v")

    with pytest.raises(QueueUnavailable):
        operations(engines).retry([request])
    assert before == len(sent(engines, STATUS))
    assert [] == sent(engines, REPLICATION)
    assert {"b:k:v": NOW_MS} == failing(engines)
    assert (0, 0) == pending(engines)
    queue.refused = ""
    assert 1 == len(operations(engines).retry([request]))


def test_what_could_be_queued_is_answered() -> None:
    engines = Engines()
    fail(engines, "one", "two")
    engines.queue = RefusingQueue(engines.clock, accept=2)

    documents = operations(engines).retry([RetryRequest("b", key, "aws", "v") for key in ("one", "two")])

    assert ["one"] == [document["Key"] for document in documents]
    assert {"b:two:v": NOW_MS} == failing(engines)


def test_a_version_that_another_process_retries_is_left_to_it() -> None:
    engines = Engines()
    fail(engines, "k")
    request = RetryRequest("b", "k", "aws", "v")
    engines.cache.acquire(request.lock, "another", 300_000)

    assert () == operations(engines).retry([request])
    assert () == operations(engines).retry([attrs.evolve(request, force=True)])
    assert not engines.cache.acquire(request.lock, "third", 1)
    engines.clock.advance(300_000)
    assert 1 == len(operations(engines).retry([request]))


@pytest.mark.parametrize("version", ["v", ""])
def test_the_lock_is_given_back_however_the_retry_ends(version: str) -> None:
    """B21: the reference spells the name of an absent version in two ways."""
    engines = Engines()
    request = RetryRequest("b", "k", "aws", version, force=True)
    failed = operations(engines)

    for _ in range(3):
        assert 1 == len(failed.retry([request]))
    assert engines.cache.acquire(request.lock, "next", 1)


def test_of_two_retries_that_looked_at_the_same_time_one_is_done() -> None:
    """Between the first look and the lock the other may have finished: it looks again."""
    engines = Engines()
    fail(engines, "k")
    request = RetryRequest("b", "k", "aws", "v")
    other = operations(engines)

    class LateCache(MemoryCache):
        def acquire(self, key: str, owner: str, ttl_ms: int) -> bool:
            assert 1 == len(other.retry([request]))
            return super().acquire(key, owner, ttl_ms)

    late = attrs.evolve(other, cache=LateCache(engines.clock, engines.cache.keys))

    assert () == late.retry([request])
    assert 1 == len(sent(engines, REPLICATION))


def test_elements_are_answered_once_and_in_their_order() -> None:
    engines = Engines()
    names = ["c", "a", "b"]
    fail(engines, *names)
    requests = [RetryRequest("b", name, "aws", "v") for name in [*names, "a"]]

    assert names == [document["Key"] for document in operations(engines).retry(requests)]


def test_a_version_that_failed_in_two_hours_is_retried_once_and_forgotten_twice() -> None:
    engines = Engines()
    fail(engines, "k")
    fail(engines, "k", at_ms=NOW_MS - HOUR_MS)

    assert 1 == len(operations(engines).retry([RetryRequest("b", "k", "aws", "v")]))
    assert {} == failing(engines)


def test_fifty_versions_cost_two_looks_at_the_failures() -> None:
    engines = Engines()
    names = [f"k{n}" for n in range(50)]
    fail(engines, *names)

    assert 50 == len(operations(engines).retry([RetryRequest("b", name, "aws", "v") for name in names]))
    assert 2 == engines.cache.reads


def test_a_failure_is_recorded_for_a_day_from_the_start_of_its_hour() -> None:
    """5.1, W-48: the expiry goes in the same write as the member."""
    engines = Engines()
    entry = ObjectEntry("b", "k", object_metadata())
    record = FailureRecord.of(entry, "aws", NOW_MS)

    FailureRecorder(engines.cache, engines.clock).record_value(record.encode())

    assert {f"b:k:{ENCODED_VERSION}": NOW_MS} == failing(engines)
    engines.clock.monotonic_ms += 86_400_000 - (NOW_MS - HOUR_START_MS) - 1
    assert 1 == len(failing(engines))
    engines.clock.monotonic_ms += 1
    assert {} == failing(engines)


def test_a_version_that_fails_again_stands_in_its_newest_hour_only() -> None:
    """W-54, whichever way the older record is spelled."""
    engines = Engines()
    for hour, member in ((0, '["b","k","v"]'), (2, "b:k:v")):
        key = KEYS.failures("aws", HOUR_START_MS - hour * HOUR_MS)
        engines.cache.write([AddMember(key, member, NOW_MS - hour * HOUR_MS - 1)])

    record = FailureRecord(KEYS.failures("aws", HOUR_START_MS), "b:k:v", NOW_MS)
    FailureRecorder(engines.cache, engines.clock).record(record)
    FailureRecorder(engines.cache, engines.clock).record(record)

    assert {"b:k:v": NOW_MS} == failing(engines)


def test_a_failure_that_could_not_be_recorded_is_to_be_delivered_again() -> None:
    """W-21."""
    engines = Engines()
    engines.cache.unreachable = True

    with pytest.raises(CacheUnavailable):
        FailureRecorder(engines.cache, engines.clock).record(FailureRecord("bb:crr:failed:aws:0", "b:k:v", 1))


def test_messages_are_those_that_a_queue_hands_out() -> None:
    """What is published is what the workers decode: the status message is a report of the site."""
    engines = Engines()
    fail(engines, "k")
    operations(engines).retry([RetryRequest("b", "k", "aws", "v")])
    (entry,) = sent(engines, STATUS)

    (result,) = engines.queue.publish("again", [Message(entry.encode(), entry.message_key)])

    assert isinstance(result, Published)
    assert entry.encode() == drain(engines.queue, "again")[0].value
