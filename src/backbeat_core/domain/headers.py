"""The status of an object as its HEAD tells it, in the source server's headers, and read back from them (1.7)."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, unquote

import attrs

from backbeat_core.domain.info import Backend, ReplicationInfo
from backbeat_core.domain.status import SITE_STATUSES, Status

STATUS_HEADER: Final = "x-amz-replication-status"
METADATA_PREFIX: Final = "x-amz-meta-"

_STATUS_SUFFIX: Final = "-replication-status"
_VERSION_SUFFIX: Final = "-version-id"

# What may stand in the name of a header, but for the sign that everything else is written with.
_NAME_CHARACTERS: Final = string.ascii_letters + string.digits + "!#$&'*+-.^_`|~"


@attrs.frozen
class HeadStatus:
    """What the headers of a HEAD say: the object's status, and that of each site in their order."""

    status: Status = Status.NONE
    backends: tuple[Backend, ...] = ()


def head_headers(info: ReplicationInfo, *, strict: bool = False) -> dict[str, str]:
    """
    Return the headers that a HEAD or GET of an object with *info* carries (ST-20).

    They outrank user metadata of the same name. Every site has its own, whatever its type, unless the
    object is a replica (1.8, ST-22); *strict* does as the reference does: sites are listed only where one
    of them is a cloud, and then also on replicas.
    """
    headers: dict[str, str] = {}
    if info.status is not Status.NONE:
        headers[STATUS_HEADER] = info.status.value
    listed = bool(info.storage_type) if strict else info.status not in (Status.NONE, Status.REPLICA)
    if listed:
        for name, value in site_metadata(info).items():
            headers[METADATA_PREFIX + name] = value
    return headers


def site_metadata(info: ReplicationInfo) -> dict[str, str]:
    """
    Return the status of each site as user metadata: `<site>-replication-status`, and its version id.

    The version id is that of the copy, and only told once it is complete. A character of a site's name
    that no header can have is percent-encoded, so that a name cannot make other headers.
    """
    metadata: dict[str, str] = {}
    for backend in info.backends:
        name = quote(backend.site, safe=_NAME_CHARACTERS, errors="surrogatepass")
        metadata[name + _STATUS_SUFFIX] = backend.status.value
        version_id = backend.data_store_version_id
        if backend.status is Status.COMPLETED and version_id and _is_plain(version_id):
            metadata[name + _VERSION_SUFFIX] = version_id
    return metadata


def parse_head_headers(headers: Mapping[str, str]) -> HeadStatus:
    """
    Return what *headers* say; names are in any case, and what is not about replication is passed over.

    User metadata that only looks like a site's status is told apart by its value.
    """
    values = {name.lower(): value for name, value in headers.items()}
    backends = []
    for name, value in headers.items():
        start, end = len(METADATA_PREFIX), -len(_STATUS_SUFFIX)
        lowered = name.lower()
        if not (lowered.startswith(METADATA_PREFIX) and lowered.endswith(_STATUS_SUFFIX)):
            continue
        if value in SITE_STATUSES and name[start:end]:
            version_id = values.get(lowered[:end] + _VERSION_SUFFIX, "")
            site = unquote(name[start:end], errors="surrogatepass")
            backends.append(Backend(site, Status(value), version_id if value == Status.COMPLETED else ""))
    told = values.get(STATUS_HEADER, "")
    return HeadStatus(Status(told) if told in _LITERALS else Status.NONE, tuple(backends))


_LITERALS: Final = frozenset(Status)


def _is_plain(value: str) -> bool:
    return value.isascii() and value.isprintable()
