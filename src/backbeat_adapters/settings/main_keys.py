"""The keys of the file outside `extensions` (queue-and-wire 4.2 and 4.3), and what must hold between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from backbeat_adapters.settings.schema import (
    ABOVE_ZERO,
    ABSENT,
    CRON,
    ENSEMBLE,
    FLAG,
    HOSTS,
    INTEGER,
    LIST,
    NODE,
    NOT_EMPTY,
    NUMBER,
    PORT,
    REQUIRED,
    SECTION,
    SENTINELS,
    SEVEN,
    TEXT,
    TOPIC,
    Key,
    Rule,
    at_least,
    one_of,
    within,
)
from backbeat_adapters.settings.shapes import (
    NOT_SIGNED,
    TRANSPORT,
    auth,
    auth_rule,
    breaker,
    host_port,
    mongo,
    mongo_rule,
    probe,
    tls,
)

_LEVELS: Final = one_of("error", "warn", "info", "debug", "trace")
_NO_BACKLOG: Final = "backlogs are asked for at the brokers when they are wanted, not published"
_NO_CACHE: Final = "the reference does not use it either"
_NO_OTHER_SOURCE: Final = "only the log sources mongo is read"


def _certificates(path: str, about: str) -> tuple[Key, ...]:
    return (
        Key(path, SECTION, ABSENT, about, unused="the source is asked over http, and targets are directories"),
        *(Key(f"{path}.{name}", TEXT, ABSENT) for name in ("key", "cert", "ca")),
    )


def _read_from(path: str) -> tuple[Key, ...]:
    return (
        Key(path, SECTION, ABSENT, "Another topic for one extension"),
        *(Key(f"{path}.{name}", TEXT, ABSENT) for name in ("topic", "consumerGroupId", "logName")),
    )


ENGINES: Final = (
    Key("replicationGroupId", TEXT, REQUIRED, "Goes into the version ids that are made here", SEVEN),
    Key("zookeeper", SECTION, REQUIRED, "Where states, positions and leases are"),
    Key(
        "zookeeper.connectionString",
        TEXT,
        REQUIRED,
        "All paths are below the chroot",
        ENSEMBLE,
    ),
    Key("zookeeper.autoCreateNamespace", FLAG, False, "Make the chroot at start if it is not there"),
    Key("zookeeper.auth", SECTION, ABSENT, "Who we are; the nodes we make are ours only", ours=True),
    Key("zookeeper.auth.scheme", TEXT, "digest", "", ours=True),
    Key("zookeeper.auth.credential", TEXT, REQUIRED, "`user:password`", NOT_EMPTY, secret=True, ours=True),
    *tls("zookeeper"),
    Key("kafka", SECTION, REQUIRED, "Where work is queued"),
    Key("kafka.hosts", TEXT, REQUIRED, "Some of the brokers", HOSTS),
    Key("kafka.backlogMetrics", SECTION, {}, "Publication of backlogs", unused=_NO_BACKLOG),
    Key("kafka.backlogMetrics.zkPath", TEXT, "/backbeat/run/kafka-backlog-metrics", "", NODE),
    Key("kafka.backlogMetrics.intervalS", NUMBER, 60, "Seconds", ABOVE_ZERO),
    Key("kafka.maxRequestSize", INTEGER, 5_000_020, "Bytes of one message at most", ABOVE_ZERO),
    Key("kafka.site", TEXT, ABSENT, "The rack we are in: the nearest replica is read"),
    Key(
        "kafka.minInSyncReplicas",
        INTEGER,
        3,
        "Fewer are an error in `healthcheck`",
        at_least(1),
        ours=True,
    ),
    Key(
        "kafka.assignment",
        TEXT,
        "cooperative",
        "`eager` as long as older programs are in the same groups",
        one_of("cooperative", "eager"),
        ours=True,
    ),
    Key("kafka.sasl", SECTION, ABSENT, "Who we are", ours=True),
    Key(
        "kafka.sasl.mechanism",
        TEXT,
        "SCRAM-SHA-512",
        "",
        one_of("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
        ours=True,
    ),
    Key("kafka.sasl.username", TEXT, REQUIRED, "", NOT_EMPTY, ours=True),
    Key("kafka.sasl.password", TEXT, REQUIRED, secret=True, ours=True),
    *tls("kafka"),
    Key("redis", SECTION, {"host": "127.0.0.1", "port": 6379}, "Where counters and failures are"),
    Key("redis.host", TEXT, ABSENT, "Required without sentinels, forbidden with them", NOT_EMPTY),
    Key("redis.port", INTEGER, ABSENT, "As the host", PORT),
    Key("redis.name", TEXT, "backbeat", "What the sentinels call the master"),
    Key("redis.password", TEXT, "", secret=True),
    Key("redis.username", TEXT, ABSENT, "Without, the default user", ours=True),
    Key("redis.sentinels", SENTINELS, ABSENT, "Who knows the master"),
    *host_port("redis.sentinels[]", ""),
    Key("redis.sentinelPassword", TEXT, "", secret=True),
    *tls("redis", without="keyPassword"),
)

SERVER: Final = (
    Key("transport", TEXT, "http", "", TRANSPORT, unused="extensions.replication.source.transport is what counts"),
    *host_port("s3", "CloudServer, where extensions.replication names none", default=REQUIRED),
    *host_port("vaultAdmin", "Vault's administration", unused=NOT_SIGNED),
    Key("log", SECTION, {"logLevel": "info", "dumpLevel": "error"}, "What is logged"),
    Key("log.logLevel", TEXT, ABSENT, "`info` where `log` is absent", _LEVELS),
    Key(
        "log.dumpLevel",
        TEXT,
        ABSENT,
        "`error` where `log` is absent",
        _LEVELS,
        unused="no request is traced whole",
    ),
    Key("metrics", SECTION, REQUIRED, "The counters' way"),
    Key("metrics.topic", TEXT, REQUIRED, "`backbeat-metrics`", TOPIC),
    Key("metrics.groupIdPrefix", TEXT, "backbeat-metrics-group", "`-crr` is added", NOT_EMPTY),
    Key("server", SECTION, REQUIRED, "The REST API"),
    Key("server.healthChecks", SECTION, REQUIRED, "Who may ask"),
    Key("server.healthChecks.allowFrom", LIST, [], "Addresses and networks; 127.0.0.1/8 and ::1 may always ask"),
    Key("server.healthChecks.allowFrom[]", TEXT, ABSENT, "", NOT_EMPTY),
    Key("server.host", TEXT, REQUIRED, "Address to listen on; 0.0.0.0: all (the reference ignores it)"),
    Key("server.port", INTEGER, 8900, "", within(0, 65535)),
    *(
        key
        for name, about in (
            ("trustedProxies", "Who is in front of us"),
            ("allowedHosts", "What a browser may call us"),
            ("allowedOrigins", "Whose pages may ask"),
        )
        for key in (
            Key(f"server.{name}", LIST, [], about, ours=True),
            Key(f"server.{name}[]", TEXT, ABSENT, ours=True),
        )
    ),
    Key("localCache", SECTION, ABSENT, "", unused=_NO_CACHE),
    Key("localCache.host", TEXT, "localhost"),
    Key("localCache.port", INTEGER, 6379, "", PORT),
    Key("localCache.password", TEXT, ABSENT, secret=True),
    Key("healthcheckServer", SECTION, REQUIRED, "", unused=_NO_CACHE),
    Key("healthcheckServer.bindAddress", TEXT, "127.0.0.1"),
    Key("healthcheckServer.port", INTEGER, 4042, "", PORT),
    *_certificates("certFilePaths", "Client TLS towards targets"),
    *_certificates("internalCertFilePaths", "Client TLS towards the source"),
)

POPULATOR: Final = (
    Key("queuePopulator", SECTION, ABSENT, "From the source's log to the topics"),
    *auth("queuePopulator.auth", unused="no account is looked up"),
    Key(
        "queuePopulator.cronRule",
        TEXT,
        REQUIRED,
        "`*/5 * * * * *`",
        CRON,
        unused="the log is read as it grows, not at times",
    ),
    Key("queuePopulator.batchMaxRead", INTEGER, 10_000, "Changes of one batch", ABOVE_ZERO),
    Key(
        "queuePopulator.batchTimeoutMs",
        NUMBER,
        9000,
        "",
        ABOVE_ZERO,
        unused="a batch is what there is, it waits for none",
    ),
    Key("queuePopulator.zookeeperPath", TEXT, REQUIRED, "`/queue-populator`: where the position is", NODE),
    Key(
        "queuePopulator.logSource",
        TEXT,
        REQUIRED,
        "What is read; `mongo` here",
        one_of("bucketd", "mongo", "ingestion", "dmd", "kafka"),
    ),
    Key("queuePopulator.subscribeToLogSourceDispatcher", FLAG, False, unused=_NO_CACHE),
    *host_port("queuePopulator.bucketd", "Shipped port 9000", unused=_NO_OTHER_SOURCE),
    Key("queuePopulator.bucketd.transport", TEXT, "http", "", TRANSPORT),
    *host_port("queuePopulator.dmd", "Shipped port 9990", unused=_NO_OTHER_SOURCE),
    Key("queuePopulator.dmd.logName", TEXT, "s3-recordlog"),
    *mongo("queuePopulator.mongo"),
    Key("queuePopulator.kafka", SECTION, ABSENT, "Change streams on a topic", unused=_NO_OTHER_SOURCE),
    Key("queuePopulator.kafka.topic", TEXT, "backbeat-oplog", "", TOPIC),
    Key("queuePopulator.kafka.consumerGroupId", TEXT, "backbeat-oplog-consumer-id"),
    Key("queuePopulator.kafka.logName", TEXT, "s3-recordlog"),
    *_read_from("queuePopulator.kafka.replication"),
    *_read_from("queuePopulator.kafka.lifecycle"),
    *_read_from("queuePopulator.kafka.notification"),
    *probe("queuePopulator.probeServer", 4042),
    *breaker("queuePopulator.circuitBreaker"),
)


def _redis(section: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("host", "port"):
        if "sentinels" in section and name in section:
            yield name, "is not given with sentinels: they know it"
        if "sentinels" not in section and name not in section:
            yield name, "is required without sentinels"
    if section.get("sentinels") == []:
        yield "sentinels", "must name one at least"


def _pair(section: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if bool(section.get("key")) != bool(section.get("cert")):
        missing = "cert" if section.get("key") else "key"
        yield missing, "is required: key and cert are only taken together"


def _source(section: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    source = section.get("logSource", "")
    if source in ("bucketd", "dmd", "kafka") and source not in section:
        yield source, f"is required with logSource {source}"


RULES: Final = (
    Rule("redis", _redis),
    Rule("certFilePaths", _pair),
    Rule("internalCertFilePaths", _pair),
    *(Rule(f"{engine}.tls", _pair) for engine in ("kafka", "redis", "zookeeper")),
    Rule("queuePopulator", _source),
    mongo_rule("queuePopulator.mongo"),
    auth_rule("queuePopulator.auth"),
)
