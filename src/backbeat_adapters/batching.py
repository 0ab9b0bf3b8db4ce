"""A queue that holds what one batch of work publishes, and publishes it at once when the batch ends."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from backbeat_core.errors import BackbeatError
from backbeat_core.ports.queue import Consumer, Listener, Message, Published, Queue, Start, Watermarks

HELD: Final = Published(-1, -1)
"""The result of a message that is held: it counts only once its batch has ended well."""


class BatchingQueue(Queue):
    """
    Outside of `batch` it is the queue that it wraps.

    Inside, what the thread publishes is durable when the block has ended without an error, and not before:
    whoever uses it must not call any work of the batch done until then.
    """

    def __init__(self, inner: Queue) -> None:
        self._inner = inner
        self._of_thread = threading.local()

    @contextlib.contextmanager
    def batch(self, first: Callable[[], None] | None = None) -> Iterator[None]:
        """
        Hold what this thread publishes until the end of the block; then do *first*, and publish it.

        Raises what *first* does, and the first refusal, such as QueueUnavailable or MessageTooLarge; some of
        it may be there then.
        """
        held: dict[str, list[Message]] = {}
        self._of_thread.held = held
        try:
            yield
        finally:
            self._of_thread.held = None
        if first is not None and held:
            first()
        for topic, messages in held.items():
            for result in self._inner.publish(topic, messages):
                if isinstance(result, BackbeatError):
                    raise result

    def publish(self, topic: str, messages: Sequence[Message]) -> Sequence[Published | BackbeatError]:
        held: dict[str, list[Message]] | None = getattr(self._of_thread, "held", None)
        if held is None:
            return self._inner.publish(topic, messages)
        held.setdefault(topic, []).extend(messages)
        return [HELD] * len(messages)

    def subscribe(
        self, topic: str, group: str, listener: Listener, *, start: Start = Start.EARLIEST
    ) -> Consumer:
        return self._inner.subscribe(topic, group, listener, start=start)

    def watermarks(self, topic: str) -> Mapping[int, Watermarks]:
        return self._inner.watermarks(topic)

    def committed(self, topic: str, group: str) -> Mapping[int, int]:
        return self._inner.committed(topic, group)

    def seek(self, topic: str, group: str, offsets: Mapping[int, int]) -> None:
        self._inner.seek(topic, group, offsets)

    def close(self) -> None:
        self._inner.close()
