"""A bucket's replication configuration as a client sends it and as it is given back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from xml.etree import ElementTree

import attrs

from backbeat_core.domain.configuration import (
    Endpoint,
    LocationConstraint,
    ReplicationConfiguration,
    check_bucket,
)
from backbeat_core.domain.configuration_xml import parse_configuration, to_xml
from backbeat_core.errors import BackbeatError, InvalidDocument
from golden.vectors import Case, Check, answer

SOURCE: Final = "source-bucket"
SUFFIX: Final = ":preferred_read"
AWS_CLASSES: Final = ("STANDARD", "STANDARD_IA", "REDUCED_REDUNDANCY")
TWO_ROLES: Final = "Role must be a comma-separated list of two IAM roles"


def _parsed(case: Case) -> ReplicationConfiguration | BackbeatError:
    given = case.input
    return answer(
        lambda: parse_configuration(
            given["xml"].encode("utf-8", "surrogatepass"),
            endpoints=[Endpoint.from_document(each) for each in given["replicationEndpoints"]],
            locations=_locations(given),
            source_bucket=SOURCE,
            new_rule_id=lambda: "<generated>",
        )
    )


def _locations(given: Mapping[str, Any]) -> dict[str, LocationConstraint]:
    return {name: LocationConstraint.from_document(each) for name, each in given["locationConstraints"].items()}


def check_put(case: Case) -> None:
    parsed = _parsed(case)
    body = _Body.of(case.input)

    if {"exception", "uncaught"} & case.expected.keys():
        # The reference broke; what we make of it is pinned by the tests of the domain.
        assert isinstance(parsed, ReplicationConfiguration | InvalidDocument)
    elif _is_refused_unread(case.input["xml"]):
        assert _told(parsed) == _error("MalformedXML")
    elif body is None or not _is_mended(body):
        assert case.expected == _told(parsed)
    elif body.has_site_twice or body.has_colon_site:
        # V10 as mended: these items are served by nobody. A check before it may have failed already.
        assert _told(parsed) in (_error("MalformedXML"), case.expected if "error" in case.expected else None)
    elif body.has_long_arn:
        # V14, V15: what follows the fifth colon is the bucket.
        assert isinstance(parsed, InvalidDocument)
    elif body.was_taken_for_cloud:
        # One site that is another CloudServer makes two roles necessary, wherever it is named.
        _check_two_roles(body, case, parsed)
    elif "config" in case.expected and len(body.preferred) > 1:
        assert isinstance(parsed, InvalidDocument)
        assert parsed.code == "InvalidRequest"
    elif "config" in case.expected and case.expected["config"]["destination"] is None:
        mended = {**case.expected["config"], "destination": f"arn:aws:s3:::{SOURCE}"}

        assert {"config": mended} == _told(parsed)
    else:
        assert case.expected == _told(parsed)


def _is_refused_unread(raw: str) -> bool:
    """No document types, and no other encoding than UTF-8, whatever is in the document."""
    declared = re.match(r"<\?xml[^>]*encoding\s*=\s*[\"']([^\"']*)", raw)
    encoding = declared[1].lower() if declared else "utf-8"
    return "<!DOCTYPE" in raw or encoding not in ("utf-8", "utf8", "us-ascii")


def check_exotic(case: Case) -> None:
    parsed = _parsed(case)

    assert isinstance(parsed, ReplicationConfiguration | InvalidDocument)
    if isinstance(parsed, ReplicationConfiguration) and "config" in case.expected:
        assert case.expected == _told(parsed)


def check_get_xml(case: Case) -> None:
    stored = case.input["config"]
    written = to_xml(ReplicationConfiguration.from_document(stored))
    recorded = case.expected["xml"]
    if stored.get("destination") is None:
        # There never was a bucket (2.6), and none is invented.
        recorded = recorded.replace("<Bucket>null</Bucket>", "").replace("<Bucket>undefined</Bucket>", "")
    for rule in stored["rules"]:
        # What is not escaped can't be read again.
        text = rule.get("storageClass") or ""
        recorded = recorded.replace(f"<StorageClass>{text}<", f"<StorageClass>{_escaped(text)}<")

    assert recorded.replace("\r", "&#13;") == written


def check_transient(case: Case) -> None:
    def check() -> None:
        check_bucket(
            ReplicationConfiguration.from_document(case.input["config"]),
            versioning_enabled=True,
            location=_locations(case.input)[case.input["bucketLocation"]],
        )

    assert case.expected["valid"] == (answer(check) is None)


def _told(parsed: ReplicationConfiguration | BackbeatError) -> dict[str, Any]:
    if isinstance(parsed, ReplicationConfiguration):
        return {"config": parsed.to_document()}
    assert isinstance(parsed, InvalidDocument)
    return _error(parsed.code, parsed.description)


def _error(code: str, description: str | None = None) -> dict[str, Any]:
    malformed = "The XML you provided was not well-formed or did not validate against our published schema."
    body = f'{{"{code}":true}}'
    return {
        "error": {"type": code, "code": 400, "description": description or malformed, "body": body},
    }


def _escaped(text: str) -> str:
    for character, name in (("&", "amp"), ("<", "lt"), (">", "gt"), ('"', "quot"), ("'", "apos")):
        text = text.replace(character, f"&{name};")
    return text


@attrs.frozen
class _Body:
    """What a body says, read without any check; the rules in which we differ are decided by it."""

    classes: tuple[tuple[str, ...], ...]
    arns: tuple[str | None, ...]
    role: str
    endpoints: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> _Body | None:
        raw = given["xml"]
        try:
            # Namespaces are of no interest to the reference.
            root = ElementTree.fromstring(re.sub(r"\sxmlns(:\w+)?\s*=\s*(\"[^\"]*\"|'[^']*')", "", raw))
        except (ElementTree.ParseError, ValueError):
            return None
        rules = root.findall("Rule")
        return cls(
            classes=tuple(
                tuple((found.text or "").split(","))
                if (found := rule.find("Destination/StorageClass")) is not None
                else ()
                for rule in rules
            ),
            arns=tuple(rule.findtext("Destination/Bucket") for rule in rules),
            role=root.findtext("Role") or "",
            endpoints=given["replicationEndpoints"],
        )

    @property
    def preferred(self) -> set[str]:
        return {item.removesuffix(SUFFIX) for rule in self.classes for item in rule if item.endswith(SUFFIX)}

    @property
    def has_site_twice(self) -> bool:
        sites = [[item.removesuffix(SUFFIX) for item in rule] for rule in self.classes]
        return any(len(set(rule)) < len(rule) for rule in sites)

    @property
    def has_colon_site(self) -> bool:
        """The reference cuts at the first colon (RI-4)."""
        items = [item for rule in self.classes for item in rule if item.endswith(SUFFIX)]
        return any(":" in item.removesuffix(SUFFIX) for item in items)

    @property
    def has_long_arn(self) -> bool:
        return any(arn is not None and arn.count(":") > 5 for arn in self.arns)

    @property
    def flags(self) -> tuple[bool, bool]:
        """Whether some site is another CloudServer: what the reference remembers, and what is so."""
        default = next((each for each in self.endpoints if each.get("default")), (self.endpoints or [None])[0])
        remembered = so = False
        for rule in self.classes:
            for item in rule or (None,):
                site = None if item is None else item.removesuffix(SUFFIX)
                if site is None or site in AWS_CLASSES:
                    is_scality = default is not None and default.get("type") is None
                    remembered = is_scality
                else:
                    is_scality = any(each["site"] == site and each.get("type") is None for each in self.endpoints)
                    remembered = remembered or is_scality
                so = so or is_scality
        return remembered, so

    @property
    def was_taken_for_cloud(self) -> bool:
        return self.flags == (False, True)


def _is_mended(body: _Body) -> bool:
    return (
        body.has_site_twice
        or body.has_colon_site
        or body.has_long_arn
        or len(body.preferred) > 1
        or None in body.arns
        or body.was_taken_for_cloud
    )


def _check_two_roles(body: _Body, case: Case, parsed: ReplicationConfiguration | BackbeatError) -> None:
    told = _told(parsed)
    roles = body.role.split(",")
    recorded = case.expected.get("error", {}).get("description", "")
    if "config" not in case.expected and "Role" not in recorded:
        # The reference found something before it came to the roles; we find that, or a missing bucket.
        assert told in (case.expected, _error("MalformedXML"))
    elif None in body.arns:
        assert told == _error("MalformedXML")
    elif len(roles) != 2:
        assert told == _error(
            "InvalidArgument", f"Invalid Role specified in replication configuration: {TWO_ROLES}"
        )
    elif "config" in told:
        assert body.role == told["config"]["role"]
    else:
        assert told["error"]["description"].startswith(("Invalid Role specified", "Only one preferred"))


CHECKS: Final[Mapping[str, Check]] = {
    "put_config": check_put,
    "put_config_crash": check_put,
    "put_config_exotic": check_exotic,
    "get_config_xml": check_get_xml,
    "transient_check": check_transient,
}
