"""What is replicated from a bucket and where to: its rules, and the endpoints and locations that they name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from backbeat_core.domain.metadata import Document, Json
from backbeat_core.errors import InvalidDocument

PREFERRED_READ: Final = ":preferred_read"

# Classes that AWS names and no location is called by: they mean the default endpoint (RI-4).
AWS_CLASSES: Final = frozenset({"STANDARD", "STANDARD_IA", "REDUCED_REDUNDANCY"})

# Types of location that are written through the source server; the others are Scality destinations.
CLOUD_TYPES: Final = frozenset({"aws_s3", "azure", "gcp"})


@attrs.frozen
class Endpoint:
    """A place that objects can be replicated to; without a *type* it is another CloudServer (2.5)."""

    site: str
    type: str | None = None
    servers: tuple[str, ...] = ()
    default: bool = False

    @property
    def is_scality(self) -> bool:
        """Whether this is another CloudServer, which needs a role of its own."""
        return self.type is None

    @classmethod
    def from_document(cls, document: Document) -> Endpoint:
        """Read one element of `replicationEndpoints`."""
        what = _mapping(document, "replication endpoint")
        servers = _list(what.get("servers"), "servers")
        kind = what.get("type")
        return cls(
            site=_text(what.get("site"), "site"),
            type=None if kind is None else _text(kind, "type"),
            servers=tuple(_text(server, "servers") for server in servers),
            default=bool(what.get("default")),
        )


@attrs.frozen
class LocationConstraint:
    """What the source server knows about one of its locations."""

    type: str = ""
    is_cold: bool = False
    is_transient: bool = False
    bucket_match: bool = False
    supports_versioning: bool = False

    @property
    def is_cloud(self) -> bool:
        """Whether this is a cloud that the source server writes to on the replication's behalf."""
        return self.type in CLOUD_TYPES

    @classmethod
    def from_document(cls, document: Document) -> LocationConstraint:
        """Read one value of `locationConstraints`."""
        what = _mapping(document, "location constraint")
        details = what.get("details")
        known = details if isinstance(details, Mapping) else {}
        return cls(
            type=_text(what.get("type"), "type"),
            is_cold=bool(what.get("isCold")),
            is_transient=bool(what.get("isTransient")),
            bucket_match=bool(known.get("bucketMatch")),
            supports_versioning=bool(known.get("supportsVersioning")),
        )


@attrs.frozen
class StorageClass:
    """One item of a rule's storage class: a site, and whether reads prefer it to the source."""

    site: str
    preferred_read: bool = False

    @classmethod
    def from_text(cls, text: str) -> StorageClass:
        """Read one item; nothing is trimmed."""
        return cls(text.removesuffix(PREFERRED_READ), text.endswith(PREFERRED_READ))

    def __str__(self) -> str:
        return f"{self.site}{PREFERRED_READ}" if self.preferred_read else self.site


@attrs.frozen
class Rule:
    """Objects whose key starts with *prefix* go to the sites of *storage_class*, a comma-separated text."""

    id: str
    prefix: str
    enabled: bool = True
    storage_class: str | None = None

    @property
    def classes(self) -> tuple[StorageClass, ...]:
        """The items of the storage class, none where the rule leaves the choice to the server."""
        if not self.storage_class:
            return ()
        return tuple(StorageClass.from_text(item) for item in self.storage_class.split(","))

    def matches(self, key: str) -> bool:
        """Return whether an object of this *key* is replicated by this rule (RI-2)."""
        return self.enabled and key.startswith(self.prefix)

    @classmethod
    def from_document(cls, document: Document) -> Rule:
        """Read one element of `rules`."""
        what = _mapping(document, "replication rule")
        storage_class = what.get("storageClass")
        return cls(
            id=_text(what.get("id"), "id"),
            prefix=_text(what.get("prefix"), "prefix"),
            enabled=what.get("enabled") is True,
            storage_class=None if storage_class is None else _text(storage_class, "storageClass"),
        )

    def to_document(self) -> dict[str, Json]:
        """Return the rule as it is stored."""
        document: dict[str, Json] = {"id": self.id, "prefix": self.prefix, "enabled": self.enabled}
        if self.storage_class is not None:
            document["storageClass"] = self.storage_class
        return document


@attrs.frozen
class ReplicationConfiguration:
    """
    The replication configuration of a bucket (2.5).

    *role* is one ARN, or two with a comma between them; *destination* is the ARN of the one bucket that
    all rules write to; *preferred_read_location* is the site that reads prefer, None for the source.
    """

    role: str
    destination: str
    rules: tuple[Rule, ...]
    preferred_read_location: str | None = None

    @property
    def roles(self) -> tuple[str, ...]:
        """The source role, followed by the target role where there is one."""
        return tuple(self.role.split(","))

    @property
    def target_bucket(self) -> str:
        """The name of the bucket that all rules write to."""
        return self.destination.rpartition(":")[2]

    def matching(self, key: str) -> Rule | None:
        """Return the first enabled rule whose prefix *key* starts with (RI-3), None where there is none."""
        return next((rule for rule in self.rules if rule.matches(key)), None)

    @classmethod
    def from_document(cls, document: Document) -> ReplicationConfiguration:
        """Read a stored configuration; only `rules` must be there."""
        what = _mapping(document, "replication configuration")
        rules = what.get("rules")
        if rules is None:
            raise _malformed("rules")
        preferred = what.get("preferredReadLocation")
        return cls(
            role=_text(what.get("role"), "role"),
            destination=_text(what.get("destination"), "destination"),
            rules=tuple(Rule.from_document(rule) for rule in _list(rules, "rules")),
            preferred_read_location=None if preferred is None else _text(preferred, "preferredReadLocation"),
        )

    def to_document(self) -> dict[str, Json]:
        """Return the configuration as it is stored."""
        return {
            "role": self.role,
            "destination": self.destination,
            "rules": [rule.to_document() for rule in self.rules],
            "preferredReadLocation": self.preferred_read_location,
        }


def default_endpoint(endpoints: Iterable[Endpoint]) -> Endpoint | None:
    """Return the endpoint that is marked as the default, else the first one, else None (RI-4)."""
    first: Endpoint | None = None
    for endpoint in endpoints:
        if endpoint.default:
            return endpoint
        first = first or endpoint
    return first


def check_bucket(
    configuration: ReplicationConfiguration,
    *,
    exists: bool = True,
    allowed: bool = True,
    versioning_enabled: bool,
    is_nfs: bool = False,
    location: LocationConstraint,
) -> None:
    """
    Check that a bucket can have *configuration*, once this has been parsed (V21 to V23, in that order).

    *allowed* says whether the caller may set it, *location* is the bucket's own. Raises `InvalidDocument`
    with the S3 error for the caller.
    """
    if not exists:
        raise InvalidDocument("NoSuchBucket", "The specified bucket does not exist.")
    if not allowed:
        raise InvalidDocument("AccessDenied", "Access Denied")
    if not versioning_enabled and not is_nfs:
        raise InvalidDocument(
            "InvalidRequest",
            "Versioning must be 'Enabled' on the bucket to apply a replication configuration",
        )
    if location.is_transient and any(_lacks_preferred_read(rule) for rule in configuration.rules):
        raise InvalidDocument("ValidationError", "Replication configuration lacks a preferred read location")


def _lacks_preferred_read(rule: Rule) -> bool:
    return bool(rule.classes) and not any(item.preferred_read for item in rule.classes)


def _mapping(value: Json, what: str) -> Document:
    if not isinstance(value, Mapping):
        raise _malformed(what)
    return value


def _list(value: Json, what: str) -> list[Json]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise _malformed(what)
    return value


def _text(value: Json, what: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _malformed(what)
    return value


def _malformed(what: str) -> InvalidDocument:
    return InvalidDocument("InternalError", f"{what} of a stored configuration is malformed")
