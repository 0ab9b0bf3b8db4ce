"""The keys of `extensions` (queue-and-wire 4.4 to 4.6), and what must hold between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from backbeat_adapters.settings.schema import (
    ABOVE_ZERO,
    ABSENT,
    CRON,
    FLAG,
    INTEGER,
    LIST,
    NODE,
    NOT_EMPTY,
    NUMBER,
    PORT,
    REQUIRED,
    SECTION,
    TEXT,
    TOPIC,
    UNIQUE,
    YES_NO,
    Key,
    Rule,
    at_least,
    one_of,
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
    retry,
)

SITE_TYPES: Final = ("aws_s3", "azure", "gcp")
_R: Final = "extensions.replication"
_L: Final = "extensions.lifecycle"
_NOT_HERE: Final = "it is no work of this program"
_NO_ROLE: Final = "no account of the target is used"


def _vault(path: str, need: Any, about: str) -> tuple[Key, ...]:
    return (
        Key(f"{path}.vault", SECTION, ABSENT, about),
        Key(f"{path}.vault.host", TEXT, need, "", NOT_EMPTY),
        Key(f"{path}.vault.port", INTEGER, need, "", PORT),
        Key(f"{path}.vault.adminPort", INTEGER, ABSENT, "", PORT),
        Key(f"{path}.vault.adminCredentialsFile", TEXT, ABSENT, "JSON: access key → secret"),
    )


def _party(path: str, need: Any, unused: str) -> tuple[Key, ...]:
    return (
        Key(f"{path}.auth", SECTION, REQUIRED, "Who we are there", unused=unused),
        Key(f"{path}.auth.type", TEXT, REQUIRED, "", one_of("account", "role", "service")),
        Key(f"{path}.auth.account", TEXT, ABSENT, "", NOT_EMPTY),
        *_vault(f"{path}.auth", need, "For role"),
    )


REPLICATION: Final = (
    Key("extensions", SECTION, {}, "What is done"),
    Key(_R, SECTION, ABSENT, "Cross-region replication"),
    Key(f"{_R}.source", SECTION, REQUIRED, "Where objects are written"),
    Key(f"{_R}.source.transport", TEXT, "http", "`http` here", TRANSPORT),
    *host_port(f"{_R}.source.s3", "CloudServer to read metadata from", default=REQUIRED),
    *_party(f"{_R}.source", REQUIRED, NOT_SIGNED),
    Key(f"{_R}.destination", SECTION, REQUIRED, "Where copies go"),
    Key(f"{_R}.destination.transport", TEXT, "http", "", TRANSPORT, unused=_NO_ROLE),
    *_party(f"{_R}.destination", ABSENT, _NO_ROLE),
    Key(f"{_R}.destination.bootstrapList", LIST, ABSENT, "The sites, each a location of conf/locationConfig.json"),
    Key(f"{_R}.destination.bootstrapList[]", SECTION),
    Key(f"{_R}.destination.bootstrapList[].site", TEXT, REQUIRED, "Its name", NOT_EMPTY),
    Key(f"{_R}.destination.bootstrapList[].servers", LIST, ABSENT, "A CloudServer's addresses, or a type"),
    Key(f"{_R}.destination.bootstrapList[].servers[]", TEXT, ABSENT, "", NOT_EMPTY),
    Key(f"{_R}.destination.bootstrapList[].type", TEXT, ABSENT, "What it counts as", one_of(*SITE_TYPES)),
    Key(f"{_R}.destination.bootstrapList[].default", YES_NO, ABSENT, "At most one: where a rule names none"),
    Key(f"{_R}.destination.bootstrapList[].echo", FLAG, ABSENT, "`false` with servers", unused="a test aid"),
    Key(f"{_R}.topic", TEXT, REQUIRED, "`backbeat-replication`: what is to be copied", TOPIC),
    Key(f"{_R}.dataMoverTopic", TEXT, REQUIRED, "", TOPIC, unused="no lifecycle moves data here"),
    Key(f"{_R}.replicationStatusTopic", TEXT, REQUIRED, "`backbeat-replication-status`: reports", TOPIC),
    Key(f"{_R}.replicationFailedTopic", TEXT, REQUIRED, "`backbeat-replication-failed`: final failures", TOPIC),
    Key(f"{_R}.monitorReplicationFailures", FLAG, True, "Publish final failures to the failed topic"),
    Key(
        f"{_R}.monitorReplicationFailureExpiryTimeS",
        NUMBER,
        86_400,
        "",
        ABOVE_ZERO,
        unused="failures are kept for 24 hours, which is what the listing looks at",
    ),
    Key(f"{_R}.replayTopics", LIST, ABSENT, "Where what has failed is tried again; none: not at all"),
    Key(f"{_R}.replayTopics[]", SECTION),
    Key(f"{_R}.replayTopics[].topicName", TEXT, REQUIRED, "", TOPIC),
    Key(f"{_R}.replayTopics[].retries", INTEGER, REQUIRED, "How often it goes there", at_least(0)),
    Key(f"{_R}.queueProcessor", SECTION, REQUIRED, "Who copies"),
    Key(f"{_R}.queueProcessor.groupId", TEXT, REQUIRED, "`-<site>` is added", NOT_EMPTY),
    Key(
        f"{_R}.queueProcessor.retry", SECTION, ABSENT, "By the type of the site; `scality` is another CloudServer"
    ),
    *(key for kind in (*SITE_TYPES, "scality") for key in retry(f"{_R}.queueProcessor.retry.{kind}", "")),
    Key(f"{_R}.queueProcessor.concurrency", INTEGER, 10, "Objects at once, for each site", ABOVE_ZERO),
    Key(
        f"{_R}.queueProcessor.mpuPartsConcurrency",
        INTEGER,
        10,
        "",
        ABOVE_ZERO,
        unused="the parts of one object are copied one after the other",
    ),
    Key(f"{_R}.queueProcessor.minMPUSizeMB", INTEGER, 20, "From where on an object goes in parts", ABOVE_ZERO),
    *probe(f"{_R}.queueProcessor.probeServer", 4043),
    *breaker(f"{_R}.queueProcessor.circuitBreaker"),
    Key(f"{_R}.replicationStatusProcessor", SECTION, REQUIRED, "Who folds the reports into the objects"),
    Key(f"{_R}.replicationStatusProcessor.groupId", TEXT, REQUIRED, "", NOT_EMPTY),
    *retry(f"{_R}.replicationStatusProcessor.retry", "Also of the recorders and the garbage collector"),
    Key(f"{_R}.replicationStatusProcessor.concurrency", INTEGER, 10, "Reports at once", ABOVE_ZERO),
    *probe(f"{_R}.replicationStatusProcessor.probeServer", 4045),
    Key(
        f"{_R}.objectSizeMetrics",
        LIST,
        [66_560, 8_388_608, 68_157_440],
        "Bounds of a histogram, bytes",
        unused="no histogram of sizes is kept",
    ),
    Key(f"{_R}.objectSizeMetrics[]", NUMBER, ABSENT, "", ABOVE_ZERO),
)


def _consumer(path: str, concurrency: int, *more: Key) -> tuple[Key, ...]:
    return (
        Key(path, SECTION, ABSENT),
        Key(f"{path}.groupId", TEXT, REQUIRED, "", NOT_EMPTY),
        *retry(f"{path}.retry", ""),
        Key(f"{path}.concurrency", INTEGER, concurrency, "", ABOVE_ZERO),
        *more,
    )


def _part(name: str, concurrency: int, port: int | None) -> tuple[Key, ...]:
    path = f"{_L}.{name}"
    more = (*probe(f"{path}.probeServer", port), *breaker(f"{path}.circuitBreaker"))
    return _consumer(path, concurrency, *more, *auth(f"{path}.auth", unused=_NOT_HERE))


OTHERS: Final = (
    Key("extensions.gc", SECTION, ABSENT, "Garbage collection"),
    Key("extensions.gc.topic", TEXT, REQUIRED, "`backbeat-gc`: what may be deleted", TOPIC),
    *auth("extensions.gc.auth", required=True, unused=NOT_SIGNED),
    Key("extensions.gc.consumer", SECTION, REQUIRED, "Who deletes"),
    Key("extensions.gc.consumer.groupId", TEXT, REQUIRED, "", NOT_EMPTY),
    *retry("extensions.gc.consumer.retry", "", unused="replicationStatusProcessor.retry holds for it too"),
    Key(
        "extensions.gc.consumer.concurrency", INTEGER, 10, "", ABOVE_ZERO, unused="it deletes one after the other"
    ),
    *probe("extensions.gc.probeServer", 8555),
    *host_port("extensions.gc.vaultAdmin", "", unused=NOT_SIGNED),
    Key("extensions.ingestion", SECTION, ABSENT, "Ingestion of buckets", unused=_NOT_HERE),
    *auth("extensions.ingestion.auth", required=True, unused=_NOT_HERE),
    Key("extensions.ingestion.topic", TEXT, REQUIRED, "", TOPIC),
    Key("extensions.ingestion.zookeeperPath", TEXT, REQUIRED, "", NODE),
    Key("extensions.ingestion.cronRule", TEXT, "*/5 * * * * *", "", CRON),
    Key("extensions.ingestion.maxParallelReaders", INTEGER, 5, "", ABOVE_ZERO),
    Key("extensions.ingestion.sources", LIST, REQUIRED),
    *probe("extensions.ingestion.probeServer", 8550),
    *breaker("extensions.ingestion.circuitBreaker"),
    Key("extensions.ingestion.processor", SECTION),
    *breaker("extensions.ingestion.processor.circuitBreaker"),
    Key("extensions.mongoProcessor", SECTION, ABSENT, "Ingestion's writer", unused=_NOT_HERE),
    Key("extensions.mongoProcessor.topic", TEXT, REQUIRED, "", TOPIC),
    Key("extensions.mongoProcessor.groupId", TEXT, REQUIRED, "", NOT_EMPTY),
    *retry("extensions.mongoProcessor.retry", ""),
    *probe("extensions.mongoProcessor.probeServer", 8551),
    *breaker("extensions.mongoProcessor.circuitBreaker"),
    Key("extensions.oplogPopulator", SECTION, ABSENT, "Kafka Connect's connectors", unused=_NOT_HERE),
    Key("extensions.oplogPopulator.topic", TEXT, REQUIRED, "", TOPIC),
    Key("extensions.oplogPopulator.kafkaConnectHost", TEXT, REQUIRED, "", NOT_EMPTY),
    Key("extensions.oplogPopulator.kafkaConnectPort", INTEGER, REQUIRED, "8083", PORT),
    Key("extensions.oplogPopulator.numberOfConnectors", INTEGER, REQUIRED, "", at_least(1)),
    Key("extensions.oplogPopulator.prefix", TEXT),
    Key("extensions.oplogPopulator.connectorsUpdateCronRule", TEXT, "*/1 * * * * *", "", CRON),
    Key("extensions.oplogPopulator.heartbeatIntervalMs", NUMBER, 10_000, "", ABOVE_ZERO),
    *probe("extensions.oplogPopulator.probeServer", 8556),
)

_COLD: Final = {
    "Archive": "cold-archive-req-",
    "Restore": "cold-restore-req-",
    "RestoreAdjust": "cold-restore-adjust-req-",
    "GC": "cold-gc-req-",
    "Status": "cold-status-",
}

LIFECYCLE: Final = (
    Key(_L, SECTION, ABSENT, "Lifecycle", unused="only that it is there: the API has its pause routes then"),
    Key(f"{_L}.zookeeperPath", TEXT, REQUIRED, "", NODE),
    Key(f"{_L}.bucketTasksTopic", TEXT, REQUIRED, "", TOPIC),
    Key(f"{_L}.objectTasksTopic", TEXT, REQUIRED, "", TOPIC),
    Key(f"{_L}.transitionTasksTopic", TEXT, ABSENT, "That of objectTasksTopic where it is absent", TOPIC),
    Key(f"{_L}.coldStorageTopics", LIST, [], "", UNIQUE),
    Key(f"{_L}.coldStorageTopics[]", TEXT, ABSENT, "", TOPIC),
    *auth(f"{_L}.auth", unused=_NOT_HERE),
    Key(f"{_L}.forceLegacyListing", FLAG, False),
    Key(f"{_L}.autoCreateIndexes", FLAG, False),
    Key(f"{_L}.conductor", SECTION),
    *auth(f"{_L}.conductor.auth", unused=_NOT_HERE),
    Key(f"{_L}.conductor.bucketSource", TEXT, "zookeeper", "", one_of("bucketd", "zookeeper", "mongodb")),
    *host_port(f"{_L}.conductor.bucketd", "For bucketSource bucketd"),
    Key(f"{_L}.conductor.bucketd.transport", TEXT, "http", "", TRANSPORT),
    *mongo(f"{_L}.conductor.mongodb"),
    Key(f"{_L}.conductor.cronRule", TEXT, REQUIRED, "", CRON),
    Key(f"{_L}.conductor.concurrency", INTEGER, 10, "", ABOVE_ZERO),
    Key(f"{_L}.conductor.concurrentIndexesBuildLimit", INTEGER, 10, "", ABOVE_ZERO),
    Key(f"{_L}.conductor.backlogControl", SECTION, {}),
    Key(f"{_L}.conductor.backlogControl.enabled", FLAG, True),
    *host_port(f"{_L}.conductor.vaultAdmin", ""),
    *probe(f"{_L}.conductor.probeServer", 8552),
    *breaker(f"{_L}.conductor.circuitBreaker"),
    *_part("bucketProcessor", 1, 8553),
    *_part("objectProcessor", 10, 8554),
    *_part("transitionProcessor", 10, None),
    *(Key(f"{_L}.coldStorage{name}TopicPrefix", TEXT, prefix) for name, prefix in _COLD.items()),
)

_N: Final = "extensions.notification"
_FLAGS: Final = ("ssl",)

NOTIFICATION: Final = (
    Key(_N, SECTION, ABSENT, "Bucket notifications", unused=_NOT_HERE),
    Key(f"{_N}.topic", TEXT, ABSENT, "", TOPIC),
    Key(f"{_N}.monitorNotificationFailures", FLAG, True),
    Key(f"{_N}.notificationFailedTopic", TEXT, ABSENT, "", TOPIC),
    Key(f"{_N}.queueProcessor", SECTION),
    Key(f"{_N}.queueProcessor.groupId", TEXT, REQUIRED, "", NOT_EMPTY),
    Key(f"{_N}.queueProcessor.concurrency", INTEGER, 1000, "", ABOVE_ZERO),
    Key(f"{_N}.destinations", LIST, []),
    Key(f"{_N}.destinations[]", SECTION),
    *(Key(f"{_N}.destinations[].{name}", TEXT, REQUIRED) for name in ("resource", "type", "host")),
    Key(f"{_N}.destinations[].port", INTEGER, REQUIRED, "", PORT),
    Key(f"{_N}.destinations[].topic", TEXT, REQUIRED, "", TOPIC),
    Key(f"{_N}.destinations[].internalTopic", TEXT, ABSENT, "", TOPIC),
    Key(f"{_N}.destinations[].auth", SECTION, {}),
    Key(f"{_N}.destinations[].auth.ssl", FLAG),
    *(
        Key(f"{_N}.destinations[].auth.{name}", TEXT)
        for name in ("type", "protocol", "ca", "client", "key", "keytab", "principal", "serviceName")
    ),
    Key(f"{_N}.destinations[].auth.keyPassword", TEXT, ABSENT, secret=True),
    *probe(f"{_N}.probeServer"),
)


def _one_default(section: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    items = section.get("bootstrapList", [])
    if sum(bool(item.get("default")) for item in items) > 1:
        yield "bootstrapList", "must have one default site at most"
    names = [item["site"] for item in items]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield "bootstrapList", f"names site {name!r} twice"


def _item(section: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if ("servers" in section) == ("type" in section):
        yield "", "must have either servers or a type"


def _sub_auth(section: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for part in ("conductor", "bucketProcessor", "objectProcessor", "transitionProcessor"):
        if "auth" not in section and part in section and "auth" not in section[part]:
            yield f"{part}.auth", "is required where extensions.lifecycle.auth is absent"


def _bucket_source(section: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    source = section.get("bucketSource", "")
    if source in ("bucketd", "mongodb") and source not in section:
        yield source, f"is required with bucketSource {source}"


def _destination_auth(section: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if section.get("type") == "account" and "account" not in section:
        yield "account", "is required with type account"


def _ingestion_auth(section: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if section.get("type") != "service":
        yield "type", "must be service"


RULES: Final = (
    auth_rule(f"{_R}.source.auth"),
    Rule(f"{_R}.destination.auth", _destination_auth),
    Rule(f"{_R}.destination", _one_default),
    Rule(f"{_R}.destination.bootstrapList[]", _item),
    auth_rule("extensions.gc.auth"),
    auth_rule("extensions.ingestion.auth"),
    Rule("extensions.ingestion.auth", _ingestion_auth),
    auth_rule(f"{_L}.auth"),
    Rule(_L, _sub_auth),
    Rule(f"{_L}.conductor", _bucket_source),
    mongo_rule(f"{_L}.conductor.mongodb"),
    *(
        auth_rule(f"{_L}.{part}.auth")
        for part in ("conductor", "bucketProcessor", "objectProcessor", "transitionProcessor")
    ),
)
