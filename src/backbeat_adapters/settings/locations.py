"""`conf/locationConfig.json`: where bytes live (queue-and-wire 4.9)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from backbeat_adapters.settings.schema import (
    ABSENT,
    FLAG,
    FREE,
    NUMBER,
    TEXT,
    Key,
    Reading,
    masked,
    tree,
)
from backbeat_core.domain.configuration import LocationConstraint
from backbeat_core.errors import InvalidConfiguration

BACKENDS: Final = ("file", "mem", "aws_s3", "azure", "gcp", "scality", "dmf", "azure_archive", "pfs")

MANAGED: Final[Mapping[str, str]] = {
    "location-mem-v1": "mem",
    "location-file-v1": "file",
    "location-azure-v1": "azure",
    "location-gcp-v1": "gcp",
    "location-dmf-v1": "dmf",
    "location-azure-archive-v1": "azure_archive",
    "location-do-spaces-v1": "aws_s3",
    "location-aws-s3-v1": "aws_s3",
    "location-wasabi-v1": "aws_s3",
    "location-scality-ring-s3-v1": "aws_s3",
    "location-scality-artesca-s3-v1": "aws_s3",
    "location-ceph-radosgw-s3-v1": "aws_s3",
}
"""Back-end by the management's type."""

KEYS: Final = (
    Key("type", TEXT, ABSENT, f"Back-end: {', '.join(BACKENDS)}; without, that of locationType"),
    Key("locationType", TEXT, ABSENT, "Management's type, such as `location-aws-s3-v1`"),
    Key("objectId", TEXT, ABSENT, "Stable identity, of one location only"),
    Key("legacyAwsBehavior", FLAG, False, "Region naming", unused="regions are the source server's"),
    Key("isTransient", FLAG, False, "What is there is deleted once it is everywhere else"),
    Key("isCold", FLAG, False, "An archive: what is there cannot be read at once"),
    Key("sizeLimitGB", NUMBER, ABSENT, "", unused="no quota is kept here"),
    Key("details", FREE, {}, "The back-end's; of a file: `path`, its directory"),
)
NODE: Final = tree(KEYS)


@attrs.frozen
class SiteLocation:
    """
    One location. *disabled* says why it cannot be used, '' if it can.

    *details* are the back-end's own, with what is secret in them.
    """

    name: str
    type: str
    location_type: str = ""
    object_id: str = ""
    is_transient: bool = False
    is_cold: bool = False
    details: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    disabled: str = ""

    @property
    def constraint(self) -> LocationConstraint:
        """Return what the rules of replication know of it."""
        return LocationConstraint(
            type=self.type,
            is_cold=self.is_cold,
            is_transient=self.is_transient,
            bucket_match=bool(self.details.get("bucketMatch")),
            supports_versioning=bool(self.details.get("supportsVersioning")),
        )

    def directory(self, base: Path) -> Path | None:
        """Return the directory of a location of files, relative ones from *base*; None if it is none."""
        path = self.details.get("path")
        return base / path if self.type == "file" and isinstance(path, str) and path else None

    def described(self) -> Mapping[str, Any]:
        """Return what it is, for people, without what is secret."""
        found = {"type": self.type, "details": masked(None, dict(self.details))}
        return {**found, "disabled": self.disabled} if self.disabled else found


@attrs.frozen
class Locations:
    """All locations by name, and what of their file is not used."""

    by_name: Mapping[str, SiteLocation] = attrs.field(factory=dict)
    unused: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def problems(self) -> tuple[str, ...]:
        """Return a line for each location that is disabled."""
        return tuple(
            f"location {each.name!r} is disabled: {each.disabled}"
            for each in self.by_name.values()
            if each.disabled
        )

    @property
    def transient(self) -> frozenset[str]:
        """Return the names of those whose bytes go once they are everywhere else."""
        return frozenset(each.name for each in self.by_name.values() if each.is_transient)

    @property
    def cold(self) -> frozenset[str]:
        """Return the names of the archives."""
        return frozenset(each.name for each in self.by_name.values() if each.is_cold)


def read_locations(document: Any) -> Locations:
    """Return the locations of the file. Raises InvalidConfiguration naming the path of what is wrong."""
    if not isinstance(document, dict):
        raise InvalidConfiguration("it must be an object: location name → description")
    problems: list[str] = []
    unused: dict[str, str] = {}
    found: dict[str, SiteLocation] = {}
    owners: dict[str, str] = {}
    for name, given in document.items():
        if not isinstance(given, dict):
            problems.append(f"{name} must be an object")
            continue
        # Managers put more into it than the table knows, and no word of theirs can change what is done here.
        known = {key: value for key, value in given.items() if key in NODE.children and value is not None}
        unused.update({f"{name}.{key}": "it is not known" for key in given if key not in NODE.children})
        reading = Reading()
        location = _location(name, reading.object(NODE, known, name))
        problems += reading.problems
        unused.update({f"{name}.{key}": why for key, why in reading.unused.items()})
        owner = owners.setdefault(location.object_id, name) if location.object_id else name
        if owner != name:
            problems.append(f"{name}.objectId {location.object_id!r} is that of {owner}")
        found[name] = location
    if problems:
        raise InvalidConfiguration("; ".join(problems))
    return Locations(found, unused)


def _location(name: str, members: Mapping[str, Any]) -> SiteLocation:
    managed = members.get("locationType", "")
    kind = members.get("type") or MANAGED.get(managed, "") if isinstance(managed, str) else ""
    if not kind:
        disabled = f"its locationType {managed!r} is not known" if managed else "it has no type"
    else:
        disabled = "" if kind in BACKENDS else f"its type {kind!r} is not known"
    details = members.get("details")
    return SiteLocation(
        name=name,
        type=kind or "",
        location_type=managed,
        object_id=members.get("objectId", ""),
        is_transient=members.get("isTransient") is True,
        is_cold=members.get("isCold") is True,
        details=details if isinstance(details, dict) else {},
        disabled=disabled,
    )


__all__ = ["KEYS", "Locations", "SiteLocation", "read_locations"]
