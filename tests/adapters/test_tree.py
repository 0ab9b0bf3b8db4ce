"""The source tree: which files are objects, what is refused with a reason, and that no link leads out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_adapters.embedded.tree import Refused, SourceTree, TreeFile, printable
from backbeat_core.errors import InvalidConfiguration, LocationUnavailable, NotFound, SourceChanged


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "source"
    made.mkdir()
    return made


def files(tree: SourceTree) -> list[str]:
    return [found.key for found in tree.walk() if isinstance(found, TreeFile)]


def refusals(tree: SourceTree) -> dict[str, str]:
    return {found.name: found.reason for found in tree.walk() if isinstance(found, Refused)}


def test_keys_come_in_code_point_order_of_the_whole_path(root: Path) -> None:
    # "a.txt" sorts before "a/b", though the directory "a" sorts before it.
    for name in ("a/b", "a.txt", "a0", "ab/c", "z", "A"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"x")

    keys = files(SourceTree(root))

    assert sorted(keys) == keys
    assert {"a/b", "a.txt", "a0", "ab/c", "z", "A"} == set(keys)


@given(st.sets(st.text("ab./0\n é", min_size=1, max_size=6), max_size=8))
def test_any_set_of_names_comes_in_order(names: set[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        made = []
        for name in names:
            if any(part in ("", ".", "..") for part in name.split("/")):
                continue
            path = Path(directory) / name
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"")
            except OSError:
                continue  # a file stands where this name wants a directory, or the other way round
            made.append(name)

        assert sorted(made) == files(SourceTree(Path(directory)))


def test_names_with_newlines_and_of_255_bytes_are_objects(root: Path) -> None:
    for name in ("two\nlines", "n" * 255):
        (root / name).write_bytes(b"x")

    assert ["n" * 255, "two\nlines"] == files(SourceTree(root))


def test_a_name_that_is_not_utf8_is_refused_on_one_line(root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/bad\xff\nname")).write_bytes(b"x")
    Path(os.fsdecode(os.fsencode(root) + b"/dir\xfe")).mkdir()

    found = refusals(SourceTree(root))

    assert {"bad\\xff\\nname", "dir\\xfe/"} == set(found)
    assert all("rename it" in reason for reason in found.values())


def test_a_key_longer_than_1024_bytes_is_refused(root: Path) -> None:
    deep = root.joinpath(*["d" * 200] * 6)
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(b"x")

    (reason,) = refusals(SourceTree(root)).values()

    assert "1024 bytes" in reason


def test_a_link_to_a_file_inside_is_that_file(root: Path) -> None:
    (root / "file").write_bytes(b"hello")
    (root / "link").symlink_to("file")

    tree = SourceTree(root)

    assert ["file", "link"] == files(tree)
    assert b"hello" == b"".join(tree.read("link"))


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "nothing", "directory", "."])
def test_every_other_link_is_refused_and_never_read(root: Path, target: str) -> None:
    (root.parent / "outside").write_bytes(b"secret")
    (root / "directory").mkdir()
    (root / "link").symlink_to(target)

    tree = SourceTree(root)

    assert ["link"] == list(refusals(tree))
    with pytest.raises(NotFound):
        list(tree.read("link"))


def test_a_directory_replaced_by_a_link_out_is_not_followed_when_reading(root: Path) -> None:
    (root / "d").mkdir()
    (root / "d/file").write_bytes(b"inside")
    outside = root.parent / "elsewhere"
    outside.mkdir()
    (outside / "file").write_bytes(b"secret")
    tree = SourceTree(root)
    (root / "d/file").unlink()
    (root / "d").rmdir()
    (root / "d").symlink_to(outside)

    with pytest.raises(NotFound):
        list(tree.read("d/file"))


def test_pipes_and_sockets_are_refused_and_do_not_hang(root: Path) -> None:
    os.mkfifo(root / "pipe")

    tree = SourceTree(root)

    assert ["pipe"] == list(refusals(tree))
    with pytest.raises(NotFound):
        list(tree.read("pipe"))


def test_a_range_is_read_with_both_ends(root: Path) -> None:
    (root / "f").write_bytes(b"0123456789")

    assert b"345" == b"".join(SourceTree(root).read("f", start=3, end=5))


def test_bytes_of_another_version_are_never_given(root: Path) -> None:
    (root / "f").write_bytes(b"old")
    tree = SourceTree(root)
    version = tree.digest("f").file.version
    (root / "f").write_bytes(b"newer")

    with pytest.raises(SourceChanged):
        list(tree.read("f", version=version))


def test_a_file_written_while_it_is_read_says_so_at_the_end(root: Path) -> None:
    (root / "f").write_bytes(b"x" * (3 << 20))
    tree = SourceTree(root)
    version = tree.digest("f").file.version
    chunks = tree.read("f", version=version)
    next(chunks)
    with open(root / "f", "ab") as file:
        file.write(b"more")

    with pytest.raises(SourceChanged):
        list(chunks)


def test_a_root_that_went_away_is_unavailable_and_not_empty(root: Path) -> None:
    tree = SourceTree(root)
    root.rmdir()

    with pytest.raises(LocationUnavailable):
        list(tree.walk())


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_a_source_that_is_no_directory_is_bad_input_in_one_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "here"
    if kind == "file":
        path.write_bytes(b"")

    with pytest.raises(InvalidConfiguration) as caught:
        SourceTree(path)

    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text())
def test_printable_is_one_line_whatever_the_name(name: str) -> None:
    shown = printable(name.encode("utf-8", "ignore").decode())

    assert shown.isprintable()


def test_a_root_that_goes_away_while_it_is_walked_is_no_end_of_the_tree(root: Path) -> None:
    for name in ("a/1", "b/1", "c"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"x")
    walk = SourceTree(root).walk()
    assert "a/1" == next(walk).key

    root.rename(root.parent / "away")

    with pytest.raises(LocationUnavailable):
        list(walk)


def test_a_root_that_is_replaced_while_it_is_walked_is_no_end_of_the_tree(root: Path) -> None:
    (root / "a").write_bytes(b"x")
    walk = SourceTree(root).walk()
    assert "a" == next(walk).key

    root.rename(root.parent / "away")
    root.mkdir()

    with pytest.raises(LocationUnavailable):
        list(walk)


def test_an_empty_root_is_believed_only_where_files_were_before(root: Path) -> None:
    (root / "a").write_bytes(b"x")
    tree = SourceTree(root)
    list(tree.walk())
    root.rename(root.parent / "away")
    root.mkdir()
    with pytest.raises(LocationUnavailable, match="mount it again"):
        list(tree.walk())
    root.rmdir()
    (root.parent / "away").rename(root)
    (root / "a").unlink()

    assert [] == list(tree.walk())
    assert "" == tree.filled
