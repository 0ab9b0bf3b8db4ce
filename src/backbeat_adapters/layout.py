"""Where things are on one machine: source, locations and state, checked before anything is written."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import attrs

from backbeat_adapters.embedded.tree import SourceTree, printable
from backbeat_core.domain.configuration import (
    Endpoint,
    LocationConstraint,
    ReplicationConfiguration,
    Rule,
)
from backbeat_core.domain.configuration_xml import is_bucket_name, parse_configuration
from backbeat_core.errors import InvalidConfiguration, InvalidDocument

ROLE = "arn:aws:iam::000000000000:role/backbeat"
LOCATION_TYPE = "aws_s3"
"""What a directory counts as for the rules: one cloud site, one role."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@attrs.frozen
class Layout:
    """One bucket on one machine. Paths are absolute, symbolic links resolved."""

    bucket: str
    source: Path
    locations: Mapping[str, Path]
    configuration: ReplicationConfiguration

    @property
    def data_store(self) -> str:
        """Return the `dataStoreName` of the source."""
        return f"source:{self.bucket}"

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the locations as replication endpoints."""
        return endpoints_of(self.locations)

    def to_json(self) -> bytes:
        """Return the layout as it is kept in the state directory."""
        document = {
            "v": 1,
            "bucket": self.bucket,
            "source": os.fsencode(self.source).decode("utf-8", "surrogateescape"),
            "locations": {name: str(path) for name, path in self.locations.items()},
            "configuration": self.configuration.to_document(),
        }
        return json.dumps(document).encode("ascii")

    @classmethod
    def from_json(cls, data: bytes) -> Layout:
        """Read what `to_json` gave."""
        document: dict[str, Any] = json.loads(data)
        return cls(
            bucket=document["bucket"],
            source=Path(document["source"]),
            locations={name: Path(path) for name, path in document["locations"].items()},
            configuration=ReplicationConfiguration.from_document(document["configuration"]),
        )


def endpoints_of(names: Sequence[str] | Mapping[str, Path]) -> tuple[Endpoint, ...]:
    """Return an endpoint for each name; the first is the default."""
    return tuple(Endpoint(name, LOCATION_TYPE, default=n == 0) for n, name in enumerate(names))


def plan(
    source: Path, to: Sequence[str], *, state: Path, bucket: str | None = None, rules: Path | None = None
) -> Layout:
    """
    Check what the user has asked for and return it as a layout.

    *to* are texts NAME=DIR. Raises InvalidConfiguration with one line that names the thing and what to do.
    Nothing is written or made.
    """
    tree = SourceTree(source)
    locations = _locations(to)
    _check_apart(tree.root, locations, Path(os.path.realpath(state)))
    name = bucket or _bucket_name(tree.root)
    if not is_bucket_name(name):
        raise InvalidConfiguration(
            f"bucket {name!r} is not a bucket name: 3 to 63 of a-z, 0-9, '.' and '-', as in --bucket photos"
        )
    configuration = _every_object(name, locations) if rules is None else _rules(rules, name, locations)
    return Layout(name, tree.root, locations, configuration)


def _locations(to: Sequence[str]) -> dict[str, Path]:
    if not to:
        raise InvalidConfiguration("no location is given: name at least one, as in --to backup=/mnt/backup")
    found: dict[str, Path] = {}
    for text in to:
        name, separator, path = text.partition("=")
        if not separator or not path:
            raise InvalidConfiguration(
                f"location {printable(text)!r} is not NAME=DIR: write it as in --to backup=/mnt/backup"
            )
        if not _NAME.fullmatch(name) or name == "all":
            raise InvalidConfiguration(
                f"location name {printable(name)!r} cannot be used: "
                "1 to 63 letters, digits, '.', '_' and '-', and not 'all'"
            )
        if name in found:
            raise InvalidConfiguration(f"location {name!r} is given twice: give each its own name")
        resolved = Path(os.path.realpath(path))
        if resolved.exists() and not resolved.is_dir():
            raise InvalidConfiguration(f"location {name!r}: {path!r} is not a directory: name a directory")
        found[name] = resolved
    return found


def _check_apart(source: Path, locations: Mapping[str, Path], state: Path) -> None:
    for name, path in locations.items():
        if _within(source, path):
            raise InvalidConfiguration(
                f"source {str(source)!r} is inside location {name!r} ({str(path)!r}): put one elsewhere"
            )
        if _within(path, source):
            raise InvalidConfiguration(
                f"location {name!r} ({str(path)!r}) is inside the source {str(source)!r}: put it elsewhere"
            )
        if _within(state, path) or _within(path, state):
            raise InvalidConfiguration(
                f"state directory {str(state)!r} and location {name!r} ({str(path)!r}) are one inside the other: "
                "put the state elsewhere with --state"
            )
    for (a, path_a), (b, path_b) in combinations(locations.items(), 2):
        if path_a == path_b:
            raise InvalidConfiguration(f"locations {a!r} and {b!r} are the same directory {str(path_a)!r}")
        if _within(path_a, path_b) or _within(path_b, path_a):
            raise InvalidConfiguration(
                f"locations {a!r} ({str(path_a)!r}) and {b!r} ({str(path_b)!r}) are one inside the other: "
                "give each a directory of its own"
            )
    if _within(state, source):
        raise InvalidConfiguration(
            f"state directory {str(state)!r} is inside the source {str(source)!r}: put it elsewhere with --state"
        )


def _within(inner: Path, outer: Path) -> bool:
    return inner == outer or outer in inner.parents


def _bucket_name(source: Path) -> str:
    """Return a bucket name made of the directory's; `source` where nothing of it can be kept."""
    name = re.sub(r"[^a-z0-9.-]+", "-", source.name.lower()).strip("-.")[:63].strip("-.")
    return name if is_bucket_name(name) else "source"


def _every_object(bucket: str, locations: Mapping[str, Path]) -> ReplicationConfiguration:
    rule = Rule(id="every-object", prefix="", storage_class=",".join(locations))
    return ReplicationConfiguration(role=ROLE, destination=f"arn:aws:s3:::{bucket}", rules=(rule,))


def _rules(path: Path, bucket: str, locations: Mapping[str, Path]) -> ReplicationConfiguration:
    try:
        xml = path.read_bytes()
    except OSError as error:
        raise InvalidConfiguration(f"rules file {str(path)!r} cannot be read: {error.strerror}") from error
    try:
        return parse_configuration(
            xml,
            endpoints=endpoints_of(locations),
            locations={name: LocationConstraint(type=LOCATION_TYPE) for name in locations},
            source_bucket=bucket,
            new_rule_id=lambda: "rule",
        )
    except InvalidDocument as error:
        raise InvalidConfiguration(
            f"rules file {str(path)!r} is not a valid replication configuration: {error} "
            f"(its storage classes must be among {', '.join(locations)})"
        ) from error
