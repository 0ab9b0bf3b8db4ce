"""Writes the figures of a benchmark down, with where and with what they were measured."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("attrs", "backbeat", "confluent-kafka", "kazoo", "pymongo", "redis", "starlette", "uvicorn")


def write_result(name: str, figures: Any, **versions: str) -> None:
    """Write *figures* to `results/<name>.json` and to standard output."""
    document = {
        "benchmark": name,
        "figures": figures,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": {
            "processors": os.cpu_count(),
            "processor": _processor(),
            "system": platform.system() + " " + platform.release().split("-")[0],
        },
        "python": sys.version.split()[0],
        "versions": {**_versions(), **versions},
    }
    text = json.dumps(document, indent=2)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(text + "\n")
    print(text)


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=RESULTS.parent, check=False
    )
    return done.stdout.strip()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
