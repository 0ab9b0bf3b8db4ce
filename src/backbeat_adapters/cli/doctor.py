"""`backbeat doctor`: asks everything that the configuration names, and says what is wrong and what to do."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import attrs

from backbeat_adapters.cli.render import write_json
from backbeat_adapters.settings import Settings
from backbeat_adapters.settings.engines import open_cache, open_coordinator, open_queue, open_store
from backbeat_core.errors import BackbeatError, InvalidConfiguration, InvalidInput
from backbeat_core.ports.cache import Count

_R: Final = "extensions.replication"
_ADVICE: Final = {
    "Kafka": "see kafka.hosts, and that the brokers run and can be reached from here",
    "MongoDB": "see queuePopulator.mongo, and that the replica set has a primary",
    "Redis": "see redis, and that it runs and takes the password",
    "ZooKeeper": "see zookeeper.connectionString, and that the ensemble has a leader",
    "source": "see extensions.replication.source.s3, and that CloudServer listens there",
}
_SOURCE_TIMEOUT_S: Final = 5


@attrs.frozen
class Finding:
    """What was looked at, whether it is well, and in words what was found and what to do."""

    what: str
    ok: bool
    text: str = "ok"
    is_input: bool = False
    """Whether it is the file that is wrong, and no server."""


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield a finding for each connection, each topic and each location, as they are looked at."""
    for problem in settings.problems:
        yield Finding("locations", False, f"{problem}: correct conf/locationConfig.json", is_input=True)
    yield from _connection("ZooKeeper", lambda: open_coordinator(settings), lambda it: it.get("/"))
    yield from _connection("MongoDB", lambda: open_store(settings), lambda it: it.position())
    yield from _connection("Redis", lambda: open_cache(settings), lambda it: it.read([Count("backbeat")]))
    yield from _queue(settings)
    yield _source(settings)
    yield from _sites(settings)


def _connection(name: str, make: Callable[[], Any], ask: Callable[[Any], Any]) -> Iterator[Finding]:
    try:
        with contextlib.closing(make()) as engine:
            ask(engine)
        yield Finding(name, True)
    except BackbeatError as error:
        yield _wrong(name, error)


def _wrong(name: str, error: BackbeatError) -> Finding:
    is_input = isinstance(error, InvalidInput)
    advice = "" if isinstance(error, InvalidConfiguration) else f": {_ADVICE[name.partition(' ')[0]]}"
    # MongoDB's client goes on to tell its settings and all that it knows of the servers.
    said = str(error).partition(" (configured timeouts")[0].removeprefix(f"{name}: ")
    return Finding(name, False, f"{said}{advice}", is_input=is_input)


def _queue(settings: Settings) -> Iterator[Finding]:
    wanted = settings.document["kafka"]["minInSyncReplicas"]
    try:
        queue = open_queue(settings)
    except BackbeatError as error:
        yield _wrong("Kafka", error)
        return
    with contextlib.closing(queue):
        first = True
        for key, topic in topics(settings):
            name = f"{settings.topic_prefix}{topic}"
            try:
                in_sync = queue.in_sync_replicas(topic)
            except BackbeatError as error:
                yield _wrong("Kafka", error)
                return
            if first:
                yield Finding("Kafka", True)
                first = False
            few = {number: count for number, count in in_sync.items() if count < wanted}
            if not in_sync:
                text = f"is not there: make it, or let the first who needs it make it ({key})"
            elif few:
                text = (
                    f"partitions {', '.join(map(str, sorted(few)))} have fewer than {wanted} replicas in sync: "
                    "see that all brokers run, or lower kafka.minInSyncReplicas"
                )
            else:
                text = f"ok, partitions: {len(in_sync)}"
            yield Finding(f"topic {name}", bool(in_sync) and not few, text)


def topics(settings: Settings) -> list[tuple[str, str]]:
    """Return each topic that a process of ours works on, with the key that names it."""
    names = ("topic", "replicationStatusTopic", "replicationFailedTopic")
    keys = [f"{_R}.{name}" for name in names] + ["metrics.topic", "extensions.gc.topic"]
    found = [(key, settings.get(key)) for key in keys]
    replays = [(f"{_R}.replayTopics", name) for name in settings.replays.names]
    return [(key, topic) for key, topic in (*found, *replays) if topic]


def _source(settings: Settings) -> Finding:
    where = settings.get(f"{_R}.source.s3") or settings.document["s3"]
    name = f"source {where['host']}:{where['port']}"
    connection = http.client.HTTPConnection(where["host"], where["port"], timeout=_SOURCE_TIMEOUT_S)
    try:
        with contextlib.closing(connection):
            connection.request("GET", "/_/healthcheck")
            connection.getresponse().read(1)
    except (OSError, http.client.HTTPException) as error:
        return Finding(name, False, f"{error or type(error).__name__}: {_ADVICE['source']}")
    return Finding(name, True)


def _sites(settings: Settings) -> Iterator[Finding]:
    for site in settings.sites:
        location = settings.locations.by_name.get(site)
        if location is None:
            text = "is not in conf/locationConfig.json: describe it there"
            yield Finding(f"site {site}", False, text, is_input=True)
        elif not location.disabled:
            directory = location.directory(settings.base)
            if directory is None:
                text = f"type {location.type!r} is not served yet: only file with details.path is"
                yield Finding(f"site {site}", False, text, is_input=True)
            else:
                yield Finding(f"site {site}", True)


def doctor(path: Path | None, *, as_json: bool) -> int:
    """Look at everything and tell; return 0 if all is well, 1 if a server is not, 2 if the file is not."""
    settings = Settings.read(path)
    findings = []
    for finding in examine(settings):
        findings.append(finding)
        if not as_json:
            print(f"{finding.what}: {finding.text}", flush=True)
    code = 2 if any(each.is_input for each in findings) else 0 if all(each.ok for each in findings) else 1
    if as_json:
        told = [{"what": each.what, "ok": each.ok, "text": each.text} for each in findings]
        write_json({"ok": code == 0, "findings": told, "unused": dict(settings.reasons)})
    else:
        for name, why in settings.reasons.items():
            print(f"not used: {name} ({why})")
    return code


__all__ = ["Finding", "doctor", "examine", "topics"]
