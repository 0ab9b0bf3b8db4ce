"""Bugs to plant in the model of the cache, by the law that must see them."""

from __future__ import annotations

import time

import attrs

from adapters.planted.changes import returning, silent
from backbeat_core.errors import InvalidInput
from backbeat_core.testing.memory import cache

CACHE = cache.MemoryCache


def _expiry_once(original):
    return lambda self, key, content, ttl, old: original(self, key, content, None if old else ttl, old)


def _expiry_lost(original):
    return lambda self, key, content, ttl, old: original(self, key, content, ttl, None)


def _one_by_one(original):
    def write(self, writes):
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


BUGS = {
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
