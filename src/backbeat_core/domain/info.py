"""What an object knows about its replicas: the `replicationInfo` of its metadata, as a frozen value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import attrs

from backbeat_core.domain.metadata import Document, Json
from backbeat_core.domain.status import SITE_TRANSITIONS, Status, derive
from backbeat_core.errors import InvalidDocument


def _extras() -> dict[str, Json]:
    return {}


@attrs.frozen
class Backend:
    """
    One target and how far it is.

    *data_store_version_id* is the version that the target's cloud gave the copy, empty where it gave
    none. *extras* are the members of the stored document that this library does not know.
    """

    site: str
    status: Status = Status.PENDING
    data_store_version_id: str = ""
    extras: Document = attrs.field(factory=_extras, hash=False, kw_only=True)
    # What it was read from, so that a member that is not changed is written back as it stood.
    _document: Document | None = attrs.field(default=None, eq=False, repr=False, kw_only=True)

    @classmethod
    def from_document(cls, document: Document) -> Backend:
        """Read one element of `backends`; absent members have their default."""
        return cls(**_read(document, _BACKEND_MEMBERS, "backends"), document=document)

    def to_document(self) -> dict[str, Json]:
        """Return the element as it is stored."""
        return _write(self, self._document, self.extras, _BACKEND_MEMBERS)


@attrs.frozen
class ReplicationInfo:
    """
    The `replicationInfo` document of one object version (2.1).

    An absent member and its default are one and the same, so two values may be equal though one of
    the documents that they came from says less. Each is written back the way it was read.
    """

    status: Status = Status.NONE
    backends: tuple[Backend, ...] = ()
    content: tuple[str, ...] = ()
    destination: str = ""
    storage_class: str = ""
    role: str = ""
    storage_type: str = ""
    data_store_version_id: str = ""
    is_nfs: bool = False
    generation: int = 0
    extras: Document = attrs.field(factory=_extras, hash=False, kw_only=True)
    _document: Document | None = attrs.field(default=None, eq=False, repr=False, kw_only=True)

    @classmethod
    def from_document(cls, document: Document) -> ReplicationInfo:
        """Read a stored document; absent and null members have their default, others must be of their type."""
        return cls(**_read(document, _INFO_MEMBERS, "replicationInfo"), document=document)

    def to_document(self) -> dict[str, Json]:
        """Return the document as it is stored: members that were not changed keep their place and form."""
        return _write(self, self._document, self.extras, _INFO_MEMBERS)

    @property
    def sites(self) -> tuple[str, ...]:
        """The targets, in the order of the rule."""
        return tuple(backend.site for backend in self.backends)

    @property
    def target_bucket(self) -> str:
        """The name of the bucket that the targets write to: the end of the destination's ARN."""
        return self.destination.rpartition(":")[2]

    def backend(self, site: str) -> Backend | None:
        """Return the first backend of *site*, None where it is not listed."""
        return next((backend for backend in self.backends if backend.site == site), None)

    def report(
        self,
        site: str,
        status: Status,
        *,
        data_store_version_id: str | None = None,
        generation: int | None = None,
    ) -> ReplicationInfo:
        """
        Return the information as it stands once *site* has reported *status*.

        A report that must be ignored returns this very object, and nothing is to be written: a status
        that no site reports (ST-10), a site that has completed (ST-11) or is not listed (ST-14), and a
        *generation* that is not the stored one (ST-30, INV-24). Deliveries repeat and arrive late, and
        neither is an error. Any other report returns a new object, also where it is equal to this one.

        *data_store_version_id* replaces the site's, None keeps it. A late COMPLETED of an older
        generation may still fill an empty one, without changing any status (ST-30).
        """
        now = self.backend(site)
        if now is None or status not in SITE_TRANSITIONS[now.status]:
            return self
        if generation is not None and generation != self.generation:
            late_copy = status is Status.COMPLETED and generation < self.generation
            if late_copy and data_store_version_id and not now.data_store_version_id:
                return self._with_backends(site, None, data_store_version_id)
            return self
        return self.with_status(site, status, data_store_version_id=data_store_version_id)

    def with_status(
        self, site: str, status: Status, *, data_store_version_id: str | None = None
    ) -> ReplicationInfo:
        """
        Return the information with *site* set to *status*, whatever it was, and the whole derived anew.

        This is what a status message says (3.11); what is stored only ever changes by `report`. A site
        that is not listed changes nothing but the whole. None keeps the site's version id.
        """
        updated = self._with_backends(site, status, data_store_version_id)
        return attrs.evolve(updated, status=derive(backend.status for backend in updated.backends))

    def for_retry(self, site: str) -> ReplicationInfo:
        """
        Return what a retry or replay of *site* carries: that site alone, PENDING, and nothing else (ST-2).

        It is for a message and never stored.
        """
        alone = self._alone(site, Status.PENDING)
        return attrs.evolve(self, status=Status.PENDING, backends=alone, storage_class=site)

    def as_replica(self, site: str) -> ReplicationInfo:
        """
        Return what the copy at *site* stores about itself: REPLICA.

        The other targets are none of its business and are left out (ST-22).
        """
        return attrs.evolve(self, status=Status.REPLICA, backends=self._alone(site, Status.REPLICA))

    def _alone(self, site: str, status: Status) -> tuple[Backend, ...]:
        return tuple(attrs.evolve(backend, status=status) for backend in self.backends if backend.site == site)

    def _with_backends(self, site: str, status: Status | None, version_id: str | None) -> ReplicationInfo:
        def changed(backend: Backend) -> Backend:
            return attrs.evolve(
                backend,
                status=backend.status if status is None else status,
                data_store_version_id=backend.data_store_version_id if version_id is None else version_id,
            )

        # Documents written by others may list a site twice; both are this site (CE-14).
        return attrs.evolve(
            self,
            backends=tuple(changed(backend) if backend.site == site else backend for backend in self.backends),
        )


@attrs.frozen
class _Member:
    """How one member of a document becomes an attribute, and the attribute the member again."""

    attribute: str
    default: Json
    read: Callable[[Json], Json]
    write: Callable[[Json], Json]


# Looking a status up takes a tenth of the time of making it.
_BY_LITERAL: Final = {status.value: status for status in Status}


def _same(value: Json) -> Json:
    return value


def _read_text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _read_count(value: Json) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError
    return value


def _read_flag(value: Json) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _read_texts(value: Json) -> tuple[str, ...]:
    return tuple(_read_text(item) for item in _read_list(value))


def _read_backends(value: Json) -> tuple[Backend, ...]:
    return tuple(Backend.from_document(item) for item in _read_list(value))


def _read_list(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _write_status(value: Status) -> str:
    return value.value


def _write_backends(value: tuple[Backend, ...]) -> list[Json]:
    return [backend.to_document() for backend in value]


def _write_flag(value: bool) -> bool | None:
    # False is written as null, which is how the source server normalises it (2.1).
    return value or None


_Members = Mapping[str, _Member]

_BACKEND_MEMBERS: Final[_Members] = {
    "site": _Member("site", "", _read_text, _same),
    "status": _Member("status", Status.NONE, _BY_LITERAL.__getitem__, _write_status),
    "dataStoreVersionId": _Member("data_store_version_id", "", _read_text, _same),
}

# In the order in which the source server writes them.
_INFO_MEMBERS: Final[_Members] = {
    "status": _Member("status", Status.NONE, _BY_LITERAL.__getitem__, _write_status),
    "backends": _Member("backends", (), _read_backends, _write_backends),
    "content": _Member("content", (), _read_texts, list),
    "destination": _Member("destination", "", _read_text, _same),
    "storageClass": _Member("storage_class", "", _read_text, _same),
    "role": _Member("role", "", _read_text, _same),
    "storageType": _Member("storage_type", "", _read_text, _same),
    "dataStoreVersionId": _Member("data_store_version_id", "", _read_text, _same),
    "isNFS": _Member("is_nfs", False, _read_flag, _write_flag),
    "generation": _Member("generation", 0, _read_count, _same),
}

# Not written where it is 0 and was not there: the source server does not know it.
_OPTIONAL: Final = frozenset({"generation"})


def _read(document: Document, members: _Members, what: str) -> dict[str, Json]:
    # Asked first for what it nearly always is: every entry that is decoded comes through here.
    if type(document) is not dict and not isinstance(document, Mapping):
        raise InvalidDocument("InternalError", f"{what} is not an object")
    values: dict[str, Json] = {"extras": {name: value for name, value in document.items() if name not in members}}
    for name, member in members.items():
        value = document.get(name)
        if value is None:
            values[member.attribute] = member.default
            continue
        try:
            values[member.attribute] = member.read(value)
        except (KeyError, TypeError):
            raise InvalidDocument("InternalError", f"{name} of {what} is malformed") from None
    return values


def _write(value: Json, source: Document | None, extras: Document, members: _Members) -> dict[str, Json]:
    # Members keep the place in which they stood.
    written = {name: item for name, item in (source or {}).items() if name in members or name in extras}
    for name, member in members.items():
        now = getattr(value, member.attribute)
        stood = member.default
        if source is not None and source.get(name) is not None:
            stood = member.read(source[name])
        if now != stood or (source is None and name not in _OPTIONAL):
            written[name] = member.write(now)
    written.update(extras)
    return written
