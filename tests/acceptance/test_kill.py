"""`kill -9` at any moment: started again, it goes on and ends as if nothing had happened."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from acceptance.commandline import Place, command, tree
from backbeat_adapters.local import LocalHost
from backbeat_core.domain import metadata as md
from backbeat_core.domain.info import ReplicationInfo

OBJECTS = 2000
KILLS = 25
SEED = 20261124


def make_source(source: Path, chance: random.Random) -> None:
    for number in range(OBJECTS):
        path = source / f"{number % 17}" / f"{number % 5}" / f"object-{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(chance.choice((0, 1, 100, 4096, 60_000))))


def run_for(place: Place, seconds: float) -> bool:
    """Run for at most *seconds*, then kill; return whether it ended by itself."""
    running = subprocess.Popen(
        command(*place.replicate_arguments("--json")),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        _, errors = running.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        running.send_signal(signal.SIGKILL)
        running.communicate()
        return False
    assert 0 == running.returncode, errors.decode()
    return True


def end_state(place: Place) -> dict[str, object]:
    """Return what is stored of each object: its bytes' checksum and every site's status."""
    with LocalHost.open(place.state, exclusive=False) as host:
        return {
            md.split_key(document.key)[0]: (
                md.content_md5(document.value),
                [
                    (backend.site, backend.status)
                    for backend in ReplicationInfo.from_document(document.value["replicationInfo"]).backends
                ],
            )
            for document in host.newest_versions("source")
        }


def no_half_written_object(place: Place, wanted: dict[str, bytes]) -> None:
    for site in ("a", "b"):
        for name, content in tree(place.location(site)).items():
            if not name.startswith(".backbeat"):
                assert wanted[name] == content, name


@pytest.mark.slow
def test_killed_25_times_it_ends_as_an_undisturbed_run(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    disturbed, undisturbed = Place(tmp_path / "disturbed"), Place(tmp_path / "undisturbed")
    make_source(disturbed.source, random.Random(SEED))
    make_source(undisturbed.source, random.Random(SEED))
    wanted = tree(disturbed.source)
    started = time.monotonic()
    assert run_for(undisturbed, 120)
    whole = time.monotonic() - started

    kills = 0
    while kills < KILLS:
        if run_for(disturbed, chance.uniform(0.05, max(0.6, whole / 4))):
            # Done before it could be killed: take something back, so that there is work again.
            (disturbed.source / f"again-{kills}").write_bytes(b"again")
            (undisturbed.source / f"again-{kills}").write_bytes(b"again")
            wanted[f"again-{kills}"] = b"again"
            continue
        kills += 1
        no_half_written_object(disturbed, wanted)
    result = disturbed.replicate()
    undisturbed.replicate()

    for site in ("a", "b"):
        assert wanted == tree(disturbed.location(site))
    assert end_state(undisturbed) == end_state(disturbed)
    assert {0} == {counts["FAILED"] + counts["PENDING"] for counts in result["locations"].values()}
    assert 0 == sum(counts["copied"]["objects"] for counts in disturbed.replicate()["locations"].values())


@pytest.mark.slow
def test_what_was_completed_before_a_kill_is_not_copied_again(tmp_path: Path) -> None:
    place = Place(tmp_path)
    make_source(place.source, random.Random(SEED))
    while not completed(place):
        assert not run_for(place, 1.5), "too quick to be killed: make the source larger"
    done = completed(place)
    before = {
        (site, name): (place.location(site) / name).stat().st_ino for site, name in done
    }

    place.replicate()

    after = {(site, name): (place.location(site) / name).stat().st_ino for site, name in done}
    assert before == after


def completed(place: Place) -> list[tuple[str, str]]:
    if not (place.state / "backbeat.db").exists():
        return []
    return [
        (site, key)
        for key, (_, statuses) in end_state(place).items()  # type: ignore[misc]
        for site, status in statuses
        if status == "COMPLETED"
    ]


