"""What people do about failures: list them by site or by version, and have them replicated again (http-api 5)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import attrs

from backbeat_core.domain import metadata as md
from backbeat_core.domain.entry import ObjectEntry, retry_entry, status_entry
from backbeat_core.domain.keys import (
    LOCK_TTL_S,
    DataPoint,
    FailedVersion,
    RedisKeys,
    Service,
    hour_start,
    hour_starts,
    parse_failed_version,
    retry_lock_key,
)
from backbeat_core.domain.metadata import Document
from backbeat_core.domain.status import Status
from backbeat_core.errors import BackbeatError, CacheUnavailable, MessageTooLarge, QueueUnavailable
from backbeat_core.ports.cache import Cache, Increment, Range, RemoveMember, Score, Write
from backbeat_core.ports.clock import Clock
from backbeat_core.ports.publishing import Publication, publish_all
from backbeat_core.ports.queue import Message, Queue

ReadSource: TypeAlias = Callable[[str, str, str], Document | None]
"""
Bucket, key and encoded version id ('' for none) → the source's metadata, None if the source has no such version.

It raises Unavailable, within a few seconds, when the source does not answer.
"""

Place: TypeAlias = tuple[str, str]
"""A set of failures and a member of it."""

_Failure: TypeAlias = tuple[str, FailedVersion]  # a site and what has failed for it
_Places: TypeAlias = dict[_Failure, list[Place]]

PAGE: Final = 100
"""How many failures a page of the listing has, unless several have the same time."""

# How many hours a page is first looked for in; where they do not fill it, the older ones are asked as well.
_FULL_HOURS: Final = 2


@attrs.frozen
class RetryRequest:
    """One version that is to be replicated to *site* again; *force*: also if it is not known to have failed."""

    bucket: str
    key: str
    site: str
    version: str = ""
    force: bool = attrs.field(default=False, eq=False)

    @property
    def failed(self) -> FailedVersion:
        """The version as the sets of failures name it."""
        return FailedVersion(self.bucket, self.key, self.version)

    @property
    def lock(self) -> str:
        """The key of the lock against a double retry."""
        return retry_lock_key(self.bucket, self.key, self.version, self.site)


_Chosen: TypeAlias = tuple[RetryRequest, Sequence[Place]]  # where it stands as failed: what to forget


@attrs.frozen
class RetrySettings:
    """Where the messages of a retry go, and whether the answers name the role that reads the source (5.5)."""

    replication_topic: str = "backbeat-replication"
    status_topic: str = "backbeat-replication-status"
    with_role: bool = False
    keys: RedisKeys = attrs.field(factory=RedisKeys)


@attrs.frozen
class _Page:
    places: tuple[Place, ...] = ()  # in the order of the answer
    next_marker: int | None = None


@attrs.frozen
class FailedOperations:
    """
    The failures of the last 24 hours.

    *new_owner* gives a text that no other process gives: it marks whose a lock is. *each* applies a
    function to several values and keeps their order; a host with threads passes one that runs ten at a
    time. Every method raises CacheUnavailable (B2, B36).
    """

    cache: Cache
    queue: Queue
    clock: Clock
    read_source: ReadSource
    new_owner: Callable[[], str]
    settings: RetrySettings = attrs.field(factory=RetrySettings)
    each: Callable[..., Iterable[Any]] = map

    def list(self, site: str | None, marker: int = 0) -> dict[str, Any]:
        """
        Return a page of what failed at *site*, the newest hour first; *marker* is the `NextMarker` before.

        What the source no longer has is left out. Raises Unavailable when the source does not answer: a page
        with holes would look complete.
        """
        if not site:
            return _listing((), None)
        page = self._page(site, marker)
        places: dict[FailedVersion, list[Place]] = {}
        for place in page.places:
            version = parse_failed_version(place[1])
            if version is not None:
                places.setdefault(version, []).append(place)
        found = dict(zip(places, self.each(self._read, places), strict=True))
        entries = {version: entry for version, entry in found.items() if entry is not None}
        self._drop_repeated(site, [(entry, places[version]) for version, entry in entries.items()])
        return _listing([_document(entry, site) for entry in entries.values()], page.next_marker)

    def find(self, bucket: str, key: str, version: str, sites: Sequence[str]) -> dict[str, Any]:
        """
        Return where among *sites* one version has failed; *version* is its encoded id, empty for none (B19).

        Raises Unavailable when the source does not answer.
        """
        failed = FailedVersion(bucket, key, version)
        found = self._places((site, failed) for site in sites)
        entry = self._read(failed) if any(found.values()) else None
        if entry is None:
            return _listing((), None)
        failing = [site for site in dict.fromkeys(sites) if found[site, failed]]
        for site in failing:
            self._drop_repeated(site, [(entry, found[site, failed])])
        return _listing([_document(entry, site) for site in failing], None)

    def retry(self, requests: Iterable[RetryRequest]) -> tuple[dict[str, Any], ...]:
        """
        Have versions replicated again and return the document of each that is, in the order of *requests*.

        Left out without a word is what is not known to have failed, what somebody else retries just now, and
        what the source has no more or cannot give; only what it has no more is also forgotten (B22). Raises
        the queue's error when nothing could be queued again.
        """
        owner = self.new_owner()
        selected = self._select(tuple(dict.fromkeys(requests)), owner)
        results = tuple(self.each(lambda chosen: self._retry(chosen, owner), selected))
        documents = tuple(result for result in results if isinstance(result, dict))
        refusals = [result for result in results if isinstance(result, QueueUnavailable | MessageTooLarge)]
        if refusals and not documents:
            raise refusals[0]
        return documents

    def _page(self, site: str, marker: int) -> _Page:
        """Choose a page by questions whose answers are bounded, however much has failed: three at the most."""
        hours = hour_starts(self.clock.now_ms())
        if marker:
            if hour_start(marker) not in hours:
                return _Page()
            hours = hours[hours.index(hour_start(marker)) :]
        # Beyond what fills the page only the next marker is wanted. No set may give what is newer than the
        # marker: a member that stands in the wrong hour must not make the paging go round in circles.
        questions = [
            Range(
                self.settings.keys.failures(site, hour),
                high=marker or None,
                limit=PAGE + 1 if index < _FULL_HOURS else 1,
                descending=True,
            )
            for index, hour in enumerate(hours)
        ]
        answers = [answer for answer in self.cache.read(questions) if isinstance(answer, tuple)]
        room = PAGE - sum(len(found) for found in answers[:_FULL_HOURS])
        sparse = [index for index, found in enumerate(answers) if index >= _FULL_HOURS and found and room > 0]
        if sparse:
            for index in sparse:
                questions[index] = attrs.evolve(questions[index], limit=room + 1)
            for index, found in zip(sparse, self.cache.read([questions[index] for index in sparse]), strict=True):
                assert isinstance(found, tuple)
                answers[index] = found
        return self._fill(questions, answers)

    def _fill(self, questions: Sequence[Range], answers: Sequence[Any]) -> _Page:
        places: list[Place] = []
        for question, found in zip(questions, answers, strict=True):
            if not found:
                continue
            room = PAGE - len(places)
            if room <= 0 or question.limit == 1:
                return _Page(tuple(places), found[0][1])
            members, below = found, None
            if len(found) > room:
                members, below = self._cut(question, found, room)
            places += [(question.key, member) for member, _ in reversed(members)]
            if below is not None:
                return _Page(tuple(places), below)
        return _Page(tuple(places))

    def _cut(
        self, question: Range, found: Sequence[tuple[str, int]], room: int
    ) -> tuple[Sequence[tuple[str, int]], int | None]:
        """Return the newest of a set that fit, and the score below; equal scores are never parted (B18)."""
        lowest = found[room - 1][1]
        if found[room][1] < lowest:
            return found[:room], found[room][1]
        equal, below = self.cache.read(
            [
                Range(question.key, low=lowest, high=lowest, descending=True),
                Range(question.key, high=lowest - 1, limit=1, descending=True),
            ]
        )
        assert isinstance(equal, tuple)
        assert isinstance(below, tuple)
        above = [(member, score) for member, score in found if score > lowest]
        return [*above, *equal], below[0][1] if below else None

    def _read(self, version: FailedVersion) -> ObjectEntry | None:
        if not md.is_master_key(version.key):
            return None  # no object has a key with a NUL in it: it would name a version of another
        metadata = self.read_source(version.bucket, version.key, version.version)
        return None if metadata is None else ObjectEntry(version.bucket, version.key, metadata)

    def _drop_repeated(self, site: str, places: Iterable[tuple[ObjectEntry, Sequence[Place]]]) -> None:
        """Of several records of a version keep the oldest, as the reference does (5.2, B40)."""
        writes: list[Write] = []
        for entry, (*newer, _) in places:
            size = md.content_length(entry.metadata)
            for key, member in newer:
                writes += [RemoveMember(key, member), *self._pending(site, ops=-1, size=-size)]
        if writes:
            # A repair in passing: the answer is right without it, and the next listing tries again.
            with contextlib.suppress(CacheUnavailable):
                self.cache.write(writes)

    def _places(self, wanted: Iterable[_Failure]) -> _Places:
        """Return where each site and version of *wanted* stands, newest hour first, in one round trip."""
        hours = hour_starts(self.clock.now_ms())
        asked = [
            (each, Score(self.settings.keys.failures(each[0], hour), member))
            for each in dict.fromkeys(wanted)
            for hour in hours
            for member in each[1].spellings()
        ]
        scores = self.cache.read([question for _, question in asked]) if asked else ()
        found: _Places = {each: [] for each, _ in asked}
        for (each, question), score in zip(asked, scores, strict=True):
            if score is not None:
                found[each].append((question.key, question.member))
        return found

    def _select(self, requests: Sequence[RetryRequest], owner: str) -> Sequence[_Chosen]:
        """Return what is locked for this retry, and where each stands as failed."""
        known = self._places((request.site, request.failed) for request in requests if not request.force)
        candidates = [request for request in requests if request.force or known[request.site, request.failed]]
        locked = [request for request in candidates if self.cache.acquire(request.lock, owner, LOCK_TTL_S * 1000)]
        # Asked again under the locks: between the first look and the lock another retry may have been done.
        places = self._places((request.site, request.failed) for request in locked if not request.force)
        chosen: list[_Chosen] = []
        for request in locked:
            found = places.get((request.site, request.failed), [])
            if request.force or found:
                chosen.append((request, () if request.force else found))
            else:
                self._unlock(request, owner)
        return chosen

    def _retry(self, chosen: _Chosen, owner: str) -> dict[str, Any] | BackbeatError | None:
        """Return the document of the retried version, None if it is gone, the error that left it as it was."""
        try:
            return self._try(*chosen)
        except CacheUnavailable:
            raise
        except BackbeatError as error:
            return error
        finally:
            self._unlock(chosen[0], owner)

    def _try(self, request: RetryRequest, places: Sequence[Place]) -> dict[str, Any] | None:
        entry = self._read(request.failed)
        removals = [RemoveMember(key, member) for key, member in places]
        if entry is None:
            if removals:
                self.cache.write(removals)
            return None
        site, topics = request.site, self.settings
        backend = entry.info.backend(site)
        if backend is None or backend.status is not Status.COMPLETED:
            # The status must say PENDING before the work is done again: one after the other, each acknowledged.
            self._publish(topics.status_topic, status_entry(entry, site, Status.PENDING))
            self._publish(topics.replication_topic, retry_entry(entry, site))
        self.cache.write([*self._counted(entry, site), *removals])
        role = {"Role": entry.info.role.split(",")[0]} if topics.with_role else {}
        return {**_document(entry, site), "ReplicationStatus": Status.PENDING.value, **role}

    def _publish(self, topic: str, entry: ObjectEntry) -> None:
        publish_all(self.queue, [Publication(topic, Message(entry.encode(), entry.message_key))])

    def _counted(self, entry: ObjectEntry, site: str) -> Sequence[Write]:
        """Return what the retry adds to the gauges: what its end will take off again (B32, B40)."""
        backend = entry.info.backend(site)
        if backend is None or backend.status is Status.COMPLETED:
            return ()
        return self._pending(site, ops=1, size=md.bytes_to_replicate(entry.metadata, entry.info.content))

    def _pending(self, site: str, *, ops: int, size: int) -> Sequence[Write]:
        keys = self.settings.keys
        return (
            Increment(keys.pending(site, Service.CRR, DataPoint.OPS_PENDING), ops),
            Increment(keys.pending(site, Service.CRR, DataPoint.BYTES_PENDING), size),
        )

    def _unlock(self, request: RetryRequest, owner: str) -> None:
        # The retry is done or left; a lock that cannot be given back now goes by itself (B21).
        with contextlib.suppress(CacheUnavailable):
            self.cache.release(request.lock, owner)


def _document(entry: ObjectEntry, site: str) -> dict[str, Any]:
    """Return the members that describe a failed version, in the order of the wire (5.2)."""
    version = entry.encoded_version_id
    return {
        "Bucket": entry.bucket,
        "Key": entry.object_key,
        **({} if version is None else {"VersionId": version}),
        "StorageClass": site,
        "Size": md.content_length(entry.metadata),
        "LastModified": md.last_modified(entry.metadata),
    }


def _listing(versions: Iterable[Mapping[str, Any]], next_marker: int | None) -> dict[str, Any]:
    body: dict[str, Any] = {"IsTruncated": next_marker is not None, "Versions": [dict(each) for each in versions]}
    return body if next_marker is None else {**body, "NextMarker": next_marker}
