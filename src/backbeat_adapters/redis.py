"""`RedisCache`: the Cache port on Redis, one round trip a call."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from backbeat_core.errors import CacheUnavailable, InvalidInput
from backbeat_core.ports.cache import (
    AddMember,
    Answer,
    Cache,
    Count,
    Increment,
    Question,
    Range,
    RemoveMember,
    Score,
    SetCounter,
    Size,
    Subscription,
    Write,
)

# Scores are IEEE doubles: beyond this, neighbouring integers become one.
_LARGEST_SCORE: Final = 2**53

# Errors that Redis answers, and takes back later: it is loading, a replica, full or failing over.
_PASSING: Final = ("LOADING", "READONLY", "MASTERDOWN", "OOM", "NOREPLICAS", "CLUSTERDOWN", "TRYAGAIN", "BUSY")

# Give a lock back in one step: its time may end between a question and an answer (queue-and-wire 3.3).
_RELEASE: Final = """
if redis.call('get', KEYS[1]) == ARGV[1] then
    return redis.call('del', KEYS[1])
end
return 0
"""


@attrs.frozen
class RedisTls:
    """TLS towards Redis. *certificate* and *key* are given together, for servers that ask for one; all paths."""

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    verify: bool = True


@attrs.frozen
class RedisSettings:
    """
    How to reach Redis.

    With *sentinels* (host and port each) they are asked who the master of *master_name* is, and *host* and
    *port* are not used. Without a *username* the password is that of the default user.
    """

    host: str = "127.0.0.1"
    port: int = 6379
    db: int = 0
    username: str | None = None
    password: str | None = attrs.field(default=None, repr=False)
    tls: RedisTls | None = None
    sentinels: tuple[tuple[str, int], ...] = ()
    master_name: str = "backbeat"
    sentinel_password: str | None = attrs.field(default=None, repr=False)
    connect_timeout_ms: int = 3_000
    timeout_ms: int = 5_000

    @classmethod
    def from_url(cls, url: str) -> RedisSettings:
        """Read `redis://[user:password@]host:port/db`, or `rediss://` for TLS. Raises InvalidInput."""
        try:
            found = redis.connection.parse_url(url)
        except ValueError as error:
            raise InvalidInput(f"not the address of a Redis: {error}") from error
        if "path" in found:
            raise InvalidInput("sockets in the file system are not supported: give a host and a port")
        tls = RedisTls() if url.startswith("rediss:") else None
        known = {k: found[k] for k in ("host", "port", "db", "username", "password") if k in found}
        return cls(tls=tls, **known)


class RedisCache(Cache):
    """
    A cache on one Redis, or on the master that sentinels name.

    Nothing is sent twice: a write whose answer was lost may have been done, and the caller is told.
    """

    def __init__(self, settings: RedisSettings) -> None:
        self._client = _connect(settings)
        self._timeout_ms = settings.timeout_ms
        self._release = self._client.register_script(_RELEASE)

    def write(self, writes: Sequence[Write]) -> None:
        with _border(), self._client.pipeline(transaction=True) as pipeline:
            for write in writes:
                _WRITES[type(write)](pipeline, write)
            pipeline.execute()

    def read(self, questions: Sequence[Question]) -> Sequence[Answer]:
        # A day of metrics is hundreds of counters for each location: one MGET for all of them (B33).
        counters = [question.key for question in questions if isinstance(question, Count)]
        others = [question for question in questions if not isinstance(question, Count)]
        # Within a transaction too: a reader must not see one half of another's `write`.
        with _border(), self._client.pipeline(transaction=bool(counters) + len(others) > 1) as pipeline:
            if counters:
                pipeline.mget(counters)
            for question in others:
                _QUESTIONS[type(question)](pipeline, question)
            answers = iter(pipeline.execute())
            numbers = iter(next(answers) if counters else ())
            return [
                _number(next(numbers)) if isinstance(question, Count) else _ANSWERS[type(question)](next(answers))
                for question in questions
            ]

    def acquire(self, key: str, owner: str, ttl_ms: int) -> bool:
        with _border():
            return self._client.set(key, owner, nx=True, px=ttl_ms) is not None

    def release(self, key: str, owner: str) -> bool:
        with _border():
            return bool(self._release(keys=[key], args=[owner]))

    def publish(self, channel: str, message: str) -> None:
        with _border():
            self._client.publish(channel, message)

    def subscribe(self, channels: Collection[str]) -> Subscription:
        with _border():
            return _RedisSubscription(self._client.pubsub(), channels, self._timeout_ms)

    def close(self) -> None:
        self._client.close()


class _RedisSubscription(Subscription):
    """
    A connection of its own. When it was lost the next poll says so, and the one after subscribes again:
    what was published in between is not received (W-26).
    """

    def __init__(self, pubsub: Any, channels: Collection[str], timeout_ms: int) -> None:
        self._pubsub = pubsub
        self._arrived: list[tuple[str, str]] = []
        awaited = set(channels)
        try:
            pubsub.subscribe(*awaited)
            deadline = time.monotonic() + timeout_ms / 1000
            # What is published from now on must arrive, so the server must have confirmed each channel.
            while awaited:
                if time.monotonic() > deadline:
                    raise CacheUnavailable("no answer to a subscription")
                reply = pubsub.get_message(timeout=0.1)
                if reply is not None and reply["type"] == "subscribe":
                    awaited.discard(_text(reply["channel"]))
                else:
                    self._take(reply)
        except BaseException:
            pubsub.close()
            raise

    def poll(self, timeout_ms: int = 0) -> Sequence[tuple[str, str]]:
        with _border():
            deadline = time.monotonic() + timeout_ms / 1000
            while (reply := self._pubsub.get_message(timeout=self._patience(deadline))) is not None or (
                not self._arrived and time.monotonic() < deadline
            ):
                self._take(reply)
        arrived, self._arrived = self._arrived, []
        return arrived

    def close(self) -> None:
        self._pubsub.close()

    def _patience(self, deadline: float) -> float:
        return 0.0 if self._arrived else max(0.0, deadline - time.monotonic())

    def _take(self, reply: Mapping[str, Any] | None) -> None:
        if reply is not None and reply["type"] == "message":
            self._arrived.append((_text(reply["channel"]), _text(reply["data"])))


def _increment(pipeline: Any, write: Increment) -> None:
    pipeline.incrby(write.key, write.by)
    _expire(pipeline, write)


def _set_counter(pipeline: Any, write: SetCounter) -> None:
    pipeline.set(write.key, write.value, keepttl=True)
    _expire(pipeline, write)


def _add_member(pipeline: Any, write: AddMember) -> None:
    if abs(write.score) > _LARGEST_SCORE:
        raise InvalidInput(f"a score of {write.score} is not kept exactly")
    pipeline.zadd(write.key, {write.member: write.score})
    _expire(pipeline, write)


def _remove_member(pipeline: Any, write: RemoveMember) -> None:
    pipeline.zrem(write.key, write.member)


def _expire(pipeline: Any, write: Increment | SetCounter | AddMember) -> None:
    if write.ttl_ms is not None:
        pipeline.pexpire(write.key, write.ttl_ms)


def _range(pipeline: Any, question: Range) -> None:
    low = "-inf" if question.low is None else question.low
    high = "+inf" if question.high is None else question.high
    options: dict[str, Any] = {"withscores": True, "score_cast_func": _integer}
    if question.limit is not None:
        # A negative number would mean all of them to Redis.
        options |= {"start": 0, "num": max(question.limit, 0)}
    if question.descending:
        pipeline.zrevrangebyscore(question.key, high, low, **options)
    else:
        pipeline.zrangebyscore(question.key, low, high, **options)


_WRITES: Final[Mapping[type, Callable[[Any, Any], None]]] = {
    Increment: _increment,
    SetCounter: _set_counter,
    AddMember: _add_member,
    RemoveMember: _remove_member,
}

_QUESTIONS: Final[Mapping[type, Callable[[Any, Any], None]]] = {
    Size: lambda pipeline, question: pipeline.zcard(question.key),
    Score: lambda pipeline, question: pipeline.zscore(question.key, question.member),
    Range: _range,
}

_ANSWERS: Final[Mapping[type, Callable[[Any], Answer]]] = {
    Size: int,
    Score: lambda answer: None if answer is None else int(answer),
    Range: lambda answer: tuple((_text(member), score) for member, score in answer),
}


def _number(text: bytes | None) -> int:
    # What others have put there and is no number counts as nothing (http-api 4.4).
    try:
        return int(text or 0)
    except ValueError:
        return 0


def _integer(score: bytes) -> int:
    return int(float(score))


def _text(data: bytes) -> str:
    # Others write here too: one member that is not UTF-8 must not make a whole listing unreadable.
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "backslashreplace")


def _connect(settings: RedisSettings) -> redis.Redis:
    options: dict[str, Any] = {
        "socket_connect_timeout": settings.connect_timeout_ms / 1000,
        "socket_timeout": settings.timeout_ms / 1000,
        # No second attempt: an increment that was done and not answered would be done twice.
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "encoding_errors": "surrogatepass",
    }
    if settings.tls is not None:
        options |= {
            "ssl": True,
            "ssl_ca_certs": settings.tls.ca,
            "ssl_certfile": settings.tls.certificate,
            "ssl_keyfile": settings.tls.key,
            "ssl_cert_reqs": "required" if settings.tls.verify else "none",
            "ssl_check_hostname": settings.tls.verify,
        }
    account: dict[str, Any] = {"db": settings.db, "username": settings.username, "password": settings.password}
    if settings.sentinels:
        watch = Sentinel(settings.sentinels, sentinel_kwargs={**options, "password": settings.sentinel_password})
        master: redis.Redis = watch.master_for(settings.master_name, **options, **account)
        return master
    return redis.Redis(host=settings.host, port=settings.port, **options, **account)


@contextlib.contextmanager
def _border() -> Iterator[None]:
    """Translate what redis-py raises."""
    try:
        yield
    except redis.ResponseError as error:
        if str(error).startswith(_PASSING):
            raise CacheUnavailable(str(error)) from error
        raise InvalidInput(f"Redis refuses: {error}") from error
    except (redis.RedisError, OSError) as error:
        raise CacheUnavailable(f"Redis: {error}") from error
