"""What the targets have: whether a site that says COMPLETED tells the truth, and whether users can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbeat_core.domain import metadata as md
from backbeat_core.domain.info import Backend
from backbeat_core.testing.memory.location import _Object
from backbeat_core.testing.simulation.facts import Version

if TYPE_CHECKING:
    from backbeat_core.testing.simulation.profile import Site
    from backbeat_core.testing.simulation.world import World


def name_at_target(version: Version) -> str:
    """Return the name that copies of a version have."""
    return f"{version.bucket}/{version.object_key}"


def site_of(world: World, name: str) -> Site | None:
    """Return the site of a name."""
    return next((site for site in world.profile.sites if site.name == name), None)


def false_copy(world: World, version: Version, backend: Backend, *, at_rest: bool = False) -> str | None:
    """
    Return why *backend* has no copy of *version*, although it is said to have one; None if it has (INV-2).

    A target that keeps one version may show an older one for the moment that its writer needs to find out
    that it came too late: it is judged *at_rest*.
    """
    site = site_of(world, backend.site)
    if site is None:
        return None
    stored = world.engines.locations[site.name].objects.get(name_at_target(version), [])
    superseded = world.checks.facts.newer_ever(version)
    if not site.versioned and not at_rest:
        return None
    if md.is_delete_marker(version.metadata):
        if superseded or (site.versioned and None in stored):
            return None
        return f"{site.name} does not show a delete marker" if stored and stored[-1] is not None else None
    if not site.versioned:
        # It keeps one version of each object: only of the newest can be said what stands there.
        return None if superseded else _differs(world, version, site, stored[-1] if stored else None)
    return _differs(world, version, site, _copy_of(stored, backend.data_store_version_id))


def unreadable(world: World, version: Version) -> str | None:
    """Return why a user who asks for *version* does not get its bytes, from the source or a target (INV-22)."""
    content = world.checks.content_of(version)
    if _at_source(world, version) == content:
        return None
    if "archive" in version.metadata:
        return None
    for backend in version.info.backends:
        site = site_of(world, backend.site)
        if site is None:
            continue
        stored = world.engines.locations[site.name].objects.get(name_at_target(version), [])
        found = _copy_of(stored, backend.data_store_version_id) if site.versioned else (stored or [None])[-1]
        if found is not None and found.body == content:
            return None
    return f"{version} has its bytes nowhere"


def _at_source(world: World, version: Version) -> bytes | None:
    body = b""
    for piece in md.locations(version.metadata):
        stored = world.engines.locations[str(piece["dataStoreName"])].objects.get(str(piece["key"]))
        if not stored or stored[-1] is None:
            return None
        body += stored[-1].body
    return body


def _copy_of(stored: list[_Object | None], version_id: str) -> _Object | None:
    return next((each for each in stored if each is not None and each.stored.version == version_id), None)


def _differs(world: World, version: Version, site: Site, found: _Object | None) -> str | None:
    if found is None:
        return f"{site.name} has no copy"
    if found.body != world.checks.content_of(version):
        return f"{site.name} has {found.body!r}"
    if not site.cloud:
        return None
    expected = world.checks.facts.tags[version.place]
    if dict(found.stored.attributes.tags) not in expected:
        return f"{site.name} has the tags {dict(found.stored.attributes.tags)}, not {expected[0]}"
    number = found.stored.attributes.user_metadata.get("number")
    return None if number == version.number else f"{site.name} has the user metadata of {number}"
