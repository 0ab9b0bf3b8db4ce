"""The members that object metadata has even when nobody has set them, in the order they are written in."""

from __future__ import annotations

from typing import Final

from backbeat_core.domain.metadata import Document, Json

MODEL_VERSION: Final = 6
"""The version of the metadata model that is written (queue-and-wire 3.6.4)."""

_ABSENT: Final = object()

# What each member is when it is not set; _ABSENT keeps a place in the order and writes nothing. Tuples stand
# for lists.
_MEMBERS: Final[tuple[tuple[str, Json], ...]] = (
    ("owner-display-name", ""),
    ("owner-id", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("expires", ""),
    ("content-length", 0),
    ("content-type", ""),
    ("content-md5", ""),
    ("content-language", ""),
    ("creation-time", None),
    ("x-amz-version-id", "null"),
    ("x-amz-server-version-id", ""),
    ("x-amz-restore", _ABSENT),
    ("archive", _ABSENT),
    ("x-amz-storage-class", "STANDARD"),
    ("x-amz-server-side-encryption", ""),
    ("x-amz-server-side-encryption-aws-kms-key-id", ""),
    ("x-amz-server-side-encryption-customer-algorithm", ""),
    ("x-amz-website-redirect-location", ""),
    ("x-amz-scal-transition-in-progress", False),
    ("x-amz-scal-transition-time", _ABSENT),
    ("azureInfo", _ABSENT),
    ("acl", {"Canned": "private", "FULL_CONTROL": (), "WRITE_ACP": (), "READ": (), "READ_ACP": ()}),
    ("key", ""),
    ("location", None),
    ("isNull", _ABSENT),
    ("nullVersionId", _ABSENT),
    ("nullUploadId", _ABSENT),
    ("isDeleteMarker", _ABSENT),
    ("versionId", _ABSENT),
    ("uploadId", _ABSENT),
    ("legalHold", _ABSENT),
    ("retentionMode", _ABSENT),
    ("retentionDate", _ABSENT),
    ("tags", {}),
    (
        "replicationInfo",
        {
            "status": "",
            "backends": (),
            "content": (),
            "destination": "",
            "storageClass": "",
            "role": "",
            "storageType": "",
            "dataStoreVersionId": "",
            "isNFS": None,
        },
    ),
    ("dataStoreName", ""),
    ("originOp", ""),
    ("deleted", False),
    ("isPHD", False),
)


def completed(metadata: Document) -> dict[str, Json]:
    """
    Return *metadata* with every member of the model, as the messages that Backbeat makes carry it.

    Unset members get their default, the creation time that of the last change; a location that is a text
    becomes a list; the version of the model is the one written here. Unknown members follow, as they came.
    """
    result: dict[str, Json] = {}
    for name, default in _MEMBERS:
        if name in metadata:
            result[name] = metadata[name]
        elif default is not _ABSENT:
            result[name] = _own(default)
    if not result["creation-time"]:
        result["creation-time"] = metadata.get("last-modified")
    if result["creation-time"] is None and "creation-time" not in metadata:
        del result["creation-time"]
    result.update((name, value) for name, value in metadata.items() if name not in result)
    if isinstance(result["location"], str):
        result["location"] = [{"key": result["location"]}]
    result["md-model-version"] = MODEL_VERSION
    return result


def _own(default: Json) -> Json:
    """Return a default that its owner may change."""
    if isinstance(default, dict):
        return {name: _own(value) for name, value in default.items()}
    return list(default) if isinstance(default, tuple) else default
