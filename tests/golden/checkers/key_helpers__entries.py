"""Entries: what a message of the replication topics is read as, and what an entry is written as."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from backbeat_core.domain import metadata as md
from backbeat_core.domain.entry import (
    BucketEntry,
    BucketMetadataEntry,
    DeleteEntry,
    ObjectEntry,
    Skip,
    decode_entry,
    retry_entry,
    status_entry,
)
from backbeat_core.domain.info import ReplicationInfo
from backbeat_core.domain.keys import DataPoint, RedisKeys, Service
from backbeat_core.domain.status import Status, derive
from backbeat_core.errors import InvalidDocument, UndecodableEntry
from golden.vectors import Case, Check, answer

_OPTIONAL: Final = {
    "site": "site",
    "accountId": "account_id",
    "replayCount": "replay_count",
    "workflowId": "workflow_id",
    "workflowVersion": "workflow_version",
    "nodeId": "node_id",
    "uniqueId": "unique_id",
    "ignore": "ignore",
}


def check_kafka_entry(case: Case) -> None:
    members = {ours: case.input[theirs] for theirs, ours in _OPTIONAL.items() if theirs in case.input}
    entry = ObjectEntry(case.input["bucket"], case.input["key"], case.input["objectMd"], **members)
    message = json.loads(entry.encode())

    assert case.expected["kafkaKey"].encode() == entry.message_key
    assert case.expected["messageMemberOrder"] == list(message)
    assert case.expected["message"] == {**message, "value": json.loads(message["value"])}


def check_parse(case: Case) -> None:
    text = case.input["value"]
    found = answer(lambda: decode_entry(text.encode("utf-8", "surrogatepass"), topic="t", offset=7))
    if "skip" in case.expected or is_technical_record_1_15(text):
        assert isinstance(found, Skip)
    elif "error" in case.expected or is_of_wrong_shape(text):
        assert isinstance(found, UndecodableEntry)
        assert ("t", 7) == (found.topic, found.offset)
    else:
        assert _said(case.expected) == _described(found)


def is_technical_record_1_15(text: str) -> bool:
    """Records of older writers are recognised and skipped, and are no error (queue-and-wire 1.15)."""
    record = _json(text)
    return isinstance(record, dict) and (record.get("bootstrapId") is not None or bool(record.get("canary")))


def is_of_wrong_shape(text: str) -> bool:
    """Metadata that is no object, or members of another type: refused here, where the reference goes on."""
    record = _json(text)
    if not isinstance(record, dict):
        return True
    names = ("bucket", "key", "site", "accountId", "workflowId", "nodeId", "uniqueId")
    texts = (record.get(name) for name in names)
    count = record.get("replayCount")
    return (
        any(value is not None and not isinstance(value, str) for value in texts)
        or (count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 0))
        or (record.get("type") != "del" and not _is_metadata(_json(record.get("value"))))
    )


def _is_metadata(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    info = value.get("replicationInfo")
    return not isinstance(answer(lambda: ReplicationInfo.from_document(info or {})), InvalidDocument)


def _json(text: object) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _said(description: Mapping[str, Any]) -> dict[str, Any]:
    """Absent and null are one and the same here, and so is an empty version id."""
    said = {name: value for name, value in description.items() if value is not None}
    if said.get("encodedVersionId") == "":
        del said["encodedVersionId"]
    said["logInfo"] = {
        name: value
        for name, value in said["logInfo"].items()
        if value is not None and (name, value) != _NO_VERSION
    }
    return said


_NO_VERSION: Final = ("versionId", "")


def _described(found: object) -> dict[str, Any]:
    match found:
        case ObjectEntry():
            return _described_object(found)
        case DeleteEntry():
            described = {
                "type": "delete",
                "bucket": found.bucket,
                "key": found.key,
                "objectKey": found.object_key,
                "isVersionFlag": md.is_master_key(found.key),
                "logInfo": {"bucket": found.bucket, "key": found.key},
            }
        case BucketEntry():
            described = {
                "type": "bucket",
                "bucket": found.bucket,
                "owner": found.owner,
                "ownerKey": f"{found.owner}..|..{found.bucket}",
                "value": found.value,
                "logInfo": {"bucket": found.bucket},
            }
        case BucketMetadataEntry():
            described = {
                "type": "bucketMd",
                "masterBucket": "__metastore",
                "instanceBucket": found.bucket,
                "value": found.value,
                "logInfo": {"masterBucket": "__metastore", "instanceBucket": found.bucket},
            }
        case _:
            raise AssertionError(f"{found} is no entry")
    return _said(described)


def _described_object(found: ObjectEntry) -> dict[str, Any]:
    info = found.info.to_document() if found.metadata.get("replicationInfo") else _DEFAULT_INFO
    described = {
        "type": "object",
        "bucket": found.bucket,
        "key": found.object_key,
        "versionedKey": found.key,
        "isVersionFlag": md.is_master_key(found.key),
        "canonicalKey": found.ordering_key,
        "site": found.site,
        "accountId": found.account_id,
        "replayCount": found.replay_count,
        "ignore": found.ignore,
        "workflowId": found.workflow_id,
        "encodedVersionId": found.encoded_version_id,
        "logInfo": found.log_info,
        "replicationInfo": info,
    }
    return _said(described)


_DEFAULT_INFO: Final = {
    "status": "",
    "backends": [],
    "content": [],
    "destination": "",
    "storageClass": "",
    "role": "",
    "storageType": "",
    "dataStoreVersionId": "",
    "isNFS": None,
}


def check_retry(case: Case) -> None:
    """The two messages of a retry; each carries what it should, where the reference sends one for both (B23)."""
    site, metadata = case.input["site"], case.input["objectMd"]
    entry = ObjectEntry(case.input.get("bucket", "b"), case.input["key"], metadata)
    messages = {
        "status": status_entry(entry, site, Status.PENDING),
        "replication": retry_entry(entry, site),
    }
    before = ReplicationInfo.from_document(metadata["replicationInfo"])
    for expected in case.expected["messages"]:
        found = messages[expected["topic"]]
        message = json.loads(found.encode())
        value = json.loads(message.pop("value"))

        assert expected["key"].encode() == found.message_key
        assert {name: item for name, item in expected["message"].items() if name != "value"} == message
        assert expected["message"]["value"]["originOp"] == value["originOp"]
        if expected["topic"] == "status":
            assert _after_pending(before, site) == value["replicationInfo"]
        else:
            assert expected["message"]["value"]["replicationInfo"] == value["replicationInfo"]
    gauges = [
        RedisKeys().pending(site, Service.CRR, point) for point in (DataPoint.OPS_PENDING, DataPoint.BYTES_PENDING)
    ]
    assert [
        [gauges[0], 1],
        [gauges[1], md.bytes_to_replicate(metadata, before.content)],
    ] == case.expected["increments"]


def _after_pending(before: ReplicationInfo, site: str) -> dict[str, Any]:
    document = before.to_document()
    backends = [
        {**backend, "status": "PENDING"} if backend["site"] == site else backend
        for backend in document["backends"]
    ]
    status = derive(Status(backend["status"]) for backend in backends)
    return {**document, "backends": backends, "status": status.value}


CHECKS: Final[Mapping[str, Check]] = {
    "kafka_entry": check_kafka_entry,
    "queue_entry_parse": check_parse,
    "retry_messages": check_retry,
}
