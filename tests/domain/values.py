"""Strategies for what messages are made of: JSON, keys, metadata, entries."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import strategies as st

from backbeat_core.domain import version_id
from backbeat_core.domain.codec import Kind, Message
from backbeat_core.domain.entry import ObjectEntry
from backbeat_core.domain.info import Backend, ReplicationInfo
from backbeat_core.domain.status import Status, derive

# With every character that JSON, URLs or keys treat in their own way; surrogates only where one says so.
texts = st.text(max_size=12) | st.sampled_from(
    ['"\\/\b\f\n\r\t\0\x1f\x7f', "é日😀\u2028\u2029\ufeff", "a:b,c[1]{}", "1.0e-5"]
)
broken_texts = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=8).filter(
    # A pair of surrogates that meet by chance is one character to every reader.
    lambda text: text == text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
)

# A float between 2^53 and 10^21 comes back as the integer that its shortest digits say, which is another.
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda number: not 2**53 < abs(number) < 1e21
)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
documents = st.dictionaries(texts, json_values, max_size=5)

buckets = st.from_regex(r"[a-z0-9][a-z0-9.-]{1,10}", fullmatch=True)
object_keys = texts.filter(lambda text: "\0" not in text)
version_ids = st.builds(
    version_id.make, st.integers(0, 2**41), st.integers(0, 999_999), st.sampled_from(["RG001", "", "é"])
) | st.sampled_from(["null", "98376906954349999999RG001  145.20.5"])
sites = st.sampled_from(["aws-1", "azure", "a:b", "é"])


@st.composite
def infos(draw: st.DrawFn) -> ReplicationInfo:
    names = draw(st.lists(sites, unique=True, max_size=3))
    statuses = st.sampled_from([Status.PENDING, Status.COMPLETED, Status.FAILED])
    backends = tuple(Backend(name, draw(statuses), draw(st.sampled_from(["", "v1"]))) for name in names)
    return ReplicationInfo(
        derive(backend.status for backend in backends),
        backends,
        content=("DATA", "METADATA"),
        destination="arn:aws:s3:::d",
        storage_class=",".join(names),
        generation=draw(st.integers(0, 3)),
    )


@st.composite
def object_metadata(draw: st.DrawFn) -> dict[str, Any]:
    metadata: dict[str, Any] = dict(draw(documents))
    for name in ("replicationInfo", "mdBucketModelVersion", "attributes", "location", "md-model-version"):
        metadata.pop(name, None)
    metadata["replicationInfo"] = draw(infos()).to_document()
    if draw(st.booleans()):
        metadata["versionId"] = draw(version_ids)
    if draw(st.booleans()):
        metadata["last-modified"] = "2024-05-01T10:00:00.000Z"
    return metadata


counts = st.none() | st.integers(0, 10)
names = st.none() | texts


@st.composite
def entries(draw: st.DrawFn) -> ObjectEntry:
    metadata = draw(object_metadata())
    key = draw(object_keys)
    return ObjectEntry(
        bucket=draw(buckets),
        key=draw(st.sampled_from([key, f"{key}\0{metadata.get('versionId', 'v')}"])),
        metadata=metadata,
        site=draw(st.none() | sites),
        replay_count=draw(counts),
        account_id=draw(names),
        workflow_id=draw(names),
        workflow_version=draw(counts),
        node_id=draw(names),
        unique_id=draw(names),
    )


_OF_KIND = {
    Kind.TEXT: texts,
    Kind.INTEGER: st.integers(-(2**53), 2**53),
    Kind.COUNT: st.integers(0, 2**53),
    Kind.FLAG: st.booleans(),
    Kind.OBJECT: documents,
    Kind.LIST: st.lists(json_values, max_size=3),
    Kind.ANY: json_values,
}


def messages(kind: type[Message]) -> st.SearchStrategy[Message]:
    """Return a strategy for messages of a type, each attribute of its declared kind."""
    fields: Any = attrs.fields(kind)  # type: ignore[arg-type]  # every message is an attrs class
    given = {}
    known = {field.metadata["name"] for field in fields}
    for field in fields:
        if field.metadata["name"] is None:
            given[field.name] = documents.map(lambda unknown: {n: v for n, v in unknown.items() if n not in known})
            continue
        declared = field.metadata["kind"]
        values = _OF_KIND[declared] if isinstance(declared, Kind) else st.sampled_from(declared)
        given[field.name] = values if field.default is attrs.NOTHING else st.none() | values
    return st.builds(kind, **given)
