"""Publishing that must have happened before work may be called done (PL-40, PL-52)."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from backbeat_core.errors import BackbeatError
from backbeat_core.ports.queue import Message, Queue


@attrs.frozen
class Publication:
    """One message and the topic that it goes to."""

    topic: str
    message: Message


def publish_all(queue: Queue, publications: Sequence[Publication]) -> None:
    """
    Publish everything, one call a topic, and return only when all of it is durable.

    Raises the first refusal (MessageTooLarge, QueueUnavailable); others may have been stored by then.
    """
    by_topic: dict[str, list[Message]] = {}
    for publication in publications:
        by_topic.setdefault(publication.topic, []).append(publication.message)
    for topic, messages in by_topic.items():
        for result in queue.publish(topic, messages):
            if isinstance(result, BackbeatError):
                raise result
