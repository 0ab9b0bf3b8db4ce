"""From settings to engines: each client is imported when it is asked for, and missed in one line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from backbeat_adapters.settings import Settings
from backbeat_core.errors import InvalidConfiguration

if TYPE_CHECKING:
    from backbeat_adapters.kafka import KafkaQueue, KafkaTls
    from backbeat_adapters.mongodb import MongoStore
    from backbeat_adapters.redis import RedisCache
    from backbeat_adapters.zookeeper import ZooKeeperCoordinator


@contextlib.contextmanager
def extra(name: str, *packages: str) -> Iterator[None]:
    """Turn a client that is not installed into InvalidConfiguration that says how it is."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in packages:
            raise
        raise InvalidConfiguration(f"{error.name} is not installed: pip install 'backbeat[{name}]'") from error


def open_queue(settings: Settings) -> KafkaQueue:
    """Return the queue on Kafka; nothing is connected yet."""
    with extra("kafka", "confluent_kafka"):
        from backbeat_adapters.kafka import KafkaQueue, KafkaSasl, KafkaSettings
    kafka = settings.document["kafka"]
    sasl = kafka.get("sasl")
    return KafkaQueue(
        KafkaSettings(
            hosts=kafka["hosts"],
            topic_prefix=settings.topic_prefix,
            site=kafka.get("site"),
            tls=_kafka_tls(settings),
            sasl=KafkaSasl(sasl["username"], sasl["password"], sasl["mechanism"]) if sasl else None,
            max_request_size=kafka["maxRequestSize"],
            assignment=kafka["assignment"],
        )
    )


def _kafka_tls(settings: Settings) -> KafkaTls | None:
    from backbeat_adapters.kafka import KafkaTls

    tls = settings.get("kafka.tls")
    if tls is None:
        return None
    ca, certificate, key = _files(settings, tls)
    return KafkaTls(ca, certificate, key, tls.get("keyPassword"), tls["verify"])


def open_store(settings: Settings) -> MongoStore:
    """Return the store on MongoDB. Raises InvalidConfiguration where nothing says where it is."""
    with extra("mongodb", "pymongo", "bson"):
        from backbeat_adapters.mongodb import MongoSettings, MongoStore, MongoTls
    mongo = settings.require("queuePopulator.mongo", "the metadata of objects, which are in MongoDB")
    account = mongo.get("authCredentials") or {}
    concern = mongo["writeConcern"]
    tls = mongo.get("tls")
    if tls is not None:
        ca, certificate, _ = _files(settings, tls)
    return MongoStore(
        MongoSettings(
            hosts=mongo["replicaSetHosts"],
            replica_set=None if mongo["shardCollections"] else mongo.get("replicaSet", "rs0"),
            database=mongo["database"],
            username=account.get("username"),
            password=account.get("password"),
            tls=None if tls is None else MongoTls(ca, certificate, tls.get("keyPassword"), tls["verify"]),
            write_concern=int(concern) if concern.isdigit() else concern,
            read_preference=mongo["readPreference"],
        )
    )


def open_cache(settings: Settings) -> RedisCache:
    """Return the cache on Redis; nothing is connected yet."""
    with extra("redis", "redis", "hiredis"):
        from backbeat_adapters.redis import RedisCache, RedisSettings, RedisTls
    redis = settings.document["redis"]
    tls = redis.get("tls")
    return RedisCache(
        RedisSettings(
            host=redis.get("host", "127.0.0.1"),
            port=redis.get("port", 6379),
            username=redis.get("username"),
            password=redis["password"] or None,
            tls=None if tls is None else RedisTls(*_files(settings, tls), verify=tls["verify"]),
            sentinels=tuple((each["host"], each["port"]) for each in redis.get("sentinels", ())),
            master_name=redis["name"],
            sentinel_password=redis["sentinelPassword"] or None,
        )
    )


def open_coordinator(settings: Settings) -> ZooKeeperCoordinator:
    """Return the coordinator on ZooKeeper; its session begins with the first call."""
    with extra("zookeeper", "kazoo"):
        from backbeat_adapters.zookeeper import ZooKeeperCoordinator, ZooKeeperSettings, ZooKeeperTls
    zookeeper = settings.document["zookeeper"]
    tls, account = zookeeper.get("tls"), zookeeper.get("auth")
    return ZooKeeperCoordinator(
        ZooKeeperSettings(
            hosts=zookeeper["connectionString"],
            create_namespace=zookeeper["autoCreateNamespace"],
            tls=None
            if tls is None
            else ZooKeeperTls(*_files(settings, tls), tls.get("keyPassword"), verify=tls["verify"]),
            auth=((account["scheme"], account["credential"]),) if account else (),
            private=account is not None,
        )
    )


def _files(settings: Settings, tls: Any) -> tuple[str | None, str | None, str | None]:
    ca, certificate, key = (settings.path(tls.get(name)) for name in ("ca", "cert", "key"))
    return ca, certificate, key
