"""Requests to copy an object's data to another location, and to archive it where that location is cold."""

from __future__ import annotations

from collections.abc import Collection

import attrs

from backbeat_core.domain import metadata as md
from backbeat_core.domain.action import COPY_LOCATION, Action
from backbeat_core.domain.messages import ColdArchive
from backbeat_core.domain.metadata import Document
from backbeat_core.errors import InvalidInput


@attrs.frozen(kw_only=True)
class CopyLocation:
    """
    A request to the data mover (queue-and-wire 3.2.4).

    *version* is the encoded version id, *content_length* in bytes, *attempt* counts from 1. *source* says
    where the data is now, if it cannot be read through the object: a cloud without versions.
    """

    bucket: str
    key: str
    to_location: str
    account_id: str | None = None
    owner: str | None = None
    version: str | None = None
    etag: str | None = None
    attempt: int | None = None
    last_modified: str | None = None
    origin: str | None = None
    from_location: str | None = None
    content_length: int | None = None
    transition_time: str | None = None
    source: Document | None = None

    @property
    def message_key(self) -> bytes:
        """The key of the message; this one is not percent-encoded."""
        return f"{self.bucket}/{self.key}".encode("utf-8", "surrogatepass")

    def action(self, action_id: str) -> Action:
        """Return the action that asks for the copy; *action_id* is a UUID made by the caller."""
        target = {
            "accountId": self.account_id,
            "owner": self.owner,
            "bucket": self.bucket,
            "key": self.key,
            "version": self.version,
            "eTag": self.etag,
            "attempt": self.attempt,
            "lastModified": self.last_modified,
        }
        metrics = {
            "origin": self.origin,
            "fromLocation": self.from_location,
            "contentLength": self.content_length,
            "transitionTime": self.transition_time,
        }
        members = {"target": _known(target), "toLocation": self.to_location, "metrics": _known(metrics)}
        if self.source is not None:
            members["source"] = self.source
        return Action.create(COPY_LOCATION, action_id, **members)

    @classmethod
    def of(cls, action: Action) -> CopyLocation | None:
        """Return what *action* asks for, None if that is not a copy of some object to some location."""
        bucket, key, to_location = map(action.get, ("target.bucket", "target.key", "toLocation"))
        named = isinstance(bucket, str) and isinstance(key, str) and isinstance(to_location, str)
        if action.type != COPY_LOCATION or not named:
            return None
        length, attempt, source = map(action.get, ("metrics.contentLength", "target.attempt", "source"))
        texts = {name: action.get(path) for name, path in _TEXTS.items()}
        return cls(
            bucket=bucket,
            key=key,
            to_location=to_location,
            content_length=length if isinstance(length, int) else None,
            attempt=attempt if isinstance(attempt, int) else None,
            source=source if isinstance(source, dict) else None,
            **{name: text for name, text in texts.items() if isinstance(text, str)},
        )

    def archive(self, request_id: str | None = None) -> ColdArchive:
        """Return the request to archive the object, for a location that is cold."""
        return ColdArchive(
            account_id=self.account_id,
            bucket_name=self.bucket,
            object_key=self.key,
            object_version=self.version,
            request_id=request_id,
            size=self.content_length,
            etag=self.etag,
            attempt=self.attempt,
            transition_time=self.transition_time,
        )

    def topic(
        self, *, known: Collection[str], cold: Collection[str], data_mover_topic: str, cold_prefix: str
    ) -> str:
        """Return the topic that the request belongs in. Raises InvalidInput for a location not *known*."""
        if self.to_location not in known:
            raise InvalidInput(f"unknown location {self.to_location!r}")
        return f"{cold_prefix}{self.to_location}" if self.to_location in cold else data_mover_topic


_TEXTS = {
    "account_id": "target.accountId",
    "owner": "target.owner",
    "version": "target.version",
    "etag": "target.eTag",
    "last_modified": "target.lastModified",
    "origin": "metrics.origin",
    "from_location": "metrics.fromLocation",
    "transition_time": "metrics.transitionTime",
}


def stale(request: CopyLocation, metadata: Document) -> str | None:
    """Return why the copy is not to be made any more, None if it is (3.14)."""
    if request.etag is not None and request.etag.strip('"') != md.content_md5(metadata):
        return "the object has other content now"
    return "the object is there already" if md.data_store_name(metadata) == request.to_location else None


def _known(members: Document) -> dict[str, object]:
    return {name: value for name, value in members.items() if value is not None}
