"""What CloudServer does to metadata when a user writes: new versions and delete markers, armed by the bucket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from backbeat_core.domain import metadata as md
from backbeat_core.domain import version_id as version_ids
from backbeat_core.domain import wire
from backbeat_core.domain.arming import Operation, arm
from backbeat_core.domain.configuration import Endpoint, LocationConstraint, ReplicationConfiguration
from backbeat_core.domain.info import Backend, ReplicationInfo
from backbeat_core.domain.object_model import MODEL_VERSION
from backbeat_core.domain.status import Status
from backbeat_core.errors import Conflict, NotFound
from backbeat_core.ports.clock import Clock
from backbeat_core.ports.store import ABSENT, Document, Json, Store

MOST_CONFLICTS = 100


@attrs.frozen
class BucketSettings:
    """
    One bucket and how what is written to it is armed.

    *data_store* names the location that holds the source's bytes; *group* is the replication group id.
    """

    name: str
    configuration: ReplicationConfiguration | None
    endpoints: tuple[Endpoint, ...]
    data_store: str
    locations: Mapping[str, LocationConstraint] = attrs.field(factory=dict)
    owner_id: str = ""
    group: str = "BB001"


@attrs.frozen
class NewObject:
    """
    A write of the user's.

    *size* in bytes, *md5* hexadecimal. *locator* is the name of the bytes in the data store, and
    *locator_version* which of its bytes they are.
    """

    key: str
    size: int
    md5: str
    last_modified_ms: int
    locator: str
    locator_version: str = ""
    metadata: Mapping[str, Json] = attrs.field(factory=dict)


@attrs.define
class ObjectWriter:
    """Writes to one bucket of a Store, as the source server does; the feed tells the rest."""

    store: Store
    clock: Clock
    bucket: BucketSettings
    _last_ms: int = -1
    _sequence: int = 0

    def current(self, key: str) -> Document | None:
        """Return the newest version of *key*, which may be a delete marker. Raises StoreUnavailable."""
        found = self.store.scan(self.bucket.name, prefix=key + "\0", limit=1)
        return found[0] if found else None

    def put(self, new: NewObject, *, replaces: Document | None = None) -> Document:
        """
        Store a new version, armed. Raises StoreUnavailable: it may or may not have been stored.

        *replaces* is the version whose bytes are gone by this write, for a source that keeps one version of
        each: its document goes once the new one is stored.
        """
        info = self._arm(new.key, Operation.PUT_OBJECT, new.size)
        location = [
            {
                "key": new.locator,
                "start": 0,
                "size": new.size,
                "dataStoreName": self.bucket.data_store,
                "dataStoreETag": f"1:{new.md5}",
                "dataStoreVersionId": new.locator_version,
            }
        ]
        return self._write(
            new.key,
            {
                "content-length": new.size,
                "content-md5": new.md5,
                "last-modified": wire.iso(new.last_modified_ms),
                **new.metadata,
                "location": location if new.size else None,
                "backbeat-source": {"locator": new.locator, "version": new.locator_version},
                "originOp": "s3:ObjectCreated:Put",
            },
            info,
            replaces,
        )

    def mark_deleted(self, key: str, *, replaces: Document | None = None) -> Document:
        """Store a delete marker as the newest version of *key*. Raises StoreUnavailable."""
        return self._write(
            key,
            {
                "content-length": 0,
                "content-md5": "d41d8cd98f00b204e9800998ecf8427e",
                "last-modified": wire.iso(self.clock.now_ms()),
                "isDeleteMarker": True,
                "location": None,
                "originOp": "s3:ObjectRemoved:DeleteMarkerCreated",
            },
            self._arm(key, Operation.PUT_DELETE_MARKER, 0),
            replaces,
        )

    def owe(self, document: Document, sites: Sequence[str]) -> Document:
        """
        Arm an existing version for *sites* that its rule has gained, leaving the others as they are.

        The status is assigned PENDING, as by any write that arms, so that the feed queues the version; sites
        that are done will skip it.
        """
        for _ in range(MOST_CONFLICTS):
            info = ReplicationInfo.from_document(document.value.get("replicationInfo") or {})
            missing = [site for site in sites if info.backend(site) is None]
            if not missing:
                return document
            fresh = self._arm(
                md.split_key(document.key)[0], Operation.PUT_OBJECT, md.content_length(document.value)
            )
            armed = attrs.evolve(
                fresh,
                status=Status.PENDING,
                backends=(*info.backends, *(Backend(site) for site in missing)),
                generation=max(info.generation, 1),
            )
            try:
                return self.store.patch(
                    self.bucket.name,
                    document.key,
                    {"replicationInfo": armed.to_document()},
                    expected=document.version,
                )
            except Conflict:
                again = self.store.get(self.bucket.name, document.key)
                if again is None:
                    raise NotFound(document.key) from None
                document = again
        raise Conflict(document.key)

    def sites_for(self, key: str) -> tuple[str, ...]:
        """Return the sites that a write to *key* is owed to now."""
        return self._arm(key, Operation.PUT_OBJECT, 1).sites

    def _arm(self, key: str, operation: Operation, size: int) -> ReplicationInfo:
        info = arm(
            operation,
            key=key,
            size=size,
            configuration=self.bucket.configuration,
            endpoints=self.bucket.endpoints,
            locations=self.bucket.locations,
        )
        return info or ReplicationInfo()

    def _write(
        self, key: str, metadata: Mapping[str, Json], info: ReplicationInfo, replaces: Document | None
    ) -> Document:
        version = self._new_version(replaces)
        document = self.store.put(
            self.bucket.name,
            md.join_key(key, version),
            {
                "owner-id": self.bucket.owner_id,
                "key": key,
                "versionId": version,
                "dataStoreName": self.bucket.data_store,
                "md-model-version": MODEL_VERSION,
                "tags": {},
                **metadata,
                "replicationInfo": info.to_document(),
            },
            expected=ABSENT,
        )
        if replaces is not None:
            self.store.delete(self.bucket.name, replaces.key)
        return document

    def _new_version(self, older: Document | None) -> str:
        """Return a version id that sorts before all that this writer made, and before *older*'s."""
        now = max(self.clock.now_ms(), self._last_ms)
        if older is not None:
            stood = md.split_key(older.key)[1] or ""
            if stood[:14].isdigit():
                # The wall clock may have stepped back since then; the newest must still sort first.
                now = max(now, 10**14 - int(stood[:14]))
        self._sequence = self._sequence + 1 if now == self._last_ms else 0
        if self._sequence >= 10**6:
            now, self._sequence = now + 1, 0
        self._last_ms = now
        return version_ids.make(now, self._sequence, self.bucket.group)
