"""How one site is replicated to."""

from __future__ import annotations

import attrs


@attrs.frozen
class ReplicateSettings:
    """
    One site's side of the work.

    *bucket_match*: names at the target are the keys themselves, else `bucket/key`. *min_mpu_size_mb* in
    millions of bytes, None: never in parts. *object_metrics_from*: bytes from which on the progress of
    single objects is reported. *versioned*: the target keeps old versions, so that writing an older one
    again can be told apart from the newest. *stamp*: the copy says of itself which version it is a
    replica of (ST-21). *one_version*: the source keeps one version of a key, whose document goes with its
    bytes, so that an older version is never met.
    """

    site: str
    bucket_match: bool = True
    min_mpu_size_mb: int | None = 20
    status_topic: str = "backbeat-replication-status"
    metrics_topic: str = "backbeat-metrics"
    object_metrics_from: int = 0
    versioned: bool = False
    stamp: bool = True
    one_version: bool = False
