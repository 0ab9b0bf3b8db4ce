"""Section 9 of http-api, "Failed CRR", line by line, over HTTP against real Redis and a source that is asked."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from conformance.deployment import SITE_1, SITE_2, SITES, VERSION_ID, Answer, Deployment

pytestmark = [pytest.mark.redis, pytest.mark.zookeeper]

NOTHING = {"IsTruncated": False, "Versions": []}


def version(key: str, site: str = SITE_1, bucket: str = "test-bucket") -> dict[str, Any]:
    """Return how a listing shows what failed; its version is the one that the source tells."""
    return {
        "Bucket": bucket,
        "Key": key,
        "VersionId": VERSION_ID,
        "StorageClass": site,
        "Size": 1,
        "LastModified": "2018-03-30T22:22:34.384Z",
    }


def pages(server: Deployment, site: str) -> list[dict[str, Any]]:
    """Return all pages of a site's failures, each asked for by the marker of the one before."""
    found = [server.get(f"/_/crr/failed?sitename={site}")]
    while found[-1]["IsTruncated"]:
        assert type(found[-1]["NextMarker"]) is int
        found.append(server.get(f"/_/crr/failed?sitename={site}&marker={found[-1]['NextMarker']}"))
    assert "NextMarker" not in found[-1]
    return found


# Empty listing without data, without sitename, with an unknown marker, for a version given in the path.


@pytest.mark.parametrize(
    "query",
    [
        f"?sitename={SITE_1}",
        "",
        f"?sitename={SITE_1}&marker=9999999999",
        "/test-bucket/test-key/test-version",
        "/test-bucket/test-key?versionId=test-version",
    ],
)
def test_the_listing_is_empty_without_data(server: Deployment, query: str) -> None:
    assert NOTHING == server.get(f"/_/crr/failed{query}")


@pytest.mark.parametrize(
    "query", ["", "?marker=0", f"?sitename={SITE_1}&marker=9999999999", "/test-bucket/test-key/test-version"]
)
def test_so_it_is_without_sitename_with_an_unknown_marker_and_for_a_version_in_the_path(
    server: Deployment, query: str
) -> None:
    server.fail(SITE_1, server.hours[0], {"test-bucket:test-key:test-version": server.hours[0]})

    assert NOTHING == server.get(f"/_/crr/failed{query}")


# Members of one set and of two sites listed per site.


def test_the_members_of_one_set_are_listed(server: Deployment) -> None:
    members = {f"test-bucket:test-key-{n}:test-version": server.hours[0] + n for n in range(10)}
    server.fail(SITE_1, server.hours[0], members)

    expected = {"IsTruncated": False, "Versions": [version(f"test-key-{n}") for n in range(10)]}
    assert expected == server.get(f"/_/crr/failed?sitename={SITE_1}")


def test_the_members_of_two_sites_are_listed_by_site(server: Deployment) -> None:
    for site in SITES:
        server.fail(site, server.hours[0], {f"test-bucket:key-of-{site}:test-version": server.hours[0]})

    listed = [server.get(f"/_/crr/failed?sitename={site}")["Versions"] for site in SITES]

    assert [[version(f"key-of-{site}", site)] for site in SITES] == listed


def test_a_member_of_two_sets_is_listed_once_and_one_copy_is_left(server: Deployment) -> None:
    """http-api 5.2: what is there twice is removed from the newest set, and taken off what waits."""
    server.pend(SITE_1, "opspending", 2)
    server.pend(SITE_1, "bytespending", 2)
    for hour in server.hours[:2]:
        server.fail(SITE_1, hour, {"test-bucket:test-key:test-version": hour})

    assert [version("test-key")] == server.get(f"/_/crr/failed?sitename={SITE_1}")["Versions"]

    sets = [server.redis.zcard(f"test:bb:crr:failed:{SITE_1}:{hour}") for hour in server.hours[:2]]
    assert [0, 1] == sets
    pending = [server.redis.get(f"{SITE_1}:test:bb:{point}") for point in ("opspending", "bytespending")]
    assert [b"1", b"1"] == pending


# 24 h x 750 and 1 h x 10000 members can be paged completely.


@pytest.mark.slow
@pytest.mark.parametrize(("hours", "each"), [(24, 750), (1, 10_000)])
def test_many_can_be_paged_completely_and_no_key_comes_twice(server: Deployment, hours: int, each: int) -> None:
    for hour in server.hours[:hours]:
        server.fail(SITE_1, hour, {f"test-bucket:{hour}-{n}:test-version": hour + n for n in range(each)})

    listed = [found["Key"] for page in pages(server, SITE_1) for found in page["Versions"]]

    expected = {f"{hour}-{n}" for hour in server.hours[:hours] for n in range(each)}
    assert (hours * each, expected) == (len(listed), set(listed))


def test_a_few_pages_are_complete_and_no_key_comes_twice(server: Deployment) -> None:
    for hour in server.hours[:3]:
        server.fail(SITE_1, hour, {f"test-bucket:{hour}-{n}:test-version": hour + n for n in range(150)})

    found = pages(server, SITE_1)

    assert [100, 100, 100, 100, 50] == [len(page["Versions"]) for page in found]
    keys = {each["Key"] for page in found for each in page["Versions"]}
    assert {f"{hour}-{n}" for hour in server.hours[:3] for n in range(150)} == keys


# Object lookup finds the version on both configured sites; keys with `/` work.


@pytest.mark.parametrize("key", ["test-key", "test/key", "a/b/c/", "/leading", "with space", "with:colon"])
def test_an_object_is_found_at_both_sites(server: Deployment, key: str) -> None:
    for site, hour in zip(SITES, server.hours, strict=False):
        server.fail(site, hour, {f"test-bucket:{key}:test-version": hour})

    quoted = key.replace(" ", "%20")
    found = server.get(f"/_/crr/failed/test-bucket/{quoted}?versionId=test-version")

    assert {"IsTruncated": False, "Versions": [version(key, site) for site in SITES]} == found


# Retry.


def element(key: str, site: str = SITE_1, **more: Any) -> dict[str, Any]:
    """Return one element of the body of a retry."""
    members = {"Bucket": "test-bucket", "Key": key, "VersionId": "test-version", "StorageClass": site}
    return {**members, **more}


def retry(server: Deployment, elements: Sequence[Any]) -> Any:
    answer = server.ask("POST", "/_/crr/failed", elements)
    assert 200 == answer.status, answer
    return answer.body


@pytest.mark.parametrize("site", [SITE_2, "unknown-site"])
def test_unknown_versions_are_not_retried(server: Deployment, site: str) -> None:
    server.fail(SITE_1, server.hours[0], {"test-bucket:test-key:test-version": server.hours[0]})

    unknown = [element("test-key", site), element("other-key"), element("test-key", VersionId="other-version")]
    assert [] == retry(server, unknown)


@pytest.mark.parametrize("site", [SITE_1, "unknown-site"])
def test_a_forced_retry_answers_one_element(server: Deployment, site: str) -> None:
    expected = {**version("test-key", site), "ReplicationStatus": "PENDING"}
    forced = [element("test-key", site, ForceRetry=True)]

    assert [expected] == retry(server, forced)
    assert list(expected) == list(retry(server, forced)[0])


def test_fifty_versions_at_once_give_fifty_elements_and_once_only(server: Deployment) -> None:
    hours = itertools.cycle(server.hours)
    for n, hour in zip(range(50), hours, strict=False):
        server.fail(SITE_1, hour, {f"test-bucket:test-key-{n}:test-version": hour + n})
    elements = [element(f"test-key-{n}", Size=1, LastModified="any") for n in range(50)]

    expected = [{**version(f"test-key-{n}"), "ReplicationStatus": "PENDING"} for n in range(50)]
    assert expected == retry(server, elements)
    assert [] == retry(server, elements)
    assert [] == list(server.redis.scan_iter("*:processingFailures"))


# Bad bodies.


@pytest.mark.parametrize(
    "body",
    [
        *('"a"', "{}", "[]", '["a"]', "", "[", "[null]"),
        *([{name: text for name, text in element("key").items() if name != absent}]
          for absent in ("Bucket", "Key", "StorageClass")),
        [element("")],
        [element("key"), element("key", Bucket=5)],
    ],
)  # fmt: skip
def test_a_bad_body_is_400_malformed(server: Deployment, body: Any) -> None:
    answer: Answer = server.ask("POST", "/_/crr/failed", body)

    assert 400 == answer.status
    assert answer.body["MalformedPOSTRequest"]
