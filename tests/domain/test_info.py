"""The replication information of an object: reading and writing documents, and folding reports."""

from __future__ import annotations

import copy
import pickle
from types import MappingProxyType
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.domain.info import Backend, ReplicationInfo
from backbeat_core.domain.status import Status
from backbeat_core.errors import InvalidDocument

PENDING, COMPLETED, FAILED, REPLICA = Status.PENDING, Status.COMPLETED, Status.FAILED, Status.REPLICA

# The default document of 2.1, in the order in which the source server writes it.
DEFAULT = {
    "status": "",
    "backends": [],
    "content": [],
    "destination": "",
    "storageClass": "",
    "role": "",
    "storageType": "",
    "dataStoreVersionId": "",
    "isNFS": None,
}

STORED: dict[str, Any] = {
    "status": "PROCESSING",
    "backends": [
        {"site": "aws", "status": "COMPLETED", "dataStoreVersionId": "3HL4"},
        {"site": "azure", "status": "PENDING", "dataStoreVersionId": ""},
    ],
    "content": ["DATA", "METADATA", "MPU"],
    "destination": "arn:aws:s3:::destination-bucket",
    "storageClass": "aws:preferred_read,azure",
    "role": "arn:aws:iam::account-id:role/resource",
    "storageType": "aws_s3,azure",
    "dataStoreVersionId": "",
    "isNFS": None,
}

texts = st.text(max_size=4)
json_values = st.recursive(st.none() | st.booleans() | st.integers() | texts, st.lists, max_leaves=4)
unknown = st.dictionaries(st.sampled_from(["foo", "bar", "zz"]), json_values, max_size=2)
backend_documents = st.builds(
    lambda known, more: {**more, **known},
    st.fixed_dictionaries(
        {},
        optional={
            "site": texts,
            "status": st.sampled_from([status.value for status in Status]) | st.none(),
            "dataStoreVersionId": texts | st.none(),
        },
    ),
    unknown,
)
info_documents = st.builds(
    lambda known, more: {**more, **known},
    st.fixed_dictionaries(
        {},
        optional={
            "status": st.sampled_from([status.value for status in Status]),
            "backends": st.lists(backend_documents, max_size=3) | st.none(),
            "content": st.lists(texts, max_size=3),
            "destination": texts | st.none(),
            "storageClass": texts,
            "role": texts,
            "storageType": texts,
            "dataStoreVersionId": texts,
            "isNFS": st.booleans() | st.none(),
            "generation": st.integers(0, 2**31),
        },
    ),
    unknown,
)


def info_of(*backends: Backend, **members: Any) -> ReplicationInfo:
    return ReplicationInfo(PENDING, backends, **members)


# Documents.


def test_the_default_document_is_that_of_the_source_server() -> None:
    document = ReplicationInfo().to_document()

    assert DEFAULT == document
    assert list(DEFAULT) == list(document)
    assert ReplicationInfo() == ReplicationInfo.from_document({}) == ReplicationInfo.from_document(DEFAULT)


def test_a_stored_document_is_read_member_by_member() -> None:
    expected = ReplicationInfo(
        status=Status.PROCESSING,
        backends=(Backend("aws", COMPLETED, "3HL4"), Backend("azure", PENDING)),
        content=("DATA", "METADATA", "MPU"),
        destination="arn:aws:s3:::destination-bucket",
        storage_class="aws:preferred_read,azure",
        role="arn:aws:iam::account-id:role/resource",
        storage_type="aws_s3,azure",
        data_store_version_id="",
        is_nfs=False,
        generation=0,
    )

    assert expected == ReplicationInfo.from_document(STORED)
    assert STORED == expected.to_document()


@given(info_documents)
def test_what_is_read_is_written_back_as_it_stood(document: dict[str, Any]) -> None:
    info = ReplicationInfo.from_document(document)
    written = info.to_document()

    assert document == written
    assert list(document) == list(written)
    assert [list(backend) for backend in document.get("backends") or ()] == [
        list(backend) for backend in written.get("backends") or ()
    ]
    assert info == ReplicationInfo.from_document(written)


@given(info_documents)
def test_a_document_is_neither_kept_nor_changed(document: dict[str, Any]) -> None:
    before = copy.deepcopy(document)
    info = ReplicationInfo.from_document(document)
    info.report("aws", COMPLETED).to_document()["status"] = "FAILED"
    info.to_document()["backends"] = []

    assert before == document


@given(info_documents, info_documents)
def test_a_value_is_written_with_all_its_members_wherever_it_came_from(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    value = ReplicationInfo.from_document(other)
    members = [name for name in attrs.fields_dict(ReplicationInfo) if not name.startswith("_")]
    moved = attrs.evolve(ReplicationInfo.from_document(one), **{name: getattr(value, name) for name in members})
    written = moved.to_document()
    kept = [name for name in one if name in written]

    assert value == moved == ReplicationInfo.from_document(written)
    assert kept == list(written)[: len(kept)]


def test_members_that_are_not_known_are_kept_apart() -> None:
    stored = {**STORED, "foo": [1], "backends": [{"site": "a", "bar": {"x": 1}}]}
    info = ReplicationInfo.from_document(stored)

    assert {"foo": [1]} == info.extras
    assert {"bar": {"x": 1}} == info.backends[0].extras
    assert {} == ReplicationInfo.from_document(STORED).extras
    assert isinstance(hash(info), int)
    assert {**STORED, "backends": stored["backends"]} == attrs.evolve(info, extras={}).to_document()
    assert {**stored, "foo": 2} == attrs.evolve(info, extras={"foo": 2}).to_document()


def test_an_empty_backend_is_one_of_no_name_and_no_status() -> None:
    assert Backend("", Status.NONE) == Backend.from_document({})


def test_any_mapping_is_a_document() -> None:
    assert ReplicationInfo.from_document(STORED) == ReplicationInfo.from_document(MappingProxyType(STORED))


def test_what_a_value_was_read_from_is_not_shown() -> None:
    assert "document" not in repr(ReplicationInfo.from_document(STORED))


def test_extras_are_given_by_name() -> None:
    with pytest.raises(TypeError):
        Backend("a", PENDING, "", {})  # type: ignore[misc]  # this is what the test is about
    with pytest.raises(TypeError):
        ReplicationInfo(PENDING, (), (), "", "", "", "", "", False, 0, {})  # type: ignore[misc]  # and here


def test_absent_and_default_members_are_the_same_and_hash_the_same() -> None:
    full = ReplicationInfo.from_document({"backends": [{"site": "a", "status": "PENDING"}], "isNFS": False})
    short = ReplicationInfo.from_document(
        {"backends": [{"site": "a", "status": "PENDING", "dataStoreVersionId": ""}]}
    )

    assert full == short
    assert hash(full) == hash(short)
    assert full != attrs.evolve(full, extras={"foo": 1})


def test_a_value_survives_pickling() -> None:
    info = ReplicationInfo.from_document(STORED)

    assert info == pickle.loads(pickle.dumps(info))  # noqa: S301 - our own bytes


def test_the_generation_is_written_only_where_it_is_known() -> None:
    assert "generation" not in ReplicationInfo.from_document(STORED).to_document()
    assert ReplicationInfo(generation=2).to_document() == {**DEFAULT, "generation": 2}
    assert ReplicationInfo.from_document({"generation": 0}).to_document() == {"generation": 0}


def test_false_is_written_as_null_unless_it_stood_there() -> None:
    nfs = ReplicationInfo.from_document({**STORED, "isNFS": True})

    assert nfs.is_nfs
    assert attrs.evolve(nfs, is_nfs=False).to_document()["isNFS"] is None
    assert ReplicationInfo.from_document({"isNFS": False}).to_document() == {"isNFS": False}
    assert ReplicationInfo(is_nfs=True).to_document()["isNFS"] is True


@pytest.mark.parametrize(
    ("document", "what"),
    [
        ([], "replicationInfo is not an object"),
        ("x", "replicationInfo is not an object"),
        ({"status": "DONE"}, "status of replicationInfo is malformed"),
        ({"status": 1}, "status of replicationInfo is malformed"),
        ({"status": []}, "status of replicationInfo is malformed"),
        ({"backends": {}}, "backends of replicationInfo is malformed"),
        ({"backends": [None]}, "backends is not an object"),
        ({"backends": [{"status": "DONE"}]}, "status of backends is malformed"),
        ({"backends": [{"site": 1}]}, "site of backends is malformed"),
        ({"content": "DATA"}, "content of replicationInfo is malformed"),
        ({"content": [1]}, "content of replicationInfo is malformed"),
        ({"role": 1}, "role of replicationInfo is malformed"),
        ({"isNFS": "yes"}, "isNFS of replicationInfo is malformed"),
        ({"generation": -1}, "generation of replicationInfo is malformed"),
        ({"generation": True}, "generation of replicationInfo is malformed"),
        ({"generation": 1.5}, "generation of replicationInfo is malformed"),
    ],
)
def test_a_document_of_the_wrong_shape_is_an_error_that_says_where(document: Any, what: str) -> None:
    with pytest.raises(InvalidDocument) as raised:
        ReplicationInfo.from_document(document)

    assert ("InternalError", what) == (raised.value.code, raised.value.description)


def test_sites_are_found_by_name() -> None:
    info = ReplicationInfo.from_document(STORED)

    assert ("aws", "azure") == info.sites
    assert Backend("azure", PENDING) == info.backend("azure")
    assert info.backend("nowhere") is None
    assert "destination-bucket" == info.target_bucket
    assert "plain" == ReplicationInfo(destination="plain").target_bucket


# Reports. The laws of 1.6 are in test_status.


def test_a_report_keeps_everything_else_of_the_document() -> None:
    document = {**STORED, "foo": [1], "generation": 3}
    document["backends"] = [{"bar": 2, **backend} for backend in STORED["backends"]]
    after = ReplicationInfo.from_document(document).report("azure", COMPLETED, data_store_version_id="v")

    assert {
        **document,
        "status": "COMPLETED",
        "backends": [
            document["backends"][0],
            {"bar": 2, "site": "azure", "status": "COMPLETED", "dataStoreVersionId": "v"},
        ],
    } == after.to_document()


def test_a_report_that_changes_nothing_is_still_written() -> None:
    """1.3: a retry of a pending site rewrites the object, so the result is another object."""
    info = ReplicationInfo(PENDING, (Backend("a"),))
    again = info.report("a", PENDING)

    assert again == info
    assert again is not info


@pytest.mark.parametrize("status", [Status.NONE, Status.PROCESSING, REPLICA])
def test_st10_a_status_that_no_site_reports_is_ignored(status: Status) -> None:
    info = info_of(Backend("a"))

    assert info.report("a", status) is info


def test_st14_a_site_that_is_not_listed_is_ignored() -> None:
    info = info_of(Backend("a"))

    assert info.report("b", FAILED) is info
    assert ReplicationInfo().report("b", FAILED) == ReplicationInfo()


def test_a_copy_at_a_target_takes_no_reports() -> None:
    info = ReplicationInfo(REPLICA, (Backend("a", REPLICA),))

    assert info.report("a", COMPLETED) is info


@pytest.mark.parametrize(("given_id", "stored_id"), [(None, "old"), ("new", "new"), ("", "")])
def test_a_version_id_replaces_the_stored_one_and_none_keeps_it(given_id: str | None, stored_id: str) -> None:
    after = info_of(Backend("a", PENDING, "old")).report("a", COMPLETED, data_store_version_id=given_id)

    assert (Backend("a", COMPLETED, stored_id),) == after.backends


def test_ce14_a_site_that_is_listed_twice_is_updated_twice() -> None:
    after = info_of(Backend("a"), Backend("a")).report("a", COMPLETED)

    assert (COMPLETED, (COMPLETED, COMPLETED)) == (
        after.status,
        tuple(backend.status for backend in after.backends),
    )


# Generations (ST-30).


@pytest.mark.parametrize("generation", [None, 4])
def test_a_report_of_the_stored_generation_is_applied(generation: int | None) -> None:
    info = info_of(Backend("a"), generation=4)

    assert COMPLETED == info.report("a", COMPLETED, generation=generation).status


@pytest.mark.parametrize("generation", [0, 3, 5])
@pytest.mark.parametrize("status", [PENDING, COMPLETED, FAILED])
def test_inv24_a_report_of_another_generation_changes_nothing(generation: int, status: Status) -> None:
    info = info_of(Backend("a", FAILED, "known"), generation=4)

    assert info.report("a", status, generation=generation) is info
    assert info.report("a", status, generation=generation, data_store_version_id="late") is info


def test_a_late_completion_fills_an_empty_version_id_and_no_more() -> None:
    info = info_of(Backend("a"), Backend("b"), generation=4)
    filled = info.report("a", COMPLETED, generation=3, data_store_version_id="v")

    assert attrs.evolve(info, backends=(Backend("a", PENDING, "v"), Backend("b"))) == filled


@pytest.mark.parametrize(
    ("status", "generation", "version_id"),
    [(FAILED, 3, "v"), (PENDING, 3, "v"), (COMPLETED, 5, "v"), (COMPLETED, 3, ""), (COMPLETED, 3, None)],
)
def test_nothing_else_fills_a_version_id(status: Status, generation: int, version_id: str | None) -> None:
    info = info_of(Backend("a"), generation=4)

    assert info.report("a", status, generation=generation, data_store_version_id=version_id) is info


# Messages and replicas.


def test_a_status_message_says_what_it_says_whatever_stood_there() -> None:
    info = ReplicationInfo(COMPLETED, (Backend("a", COMPLETED, "v"), Backend("b", COMPLETED)))
    said = info.with_status("a", PENDING)

    assert Status.PROCESSING == said.status
    assert (Backend("a", PENDING, "v"), Backend("b", COMPLETED)) == said.backends
    assert COMPLETED == info.with_status("nowhere", FAILED).status
    assert Backend("b", FAILED, "w") == info.with_status("b", FAILED, data_store_version_id="w").backend("b")


def test_st2_a_retry_carries_its_site_alone() -> None:
    info = ReplicationInfo.from_document({**STORED, "foo": 1, "generation": 2})
    retry = info.for_retry("aws")

    assert {
        **STORED,
        "status": "PENDING",
        "backends": [{"site": "aws", "status": "PENDING", "dataStoreVersionId": "3HL4"}],
        "storageClass": "aws",
        "foo": 1,
        "generation": 2,
    } == retry.to_document()
    assert () == info.for_retry("nowhere").backends


def test_st22_a_replica_tells_of_itself_alone() -> None:
    replica = ReplicationInfo.from_document(STORED).as_replica("azure")

    assert REPLICA == replica.status
    assert (Backend("azure", REPLICA),) == replica.backends
    assert "aws:preferred_read,azure" == replica.storage_class
