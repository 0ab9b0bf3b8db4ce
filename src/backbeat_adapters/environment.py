"""What the environment of a process says about how it names things: `CI`. It is read here and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence


def is_test_mode(environment: Mapping[str, str] = os.environ) -> bool:
    """
    Return whether keys in Redis and paths in ZooKeeper have their names for tests (http-api 4.1 and 6.3).

    They have with `CI=true`, as in the reference, and with no other value: programs that test a whole system
    write counters and states under these names. Nothing else depends on it.
    """
    return environment.get("CI") == "true"


def ingestion_sites(sites: Sequence[str], known: Sequence[str], *, test_mode: bool) -> tuple[str, ...]:
    """Return the sites of ingestion: those that are *known*, in test mode one for each of crr's (http-api 9)."""
    return tuple(f"{site}-ingestion" for site in sites) if test_mode else tuple(known)
