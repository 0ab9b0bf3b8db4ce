"""Which operations arm replication, and with what (2.2 and 2.3)."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.domain.arming import ARMING, Operation, arm, document, may_replicate, targets
from backbeat_core.domain.configuration import (
    Endpoint,
    LocationConstraint,
    ReplicationConfiguration,
    Rule,
    StorageClass,
)
from backbeat_core.domain.info import Backend, ReplicationInfo
from backbeat_core.domain.status import Status

PENDING, COMPLETED = Status.PENDING, Status.COMPLETED

ENDPOINTS = (
    Endpoint("zenko", servers=("h:1",), default=True),
    Endpoint("aws", "aws_s3"),
    Endpoint("azure", "azure"),
)
LOCATIONS = {
    "us-east-1": LocationConstraint("file"),
    "zenko": LocationConstraint("scality"),
    "aws": LocationConstraint("aws_s3"),
    "azure": LocationConstraint("azure"),
    "gcp": LocationConstraint("gcp"),
}
SCALITY = ReplicationConfiguration("src,dst", "arn:aws:s3:::d", (Rule("r", ""),))
CLOUD = attrs.evolve(SCALITY, rules=(Rule("r", "", storage_class="aws:preferred_read,azure"),))


def armed(operation: Operation, configuration: ReplicationConfiguration | None = SCALITY, **more: Any) -> Any:
    given: dict[str, Any] = {"key": "k", "size": 10, "endpoints": ENDPOINTS, "locations": LOCATIONS, **more}
    return arm(operation, configuration=configuration, **given)


def with_rule(storage_class: str | None) -> ReplicationConfiguration:
    return attrs.evolve(SCALITY, rules=(Rule("r", "", storage_class=storage_class),))


# 2.3, row by row: the size, and the content for a rule of Scality sites only and for one with a cloud.
TABLE = """
PUT_OBJECT        10 DATA,METADATA DATA,METADATA
PUT_OBJECT         0 METADATA      METADATA
COPY_OBJECT       10 DATA,METADATA DATA,METADATA
COPY_OBJECT        0 METADATA      METADATA
COMPLETE_MPU      10 DATA,METADATA DATA,METADATA,MPU
COMPLETE_MPU       0 METADATA      METADATA,MPU
PUT_DELETE_MARKER  0 METADATA      METADATA
PUT_DELETE_MARKER 10 METADATA      METADATA
PUT_TAGGING       10 METADATA      METADATA,PUT_TAGGING
DELETE_TAGGING    10 METADATA      METADATA,DELETE_TAGGING
PUT_RETENTION     10 METADATA      METADATA,PUT_RETENTION
PUT_LEGAL_HOLD    10 METADATA      METADATA,PUT_LEGAL_HOLD
"""
KEPT = {
    Operation.PUT_TAGGING,
    Operation.DELETE_TAGGING,
    Operation.PUT_RETENTION,
    Operation.PUT_LEGAL_HOLD,
}


@pytest.mark.parametrize("row", [row.split() for row in TABLE.strip().splitlines()], ids=" ".join)
def test_ri6_the_content_is_that_of_the_table(row: list[str]) -> None:
    name, size, scality, cloud = row

    assert tuple(scality.split(",")) == armed(Operation[name], SCALITY, size=int(size)).content
    assert tuple(cloud.split(",")) == armed(Operation[name], CLOUD, size=int(size)).content


def test_the_table_has_every_operation_that_arms() -> None:
    assert {Operation[row.split()[0]] for row in TABLE.strip().splitlines()} == set(ARMING)


@pytest.mark.parametrize("operation", sorted(set(Operation) - set(ARMING), key=lambda each: each.name))
def test_every_other_operation_arms_nothing(operation: Operation) -> None:
    assert armed(operation, CLOUD, previous=ReplicationInfo(COMPLETED)) is None


def test_an_unknown_size_is_a_size() -> None:
    assert ("DATA", "METADATA") == armed(Operation.COPY_OBJECT, size=None).content


def test_the_first_example_of_2_4() -> None:
    assert {
        "status": "PENDING",
        "backends": [
            {"site": "aws", "status": "PENDING", "dataStoreVersionId": ""},
            {"site": "azure", "status": "PENDING", "dataStoreVersionId": ""},
        ],
        "content": ["DATA", "METADATA"],
        "destination": "arn:aws:s3:::d",
        "storageClass": "aws:preferred_read,azure",
        "role": "src,dst",
        "storageType": "aws_s3,azure",
        "dataStoreVersionId": "",
        "isNFS": None,
        "generation": 1,
    } == armed(Operation.PUT_OBJECT, CLOUD).to_document()


def test_a_zero_byte_object_for_another_cloudserver() -> None:
    info = armed(Operation.PUT_OBJECT, SCALITY, size=0)

    assert (Backend("zenko"),) == info.backends
    assert ("METADATA",) == info.content
    assert ("zenko", "") == (info.storage_class, info.storage_type)


# RI-2, RI-3


@pytest.mark.parametrize(
    "configuration",
    [
        None,
        attrs.evolve(SCALITY, rules=()),
        attrs.evolve(SCALITY, rules=(Rule("r", "z"),)),
        attrs.evolve(SCALITY, rules=(Rule("r", "K"),)),
        attrs.evolve(SCALITY, rules=(Rule("r", "", enabled=False),)),
    ],
    ids=["none", "no rule", "another prefix", "another case", "disabled"],
)
def test_ri2_what_no_enabled_rule_matches_is_not_replicated(
    configuration: ReplicationConfiguration | None,
) -> None:
    assert armed(Operation.PUT_OBJECT, configuration) is None
    assert armed(Operation.PUT_TAGGING, configuration, previous=ReplicationInfo(COMPLETED)) is None


def test_ri3_the_first_enabled_match_counts() -> None:
    rules = (Rule("1", "z"), Rule("2", "", False, "azure"), Rule("3", "", True, "aws"), Rule("4", "", True, "gcp"))

    assert ("aws",) == armed(Operation.PUT_OBJECT, attrs.evolve(SCALITY, rules=rules)).sites


@pytest.mark.parametrize(
    ("requester", "may"),
    [
        (None, True),
        ("", True),
        ("79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be", True),
        ("http://acs.zenko.io/accounts/service/replication", False),
        ("http://acs.zenko.io/accounts/service/lifecycle", False),
        ("http://acs.zenko.io/accounts/service/gc", False),
        ("http://acs.zenko.io/accounts/service/md-ingestion", True),
        ("http://acs.zenko.io/accounts/service/clueso", True),
        ("constructor", True),
        ("lifecycle/", True),
    ],
)
@pytest.mark.parametrize("operation", sorted(ARMING, key=lambda each: each.name))
def test_ri2_internal_accounts_do_not_replicate_whatever_they_do(
    requester: str | None, may: bool, operation: Operation
) -> None:
    assert may == may_replicate(requester)
    assert may == (armed(operation, requester=requester) is not None)


# RI-4


@pytest.mark.parametrize(
    ("storage_class", "endpoints", "expected"),
    [
        (None, ENDPOINTS, "zenko"),
        ("", ENDPOINTS, "zenko"),
        (None, ENDPOINTS[1:], "aws"),
        (None, (), ""),
        ("aws", (), "aws"),
        ("aws,azure:preferred_read", ENDPOINTS, "aws,azure:preferred_read"),
        ("STANDARD", ENDPOINTS, "zenko"),
        ("STANDARD_IA:preferred_read", ENDPOINTS, "zenko:preferred_read"),
        ("REDUCED_REDUNDANCY,aws", ENDPOINTS, "zenko,aws"),
        ("STANDARD", (), ""),
        ("STANDARD,aws", (), "aws"),
        ("STANDARD,zenko", ENDPOINTS, "zenko"),
        ("aws,aws", ENDPOINTS, "aws"),
        ("aws,azure,aws:preferred_read", ENDPOINTS, "aws:preferred_read,azure"),
        ("aws:preferred_read,aws", ENDPOINTS, "aws:preferred_read"),
        ("gcp:west:preferred_read", ENDPOINTS, "gcp:west:preferred_read"),
    ],
)
def test_ri4_each_site_is_named_once(
    storage_class: str | None, endpoints: tuple[Endpoint, ...], expected: str
) -> None:
    assert expected == ",".join(map(str, targets(Rule("r", "", storage_class=storage_class), endpoints)))
    info = armed(Operation.PUT_OBJECT, with_rule(storage_class), endpoints=endpoints)

    if expected:
        assert expected == info.storage_class
        assert [item.removesuffix(":preferred_read") for item in expected.split(",")] == list(info.sites)
    else:
        assert info is None


def test_only_the_suffix_is_cut_off_a_site() -> None:
    rule = Rule("r", "", storage_class="gcp:west:preferred_read,a:preferred_read:b")

    assert (StorageClass("gcp:west", True), StorageClass("a:preferred_read:b", False)) == targets(rule, ())


def test_ri7_the_types_are_those_of_the_clouds_in_order() -> None:
    info = armed(Operation.PUT_TAGGING, with_rule("gcp,zenko,aws,us-east-1,nowhere,azure"))

    assert "gcp,aws_s3,azure" == info.storage_type
    assert ("METADATA", "PUT_TAGGING") == info.content


def test_ri7_nfs_comes_from_the_bucket() -> None:
    assert armed(Operation.PUT_OBJECT, is_nfs=True).is_nfs
    assert not armed(Operation.PUT_TAGGING, previous=ReplicationInfo(is_nfs=True)).is_nfs


# RI-5, RI-7, ST-12, ST-30: what was there before.

PREVIOUS = ReplicationInfo.from_document(
    {
        "status": "FAILED",
        "backends": [
            {"site": "aws", "status": "COMPLETED", "dataStoreVersionId": "v1", "foo": "bar"},
            {"site": "gone", "status": "FAILED", "dataStoreVersionId": "v2"},
        ],
        "content": ["DATA"],
        "role": "old",
        "dataStoreVersionId": "legacy",
        "generation": 4,
        "more": True,
    }
)


@pytest.mark.parametrize("operation", sorted(KEPT, key=lambda each: each.name))
def test_st12_a_metadata_operation_keeps_versions_and_nothing_of_the_status(operation: Operation) -> None:
    info = armed(operation, CLOUD, previous=PREVIOUS)

    assert PENDING == info.status
    assert (
        Backend("aws", PENDING, "v1", extras={"foo": "bar"}),
        Backend("azure"),
    ) == info.backends
    assert "src,dst" == info.role
    assert "legacy" == info.data_store_version_id
    assert {"more": True} == info.extras


@pytest.mark.parametrize("operation", sorted(set(ARMING) - KEPT, key=lambda each: each.name))
def test_ri7_a_new_version_replaces_the_document(operation: Operation) -> None:
    info = armed(operation, CLOUD, previous=PREVIOUS)

    assert (Backend("aws"), Backend("azure")) == info.backends
    assert "" == info.data_store_version_id
    assert {} == info.extras


@pytest.mark.parametrize("operation", sorted(ARMING, key=lambda each: each.name))
def test_st30_each_arming_is_a_generation(operation: Operation) -> None:
    assert 1 == armed(operation).generation
    assert 1 == armed(operation, previous=ReplicationInfo()).generation
    assert 5 == armed(operation, previous=PREVIOUS).generation


def test_a_late_report_of_the_generation_before_is_ignored() -> None:
    first = armed(Operation.PUT_OBJECT, CLOUD)
    second = armed(Operation.PUT_TAGGING, CLOUD, previous=first.report("aws", COMPLETED, generation=1))

    assert second.report("aws", COMPLETED, generation=first.generation) is second
    assert COMPLETED == second.report("aws", COMPLETED, generation=2).backends[0].status


def test_whoever_knows_the_content_arms_with_it() -> None:
    """Out-of-band ingestion chooses its own content (note to 2.3)."""
    info = document(CLOUD, key="k", content=(), endpoints=ENDPOINTS, locations=LOCATIONS)

    assert info is not None
    assert (PENDING, (), 0, False) == (info.status, info.content, info.generation, info.is_nfs)


@given(
    st.text(max_size=3),
    st.lists(st.sampled_from(["aws", "azure", "STANDARD", "x", "aws:preferred_read"]), max_size=4),
)
def test_what_is_armed_is_pending_at_every_site(key: str, items: list[str]) -> None:
    info = armed(Operation.PUT_OBJECT, with_rule(",".join(items)), key=key)

    assert PENDING == info.status
    assert len(set(info.sites)) == len(info.sites) > 0
    assert {PENDING} == {backend.status for backend in info.backends}
