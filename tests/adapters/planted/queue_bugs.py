"""Bugs to plant in the model of the queue, by the law that must see them."""

from __future__ import annotations

import attrs

from adapters.planted.changes import always, returning, silent
from backbeat_core.errors import MessageTooLarge, NotFound
from backbeat_core.ports.queue import Start
from backbeat_core.testing.memory import queue

BROKER, CONSUMER, QUEUE = queue.MemoryBroker, queue.MemoryConsumer, queue.MemoryQueue


def appending(change):
    """Change each message on its way in."""
    return lambda original: lambda self, topic, message: original(self, topic, change(message))


def _stop_at_a_refusal(original):
    def publish(self, topic, messages):
        results = list(original(self, topic, messages))
        refused = [n for n, result in enumerate(results) if isinstance(result, MessageTooLarge)]
        return results[: refused[0] + 1] if refused else results

    return publish


def _deliver_again(original):
    def take(self, number, limit):
        records = original(self, number, limit)
        if records:
            self._positions[number] = records[0].offset + len(records) // 2
        return records

    return take


def _forget_commits(original):
    def close(self):
        for topic in self.broker.topics.values():
            topic.groups.clear()

    return close


def _all_partitions(original):
    return lambda self: set(range(self.queue.broker.partitions))


def _take_what_is_owned(original):
    def take(self):
        taken = {n: self._start_of(n) for n in self._due() - self._positions.keys()}
        self._positions.update(taken)
        self._group.owners.update(dict.fromkeys(taken, self))
        return taken

    return take


def _commit_unchecked(original):
    return lambda self, offsets: self._group.committed.update(offsets)


def _no_new_topics(original):
    def topic(self, name):
        if self.topics:
            raise NotFound(name)
        return original(self, name)

    return topic


def _pin_earliest(original):
    return lambda self, topic, group, start: original(self, topic, group, Start.EARLIEST)


def _seek_anyway(original):
    return lambda self, topic, group, offsets: self.broker.group(topic, group).committed.update(offsets)


BUGS = {
    "keeps_bytes": [(QUEUE, "_append", appending(lambda m: attrs.evolve(m, value=m.value.rstrip(b"\0\n"))))],
    "same_key_same_partition": [(QUEUE, "_choose", lambda _: lambda self, key, n: sum(key or b"") % n)],
    "explicit_partition_is_kept": [(QUEUE, "_append", appending(lambda m: attrs.evolve(m, partition=None)))],
    "keyless_goes_somewhere": [(QUEUE, "_append", appending(lambda m: attrs.evolve(m, key=m.key or b"none")))],
    "keeps_order": [(CONSUMER, "_take", returning(lambda records: records[::-1]))],
    "offsets_are_contiguous": [
        (queue._Partition, "high", lambda _: property(lambda self: self.low + 2 * len(self.records)))
    ],
    "publish_answers_each": [(QUEUE, "publish", _stop_at_a_refusal)],
    "polls_at_most_limit": [(CONSUMER, "_fetch", lambda original: lambda self, limit: original(self, limit + 1))],
    "delivers_once_a_subscription": [(CONSUMER, "_take", _deliver_again)],
    "redelivers_uncommitted": [
        (CONSUMER, "commit", lambda o: lambda self, offsets: o(self, {n: at + 1 for n, at in offsets.items()}))
    ],
    "commit_is_durable": [(QUEUE, "close", _forget_commits)],
    "groups_are_strangers": [(BROKER, "group", lambda o: lambda self, topic, name: o(self, topic, "one"))],
    "members_share_partitions": [
        (CONSUMER, "_due", _all_partitions),
        (CONSUMER, "_take_over", _take_what_is_owned),
        (CONSUMER, "_robbed", always([])),
    ],
    "revoked_before_reassigned": [(CONSUMER, "_take_over", _take_what_is_owned)],
    "late_commit_is_fenced": [(CONSUMER, "commit", _commit_unchecked)],
    "new_group_starts_where_told": [(QUEUE, "pin_start", _pin_earliest)],
    "paused_partitions_are_silent": [(CONSUMER, "pause", silent)],
    "seek_moves_the_group": [(QUEUE, "seek", _seek_anyway)],
    "watermarks_are_low_and_next": [
        (QUEUE, "watermarks", returning(lambda found: {n: attrs.evolve(w, low=w.high) for n, w in found.items()}))
    ],
    "unknown_topic_is_created": [(BROKER, "topic", _no_new_topics)],
    "dead_endpoint_is_unavailable": [(QUEUE, "check", silent)],
    "any_history": [(CONSUMER, "resume", silent)],
}
