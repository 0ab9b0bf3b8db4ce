"""Strategies for the values of the domain: each draws everything that is valid, unless it is told less."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from backbeat_core.domain import version_id, wire
from backbeat_core.domain.configuration import (
    CLOUD_TYPES,
    Endpoint,
    LocationConstraint,
    ReplicationConfiguration,
    Rule,
    StorageClass,
)
from backbeat_core.domain.configuration_xml import is_bucket_name
from backbeat_core.domain.entry import USERS_BUCKET, ObjectEntry
from backbeat_core.domain.info import Backend, ReplicationInfo
from backbeat_core.domain.metadata import join_key
from backbeat_core.domain.selection import LogEntry
from backbeat_core.domain.status import SITE_STATUSES, Status, derive
from backbeat_core.http.message import Request
from backbeat_core.http.routes import PREFIXES, ROUTES, SERVICES

Metadata = dict[str, Any]


# Building a strategy takes longer than drawing from it: those without options are built once.
@functools.cache
def site_statuses() -> st.SearchStrategy[Status]:
    """Generate what a site may say about itself: PENDING, COMPLETED, FAILED."""
    return st.sampled_from(sorted(SITE_STATUSES))


@functools.cache
def sites() -> st.SearchStrategy[str]:
    """Generate names of locations, among them those that are hard on keys: with `:`, `/` or spaces."""
    usual = st.sampled_from(["aws-backend-1", "us-east-1", "azure", "a:b", "a/b", "zenko é", "all-but-one"])
    return usual | st.text(_printable(exclude=","), min_size=1, max_size=12)


@functools.cache
def bucket_names() -> st.SearchStrategy[str]:
    """Generate names of buckets: lower-case DNS labels of 3 to 63 characters."""
    label = st.text("abz059", min_size=1, max_size=6)
    names = st.lists(label, min_size=1, max_size=3).flatmap(
        lambda labels: st.sampled_from([".", "-"]).map(lambda joint: joint.join(labels).ljust(3, "0"))
    )
    return names.filter(is_bucket_name)


@functools.cache
def object_keys() -> st.SearchStrategy[str]:
    """Generate keys of objects: any text but a zero character, up to 1,024 bytes of UTF-8."""
    odd = st.sampled_from(["a:b", "a/b/", "/", " ", "a\nb", "ключ", "💥", "%2F", "..", "a+b c~!*'()", '"\\'])
    text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40)
    return odd | text


@functools.cache
def version_ids() -> st.SearchStrategy[str]:
    """Generate internal version ids, also the `null` one."""
    made = st.builds(
        version_id.make, st.integers(0, 2**41), st.integers(0, 999_999), st.sampled_from(["RG001", "", "é"])
    )
    return made | st.just(version_id.NULL)


def backends(
    *, site: st.SearchStrategy[str] | None = None, status: st.SearchStrategy[Status] | None = None
) -> st.SearchStrategy[Backend]:
    """Generate one target of an object and how far it is."""
    return st.builds(
        Backend,
        sites() if site is None else site,
        site_statuses() if status is None else status,
        st.just("") | st.text(_printable(), max_size=8),
    )


@st.composite
def replication_infos(
    draw: st.DrawFn,
    *,
    site: st.SearchStrategy[str] | None = None,
    status: st.SearchStrategy[Status] | None = None,
    min_sites: int = 0,
    max_sites: int = 4,
) -> ReplicationInfo:
    """Generate replication information whose own status is derived from its sites', each listed once (ST-3)."""
    listed = draw(
        st.lists(
            backends(site=site, status=status),
            min_size=min_sites,
            max_size=max_sites,
            unique_by=lambda backend: backend.site,
        )
    )
    return ReplicationInfo(
        status=derive(backend.status for backend in listed),
        backends=tuple(listed),
        content=draw(st.sampled_from([("DATA", "METADATA"), ("METADATA",), ("DATA", "METADATA", "MPU")])),
        destination=f"arn:aws:s3:::{draw(bucket_names())}",
        storage_class=",".join(backend.site for backend in listed),
        role=draw(roles()),
        storage_type=draw(st.sampled_from(["", "aws_s3", "azure"])),
        generation=draw(st.integers(0, 3)),
    )


@functools.cache
def roles(*, count: int = 1) -> st.SearchStrategy[str]:
    """Generate *count* roles' ARNs with commas between them."""
    accounts = st.sampled_from(["*", "123456789012", "ab"])
    one = st.builds("arn:aws:iam::{}:role/{}".format, accounts, st.text("abz/_", min_size=1, max_size=9))
    return st.lists(one, min_size=count, max_size=count).map(",".join)


@st.composite
def endpoints(
    draw: st.DrawFn, *, types: Sequence[str | None] = (None, *sorted(CLOUD_TYPES)), min_size: int = 1
) -> tuple[Endpoint, ...]:
    """Generate the places that objects can be replicated to, at most one of them the default."""
    names = draw(st.lists(sites(), unique=True, min_size=min_size, max_size=4))
    default = draw(st.none() | st.sampled_from(names)) if names else None
    made = []
    for name in names:
        kind = draw(st.sampled_from(types))
        servers = ("target.example:8000",) if kind is None else ()
        made.append(Endpoint(name, kind, servers, name == default))
    return tuple(made)


@functools.cache
def location_constraints(*, cold: bool = True) -> st.SearchStrategy[LocationConstraint]:
    """Generate what a source server knows of one of its locations; without *cold* one that can be read."""
    return st.builds(
        LocationConstraint,
        st.sampled_from(["scality", "file", *sorted(CLOUD_TYPES)]),
        is_cold=st.booleans() if cold else st.just(False),
        is_transient=st.booleans(),
        bucket_match=st.booleans(),
        supports_versioning=st.booleans(),
    )


@st.composite
def replication_configurations(
    draw: st.DrawFn, *, known: Sequence[Endpoint], max_rules: int = 4
) -> ReplicationConfiguration:
    """Generate configurations that a bucket accepts, whose rules name sites among the *known* endpoints."""
    named = {endpoint.site: endpoint for endpoint in reversed(known)}
    preferred = draw(st.none() | st.sampled_from(sorted(named)))
    rules: list[Rule] = []
    chosen: set[str] = set()
    for number in range(draw(st.integers(1, max_rules))):
        wanted = draw(st.lists(st.sampled_from(sorted(named)), unique=True, min_size=1))
        classes = ",".join(str(StorageClass(name, name == preferred)) for name in wanted)
        # One more character than any other prefix has of its kind: no prefix is the start of another.
        prefix = f"{draw(st.text(_printable(exclude='|'), max_size=6))}|{number}|"
        rules.append(Rule(f"rule {number}", prefix, draw(st.booleans()), classes))
        chosen.update(wanted)
    scality = any(named[name].is_scality for name in chosen)
    return ReplicationConfiguration(
        role=draw(roles(count=2 if scality else 1)),
        destination=f"arn:aws:s3:::{draw(bucket_names())}",
        rules=tuple(rules),
        preferred_read_location=preferred if preferred in chosen else None,
    )


@st.composite
def object_metadata(
    draw: st.DrawFn, *, info: st.SearchStrategy[ReplicationInfo] | None = None, versioned: bool | None = None
) -> Metadata:
    """Generate the metadata document of an object version; *versioned* None draws both kinds."""
    size = draw(st.integers(0, 2**40))
    document: Metadata = {
        "owner-id": draw(_hexadecimal(8)),
        "content-length": size,
        "content-type": draw(st.sampled_from(["", "text/plain", "application/octet-stream"])),
        "content-md5": draw(_hexadecimal(32)) + draw(st.sampled_from(["", "-1", "-10000"])),
        "last-modified": draw(st.sampled_from(["2024-02-29T23:59:59.999Z", "2026-01-01T00:00:00.000Z"])),
        "originOp": draw(st.sampled_from(["s3:ObjectCreated:Put", "s3:ObjectRemoved:DeleteMarkerCreated"])),
        "dataStoreName": draw(sites()),
        "tags": draw(_tags()),
        "location": [{"key": "data", "size": size, "start": 0, "dataStoreName": "source"}] if size else None,
        "replicationInfo": draw(info if info is not None else replication_infos()).to_document(),
        **{f"x-amz-meta-{name}": "kept" for name in draw(st.sets(st.sampled_from(["colour", "a.b"])))},
    }
    if versioned if versioned is not None else draw(st.booleans()):
        document["versionId"] = draw(version_ids().filter(lambda internal: internal != version_id.NULL))
    return document


@st.composite
def object_entries(
    draw: st.DrawFn,
    *,
    info: st.SearchStrategy[ReplicationInfo] | None = None,
    site: st.SearchStrategy[str | None] | None = None,
) -> ObjectEntry:
    """Generate entries of the replication and status topics; *site* may be one that the entry does not list."""
    metadata = draw(object_metadata(info=info))
    known = [backend["site"] for backend in metadata["replicationInfo"]["backends"]]
    return ObjectEntry(
        bucket=draw(bucket_names()),
        key=join_key(draw(object_keys()), metadata.get("versionId")),
        metadata=metadata,
        site=draw(site if site is not None else st.sampled_from([None, *known])),
        replay_count=draw(st.none() | st.integers(0, 10)),
        account_id=draw(st.none() | st.just("123456789012")),
    )


@st.composite
def log_entries(draw: st.DrawFn, *, metadata: st.SearchStrategy[Metadata] | None = None) -> LogEntry:
    """Generate entries of a metadata log: mostly objects that were written, also what no filter lets through."""
    awaited = replication_infos(status=st.just(Status.PENDING), min_sites=1)
    document = draw(metadata if metadata is not None else object_metadata() | object_metadata(info=awaited))
    key = draw(object_keys())
    return LogEntry(
        type=draw(st.sampled_from(["put", "put", "put", "del"])),
        bucket=draw(st.sampled_from([draw(bucket_names())] * 4 + [USERS_BUCKET])),
        key=draw(st.sampled_from([join_key(key, document.get("versionId")), key])),
        value=wire.dumps(document),
        overhead=draw(st.none() | st.just({"commitTimestamp": "2026-01-01T00:00:00.000Z", "opTimestamp": "1"})),
    )


@st.composite
def requests(
    draw: st.DrawFn,
    *,
    site: st.SearchStrategy[str] | None = None,
    body: st.SearchStrategy[bytes] | None = None,
    peer: str = "127.0.0.1",
) -> Request:
    """
    Generate requests to the REST API: any route, under either prefix, its path filled in, its method right.

    By default *site* is also `all`, which no object has.
    """
    route = draw(st.sampled_from(ROUTES))
    fillings = {
        "{service}": st.sampled_from(route.services or SERVICES),
        "{site}": site if site is not None else sites() | st.just("all"),
        "{bucket}": bucket_names(),
        "{key}": object_keys(),
    }
    words = [draw(fillings[word]) if word in fillings else word for word in route.words]
    # An object is asked for with its version, which is not in the path everywhere.
    query = f"?versionId={version_id.encode(draw(version_ids()))}" if route.about_object else ""
    return Request(
        method=route.method,
        target=draw(st.sampled_from(PREFIXES)) + "/".join(map(wire.percent_encode, words)) + query,
        headers=(("host", "localhost:8900"),),
        body=draw(body if body is not None else st.sampled_from([b"", b"{}", b"[]", b"not JSON"])),
        peer=peer,
    )


@functools.cache
def _printable(*, exclude: str = "") -> st.SearchStrategy[str]:
    # Whatever may stand in an XML document: no control characters, and no surrogates.
    return st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"], exclude_characters=exclude)


@functools.cache
def _hexadecimal(digits: int) -> st.SearchStrategy[str]:
    return st.integers(0, 16**digits - 1).map(f"{{:0{digits}x}}".format)


@functools.cache
def _tags() -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(st.text(_printable(), min_size=1, max_size=6), st.text(max_size=6), max_size=2)
