"""What directories do to a location, and what a location never does to directories."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from backbeat_adapters.embedded import DirectoryLocation
from backbeat_adapters.embedded.attributes import Beside
from backbeat_adapters.embedded.staging import Staging
from backbeat_core.errors import LocationRefused, LocationUnavailable, NotFound, SourceChanged
from backbeat_core.ports.location import Attributes

PLAIN = Attributes()


def put(location, name, body=b"body", attributes=PLAIN):
    md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
    return location.write(name, [body], size=len(body), md5=md5, attributes=attributes)


def get(location, name):
    return b"".join(location.read(name))


def everything(root: Path) -> list[str]:
    """Return all that is below *root*, hidden or not."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


@pytest.fixture
def root(tmp_path):
    return tmp_path / "place"


@pytest.fixture(params=["unnamed", "named"])
def location(request, root):
    made = DirectoryLocation(root)
    if request.param == "named":
        # What file systems without unnamed files and extended attributes get.
        made._staging, made._beside = Staging(made.root, unnamed=False), Beside(made.root, xattrs=False)
    return made


UNHOLDABLE = ["", "/", "a//b", "/a", "a/", ".", "..", "a/../b", "a/./b", "nul\0", "x" * 256, "a/" + "ü" * 128]
RESERVED = [".backbeat", ".backbeat/x", ".backbeat.0"]


@pytest.mark.parametrize("name", [*UNHOLDABLE, *RESERVED])
def test_names_that_a_directory_cannot_hold_are_refused(location, root, name):
    with pytest.raises(LocationRefused, match="cannot be stored"):
        put(location, name)
    with pytest.raises(NotFound):
        location.head(name)
    assert "" == location.delete(name)
    assert [] == everything(root)


def test_names_are_kept_byte_for_byte(location, root):
    names = [b"new\nline", b"\xff\xfe not UTF-8", b"x" * 255, b"a/" + b"\xc3\xbc" * 127, b" ", b"-rf", b"caf\xc3"]
    for raw in names:
        put(location, raw.decode("utf-8", "surrogateescape"), raw)

    for raw in names:
        assert raw == (root / os.fsdecode(raw)).read_bytes()
    found = [stored.name.encode("utf-8", "surrogateescape") for stored in location.list()]
    assert sorted(names) == sorted(found)
    assert sorted(stored.name for stored in location.list()) == [stored.name for stored in location.list()]


def test_a_text_that_only_looks_like_other_bytes_is_refused(location):
    # Two lone surrogates that together are UTF-8 would come back as another name.
    with pytest.raises(LocationRefused):
        put(location, "\udcc3\udca9")
    with pytest.raises(LocationRefused):
        put(location, "\ud800")


def test_an_object_and_objects_below_it_cannot_both_be(location, root):
    put(location, "a", b"1")
    put(location, "b/c/d", b"2")

    def never_read():
        raise AssertionError("a refused body is not read")
        yield b""

    for name in ("a/b", "a/b/c", "b", "b/c"):
        with pytest.raises(LocationRefused, match="cannot hold both"):
            location.write(name, never_read(), size=1, md5="", attributes=PLAIN)
        with pytest.raises(NotFound):
            location.head(name)
        location.delete(name)

    assert ["a", "b", "b/c", "b/c/d"] == everything(root)


def test_an_empty_directory_is_in_nobodys_way(location, root):
    (root / "empty").mkdir()

    put(location, "empty", b"now an object")

    assert b"now an object" == get(location, "empty")


def test_links_inside_are_neither_followed_nor_written_through(location, root, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (root / "folder").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret")
    (root / "dangling").symlink_to(outside / "made")

    with pytest.raises(LocationRefused, match="symbolic link"):
        put(location, "folder/secret", b"through")
    with pytest.raises(LocationRefused, match="symbolic link"):
        put(location, "folder/sub/new", b"through")
    for name in ("folder/secret", "file", "dangling"):
        with pytest.raises(NotFound):
            get(location, name)
        with pytest.raises(NotFound):
            location.put_tags(name, {"a": "1"})
        location.delete(name)
        assert location.delete_unmodified(name, since_ms=2**60) is False
    assert [] == list(location.list())
    put(location, "file", b"replaces the link")
    put(location, "dangling", b"replaces the link")

    assert ["secret"] == everything(outside)
    assert b"secret" == (outside / "secret").read_bytes()
    assert [False, False] == [(root / name).is_symlink() for name in ("file", "dangling")]


def test_the_root_itself_may_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")

    put(DirectoryLocation(tmp_path / "link"), "a/b")

    assert ["a", "a/b"] == everything(tmp_path / "real")


def test_a_planted_link_in_place_of_the_hidden_area_is_not_followed(root, tmp_path):
    root.mkdir()
    (tmp_path / "outside").mkdir()
    (root / ".backbeat").symlink_to(tmp_path / "outside")
    location = DirectoryLocation(root)

    with pytest.raises(LocationRefused):
        location.begin("object", attributes=PLAIN)

    assert [] == everything(tmp_path / "outside")


def test_pipes_and_directories_are_no_objects(location, root):
    os.mkfifo(root / "pipe")
    (root / "folder").mkdir()

    for name in ("pipe", "folder"):
        with pytest.raises(NotFound):
            get(location, name)
    assert [] == list(location.list())


def test_nothing_but_objects_stays_behind(location, root):
    attributes = Attributes(user_metadata={"a": "1"}, tags={"b": "2"})
    for body in (b"1", b"2"):
        put(location, "with/attributes", body, attributes)
        put(location, "plain", body)
    upload = location.begin("uploaded", attributes=attributes)
    part = location.write_part("uploaded", upload, 1, [b"part"], size=4)
    location.complete("uploaded", upload, [part])
    location.abort("aborted", location.begin("aborted", attributes=PLAIN))
    put(location, "with/attributes", b"3")
    location.delete_tags("uploaded")
    put(location, "uploaded", b"plain again")
    location.close()

    assert ["plain", "uploaded", "with", "with/attributes"] == everything(root)


def test_empty_parents_go_with_the_last_object(location, root):
    put(location, "a/b/c/d")
    put(location, "a/e")

    location.delete("a/b/c/d")
    assert ["a", "a/e"] == everything(root)
    location.delete("a/e")

    assert root.is_dir()
    assert [] == everything(root)


def test_failed_writes_leave_no_directories(location, root):
    with pytest.raises(ZeroDivisionError):
        location.write("a/b/c", (b"x" for _ in [1 / 0]), size=1, md5="", attributes=PLAIN)

    assert [] == everything(root)


def test_directories_made_for_a_write_that_fails_go_with_it(location, root, monkeypatch):
    put(location, "a/stays")

    def broken(*_, **__):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    for name in ("link", "rename"):
        monkeypatch.setattr(f"backbeat_adapters.embedded.staging.os.{name}", broken)
    with pytest.raises(LocationUnavailable):
        put(location, "a/b/c/d")
    monkeypatch.undo()

    assert ["a", "a/stays"] == everything(root)


def test_a_part_that_was_written_again_is_not_taken_as_it_was(location):
    upload = location.begin("object", attributes=PLAIN)
    stale = location.write_part("object", upload, 1, [b"old"], size=3)
    location.write_part("object", upload, 1, [b"new"], size=3)

    with pytest.raises(LocationRefused, match="is not what was written"):
        location.complete("object", upload, [stale])
    with pytest.raises(NotFound):
        location.complete("object", "../../outside", [stale])


def test_attributes_too_large_for_the_file_system_are_kept_aside(location, root):
    large = Attributes(user_metadata={f"name-{n}": "v" * 1000 for n in range(20)})
    put(location, "large", b"1", large)
    put(location, "small", b"1", Attributes(user_metadata={"n": "1"}))

    assert large == location.head("large").attributes
    location.put_tags("large", {"a": "b"})
    assert {"a": "b"} == location.head("large").attributes.tags
    assert large.user_metadata == DirectoryLocation(root).head("large").attributes.user_metadata
    location.delete("large")
    put(location, "large", b"1")
    assert PLAIN == location.head("large").attributes


def test_attributes_spoilt_by_others_do_not_hide_the_bytes(root):
    location = DirectoryLocation(root)
    put(location, "a", b"bytes", Attributes(user_metadata={"n": "1"}))
    os.setxattr(root / "a", "user.backbeat", b"[not ours")

    assert PLAIN == location.head("a").attributes
    assert b"bytes" == get(location, "a")


def test_threads_write_and_delete_side_by_side(location, root):
    errors = []

    def work(mine: int) -> None:
        try:
            for n in range(60):
                put(location, f"shared/folder/{mine}", b"%d" % n, Attributes(user_metadata={"n": str(n)}))
                put(location, "shared/one", b"%d" % mine)
                location.delete(f"shared/folder/{mine}")
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [] == errors
    assert ["shared", "shared/one"] == everything(root)


def test_a_removed_root_is_not_made_again(location, root):
    # It may be a disk that is not mounted: what is written below would be hidden by it later.
    root.rmdir()

    with pytest.raises(LocationUnavailable):
        put(location, "a")
    assert not root.exists()
    root.mkdir()
    put(location, "a")
    assert ["a"] == everything(root)


def test_no_space_is_unavailable_and_says_so(location, root, monkeypatch):
    put(location, "a", b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("backbeat_adapters.embedded.location.os.write", full)
    with pytest.raises(LocationUnavailable, match="no space is left"):
        put(location, "a", b"new")
    monkeypatch.undo()

    assert ["a"] == everything(root)
    assert b"old" == get(location, "a")


def test_no_access_is_refused(location, monkeypatch):
    def denied(*_, **__):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("backbeat_adapters.embedded.staging.os.open", denied)
    with pytest.raises(LocationRefused, match="access is denied"):
        put(location, "a")


def test_a_file_in_the_place_of_the_root_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(LocationRefused, match="a file is in its place"):
        DirectoryLocation(tmp_path / "file")


def test_errors_of_the_body_are_its_own(location):
    def body():
        yield b"x"
        raise OSError(errno.ENOSPC, "the source's own trouble")

    with pytest.raises(OSError, match="the source's own trouble"):
        location.write("a", body(), size=2, md5="", attributes=PLAIN)


def test_a_file_that_changes_while_it_is_read_is_told(location, root):
    put(location, "a", b"x" * 3_000_000)
    stream = location.read("a")
    next(stream)
    os.utime(root / "a", ns=(1, 1))

    with pytest.raises(SourceChanged):
        list(stream)


def test_a_version_that_it_never_gave_is_not_what_stands_there(location):
    put(location, "a")

    with pytest.raises(SourceChanged):
        list(location.read("a", version="v1"))
    assert "" == location.head("a").version


def test_without_durability_a_flush_is_asked_for(root):
    location = DirectoryLocation(root, durable=False)
    put(location, "a/b")

    location.flush()

    assert b"body" == get(location, "a/b")


WRITER = """
import sys, time
from backbeat_adapters.embedded import DirectoryLocation
from backbeat_adapters.embedded.staging import Staging
from backbeat_core.ports.location import Attributes

location = DirectoryLocation(sys.argv[1])
location._staging = Staging(location.root, unnamed=sys.argv[2] == "unnamed")

def body():
    yield b"n" * 1_000_000
    print("half", flush=True)
    time.sleep(60)

location.write("deep/object", body(), size=2_000_000, md5="", attributes=Attributes())
"""


@pytest.mark.parametrize("kind", ["unnamed", "named"])
def test_a_killed_writer_leaves_the_old_object_and_nothing_else(root, kind):
    location = DirectoryLocation(root)
    put(location, "deep/object", b"old")
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(root), kind], stdout=subprocess.PIPE)
    try:
        assert b"half\n" == writer.stdout.readline()
        assert b"old" == get(location, "deep/object")
        assert ["deep/object"] == [stored.name for stored in location.list()]
        # Whoever opens the location meanwhile does not take a living writer's file away.
        DirectoryLocation(root).close()
        hidden = [path for path in root.rglob("*") if path.is_file() and ".backbeat" in str(path)]
        assert (0 if kind == "unnamed" else 1) == len(hidden)
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()

    again = DirectoryLocation(root)

    assert ["deep", "deep/object"] == everything(root)
    assert b"old" == get(again, "deep/object")


def test_stale_names_of_a_killed_replacement_are_swept(root):
    location = DirectoryLocation(root)
    put(location, "a", b"1")
    (root / ".backbeat.3").write_bytes(b"left by a killed process")

    put(location, "a", b"2")
    assert ["a"] == [stored.name for stored in location.list()]
    DirectoryLocation(root)

    assert ["a"] == everything(root)


def test_a_page_of_a_listing_goes_on_across_directories(location):
    for n in range(50):
        put(location, f"d{n:02}/object")

    page = location.list(prefix="d", after="d10/object", limit=3)

    assert ["d11/object", "d12/object", "d13/object"] == [stored.name for stored in page]
