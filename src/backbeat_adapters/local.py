"""A whole Backbeat on one machine: one state directory, a source tree, locations that are directories."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import attrs

from backbeat_adapters.bootstrap import Backbeat, Ports, Settings, Site, Watcher
from backbeat_adapters.clock import SystemClock
from backbeat_adapters.embedded import EmbeddedEngine
from backbeat_adapters.embedded.location import DirectoryLocation
from backbeat_adapters.embedded.tree import Refused, SourceTree, printable
from backbeat_adapters.environment import is_test_mode
from backbeat_adapters.layout import LOCATION_TYPE, Layout, check_apart
from backbeat_adapters.progress import Board, Tally, add
from backbeat_adapters.scan import Scanned, Scanner, newest_versions
from backbeat_core.domain import metadata as md
from backbeat_core.domain import version_id as version_ids
from backbeat_core.domain.attempts import Attempt, attempts_key
from backbeat_core.domain.configuration import LocationConstraint
from backbeat_core.domain.entry import ObjectEntry
from backbeat_core.domain.info import ReplicationInfo
from backbeat_core.domain.keys import FailedVersion, RedisKeys
from backbeat_core.domain.outcome import Replicated, ReplicationFailed, StatusWritten
from backbeat_core.domain.status import Status
from backbeat_core.errors import Conflict, InvalidConfiguration, LocationUnavailable, NotFound
from backbeat_core.ports.cache import Range
from backbeat_core.ports.location import Source
from backbeat_core.ports.store import ABSENT, Document
from backbeat_core.queueing.backoff import Backoff, RetryPolicy
from backbeat_core.services.write_object import BucketSettings, ObjectWriter

BUCKETS = "/backbeat/local/buckets"
LOOK_S = 0.05
"""How often the main thread looks whether all is done; it competes with those who do it."""
EXPLAINED = 100
"""How many failures of earlier runs are told with their reasons."""
BATCH = 32
"""Objects that a thread does before it reports them at once; a large one is reported alone."""
LARGE_OBJECT = 8_000_000
"""Bytes from which on the progress of a single object is counted."""


def default_state() -> Path:
    """Return the state directory for whoever names none: `$XDG_STATE_HOME/backbeat`."""
    home = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return Path(home) / "backbeat"


@attrs.frozen
class LocalSettings:
    """
    How hard one machine tries: *retries* after a first failure, from *retry_delay_ms* on; threads a site.

    *sync*: an object is COMPLETED only when the disk has it, so that a power loss takes nothing back. Without,
    as with `cp` and rclone, the system writes when it likes; a process that dies loses nothing either way.
    *test_mode* is that of the environment (`CI=true`): all of a process has the same names for its keys.
    """

    retries: int = 3
    retry_delay_ms: int = 200
    concurrency: int = 2
    sync: bool = False
    test_mode: bool = attrs.field(factory=is_test_mode)


@attrs.frozen
class Failure:
    """A version, by its encoded id, that a site has failed, and why as far as this run knows."""

    bucket: str
    key: str
    site: str
    error: str = ""
    version: str = ""


@attrs.define
class _Onlooker(Watcher):
    """Keeps the board, and the last error of each failure of this run, bounded."""

    board: Board
    errors: dict[tuple[str, str, str], str] = attrs.field(factory=dict)

    def replicated(self, outcome: Replicated) -> None:
        self.board.copied(outcome.site, outcome.size)

    def failed(self, outcome: ReplicationFailed) -> None:
        if len(self.errors) < 1000:
            self.errors[outcome.entry.bucket, outcome.entry.stored_key, outcome.site] = outcome.description

    def written(self, outcome: StatusWritten) -> None:
        size = 0 if md.is_delete_marker(outcome.entry.metadata) else md.content_length(outcome.entry.metadata)
        self.board.rested(outcome.site, outcome.status, size)


@attrs.define(eq=False)
class LocalHost:
    """
    The engines, buckets, workers and jobs of one state directory.

    `open` it, add buckets, `start`, and `stop` it; or use it as a context manager.
    """

    state: Path
    engine: EmbeddedEngine
    clock: SystemClock
    settings: LocalSettings
    layouts: dict[str, Layout]
    _trees: dict[str, SourceTree] = attrs.field(factory=dict)
    _backbeat: Backbeat | None = None
    _onlooker: _Onlooker | None = None
    _stopping: threading.Event = attrs.field(factory=threading.Event)

    @classmethod
    def open(cls, state: Path, settings: LocalSettings | None = None, *, exclusive: bool = True) -> Self:
        """
        Open or make the state directory.

        Raises InvalidConfiguration when it is of another version, in use by another process (with
        *exclusive*), or cannot be made.
        """
        clock = SystemClock()
        engine = EmbeddedEngine.open(state, clock, exclusive=exclusive)
        try:
            layouts = dict(_stored_layouts(engine))
        except BaseException:
            engine.close()
            raise
        return cls(state, engine, clock, settings or LocalSettings(), layouts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # Buckets.

    def add_bucket(self, layout: Layout) -> None:
        """
        Take a bucket in, or go on with one that is known.

        Raises InvalidConfiguration when what is given is not what the state knows by that name. Directories of
        new locations are made; those of known ones are not: a disk that is not there must not be taken for
        an empty one.
        """
        known = self.layouts.get(layout.bucket)
        if known is not None and known.source != layout.source:
            raise InvalidConfiguration(
                f"bucket {layout.bucket!r} was made from {str(known.source)!r} and not from "
                f"{str(layout.source)!r}: give another --bucket or another --state"
            )
        for other in self.layouts.values():
            if other.bucket != layout.bucket:
                check_apart(layout, other)
        places = self.locations
        for name, path in layout.locations.items():
            if name not in places:
                _make_directory(name, path)
            elif places[name] != path:
                raise InvalidConfiguration(
                    f"location {name!r} was {str(places[name])!r} and not {str(path)!r}: "
                    "give that directory, another name, or another --state"
                )
        node = self.engine.coordinator.get(f"{BUCKETS}/{layout.bucket}")
        try:
            self.engine.coordinator.put(
                f"{BUCKETS}/{layout.bucket}",
                layout.to_json(),
                expected=ABSENT if node is None else node.version,
            )
        except Conflict as error:
            raise InvalidConfiguration(f"bucket {layout.bucket!r} is being changed by another process") from error
        self.layouts[layout.bucket] = layout

    @property
    def locations(self) -> Mapping[str, Path]:
        """Return the directory of each location of all buckets."""
        return {name: path for each in self.layouts.values() for name, path in each.locations.items()}

    @property
    def keys(self) -> RedisKeys:
        """Return the names of the keys in the cache: one reader with others would see nothing."""
        return RedisKeys(self.settings.test_mode)

    def writer(self, bucket: str) -> ObjectWriter:
        """Return what writes to *bucket* as the source server does."""
        layout = self.layouts[bucket]
        return ObjectWriter(
            self.engine.store,
            self.clock,
            BucketSettings(
                name=bucket,
                configuration=layout.configuration,
                endpoints=layout.endpoints,
                data_store=layout.data_store,
                locations={name: LocationConstraint(type=LOCATION_TYPE) for name in layout.locations},
            ),
        )

    # Work.

    @property
    def board(self) -> Board:
        """Return the tallies of this run."""
        assert self._onlooker is not None
        return self._onlooker.board

    @property
    def backbeat(self) -> Backbeat:
        """Return the workers, once they are started."""
        assert self._backbeat is not None
        return self._backbeat

    def start(self) -> None:
        """Start the workers of all locations, the populator and the recorders."""
        locations = self.locations
        self._onlooker = _Onlooker(Board(locations, self.clock.elapsed_ms))
        engine = self.engine
        backbeat = Backbeat(
            Ports(engine.queue, engine.store, engine.cache, engine.coordinator, self.clock),
            Settings(
                keys=self.keys,
                object_metrics_from=LARGE_OBJECT,
                status_concurrency=1,
                batch=BATCH,
                status_around=engine.together,
            ),
            sources=self._source,
            watcher=self._onlooker,
        )
        backbeat.add_populator()
        policy = RetryPolicy(
            max_retries=self.settings.retries,
            timeout_s=None,
            backoff=Backoff(min_ms=max(1, self.settings.retry_delay_ms), max_ms=60_000, factor=2),
        )
        for name, path in locations.items():
            target = DirectoryLocation(path, create=False, durable=False)
            backbeat.add_site(
                Site(
                    name,
                    target,
                    policy=policy,
                    concurrency=self.settings.concurrency,
                    min_mpu_size_mb=None,
                    stamp=False,
                    one_version=True,
                    flush=target.flush if self.settings.sync else None,
                )
            )
        backbeat.add_status_processor()
        backbeat.add_recorders()
        self._backbeat = backbeat
        backbeat.runner.start()

    def scan(self, bucket: str, current: Callable[[Document], None] = lambda document: None) -> Scanned:
        """Compare the bucket's source with what is stored, and write the difference down."""
        tree = self._trees.get(bucket)
        if tree is None:
            tree = self._trees[bucket] = SourceTree(self.layouts[bucket].source)
        node = self.engine.coordinator.get(f"{BUCKETS}/{bucket}/filled")
        known = "" if node is None else node.data.decode()
        tree.filled = known
        scanned = Scanner(tree, self.writer(bucket), self._stopping.is_set, current).scan()
        if tree.filled != known:
            self.engine.coordinator.put(f"{BUCKETS}/{bucket}/filled", tree.filled.encode())
        return scanned

    def replicate(self, bucket: str, tick: Callable[[], None], *, rounds: int = 3) -> Scanned:
        """
        Scan, and work until everything is at rest; call *tick* meanwhile, some times a second.

        A source that changes meanwhile is scanned again, up to *rounds* times.
        """
        total = Scanned()
        for number in range(rounds):
            first = number == 0
            found = self._scan_aside(bucket, tick, self.board.found if first else lambda document: None)
            total = found if first else _joined(total, found)
            if not first and not found.differences:
                break
            self.rest(tick)
        return total

    def rest(self, tick: Callable[[], None]) -> None:
        """Work until everything is at rest; call *tick* meanwhile."""
        self.backbeat.expect_news()
        while not self.backbeat.at_rest() and not self._stopping.is_set():
            tick()
            time.sleep(LOOK_S)
        tick()

    def _scan_aside(
        self, bucket: str, tick: Callable[[], None], current: Callable[[Document], None]
    ) -> Scanned:
        """Scan on a thread of its own, so that the screen is kept up and an interrupt is heard."""
        done: list[Scanned | BaseException] = []

        def run() -> None:
            try:
                done.append(self.scan(bucket, current))
            except BaseException as error:
                done.append(error)

        thread = threading.Thread(target=run, name="scan", daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(LOOK_S)
            tick()
        (result,) = done
        if isinstance(result, BaseException):
            raise result
        return result

    def stop(self, grace_ms: int = 25_000) -> bool:
        """End in order; False if a task had to be left running. Twice is once."""
        self._stopping.set()
        backbeat, self._backbeat = self._backbeat, None
        drained = backbeat.runner.stop(grace_ms) if backbeat is not None else True
        self.engine.close()
        return drained

    def _source(self, name: str) -> Source:
        for bucket, layout in self.layouts.items():
            if layout.data_store == name:
                tree = self._trees.get(bucket)
                if tree is None:
                    try:
                        tree = self._trees[bucket] = SourceTree(layout.source)
                    except InvalidConfiguration as error:
                        raise LocationUnavailable(str(error)) from error
                return tree
        raise NotFound(f"data store {name!r}")

    # Results, counted from the store.

    def count(self, bucket: str) -> dict[str, Tally]:
        """Return what the store says of each location, and what this run has copied and when it ended."""
        tallies = {name: Tally() for name in self.layouts[bucket].locations}
        for document in self.newest_versions(bucket):
            add(tallies, document)
        if self._onlooker is not None:
            for name, seen in self.board.tallies().items():
                if name in tallies:
                    tallies[name].copied_objects = seen.copied_objects
                    tallies[name].copied_bytes = seen.copied_bytes
                    tallies[name].last_ms = seen.last_ms
        return tallies

    def failures(self, bucket: str, limit: int = 1000) -> list[Failure]:
        """Return the versions that a location has failed, with the reason if this run saw it."""
        errors = {} if self._onlooker is None else self._onlooker.errors
        found: list[Failure] = []
        for document in self.newest_versions(bucket):
            for backend in _info(document).backends:
                if backend.status is Status.FAILED and backend.site in self.layouts[bucket].locations:
                    error = errors.get((bucket, document.key, backend.site))
                    if error is None and len(found) < EXPLAINED:
                        error = self._last_error(entry_of(bucket, document), backend.site)
                    entry = entry_of(bucket, document)
                    version = entry.encoded_version_id or ""
                    found.append(Failure(bucket, entry.object_key, backend.site, error or "", version))
                    if len(found) >= limit:
                        return found
        return found

    def _last_error(self, entry: ObjectEntry, site: str) -> str:
        """Return why *site* has failed a version, as an earlier run has kept it."""
        version = FailedVersion(entry.bucket, entry.object_key, entry.encoded_version_id or "")
        key = attempts_key(self.keys, site, version)
        (kept,) = self.engine.cache.read([Range(key, limit=1, descending=True)])
        if not isinstance(kept, tuple) or not kept:
            return ""
        return Attempt.decode(kept[0][0].encode()).reason or ""

    def newest_versions(self, bucket: str) -> Iterator[Document]:
        """Yield the newest version of each key, in order."""
        return newest_versions(self.engine.store, bucket)

    def read_source(self, bucket: str, key: str, version: str) -> Mapping[str, Any] | None:
        """Return the metadata of a version by its encoded id, of the newest for '', None if there is none."""
        internal = version_ids.decode(version) if version else None
        if internal is None:
            document = self.writer(bucket).current(key) if bucket in self.layouts else None
        else:
            document = self.engine.store.get(bucket, md.join_key(key, internal))
        return None if document is None else document.value


def entry_of(bucket: str, document: Document) -> ObjectEntry:
    """Return a stored version as an entry."""
    return ObjectEntry(bucket, document.key, document.value)


def _info(document: Document) -> ReplicationInfo:
    return ReplicationInfo.from_document(document.value.get("replicationInfo") or {})


def _joined(a: Scanned, b: Scanned) -> Scanned:
    return Scanned(a.added + b.added, a.changed + b.changed, a.removed + b.removed, b.unchanged, b.refused)


def _stored_layouts(engine: EmbeddedEngine) -> Iterator[tuple[str, Layout]]:
    try:
        for bucket in engine.coordinator.children(BUCKETS):
            node = engine.coordinator.get(f"{BUCKETS}/{bucket}")
            if node is not None:
                yield bucket, Layout.from_json(node.data)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidConfiguration(
            f"the state directory {engine.directory} is damaged: what it says of its buckets cannot be read: "
            "choose another one, or bring back a copy of it"
        ) from error


def _make_directory(name: str, path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidConfiguration(
            f"location {name!r}: {str(path)!r} cannot be made: {error.strerror}: make it, or name another"
        ) from error


__all__ = ["Failure", "LocalHost", "LocalSettings", "Refused", "default_state", "printable"]
