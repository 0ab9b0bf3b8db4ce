"""What a run is like: who takes part, what users do, and how much goes wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from backbeat_core.domain.replays import Replays, ReplayTopic
from backbeat_core.queueing.backoff import Backoff, RetryPolicy

MINUTE_MS = 60_000

REPLAY_TOPICS = ("backbeat-replication-replay-0", "backbeat-replication-replay-1")

TWO_REPLAYS: Final = Replays.from_topics([ReplayTopic(REPLAY_TOPICS[0], 2)])
QUICK: Final = RetryPolicy(max_retries=2, timeout_s=60, backoff=Backoff(min_ms=1000, max_ms=10_000))

WORK: Mapping[str, float] = {
    "put": 6,
    "put in parts": 1,
    "put empty": 0.5,
    "overwrite null": 1.5,
    "delete": 1,
    "delete version": 1,
    "tag": 2.5,
    "untag": 0.5,
    "retain": 0.5,
    "share": 0.7,
    "get": 1.5,
    "replica": 0.2,
    "listed twice": 0.2,
}
"""What users do, each as often as its weight says; see `users`."""


@attrs.frozen
class Site:
    """A target: a cloud has tags and uploads, a plain one is a directory; *versioned* keeps old versions."""

    name: str
    cloud: bool = True
    versioned: bool = True


@attrs.frozen
class Profile:
    """
    The kind of a run.

    Times in milliseconds, each an average: *pause_ms* is how long a user waits between two operations,
    *operator_ms*, *lifecycle_ms* and *chaos_ms* how long those three do; with 0 there is none. For
    *duration_ms* things go wrong. *faults* multiplies the chances of faults by name, '' for those not named;
    *on_chance* is how many kinds of them are switched on.
    """

    name: str = "mixed"
    duration_ms: int = 25 * MINUTE_MS
    pause_ms: int = 40_000
    users: int = 1
    most_operations: int = 0
    """After how many operations the users stop; 0: when the world is healed."""
    buckets: int = 2
    keys: int = 3
    sites: tuple[Site, ...] = (Site("aws-1"), Site("azure-1", versioned=False))
    hosts: int = 2
    populators: int = 2
    status_hosts: int = 2
    concurrency: int = 3
    partitions: int = 2
    replays: Replays = TWO_REPLAYS
    transient: bool = False
    forgetful: bool = False
    """Whether the source begins to count generations anew when a null version is overwritten."""
    lifecycle_ms: int = 0
    reconcile: bool = False
    operator_ms: int = 4 * MINUTE_MS
    chaos_ms: int = 2 * MINUTE_MS
    work: Mapping[str, float] = WORK
    events: Mapping[str, float] = attrs.field(factory=dict)
    faults: Mapping[str, float] = attrs.field(factory=dict)
    on_chance: float = 0.4
    policy: RetryPolicy = QUICK
