"""Memory engines under one clock for tests of the use cases, one that counts what is asked of it among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import attrs

from backbeat_core.ports.cache import Answer, Question, Write
from backbeat_core.testing.memory import ManualClock, MemoryCache, MemoryCoordinator, MemoryQueue, MemoryStore

NOW_MS: Final = 1_714_558_050_000
"""2024-05-01T10:07:30.000Z: half of an interval has passed, and the first eighth of an hour."""

HOUR_START_MS: Final = 1_714_557_600_000


@attrs.define(eq=False)
class CountingCache(MemoryCache):
    """A memory cache that tells how often it was asked, and how much it has handed out."""

    reads: int = 0
    members: int = 0
    writes: list[Sequence[Write]] = attrs.field(factory=list)

    def read(self, questions: Sequence[Question]) -> Sequence[Answer]:
        answers = super().read(questions)
        self.reads += 1
        self.members += sum(len(answer) for answer in answers if isinstance(answer, tuple))
        return answers

    def write(self, writes: Sequence[Write]) -> None:
        super().write(writes)
        self.writes.append(tuple(writes))


@attrs.define(eq=False)
class Engines:
    """One of each engine, all under one clock that stands at `NOW_MS`."""

    clock: ManualClock = attrs.field(factory=lambda: ManualClock(wall_ms=NOW_MS))
    cache: CountingCache = attrs.field(init=False)
    queue: MemoryQueue = attrs.field(init=False)
    store: MemoryStore = attrs.field(init=False)
    coordinator: MemoryCoordinator = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.cache = CountingCache(self.clock)
        self.queue = MemoryQueue(self.clock)
        self.store = MemoryStore(self.clock)
        self.coordinator = MemoryCoordinator(self.clock)


def object_metadata(**members: Any) -> dict[str, Any]:
    """Return the metadata of an object of 1024 bytes that has failed at `aws` and is done at `zenko`."""
    document = {
        "content-length": 1024,
        "content-md5": "d41d8cd98f00b204e9800998ecf8427e",
        "last-modified": "2024-05-01T09:58:02.117Z",
        "versionId": "98376906954349999999RG001  ",
        "originOp": "s3:ObjectCreated:Put",
        "replicationInfo": {
            "status": "FAILED",
            "backends": [
                {"site": "aws", "status": "FAILED", "dataStoreVersionId": ""},
                {"site": "zenko", "status": "COMPLETED", "dataStoreVersionId": "z1"},
            ],
            "content": ["DATA", "METADATA"],
            "destination": "arn:aws:s3:::target",
            "storageClass": "aws,zenko",
            "role": "arn:aws:iam::1:role/source,arn:aws:iam::2:role/target",
        },
    }
    return {**document, **members}


ENCODED_VERSION: Final = "aJLWKz4Ko9Ij00000000001I4j3QKItW"
"""The version id of `object_metadata` as clients know it."""
