"""Any history of one group on one topic, beside a plain dict of lists."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from backbeat_core.ports.queue import Consumer, Listener, Message, Published, Queue
from backbeat_core.testing.contracts.common import fresh


class Maker(Protocol):
    """What the machine needs of its contract."""

    poll_ms: int
    polls: int

    def make_queue(self) -> Queue: ...


@attrs.define
class _Owned(Listener):
    offsets: dict[int, int] = attrs.field(factory=dict)

    def assigned(self, offsets: Mapping[int, int]) -> None:
        self.offsets.update(offsets)

    def revoked(self, partitions: Collection[int]) -> None:
        for partition in partitions:
            del self.offsets[partition]

    def lost(self, partitions: Collection[int]) -> None:
        raise AssertionError("the only member of a group that polls loses nothing")


def queue_machine(maker: Maker) -> type[RuleBasedStateMachine]:
    """Return the machine for the queues that *maker* makes."""

    class QueueMachine(RuleBasedStateMachine):
        queue: Queue
        consumer: Consumer

        def __init__(self) -> None:
            super().__init__()
            self.queue, self.topic = maker.make_queue(), fresh("topic")
            self.log: dict[int, list[tuple[bytes | None, bytes]]] = {}
            self.committed: dict[int, int] = {}
            self.paused: set[int] = set()
            self._subscribe()

        def _subscribe(self) -> None:
            self.owned = _Owned()
            self.consumer = self.queue.subscribe(self.topic, self.topic, self.owned)
            self.paused.clear()

        @rule(
            keys=st.lists(st.sampled_from([None, b"", b"a", b"b", b"c"]), max_size=5),
            value=st.binary(max_size=3),
        )
        def publish(self, keys: list[bytes | None], value: bytes) -> None:
            results = self.queue.publish(self.topic, [Message(value, key) for key in keys])
            assert len(keys) == len(results)
            for key, result in zip(keys, results, strict=True):
                assert isinstance(result, Published)
                here = self.log.setdefault(result.partition, [])
                assert len(here) == result.offset
                here.append((key, value))

        @rule(limit=st.integers(0, 6))
        def poll(self, limit: int) -> None:
            # What stands in `offsets` is the next record that each owned partition owes us.
            records = self.consumer.poll(limit, maker.poll_ms)
            assert len(records) <= limit
            for record in records:
                assert record.partition not in self.paused
                assert record.offset == self.owned.offsets[record.partition]
                assert (record.key, record.value) == self.log[record.partition][record.offset]
                self.owned.offsets[record.partition] += 1

        @rule()
        def read_all(self) -> None:
            for _ in range(maker.polls + sum(map(len, self.log.values()))):
                self.poll(6)
                if not self._owed() and self.owned.offsets:
                    break
            assert self._owed() == {}

        def _owed(self) -> dict[int, int]:
            return {
                n: len(here)
                for n, here in self.log.items()
                if n not in self.paused and self.owned.offsets.get(n, 0) < len(here)
            }

        @precondition(lambda self: self.owned.offsets)
        @rule(data=st.data())
        def commit(self, data: st.DataObject) -> None:
            partition = data.draw(st.sampled_from(sorted(self.owned.offsets)))
            offset = data.draw(st.integers(0, self.owned.offsets[partition]))
            self.consumer.commit({partition: offset})
            self.committed[partition] = offset
            assert offset == self.queue.committed(self.topic, self.topic)[partition]

        @precondition(lambda self: self.owned.offsets)
        @rule(data=st.data())
        def pause(self, data: st.DataObject) -> None:
            partition = data.draw(st.sampled_from(sorted(self.owned.offsets)))
            self.consumer.pause([partition])
            self.paused.add(partition)

        @rule()
        def resume(self) -> None:
            self.consumer.resume(list(self.paused))
            self.paused.clear()

        @rule(whole=st.booleans())
        def restart(self, whole: bool) -> None:
            self.consumer.close()
            assert self.owned.offsets == {}
            if whole:
                self.queue.close()
                self.queue = maker.make_queue()
            self._subscribe()
            for _ in range(maker.polls):
                self.consumer.poll(0, maker.poll_ms)
                if self.owned.offsets:
                    break
            for partition, offset in self.owned.offsets.items():
                assert self.committed.get(partition, 0) == offset

        @rule()
        def watermarks(self) -> None:
            found = {n: (w.low, w.high) for n, w in self.queue.watermarks(self.topic).items() if w.high}
            assert {n: (0, len(here)) for n, here in self.log.items()} == found

        def teardown(self) -> None:
            self.consumer.close()
            self.queue.close()

    return QueueMachine
