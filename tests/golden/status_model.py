"""What sections 1 and 3.12 say, once more and over plain documents; and where the reference does otherwise."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Final

from backbeat_core.domain import version_id

BUCKET: Final = "src-bucket"
KEY: Final = "obj\0v1"

_REPORTS: Final = {"toPendingEntry": "PENDING", "toCompletedEntry": "COMPLETED", "toFailedEntry": "FAILED"}
_SETTERS: Final = {
    "setReplicationStatus": "status",
    "setReplicationContent": "content",
    "setReplicationStorageClass": "storageClass",
    "setReplicationStorageType": "storageType",
    "setReplicationDataStoreVersionId": "dataStoreVersionId",
    "setReplicationIsNFS": "isNFS",
}
_SITE_SETTERS: Final = {
    "setReplicationSiteStatus": "status",
    "setReplicationSiteDataStoreVersionId": "dataStoreVersionId",
}


def derived(statuses: Sequence[str]) -> str:
    """ST-3, word for word."""
    if not statuses:
        return ""
    if "FAILED" in statuses:
        return "FAILED"
    if all(status == "COMPLETED" for status in statuses):
        return "COMPLETED"
    return "PROCESSING" if "COMPLETED" in statuses else "PENDING"


def derives_as_recorded(statuses: Sequence[str]) -> bool:
    """ST-3 against ST-1: not for an empty list, nor for sites that are neither COMPLETED nor PENDING (L16)."""
    present = set(statuses)
    return "FAILED" in present or present == {"COMPLETED"} or {"COMPLETED", "PENDING"} <= present


def applied(info: Mapping[str, Any], operation: Mapping[str, Any]) -> dict[str, Any]:
    """Return the replication information after one operation on an entry (ST-2)."""
    after: dict[str, Any] = copy.deepcopy(dict(info))
    name, site = operation["op"], operation.get("site")
    own = [backend for backend in after["backends"] if backend["site"] == site]
    if name in _REPORTS:
        for backend in own:
            backend["status"] = _REPORTS[name]
        after["status"] = derived([backend["status"] for backend in after["backends"]])
    elif name == "toRetryEntry":
        after.update(status="PENDING", storageClass=site, backends=own)
    elif name == "toReplicaEntry":
        after.update(status="REPLICA", backends=own)
    elif name in _SITE_SETTERS:
        for backend in own:
            backend[_SITE_SETTERS[name]] = operation["value"]
    elif name in _SETTERS:
        after[_SETTERS[name]] = operation["value"]
    for backend in own:
        if name in ("toRetryEntry", "toReplicaEntry"):
            backend["status"] = after["status"]
    return after


def differs_in_backends(info: Mapping[str, Any], operation: Mapping[str, Any]) -> bool:
    """CE-14: both entries of a site that is listed twice; ST-22: a replica tells of itself alone."""
    sites = [backend["site"] for backend in info["backends"]]
    if operation["op"] == "toReplicaEntry":
        return sites != [operation.get("site")]
    return operation["op"] != "toRetryEntry" and sites.count(operation.get("site")) > 1


def differs_in_status(info: Mapping[str, Any], operation: Mapping[str, Any]) -> bool:
    """ST-3, ST-14 and CE-13: a failure of nobody does not fail the object; CE-14 again."""
    if operation["op"] not in _REPORTS:
        return False
    after = [backend["status"] for backend in applied(info, operation)["backends"]]
    unlisted = all(backend["site"] != operation.get("site") for backend in info["backends"])
    return not derives_as_recorded(after) or unlisted or differs_in_backends(info, operation)


# One report of the status topic.


def updated(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what PL-50 with its mends makes of a report, in the form of `StatusRun.told`."""
    site, source, stored = given["site"], given["sourceMd"], given.get("currentMd")
    told = _nothing()
    reported = _backend(source, site)
    if reported is None or reported["status"] not in _REPORTS.values() or _is_odd_count(given):
        return {"error": True}
    now = None if stored is None else _backend(stored, site)
    status = reported["status"]
    if stored is None or now is None or _has_other_content(given):
        return {**told, "metrics": _taken_back(given, status)}
    if now["status"] == "COMPLETED":
        return {**told, "gc": _garbage(given, stored), "metrics": _taken_back(given, status)}
    attempts = [
        topic["topicName"] for topic in reversed(given.get("replayTopics") or ()) for _ in range(topic["retries"])
    ]
    count = given.get("replayCount")
    left = len(attempts) if count is None else min(count, len(attempts))
    if status == "FAILED" and left:
        return {**told, "replays": [_replay(given, attempts[left - 1], left - 1)]}
    if status == "COMPLETED" and _is_nfs(stored) and source.get("tags") != stored.get("tags"):
        status = "PENDING"
    operation = next(name for name, becomes in _REPORTS.items() if becomes == status)
    info = applied(stored["replicationInfo"], {"op": operation, "site": site})
    for backend in info["backends"]:
        if backend["site"] == site and reported["dataStoreVersionId"]:
            backend["dataStoreVersionId"] = reported["dataStoreVersionId"]
    told["put"] = {
        "originOp": f"s3:Replication:Operation{status.capitalize()}Replication",
        "replicationInfo": info,
    }
    if status == "PENDING":
        told["metrics"] = _taken_back(given, reported["status"])
    else:
        size = stored["content-length"] if "DATA" in info["content"] else 0
        told["metrics"] = [{"data": {site: {"ops": 1, "bytes": size}}, "type": status.lower(), "extension": "crr"}]
    if status == "FAILED" and given["monitorReplicationFailures"]:
        told["failed"] = [_failure(given)]
    told["gc"] = _garbage(given, {**stored, "replicationInfo": info})
    return told


def updates_otherwise(given: Mapping[str, Any], recorded: Mapping[str, Any]) -> bool:
    """Return whether a rule of ours is about this report, so that the record is not what we do."""
    stored = given.get("currentMd")
    now = None if stored is None else _backend(stored, given["site"])
    reported = _backend(given["sourceMd"], given["site"])
    if "exception" in recorded or "uncaught" in recorded or _is_odd_count(given):
        return True  # CE-22; a count below zero is no count
    if reported is None or reported["status"] not in _REPORTS.values():
        return False
    if "error" in recorded or stored is None:
        return True  # a version that is gone is no error; no role is needed to write a status (CE-16)
    if now is None or _has_other_content(given):
        return True  # ST-14; CE-31
    if now["status"] == "COMPLETED":
        return bool(_garbage(given, stored) or _taken_back(given, reported["status"]))  # GC-3; CE-19
    sites = [backend["site"] for backend in stored["replicationInfo"]["backends"]]
    put = updated(given)["put"]
    if put is None:
        return False
    statuses = [backend["status"] for backend in put["replicationInfo"]["backends"]]
    return (
        not derives_as_recorded(statuses)  # ST-3
        or sites.count(given["site"]) > 1  # CE-14
        or (now["dataStoreVersionId"] and not reported["dataStoreVersionId"])  # ST-12: the id is kept
    )


def as_recorded(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record in the form of `StatusRun.told`."""
    if "error" in recorded:
        return {"error": True}
    put = recorded["metadataPut"]
    return {
        "put": put and {name: put["updated"][name] for name in ("originOp", "replicationInfo")},
        "failed": recorded["failedMessages"],
        "replays": recorded["replayMessages"],
        "metrics": recorded["metrics"],
        "gc": [without_locations(action) for action in recorded["gcActions"]],
    }


def without_locations(action: Mapping[str, Any]) -> dict[str, Any]:
    """Return a garbage request without what is made up, and without what CE-11 is about."""
    action = action.get("message", action)
    parts = {name: dict(action.get(name) or {}) for name in ("contextInfo", "source", "target")}
    parts["contextInfo"].pop("reqId", None)
    parts["target"].pop("locations", None)
    present = {
        part: {name: value for name, value in members.items() if value is not None}
        for part, members in parts.items()
    }
    return {"action": action.get("action"), **present}


def _taken_back(given: Mapping[str, Any], reported: str) -> list[dict[str, Any]]:
    """CE-19: what was counted as pending and ends without a trace is taken back; a retry's entry ends later."""
    if reported == "PENDING":
        return []
    source = given["sourceMd"]
    size = source["content-length"] if "DATA" in source["replicationInfo"]["content"] else 0
    data = {given["site"]: {"ops": -1, "bytes": -size}}
    return [{"data": data, "type": "pendingOnly", "extension": "crr"}]


def _nothing() -> dict[str, Any]:
    return {"put": None, "failed": [], "replays": [], "metrics": [], "gc": []}


def _backend(metadata: Mapping[str, Any], site: str) -> dict[str, Any] | None:
    backends = metadata["replicationInfo"]["backends"]
    return next((backend for backend in backends if backend["site"] == site), None)


def _is_odd_count(given: Mapping[str, Any]) -> bool:
    count = given.get("replayCount")
    return count is not None and (not isinstance(count, int) or count < 0)


def _has_other_content(given: Mapping[str, Any]) -> bool:
    return given["sourceMd"].get("content-md5") != given["currentMd"].get("content-md5")


def _is_nfs(metadata: Mapping[str, Any]) -> bool:
    return bool(metadata["replicationInfo"].get("isNFS"))


def _replay(given: Mapping[str, Any], topic: str, count: int) -> dict[str, Any]:
    retried = applied(given["sourceMd"]["replicationInfo"], {"op": "toRetryEntry", "site": given["site"]})
    message = {
        "bucket": BUCKET,
        "key": KEY,
        "value": retried,
        "ignore": False,
        "replayCount": count,
        "accountId": given.get("accountId"),
    }
    return {"topic": topic, "key": "src-bucket%2Fobj", "message": message}


def _failure(given: Mapping[str, Any]) -> dict[str, Any]:
    hour = given["now"] - given["now"] % 3_600_000
    internal = given["sourceMd"].get("versionId")
    member = f"{BUCKET}:obj:{version_id.encode(internal) if internal else ''}"
    return {"key": f"bb:crr:failed:{given['site']}:{hour}", "member": member, "score": given["now"]}


def _garbage(given: Mapping[str, Any], metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """GC-1, without the locations."""
    name = metadata.get("dataStoreName")
    if metadata["replicationInfo"]["status"] != "COMPLETED" or not given["transientLocations"].get(name):
        return []
    action = {
        "action": "deleteData",
        "contextInfo": {
            "origin": "transientSource",
            "ruleType": "transient",
            "bucket": BUCKET,
            "objectKey": "obj",
            "versionId": metadata["versionId"],
            "isDeleteMarker": bool(metadata.get("isDeleteMarker")),
            "ignore": False,
        },
        "source": {
            "bucket": BUCKET,
            "objectKey": "obj",
            "storageClass": name,
            "lastModified": metadata["last-modified"],
        },
        "target": {"accountId": given.get("accountId"), "owner": metadata["owner-id"]},
    }
    return [without_locations(action)]
