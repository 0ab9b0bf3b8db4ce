"""One report of the status topic on its way through the use case, over the memory models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import attrs

from backbeat_core.domain import metadata as md
from backbeat_core.domain.entry import ObjectEntry
from backbeat_core.domain.replays import Replays
from backbeat_core.errors import UndecodableEntry
from backbeat_core.ports.queue import Record
from backbeat_core.services.update_status import StatusSettings, StatusUpdater
from backbeat_core.testing.memory import ManualClock, MemoryBroker, MemoryQueue, MemoryStore
from golden import status_model as model

_FAILED: Final = "failed"
_GARBAGE: Final = "garbage"
_METRICS: Final = "metrics"
_STATUS: Final = "status"


@attrs.define
class StatusRun:
    """What the use case has done with one report."""

    store: MemoryStore
    queue: MemoryQueue
    replay_topics: tuple[str, ...]
    before: object
    refused: bool = False

    @classmethod
    def of(cls, given: Mapping[str, Any], replays: Replays) -> StatusRun:
        clock = ManualClock(given["now"])
        store = MemoryStore(clock)
        queue = MemoryQueue(clock, MemoryBroker(partitions=1))
        before = None
        if given.get("currentMd") is not None:
            before = store.put(model.BUCKET, model.KEY, given["currentMd"]).version
        settings = StatusSettings(
            replays=replays,
            failed_topic=_FAILED if given["monitorReplicationFailures"] else "",
            gc_topic=_GARBAGE,
            metrics_topic=_METRICS,
            transient_locations=frozenset(
                name for name, transient in given["transientLocations"].items() if transient
            ),
        )
        entry = ObjectEntry(
            model.BUCKET,
            model.KEY,
            given["sourceMd"],
            site=given["site"],
            replay_count=given.get("replayCount"),
            account_id=given.get("accountId"),
        )
        run = cls(store, queue, replays.names, before)
        record = Record(_STATUS, 0, 0, entry.encode(), entry.message_key)
        try:
            StatusUpdater(store, queue, clock, settings)(record)
        except UndecodableEntry:
            run.refused = True
        return run

    def told(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return everything that was written and sent."""
        if self.refused:
            return {"error": True}
        replays = [
            {"topic": topic, "key": record.key.decode(), "message": _replay(record)}
            for topic in self.replay_topics
            for record in self._sent(topic)
        ]
        requests = [json.loads(record.value) for record in self._sent(_GARBAGE)]
        for request in requests:
            stored = given["currentMd"]

            # CE-11: every stored location.
            assert list(md.locations(stored)) == request["target"]["locations"]
        return {
            "put": self._put(given),
            "failed": [json.loads(record.value) for record in self._sent(_FAILED)],
            "replays": replays,
            "metrics": [_metric(record) for record in self._sent(_METRICS)],
            "gc": [model.without_locations(request) for request in requests],
        }

    def _put(self, given: Mapping[str, Any]) -> dict[str, Any] | None:
        found = self.store.get(model.BUCKET, model.KEY)
        if found is None or found.version == self.before:
            return None
        rest = {"originOp": "", "replicationInfo": {}}

        # PL-51: nothing else of the metadata is written.
        assert {**given["currentMd"], **rest} == {**found.value, **rest}
        return {name: found.value[name] for name in rest}

    def _sent(self, topic: str) -> list[Record]:
        (partition,) = self.queue.broker.topic(topic).partitions
        return partition.records


def _replay(record: Record) -> dict[str, Any]:
    message = json.loads(record.value)
    return {**message, "value": json.loads(message["value"])["replicationInfo"]}


def _metric(record: Record) -> dict[str, Any]:
    message = json.loads(record.value)
    counted = {"ops": message["ops"], "bytes": message["bytes"]}
    return {
        "data": {message["site"]: counted},
        "type": message["type"],
        "extension": message["extension"],
    }
