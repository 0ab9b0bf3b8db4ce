"""What a write puts into the replication information of an object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from backbeat_core.domain.arming import SERVICE_ACCOUNTS, Operation, arm, document, may_replicate
from backbeat_core.domain.configuration import Endpoint, LocationConstraint, ReplicationConfiguration
from backbeat_core.domain.info import ReplicationInfo
from golden.vectors import Case, Check, answer

SUFFIX: Final = ":preferred_read"
AWS_CLASSES: Final = ("STANDARD", "STANDARD_IA", "REDUCED_REDUNDANCY")
CLOUDS: Final = ("aws_s3", "azure", "gcp")

# What every JavaScript object has, and the reference takes for an entry of its table of accounts.
INHERITED: Final = (
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
    "__proto__",
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
)

# An operation for what the cases say in two members, where there is one.
OPERATIONS: Final = {
    (False, ""): Operation.PUT_OBJECT,
    (False, "MPU"): Operation.COMPLETE_MPU,
    (True, "PUT_TAGGING"): Operation.PUT_TAGGING,
    (True, "DELETE_TAGGING"): Operation.DELETE_TAGGING,
    (True, "PUT_RETENTION"): Operation.PUT_RETENTION,
    (True, "PUT_LEGAL_HOLD"): Operation.PUT_LEGAL_HOLD,
}


def check_object_put(case: Case) -> None:
    given = case.input
    armed = answer(lambda: _armed(given))
    recorded = case.expected.get("replicationInfo")

    if {"exception", "uncaught"} & case.expected.keys():
        if given.get("objectMD") == {}:
            # A version whose metadata knows nothing of replication is armed as a new one is (RI-5).
            assert armed == _armed({name: given[name] for name in given if name != "objectMD"})
    elif _is_no_account_of_ours(given):
        # RI-2 names the accounts; whoever is not among them is a user.
        assert armed == _armed({**given, "requesterCanonicalId": "someone"})
    elif recorded is None:
        assert armed is None
    elif _is_mended(given):
        assert _mended(given, recorded) == armed
    else:
        assert _comparable(ReplicationInfo.from_document(recorded)) == armed


def _armed(given: Mapping[str, Any]) -> ReplicationInfo | None:
    configured = given.get("config")
    if configured is None or not may_replicate(given.get("requesterCanonicalId")):
        return None
    previous = (given.get("objectMD") or {}).get("replicationInfo")
    metadata_only = given["isMetadataOnly"] or given.get("objectSize") == 0
    tag = given.get("operationType") or ""
    configuration = ReplicationConfiguration.from_document(configured)
    endpoints = [Endpoint.from_document(each) for each in given["replicationEndpoints"]]
    locations = {
        name: LocationConstraint.from_document(each) for name, each in given["locationConstraints"].items()
    }
    armed = document(
        configuration,
        key=given["objectKey"],
        content=("METADATA",) if metadata_only else ("DATA", "METADATA"),
        tag=tag,
        endpoints=endpoints,
        locations=locations,
        previous=None if previous is None else ReplicationInfo.from_document(previous),
        is_nfs=bool(given.get("bucketIsNFS")),
    )
    operation = OPERATIONS.get((given["isMetadataOnly"], tag))
    size = given.get("objectSize")
    if previous is None and operation is not None and not isinstance(size, str):
        by_operation = arm(
            operation,
            key=given["objectKey"],
            size=size,
            configuration=configuration,
            endpoints=endpoints,
            locations=locations,
            requester=given.get("requesterCanonicalId"),
            is_nfs=bool(given.get("bucketIsNFS")),
        )

        assert armed == (None if by_operation is None else attrs.evolve(by_operation, generation=0))
    return None if armed is None else _comparable(armed)


def _comparable(info: ReplicationInfo) -> ReplicationInfo:
    """Return what the reference computes; the caller merges it over what the version had (RI-7)."""
    return attrs.evolve(info, data_store_version_id="", extras={}, generation=0)


def _is_no_account_of_ours(given: Mapping[str, Any]) -> bool:
    last = (given.get("requesterCanonicalId") or "").rpartition("/")[2]
    return last in INHERITED and last not in SERVICE_ACCOUNTS


def _items(given: Mapping[str, Any]) -> list[str]:
    rules = (rule for rule in given["config"]["rules"] if rule["enabled"])
    rule = next(rule for rule in rules if given["objectKey"].startswith(rule["prefix"]))
    return rule["storageClass"].split(",") if rule.get("storageClass") else []


def _is_mended(given: Mapping[str, Any]) -> bool:
    """RI-4: AWS classes mean the default endpoint, a site counts once, and only the suffix is cut off."""
    sites = [item.removesuffix(SUFFIX) for item in _items(given)]
    return (
        len(set(sites)) < len(sites)
        or any(site in AWS_CLASSES for site in sites)
        or any(item.endswith(SUFFIX) and item.count(":") > 1 for item in _items(given))
    )


def _mended(given: Mapping[str, Any], recorded: Mapping[str, Any]) -> ReplicationInfo | None:
    endpoints = given["replicationEndpoints"]
    default = next((each for each in endpoints if each.get("default")), (endpoints or [None])[0])
    classes: dict[str, str] = {}
    for item in _items(given):
        site, suffix = item.removesuffix(SUFFIX), SUFFIX if item.endswith(SUFFIX) else ""
        if site in AWS_CLASSES:
            if default is None:
                continue
            site = default["site"]
        classes[site] = classes.get(site) or suffix
    if not classes:
        return None
    before = (given.get("objectMD") or {}).get("replicationInfo", {}).get("backends", [])
    types = [given["locationConstraints"].get(site, {}).get("type") for site in classes]
    clouds = [kind for kind in types if kind in CLOUDS]
    tag = given.get("operationType")
    content = ["METADATA"] if given["isMetadataOnly"] or given.get("objectSize") == 0 else ["DATA", "METADATA"]
    backends = [
        {
            "dataStoreVersionId": "",
            **next((backend for backend in before if backend["site"] == site), {}),
            "site": site,
            "status": "PENDING",
        }
        for site in classes
    ]
    mended = {
        **recorded,
        "backends": backends,
        "content": content + ([tag] if tag and clouds else []),
        "storageClass": ",".join(site + suffix for site, suffix in classes.items()),
        "storageType": ",".join(clouds),
    }
    return _comparable(ReplicationInfo.from_document(mended))


CHECKS: Final[Mapping[str, Check]] = {"object_put": check_object_put}
