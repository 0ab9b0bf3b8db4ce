"""
Schemathesis against a running server with the embedded engine: what the document says is what is answered.

The quick run asks every operation what its schema makes worth asking; the slow one goes on to 2,000 requests, with
BACKBEAT_LONG=1 (`make long`) to 20,000.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance.commandline import Place
from acceptance.test_serve import Server, serving

# A wrong verb is 405 on health and metric routes and 404 elsewhere (D1, http-api section 9); what a schema cannot
# say of a version id is told with 400.
CONFIGURATION = """
[checks]
unsupported_method.enabled = false

[checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 403, 404]
"""
KNOWN = """
[parameters]
"path.site" = "a"
"path.bucket" = "source"
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    place = Place(tmp_path)
    place.source.mkdir()
    (place.source / "first").write_bytes(b"1")
    to = [text for site in ("a", "b") for text in ("--to", f"{site}={place.location(site)}")]
    with serving(place, "--source", str(place.source), *to) as running:
        yield running


def ask(server: Server, examples: int, *phases: str, known: bool) -> int:
    """Run Schemathesis, see that it finds nothing, and return how many requests it made."""
    configuration = server.place.base / "schemathesis.toml"
    configuration.write_text(CONFIGURATION + (KNOWN if known else ""))
    done = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(configuration), "run"),
            f"http://127.0.0.1:{server.port}/_/backbeat/api/openapi.json",
            *("--phases", ",".join(phases), "--max-examples", str(examples)),
            *("--workers", "1", "--continue-on-failure", "--no-color", "--warnings", "off"),
        ],
        capture_output=True,
        text=True,
        cwd=server.place.base,
        check=False,
    )
    found = re.search(r"(\d+) generated", done.stdout)
    assert (done.returncode, found is None) == (0, False), done.stdout[-8000:] + done.stderr[-2000:]
    assert found is not None
    return int(found[1])


def test_every_operation_answers_as_the_document_says(server: Server) -> None:
    assert ask(server, 5, "examples", "coverage", "fuzzing", known=True) > 200


@pytest.mark.slow
@pytest.mark.parametrize("known", [True, False])
def test_thousands_of_requests_find_nothing(server: Server, known: bool) -> None:
    long = os.environ.get("BACKBEAT_LONG") == "1"
    made = 0
    while made < (10_000 if long else 1_000):
        made += ask(server, 400 if long else 40, "coverage", "fuzzing", known=known)
