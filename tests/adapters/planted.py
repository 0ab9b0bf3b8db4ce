"""Bugs to plant in the memory models, at least one a law: a law that does not see its bug says nothing."""

from __future__ import annotations

import attrs

from backbeat_core.errors import InvalidInput, MessageTooLarge, NotFound
from backbeat_core.ports.coordinator import Node
from backbeat_core.ports.location import Attributes
from backbeat_core.ports.queue import Start
from backbeat_core.ports.store import ANY
from backbeat_core.testing.memory import cache, clock, coordinator, location, queue, store

BROKER, CONSUMER, QUEUE = queue.MemoryBroker, queue.MemoryConsumer, queue.MemoryQueue
STORE, CACHE, COORDINATOR, LOCATION = (
    store.MemoryStore,
    cache.MemoryCache,
    coordinator.MemoryCoordinator,
    location.MemoryLocation,
)


def silent(original):
    """Do nothing where something is to be done."""
    return lambda *args, **kwargs: None


def always(value):
    return lambda original: lambda *args, **kwargs: value


def returning(change):
    """Change what comes back."""
    return lambda original: lambda *args, **kwargs: change(original(*args, **kwargs))


def given(**forced):
    """Replace keyword arguments."""
    return lambda original: lambda *args, **kwargs: original(*args, **{**kwargs, **forced})


def appending(change):
    return lambda original: lambda self, topic, message: original(self, topic, change(message))


# Queue


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


QUEUE_BUGS = {
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


# Store


def _share(original):
    """Hand out one and the same dict for one and the same text."""
    kept = {}

    def document(key, written):
        found = kept.setdefault(written.text, original(key, written).value)
        return attrs.evolve(original(key, written), value=found)

    return document


def _patch_whole(original):
    def patch(self, collection, key, members, *, expected=ANY):
        original(self, collection, key, members, expected=expected)
        return self.put(collection, key, members)

    return patch


def _patch_creates(original):
    def patch(self, collection, key, members, *, expected=ANY):
        if self.get(collection, key) is None:
            return self.put(collection, key, members)
        return original(self, collection, key, members, expected=expected)

    return patch


def _expect_anything(original):
    return lambda self, collection, key, expected: original(self, collection, key, ANY)


def _same_version(original):
    def write(self, collection, key, text):
        version = str(hash(text)).encode()
        original(self, collection, key, text)
        written = store._Written(text, version)
        self.tables.collections[collection][key] = written
        return store._document(key, written)

    return write


def _quiet_deletes(original):
    return lambda self, collection, key, text: text is None or original(self, collection, key, text)


def _reversed_feed(original):
    def changes(self, after, *, limit=1000):
        feed = original(self, after, limit=limit)
        return attrs.evolve(feed, changes=feed.changes[::-1])

    return changes


def _feed_skips_one(original):
    def changes(self, after, *, limit=1000):
        return original(self, str(int(after) + 1) if after else after, limit=limit)

    return changes


STORE_BUGS = {
    "keeps_documents": [(store, "_document", returning(lambda d: attrs.evolve(d, key=d.key.strip())))],
    "hands_out_copies": [(store, "_document", _share)],
    "absent_is_none": [(STORE, "get", returning(lambda d: d or store.Document("k", {}, b"")))],
    "put_if_absent": [(STORE, "_demand", _expect_anything)],
    "put_if_unchanged": [(STORE, "_demand", _expect_anything)],
    "versions_change": [(STORE, "_write", _same_version)],
    "patch_touches_only_its_members": [(STORE, "patch", _patch_whole)],
    "patch_never_creates": [(STORE, "patch", _patch_creates)],
    "delete_if_unchanged": [(STORE, "delete", given(expected=ANY))],
    "delete_of_absent_is_false": [(STORE, "delete", always(True))],
    "scan_in_key_order": [
        (STORE, "scan", returning(lambda found: sorted(found, key=lambda d: d.key.encode("utf-16-be"))))
    ],
    "collections_are_strangers": [(STORE, "_collection", lambda o: lambda self, name: o(self, "one"))],
    "feed_tells_every_write": [(STORE, "_log", _quiet_deletes)],
    "feed_keeps_order_by_key": [(STORE, "changes", _reversed_feed)],
    "feed_resumes": [(STORE, "changes", _feed_skips_one)],
    "feed_starts_at_its_end": [(STORE, "position", always("0"))],
    "feed_of_nothing_is_empty": [
        (STORE, "changes", returning(lambda feed: attrs.evolve(feed, position=str(int(feed.position) + 1))))
    ],
    "dead_endpoint_is_unavailable": [(STORE, "_check", silent)],
    "any_history": [(STORE, "put", given(expected=ANY))],
}


# Cache


def _expiry_once(original):
    return lambda self, key, content, ttl, old: original(self, key, content, None if old else ttl, old)


def _expiry_lost(original):
    return lambda self, key, content, ttl, old: original(self, key, content, ttl, None)


def _one_by_one(original):
    def write(self, writes):
        import time

        for one in writes:
            original(self, [one])
            time.sleep(0.0002)

    return write


def _always_free(original):
    def acquire(self, key, owner, ttl_ms):
        self.keys.locks.pop(key, None)
        return original(self, key, owner, ttl_ms)

    return acquire


def _release_anyway(original):
    return lambda self, key, owner: self.keys.locks.pop(key, None) is not None


def _last_message_only(original):
    def publish(self, channel, message):
        for subscription in self.keys.subscriptions:
            subscription.arrived.clear()
        original(self, channel, message)

    return publish


def _remembered(original):
    def subscribe(self, channels):
        made = original(self, channels)
        made.arrived.extend((channel, "of old") for channel in channels)
        return made

    return subscribe


def _twice_in_a_set(original):
    def apply(self, write):
        if isinstance(write, cache.AddMember) and write.score == 3:
            write = attrs.evolve(write, member=write.member + "'")
        return original(self, write)

    return apply


def _missing_member_raises(original):
    def apply(self, write):
        if isinstance(write, cache.RemoveMember) and self.read([cache.Score(write.key, write.member)]) == [None]:
            raise InvalidInput("no such member")
        return original(self, write)

    return apply


def _limit_first(original):
    def answer(self, question):
        if isinstance(question, cache.Range) and question.descending and question.limit is not None:
            return original(self, attrs.evolve(question, descending=False))[::-1]
        return original(self, question)

    return answer


CACHE_BUGS = {
    "counts_up_and_down": [
        (CACHE, "_set", lambda o: lambda self, key, content, ttl, old: o(self, key, max(content, 0), ttl, old))
    ],
    "absent_counts_zero": [(CACHE, "_answer", returning(lambda answer: answer or None))],
    "write_is_atomic": [(CACHE, "write", _one_by_one)],
    "read_answers_in_order": [(CACHE, "read", returning(sorted))],
    "expires": [(CACHE, "_set", _expiry_once)],
    "without_expiry_stays": [(CACHE, "_set", _expiry_lost)],
    "scores_sort": [(cache, "_by_score", lambda _: lambda item: (item[1], item[0].casefold()))],
    "newest_first_and_limit": [(CACHE, "_answer", _limit_first)],
    "adding_again_moves": [(CACHE, "_apply", _twice_in_a_set)],
    "removing_is_idempotent": [(CACHE, "_apply", _missing_member_raises)],
    "lock_is_exclusive": [(CACHE, "acquire", _always_free)],
    "lock_is_released_by_owner": [(CACHE, "release", _release_anyway)],
    "lock_expires": [(CACHE, "acquire", lambda o: lambda self, key, owner, ttl: o(self, key, owner, 10 * ttl))],
    "channel_reaches_subscribers": [(CACHE, "publish", _last_message_only)],
    "channel_forgets": [(CACHE, "subscribe", _remembered)],
    "dead_endpoint_is_unavailable": [(CACHE, "_check", silent)],
    "any_history": [(CACHE, "release", _release_anyway)],
}


# Coordinator


def _put(change):
    def wrap(original):
        def put(self, path, data, *, expected=ANY, lease=None):
            arguments = {"data": data, "expected": expected, "lease": lease, **change}
            return original(self, path, **arguments)

        return put

    return wrap


def _late_renewal(original):
    return lambda self, lease, ttl_ms: None


def _same_number(original):
    def acquire(self, name, owner, ttl_ms):
        lease = original(self, name, owner, ttl_ms)
        return lease and attrs.evolve(lease, fencing=1)

    return acquire


def _never_expires(original):
    return lambda self, name, owner, ttl_ms: original(self, name, owner, 1000 * ttl_ms)


def _two_holders(original):
    def acquire(self, name, owner, ttl_ms):
        self.ensemble.held.pop(name, None)
        return original(self, name, owner, ttl_ms)

    return acquire


COORDINATOR_BUGS = {
    "keeps_data": [(COORDINATOR, "get", returning(lambda node: node and Node(node.data.strip(), node.version)))],
    "absent_is_none": [(COORDINATOR, "get", returning(lambda node: node or Node(b"", 0)))],
    "put_creates_parents": [(coordinator, "_parents", always([]))],
    "create_only": [(COORDINATOR, "put", _put({"expected": ANY}))],
    "put_if_unchanged": [(COORDINATOR, "put", _put({"expected": ANY}))],
    "versions_count_up": [(coordinator, "Node", lambda _: lambda data, version: Node(data, 0))],
    "delete_is_idempotent": [(COORDINATOR, "children", always([]))],
    "delete_if_unchanged": [(COORDINATOR, "delete", given(expected=ANY))],
    "children_are_sorted_names": [(COORDINATOR, "children", returning(lambda names: names[::-1]))],
    "lease_is_exclusive": [(COORDINATOR, "acquire", _two_holders)],
    "fencing_grows": [(COORDINATOR, "acquire", _same_number)],
    "lease_expires": [(COORDINATOR, "acquire", _never_expires)],
    "renewed_lease_holds": [(COORDINATOR, "renew", silent)],
    "late_renewal_is_fenced": [(COORDINATOR, "renew", _late_renewal)],
    "release_frees_at_once": [(COORDINATOR, "release", silent)],
    "holders_are_listed": [(COORDINATOR, "holders", lambda o: lambda self, prefix: o(self, ""))],
    "fenced_write_is_refused": [(COORDINATOR, "put", _put({"lease": None}))],
    "dead_endpoint_is_unavailable": [(COORDINATOR, "_check", silent)],
    "any_history": [(COORDINATOR, "close", silent)],
}


# Location


def _show_before(original):
    def write(self, name, body, *, size, md5, attributes):
        arrived = []
        for piece in body:
            arrived.append(piece)
            self._show(name, b"".join(arrived), attributes)
        return original(self, name, arrived, size=size, md5=md5, attributes=attributes)

    return write


def _delete_before(original):
    def write(self, name, body, **rest):
        self.bucket.objects.pop(name, None)
        return original(self, name, body, **rest)

    return write


def _keep_first(original):
    def show(self, name, body, attributes):
        versions = self.bucket.objects.get(name, [])
        stored = original(self, name, body, attributes)
        if versions and not self.versioned:
            self.bucket.objects[name] = versions
        return stored

    return show


def _trust_size(original):
    return lambda body, size, md5: original([b"".join(body)[:size].ljust(size)], size, "")


def _raise_if_absent(original):
    def delete(self, name, *, version=""):
        self.head(name)
        return original(self, name, version=version)

    return delete


def _part_shows(original):
    def write_part(self, name, upload, number, body, *, size, md5=""):
        part = original(self, name, upload, number, body, size=size, md5=md5)
        self._show(name, self.bucket.uploads[upload].parts[number][1], Attributes())
        return part

    return write_part


def _complete_by_arrival(original):
    def complete(self, name, upload, parts):
        written = self.bucket.uploads[upload].parts
        return original(self, name, upload, sorted(parts, key=lambda part: list(written).index(part.number)))

    return complete


def _unknown_abort(original):
    def abort(self, name, upload):
        self._upload(name, upload)
        return original(self, name, upload)

    return abort


def _merge_tags(original):
    def put_tags(self, name, tags, *, version=""):
        return original(self, name, {**self.head(name).attributes.tags, **tags}, version=version)

    return put_tags


def _walk_order(original):
    def listed(self, *, prefix="", after="", limit=1000):
        found = original(self, prefix=prefix, after="", limit=10_000)
        found = sorted(found, key=lambda stored: stored.name.split("/"))
        return [stored for stored in found if stored.name > after][:limit]

    return listed


def _without_attributes(original):
    return lambda self, name, body, attributes: original(self, name, body, Attributes())


def _end_exclusive(original):
    return lambda self, name, start=0, end=None: original(self, name, start=start, end=end and end - 1)


LOCATION_BUGS = {
    "keeps_bytes": [(location, "_arrived", returning(lambda body: body.replace(b"\r", b"")))],
    "keeps_attributes": [(LOCATION, "_show", _without_attributes)],
    "reads_ranges": [(LOCATION, "read", _end_exclusive)],
    "absent_is_not_found": [(location, "NotFound", always(KeyError()))],
    "wrong_checksum_is_corrupted": [(location, "_arrived", lambda o: lambda body, size, md5: o(body, size, ""))],
    "short_body_is_corrupted": [(location, "_arrived", _trust_size)],
    "never_half_written": [(LOCATION, "write", _show_before)],
    "failed_write_keeps_the_old": [(LOCATION, "write", _delete_before)],
    "overwrites": [(LOCATION, "_show", _keep_first)],
    "delete_is_idempotent": [(LOCATION, "delete", _raise_if_absent)],
    "lists_in_order": [(LOCATION, "list", _walk_order)],
    "upload_completes": [(LOCATION, "complete", _complete_by_arrival)],
    "upload_is_invisible": [(LOCATION, "write_part", _part_shows)],
    "abort_leaves_nothing": [(LOCATION, "abort", silent)],
    "abort_is_idempotent": [(LOCATION, "abort", _unknown_abort)],
    "tags_are_replaced": [(LOCATION, "put_tags", _merge_tags)],
    "newer_is_not_deleted": [(LOCATION, "delete_unmodified", given(since_ms=2**62))],
    "dead_endpoint_is_unavailable": [(LOCATION, "_check", silent)],
    "any_history": [(LOCATION, "delete", silent)],
}


# Clock

CLOCK_BUGS = {
    "now_is_utc_epoch": [(clock.ManualClock, "now_ms", returning(lambda ms: ms + 3_600_000))],
    "elapsed_never_decreases": [(clock.ManualClock, "elapsed_ms", lambda _: lambda self: self.wall_ms)],
}
