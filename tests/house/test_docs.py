"""What the documents say is run: Python blocks as programs, `backbeat` lines of the tutorial as commands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def test_the_readme_embeds_in_ten_lines_of_python(tmp_path: Path) -> None:
    (block,) = BLOCK.findall((ROOT / "README.md").read_text())

    done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, cwd=tmp_path, check=False)

    assert 0 == done.returncode, done.stderr
    assert "PROCESSING" in done.stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    targets = [target for target in LINK.findall(document.read_text()) if "://" not in target]

    assert [] == [target for target in targets if not (document.parent / target).exists()]


@pytest.mark.slow
def test_the_tutorial_goes_as_it_says(tmp_path: Path) -> None:
    text = (ROOT / "docs/tutorial/first-replication.md").read_text()
    lines = [line.strip() for line in re.findall(r"^    (.*)$", text, re.MULTILINE)]
    commands = [line for line in lines if re.match(r"(mkdir|echo|mv|rm|backbeat (replicate|head|retry))", line)]
    backbeat = f'{sys.executable} -c "from backbeat_adapters.cli import main; main()"'

    told = []
    for line in commands:
        script = line.replace("backbeat ", f"{backbeat} ").replace("/tmp/first", str(tmp_path / "first"))
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60, check=False)
        told.append((line.split()[0:2], done.returncode, done.stdout + done.stderr))

    codes = [code for (words, code, _) in told if words[0] == "backbeat"]
    assert [0, 0, 0, 1, 0] == codes, told
    assert "west-replication-status: COMPLETED" in told[2][2]
    assert "snake.txt FAILED at west" in next(said for _, code, said in told if code == 1)
    assert {"cat.txt", "snake.txt"} == {path.name for path in (tmp_path / "first/west").iterdir()}
