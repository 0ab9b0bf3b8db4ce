"""Scanning: the difference between a tree and what is stored of it, and nothing taken for deleted that is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backbeat_adapters.embedded.tree import Refused, SourceTree
from backbeat_adapters.layout import endpoints_of, plan
from backbeat_adapters.scan import Scanned, Scanner
from backbeat_core.domain import metadata as md
from backbeat_core.domain.configuration import LocationConstraint
from backbeat_core.domain.info import ReplicationInfo
from backbeat_core.domain.status import Status
from backbeat_core.ports.store import Document
from backbeat_core.services.write_object import BucketSettings, ObjectWriter
from backbeat_core.testing.memory import ManualClock, MemoryStore


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "source"
    made.mkdir()
    return made


def writer(root: Path, store: MemoryStore, clock: ManualClock, *sites: str) -> ObjectWriter:
    to = [f"{site}={root.parent / site}" for site in sites]
    layout = plan(root, to, state=root.parent / "state", bucket="bucket")
    types = {site: LocationConstraint(type="aws_s3") for site in sites}
    return ObjectWriter(
        store,
        clock,
        BucketSettings("bucket", layout.configuration, endpoints_of(sites), layout.data_store, types),
    )


class World:
    """A tree, a store and a clock, scanned again and again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        self.sites = ["a", "b"]
        self.tree = SourceTree

    def scan(self) -> Scanned:
        self.clock.advance(1)
        self.seen: list[Document] = []
        made = writer(self.root, self.store, self.clock, *self.sites)
        return Scanner(self.tree(self.root), made, current=self.seen.append).scan()

    def versions(self) -> dict[str, bool]:
        """Object key → whether its newest version is a delete marker."""
        return {
            md.split_key(document.key)[0]: md.is_delete_marker(document.value)
            for document in self.store.scan("bucket")
        }

    def info(self, key: str) -> ReplicationInfo:
        (document,) = self.store.scan("bucket", prefix=key + "\0")
        return ReplicationInfo.from_document(document.value["replicationInfo"])


@pytest.fixture
def world(root: Path) -> World:
    return World(root)


def test_each_file_becomes_a_version_armed_for_every_site(world: World) -> None:
    (world.root / "f").write_bytes(b"hello")

    scanned = world.scan()

    assert 1 == scanned.added
    assert ("a", "b") == world.info("f").sites
    assert Status.PENDING is world.info("f").status
    assert 1 == world.info("f").generation


def test_scanning_again_writes_nothing(world: World) -> None:
    (world.root / "f").write_bytes(b"hello")
    world.scan()
    before = world.store.scan("bucket")

    scanned = world.scan()

    assert 0 == scanned.differences
    assert before == world.store.scan("bucket")
    assert ["f"] == [md.split_key(document.key)[0] for document in world.seen]


def test_a_changed_file_is_one_new_version_and_the_old_one_goes(world: World) -> None:
    (world.root / "f").write_bytes(b"hello")
    world.scan()
    (old,) = world.store.scan("bucket")
    (world.root / "f").write_bytes(b"hello again")

    scanned = world.scan()

    (new,) = world.store.scan("bucket")
    assert 1 == scanned.changed
    assert new.key < old.key
    assert 11 == md.content_length(new.value)


def test_a_removed_file_becomes_a_delete_marker_once(world: World) -> None:
    for name in ("a", "b", "c"):
        (world.root / name).write_bytes(b"x")
    world.scan()
    (world.root / "b").unlink()

    first, second = world.scan(), world.scan()

    assert (1, 0) == (first.removed, second.removed)
    assert {"a": False, "b": True, "c": False} == world.versions()


def test_a_file_that_comes_back_is_added_over_its_delete_marker(world: World) -> None:
    (world.root / "f").write_bytes(b"x")
    world.scan()
    (world.root / "f").unlink()
    world.scan()
    (world.root / "f").write_bytes(b"x")

    assert 1 == world.scan().added
    assert {"f": False} == world.versions()


def test_a_clock_that_steps_back_still_makes_newer_versions(world: World) -> None:
    (world.root / "f").write_bytes(b"x")
    world.scan()
    (old,) = world.store.scan("bucket")
    world.clock.step_wall(-3_600_000)
    (world.root / "f").write_bytes(b"xy")

    world.scan()

    (new,) = world.store.scan("bucket")
    assert new.key < old.key


class PartlyUnreadable(SourceTree):
    """A tree whose directory `d` may not be listed; as root, no permission can bring that about."""

    def _entries(self, prefix: str) -> list[tuple[str, os.DirEntry[str]]]:
        if prefix == "d/":
            raise PermissionError(13, "Permission denied")
        return super()._entries(prefix)


def test_what_cannot_be_read_is_not_taken_for_deleted(world: World) -> None:
    (world.root / "d").mkdir()
    for name in ("a", "d/one", "d/two", "z"):
        (world.root / name).write_bytes(b"x")
    world.scan()
    world.tree = PartlyUnreadable

    scanned = world.scan()

    assert 0 == scanned.removed
    assert ["d/"] == [refused.key for refused in scanned.refused]
    assert not any(world.versions().values())
    assert 4 == len(world.seen)


def test_a_file_replaced_by_a_link_out_keeps_its_version_and_is_refused(world: World) -> None:
    (world.root / "f").write_bytes(b"x")
    world.scan()
    (world.root / "f").unlink()
    (world.root / "f").symlink_to("/etc/passwd")

    scanned = world.scan()

    assert [Refused("f", scanned.refused[0].reason)] == scanned.refused
    assert {"f": False} == world.versions()


def test_a_site_that_is_added_later_is_owed_what_exists(world: World) -> None:
    (world.root / "f").write_bytes(b"x")
    world.sites = ["a"]
    world.scan()
    (document,) = world.store.scan("bucket")
    done = ReplicationInfo.from_document(document.value["replicationInfo"]).report("a", Status.COMPLETED)
    world.store.patch("bucket", document.key, {"replicationInfo": done.to_document()})
    world.sites = ["a", "b"]

    world.scan()

    info = world.info("f")
    assert Status.PENDING is info.status
    assert [Status.COMPLETED, Status.PENDING] == [backend.status for backend in info.backends]
    assert 0 == world.scan().differences


def test_an_empty_tree_marks_everything_deleted_but_a_missing_one_nothing(world: World) -> None:
    (world.root / "f").write_bytes(b"x")
    world.scan()
    (world.root / "f").unlink()

    assert 1 == world.scan().removed
