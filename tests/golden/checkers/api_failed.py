"""Listing failures and retrying them, with what it does to Redis and which messages are sent (http-api 5)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from backbeat_core.errors import BackbeatError, InvalidDocument
from backbeat_core.http.bodies import parse_retry
from backbeat_core.http.routes import Operation
from backbeat_core.http.routing import Refusal, Sites, resolve
from backbeat_core.ports.queue import Record
from backbeat_core.services.retry_failed import FailedOperations, RetryRequest, RetrySettings
from backbeat_core.testing.memory import ManualClock, MemoryCache, MemoryQueue
from golden.engines import LOCK, cache_of, clock_at, counters, drain, sets
from golden.vectors import Case, Check, answer

_HOUR_MS: Final = 3_600_000
_PAGE: Final = 100
_TOPICS: Final = ("backbeat-replication-status", "backbeat-replication")
_ROLE: Final = "arn:aws:iam::1:role/s,arn:aws:iam::2:role/d"
_BACKENDS: Final = ("zenko", "aws-location")


@attrs.define
class _World:
    """The engines of a case, its source, and what the source was asked for."""

    case: Case
    asked: list[tuple[str, str, str]] = attrs.field(factory=list)
    clock: ManualClock = attrs.field(init=False)
    cache: MemoryCache = attrs.field(init=False)
    queue: MemoryQueue = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.clock = clock_at(self.case.input["nowMs"])
        self.cache = cache_of(self.case.input, self.clock)
        self.queue = MemoryQueue(self.clock)

    def operations(self) -> FailedOperations:
        settings = RetrySettings(with_role=self.case.input.get("sourceAuthType") == "role")
        return FailedOperations(self.cache, self.queue, self.clock, self.read, lambda: "me", settings)

    def read(self, bucket: str, key: str, version: str) -> Mapping[str, Any] | None:
        self.asked.append((bucket, key, version))
        if f"{bucket}:{key}:{version}" in self.case.input.get("missingObjects", ()):
            return None
        return metadata(self.case.input["objectMetadata"])

    def strings_and_sets(self, after: Mapping[str, Any]) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
        strings, named = self.case.input["strings"], self.case.input["sortedSets"]
        pending = [f"{site}:bb:crr:{name}" for site in _sites_of(named) for name in ("opspending", "bytespending")]
        return (
            counters(self.cache, strings, after["strings"], dict.fromkeys(pending)),
            sets(self.cache, named, after["sortedSets"]),
        )


def metadata(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the source's metadata: that of the case, failed at each configured site."""
    return {
        "content-length": given["contentLength"],
        "last-modified": given["lastModified"],
        "versionId": given["versionId"],
        "originOp": "s3:ObjectCreated:Put",
        "replicationInfo": {
            "status": "FAILED",
            "backends": [{"site": site, "status": "FAILED", "dataStoreVersionId": ""} for site in _BACKENDS],
            "content": ["DATA", "METADATA"],
            "destination": "arn:aws:s3:::d",
            "storageClass": ",".join(_BACKENDS),
            "role": _ROLE,
            "storageType": "",
            "dataStoreVersionId": "",
            "isNFS": None,
        },
    }


def check_list(case: Case) -> None:
    sites = Sites(**case.input["sites"])
    found = resolve(case.input["method"], case.input["url"], lambda: sites)
    if isinstance(found, Refusal):
        assert marker_is_no_number(case.input["url"])
        assert found.row.status == 400
        return
    world = _World(case)
    operations = world.operations()
    if found.operation is Operation.FAILED_OBJECT:
        body = operations.find(found.bucket, found.key, found.version_id, sites.crr)
    else:
        body = operations.list(found.sitename, found.marker or 0)
    expected = case.expected["body"]
    if found.operation is Operation.FAILED_OBJECT and not found.version_id:
        expected = unversioned_is_found_b19(case, found.bucket, found.key, sites.crr)
    elif found.operation is Operation.FAILED_AT_SITE and found.sitename is None:
        expected = {"IsTruncated": False, "Versions": []}  # D8
    elif found.operation is Operation.FAILED_AT_SITE:
        expected = listed(case, found.sitename or "", found.marker or 0)
        assert recorded_agrees(case, expected)

    assert json.dumps(expected) == json.dumps(body)
    assert asked_once(case, world.asked)
    if "redisAfter" in case.expected:
        assert one_copy_is_left_w54(case) == world.strings_and_sets(case.expected["redisAfter"])


def listed(case: Case, site: str, marker: int) -> dict[str, Any]:
    """Return the page that 5.3 describes, from all members at once, without the bounds that we keep to."""
    newest = case.input["nowMs"] // _HOUR_MS * _HOUR_MS
    hours = [newest - back * _HOUR_MS for back in range(24)]
    if marker and marker // _HOUR_MS * _HOUR_MS not in hours:
        return {"IsTruncated": False, "Versions": []}
    all_newest_first: list[tuple[int, str, int]] = []
    for hour in hours:
        members = case.input["sortedSets"].get(f"bb:crr:failed:{site}:{hour}", {})
        inside = [(int(score), name) for name, score in members.items() if not marker or score < marker + 1]
        all_newest_first += [(score, name, hour) for score, name in sorted(inside, reverse=True)]
    page = all_newest_first[:_PAGE]
    rest = all_newest_first[_PAGE:]
    while rest and rest[0][0] == page[-1][0] and rest[0][2] == page[-1][2]:
        page.append(rest.pop(0))  # B18: equal scores are not parted
    in_order = [name for hour in hours for _, name, its in reversed(page) if its == hour]
    versions = [name.split(":", 2) for name in dict.fromkeys(in_order) if ":" in name]  # B17: no version, no entry
    body = {"IsTruncated": bool(rest), "Versions": [_version(case, *parts[:2], site) for parts in versions]}
    return {**body, "NextMarker": rest[0][0]} if rest else body


def recorded_agrees(case: Case, expected: Mapping[str, Any]) -> bool:
    """Return whether the recorded page is this one, or differs by the rules B17 and B18 alone."""
    recorded = case.expected["body"]
    members = [score for named in case.input["sortedSets"].values() for score in named.values()]
    ties = len(members) != len(set(members))
    mangled = any(":" not in name for named in case.input["sortedSets"].values() for name in named)
    return json.dumps(recorded) == json.dumps(expected) or ties or mangled


def asked_once(case: Case, asked: Sequence[tuple[str, str, str]]) -> bool:
    """Return whether no version is looked up twice, and none but those that the reference looks up."""
    recorded = case.expected["metadataRequests"]
    if not isinstance(recorded, list) or not recorded or "versionId" not in recorded[0]:
        return len(asked) == len(set(asked))
    wanted = {(each["bucket"], each["objectKey"], each["versionId"]) for each in recorded}
    return sorted(asked) in (sorted(wanted), [])


def unversioned_is_found_b19(case: Case, bucket: str, key: str, sites: Sequence[str]) -> dict[str, Any]:
    """B19: without a version the unversioned member is looked up."""
    member = f"{bucket}:{key}:"
    named = case.input["sortedSets"]
    failing = [
        site for site in sites if any(member in named[each] for each in named if each.split(":")[3] == site)
    ]
    return {"IsTruncated": False, "Versions": [_version(case, bucket, key, site) for site in failing]}


def one_copy_is_left_w54(case: Case) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """W-54: of several records of a version the oldest is left; two removals of the reference hit the same."""
    after = case.expected["redisAfter"]
    left = dict(sorted(after["sortedSets"].items()))
    seen: set[str] = set()
    for key in sorted(left):
        left[key] = {member: score for member, score in left[key].items() if member not in seen}
        seen.update(left[key])
    return _numbers(after["strings"]), {key: members for key, members in left.items() if members}


def check_retry(case: Case) -> None:
    world = _World(case)
    elements = answer(lambda: parse_retry(case.input["body"].encode()))
    if isinstance(elements, InvalidDocument):
        error = case.expected["error"]
        assert (error["type"], error["description"]) == (elements.code, elements.description)
        return
    assert not isinstance(elements, BackbeatError)
    documents = world.operations().retry(elements)
    twins = spelled_twice_b21(case)
    expected = _without(
        twins, sorted(json.dumps(_whole_key_b17(each, elements)) for each in case.expected["body"])
    )

    assert expected == sorted(map(json.dumps, documents))
    assert in_order_of_requests(documents, elements)
    assert _without(twins, _messages(case, elements)) == sent(world.queue)
    assert locks_are_free_b21(world, elements)
    after = case.expected["redisAfter"]
    numbers = _numbers(after["strings"])
    for _, site in twins:
        numbers[f"{site}:bb:crr:opspending"] -= 1
        numbers[f"{site}:bb:crr:bytespending"] -= case.input["objectMetadata"]["contentLength"]
    numbers = unlisted_is_not_counted_inv16(numbers)
    assert (numbers, after["sortedSets"]) == world.strings_and_sets(after)


def spelled_twice_b21(case: Case) -> set[tuple[str, str]]:
    """B21: an absent and an empty version are one; return key and site of what the reference retries twice."""
    seen: dict[tuple[str, str, str], set[bool]] = {}
    for each in json.loads(case.input["body"]):
        if not each.get("VersionId"):
            seen.setdefault((each["Bucket"], each["Key"], each["StorageClass"]), set()).add("VersionId" in each)
    retried = [(each["Key"], each["StorageClass"]) for each in case.expected["body"]]
    return {
        (key, site) for (_, key, site), forms in seen.items() if len(forms) > 1 and retried.count((key, site)) > 1
    }


def unlisted_is_not_counted_inv16(numbers: Mapping[str, int]) -> dict[str, int]:
    """INV-16: no worker ends what is retried for a site that the object does not name."""
    return {key: number for key, number in numbers.items() if key.split(":")[0] in _BACKENDS}


def _without(twins: set[tuple[str, str]], texts: Sequence[str]) -> list[str]:
    """Return *texts*, sorted ones, with what is equal taken once if there are *twins*."""
    return list(dict.fromkeys(texts)) if twins else list(texts)


def _whole_key_b17(document: Mapping[str, Any], elements: Iterable[Any]) -> dict[str, Any]:
    """B17: the reference cuts a key at its first colon."""
    keys = {each.key.split(":")[0]: each.key for each in elements if ":" in each.key}
    return {**document, "Key": keys.get(document["Key"], document["Key"])}


def in_order_of_requests(documents: Sequence[Mapping[str, Any]], requests: Sequence[RetryRequest]) -> bool:
    asked = iter((each.bucket, each.key, each.site) for each in requests)
    return all((each["Bucket"], each["Key"], each["StorageClass"]) in asked for each in documents)


def _messages(case: Case, elements: Sequence[Any]) -> list[str]:
    """Return the messages that are meant, sorted: those recorded, and the status message as it was intended."""
    messages = []
    for message in case.expected["messages"]:
        value = message["message"]["value"]
        site, info = message["message"]["site"], value["replicationInfo"]
        if message["topic"] == _TOPICS[0]:
            info = intended_status_b23(case, site)
        key = _whole_key_b17({"Key": message["message"]["key"]}, elements)["Key"]
        encoded = message["key"] if key == message["message"]["key"] else f"b%2F{key.replace(':', '%3A')}"
        messages.append(
            {
                "topic": message["topic"],
                "key": encoded,
                "message": {**message["message"], "key": key, "value": {**value, "replicationInfo": info}},
            }
        )
    return sorted(json.dumps(each, sort_keys=True) for each in messages)


def intended_status_b23(case: Case, site: str) -> dict[str, Any]:
    """B23: the status message names all sites, of which only *site* has changed."""
    info = metadata(case.input["objectMetadata"])["replicationInfo"]
    for backend in info["backends"]:
        backend["status"] = "PENDING" if backend["site"] == site else backend["status"]
    return dict(info)


def sent(queue: MemoryQueue) -> list[str]:
    return sorted(
        json.dumps(_as_recorded(topic, record), sort_keys=True)
        for topic in _TOPICS
        for record in drain(queue, topic)
    )


def _as_recorded(topic: str, record: Record) -> dict[str, Any]:
    message = json.loads(record.value)
    value = json.loads(message["value"])
    message["value"] = {name: value[name] for name in ("replicationInfo", "originOp")}
    return {"topic": topic, "key": (record.key or b"").decode(), "message": message}


def locks_are_free_b21(world: _World, requests: Iterable[RetryRequest]) -> bool:
    """B21, B22: whatever came of a retry, its lock is given back; one that somebody else has is still his."""
    taken = {key for key in world.case.input["strings"] if key.endswith(LOCK)}
    return all(world.cache.acquire(each.lock, "next", 1) != (each.lock in taken) for each in requests)


def marker_is_no_number(url: str) -> bool:
    """Tell the markers that are refused: digits with something after them (http-api 2.5 [R])."""
    return not url.partition("marker=")[2].partition("&")[0].isdigit()


def _version(case: Case, bucket: str, key: str, site: str) -> dict[str, Any]:
    given = case.input["objectMetadata"]
    return {
        "Bucket": bucket,
        "Key": key,
        "VersionId": "aJLWKz4Ko9Ij00000000001I4j3QKItW",
        "StorageClass": site,
        "Size": given["contentLength"],
        "LastModified": given["lastModified"],
    }


def _numbers(strings: Mapping[str, str]) -> dict[str, int]:
    return {key: int(text) for key, text in sorted(strings.items()) if not key.endswith(LOCK) and int(text)}


def _sites_of(named: Iterable[str]) -> set[str]:
    return {key.split(":")[3] for key in named}


CHECKS: Final[Mapping[str, Check]] = {"list": check_list, "get_object": check_list, "retry": check_retry}
