"""Which adapter keeps which law: read from the ports, the adapters and their tests, written as a page."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import attrs

import backbeat_adapters
from backbeat_core.ports import cache, clock, coordinator, location, queue, store
from backbeat_core.testing import memory
from backbeat_core.testing.contracts import cache as cache_laws
from backbeat_core.testing.contracts import clock as clock_laws
from backbeat_core.testing.contracts import coordinator as coordinator_laws
from backbeat_core.testing.contracts import location as location_laws
from backbeat_core.testing.contracts import queue as queue_laws
from backbeat_core.testing.contracts import store as store_laws

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "contract-matrix.md"
COMMAND = "python tests/house/contract_matrix.py"


@attrs.frozen
class Contract:
    """A port (or an optional ability of one), the mixin that holds adapters to it, and its laws' page."""

    port: type
    mixin: type
    module: ModuleType


CONTRACTS = (
    Contract(queue.Queue, queue_laws.QueueContract, queue),
    Contract(store.Store, store_laws.StoreContract, store),
    Contract(cache.Cache, cache_laws.CacheContract, cache),
    Contract(coordinator.Coordinator, coordinator_laws.CoordinatorContract, coordinator),
    Contract(location.Location, location_laws.LocationContract, location),
    Contract(location.UploadLocation, location_laws.UploadContract, location),
    Contract(location.TaggedLocation, location_laws.TaggedContract, location),
    Contract(location.ConditionalDelete, location_laws.ConditionalDeleteContract, location),
    Contract(clock.Clock, clock_laws.ClockContract, clock),
)


def laws(module: ModuleType) -> dict[str, str]:
    """Return name → sentence of each law in a port's docstring, in order."""
    listed = (module.__doc__ or "").partition("\nLaws ")[2]
    return {name: re.sub(r"\s+", " ", says) for name, says in re.findall(r"^    (\w+) +(.+)$", listed, re.M)}


def tests_of(mixin: type) -> list[str]:
    """Return the names of the tests of a contract, in the order in which they are written."""
    return [name for name in vars(mixin) if name.startswith("test_")]


def promised() -> dict[str, set[type]]:
    """Return adapter → the ports that its classes implement, found by looking, not by a list."""
    found: dict[str, set[type]] = {"memory": set()}
    for module in [memory, *_modules(backbeat_adapters)]:
        stem = "memory" if module is memory else module.__name__.split(".")[1].partition("_")[0]
        for value in vars(module).values():
            here = inspect.isclass(value) and not inspect.isabstract(value)
            if here and (module is memory or value.__module__ == module.__name__):
                found.setdefault(stem, set()).update(c.port for c in CONTRACTS if issubclass(value, c.port))
    return {stem: ports for stem, ports in sorted(found.items()) if ports}


def held() -> dict[tuple[str, type], list[type]]:
    """Return (adapter, port) → the test classes that hold it to the contract."""
    found: dict[tuple[str, type], list[type]] = {}
    for adapter in PROMISED:
        if not (ROOT / "tests" / "adapters" / f"test_{adapter}.py").is_file():
            continue
        for value in list(vars(importlib.import_module(f"adapters.test_{adapter}")).values()):
            for contract in CONTRACTS:
                if inspect.isclass(value) and issubclass(value, contract.mixin) and value is not contract.mixin:
                    found.setdefault((adapter, contract.port), []).append(value)
    return found


def box(contract: Contract, test: str, adapter: str) -> str:
    """Return what stands in one box: that the law is held to, or '' for a promise that no test holds."""
    classes = HELD.get((adapter, contract.port), [])
    # A test that an adapter has rewritten is not the contract's any more.
    kept = [getattr(c, test) is getattr(contract.mixin, test) for c in classes]
    return "✓" if kept and all(kept) else ""


def rows(contract: Contract) -> Iterator[tuple[str, str, list[str]]]:
    """Yield law, sentence and boxes of one contract."""
    sentences = laws(contract.module)
    for test in tests_of(contract.mixin):
        name = test.removeprefix("test_")
        says = sentences.get(name, "a random history of calls is answered as a plain dict would answer it")
        yield name, says, [box(contract, test, adapter) for adapter in adapters(contract)]


def adapters(contract: Contract) -> list[str]:
    """Return the adapters that implement a port, the model first."""
    found = [adapter for adapter, ports in PROMISED.items() if contract.port in ports]
    return sorted(found, key=lambda adapter: (adapter != "memory", adapter != "embedded", adapter))


def page() -> str:
    """Return the page as it should be."""
    parts = [
        "# Which adapter keeps which law",
        f"Generated by `{COMMAND}`; a test fails when it is out of date or a box is empty.",
        "A law is a line in a port's docstring and one test of the same name, which every adapter inherits "
        "from `backbeat_core.testing.contracts`. The servers' tests run against real servers.",
    ]
    for contract in CONTRACTS:
        names = adapters(contract)
        lines = ["| law | it says | " + " | ".join(names) + " |", "|---|---|" + ":-:|" * len(names)]
        for name, says, boxes in rows(contract):
            says = says.replace("|", "\\|")
            lines.append(f"| `{name}` | {says} | " + " | ".join(boxes) + " |")
        parts += [f"## {contract.port.__name__}", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


PROMISED = promised()
HELD: dict[tuple[str, type], list[type]] = {}


def load() -> None:
    """Read the adapters' tests. Their folder is `tests/adapters`, importable as `adapters`."""
    if str(ROOT / "tests") not in sys.path:
        sys.path.insert(0, str(ROOT / "tests"))
    HELD.update(held())


if __name__ == "__main__":
    load()
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page())
