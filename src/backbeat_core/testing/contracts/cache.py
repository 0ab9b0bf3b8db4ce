"""The laws of `backbeat_core.ports.cache` as tests that any adapter can inherit."""

from __future__ import annotations

import abc
import threading
from collections.abc import Sequence

import pytest

from backbeat_core.errors import CacheUnavailable
from backbeat_core.ports.cache import (
    AddMember,
    Answer,
    Cache,
    Count,
    Increment,
    Range,
    RemoveMember,
    Score,
    SetCounter,
    Size,
    Subscription,
)
from backbeat_core.testing.contracts.cache_machine import cache_machine
from backbeat_core.testing.contracts.common import any_history, fresh, within


class CacheContract(abc.ABC):
    """
    Subclass as ``Test…`` and fill the holes. All caches that one test makes stand for one engine.

    An engine may be shared between tests: every test names its own keys.
    """

    ttl_ms: int = 1000
    """A time to live that `pass_time` can wait for, and that the calls between two of its uses stay under."""
    poll_ms: int = 0
    polls: int = 40
    bounded_s: float = 30.0
    examples: int = 60
    steps: int = 40

    @abc.abstractmethod
    def make_cache(self) -> Cache:
        """Return a cache; it need not be empty, only working."""

    @abc.abstractmethod
    def make_dead_cache(self) -> Cache:
        """Return a cache whose engine cannot be reached."""

    @abc.abstractmethod
    def pass_time(self, ms: int) -> None:
        """Let time pass for the engine: move its clock, or sleep."""

    def ask(self, cache: Cache, question: Count | Size | Score | Range) -> Answer:
        (answer,) = cache.read([question])
        return answer

    def receive(self, subscription: Subscription, count: int) -> list[tuple[str, str]]:
        """Poll until *count* messages are there, then once more: there must be no others."""
        found: list[tuple[str, str]] = []
        for _ in range(self.polls):
            found += subscription.poll(self.poll_ms)
            if len(found) >= count:
                break
        found += subscription.poll(self.poll_ms)
        assert count == len(found)
        return found

    def test_counts_up_and_down(self) -> None:
        cache, key = self.make_cache(), fresh("count")
        cache.write([Increment(key, 2), Increment(key, 40)])
        assert 42 == self.ask(cache, Count(key))

        cache.write([Increment(key, -50)])
        assert -8 == self.ask(cache, Count(key))

        cache.write([SetCounter(key, 2**52), Increment(key, 1)])
        assert 2**52 + 1 == self.ask(cache, Count(key))

    def test_absent_counts_zero(self) -> None:
        cache, key = self.make_cache(), fresh("absent")

        answers = cache.read([Count(key), Size(key), Score(key, "m"), Range(key)])

        assert [0, 0, None, ()] == list(answers)
        cache.write([AddMember(key, "m", 0)])
        assert [0, None] == list(cache.read([Score(key, "m"), Score(key, "other")]))

    def test_write_is_atomic(self) -> None:
        cache, one, two, many = self.make_cache(), fresh("one"), fresh("two"), fresh("many")
        done = threading.Event()

        def work() -> None:
            other = self.make_cache()
            for n in range(300):
                other.write([Increment(one, 1), AddMember(many, str(n), n), Increment(two, 1)])
            done.set()

        worker = threading.Thread(target=work)
        worker.start()
        torn = set()
        while not done.is_set():
            first, size, second = cache.read([Count(one), Size(many), Count(two)])
            if not first == size == second:
                torn.add((first, size, second))
        worker.join()

        assert set() == torn
        assert [300, 300] == list(cache.read([Count(one), Count(two)]))

    def test_read_answers_in_order(self) -> None:
        cache, keys = self.make_cache(), [fresh("key") for _ in range(5)]
        cache.write([SetCounter(key, n) for n, key in enumerate(keys)])

        assert [4, 3, 0, 1, 4] == list(cache.read([Count(keys[n]) for n in (4, 3, 0, 1, 4)]))
        assert [] == list(cache.read([]))
        cache.write([])

    def test_expires(self) -> None:
        cache, count, scored = self.make_cache(), fresh("count"), fresh("scored")
        cache.write([Increment(count, 5, self.ttl_ms), AddMember(scored, "m", 1, self.ttl_ms)])
        self.pass_time(self.ttl_ms // 2)
        assert [5, 1] == list(cache.read([Count(count), Size(scored)]))

        cache.write([Increment(count, 1, self.ttl_ms), AddMember(scored, "n", 1, self.ttl_ms)])
        self.pass_time(self.ttl_ms * 3 // 4)
        assert [6, 2] == list(cache.read([Count(count), Size(scored)])), "a write re-arms the expiry"

        self.pass_time(self.ttl_ms)
        answers = cache.read([Count(count), Size(scored), Score(scored, "m"), Range(scored)])
        assert [0, 0, None, ()] == list(answers)
        cache.write([Increment(count, 1), AddMember(scored, "o", 1)])
        self.pass_time(self.ttl_ms)
        assert [1, 1] == list(cache.read([Count(count), Size(scored)])), "what is new has no expiry of old"

    def test_without_expiry_stays(self) -> None:
        cache, count, scored, other = self.make_cache(), fresh("count"), fresh("scored"), fresh("other")
        cache.write([Increment(count, 1, self.ttl_ms), AddMember(scored, "m", 1, self.ttl_ms)])
        cache.write([Increment(count, 1), AddMember(scored, "n", 1), RemoveMember(scored, "m")])
        cache.write([SetCounter(other, 1, self.ttl_ms), SetCounter(other, 2)])
        assert [2, 1, 2] == list(cache.read([Count(count), Size(scored), Count(other)]))

        self.pass_time(self.ttl_ms + 1)

        assert [0, 0, 0] == list(cache.read([Count(count), Size(scored), Count(other)]))

    def _scored(self, cache: Cache) -> str:
        key = fresh("scored")
        scores = {"b": 1, "a": 1, "é": 1, "Z": 1, "\uffff": 1, "\U00010000": 1, "low": -7, "high": 2**52}
        cache.write([AddMember(key, member, score) for member, score in scores.items()])
        return key

    def test_scores_sort(self) -> None:
        cache = self.make_cache()
        key = self._scored(cache)
        ones = tuple((member, 1) for member in ("Z", "a", "b", "é", "\uffff", "\U00010000"))

        assert (("low", -7), *ones, ("high", 2**52)) == self.ask(cache, Range(key))
        assert ones == self.ask(cache, Range(key, 1, 1))
        assert (("low", -7), *ones) == self.ask(cache, Range(key, -7, 1))
        assert (*ones, ("high", 2**52)) == self.ask(cache, Range(key, 1, 2**52))
        assert () == self.ask(cache, Range(key, 2, 2**52 - 1))

    def test_newest_first_and_limit(self) -> None:
        cache = self.make_cache()
        key = self._scored(cache)
        falling = ("high", "\U00010000", "\uffff", "é", "b", "a", "Z", "low")

        def members(question: Range) -> tuple[str, ...]:
            answer = self.ask(cache, question)
            assert isinstance(answer, tuple)
            return tuple(member for member, _ in answer)

        assert falling == members(Range(key, descending=True))
        assert falling[:3] == members(Range(key, descending=True, limit=3))
        assert falling[1:3] == members(Range(key, high=1, descending=True, limit=2))
        assert falling[::-1][:2] == members(Range(key, limit=2))
        assert () == members(Range(key, limit=0))
        assert falling == members(Range(key, limit=100, descending=True))

    def test_adding_again_moves(self) -> None:
        cache, key = self.make_cache(), fresh("scored")
        cache.write([AddMember(key, "a", 1), AddMember(key, "b", 2)])

        cache.write([AddMember(key, "a", 3)])

        assert (("b", 2), ("a", 3)) == self.ask(cache, Range(key))
        assert [2, 3] == list(cache.read([Size(key), Score(key, "a")]))

    def test_removing_is_idempotent(self) -> None:
        cache, key = self.make_cache(), fresh("scored")
        cache.write([RemoveMember(key, "a")])
        cache.write([AddMember(key, "a", 1), AddMember(key, "b", 2)])

        cache.write([RemoveMember(key, "a"), RemoveMember(key, "a"), RemoveMember(key, "never")])

        assert (("b", 2),) == self.ask(cache, Range(key))
        cache.write([RemoveMember(key, "b"), RemoveMember(key, "b")])
        assert 0 == self.ask(cache, Size(key))

    def test_lock_is_exclusive(self) -> None:
        cache, other, key = self.make_cache(), self.make_cache(), fresh("lock")

        assert cache.acquire(key, "me", 60_000) is True
        assert other.acquire(key, "you", 60_000) is False
        assert cache.acquire(fresh("lock"), "you", 60_000) is True
        assert cache.release(key, "me") is True
        assert other.acquire(key, "you", 60_000) is True
        assert cache.acquire(key, "me", 60_000) is False

    def test_lock_is_released_by_owner(self) -> None:
        cache, key = self.make_cache(), fresh("lock")
        assert cache.release(key, "me") is False
        cache.acquire(key, "me", 60_000)

        assert cache.release(key, "you") is False
        assert cache.acquire(key, "you", 60_000) is False
        assert cache.release(key, "me") is True
        assert cache.release(key, "me") is False

    def test_lock_expires(self) -> None:
        cache, key = self.make_cache(), fresh("lock")
        cache.acquire(key, "dead", self.ttl_ms)
        self.pass_time(self.ttl_ms + 1)

        assert cache.release(key, "dead") is False
        assert cache.acquire(key, "heir", 60_000) is True
        assert cache.release(key, "dead") is False
        assert cache.acquire(key, "third", 60_000) is False

    def test_channel_reaches_subscribers(self) -> None:
        cache, one, two, other = self.make_cache(), fresh("one"), fresh("two"), fresh("other")
        both, single = cache.subscribe([one, two]), self.make_cache().subscribe([one])
        sent = [(one, "1"), (two, "2"), (one, '{"ü": "\\n"}'), (one, "4")]
        for channel, message in [*sent, (other, "x")]:
            cache.publish(channel, message)

        assert sent == self.receive(both, 4)
        assert [item for item in sent if item[0] == one] == self.receive(single, 3)
        for subscription in (both, single, single):
            subscription.close()

    def test_channel_forgets(self) -> None:
        cache, channel = self.make_cache(), fresh("channel")
        cache.publish(channel, "before")

        subscription = cache.subscribe([channel])
        assert [] == list(subscription.poll(self.poll_ms))
        cache.publish(channel, "after")

        assert [(channel, "after")] == self.receive(subscription, 1)
        subscription.close()

    def test_dead_endpoint_is_unavailable(self) -> None:
        cache = self.make_dead_cache()

        for ask in (
            lambda: cache.write([Increment("k", 1)]),
            lambda: cache.read([Count("k")]),
            lambda: cache.acquire("k", "me", 1000),
            lambda: cache.release("k", "me"),
            lambda: cache.publish("c", "m"),
            lambda: self._subscribed(cache),
        ):
            with within(self.bounded_s), pytest.raises(CacheUnavailable):
                ask()

    def _subscribed(self, cache: Cache) -> Sequence[tuple[str, str]]:
        return cache.subscribe(["c"]).poll(self.poll_ms)

    def test_any_history(self) -> None:
        any_history(cache_machine(self), examples=self.examples, steps=self.steps)
