"""What a use case has done, as values: metrics, logs and tests read these and nothing else (design 3.10)."""

from __future__ import annotations

from typing import TypeAlias

import attrs

from backbeat_core.domain.entry import ObjectEntry
from backbeat_core.domain.status import Status


@attrs.frozen
class Replicated:
    """*site* has *entry*'s version; *size* bytes of data were moved. Its report is published."""

    entry: ObjectEntry
    site: str
    size: int


@attrs.frozen
class ReplicationSkipped:
    """There was nothing to replicate, for *reason*; no status is reported (O3 to O5)."""

    reason: str


@attrs.frozen
class ReplicationFailed:
    """*site* could not be given *entry*'s version: *code* names the error. Its report is published (O6)."""

    entry: ObjectEntry
    site: str
    code: str
    description: str = ""


ReplicationOutcome: TypeAlias = Replicated | ReplicationSkipped | ReplicationFailed


@attrs.frozen
class StatusWritten:
    """
    A report was folded into the source object.

    *status* is the site's now, *object_status* that of the whole. *size* is what counts as replicated or
    failed, in bytes: 0 where only metadata was to be replicated (PL-7).
    """

    entry: ObjectEntry
    site: str
    status: Status
    object_status: Status
    size: int


@attrs.frozen
class StatusIgnored:
    """A report changed nothing, for *reason* (the list below PL-50)."""

    reason: str


@attrs.frozen
class ReplayQueued:
    """
    A failure is tried again and not written (3.12.1).

    *left* attempts remain after this one, of *total*; *first* tells the first failure of the entry.
    """

    entry: ObjectEntry
    site: str
    topic: str
    left: int
    total: int
    first: bool


StatusOutcome: TypeAlias = StatusWritten | StatusIgnored | ReplayQueued


@attrs.frozen
class GarbageCollected:
    """
    Data was deleted, or found to be in use and left (*deleted* false: HTTP 412).

    *rule_type* says for whom: `transient`, `transition`, `restore` or `archive`.
    """

    bucket: str
    key: str
    rule_type: str | None
    deleted: bool


@attrs.frozen
class GarbageIgnored:
    """A message of the garbage topic asked for nothing that is collected, for *reason*."""

    reason: str


GarbageOutcome: TypeAlias = GarbageCollected | GarbageIgnored
