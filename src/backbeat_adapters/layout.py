"""Where things are on one machine: source, locations and state, checked before anything is written."""

from __future__ import annotations

import json
import os
import re
import stat
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

MOST_BYTES = 4_000_000
"""The longest file of rules or of configuration that is read."""

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
        try:
            is_directory = stat.S_ISDIR(os.stat(resolved).st_mode)
        except FileNotFoundError:
            is_directory = True  # it will be made
        except OSError as error:
            raise InvalidConfiguration(
                f"location {name!r}: {path!r} cannot be used: {error.strerror}: name another directory"
            ) from error
        if not is_directory:
            raise InvalidConfiguration(f"location {name!r}: {path!r} is not a directory: name a directory")
        found[name] = resolved
    return found


def _check_apart(source: Path, locations: Mapping[str, Path], state: Path) -> None:
    for name, path in locations.items():
        if _same(source, path):
            raise InvalidConfiguration(
                f"location {name!r} ({str(path)!r}) is the source {str(source)!r} itself: name another directory"
            )
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
        if _same(path_a, path_b):
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


def check_apart(layout: Layout, other: Layout) -> None:
    """
    Check that two buckets of one state do not meet in a directory: each would overwrite the other's objects.

    Raises InvalidConfiguration.
    """
    for name, path in layout.locations.items():
        for taken, its in other.locations.items():
            if name == taken or _within(path, its) or _within(its, path) or _same(path, its):
                raise InvalidConfiguration(
                    f"location {name!r} ({str(path)!r}) keeps the objects of bucket {other.bucket!r}: "
                    f"give bucket {layout.bucket!r} locations of its own, or another --state"
                )
        if _within(path, other.source) or _within(other.source, path):
            raise InvalidConfiguration(
                f"location {name!r} ({str(path)!r}) and {str(other.source)!r}, the source of bucket "
                f"{other.bucket!r}, are one inside the other: put the location elsewhere"
            )
    for taken, its in other.locations.items():
        if _within(layout.source, its) or _within(its, layout.source):
            raise InvalidConfiguration(
                f"source {str(layout.source)!r} and location {taken!r} ({str(its)!r}) of bucket {other.bucket!r} "
                "are one inside the other: put one elsewhere, or give another --state"
            )


def _same(one: Path, other: Path) -> bool:
    """Return whether two paths are one directory, by another mount as well."""
    if one == other:
        return True
    try:
        return os.path.samestat(os.stat(one), os.stat(other))
    except OSError:
        return False


def read_document(path: Path, what: str) -> bytes:
    """Return what is in a file that a person wrote. Raises InvalidConfiguration, also for an endless one."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InvalidConfiguration(f"{what} {str(path)!r} cannot be read: {error.strerror}") from error
    if len(data) > MOST_BYTES:
        raise InvalidConfiguration(f"{what} {str(path)!r} is longer than {MOST_BYTES} bytes: name another file")
    return data


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
    xml = read_document(path, "rules file")
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
