"""The laws of `backbeat_core.ports.queue` as tests that any adapter can inherit."""

from __future__ import annotations

import abc

import pytest

from backbeat_core.errors import Conflict, Fenced, MessageTooLarge, QueueUnavailable
from backbeat_core.ports.queue import Message, Published, Queue, Record, Start, Watermarks
from backbeat_core.queueing.partitioner import crc32
from backbeat_core.testing.contracts.common import any_history, fresh, within
from backbeat_core.testing.contracts.queue_machine import queue_machine
from backbeat_core.testing.contracts.queue_members import Member, Ownership

KEYS = [b"key-%d" % n for n in range(24)]


class QueueContract(abc.ABC):
    """
    Subclass as ``Test…`` and fill the holes. All queues that one test makes stand for one engine.

    An engine may be shared between tests: every test names its own topic, and its groups, which may be known
    to the whole engine, after it. A topic that is not known yet
    must come into being with two partitions or more.
    """

    poll_ms: int = 0
    """How long one poll may wait."""
    polls: int = 40
    """How many polls an engine is given to come to rest, each of `poll_ms`."""
    silence_ms: int = 300_001
    """How long a member that does not poll stays a member."""
    max_message_bytes: int = 5_000_020
    bounded_s: float = 30.0
    examples: int = 60
    steps: int = 40

    @abc.abstractmethod
    def make_queue(self) -> Queue:
        """Return a queue; it need not be empty, only working."""

    @abc.abstractmethod
    def make_dead_queue(self) -> Queue:
        """Return a queue whose engine cannot be reached."""

    @abc.abstractmethod
    def pass_time(self, ms: int) -> None:
        """Let time pass for the engine: move its clock, or sleep."""

    def make_hasty_queue(self) -> Queue:
        """Return a queue that expels a member after `silence_ms`; override it where others wait longer."""
        return self.make_queue()

    def join(
        self,
        queue: Queue,
        topic: str,
        group: str = "",
        *,
        table: Ownership | None = None,
        start: Start = Start.EARLIEST,
        commits: bool = False,
    ) -> Member:
        member = Member(table if table is not None else Ownership(), commits)
        member.consumer = queue.subscribe(topic, group or topic, member, start=start)
        return member

    def settle(self, queue: Queue, topic: str, *members: Member) -> None:
        """Poll the *members* of one group, with room for nothing, until they share all partitions."""
        for _ in range(self.polls):
            # The newest first: it must wait for what the others have not given up.
            for member in reversed(members):
                member.consumer.poll(0, self.poll_ms)
            owned = [member.owned for member in members]
            if len(set().union(*owned)) == len(queue.watermarks(topic)) and all(owned):
                return
        raise AssertionError(f"the members never shared all partitions: {[m.owned for m in members]}")

    def read(self, member: Member, count: int, *, limit: int = 7) -> list[Record]:
        """Poll until *count* records more are there, then once more: there must be no others."""
        before = len(member.records)
        for _ in range(self.polls + count):
            if len(member.records) - before >= count:
                break
            member.records += member.consumer.poll(limit, self.poll_ms)
        member.records += member.consumer.poll(limit, self.poll_ms)
        assert count == len(member.records) - before
        return member.records[before:]

    def publish(self, queue: Queue, topic: str, count: int = 24) -> list[Published]:
        results = queue.publish(topic, [Message(b"%d" % n, KEYS[n % len(KEYS)]) for n in range(count)])
        return [result for result in results if isinstance(result, Published)]

    def test_keeps_bytes(self) -> None:
        queue, topic = self.make_queue(), fresh("topic")
        every = bytes(range(256))
        sent = [
            Message(b""),
            Message(every, every),
            Message(b"\x00trailing\x00\n", b"\x00"),
            Message("ü\u2028".encode(), b"key", (("a", b""), ("a", every), ("B", b"\x00"))),
            Message(b"large" * 100_000, b"key"),
        ]
        queue.publish(topic, sent)

        got = self.read(self.join(queue, topic), len(sent))

        def content(message: Message | Record) -> tuple[bytes, bytes | None, object]:
            return message.value, message.key, tuple(message.headers)

        assert sorted(map(content, sent), key=repr) == sorted(map(content, got), key=repr)

    def test_same_key_same_partition(self) -> None:
        queue, topic = self.make_queue(), fresh("topic")
        first, again = self.publish(queue, topic), self.publish(queue, topic)
        count = len(queue.watermarks(topic))

        assert count >= 2, "a new topic needs two partitions or more, or this law says nothing"
        assert [crc32(key, count) for key in KEYS] == [result.partition for result in first]
        assert [crc32(key, count) for key in KEYS] == [result.partition for result in again]

    def test_explicit_partition_is_kept(self) -> None:
        queue, topic = self.make_queue(), fresh("topic")
        self.publish(queue, topic, 1)
        wanted = [n for n in queue.watermarks(topic) for _ in range(2)]

        results = queue.publish(topic, [Message(b"v", b"one key", partition=n) for n in wanted])

        assert wanted == [result.partition for result in results if isinstance(result, Published)]

    def test_keyless_goes_somewhere(self) -> None:
        queue, topic = self.make_queue(), fresh("topic")
        values = [b"%d" % n for n in range(9)]

        results = queue.publish(topic, [Message(value) for value in values])

        known = queue.watermarks(topic).keys()
        assert all(isinstance(result, Published) and result.partition in known for result in results)
        got = self.read(self.join(queue, topic), len(values))
        assert sorted(values) == sorted(record.value for record in got)
        assert {None} == {record.key for record in got}

    def test_keeps_order(self) -> None:
        queue, topic = self.make_queue(), fresh("topic")
        values = [b"%03d" % n for n in range(60)]
        for at in range(0, 60, 20):
            queue.publish(topic, [Message(value, KEYS[int(value) % 5]) for value in values[at : at + 20]])

        got = self.read(self.join(queue, topic), 60, limit=4)

        for partition in {record.partition for record in got}:
            here = [record for record in got if record.partition == partition]
            assert sorted(record.value for record in here) == [record.value for record in here]
            assert sorted(record.offset for record in here) == [record.offset for record in here]

    def test_offsets_are_contiguous(self) -> None:
        queue, topic = self.make_queue(), fresh("topic")
        told = [*self.publish(queue, topic), *self.publish(queue, topic, 5)]

        got = self.read(self.join(queue, topic), len(told))

        for places in (told, got):
            for partition in {place.partition for place in told}:
                offsets = [place.offset for place in places if place.partition == partition]
                assert list(range(len(offsets))) == offsets

    def test_publish_answers_each(self) -> None:
        queue, topic = self.make_queue(), fresh("topic")
        huge = Message(b"x" * (self.max_message_bytes + 1), b"k")

        results = queue.publish(topic, [Message(b"0", b"k"), huge, Message(b"1", b"k"), huge])

        assert [Published, MessageTooLarge, Published, MessageTooLarge] == [type(r) for r in results]
        got = self.read(self.join(queue, topic), 2)
        assert [record.value for record in got] == [b"0", b"1"]
        assert [Published(r.partition, r.offset) for r in got] == [results[0], results[2]]
        assert list(queue.publish(topic, [])) == []

    def test_polls_at_most_limit(self) -> None:
        queue, topic = self.make_queue(), fresh("topic")
        self.publish(queue, topic)
        member = self.join(queue, topic)

        for limit in [0, 3, 1, 0, 5] * self.polls:
            polled = member.consumer.poll(limit, self.poll_ms)
            member.records += polled
            assert len(polled) <= limit
            if len(member.records) == 24:
                break

        assert len(member.records) == 24

    def test_delivers_once_a_subscription(self) -> None:
        queue, topic = self.make_queue(), fresh("topic")
        self.publish(queue, topic)
        member = self.join(queue, topic)
        self.read(member, 24)
        self.publish(queue, topic, 3)

        self.read(member, 3)

        places = [(record.partition, record.offset) for record in member.records]
        assert len(set(places)) == len(places) == 27

    def test_redelivers_uncommitted(self) -> None:
        queue, topic = self.make_queue(), fresh("topic")
        self.publish(queue, topic)
        member = self.join(queue, topic)
        got = self.read(member, 24)
        committed = {n: max(member.next_of(n) - 2, 0) for n in member.owned}
        member.consumer.commit(committed)
        member.consumer.close()
        rest = sorted(r.value for r in got if r.offset >= committed[r.partition])

        again = self.join(queue, topic)

        assert rest == sorted(record.value for record in self.read(again, len(rest)))
        assert all(committed[n] == offset for n, offset in again.began.items())

    def test_commit_is_durable(self) -> None:
        queue, topic = self.make_queue(), fresh("topic")
        told = self.publish(queue, topic)
        member = self.join(queue, topic)
        self.read(member, 24)
        place = told[0].partition
        member.consumer.commit({place: 1})
        member.consumer.close()
        queue.close()

        again = self.make_queue()

        assert again.committed(topic, topic)[place] == 1
        left = sum(1 for result in told if result.partition != place or result.offset >= 1)
        self.read(self.join(again, topic), left)

    def test_groups_are_strangers(self) -> None:
        queue, topic = self.make_queue(), fresh("topic")
        self.publish(queue, topic)
        first = self.join(queue, topic, topic + "-one")
        self.read(first, 24)
        before = dict(queue.committed(topic, topic + "-two"))

        first.consumer.commit({n: first.next_of(n) for n in first.owned})

        assert before == queue.committed(topic, topic + "-two")
        assert len(self.read(self.join(queue, topic, topic + "-two"), 24)) == 24

    def test_members_share_partitions(self) -> None:
        queue, topic, table = self.make_queue(), fresh("topic"), Ownership()
        self.publish(queue, topic)
        one, two = (self.join(queue, topic, table=table) for _ in range(2))
        self.settle(queue, topic, one, two)

        for _ in range(self.polls):
            for member in (one, two):
                member.records += member.consumer.poll(5, self.poll_ms)
            if len(one.records) + len(two.records) >= 24:
                break

        assert sorted(b"%d" % n for n in range(24)) == sorted([*one.values, *two.values])
        one.consumer.close()
        assert set() == one.owned
        self.settle(queue, topic, two)

    def test_revoked_before_reassigned(self) -> None:
        queue, topic, table = self.make_queue(), fresh("topic"), Ownership()
        self.publish(queue, topic)
        one = self.join(queue, topic, table=table, commits=True)
        self.read(one, 24)
        two = self.join(queue, topic, table=table)

        self.settle(queue, topic, one, two)

        # `Ownership` has failed already if a partition was assigned before it was given up.
        assert two.owned <= {*one.given_up, *one.forgotten}
        assert {n: one.next_of(n) for n in two.owned} == {n: two.began[n] for n in two.owned}
        assert two.owned <= set(one.given_up), "a member that polls is revoked, not robbed"

    def test_late_commit_is_fenced(self) -> None:
        queue, topic, table = self.make_hasty_queue(), fresh("topic"), Ownership()
        self.publish(queue, topic)
        one = self.join(queue, topic, table=table)
        self.read(one, 24)
        two = self.join(queue, topic, table=table)
        self.settle(queue, topic, one, two)
        before = dict(queue.committed(topic, topic))
        (kept, *_), (passed, *_) = sorted(one.owned), sorted(two.owned)

        with pytest.raises(Fenced):
            one.consumer.commit({kept: one.next_of(kept), passed: one.next_of(passed)})

        assert before == queue.committed(topic, topic)
        self._silent_member_is_fenced(queue, topic, one, two)

    def _silent_member_is_fenced(self, queue: Queue, topic: str, one: Member, two: Member) -> None:
        silent = sorted(one.owned)
        one.table.owners = {n: owner for n, owner in one.table.owners.items() if owner is not one}
        # Only one is silent: the other goes on polling while the time passes.
        for _ in range(10):
            self.pass_time(self.silence_ms // 10 + 1)
            two.consumer.poll(0, 0)
        self.settle(queue, topic, two)
        before = dict(queue.committed(topic, topic))

        with pytest.raises(Fenced):
            one.consumer.commit({silent[0]: one.next_of(silent[0])})

        assert before == queue.committed(topic, topic)
        one.consumer.poll(0, self.poll_ms)
        assert silent == sorted(one.forgotten)

    def test_new_group_starts_where_told(self) -> None:
        queue, topic = self.make_queue(), fresh("topic")
        self.publish(queue, topic)
        early, late = (
            self.join(queue, topic, topic + "-early"),
            self.join(queue, topic, topic + "-late", start=Start.LATEST),
        )
        self.settle(queue, topic, early)
        self.settle(queue, topic, late)
        queue.publish(topic, [Message(b"new", b"k")])

        assert [record.value for record in self.read(late, 1)] == [b"new"]
        self.read(early, 25)
        early.consumer.commit(dict.fromkeys(early.owned, 0))
        early.consumer.close()
        self.read(self.join(queue, topic, topic + "-early", start=Start.LATEST), 25)

    def test_paused_partitions_are_silent(self) -> None:
        queue, topic = self.make_queue(), fresh("topic")
        told = self.publish(queue, topic)
        member = self.join(queue, topic)
        self.settle(queue, topic, member)
        quiet = told[0].partition
        loud = [result for result in told if result.partition != quiet]
        unowned = [10_000]

        member.consumer.pause([quiet, *unowned])
        member.consumer.pause([quiet])

        got = self.read(member, len(loud))
        assert quiet not in {record.partition for record in got}
        assert quiet in member.owned
        member.consumer.resume([quiet, *unowned])
        member.consumer.resume([quiet])
        rest = self.read(member, 24 - len(loud))
        assert list(range(len(rest))) == [record.offset for record in rest]

    def test_seek_moves_the_group(self) -> None:
        queue, topic = self.make_queue(), fresh("topic")
        told = self.publish(queue, topic)
        member = self.join(queue, topic)
        self.read(member, 24)
        member.consumer.commit({n: member.next_of(n) for n in member.owned})
        place = told[0].partition

        with pytest.raises(Conflict):
            queue.seek(topic, topic, {place: 0})
        member.consumer.close()
        queue.seek(topic, topic, {place: 0})

        assert queue.committed(topic, topic)[place] == 0
        again = sum(1 for result in told if result.partition == place)
        assert {place} == {record.partition for record in self.read(self.join(queue, topic), again)}

    def test_watermarks_are_low_and_next(self) -> None:
        queue, topic = self.make_queue(), fresh("topic")
        assert queue.watermarks(topic) == {}

        told = self.publish(queue, topic)

        counts = {n: sum(1 for result in told if result.partition == n) for n in queue.watermarks(topic)}
        assert {n: Watermarks(0, count) for n, count in counts.items()} == queue.watermarks(topic)

    def test_unknown_topic_is_created(self) -> None:
        queue, published, subscribed = self.make_queue(), fresh("topic"), fresh("topic")
        assert len(self.publish(queue, published)) == 24
        assert queue.watermarks(published)

        member = self.join(queue, subscribed)
        for _ in range(self.polls):
            member.consumer.poll(0, self.poll_ms)
            if member.owned:
                break

        assert member.owned == queue.watermarks(subscribed).keys() != set()

    def test_dead_endpoint_is_unavailable(self) -> None:
        queue, topic = self.make_dead_queue(), fresh("topic")

        with within(self.bounded_s):
            results = queue.publish(topic, [Message(b"1"), Message(b"2")])
            assert [QueueUnavailable, QueueUnavailable] == [type(result) for result in results]
        with within(self.bounded_s), pytest.raises(QueueUnavailable):
            queue.watermarks(topic)
        with within(self.bounded_s), pytest.raises(QueueUnavailable):
            queue.committed(topic, "g")
        with within(self.bounded_s), pytest.raises(QueueUnavailable):
            queue.seek(topic, "g", {0: 0})
        with within(self.bounded_s), pytest.raises(QueueUnavailable):
            self._poll_of_a_new_member(queue, topic)

    def _poll_of_a_new_member(self, queue: Queue, topic: str) -> None:
        member = self.join(queue, topic)
        for _ in range(self.polls):
            member.consumer.poll(1, self.poll_ms)

    def test_any_history(self) -> None:
        any_history(queue_machine(self), examples=self.examples, steps=self.steps)
