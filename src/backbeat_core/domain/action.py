"""Actions: messages that ask for something to be done and come back saying what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from backbeat_core.domain import wire
from backbeat_core.domain.codec import Kind, optional, parse_object
from backbeat_core.domain.entry import Skip, skipped
from backbeat_core.domain.metadata import Document, Json
from backbeat_core.errors import UndecodableEntry

COPY_LOCATION: Final = "copyLocation"
DELETE_DATA: Final = "deleteData"
DELETE_ARCHIVED_SOURCE_DATA: Final = "deleteArchivedSourceData"

# Members that every action may have; those that a program reads must be what they claim.
_MEMBERS: Final = (
    ("actionId", Kind.TEXT),
    ("action", Kind.TEXT),
    ("contextInfo", Kind.OBJECT),
    ("resultsTopic", Kind.TEXT),
    ("startTime", Kind.INTEGER),
    ("endTime", Kind.INTEGER),
    ("status", Kind.TEXT),
)


@attrs.frozen
class Action:
    """
    Something to be done, and later what came of it (queue-and-wire 3.2.5).

    *document* is the message itself: members that are not known travel with it.
    """

    document: Document

    @classmethod
    def create(cls, action: str, action_id: str, **members: Json) -> Action:
        """Return a new action; *action_id* is a UUID made by the caller."""
        return cls({"actionId": action_id, "action": action, **members})

    @property
    def action_id(self) -> str | None:
        """The id that tells this action from others of its kind."""
        return self._text("actionId")

    @property
    def type(self) -> str | None:
        """What is to be done, such as `deleteData`."""
        return self._text("action")

    @property
    def context(self) -> Document:
        """Who wants it done and why, for logs and metrics."""
        context = self.document.get("contextInfo")
        return context if isinstance(context, Mapping) else {}

    @property
    def results_topic(self) -> str | None:
        """Where the result is awaited; None where nobody waits."""
        return self._text("resultsTopic")

    @property
    def status(self) -> str | None:
        """`success` or `error` once it has ended."""
        return self._text("status")

    @property
    def error(self) -> Json:
        """What went wrong: `{code, message, description}`."""
        return self.document.get("error")

    @property
    def elapsed_ms(self) -> int | None:
        """How long it took, None while it has not ended."""
        start, end = self.document.get("startTime"), self.document.get("endTime")
        return end - start if isinstance(start, int) and isinstance(end, int) else None

    def get(self, path: str) -> Json:
        """Return the member at a dotted *path*, None where there is none."""
        value: Json = self.document
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    def with_member(self, path: str, value: Json) -> Action:
        """Return the action with the member at a dotted *path* set; members on the way are made."""
        return Action(_with_member(self.document, path.split("."), value))

    def with_context(self, members: Document) -> Action:
        """Return the action with *members* added to its context."""
        return Action({**self.document, "contextInfo": {**self.context, **members}})

    def started(self, now_ms: int) -> Action:
        """Return the action as begun at *now_ms*; an earlier start is kept."""
        return self if "startTime" in self.document else Action({**self.document, "startTime": now_ms})

    def succeeded(self, now_ms: int, results: Json = None) -> Action:
        """Return the action as done at *now_ms*."""
        ended: dict[str, Json] = {**self.document, "endTime": now_ms, "status": "success"}
        return Action(ended if results is None else {**ended, "results": results})

    def failed(
        self, now_ms: int, *, code: Json = None, message: str | None = None, description: str | None = None
    ) -> Action:
        """Return the action as failed at *now_ms*; *code* is an HTTP status or what stands for one."""
        error = {"code": code, "message": message, "description": description}
        known = {name: value for name, value in error.items() if value is not None}
        return Action({**self.document, "endTime": now_ms, "status": "error", "error": known})

    def lacking(self, path: str, now_ms: int) -> Action:
        """Return the action as refused at *now_ms* because it has no member at *path* (3.2.5)."""
        description = f'missing required attribute "{path}" in action message'
        return self.failed(now_ms, code=400, message="MissingParameter", description=description)

    @property
    def log_info(self) -> dict[str, Json]:
        """What a log line should say about the action; absent members are left out."""
        members = {
            "actionId": self.action_id,
            "actionType": self.type,
            "actionContext": self.context or None,
            "actionStatus": self.status,
            "actionError": self.error,
            "elapsed_ms": self.elapsed_ms,
        }
        return {name: value for name, value in members.items() if value is not None}

    def encode(self) -> bytes:
        """Return the message value."""
        return wire.encode(self.document)

    def _text(self, name: str) -> str | None:
        value = self.document.get(name)
        return value if isinstance(value, str) else None


def decode_action(
    value: bytes, *, now_ms: int, topic: str = "", partition: int = -1, offset: int = -1
) -> Action | Skip:
    """
    Return the action that a message asks for, begun at *now_ms* if it was not begun before.

    Canaries are a Skip. Raises UndecodableEntry, and nothing else, whatever the bytes.
    """
    try:
        document = parse_object(value)
        skip = skipped(document)
        if skip is not None:
            return skip
        for name, kind in _MEMBERS:
            optional(document, kind, name)
    except ValueError as error:
        raise UndecodableEntry(str(error), topic, partition, offset) from None
    return Action(document).started(now_ms)


def _with_member(document: Document, path: list[str], value: Json) -> dict[str, Json]:
    name, *rest = path
    if rest:
        below = document.get(name)
        value = _with_member(below if isinstance(below, Mapping) else {}, rest, value)
    return {**document, name: value}
