"""How Kafka is reached: settings, what librdkafka is told of them, and what its errors mean to us."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, Final, Literal

import attrs
from confluent_kafka import KafkaError, KafkaException

from backbeat_core.errors import BackbeatError, Conflict, Fenced, InvalidInput, QueueUnavailable

LOG: Final = logging.getLogger("backbeat.kafka")

# The group has gone on without this member.
_FENCED: Final = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError._ASSIGNMENT_LOST,
    KafkaError._FENCED,
}

_REFUSED: Final = {
    KafkaError.TOPIC_EXCEPTION,
    KafkaError.INVALID_PARTITIONS,
    KafkaError.INVALID_REPLICATION_FACTOR,
    KafkaError.INVALID_CONFIG,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError._INVALID_ARG,
}


@attrs.frozen
class KafkaTls:
    """TLS towards the brokers. *certificate* and *key* are given together; all are paths of PEM files."""

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    key_password: str | None = attrs.field(default=None, repr=False)
    verify: bool = True


@attrs.frozen
class KafkaSasl:
    """Who we are: *mechanism* is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."""

    username: str
    password: str = attrs.field(repr=False)
    mechanism: str = "SCRAM-SHA-512"


@attrs.frozen
class KafkaTopic:
    """
    How a topic is made when it is not there, and by which hash its keys are spread (1.4).

    -1 leaves a number to the brokers.
    """

    partitions: int = 10
    replication: int = -1
    partitioner: Literal["crc32", "murmur2"] = "crc32"
    options: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class KafkaSettings:
    """
    How to reach Kafka and how to behave there. Names, defaults and meanings follow queue-and-wire 1.3 to 1.6.

    *topics* says what is special about single topics, *new_topic* what holds for the others.
    *assignment* must be `eager` as long as members of older programs are in the same groups.
    *extra* goes to librdkafka as it is, over everything else.
    """

    hosts: str = "127.0.0.1:9092"
    topic_prefix: str = ""
    client_id: str = "backbeat"
    site: str | None = None
    tls: KafkaTls | None = None
    sasl: KafkaSasl | None = None
    new_topic: KafkaTopic = KafkaTopic()
    topics: Mapping[str, KafkaTopic] = attrs.field(factory=dict)
    max_request_size: int = 5_000_020
    compression: str = "zstd"
    publish_timeout_ms: int = 30_000
    request_timeout_ms: int = 5_000
    assignment: Literal["cooperative", "eager"] = "cooperative"
    session_timeout_ms: int = 45_000
    heartbeat_interval_ms: int = 3_000
    max_poll_interval_ms: int = 300_000
    fetch_max_bytes: int | None = None
    fetch_batch: int = 500
    prefetch_messages: int = 4_000
    prefetch_kib: int = 16 * 1024
    extra: Mapping[str, Any] = attrs.field(factory=dict)

    def qualified(self, topic: str) -> str:
        """Return the name that *topic* has at the brokers (W-20)."""
        return f"{self.topic_prefix}{topic}"

    def topic(self, name: str) -> KafkaTopic:
        """Return what holds for one topic."""
        return self.topics.get(name, self.new_topic)


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """Return what all clients are told."""
    options: dict[str, Any] = {
        "bootstrap.servers": settings.hosts,
        "client.id": settings.client_id,
        "client.rack": settings.site,
        "topic.metadata.refresh.interval.ms": 5_000,
        "socket.timeout.ms": max(settings.request_timeout_ms, 1_000),
        "socket.connection.setup.timeout.ms": max(settings.request_timeout_ms, 1_000),
        # Whoever waits here waits for a broker that is coming back.
        "reconnect.backoff.max.ms": 1_000,
        "security.protocol": _protocol(settings),
    }
    if settings.tls is not None:
        options |= {
            "ssl.ca.location": settings.tls.ca,
            "ssl.certificate.location": settings.tls.certificate,
            "ssl.key.location": settings.tls.key,
            "ssl.key.password": settings.tls.key_password,
            "enable.ssl.certificate.verification": settings.tls.verify,
            "ssl.endpoint.identification.algorithm": "https" if settings.tls.verify else "none",
        }
    if settings.sasl is not None:
        options |= {
            "sasl.mechanism": settings.sasl.mechanism,
            "sasl.username": settings.sasl.username,
            "sasl.password": settings.sasl.password,
        }
    return {name: value for name, value in options.items() if value is not None}


def _protocol(settings: KafkaSettings) -> str:
    layers = ("SASL" if settings.sasl else "", "SSL" if settings.tls else "PLAINTEXT")
    return "_".join(filter(None, layers))


def meaning(error: KafkaError, about: str = "") -> BackbeatError:
    """Return what an error of the client is to us."""
    text = f"Kafka{f', {about}' if about else ''}: {error.str()}"
    if error.code() in _FENCED:
        return Fenced(about)
    if error.code() in _REFUSED:
        return InvalidInput(text)
    if error.code() in (KafkaError.NON_EMPTY_GROUP, KafkaError.GROUP_SUBSCRIBED_TO_TOPIC):
        return Conflict(about)
    return QueueUnavailable(text)


@contextlib.contextmanager
def border(about: str = "") -> Iterator[None]:
    """Translate what confluent-kafka raises."""
    try:
        yield
    except KafkaException as error:
        reason = error.args[0] if error.args else None
        raise (
            meaning(reason, about) if isinstance(reason, KafkaError) else QueueUnavailable(f"Kafka: {error}")
        ) from error
    except (FutureTimeoutError, BufferError, OSError) as error:
        raise QueueUnavailable(f"Kafka, {about}: {error!r}") from error
    except RuntimeError as error:
        # A client that was closed.
        raise QueueUnavailable(f"Kafka, {about}: {error}") from error
