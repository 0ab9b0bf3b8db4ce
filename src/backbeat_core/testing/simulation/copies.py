"""What the targets have: whether a site that says COMPLETED tells the truth."""

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


def false_copy(world: World, version: Version, backend: Backend) -> str | None:
    """Return why *backend* has no copy of *version*, although it is said to have one; None if it has (INV-2)."""
    site = site_of(world, backend.site)
    if site is None:
        return None
    stored = world.engines.locations[site.name].objects.get(name_at_target(version), [])
    superseded = world.checks.facts.newer_ever(version)
    if md.is_delete_marker(version.metadata):
        if superseded or (site.versioned and None in stored):
            return None
        return f"{site.name} does not show a delete marker" if stored and stored[-1] is not None else None
    if not site.versioned:
        # It keeps one version of each object: only of the newest can be said what stands there.
        return None if superseded else _differs(world, version, site, stored[-1] if stored else None)
    named = [each for each in stored if each is not None and each.stored.version == backend.data_store_version_id]
    return _differs(world, version, site, named[0] if named else None)


def _differs(world: World, version: Version, site: Site, found: _Object | None) -> str | None:
    if found is None:
        return f"{site.name} has no copy"
    if found.body != world.checks.content_of(version):
        return f"{site.name} has {found.body!r}"
    if not site.cloud:
        return None
    tags = {str(name): str(value) for name, value in md.tags(version.metadata).items()}
    if dict(found.stored.attributes.tags) != tags:
        return f"{site.name} has the tags {dict(found.stored.attributes.tags)}, not {tags}"
    number = found.stored.attributes.user_metadata.get("number")
    return None if number == version.number else f"{site.name} has the user metadata of {number}"
