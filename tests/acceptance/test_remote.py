"""The commands that talk to a running Backbeat: what they show, what they change, and how they end."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from acceptance.commandline import Place, backbeat
from acceptance.test_serve import Server, eventually, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = Place(tmp_path_factory.mktemp("remote"))
    place.source.mkdir()
    (place.source / "dir").mkdir()
    (place.source / "dir/first").write_bytes(b"1")
    to = [text for site in ("east", "west") for text in ("--to", f"{site}={place.location(site)}")]
    with serving(place, "--source", str(place.source), *to, "--retries", "0") as running:
        eventually(lambda: all((place.location(site) / "dir/first").exists() for site in ("east", "west")))
        yield running


def ask(server: Server, *arguments: str, code: int = 0) -> str:
    done = backbeat(*arguments, "--url", f"http://127.0.0.1:{server.port}")
    assert code == done.returncode, done.stderr
    return done.stdout if code == 0 else done.stderr


def ask_json(server: Server, *arguments: str) -> Any:
    return json.loads(ask(server, *arguments, "--json"))


def test_status_is_a_table_for_people_and_json_for_programs(server: Server) -> None:
    assert ["east", "west"] == [line.split()[0] for line in ask(server, "status").splitlines()[1:]]
    assert {"status": "enabled", "resume": "none"} == ask_json(server, "status", "east")["east"]


def test_pause_schedule_cancel_and_resume(server: Server) -> None:
    def status() -> Any:
        return ask_json(server, "status", "west")["west"]

    ask(server, "pause", "west")
    eventually(lambda: bool("disabled" == status()["status"]))
    ask(server, "schedule", "west", "--hours", "2")
    eventually(lambda: bool("none" != status()["resume"]))
    ask(server, "schedule", "west", "--cancel")
    eventually(lambda: bool("none" == status()["resume"]))
    ask(server, "resume", "west")
    eventually(lambda: bool("enabled" == status()["status"]))


def test_metrics_of_a_site(server: Server) -> None:
    eventually(lambda: bool(1 == ask_json(server, "metrics", "east")["completions"]["results"]["count"]))

    shown = ask(server, "metrics")
    for name in ("backlog", "completions", "failures", "throughput", "pending"):
        assert f"\n{name} " in shown


def test_health_says_how_the_engines_are(server: Server) -> None:
    assert "zookeeper" in ask(server, "health")
    assert "ok" == ask_json(server, "health")["internalConnections"]["kafkaProducer"]["status"]


def test_a_failure_is_listed_explained_and_retried(server: Server) -> None:
    place = server.place
    shutil.rmtree(place.location("west"))
    (place.source / "dir/lost").write_bytes(b"x")
    eventually(lambda: bool(ask_json(server, "failed", "west")))

    (failure,) = ask_json(server, "failed")
    assert ("west", "source", "dir/lost") == tuple(failure[name] for name in ("StorageClass", "Bucket", "Key"))
    version = ("--version-id", failure["VersionId"])
    assert [failure] == ask_json(server, "failed", "--object", "source", "dir/lost", *version)
    explained = ask_json(server, "explain", "source", "dir/lost")
    (west,) = [site for site in explained["Sites"] if site["Site"] == "west"]
    assert "FAILED" == west["Status"]
    assert "No such file or directory" in west["Attempts"][-1]["Reason"]
    assert "Status: FAILED" in ask(server, "explain", "source", "dir/lost")

    place.location("west").mkdir()
    # Without a URL: whoever serves this state is found by it.
    done = backbeat("retry", "--all", "--state", str(place.state))

    assert (0, "1 of 1 failures are replicated again\n") == (done.returncode, done.stderr)
    eventually(lambda: (place.location("west") / "dir/lost").exists())
    eventually(lambda: not ask_json(server, "failed", "west"))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("status", "nowhere"), 2, "nowhere"),
        (("pause", "nowhere"), 2, "nowhere"),
        (("metrics", "all", "--service", "ingestion"), 0, ""),
        (("retry", "--site", "nowhere"), 2, "nowhere"),
        (("explain", "source", "nothing"), 2, "does not exist"),
        (("schedule", "east", "--hours", "0"), 2, "hours"),
        (("health", "--nonsense"), 2, "--nonsense"),
    ],
)
def test_what_the_server_does_not_know_is_exit_code_2(
    server: Server, arguments: tuple[str, ...], code: int, said: str
) -> None:
    assert said in ask(server, *arguments, code=code)


@pytest.mark.parametrize("command", ["status", "pause", "resume", "failed", "metrics", "health"])
def test_a_server_that_does_not_answer_is_exit_code_1_and_one_line(command: str) -> None:
    done = backbeat(command, "--url", "http://127.0.0.1:9")

    assert 1 == done.returncode
    assert 1 == len(done.stderr.splitlines())
    assert "is backbeat serve running?" in done.stderr


def test_a_url_that_is_none_is_exit_code_2(tmp_path: Path) -> None:
    done = backbeat("status", "--url", "nonsense")

    assert 2 == done.returncode
    assert "'nonsense'" in done.stderr
