"""`RedisCache` keeps the laws of the cache on a real Redis, and what only Redis can do to it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import redis

import servers
from backbeat_adapters.redis import RedisCache, RedisSettings, RedisTls
from backbeat_core.errors import CacheUnavailable, InvalidInput
from backbeat_core.ports.cache import AddMember, Cache, Count, Increment, Range, Subscription
from backbeat_core.testing.contracts.cache import CacheContract
from backbeat_core.testing.contracts.common import fresh
from servers.certificates import make_certificates

pytestmark = pytest.mark.redis


def settings(address: str, **others: Any) -> RedisSettings:
    host, _, port = address.rpartition(":")
    return RedisSettings(host=host, port=int(port), **others)


class TestRedisCache(CacheContract):
    ttl_ms = 300
    poll_ms = 100
    polls = 10
    bounded_s = 5.0
    examples = 25

    @pytest.fixture(autouse=True)
    def _connections(self) -> Iterator[None]:
        self.opened: list[Cache] = []
        yield
        for cache in self.opened:
            cache.close()

    def make_cache(self) -> Cache:
        return self._opened(RedisCache(settings(servers.address("redis"))))

    def make_dead_cache(self) -> Cache:
        return self._opened(RedisCache(settings(f"127.0.0.1:{servers.free_port()}")))

    def pass_time(self, ms: int) -> None:
        time.sleep(ms / 1000)

    def _opened(self, cache: Cache) -> Cache:
        self.opened.append(cache)
        return cache


def quick(address: str) -> RedisCache:
    return RedisCache(settings(address, connect_timeout_ms=500, timeout_ms=300))


def test_a_restart_that_forgets_everything_is_survived_without_a_new_cache(tmp_path: Path) -> None:
    with servers.Redis(tmp_path / "redis") as server:
        cache = quick(server.address)
        cache.write([Increment("n", 1)])
        assert cache.acquire("lock", "me", 60_000)
        assert cache.release("lock", "me")
        listener = cache.subscribe(["news"])

        server.kill()
        for call in (lambda: cache.read([Count("n")]), lambda: listener.poll(50)):
            with pytest.raises(CacheUnavailable):
                call()
        server.start()

        assert [0] == list(cache.read([Count("n")]))
        # The script that releases is gone from the server, too.
        assert cache.acquire("lock", "me", 60_000)
        assert cache.release("lock", "me")
        assert await_message(cache, listener) == ("news", "again")


def await_message(cache: Cache, listener: Subscription) -> tuple[str, str] | None:
    """Publish until the listener, whose connection was lost, hears it again (W-26: at most once)."""
    for _ in range(20):
        cache.publish("news", "again")
        with contextlib.suppress(CacheUnavailable):
            if heard := listener.poll(100):
                return heard[0]
    return None


def test_a_write_that_is_not_answered_is_not_sent_again(tmp_path: Path) -> None:
    with servers.Redis(tmp_path / "redis") as server:
        cache = quick(server.address)
        cache.write([Increment("n", 1)])

        server.suspend()
        # It wakes between the end of the first attempt and the end of a second, if there were one.
        alarm = threading.Timer(0.45, server.wake)
        alarm.start()
        with pytest.raises(CacheUnavailable):
            cache.write([Increment("n", 1)])
        alarm.join()

        time.sleep(0.2)
        assert [2] == list(cache.read([Count("n")]))


def test_a_long_question_is_answered_at_one_moment_too() -> None:
    # Redis reads 16 KiB at a time from a client: only a transaction keeps what is longer in one piece.
    cache, one, two, padding = quick(servers.address("redis")), fresh("one"), fresh("two"), "x" * 100
    questions = [Count(one), *(Count(padding) for _ in range(1000)), Count(two)]
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            cache.write([Increment(one, 1), Increment(two, 1)])

    worker = threading.Thread(target=work)
    worker.start()
    answers = [cache.read(questions) for _ in range(50)]
    done.set()
    worker.join()

    assert [answer[0] for answer in answers] == [answer[-1] for answer in answers]
    assert answers[0][0] != answers[-1][0]


def test_a_key_of_another_kind_is_the_callers_fault() -> None:
    cache, key = quick(servers.address("redis")), fresh("key")
    cache.write([Increment(key, 1)])

    with pytest.raises(InvalidInput):
        cache.write([AddMember(key, "m", 1)])
    with pytest.raises(InvalidInput):
        cache.read([Range(key)])


def test_a_score_that_a_double_cannot_keep_is_refused() -> None:
    cache, key = quick(servers.address("redis")), fresh("key")
    cache.write([AddMember(key, "largest", 2**53), AddMember(key, "smallest", -(2**53))])

    with pytest.raises(InvalidInput):
        cache.write([AddMember(key, "larger", 2**53 + 1)])

    assert [(("smallest", -(2**53)), ("largest", 2**53))] == list(cache.read([Range(key)]))


def test_a_member_that_is_no_text_does_not_hide_the_others() -> None:
    cache, key = quick(servers.address("redis")), fresh("bb:crr:failed:site:0")
    with redis.Redis(port=int(servers.address("redis").rpartition(":")[2])) as other:
        other.zadd(key, {b"bucket:\xff:": 1, b"bucket:key:": 2})

    assert [(("bucket:\\xff:", 1), ("bucket:key:", 2))] == list(cache.read([Range(key)]))


def test_a_password_and_a_user_are_asked_for_and_given(tmp_path: Path) -> None:
    options = {"requirepass": "secret", "user": "backbeat on >other ~* &* +@all"}
    with servers.Redis(tmp_path / "redis", options=options) as server:
        known = [
            attrs.evolve(settings(server.address), password="secret"),
            attrs.evolve(settings(server.address), username="backbeat", password="other"),
            RedisSettings.from_url(f"redis://backbeat:other@{server.address}/0"),
        ]
        for n, account in enumerate(known, 1):
            cache = RedisCache(account)
            cache.write([Increment("n", 1)])
            assert [n] == list(cache.read([Count("n")]))
        for stranger in (None, "wrong"):
            with pytest.raises(CacheUnavailable):
                RedisCache(attrs.evolve(known[0], password=stranger)).read([Count("n")])


def test_tls_proves_both_ends_to_one_another(tmp_path: Path) -> None:
    made = make_certificates(tmp_path)
    options = {
        "tls-port": (port := servers.free_port()),
        "tls-cert-file": made.server,
        "tls-key-file": made.server_key,
        "tls-ca-cert-file": made.ca,
    }
    with servers.Redis(tmp_path / "redis", options=options):
        known = RedisTls(ca=str(made.ca), certificate=str(made.client), key=str(made.client_key))
        plain = settings(f"127.0.0.1:{port}")
        cache = RedisCache(attrs.evolve(plain, tls=known))
        await_answer(cache)

        for stranger in (RedisTls(ca=str(made.ca)), attrs.evolve(known, ca=None), None):
            with pytest.raises(CacheUnavailable):
                RedisCache(attrs.evolve(plain, tls=stranger)).read([Count("n")])
        unverified = attrs.evolve(known, ca=None, verify=False)
        assert [0] == list(RedisCache(attrs.evolve(plain, tls=unverified)).read([Count("n")]))


def await_answer(cache: Cache) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            cache.read([Count("n")])
            return
        except CacheUnavailable:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_sentinels_say_where_the_master_is(tmp_path: Path) -> None:
    with (
        servers.Redis(tmp_path / "redis") as master,
        servers.Sentinel(tmp_path / "sentinel", master.address, master_name="backbeat") as sentinel,
    ):
        host, _, port = sentinel.address.rpartition(":")
        dead = ("127.0.0.1", servers.free_port())
        cache = RedisCache(RedisSettings(host="nowhere.invalid", sentinels=(dead, (host, int(port)))))

        cache.write([Increment("n", 1)])

        assert [1] == list(quick(master.address).read([Count("n")]))
        unknown = RedisSettings(sentinels=((host, int(port)),), master_name="unknown")
        with pytest.raises(CacheUnavailable):
            RedisCache(unknown).read([Count("n")])


def test_an_address_is_read() -> None:
    assert RedisSettings.from_url("redis://:p%40ss@cache.example.net:6380/3") == RedisSettings(
        host="cache.example.net", port=6380, db=3, password="p@ss"
    )
    assert RedisSettings.from_url("rediss://cache.example.net").tls == RedisTls()
    for wrong in ("http://example.net", "unix:///tmp/redis.sock"):
        with pytest.raises(InvalidInput):
            RedisSettings.from_url(wrong)


def test_settings_do_not_show_their_secrets() -> None:
    shown = repr(RedisSettings(password="secret-1", sentinel_password="secret-2"))

    assert "secret" not in shown.replace("sentinel_password", "")


def test_a_counter_that_somebody_else_has_made_something_else_counts_nothing() -> None:
    """http-api 4.4: one bad key does not take the answer about all the others with it."""
    address = servers.address("redis")
    host, _, port = address.rpartition(":")
    names = [fresh(kind) for kind in ("text", "set", "empty", "number")]
    client = redis.Redis(host, int(port))
    client.set(names[0], "many")
    client.zadd(names[1], {"member": 1})
    client.set(names[2], "")
    client.set(names[3], "-7")
    cache = quick(address)

    assert [0, 0, 0, -7] == cache.read([Count(name) for name in names])
