"""What the commands do on one machine, with a state directory and no server."""

from __future__ import annotations

import json
import os
import shlex
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from backbeat_adapters.cli.interrupts import Interrupts
from backbeat_adapters.cli.render import Bars, human_bytes, say, show, table, write, write_json
from backbeat_adapters.embedded.engine import DATABASE
from backbeat_adapters.embedded.processes import worker_of
from backbeat_adapters.embedded.tree import Refused, printable
from backbeat_adapters.layout import plan
from backbeat_adapters.local import Failure, LocalHost, LocalSettings
from backbeat_adapters.progress import Tally
from backbeat_core.domain import metadata as md
from backbeat_core.domain import version_id as version_ids
from backbeat_core.domain.headers import METADATA_PREFIX, head_headers
from backbeat_core.domain.info import ReplicationInfo
from backbeat_core.errors import InvalidInput, NotFound
from backbeat_core.services.retry_failed import FailedOperations, RetryRequest, RetrySettings

API_FILE = "serve.json"
SHOWN = 20
"""How many refusals and failures are written out one by one."""


def replicate(
    source: Path,
    to: Sequence[str],
    state: Path,
    bucket: str | None,
    rules: Path | None,
    settings: LocalSettings,
    *,
    as_json: bool,
) -> int:
    """Replicate *source* until everything is at rest; return the exit code."""
    layout = plan(source, to, state=state, bucket=bucket, rules=rules)
    with Interrupts() as interrupts, LocalHost.open(state, settings) as host:
        host.add_bucket(layout)
        host.start()
        started = host.clock.elapsed_ms()
        with Bars(host.board, shown=sys.stderr.isatty()) as bars:
            scanned = host.replicate(layout.bucket, _ticks(bars, interrupts))
        return _finish(host, [layout.bucket], scanned.refused, host.clock.elapsed_ms() - started, as_json=as_json)


def retry(
    state: Path,
    bucket: str | None,
    site: str | None,
    key: str | None,
    settings: LocalSettings,
    *,
    as_json: bool,
) -> int:
    """Replicate again what has failed, until it is at rest; return the exit code."""
    _check_state(state)
    with Interrupts() as interrupts, LocalHost.open(state, settings) as host:
        buckets = _chosen(host.layouts, bucket, "bucket")
        if site is not None:
            _chosen(host.locations, site, "location")
        requests = [
            RetryRequest(failure.bucket, failure.key, failure.site, failure.version)
            for name in buckets
            for failure in host.failures(name, limit=sys.maxsize)
            if site in (None, failure.site) and key in (None, failure.key)
        ]
        if key is not None and not requests:
            raise InvalidInput(f"object {printable(key)!r} has not FAILED anywhere: see backbeat head")
        operations = FailedOperations(
            host.engine.cache,
            host.engine.queue,
            host.clock,
            host.read_source,
            new_owner=lambda: uuid.uuid4().hex,
            settings=RetrySettings(keys=host.keys),
        )
        _retry(operations, requests)
        host.start()
        for name in buckets:
            for document in host.newest_versions(name):
                host.board.found(document)
        started = host.clock.elapsed_ms()
        with Bars(host.board, shown=sys.stderr.isatty()) as bars:
            host.rest(_ticks(bars, interrupts))
        return _finish(host, buckets, (), host.clock.elapsed_ms() - started, as_json=as_json)


def _retry(operations: FailedOperations, requests: Sequence[RetryRequest]) -> None:
    """Retry what the last 24 hours know to have failed, and have it forgotten; then what failed before."""
    retried = operations.retry(requests)
    known = {(each["Bucket"], each["Key"], each.get("VersionId", ""), each["StorageClass"]) for each in retried}
    operations.retry(
        attrs.evolve(each, force=True)
        for each in requests
        if (each.bucket, each.key, each.version, each.site) not in known
    )


def head(bucket: str, key: str, state: Path, version: str, *, raw: bool, as_json: bool) -> int:
    """
    Show what a HEAD of the object would; return the exit code.

    *raw*: with the names that headers have on the wire, where user metadata begins with `x-amz-meta-`.
    """
    _check_state(state)
    with LocalHost.open(state, exclusive=False) as host:
        _chosen(host.layouts, bucket, "bucket")
        metadata = host.read_source(bucket, key, version)
        if metadata is None:
            raise NotFound(f"object {printable(key)!r} in bucket {bucket!r}")
        headers = headers_of(metadata, raw=raw)
    if as_json:
        write_json(headers)
    else:
        write("".join(f"{name}: {value}\n" for name, value in headers.items()))
    return 0


def headers_of(metadata: Mapping[str, Any], *, raw: bool = False) -> dict[str, str]:
    """Return what CloudServer's HEAD says of an object, as far as this host knows it."""
    internal = md.version_id(metadata)
    headers = {
        "content-length": str(md.content_length(metadata)),
        "etag": f'"{md.content_md5(metadata)}"',
        "last-modified": md.last_modified(metadata),
    }
    if internal:
        headers["x-amz-version-id"] = version_ids.encode(internal)
    if md.is_delete_marker(metadata):
        headers["x-amz-delete-marker"] = "true"
    info = ReplicationInfo.from_document(metadata.get("replicationInfo") or {})
    shown = head_headers(info)
    return headers | (shown if raw else {name.removeprefix(METADATA_PREFIX): shown[name] for name in shown})


def api_of(state: Path) -> str | None:
    """Return the URL of the `backbeat serve` that runs on *state*, None if there is none."""
    try:
        document = json.loads((state / API_FILE).read_text())
        process, url = document["process"], document["url"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    # Numbers of processes are used again: it must be the one that works here.
    return str(url) if process == worker_of(state) is not None else None


def tell_api(state: Path, host: str, port: int) -> None:
    """Leave word in *state* of where its API is, for `api_of`; *host* is where it listens, '' for everywhere."""
    asked = "127.0.0.1" if host in ("", "::", "0.0.0.0") else f"[{host}]" if ":" in host else host
    document = {"process": os.getpid(), "url": f"http://{asked}:{port}"}
    aside = state / f"{API_FILE}.{os.getpid()}"
    aside.write_text(json.dumps(document))
    aside.replace(state / API_FILE)


def _check_state(state: Path) -> None:
    if not os.path.isfile(state / DATABASE):
        raise InvalidInput(
            f"state directory {str(state)!r} is not there, or holds no state: give the --state of the replication"
        )


def _ticks(bars: Bars, interrupts: Interrupts) -> Callable[[], None]:
    def tick() -> None:
        interrupts.look()
        bars.refresh()

    return tick


def _chosen(known: Mapping[str, object], name: str | None, what: str) -> list[str]:
    if name is None:
        return list(known)
    if name not in known:
        among = ", ".join(known) or "none"
        raise InvalidInput(f"{what} {printable(name)!r} is not known here: there are {among}")
    return [name]


def _finish(
    host: LocalHost,
    buckets: Sequence[str],
    refused: Sequence[Refused],
    elapsed_ms: int,
    *,
    as_json: bool,
) -> int:
    tallies: dict[str, Tally] = {}
    failures: list[Failure] = []
    for bucket in buckets:
        tallies |= _summed(tallies, host.count(bucket))
        failures += host.failures(bucket)
    for item in refused[:SHOWN]:
        say(f"{item.name} {item.reason}")
    if len(refused) > SHOWN:
        say(f"… and {len(refused) - SHOWN} more names that were left out")
    for failure in failures[:SHOWN]:
        say(f"{printable(failure.key)} FAILED at {failure.site}: {failure.error or 'see an earlier run'}")
    unfinished = any(tally.failed or tally.pending for tally in tallies.values())
    if failures:
        say("when the location is back: backbeat retry --all --state " + printable(shlex.quote(str(host.state))))
    if as_json:
        write_json(_document(host, buckets, tallies, failures, refused, elapsed_ms))
    else:
        _show(buckets, tallies)
    return 1 if unfinished or refused else 0


def _summed(a: Mapping[str, Tally], b: Mapping[str, Tally]) -> dict[str, Tally]:
    summed = dict(b)
    for name in set(a) & set(b):
        one, other = a[name], b[name]
        summed[name] = Tally(
            one.pending + other.pending,
            one.completed + other.completed,
            one.failed + other.failed,
            one.bytes_all + other.bytes_all,
            one.bytes_done + other.bytes_done,
            one.copied_objects,
            one.copied_bytes,
            one.last_ms,
        )
    return summed


def _show(buckets: Sequence[str], tallies: Mapping[str, Tally]) -> None:
    rows = [
        (
            name,
            tally.pending,
            tally.completed,
            tally.failed,
            human_bytes(tally.bytes_done),
            tally.copied_objects,
            f"{tally.last_ms / 1000:.1f}",
        )
        for name, tally in tallies.items()
    ]
    columns = ("location", "PENDING", "COMPLETED", "FAILED", "bytes", "copied now", "seconds")
    show(table(f"bucket {', '.join(buckets)}", columns, rows, right=range(1, len(columns))))


def _document(
    host: LocalHost,
    buckets: Sequence[str],
    tallies: Mapping[str, Tally],
    failures: Sequence[Failure],
    refused: Sequence[Refused],
    elapsed_ms: int,
) -> dict[str, Any]:
    return {
        "buckets": list(buckets),
        "state": str(host.state),
        "seconds": elapsed_ms / 1000,
        "locations": {
            name: {
                "directory": str(host.locations[name]),
                "PENDING": tally.pending,
                "COMPLETED": tally.completed,
                "FAILED": tally.failed,
                "bytes": tally.bytes_done,
                "copied": {"objects": tally.copied_objects, "bytes": tally.copied_bytes},
                "seconds": tally.last_ms / 1000,
            }
            for name, tally in tallies.items()
        },
        "failed": [
            {"bucket": each.bucket, "key": each.key, "location": each.site, "error": each.error}
            for each in failures
        ],
        "refused": [{"name": each.name, "reason": each.reason} for each in refused],
    }
