"""The headers of a HEAD, and what they say (1.7 with the decisions of 1.8)."""

from __future__ import annotations

import re

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.domain.headers import HeadStatus, head_headers, parse_head_headers, site_metadata
from backbeat_core.domain.info import Backend, ReplicationInfo
from backbeat_core.domain.status import Status, derive

PENDING, COMPLETED, FAILED, REPLICA = Status.PENDING, Status.COMPLETED, Status.FAILED, Status.REPLICA

INFO = ReplicationInfo(
    Status.PROCESSING,
    (Backend("aws-backend-1", COMPLETED, "v1"), Backend("zenko", PENDING, "v2"), Backend("azure", COMPLETED)),
    storage_type="aws_s3,azure",
)

sites = st.lists(st.text(min_size=1, max_size=8), max_size=4, unique_by=str.lower)
version_ids = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=8)
infos = st.builds(
    lambda names, data: ReplicationInfo(
        derive(status for status, _ in data[: len(names)]),
        tuple(Backend(site, *each) for site, each in zip(names, data, strict=False)),
    ),
    sites,
    st.lists(st.tuples(st.sampled_from((PENDING, COMPLETED, FAILED)), version_ids), min_size=4, max_size=4),
)


def test_the_seed_s_example() -> None:
    info = ReplicationInfo(COMPLETED, (Backend("aws-backend-1", COMPLETED),))

    assert {"aws-backend-1-replication-status": "COMPLETED"} == site_metadata(info)
    assert {
        "x-amz-replication-status": "COMPLETED",
        "x-amz-meta-aws-backend-1-replication-status": "COMPLETED",
    } == head_headers(info)


@pytest.mark.parametrize("strict", [False, True])
def test_st20_every_site_has_its_status_and_its_version_once_complete(strict: bool) -> None:
    assert {
        "x-amz-replication-status": "PROCESSING",
        "x-amz-meta-aws-backend-1-replication-status": "COMPLETED",
        "x-amz-meta-aws-backend-1-version-id": "v1",
        "x-amz-meta-zenko-replication-status": "PENDING",
        "x-amz-meta-azure-replication-status": "COMPLETED",
    } == head_headers(INFO, strict=strict)


def test_an_object_without_replication_has_no_headers() -> None:
    assert {} == head_headers(ReplicationInfo()) == head_headers(ReplicationInfo(), strict=True)


def test_sites_are_listed_whatever_their_type_unless_strict() -> None:
    scality = attrs.evolve(INFO, storage_type="")

    assert head_headers(INFO) == head_headers(scality)
    assert {"x-amz-replication-status": "PROCESSING"} == head_headers(scality, strict=True)


def test_st22_a_replica_lists_no_sites_unless_strict() -> None:
    replica = attrs.evolve(INFO, status=REPLICA)

    assert {"x-amz-replication-status": "REPLICA"} == head_headers(replica)
    assert 6 - 1 == len(head_headers(replica, strict=True))


def test_an_object_that_is_not_replicated_lists_no_sites_unless_strict() -> None:
    left = attrs.evolve(INFO, status=Status.NONE)

    assert {} == head_headers(left)
    assert 4 == len(head_headers(left, strict=True))


@pytest.mark.parametrize("site", ["a\r\nx-evil: 1", "a b", "gcp:west", "é", "a%b", "a\0b", "\ud800"])
def test_a_site_s_name_cannot_make_another_header(site: str) -> None:
    info = ReplicationInfo(COMPLETED, (Backend(site, COMPLETED, "v"),))
    headers = head_headers(info)

    assert all(re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) for name in headers)
    assert HeadStatus(COMPLETED, info.backends) == parse_head_headers(headers)


@pytest.mark.parametrize("version_id", ["v\r\nx: 1", "é", "v\x7f"])
def test_a_version_id_that_no_header_can_have_is_not_told(version_id: str) -> None:
    info = ReplicationInfo(COMPLETED, (Backend("a", COMPLETED, version_id),))

    assert {
        "x-amz-replication-status": "COMPLETED",
        "x-amz-meta-a-replication-status": "COMPLETED",
    } == head_headers(info)


@given(infos)
def test_inv23_what_is_told_is_what_is_read_back(info: ReplicationInfo) -> None:
    read = parse_head_headers(head_headers(info))
    told = tuple(
        attrs.evolve(backend, data_store_version_id=backend.data_store_version_id * (backend.status == COMPLETED))
        for backend in info.backends
    )

    assert HeadStatus(info.status, told) == read


def test_names_are_read_in_any_case() -> None:
    headers = {
        "X-Amz-Replication-Status": "FAILED",
        "X-AMZ-META-aws-REPLICATION-STATUS": "COMPLETED",
        "X-Amz-Meta-Aws-Version-Id": "v1",
    }

    assert HeadStatus(FAILED, (Backend("aws", COMPLETED, "v1"),)) == parse_head_headers(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-amz-replication-status": "DONE"},
        {"x-amz-meta-colour": "blue"},
        {"x-amz-meta-aws-version-id": "v"},
        {"x-amz-meta-replication-status": "COMPLETED"},
        {"x-amz-meta--replication-status": "COMPLETED"},
        {"x-amz-meta-aws-replication-status": "nearly"},
        {"x-amz-meta-scal-replication-status": "REPLICA"},
        {"aws-replication-status": "COMPLETED"},
        {"x-other-meta-of-aws-replication-status": "COMPLETED"},
        {"x-amz-meta-of-aws-replication-progress": "COMPLETED"},
    ],
)
def test_what_is_not_about_replication_is_passed_over(headers: dict[str, str]) -> None:
    assert HeadStatus() == parse_head_headers(headers)


def test_the_version_id_of_a_site_that_is_not_complete_is_not_read() -> None:
    headers = {"x-amz-meta-a-replication-status": "PENDING", "x-amz-meta-a-version-id": "v"}

    assert (Backend("a", PENDING),) == parse_head_headers(headers).backends


@pytest.mark.parametrize("status", ["", "REPLICA", "PROCESSING"])
def test_the_object_s_status_may_be_any(status: str) -> None:
    assert Status(status) == parse_head_headers({"x-amz-replication-status": status}).status
