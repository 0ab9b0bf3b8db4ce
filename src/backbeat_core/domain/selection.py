"""Which entries of the metadata log are owed to a target: the populator's filter, with a reason for each."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable
from typing import Final

import attrs

from backbeat_core.domain import metadata as md
from backbeat_core.domain import wire
from backbeat_core.domain.entry import USERS_BUCKET, stands_alone
from backbeat_core.domain.metadata import Document, Json
from backbeat_core.domain.status import Status

_KNOWN: Final = frozenset({"type", "bucket", "key", "value", "overheadFields"})
_PENDING: Final = Status.PENDING.value
_VERSION_SEPARATOR: Final = "\0"


@attrs.frozen
class LogEntry:
    """
    One entry of the metadata log (3.2).

    *key* is without the prefix of key format v1; *value* is the metadata as JSON text. A source that has
    the metadata itself gives *metadata* in its place, which is written only if it must be. *overhead* holds
    what the log knows besides (`overheadFields`). *extras* are members that are passed on as they came.
    An entry may come from anywhere, so `select` looks at the types of the first four and trusts none.
    """

    type: Json
    bucket: Json
    key: Json
    value: Json = None
    overhead: Document | None = None
    extras: Document | None = None
    metadata: Document | None = None

    @classmethod
    def from_document(cls, document: Document) -> LogEntry:
        """Read an entry as the log's readers hand it to filters."""
        get = document.get
        entry = cls(get("type"), get("bucket"), get("key"), get("value"), get("overheadFields"))
        if document.keys() <= _KNOWN:
            return entry
        extras = {name: item for name, item in document.items() if name not in _KNOWN}
        return attrs.evolve(entry, extras=extras)

    @property
    def ordering_key(self) -> str:
        """What the entry is ordered by: bucket and object."""
        return f"{self.bucket}/{self.key.partition(_VERSION_SEPARATOR)[0]}"

    @property
    def message_key(self) -> bytes:
        """The key of the message, so that all versions of an object share a partition (3.1)."""
        return wire.percent_encode(self.ordering_key).encode()

    def encode(self) -> bytes:
        """
        Return the message value: the entry as it came, `value` still as text (PL-2).

        Raises TypeError for an entry that `select` would not take, having a member that is no text.
        """
        # Put together by hand: this is done for every object that is written at the source.
        q = wire.quoted
        value = self.value if self.metadata is None else wire.dumps(self.metadata)
        text = f'{{"type":{q(self.type)},"bucket":{q(self.bucket)},"key":{q(self.key)},"value":{q(value)}'
        if self.overhead is not None:
            text = f'{text},"overheadFields":{wire.dumps(self.overhead)}'
        if self.extras:
            text = f"{text},{wire.dumps(self.extras)[1:-1]}"
        return wire.well_formed(text + "}").encode()


class Reason(enum.Enum):
    """Why an entry of the log is not queued; the value is for people (PL-1)."""

    NO_KEY = "no key"
    NO_VALUE = "no value"
    NOT_A_PUT = "not a put"
    NO_BUCKET = "no bucket"
    USERS_BUCKET = "users bucket"
    MALFORMED = "malformed metadata"
    MASTER_KEY = "master key"
    NOT_PENDING = "not pending"
    COLD_LOCATION = "cold location"


@attrs.frozen
class Ignored:
    """An entry that is not queued, and why."""

    reason: Reason


@attrs.frozen
class Selected:
    """
    An entry that is queued.

    *sites* are the targets that await it, each once. *bytes* is what each of them is
    sent: the object's size, or 0 when only metadata is replicated (PL-7).
    """

    entry: LogEntry
    sites: tuple[str, ...]
    bytes: int


def select(entry: LogEntry, *, cold_locations: Collection[str] = ()) -> Selected | Ignored:
    """
    Decide whether an entry of the log is queued (PL-1).

    *cold_locations* are the locations whose objects cannot be read. Never raises, whatever the entry is.
    """
    reason = _unfit(entry)
    if reason is not None:
        return Ignored(reason)
    metadata = entry.metadata
    if metadata is None:
        try:
            metadata = wire.parse(entry.value)
        except ValueError:
            return Ignored(Reason.MALFORMED)
    if not isinstance(metadata, dict):
        return Ignored(Reason.MALFORMED)
    if md.is_master_key(entry.key) and not stands_alone(metadata):
        return Ignored(Reason.MASTER_KEY)
    info = metadata.get("replicationInfo")
    if not isinstance(info, dict) or info.get("status") != _PENDING:
        return Ignored(Reason.NOT_PENDING)
    if md.data_store_name(metadata) in cold_locations:
        return Ignored(Reason.COLD_LOCATION)
    content = info.get("content")
    carries_data = isinstance(content, list) and "DATA" in content
    return Selected(entry, _pending_sites(info), md.content_length(metadata) if carries_data else 0)


def _unfit(entry: LogEntry) -> Reason | None:
    """Return why the entry is ignored without a look at its metadata."""
    if not isinstance(entry.key, str):
        return Reason.NO_KEY
    if entry.metadata is None and not isinstance(entry.value, str):
        return Reason.NO_VALUE
    if not isinstance(entry.bucket, str):
        return Reason.NO_BUCKET
    if entry.bucket == USERS_BUCKET:
        return Reason.USERS_BUCKET
    return None if entry.type == "put" else Reason.NOT_A_PUT


def _pending_sites(info: Document) -> tuple[str, ...]:
    backends = info.get("backends")
    if not isinstance(backends, list):
        return ()
    sites = [
        site
        for backend in backends
        if isinstance(backend, dict)
        and backend.get("status") == _PENDING
        and isinstance(site := backend.get("site"), str)
    ]
    # Older servers list a site twice; its entry ends once (CE-14, INV-16).
    return tuple(dict.fromkeys(sites))


@attrs.frozen
class Tally:
    """How much was queued for one site: objects and bytes."""

    ops: int = 0
    bytes: int = 0


def tally(selected: Iterable[Selected]) -> dict[str, Tally]:
    """Return what a batch queued for each site, to be told once the batch is published (PL-7)."""
    totals: dict[str, Tally] = {}
    for each in selected:
        for site in each.sites:
            so_far = totals.get(site, Tally())
            totals[site] = Tally(so_far.ops + 1, so_far.bytes + each.bytes)
    return totals
