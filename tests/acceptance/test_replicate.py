"""The main job, end to end, as a user runs it: one command, two locations, and whatever goes wrong between."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from acceptance.commandline import Place, backbeat, command, same_trees, tree

FILES = {
    "readme.txt": b"hello\n",
    "empty": b"",
    "deep/er/and/deeper.bin": bytes(range(256)) * 300,
    "name with spaces + % and ünï©ode": b"x",
    "two\nlines": b"y",
    "n" * 255: b"long name",
    "a.txt": b"1",
    "a/b": b"2",
}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    for name, content in FILES.items():
        path = made.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return made


def test_every_object_is_completed_in_both_locations(place: Place) -> None:
    result = place.replicate()

    for site in ("a", "b"):
        counts = result["locations"][site]
        assert (0, len(FILES), 0) == (counts["PENDING"], counts["COMPLETED"], counts["FAILED"])
        assert sum(map(len, FILES.values())) == counts["bytes"]
        assert same_trees(place.source, place.location(site))


def test_run_again_it_copies_nothing(place: Place) -> None:
    place.replicate()

    result = place.replicate()

    assert {0} == {counts["copied"]["objects"] for counts in result["locations"].values()}
    assert {len(FILES)} == {counts["COMPLETED"] for counts in result["locations"].values()}


def test_changed_new_and_removed_files_are_replicated(place: Place) -> None:
    place.replicate()
    (place.source / "readme.txt").write_bytes(b"changed")
    (place.source / "new").write_bytes(b"new")
    (place.source / "a/b").unlink()
    (place.source / "a").rmdir()

    result = place.replicate()

    assert {3} == {counts["copied"]["objects"] for counts in result["locations"].values()}
    for site in ("a", "b"):
        assert same_trees(place.source, place.location(site))
    assert "true" == place.head("a/b")["x-amz-delete-marker"]


def test_a_file_may_become_a_directory_and_back(place: Place) -> None:
    place.replicate()
    (place.source / "readme.txt").unlink()
    (place.source / "readme.txt").mkdir()
    (place.source / "readme.txt/inner").write_bytes(b"1")
    place.replicate()
    shutil.rmtree(place.source / "readme.txt")
    (place.source / "readme.txt").write_bytes(b"back")

    place.replicate()

    for site in ("a", "b"):
        assert same_trees(place.source, place.location(site))


def test_head_shows_the_object_and_each_location(place: Place) -> None:
    place.replicate()

    shown = place.head("readme.txt")

    assert "COMPLETED" == shown["x-amz-replication-status"]
    assert "COMPLETED" == shown["a-replication-status"]
    assert "COMPLETED" == shown["b-replication-status"]


def test_rules_choose_what_goes_where(place: Place) -> None:
    rules = place.base / "rules.xml"
    rules.write_text(
        "<ReplicationConfiguration><Role>arn:aws:iam::000000000000:role/backbeat</Role>"
        "<Rule><ID>one</ID><Prefix>a</Prefix><Status>Enabled</Status><Destination>"
        "<Bucket>arn:aws:s3:::copies</Bucket><StorageClass>b</StorageClass></Destination></Rule>"
        "<Rule><ID>off</ID><Prefix>deep/</Prefix><Status>Disabled</Status><Destination>"
        "<Bucket>arn:aws:s3:::copies</Bucket><StorageClass>a</StorageClass></Destination></Rule>"
        "</ReplicationConfiguration>"
    )

    place.replicate("--rules", str(rules))

    assert {} == tree(place.location("a"))
    assert {"a.txt": b"1", "a/b": b"2"} == tree(place.location("b"))


def test_a_location_that_goes_away_fails_alone_and_catches_up_by_retry(place: Place) -> None:
    place.replicate()
    shutil.rmtree(place.location("b"))
    (place.source / "more").write_bytes(b"more")

    result = place.replicate("--retries", "1", "--retry-delay", "10", code=1)

    assert (len(FILES) + 1, 0) == (result["locations"]["a"]["COMPLETED"], result["locations"]["a"]["FAILED"])
    assert 1 == result["locations"]["b"]["FAILED"]
    assert not place.location("b").exists()
    shown = place.head("more")
    assert ("FAILED", "COMPLETED", "FAILED") == (
        shown["x-amz-replication-status"],
        shown["a-replication-status"],
        shown["b-replication-status"],
    )
    place.location("b").mkdir()

    again = place.retry("--all")

    assert {0} == {counts["FAILED"] for counts in again["locations"].values()}
    assert b"more" == (place.location("b") / "more").read_bytes()
    assert "COMPLETED" == place.head("more")["x-amz-replication-status"]


def test_a_location_added_later_gets_what_exists(place: Place) -> None:
    place.replicate(sites=("a",))

    result = place.replicate(sites=("a", "c"))

    assert 0 == result["locations"]["a"]["copied"]["objects"]
    assert same_trees(place.source, place.location("c"))


def test_what_cannot_be_an_object_is_named_and_the_rest_is_done(place: Place) -> None:
    (place.source / "out").symlink_to("/etc/passwd")
    Path(os.fsdecode(os.fsencode(place.source) + b"/bad\xff")).write_bytes(b"x")

    done = backbeat(*place.replicate_arguments())

    assert 1 == done.returncode
    assert "out is a symbolic link" in done.stderr
    assert "bad\\xff is not a UTF-8 name" in done.stderr
    assert sorted(FILES) == sorted(tree(place.location("a")))


def test_a_link_in_a_location_is_never_written_through(place: Place) -> None:
    outside = place.base / "outside"
    outside.mkdir()
    (outside / "readme.txt").write_bytes(b"precious")
    place.location("b").mkdir()
    (place.location("b") / "deep").symlink_to(outside)
    (place.location("b") / "readme.txt").symlink_to(outside / "readme.txt")

    place.replicate("--retries", "0", code=1)

    assert {"readme.txt": b"precious"} == tree(outside)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["replicate", "{base}/nowhere", "--to", "a={base}/a"], "nowhere"),
        (["replicate", "{base}/source", "--to", "a={base}/a", "--to", "a={base}/b"], "given twice"),
        (["replicate", "{base}/source", "--to", "a={base}/source/x"], "inside the source"),
        (["replicate", "{base}/source", "--to", "a={base}"], "inside location"),
        (["replicate", "{base}/source"], "no location"),
        (["replicate", "{base}/source", "--to", "a={base}/a", "--rules", "{base}/none"], "cannot be read"),
        (["replicate"], "SOURCE"),
        (["retry", "--state", "{base}/state"], "--all"),
        (["retry", "--all", "--state", "{base}/nowhere"], "nowhere"),
        (["head", "bucket", "key", "--state", "{base}/nowhere"], "nowhere"),
        (["nonsense"], "nonsense"),
        (["serve", "--to", "a={base}/a", "--state", "{base}/s"], "--source"),
        (["serve", "--config", "{base}/none", "--state", "{base}/s"], "cannot be read"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(place: Place, arguments: list[str], said: str) -> None:
    before = tree(place.base)

    done = backbeat(*(text.format(base=place.base) for text in arguments))

    assert 2 == done.returncode
    assert said in done.stderr
    assert before == tree(place.base)


def test_a_state_of_another_place_is_refused(place: Place) -> None:
    place.replicate()
    shutil.copytree(place.source, place.base / "elsewhere" / "source")

    state = ("--state", str(place.state))
    elsewhere = str(place.base / "elsewhere/source")
    moved = backbeat("replicate", elsewhere, "--to", f"a={place.location('a')}", *state)
    renamed = backbeat("replicate", str(place.source), "--to", f"a={place.base / 'x'}", *state)

    assert (2, 2) == (moved.returncode, renamed.returncode)
    assert "was made from" in moved.stderr
    assert "give that directory, another name, or another --state" in renamed.stderr
    assert not (place.base / "x").exists()


def test_a_state_of_another_version_is_refused(place: Place) -> None:
    place.replicate()
    with contextlib.closing(sqlite3.connect(place.state / "backbeat.db")) as database:
        database.execute("PRAGMA user_version = 9999")

    done = backbeat(*place.replicate_arguments())

    assert 2 == done.returncode
    assert "9999" in done.stderr
    assert str(place.state) in done.stderr


def test_a_full_disk_fails_its_location_only_and_leaves_nothing_half_written(place: Place) -> None:
    (place.source / "big").write_bytes(os.urandom(3 << 20))
    small = place.location("b")
    small.mkdir()
    arguments = shlex.join(command(*place.replicate_arguments("--retries", "1", "--retry-delay", "10")))
    look = f"find {shlex.quote(str(small))} -name big"
    mount = f"mount -t tmpfs -o size=2m none {shlex.quote(str(small))}"
    script = f"{mount} && ({arguments}; code=$?; {look}; exit $code)"
    as_owner = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]

    unshared = ["unshare", *as_owner, "--mount", "sh", "-c", script]
    done = subprocess.run(unshared, capture_output=True, text=True, timeout=60, check=False)

    assert 1 == done.returncode, done.stderr
    assert "big FAILED at b: no space is left" in done.stderr.replace("'big' in " + str(small) + ": ", "")
    assert "" == done.stdout
    assert (place.location("a") / "big").stat().st_size == 3 << 20
    assert ("FAILED", "COMPLETED") == tuple(
        place.head("big")[name] for name in ("b-replication-status", "a-replication-status")
    )
    assert "COMPLETED" == place.head("a.txt")["b-replication-status"]


def test_a_state_in_use_is_refused_while_head_still_works(place: Place) -> None:
    (place.source / "big").write_bytes(os.urandom(1 << 20) * 300)
    running = subprocess.Popen(command(*place.replicate_arguments()), stderr=subprocess.DEVNULL)
    try:
        wait_for(place.state / "backbeat.db")

        second = backbeat(*place.replicate_arguments())
        seen = backbeat("head", "source", "a.txt", "--state", str(place.state))
    finally:
        running.wait(60)

    assert 2 == second.returncode
    assert "in use" in second.stderr
    assert str(running.pid) in second.stderr
    assert seen.returncode in (0, 1)
    assert 0 == running.returncode


def wait_for(path: Path) -> None:
    for _ in range(500):
        if path.exists():
            return
        time.sleep(0.01)
    raise AssertionError(f"{path} did not come")
