"""Odd input, signals and damaged directories: one line, the promised exit code, no traceback, nothing lost."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance.commandline import Place, backbeat, command, same_trees, tree

LONG = "x" * 300
NODE = "/backbeat/local/buckets/source"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.source.mkdir()
    for name in ("f1", "f2", "f3"):
        (made.source / name).write_text(name)
    return made


def one_line(text: str) -> str:
    assert 1 == text.count("\n"), text
    return text


def in_own_mounts(script: str) -> subprocess.CompletedProcess[str]:
    as_owner = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    unshared = ["unshare", *as_owner, "--mount", "sh", "-c", script]
    done = subprocess.run(unshared, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize(
    "arguments",
    [
        ["replicate", LONG, "--to", "a={base}/a", "--state", "{base}/state"],
        ["replicate", "{base}/source", "--to", "a={base}/" + LONG, "--state", "{base}/state"],
        ["replicate", "{base}/source", "--to", "a={base}/a", "--state", "{base}/" + LONG],
        ["replicate", "{base}/source", "--to", "a={base}/source/f1/a", "--state", "{base}/state"],
        ["replicate", "{base}/source", "--to", "a={base}/a", "--state", "{base}/s", "--rules", "/dev/zero"],
        ["serve", "--config", "/dev/zero", "--state", "{base}/state"],
        ["serve", "--config", "{base}/nested.json", "--state", "{base}/state"],
        ["head", "source", "f1", "--state", "{base}/" + LONG],
        ["head", "source", "f1", "--state", "{base}/source"],
        ["retry", "--all", "--state", "{base}/source"],
        ["retry", "--all", "--url", "http://[::x", "--state", "{base}/state"],
    ],
)
def test_odd_names_are_one_line_and_exit_code_2(place: Place, arguments: list[str]) -> None:
    (place.base / "nested.json").write_text("[" * 100_000)
    before = tree(place.base)

    done = backbeat(*(text.format(base=place.base) for text in arguments))

    assert (2, "") == (done.returncode, done.stdout)
    assert "backbeat: " in one_line(done.stderr)
    assert before == tree(place.base)


@pytest.mark.parametrize("name", ["gate", "in-use", "processes", "backbeat.db"])
def test_a_state_with_something_else_in_the_place_of_a_file_is_one_line(place: Place, name: str) -> None:
    place.replicate()
    path = place.state / name
    if path.is_dir():
        shutil.rmtree(path)
        path.touch()
    else:
        path.unlink()
        path.mkdir()

    done = backbeat(*place.replicate_arguments("--json"))

    assert (2, "") == (done.returncode, done.stdout)
    assert str(place.state) in one_line(done.stderr)


def test_a_state_whose_content_is_damaged_is_one_line(place: Place) -> None:
    place.replicate()
    with contextlib.closing(sqlite3.connect(place.state / "backbeat.db")) as database:
        database.execute("UPDATE nodes SET data = x'8d' WHERE path = CAST(? AS BLOB)", [NODE])
        database.commit()

    for arguments in (["replicate", str(place.source), "--to", f"a={place.location('a')}"], ["retry", "--all"]):
        done = backbeat(*arguments, "--state", str(place.state))

        assert 2 == done.returncode
        assert "damaged" in one_line(done.stderr)


def test_a_state_that_is_read_only_is_one_line(place: Place) -> None:
    place.replicate()
    state = shlex.quote(str(place.state))
    mount = f"mount --bind {state} {state} && mount -o remount,ro,bind {state}"

    for arguments in (place.replicate_arguments(), ["retry", "--all", "--state", str(place.state)]):
        done = in_own_mounts(f"{mount} && {shlex.join(command(*arguments))}")

        assert 2 == done.returncode
        assert "Read-only" in one_line(done.stderr)


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
@pytest.mark.parametrize("what", ["replicate", "head"])
def test_an_output_that_cannot_be_written_is_no_traceback(place: Place, what: str, redirection: str) -> None:
    place.replicate()
    arguments = {
        "replicate": place.replicate_arguments("--json"),
        "head": ["head", "source", "f1", "--state", str(place.state)],
    }[what]

    shell = ["sh", "-c", f"{shlex.join(command(*arguments))} {redirection}"]
    done = subprocess.run(shell, capture_output=True, text=True, timeout=60, check=False)

    if redirection == ">&-":
        assert (0, "") == (done.returncode, done.stdout)
    else:
        assert (1, "backbeat: No space left on device\n") == (done.returncode, done.stderr)


def test_messages_that_cannot_be_written_do_not_change_the_result(place: Place) -> None:
    for redirection in ("2>/dev/full", "2>&-"):
        shell = ["sh", "-c", f"{shlex.join(command(*place.replicate_arguments()))} {redirection}"]
        done = subprocess.run(shell, capture_output=True, text=True, timeout=60, check=False)

        assert (0, "") == (done.returncode, done.stdout)


def test_a_directory_deeper_than_the_stack_is_replicated_or_named(place: Place) -> None:
    here = os.open(place.source, os.O_RDONLY)
    for depth in range(1200):
        os.mkdir("d", dir_fd=here)
        here, above = os.open("d", os.O_RDONLY, dir_fd=here), here
        os.close(above)
        if depth == 500:
            os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=here))
    os.close(here)
    shell = ["sh", "-c", f"ulimit -S -n 512; {shlex.join(command(*place.replicate_arguments('--json')))}"]

    done = subprocess.run(shell, capture_output=True, text=True, timeout=100, check=False)

    subprocess.run(["rm", "-rf", str(place.base)], check=True)  # too deep for others to remove
    assert 1 == done.returncode, done.stderr
    document = json.loads(done.stdout)
    assert [True] == ["1024 bytes" in each["reason"] for each in document["refused"]]
    assert [4, 4] == [each["COMPLETED"] for each in document["locations"].values()]


# Buckets and locations that meet.


def test_two_buckets_of_a_state_never_share_a_location(place: Place) -> None:
    place.replicate()
    other = place.base / "other"
    other.mkdir()
    (other / "f1").write_text("another")
    before = tree(place.location("a"))
    state = ("--state", str(place.state))

    for to in (f"a={place.location('a')}", f"x={place.location('a')}", f"x={place.location('a')}/sub"):
        done = backbeat("replicate", str(other), "--to", to, *state)

        assert 2 == done.returncode
        assert "bucket 'source'" in one_line(done.stderr)
    inside = backbeat("replicate", str(place.location("b")), "--to", f"y={place.base}/y", *state)

    assert 2 == inside.returncode
    assert before == tree(place.location("a"))
    apart = backbeat("replicate", str(other), "--to", f"y={place.base}/y", *state)
    assert 0 == apart.returncode, apart.stderr


def test_a_location_that_is_the_source_by_another_mount_is_refused(place: Place) -> None:
    place.location("a").mkdir()
    mount = f"mount --bind {shlex.quote(str(place.source))} {shlex.quote(str(place.location('a')))}"

    done = in_own_mounts(f"{mount} && {shlex.join(command(*place.replicate_arguments()))}")

    assert 2 == done.returncode
    assert "is the source" in one_line(done.stderr)


# A source that goes away is not a source that is empty.


def test_a_source_that_is_not_mounted_any_more_deletes_nothing(place: Place) -> None:
    shutil.rmtree(place.source)
    place.source.mkdir()
    run = shlex.join(command(*place.replicate_arguments()))
    fill = f"mount -t tmpfs none {shlex.quote(str(place.source))} && touch {shlex.quote(str(place.source))}/f1"
    assert 0 == in_own_mounts(f"{fill} && {run}").returncode

    done = backbeat(*place.replicate_arguments())

    assert 1 == done.returncode
    assert "mount it again" in one_line(done.stderr)
    assert ["f1"] == list(tree(place.location("a")))
    assert 0 == in_own_mounts(f"{fill} && {run}").returncode
    (place.source / "other").touch()
    assert 0 == backbeat(*place.replicate_arguments()).returncode
    assert ["other"] == list(tree(place.location("a")))


def test_a_source_whose_files_are_all_removed_is_empty(place: Place) -> None:
    place.replicate()
    for path in place.source.iterdir():
        path.unlink()

    place.replicate()

    assert {} == tree(place.location("a"))
    place.source.rmdir()
    place.source.mkdir()
    place.replicate()


# Signals.


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command(*arguments), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_in_order_and_the_next_run_goes_on(
    place: Place, number: signal.Signals, code: int
) -> None:
    with (place.source / "large").open("wb") as large:
        large.truncate(2 << 30)
    with running(*place.replicate_arguments("--json")) as process:
        while not (place.state / "backbeat.db").exists():
            time.sleep(0.01)
        time.sleep(0.5)
        process.send_signal(number)
        out, errors = process.communicate(timeout=40)

    assert (code, "") == (process.returncode, out)
    assert "interrupted" in one_line(errors)
    (place.source / "large").unlink()
    place.replicate()
    assert same_trees(place.source, place.location("a"))


def test_an_interrupt_at_any_time_is_no_traceback(place: Place) -> None:
    for wait in (0.1, 0.2, 0.4, 0.8):
        with running(*place.replicate_arguments()) as process:
            time.sleep(wait)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=40)

        # Before the first line of ours it is the interpreter that is interrupted, and says so.
        assert "backbeat_adapters" not in errors
        assert process.returncode in (0, 130, -signal.SIGINT) or "site" in errors


def test_sigterm_as_soon_as_it_listens_drains_and_exits_0(place: Place) -> None:
    arguments = ["serve", "--state", str(place.state), "--port", "0", "--source", str(place.source)]
    with running(*arguments, "--to", f"a={place.location('a')}") as process:
        assert process.stderr is not None
        assert "listening" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)

        assert 0 == process.wait(30)


def test_word_that_a_dead_server_has_left_is_not_believed(place: Place) -> None:
    place.replicate()
    for process in (os.getpid(), 10**30, "1", None):
        word = {"process": process, "url": "http://127.0.0.1:1"}
        (place.state / "serve.json").write_text(json.dumps(word))

        place.retry("--all")
