"""What the bodies look like, as JSON Schema; the table of routes and the OpenAPI document name them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from backbeat_core.http.bodies import DEFAULT_HOURS, MOST_HOURS

Schema = Mapping[str, Any]

_STRING: Final = {"type": "string"}
_NAME: Final = {"type": "string", "minLength": 1}
_INTEGER: Final = {"type": "integer"}
_COUNT: Final = {"type": "integer", "minimum": 0}
_RATE: Final = {"type": "string", "pattern": r"^[0-9]+\.[0-9]{2}$"}
_STATE: Final = {"enum": ["ok", "error"]}


def _object(members: Schema, *optional: str, **more: Any) -> dict[str, Any]:
    """Return the schema of an object with exactly these members, all required but the *optional* ones."""
    return {
        "type": "object",
        "properties": dict(members),
        "required": [name for name in members if name not in optional],
        "additionalProperties": False,
        **more,
    }


def _map(values: Schema) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": values}


def _list(items: Schema, **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


def _metric(value: Schema) -> dict[str, Any]:
    # Ingestion has counts only.
    return _object({"description": _STRING, "results": _object({"count": value, "size": value}, "size")})


_METRICS: Final = {
    "backlog": _metric(_COUNT),
    "completions": _metric(_COUNT),
    "failures": _metric(_COUNT),
    "throughput": _metric(_RATE),
    "pending": _metric(_COUNT),
}
_VERSION: Final = {
    "Bucket": _STRING,
    "Key": _STRING,
    "VersionId": _STRING,
    "StorageClass": _STRING,
    "Size": _INTEGER,
    "LastModified": _STRING,
}

_ANSWERS: Final[Mapping[str, Schema]] = {
    "Error": {
        "type": "object",
        "properties": {"code": _INTEGER, "description": _STRING},
        "required": ["code", "description"],
        "additionalProperties": {"const": True},
        "minProperties": 3,
        "maxProperties": 3,
    },
    "Empty": _object({}),
    "OpenApi": {"type": "object"},
    "Health": _object(
        {
            "topics": _map(
                _object(
                    {
                        "name": _STRING,
                        "partitions": _list(
                            _object(
                                {
                                    "id": _INTEGER,
                                    "leader": _INTEGER,
                                    "replicas": _list(_INTEGER),
                                    "isrs": _list(_INTEGER),
                                }
                            )
                        ),
                    }
                )
            ),
            "internalConnections": _object(
                {
                    "isrHealth": _STATE,
                    "zookeeper": _object(
                        {"status": _STATE, "details": _object({"name": _STRING, "code": _INTEGER})}
                    ),
                    "kafkaProducer": _object({"status": _STATE}),
                },
                "isrHealth",
            ),
        }
    ),
    "DeepHealth": {
        "type": "object",
        "properties": {"timeElapsed": _COUNT},
        "required": ["timeElapsed"],
        "additionalProperties": _STATE,
    },
    "AllMetrics": _object(_METRICS, "backlog", "failures"),
    **{name.capitalize(): _object({name: schema}) for name, schema in _METRICS.items()},
    "ObjectProgress": _object(
        {
            "description": _STRING,
            "pending": _COUNT,
            "completed": _COUNT,
            "progress": {"type": "string", "pattern": "^[0-9]+%$"},
        }
    ),
    "History": _object(
        {
            "description": _STRING,
            "start": _INTEGER,
            "interval": _INTEGER,
            "results": _object(
                {name: _list(_INTEGER) for name in ("completed", "completedBytes", "failed")},
            ),
        }
    ),
    "ObjectThroughput": _object({"description": _STRING, "throughput": _RATE}),
    "Listing": _object(
        {
            "IsTruncated": {"type": "boolean"},
            "Versions": _list(_object(_VERSION, "VersionId")),
            "NextMarker": _INTEGER,
        },
        "NextMarker",
    ),
    "Retried": _list(
        _object({**_VERSION, "ReplicationStatus": {"const": "PENDING"}, "Role": _STRING}, "VersionId", "Role")
    ),
    "Explanation": {"type": "object"},
    "Statuses": _map({"enum": ["enabled", "disabled"]}),
    "Schedules": _map(_STRING),
}

_BODIES: Final[Mapping[str, Schema]] = {
    "Retry": _list(
        {
            "type": "object",
            "properties": {
                "Bucket": _NAME,
                "Key": _NAME,
                "StorageClass": _NAME,
                "VersionId": {"type": ["string", "null"]},
                "ForceRetry": {},
            },
            "required": ["Bucket", "Key", "StorageClass"],
        },
        minItems=1,
    ),
    "Schedule": {
        "type": "object",
        "properties": {
            "hours": {
                "anyOf": [
                    {"type": "integer", "minimum": 1, "maximum": MOST_HOURS},
                    {"type": "string", "pattern": "^[1-9][0-9]{0,3}$"},
                    {"type": "null"},
                ],
                "default": DEFAULT_HOURS,
            }
        },
    },
    "Workflows": {
        "type": "object",
        "properties": {"version": _INTEGER, "workflows": {"type": "object"}},
    },
}

SCHEMAS: Final[Mapping[str, Schema]] = MappingProxyType({**_ANSWERS, **_BODIES})
"""Every schema by its name. `Text`, which routes name too, is the one answer that is not JSON."""
