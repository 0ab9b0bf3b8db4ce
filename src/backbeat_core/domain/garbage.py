"""What is asked of the garbage collector, and what that comes to at the source's batch-delete route."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Final

import attrs

from backbeat_core.domain import metadata as md
from backbeat_core.domain import wire
from backbeat_core.domain.action import DELETE_DATA, Action
from backbeat_core.domain.entry import ObjectEntry
from backbeat_core.domain.metadata import Document, Json

# The members of a location that the batch-delete route takes.
_LOCATION_MEMBERS: Final = ("key", "dataStoreName", "size", "dataStoreVersionId")
_NAMESPACE: Final = uuid.UUID("6f0d9d0a-33c1-5c8e-9d52-7a2f6a1b9e11")


@attrs.frozen
class DeleteData:
    """
    A request to delete data that an object does not need any more (4.3).

    *unmodified_since* is the object's last change as the sender knew it: data of an object that was
    changed later is in use and stays. *account_id* None is to be looked up from *owner*.
    """

    bucket: str
    key: str
    locations: tuple[Document, ...]
    account_id: str | None
    owner: str | None
    storage_class: str | None
    unmodified_since: str | None
    service_name: str | None
    rule_type: str | None

    @classmethod
    def of(cls, action: Action) -> DeleteData | None:
        """Return what *action* asks for, None if that is not to delete the data of some object."""
        source, target = (_object(action.document.get(name)) for name in ("source", "target"))
        # Transitions of data with versions say where they come from in their context alone (GC-2).
        bucket = source.get("bucket") or action.context.get("bucketName")
        key = source.get("objectKey") or action.context.get("objectKey")
        if action.type != DELETE_DATA or not isinstance(bucket, str) or not isinstance(key, str):
            return None
        return cls(
            bucket,
            key,
            tuple(map(_location, _objects(target.get("locations")))),
            account_id=_text(target.get("accountId")),
            owner=_text(target.get("owner")),
            storage_class=_text(source.get("storageClass")),
            unmodified_since=_text(source.get("lastModified")),
            service_name=_text(action.document.get("serviceName")),
            rule_type=_text(action.context.get("ruleType")),
        )

    @property
    def tags(self) -> dict[str, str]:
        """What the storage is told about the deletion."""
        service = {} if self.service_name is None else {"scal-delete-service": self.service_name}
        return {"scal-delete-marker": "true", **service}

    def headers(self) -> dict[str, str]:
        """Return the headers of the batch-delete call (4.3)."""
        headers = {
            "If-Unmodified-Since": self.unmodified_since,
            "X-Scal-Storage-Class": self.storage_class,
            "X-Scal-Tags": wire.dumps(self.tags),
        }
        return {name: value for name, value in headers.items() if value is not None}

    def body(self) -> dict[str, Json]:
        """Return the body of the batch-delete call."""
        return {"Locations": list(self.locations)}


def transient_garbage(
    entry: ObjectEntry, *, action_id: str | None = None, request_id: str | None = None
) -> Action:
    """
    Return the request to delete the source's copy of what is replicated everywhere (GC-1).

    All stored locations are listed (CE-11). Without *action_id*, a UUID, the id follows from the version,
    so that a request that is made twice (GC-3) has the same id twice.
    """
    identity = f"{entry.bucket}/{entry.key}/{entry.version_id}/{md.last_modified(entry.metadata)}"
    context = {
        "origin": "transientSource",
        "ruleType": "transient",
        "reqId": request_id,
        "bucket": entry.bucket,
        "objectKey": entry.object_key,
        "versionId": entry.version_id,
        "isDeleteMarker": md.is_delete_marker(entry.metadata),
        "ignore": entry.ignore,
    }
    return Action.create(
        DELETE_DATA,
        str(uuid.uuid5(_NAMESPACE, identity)) if action_id is None else action_id,
        contextInfo={name: value for name, value in context.items() if value is not None},
        source={
            "bucket": entry.bucket,
            "objectKey": entry.object_key,
            "storageClass": md.data_store_name(entry.metadata),
            "lastModified": md.last_modified(entry.metadata),
        },
        target={
            "locations": list(md.locations(entry.metadata)),
            "accountId": entry.account_id,
            "owner": md.owner_id(entry.metadata),
        },
    )


def _location(piece: Document) -> dict[str, Json]:
    return {name: piece[name] for name in _LOCATION_MEMBERS if piece.get(name) is not None}


def _objects(value: Json) -> list[Document]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _object(value: Json) -> Document:
    return value if isinstance(value, Mapping) else {}


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None
