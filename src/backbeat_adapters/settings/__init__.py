"""The reference's own configuration file as frozen `Settings`: checked whole, changed by the environment (4)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from backbeat_adapters.environment import is_test_mode
from backbeat_adapters.settings import extension_keys, main_keys
from backbeat_adapters.settings.environment import override
from backbeat_adapters.settings.locations import Locations, SiteLocation, read_locations
from backbeat_adapters.settings.schema import Reading, masked, tree
from backbeat_core.domain.configuration import Endpoint, LocationConstraint
from backbeat_core.domain.replays import Replays, ReplayTopic
from backbeat_core.errors import InvalidConfiguration
from backbeat_core.queueing.backoff import CLOUD_DEFAULT, CONFIGURED_DEFAULT, Backoff, RetryPolicy

LOCATIONS_FILE: Final = "locationConfig.json"
"""Stands beside the configuration file."""

FILE_VARIABLE: Final = "BACKBEAT_CONFIG_FILE"
_MOST_BYTES: Final = 16 * 1024 * 1024
_MOST_PROBLEMS: Final = 10
_R: Final = "extensions.replication"

KEYS: Final = (
    *main_keys.ENGINES,
    *main_keys.SERVER,
    *main_keys.POPULATOR,
    *extension_keys.REPLICATION,
    *extension_keys.OTHERS,
    *extension_keys.LIFECYCLE,
    *extension_keys.NOTIFICATION,
)
RULES: Final = (*main_keys.RULES, *extension_keys.RULES)
ROOT: Final = tree(KEYS)


@attrs.frozen
class Settings:
    """
    What a process of Backbeat has been told.

    *document* is the file as the environment has changed it, converted, defaults filled in. *reasons* says of
    each key that was given and that nobody reads why that is so. Relative paths are taken from *base*.
    """

    document: Mapping[str, Any] = attrs.field(repr=False)
    reasons: Mapping[str, str] = attrs.field(factory=dict)
    locations: Locations = attrs.field(factory=Locations)
    base: Path = Path()
    topic_prefix: str = ""
    test_mode: bool = False
    managed: bool = False
    """Whether the locations are the sites (`MANAGEMENT_BACKEND=operator`)."""

    @classmethod
    def read(cls, path: Path | None, environment: Mapping[str, str] = os.environ) -> Settings:
        """
        Read the file, and `locationConfig.json` beside it if there is one.

        Without *path*, the file that BACKBEAT_CONFIG_FILE names, else `conf/config.json`. Raises
        InvalidConfiguration naming the file, and each key by its path.
        """
        path = path or Path(environment.get(FILE_VARIABLE) or "conf/config.json")
        beside = path.parent / LOCATIONS_FILE
        locations = Locations()
        if beside.exists():
            try:
                locations = read_locations(_json(beside))
            except InvalidConfiguration as error:
                raise InvalidConfiguration(f"locations {str(beside)!r}: {error}") from error
        try:
            return cls.make(_json(path), environment, locations=locations, base=path.parent)
        except InvalidConfiguration as error:
            raise InvalidConfiguration(f"configuration {str(path)!r}: {error}") from error

    @classmethod
    def make(
        cls,
        document: Any,
        environment: Mapping[str, str] | None = None,
        *,
        locations: Locations | None = None,
        base: Path = Path(),
    ) -> Settings:
        """Check *document* and return it as settings. Raises InvalidConfiguration naming each path."""
        if not isinstance(document, dict):
            raise InvalidConfiguration("it must be an object")
        environment = environment or {}
        locations = locations or Locations()
        changed = override(document, environment, ROOT)
        reading = Reading(changed.origins)
        effective = reading.object(ROOT, changed.document)
        if not reading.problems:
            for rule in RULES:
                reading.rule(rule, effective)
        if reading.problems:
            raise InvalidConfiguration(_told(reading.problems))
        beside = {f"{LOCATIONS_FILE}: {name}": why for name, why in locations.unused.items()}
        return cls(
            effective,
            {**reading.unused, **changed.unused, **beside},
            locations,
            base,
            topic_prefix=environment.get("KAFKA_TOPIC_PREFIX", ""),
            test_mode=is_test_mode(environment),
            managed=environment.get("MANAGEMENT_BACKEND") == "operator",
        )

    @property
    def unused(self) -> tuple[str, ...]:
        """Return the names of the keys that were given and that nobody reads."""
        return tuple(self.reasons)

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what is wrong and does not keep the rest from working: a line for each location disabled."""
        return self.locations.problems

    def get(self, path: str, default: Any = None) -> Any:
        """Return the value of a dotted path, *default* where there is none."""
        value: Any = self.document
        for name in path.split("."):
            if not isinstance(value, Mapping) or name not in value:
                return default
            value = value[name]
        return value

    def require(self, path: str, what_for: str) -> Any:
        """Return the value of a dotted path. Raises InvalidConfiguration saying what it is needed for."""
        value = self.get(path)
        if value is None:
            raise InvalidConfiguration(f"{path} is required for {what_for}")
        return value

    def describe(self) -> Mapping[str, Any]:
        """Return what is in effect, for people and logs, with what is secret replaced."""
        return {
            "configuration": masked(ROOT, dict(self.document)),
            "locations": {name: each.described() for name, each in self.locations.by_name.items()},
            "topicPrefix": self.topic_prefix,
            "unused": dict(self.reasons),
        }

    def path(self, text: str | None) -> str | None:
        """Return a path of the file as one that holds everywhere."""
        return str(self.base / text) if text else None

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the sites in their order: those of the bootstrap list, or the locations if they are managed."""
        if self.managed:
            return tuple(
                Endpoint(each.name, each.type)
                for each in self.locations.by_name.values()
                if each.location_type != "location-file-v1" and not each.disabled
            )
        listed = self.get(f"{_R}.destination.bootstrapList") or ()
        return tuple(
            Endpoint(
                each["site"],
                each.get("type"),
                servers=tuple(each.get("servers", ())),
                default=each.get("default", False),
            )
            for each in listed
        )

    @property
    def sites(self) -> tuple[str, ...]:
        """Return the names of the sites."""
        return tuple(each.site for each in self.endpoints)

    @property
    def constraints(self) -> Mapping[str, LocationConstraint]:
        """Return what the rules of replication know of each location."""
        return {name: each.constraint for name, each in self.locations.by_name.items() if not each.disabled}

    @property
    def replays(self) -> Replays:
        """Return the plan of replays."""
        topics = self.get(f"{_R}.replayTopics") or ()
        return Replays.from_topics(ReplayTopic(each["topicName"], each["retries"]) for each in topics)

    def site_policy(self, endpoint: Endpoint) -> RetryPolicy:
        """Return how often a copy to a site is tried; without a word of it, that of the reference's sample."""
        kind = endpoint.type or "scality"
        sample = CLOUD_DEFAULT if endpoint.type else CONFIGURED_DEFAULT
        return self.policy(f"{_R}.queueProcessor.retry.{kind}", sample)

    def policy(self, path: str, default: RetryPolicy = CONFIGURED_DEFAULT) -> RetryPolicy:
        """Return the `retry` section at *path*."""
        section = self.get(path)
        if section is None:
            return default
        backoff = section["backoff"]
        return RetryPolicy(
            max_retries=section["maxRetries"],
            timeout_s=section["timeoutS"],
            backoff=Backoff(backoff["min"], backoff["max"], backoff["jitter"], backoff["factor"]),
        )


def _json(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise InvalidConfiguration(f"it cannot be read: {error.strerror}") from error
    if len(data) > _MOST_BYTES:
        raise InvalidConfiguration(f"it is longer than {_MOST_BYTES} bytes")
    try:
        return json.loads(data, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise InvalidConfiguration(f"it is not JSON: {error}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is given twice in one object")
    return found


def _told(problems: list[str]) -> str:
    more = len(problems) - _MOST_PROBLEMS
    return "; ".join(problems[:_MOST_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")


__all__ = ["KEYS", "ROOT", "RULES", "Locations", "Settings", "SiteLocation", "read_locations"]
