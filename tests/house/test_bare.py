"""What `pip install .` brings, in a virtual environment with nothing else in it."""

from __future__ import annotations

import ast
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EVERY_MODULE = """
import importlib, pkgutil, sys
import backbeat_core
for module in pkgutil.walk_packages(backbeat_core.__path__, "backbeat_core."):
    if not module.name.startswith("backbeat_core.testing"):
        importlib.import_module(module.name)
from backbeat_core import Status, derive
assert derive([Status.PENDING, Status.COMPLETED]) is Status.PROCESSING
foreign = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
print(sorted(name for name in foreign if not name.startswith("_")))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of a fresh environment that the project, and nothing else, was installed into."""
    directory = tmp_path_factory.mktemp("bare")
    venv.create(directory, with_pip=True)
    interpreter = directory / "bin" / "python"
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "src"):
        subprocess.run(["cp", "-r", ROOT / name, source], check=True)
    install = [interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", source]
    subprocess.run(install, check=True, timeout=300)
    return interpreter


def output(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.slow
def test_it_brings_attrs_and_typing_extensions_only(python: Path) -> None:
    listed = output(python, "-m", "pip", "list", "--format", "freeze", "--disable-pip-version-check").stdout

    names = {line.partition("==")[0].lower().replace("_", "-") for line in listed.splitlines()}
    assert {"attrs", "backbeat", "typing-extensions"} == names - {"pip", "setuptools", "wheel"}


@pytest.mark.slow
def test_the_whole_core_imports_with_nothing_else_installed(python: Path) -> None:
    done = output(python, "-c", EVERY_MODULE)

    assert 0 == done.returncode, done.stderr
    loaded = set(ast.literal_eval(done.stdout))
    assert loaded <= {"attr", "attrs", "backbeat_core", "typing_extensions", "sitecustomize"}


@pytest.mark.slow
def test_the_command_says_in_one_line_which_extra_it_needs(python: Path) -> None:
    done = output(python.parent / "backbeat", "--help")

    assert 2 == done.returncode
    assert ["backbeat: click is not installed: pip install 'backbeat[cli]'"] == done.stderr.splitlines()


@pytest.mark.slow
def test_the_types_are_marked_as_such(python: Path) -> None:
    where = output(python, "-c", "import backbeat_core; print(backbeat_core.__path__[0])").stdout.strip()

    assert (Path(where) / "py.typed").is_file()
    assert not where.startswith(str(ROOT))
    assert sys.prefix not in where
