"""Rules, endpoints and locations as they are stored, and the checks of the bucket itself (V21 to V23)."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.domain.configuration import (
    Endpoint,
    LocationConstraint,
    ReplicationConfiguration,
    Rule,
    StorageClass,
    check_bucket,
    default_endpoint,
)
from backbeat_core.errors import InvalidDocument

STORED: dict[str, Any] = {
    "role": "src,dst",
    "destination": "arn:aws:s3:::bucket",
    "rules": [
        {"id": "1", "prefix": "a/", "enabled": True, "storageClass": "a:preferred_read,b"},
        {"id": "2", "prefix": "b/", "enabled": False},
    ],
    "preferredReadLocation": "a",
}
CONFIGURATION = ReplicationConfiguration(
    "src,dst",
    "arn:aws:s3:::bucket",
    (Rule("1", "a/", True, "a:preferred_read,b"), Rule("2", "b/", False)),
    "a",
)

rules = st.builds(Rule, st.text(), st.text(), st.booleans(), st.none() | st.text())


def test_a_stored_configuration_is_read() -> None:
    assert CONFIGURATION == ReplicationConfiguration.from_document(STORED)
    assert STORED == CONFIGURATION.to_document()


@given(
    st.builds(ReplicationConfiguration, st.text(), st.text(), st.lists(rules).map(tuple), st.none() | st.text())
)
def test_what_is_written_is_read_back(configuration: ReplicationConfiguration) -> None:
    assert configuration == ReplicationConfiguration.from_document(configuration.to_document())


def test_only_rules_must_be_there() -> None:
    assert ReplicationConfiguration("", "", ()) == ReplicationConfiguration.from_document({"rules": []})
    assert Rule("", "", False) == Rule.from_document({})


@pytest.mark.parametrize(
    ("document", "what"),
    [
        ([], "replication configuration"),
        ({}, "rules"),
        ({"rules": {}}, "rules"),
        ({"rules": [1]}, "replication rule"),
        ({"rules": [], "role": 1}, "role"),
        ({"rules": [], "destination": 1}, "destination"),
        ({"rules": [], "preferredReadLocation": 1}, "preferredReadLocation"),
        ({"rules": [{"id": 1}]}, "id"),
        ({"rules": [{"prefix": {"b": ["x"]}}]}, "prefix"),
        ({"rules": [{"storageClass": 1}]}, "storageClass"),
    ],
)
def test_a_configuration_of_the_wrong_shape_is_an_error_that_says_where(document: Any, what: str) -> None:
    with pytest.raises(InvalidDocument) as raised:
        ReplicationConfiguration.from_document(document)

    assert "InternalError" == raised.value.code
    assert raised.value.description.startswith(f"{what} of")


def test_endpoints_are_read() -> None:
    assert Endpoint("z", None, ("h:1", "h:2"), True) == Endpoint.from_document(
        {"site": "z", "servers": ["h:1", "h:2"], "default": True}
    )
    assert Endpoint("a", "aws_s3") == Endpoint.from_document({"site": "a", "type": "aws_s3"})
    assert Endpoint("z").is_scality
    assert not Endpoint("a", "aws_s3").is_scality


@pytest.mark.parametrize(
    "document",
    [1, {"site": 1}, {"site": "a", "type": 1}, {"site": "a", "servers": "h:1"}, {"site": "a", "servers": [1]}],
)
def test_an_endpoint_of_the_wrong_shape_is_an_error(document: Any) -> None:
    with pytest.raises(InvalidDocument):
        Endpoint.from_document(document)


def test_locations_are_read() -> None:
    details = {"bucketMatch": True, "supportsVersioning": True}

    assert LocationConstraint("aws_s3", True, True, True, True) == LocationConstraint.from_document(
        {"type": "aws_s3", "isCold": True, "isTransient": True, "details": details}
    )
    assert LocationConstraint() == LocationConstraint.from_document({})
    assert LocationConstraint("file") == LocationConstraint.from_document({"type": "file", "details": 1})


@pytest.mark.parametrize("document", [None, {"type": 1}])
def test_a_location_of_the_wrong_shape_is_an_error(document: Any) -> None:
    with pytest.raises(InvalidDocument):
        LocationConstraint.from_document(document)


@pytest.mark.parametrize(
    ("kind", "cloud"), [("aws_s3", True), ("azure", True), ("gcp", True), ("file", False), ("dmf", False)]
)
def test_three_types_are_clouds(kind: str, cloud: bool) -> None:
    assert cloud == LocationConstraint(kind).is_cloud


def test_the_default_endpoint_is_the_marked_one_or_the_first() -> None:
    one, two = Endpoint("1"), Endpoint("2", default=True)

    assert default_endpoint([one, two]) is two
    assert default_endpoint([one, Endpoint("3")]) is one
    assert default_endpoint([]) is None


def test_storage_classes_are_split_at_commas_and_not_trimmed() -> None:
    assert () == Rule("1", "").classes
    assert () == Rule("1", "", storage_class="").classes
    assert (
        StorageClass("a", True),
        StorageClass(" b"),
        StorageClass(""),
    ) == Rule("1", "", storage_class="a:preferred_read, b,").classes


@given(st.text())
def test_an_item_of_a_storage_class_is_written_as_it_was_read(item: str) -> None:
    assert item == str(StorageClass.from_text(item))


@pytest.mark.parametrize(
    ("key", "matched"), [("a/x", "1"), ("a/", "1"), ("a", None), ("b/x", None), ("A/x", None), ("", None)]
)
def test_keys_match_the_enabled_rule_of_their_prefix(key: str, matched: str | None) -> None:
    rule = CONFIGURATION.matching(key)

    assert matched == (None if rule is None else rule.id)


def test_roles_and_bucket_are_told_apart() -> None:
    assert ("src", "dst") == CONFIGURATION.roles
    assert "bucket" == CONFIGURATION.target_bucket


# V21 to V23

HOT = LocationConstraint("file")
TRANSIENT = LocationConstraint("file", is_transient=True)
LACKING = attrs.evolve(CONFIGURATION, rules=(Rule("1", "", storage_class="a,b"),))


@pytest.mark.parametrize(
    ("bucket", "code"),
    [
        ({"exists": False, "allowed": False, "versioning_enabled": False, "location": TRANSIENT}, "NoSuchBucket"),
        ({"allowed": False, "versioning_enabled": False, "location": TRANSIENT}, "AccessDenied"),
        ({"versioning_enabled": False, "location": TRANSIENT}, "InvalidRequest"),
        ({"versioning_enabled": True, "location": TRANSIENT}, "ValidationError"),
        ({"versioning_enabled": False, "is_nfs": True, "location": TRANSIENT}, "ValidationError"),
        ({"versioning_enabled": True, "location": HOT}, None),
        ({"versioning_enabled": False, "is_nfs": True, "location": HOT}, None),
    ],
)
def test_the_bucket_is_checked_in_the_order_of_the_specification(bucket: dict[str, Any], code: str | None) -> None:
    if code is None:
        check_bucket(LACKING, **bucket)
        return
    with pytest.raises(InvalidDocument) as raised:
        check_bucket(LACKING, **bucket)

    assert code == raised.value.code
    assert raised.value.description


@pytest.mark.parametrize(
    ("code", "bucket", "text"),
    [
        (
            "V22",
            {"versioning_enabled": False, "location": HOT},
            "Versioning must be 'Enabled' on the bucket to apply a replication configuration",
        ),
        (
            "V23",
            {"versioning_enabled": True, "location": TRANSIENT},
            "Replication configuration lacks a preferred read location",
        ),
    ],
)
def test_the_texts_are_those_of_the_specification(code: str, bucket: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidDocument) as raised:
        check_bucket(LACKING, **bucket)

    assert text == raised.value.description


@pytest.mark.parametrize(
    ("classes", "fine"),
    [
        ([], True),
        ([None], True),
        (["a:preferred_read"], True),
        (["a,b:preferred_read", None], True),
        (["a"], False),
        (["a:preferred_read", "b"], False),
    ],
)
def test_v23_every_rule_with_sites_needs_one_to_read_from(classes: list[str | None], fine: bool) -> None:
    configuration = attrs.evolve(CONFIGURATION, rules=tuple(Rule("1", "", storage_class=each) for each in classes))
    try:
        check_bucket(configuration, versioning_enabled=True, location=TRANSIENT)
    except InvalidDocument:
        assert not fine
    else:
        assert fine
