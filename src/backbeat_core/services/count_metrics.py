"""Reads the metrics topic in batches, partition by partition, and has them counted before they are committed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import attrs

from backbeat_core.errors import Fenced
from backbeat_core.ports.queue import Consumer, Listener, Queue, Record

Apply = Callable[[int, Sequence[tuple[int, bytes]]], int]
"""Counts pairs of offset and value of a partition, and returns how many were new."""


@attrs.define(eq=False)
class MetricsReader(Listener):
    """
    One member of the recorders' group. Owned by one thread.

    What was counted and not committed is read again and not counted again (W-24).
    """

    queue: Queue
    topic: str
    group: str
    apply: Apply
    batch: int = 500
    _consumer: Consumer | None = None

    def step(self, timeout_ms: int = 0) -> int:
        """
        Count one batch and return its size. Raises QueueUnavailable, CacheUnavailable: call again later.
        """
        if self._consumer is None:
            self._consumer = self.queue.subscribe(self.topic, self.group, self)
        records = self._consumer.poll(self.batch, timeout_ms)
        by_partition: dict[int, list[Record]] = {}
        for record in records:
            by_partition.setdefault(record.partition, []).append(record)
        try:
            for partition, batch in by_partition.items():
                self.apply(partition, [(record.offset, record.value) for record in batch])
                self._consumer.commit({partition: batch[-1].offset + 1})
        except Fenced:
            pass  # counted, and not ours to commit any more: the next owner finds it counted
        except Exception:
            # What was polled is not polled again by this consumer; a new one starts at the committed offset.
            self.close()
            raise
        return len(records)

    def close(self) -> None:
        """Leave the group. Twice is once."""
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            consumer.close()

    def assigned(self, offsets: Mapping[int, int]) -> None:
        """Nothing to prepare."""

    def revoked(self, partitions: Collection[int]) -> None:
        """Nothing in hand between two polls."""

    def lost(self, partitions: Collection[int]) -> None:
        """Nothing in hand between two polls."""
