"""
One directory to two locations: `backbeat replicate` beside `rclone copy` of the same tree, twice.

    python benchmarks/bench_replicate.py [--runs N] [--small N] [--large N] [--gib F] [--dir DIR]

Each run measures both, in turn, so that a machine that speeds up or slows down does so for both; the ratio
is rclone's seconds over ours (1 is as fast as rclone, more is faster). Peak memory is that of the largest
process, as the system counted it. Results go to `benchmarks/results/replicate.json`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recording import write_result

CHUNK = 1 << 20


def make_small(root: Path, count: int) -> None:
    for number in range(count):
        path = root / f"{number % 100:02}" / f"object-{number:06}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(4096))


def make_large(root: Path, count: int, size: int) -> None:
    root.mkdir(parents=True, exist_ok=True)
    block = os.urandom(CHUNK)
    for number in range(count):
        with (root / f"large-{number}").open("wb") as file:
            for _ in range(size // CHUNK):
                file.write(number.to_bytes(4, "big") + block[4:])


def run(*command: str) -> tuple[float, float]:
    """Return seconds and peak megabytes of a command, which must succeed."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"{command[0]} failed:\n{errors.decode(errors='replace')}")
    return seconds, usage.ru_maxrss / 1024


def by_rclone(source: Path, base: Path) -> tuple[float, float]:
    runs = [run("rclone", "copy", str(source), str(base / name)) for name in ("one", "two")]
    return sum(seconds for seconds, _ in runs), max(memory for _, memory in runs)


def by_backbeat(source: Path, base: Path) -> tuple[float, float]:
    script = "from backbeat_adapters.cli import main; main()"
    to = [text for name in ("one", "two") for text in ("--to", f"{name}={base / name}")]
    return run(sys.executable, "-c", script, "replicate", str(source), *to, "--state", str(base / "state"))


def measure(make: Callable[[Path], None], directory: Path, runs: int) -> dict[str, Any]:
    source = directory / "source"
    make(source)
    taken: dict[str, list[tuple[float, float]]] = {"rclone": [], "backbeat": []}
    for _ in range(runs):
        for name, tool in (("rclone", by_rclone), ("backbeat", by_backbeat)):
            base = directory / "copies"
            base.mkdir()
            taken[name].append(tool(source, base))
            shutil.rmtree(base)
    shutil.rmtree(source)
    ratios = [
        theirs / ours for (theirs, _), (ours, _) in zip(taken["rclone"], taken["backbeat"], strict=True)
    ]
    return {
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        **{
            f"{name}_{what}": [round(pair[index], 2) for pair in pairs]
            for name, pairs in taken.items()
            for index, what in enumerate(("seconds", "peak_mb"))
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--small", type=int, default=10_000, help="files of 4 KiB")
    parser.add_argument("--large", type=int, default=4, help="large files")
    parser.add_argument("--gib", type=float, default=1.0, help="size of a large file")
    parser.add_argument("--dir", type=Path, default=None, help="where to work; it needs 3 times the size")
    options = parser.parse_args()
    if shutil.which("rclone") is None:
        raise SystemExit("rclone is not installed: apt-get install rclone")
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=options.dir) as name:
        directory = Path(name)
        if options.small:
            figures[f"{options.small} files of 4 KiB"] = measure(
                lambda root: make_small(root, options.small), directory, options.runs
            )
        if options.large:
            size = int(options.gib * 2**30)
            figures[f"{options.large} files of {options.gib:g} GiB"] = measure(
                lambda root: make_large(root, options.large, size), directory, options.runs
            )
    version = subprocess.run(["rclone", "version"], capture_output=True, text=True, check=True).stdout
    write_result("replicate", figures, rclone=version.splitlines()[0])


if __name__ == "__main__":
    main()
