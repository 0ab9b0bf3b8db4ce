"""A bucket's replication configuration as XML: every check of a body that a client sends, and the way back."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import attrs

from backbeat_core.domain import xml_tree
from backbeat_core.domain.configuration import (
    AWS_CLASSES,
    Endpoint,
    LocationConstraint,
    ReplicationConfiguration,
    Rule,
    StorageClass,
    default_endpoint,
)
from backbeat_core.domain.xml_tree import Element, malformed
from backbeat_core.errors import InvalidDocument

NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"

_MOST_RULES: Final = 1000
_LONGEST_PREFIX: Final = 1024
_LONGEST_ID: Final = 255

_BUCKET_ARN_START: Final = ("arn", "aws", "s3", "", "")
_ROLE_ARN_START: Final = ("arn", "aws", "iam", "")
_BUCKET_NAME: Final = re.compile(r"[a-z0-9]+(?:(?:\.|-+)[a-z0-9]+)*")
_ADDRESS: Final = re.compile(r"(?:[0-9]+\.){3}[0-9]+")

_ROLE_ERROR: Final = "Invalid Role specified in replication configuration: "


def rule_id(uuid_text: str) -> str:
    """Return the id of a rule that came without one: *uuid_text*, a random UUID, in base 64 (2.5)."""
    return base64.b64encode(uuid_text.encode()).decode("ascii")


def parse_configuration(
    xml: bytes,
    *,
    endpoints: Sequence[Endpoint],
    locations: Mapping[str, LocationConstraint],
    source_bucket: str,
    new_rule_id: Callable[[], str],
) -> ReplicationConfiguration:
    """
    Return the configuration in *xml*, the body of a client's request.

    The checks are V1 to V20 of 2.6, in the order given there, with its mends of the reference; the first
    that fails raises `InvalidDocument` with the code and the text of its S3 error. The bucket's own checks
    follow with `configuration.check_bucket`. *new_rule_id* is asked for the id of each rule without one;
    *source_bucket* is the name of the bucket that the configuration is for.
    """
    root = xml_tree.read(xml)
    if root.name != "ReplicationConfiguration":
        raise malformed()
    elements = [child for child in root.children if child.name == "Rule"]
    if not elements:  # V1
        raise malformed()
    if len(elements) > _MOST_RULES:  # V2
        raise InvalidDocument("InvalidRequest", f"Number of defined replication rules cannot exceed {_MOST_RULES}")
    checks = _Checks(endpoints, locations)
    rules = [checks.rule(element) for element in elements]
    role = checks.role(root)
    return ReplicationConfiguration(
        role=role,
        # A configuration for clouds only may leave its bucket out, and then names the source's own.
        destination=checks.destination or f"arn:aws:s3:::{source_bucket}",
        rules=tuple(rule if rule.id else attrs.evolve(rule, id=new_rule_id()) for rule in rules),
        preferred_read_location=checks.preferred_read(),
    )


@attrs.define(eq=False)
class _Checks:
    """What the rules so far have said, owned by one call."""

    endpoints: Sequence[Endpoint]
    locations: Mapping[str, LocationConstraint]
    destination: str | None = None
    _default: Endpoint | None = attrs.field(init=False)
    _by_site: dict[str, Endpoint] = attrs.field(init=False)
    _prefixes: list[str] = attrs.field(init=False, factory=list)
    _ids: set[str] = attrs.field(init=False, factory=set)
    _preferred: dict[str, None] = attrs.field(init=False, factory=dict)
    # Whether any site of any rule is another CloudServer; the reference overwrites its flag (2.6).
    _scality: bool = attrs.field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self._default = default_endpoint(self.endpoints)
        # The first of a name counts, as everywhere.
        self._by_site = {endpoint.site: endpoint for endpoint in reversed(self.endpoints)}

    def rule(self, element: Element) -> Rule:
        enabled = self._status(element)
        prefix = self._prefix(element)
        identifier = self._id(element)
        target = element.child("Destination")
        if target is None or target.is_empty:  # V9
            raise malformed()
        storage_class = self._storage_class(target)
        self._bucket(target)
        return Rule(identifier, prefix, enabled, storage_class)

    def _status(self, element: Element) -> bool:
        status = _text(element, "Status")
        if status not in ("Enabled", "Disabled"):  # V3
            raise malformed()
        return status == "Enabled"

    def _prefix(self, element: Element) -> str:
        prefix = _text(element, "Prefix")
        if prefix is None:  # V4
            raise malformed()
        if _length(prefix) > _LONGEST_PREFIX:  # V5
            raise _invalid_argument(
                f"Rule prefix cannot be longer than maximum allowed key length of {_LONGEST_PREFIX}"
            )
        for earlier in self._prefixes:
            if prefix.startswith(earlier) or earlier.startswith(prefix):  # V6
                raise _invalid_request(f"Found overlapping prefixes '{earlier}' and '{prefix}'")
        self._prefixes.append(prefix)
        return prefix

    def _id(self, element: Element) -> str:
        identifier = _text(element, "ID") or ""
        if _length(identifier) > _LONGEST_ID:  # V7
            raise _invalid_argument(f"Rule Id cannot be greater than {_LONGEST_ID}")
        if identifier in self._ids:  # V8
            raise _invalid_request("Rule Id must be unique")
        if identifier:
            self._ids.add(identifier)
        return identifier

    def _storage_class(self, target: Element) -> str | None:
        text = _text(target, "StorageClass")
        if text is None:
            self._endpoint(None)
            return None
        classes = [StorageClass.from_text(item) for item in text.split(",")]
        sites = {item.site for item in classes}
        preferred = [item.site for item in classes if item.preferred_read]
        # V10, for one item twice as for an item that nobody serves: the reference would never finish it.
        if len(sites) < len(classes) or len(preferred) > 1:
            raise malformed()
        for item in classes:
            self._endpoint(item.site)
        self._preferred.update(dict.fromkeys(preferred))
        return text

    def _endpoint(self, site: str | None) -> None:
        if site is None or site in AWS_CLASSES:
            endpoint = self._default
        else:
            endpoint = self._by_site.get(site)
            if site in self.locations and self.locations[site].is_cold:  # V11
                raise malformed()
        if endpoint is None:  # V10
            raise malformed()
        self._scality = self._scality or endpoint.is_scality

    def _bucket(self, target: Element) -> None:
        arn = _text(target, "Bucket")
        if arn is None:
            if self._scality:  # V12
                raise malformed()
            return
        if not arn:  # V13
            raise _invalid_argument("Destination bucket cannot be null or empty")
        *start, name = arn.split(":", len(_BUCKET_ARN_START))
        if tuple(start) != _BUCKET_ARN_START:  # V14
            raise _invalid_argument("Invalid bucket ARN")
        if not is_bucket_name(name):  # V15
            raise _invalid_argument("The specified bucket is not valid")
        if self.destination not in (None, arn):  # V16
            raise _invalid_request("The destination bucket must be same for all rules")
        self.destination = arn

    def role(self, root: Element) -> str:
        role = _text(root, "Role")
        if role is None:  # V17
            raise malformed()
        roles = role.split(",")
        if self._scality and len(roles) != 2:  # V18
            raise _invalid_argument(f"{_ROLE_ERROR}Role must be a comma-separated list of two IAM roles")
        if not self._scality and len(roles) > 1:  # V19
            raise _invalid_argument(f"{_ROLE_ERROR}Role may not contain a comma separator")
        for each in roles:
            if not is_role(each):  # V20
                raise _invalid_argument(f"{_ROLE_ERROR}'{each}'")
        return role

    def preferred_read(self) -> str | None:
        # There is one per bucket; the reference keeps the last and forgets the others without a word.
        if len(self._preferred) > 1:
            raise _invalid_request("Only one preferred read location is possible for all rules")
        return next(iter(self._preferred), None)


def is_bucket_name(name: str) -> bool:
    """Return whether *name* is a bucket's: 3 to 63 characters, lower-case DNS labels, no IP address (V15)."""
    return 3 <= len(name) <= 63 and not _ADDRESS.fullmatch(name) and bool(_BUCKET_NAME.fullmatch(name))


def is_role(arn: str) -> bool:
    """Return whether *arn* is `arn:aws:iam::<account>:role…` (V20)."""
    segments = arn.split(":")
    if len(segments) < 6 or tuple(segments[:4]) != _ROLE_ARN_START:
        return False
    account, resource = segments[4:6]
    return (account == "*" or _length(account) >= 2) and resource.startswith("role")


def to_xml(configuration: ReplicationConfiguration) -> str:
    """Return *configuration* as the XML that a client is given (end of 2.6)."""
    rules = "".join(_rule_xml(configuration, rule) for rule in configuration.rules)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<ReplicationConfiguration xmlns="{NAMESPACE}">{rules}'
        f"{_element('Role', configuration.role)}</ReplicationConfiguration>"
    )


def _rule_xml(configuration: ReplicationConfiguration, rule: Rule) -> str:
    # A stored null is no bucket at all, and is left out as it was left out when it came in.
    bucket = _element("Bucket", configuration.destination) if configuration.destination else ""
    storage_class = _element("StorageClass", rule.storage_class) if rule.storage_class else ""
    return (
        f"<Rule>{_element('ID', rule.id)}{_element('Prefix', rule.prefix)}"
        f"<Status>{'Enabled' if rule.enabled else 'Disabled'}</Status>"
        f"<Destination>{bucket}{storage_class}</Destination></Rule>"
    )


# A carriage return that is not written as a reference is read as a line feed.
_ESCAPES: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;", "\r": "&#13;"}
)


def _element(name: str, text: str) -> str:
    return f"<{name}>{text.translate(_ESCAPES)}</{name}>" if text else f"<{name}/>"


def _text(parent: Element, name: str) -> str | None:
    child = parent.child(name)
    return None if child is None else child.text()


def _length(text: str) -> int:
    """Return the number of characters as the reference counts them: UTF-16 units."""
    return len(text) + sum(character > "\uffff" for character in text)


def _invalid_argument(description: str) -> InvalidDocument:
    return InvalidDocument("InvalidArgument", description)


def _invalid_request(description: str) -> InvalidDocument:
    return InvalidDocument("InvalidRequest", description)
