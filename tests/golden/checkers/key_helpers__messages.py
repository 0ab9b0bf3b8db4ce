"""Metrics messages, actions, and what the data mover and the garbage collector are asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from backbeat_core.domain.action import Action, decode_action
from backbeat_core.domain.data_mover import CopyLocation
from backbeat_core.domain.entry import ObjectEntry, Skip
from backbeat_core.domain.garbage import DeleteData
from backbeat_core.domain.messages import MetricMessage
from backbeat_core.errors import InvalidInput, UndecodableEntry
from golden.vectors import Case, Check, answer

_METRIC_ORDER: Final = (
    "ops", "bytes", "extension", "type", "site", "bucketName", "objectKey", "versionId",
)  # fmt: skip


def _metric(now_ms: int, members: Mapping[str, Any]) -> dict[str, Any]:
    message = MetricMessage(now_ms, *(members.get(name) for name in _METRIC_ORDER))
    return json.loads(message.encode())  # type: ignore[no-any-return]


def _without_null(members: Mapping[str, Any]) -> dict[str, Any]:
    """Absent and null are one and the same here, and written as absent (queue-and-wire 3, conventions)."""
    return {name: value for name, value in members.items() if value is not None}


def check_metric(case: Case) -> None:
    members = case.input.get("builder") or dict(zip(_METRIC_ORDER, case.input["args"], strict=False))
    message = _metric(case.input["nowMs"], members)

    assert _without_null(case.expected["message"]) == message
    if "memberOrder" in case.expected:
        assert [name for name in case.expected["memberOrder"] if name in message] == list(message)


def check_metrics_published(case: Case) -> None:
    common = {"type": case.input["type"], "extension": case.input["extension"]}
    messages = [
        {"key": None, "message": _metric(case.input["nowMs"], {**common, "site": site, **members})}
        for site, members in case.input["metrics"].items()
    ]
    expected = [{**each, "message": _without_null(each["message"])} for each in case.expected["messages"]]

    assert expected == messages


def check_object_metrics(case: Case) -> None:
    entry = ObjectEntry(case.input["bucket"], case.input["key"], case.input["objectMd"])
    message = MetricMessage.object_level(
        0,
        "crr",
        "queued",
        case.input["site"],
        size=case.input["bytes"],
        bucket=entry.bucket,
        key=entry.object_key,
        version_id=entry.encoded_version_id or "",
    )
    members = {
        "bytes": message.bytes,
        "bucketName": message.bucket_name,
        "objectKey": message.object_key,
        "versionId": message.version_id or None,
    }

    assert case.expected == {message.site: _without_null(members)}


def check_action(case: Case) -> None:
    now_ms = case.input["nowMs"]
    action, reads, logged = Action(case.input["initial"]), [], {}
    for name, *arguments in case.input["ops"]:
        match name:
            case "setAttribute":
                action = action.with_member(*arguments)
            case "getAttribute":
                path, *options = arguments
                value = action.get(path)
                wanted = bool(options) and options[0].get("required")
                if value is None and wanted and action.error is None:
                    action = action.lacking(path, now_ms)
                reads.append({name: value})
            case "addContext" if isinstance(arguments[0], str):
                action = action.with_context({arguments[0]: arguments[1]})
            case "addContext":
                action = action.with_context(arguments[0])
            case "addLoggedAttributes":
                logged.update(arguments[0])
            case "getContext":
                reads.append({name: dict(action.context)})
            case "getContextAttribute":
                reads.append({name: action.context.get(arguments[0])})
            case "getStatus":
                reads.append({name: action.status})
            case "getError":
                reads.append({name: action.error})
            case "getElapsedMs":
                reads.append({name: action.elapsed_ms})
            case "processingStarted":
                reads.append({name: "startTime" in action.document})
            case "processingEnded":
                reads.append({name: "endTime" in action.document})
            case "_startProcessing":
                action = action.started(now_ms)
            case "setSuccess":
                action = action.succeeded(now_ms, *arguments)
            case "setError":
                action = _failed(action, now_ms, arguments[0])
            case "setEnd":
                failure, *results = arguments
                action = _failed(action, now_ms, failure) if failure else action.succeeded(now_ms, *results)
            case _:
                raise AssertionError(f"unknown operation {name}")
    extra = {as_name: action.get(path) for as_name, path in logged.items()}

    assert case.expected["message"] == json.loads(action.encode())
    assert case.expected["logInfo"] == {**action.log_info, **_without_null(extra)}
    assert case.expected["reads"] == reads


def _failed(action: Action, now_ms: int, failure: Mapping[str, Any]) -> Action:
    named = {name: failure.get(name) for name in ("code", "message", "description")}
    return action.failed(now_ms, **named)


def check_action_parse(case: Case) -> None:
    text = case.input["value"]
    found = answer(lambda: decode_action(text.encode("utf-8", "surrogatepass"), now_ms=case.input["nowMs"]))
    record = _json(text)
    if "skip" in case.expected or is_technical_record_1_15(record):
        assert isinstance(found, Skip)
    elif "error" in case.expected or is_of_wrong_shape(record):
        assert isinstance(found, UndecodableEntry)
    else:
        assert isinstance(found, Action)
        assert case.expected["message"] == json.loads(found.encode())
        assert case.expected["logInfo"] == found.log_info
        assert case.expected.get("actionType") == found.type


def is_technical_record_1_15(record: Any) -> bool:
    """Records of older writers are recognised and skipped, and are no error (queue-and-wire 1.15)."""
    return isinstance(record, dict) and bool(record.get("bootstrapId") or record.get("canary"))


def is_of_wrong_shape(record: Any) -> bool:
    """What is no object, or has members of another type, is refused here; the reference takes it."""
    if not isinstance(record, dict):
        return True
    texts = (record.get(name) for name in ("actionId", "action", "resultsTopic", "status"))
    times = (record.get(name) for name in ("startTime", "endTime"))
    return (
        not all(value is None or isinstance(value, str) for value in texts)
        or not all(value is None or type(value) is int for value in times)
        or not isinstance(record.get("contextInfo") or {}, dict)
    )


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _request(params: Mapping[str, Any]) -> CopyLocation:
    return CopyLocation(
        bucket=params["bucketName"],
        key=params["objectKey"],
        to_location=params["toLocation"],
        account_id=params.get("accountId"),
        owner=params.get("owner"),
        version=params.get("versionId"),
        etag=params.get("eTag"),
        attempt=params.get("attempt"),
        last_modified=params.get("lastModified"),
        origin=params.get("originLabel"),
        from_location=params.get("fromLocation"),
        content_length=params.get("contentLength"),
        transition_time=params.get("transitionTime"),
    )


def check_copy_location(case: Case) -> None:
    request = _request(case.input["params"])
    action = request.action("<uuid>")

    assert case.expected["message"] == json.loads(action.encode())
    assert request == CopyLocation.of(action)


def check_data_mover(case: Case) -> None:
    given = case.input
    request = _request(given["params"])
    topic = answer(
        lambda: request.topic(
            known=given["knownLocations"],
            cold=given["coldLocations"],
            data_mover_topic=given["dataMoverTopic"],
            cold_prefix=given["coldTopicPrefix"],
        )
    )
    if case.expected["error"] is not None:
        assert isinstance(topic, InvalidInput)
        return
    context = given.get("context") or {}
    if request.to_location in given["coldLocations"]:
        value = request.archive(context.get("reqId")).encode()
    else:
        action = request.action("<uuid>")
        value = (action.with_context(context) if context else action).encode()
    sent = [{"topic": topic, "key": request.message_key.decode(), "message": json.loads(value)}]

    assert case.expected["sent"] == sent


def check_batch_delete(case: Case) -> None:
    request = DeleteData.of(Action(case.input["message"]))
    if request is None:
        assert [] == case.expected["batchDelete"]
        return
    lookups = [] if request.account_id else [request.owner]
    params = {
        "Locations": request.body()["Locations"],
        "IfUnmodifiedSince": request.unmodified_since,
        "Bucket": request.bucket,
        "Key": request.key,
        "StorageClass": request.storage_class,
        "Tags": request.tags,
    }
    account = request.account_id or f"acct-of-{request.owner}"

    assert case.expected["accountLookups"] == lookups
    assert case.expected["batchDelete"] == [{"account": account, "params": _without_null(params)}]


CHECKS: Final[Mapping[str, Check]] = {
    "metrics_model": check_metric,
    "metrics_publish": check_metrics_published,
    "object_metrics": check_object_metrics,
    "action_entry": check_action,
    "action_parse": check_action_parse,
    "copy_location_action": check_copy_location,
    "data_mover_send": check_data_mover,
    "gc_batch_delete": check_batch_delete,
}
