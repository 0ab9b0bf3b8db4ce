"""The source server: what CloudServer does to metadata and data when a user asks for something (2.3)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import attrs

from backbeat_core.domain import metadata as md
from backbeat_core.domain import wire
from backbeat_core.domain.arming import Operation, arm
from backbeat_core.domain.configuration import Endpoint, LocationConstraint, ReplicationConfiguration, Rule
from backbeat_core.domain.info import Backend, ReplicationInfo
from backbeat_core.domain.status import Status
from backbeat_core.domain.version_id import make
from backbeat_core.errors import NotFound
from backbeat_core.ports.location import Attributes
from backbeat_core.ports.store import ABSENT, Document, Json
from backbeat_core.services.write_object import BucketSettings, NewObject, ObjectWriter
from backbeat_core.testing.memory import MemoryLocation
from backbeat_core.testing.simulation.ports import FaultyStore
from backbeat_core.testing.simulation.process import Host
from backbeat_core.testing.simulation.profile import Site

ROLE = "arn:aws:iam::123456789012:role/replication"


@attrs.define(eq=False)
class SourceBucket:
    """
    One bucket, with the rule that it has just now.

    *sites* None: it has no rule. *data_store* is the location of its data. *forgetful*: see `Profile`.
    """

    name: str
    data_store: str
    known: tuple[Site, ...]
    sites: tuple[str, ...] | None
    enabled: bool = True
    forgetful: bool = False

    @property
    def configuration(self) -> ReplicationConfiguration | None:
        """The replication configuration as it is now."""
        if self.sites is None:
            return None
        rule = Rule("rule", "", self.enabled, ",".join(self.sites))
        return ReplicationConfiguration(ROLE, "arn:aws:s3:::target", (rule,))

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Where the bucket may be replicated to."""
        return tuple(Endpoint(site.name, "aws_s3") for site in self.known)

    @property
    def locations(self) -> Mapping[str, LocationConstraint]:
        """What the server knows about its locations."""
        return {site.name: LocationConstraint("aws_s3") for site in self.known}


class SourceServer:
    """Does what users ask of one bucket, each operation at one stroke."""

    def __init__(self, host: Host, bucket: SourceBucket) -> None:
        self.bucket = bucket
        self.contents: dict[str, bytes] = {}
        """The bytes of every put, by the number that its user metadata has."""
        self._host = host
        self._store = FaultyStore(host)
        self._data = MemoryLocation(host.clock, host.engines.locations[bucket.data_store])
        self._numbers = 0
        self._writer: ObjectWriter | None = None
        self._last_version_ms = 0

    def keys(self, key: str = "") -> list[str]:
        """Return the keys of all versions of *key*, or of all objects, newest first for each; null ones first."""
        known = self._host.engines.tables.collections.get(self.bucket.name, {})
        return sorted(each for each in known if not key or md.split_key(each)[0] == key)

    def version(self, key: str) -> Document:
        """Return the version that stands at *key*."""
        found = self._store.inner.get(self.bucket.name, key)
        assert found is not None
        return found

    def put(self, key: str, size: int, *, pieces: int = 1, parts: int = 0) -> None:
        """
        Store a new version of *size* bytes in *pieces*; *parts* 0: not uploaded in parts.

        With more pieces than parts, some are of one part, as when it was copied from another upload.
        """
        number, body = self._body(size)
        location = self._write_data(key, body, pieces, parts or 1)
        md5 = _md5(body)
        if parts:
            md5 = f"{_md5(md5.encode())}-{parts}"
        if pieces == 1 and not parts and size:
            # As the embedded engine writes.
            new = NewObject(
                key,
                size,
                md5,
                self._host.clock.now_ms(),
                str(location[0]["key"]),
                metadata={"x-amz-meta-number": number},
            )
            self._writing().put(new)
            return
        operation = Operation.COMPLETE_MPU if parts else Operation.PUT_OBJECT
        self._put_version(key, size, md5, number, location, operation)

    def put_listed_twice(self, key: str, size: int) -> None:
        """Store a new version whose rule names a site twice, as an older server accepts it (CE-14)."""
        number, body = self._body(size)
        location = self._write_data(key, body, 1, 1)
        info = self._arm(Operation.PUT_OBJECT, key, size, None)
        if info is None:
            return
        site = info.backends[0].site
        info = attrs.evolve(
            info,
            backends=(info.backends[0], *info.backends),
            storage_class=f"{site},{info.storage_class}",
        )
        self._store_version(key, self._document(key, size, _md5(body), number, location, info))

    def overwrite_null(self, key: str, size: int) -> None:
        """Store a null version in place of the one that stands, if one does, and delete that one's data."""
        number, body = self._body(size)
        location = self._write_data(key, body, 1, 1)
        stood = self._store.inner.get(self.bucket.name, key)
        previous = None if stood is None or self.bucket.forgetful else _info(stood.value)
        info = self._arm(Operation.PUT_OBJECT, key, size, previous)
        document = self._document(key, size, _md5(body), number, location, info)
        document["isNull"] = True
        self._store.put(self.bucket.name, key, document)
        if stood is not None:
            self._delete_data(stood.value)

    def mark_deleted(self, key: str) -> None:
        """Store a delete marker as the newest version."""
        self._writing().mark_deleted(key)

    def delete_version(self, version: Document) -> None:
        """Delete a version for good, and its data."""
        if self._store.delete(self.bucket.name, version.key):
            self._delete_data(version.value)

    def change(self, version: Document, operation: Operation, members: Mapping[str, Json], origin: str) -> None:
        """Change *members* of a version; *operation* says whether that arms it again (2.3)."""
        previous = _info(version.value)
        key = md.split_key(version.key)[0]
        changed = {**version.value, **members, "originOp": origin}
        armed = self._arm(operation, key, md.content_length(version.value), previous)
        if armed is not None:
            changed["replicationInfo"] = armed.to_document()
        self._store.put(self.bucket.name, version.key, changed, expected=version.version)

    def receive_replica(self, key: str) -> None:
        """Store a copy that another source has sent here: it must not travel on (INV-20)."""
        number, body = self._body(10)
        location = self._write_data(key, body, 1, 1)
        info = ReplicationInfo(status=Status.REPLICA, backends=(Backend("elsewhere", Status.REPLICA),))
        self._store_version(key, self._document(key, 10, _md5(body), number, location, info))

    def read(self, version: Document) -> bytes:
        """Return the bytes of a version from the source itself. Raises NotFound."""
        pieces = md.locations(version.value)
        return b"".join(b"".join(self._data.read(str(piece["key"]))) for piece in pieces)

    def _put_version(
        self, key: str, size: int, md5: str, number: str, location: list[Json], operation: Operation
    ) -> None:
        info = self._arm(operation, key, size, None) or ReplicationInfo()
        self._store_version(key, self._document(key, size, md5, number, location, info))

    def _store_version(self, key: str, document: dict[str, Json]) -> None:
        now = max(self._host.clock.now_ms(), self._last_version_ms + 1)
        for version in self.keys(key):
            stood = md.split_key(version)[1]
            if stood is not None:
                now = max(now, 10**14 - int(stood[:14]))
        self._last_version_ms = now
        version_id = make(now, 0, "BB001")
        document["versionId"] = version_id
        self._store.put(self.bucket.name, md.join_key(key, version_id), document, expected=ABSENT)

    def _document(
        self,
        key: str,
        size: int,
        md5: str,
        number: str,
        location: list[Json],
        info: ReplicationInfo | None,
    ) -> dict[str, Json]:
        return {
            "owner-id": "owner",
            "key": key,
            "content-length": size,
            "content-md5": md5,
            "last-modified": wire.iso(self._host.clock.now_ms()),
            "dataStoreName": self.bucket.data_store,
            "location": location or None,
            "x-amz-meta-number": number,
            "tags": {},
            "originOp": "s3:ObjectCreated:Put",
            "replicationInfo": (info or ReplicationInfo()).to_document(),
        }

    def _arm(
        self, operation: Operation, key: str, size: int, previous: ReplicationInfo | None
    ) -> ReplicationInfo | None:
        bucket = self.bucket
        return arm(
            operation,
            key=key,
            size=size,
            configuration=bucket.configuration,
            endpoints=bucket.endpoints,
            locations=bucket.locations,
            previous=previous,
        )

    def _writing(self) -> ObjectWriter:
        bucket = self.bucket
        settings = BucketSettings(
            bucket.name, bucket.configuration, bucket.endpoints, bucket.data_store, bucket.locations, "owner"
        )
        if self._writer is None:
            self._writer = ObjectWriter(self._store, self._host.clock, settings)
        self._writer.bucket = settings
        return self._writer

    def _body(self, size: int) -> tuple[str, bytes]:
        self._numbers += 1
        number = f"{self.bucket.name}-{self._numbers}"
        body = (f"{number}/" * (size // len(number) + 1)).encode()[:size]
        self.contents[number] = body
        return number, body

    def _write_data(self, key: str, body: bytes, pieces: int, parts: int) -> list[Json]:
        if not body:
            return []
        location: list[Json] = []
        step = -(-len(body) // pieces)
        cut = [(start, body[start : start + step]) for start in range(0, len(body), step)]
        of_part = [b"".join(piece for _, piece in cut[n : n + 1 if n + 1 < parts else None]) for n in range(parts)]
        for nth, (start, piece) in enumerate(cut):
            name = f"{self.bucket.name}/{key}/{self._numbers}/{nth}"
            part = min(nth, parts - 1)
            self._data.write(name, [piece], size=len(piece), md5="", attributes=Attributes())
            location.append(
                {
                    "key": name,
                    "start": start,
                    "size": len(piece),
                    "dataStoreName": self.bucket.data_store,
                    "dataStoreETag": f"{part + 1}:{_md5(of_part[part])}",
                }
            )
        return location

    def _delete_data(self, metadata: Mapping[str, Json]) -> None:
        for piece in md.locations(metadata):
            location = self._host.engines.locations[str(piece["dataStoreName"])]
            MemoryLocation(self._host.clock, location).delete(str(piece["key"]))


def stored_bytes(locations: Mapping[str, MemoryLocation], metadata: Mapping[str, Json]) -> bytes:
    """Return the bytes of a version out of its pieces. Raises NotFound."""
    body: list[bytes] = []
    for piece in md.locations(metadata):
        location = locations.get(str(piece["dataStoreName"]))
        if location is None:
            raise NotFound(f"location {piece['dataStoreName']!r}")
        body.extend(location.read(str(piece["key"])))
    return b"".join(body)


def _info(metadata: Mapping[str, Json]) -> ReplicationInfo:
    return ReplicationInfo.from_document(metadata.get("replicationInfo") or {})


def _md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
