"""What the environment changes in the file, before it is checked (queue-and-wire 4.8)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import attrs

from backbeat_adapters.settings.schema import FREE, TEXT, Node
from backbeat_core.errors import InvalidConfiguration

GENERIC: Final = "BACKBEAT__"
_R: Final = "extensions.replication"
_L: Final = "extensions.lifecycle"
_RETRY: Final = {
    "TIMEOUT_S": "timeoutS",
    "MAX_RETRIES": "maxRetries",
    "BACKOFF_MIN": "backoff.min",
    "BACKOFF_MAX": "backoff.max",
    "BACKOFF_JITTER": "backoff.jitter",
    "BACKOFF_FACTOR": "backoff.factor",
}


@attrs.frozen
class Variable:
    """A variable that sets the key *path* to what *value* makes of its text."""

    name: str
    path: str
    value: Callable[[str], Any] = str


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _yes(text: str) -> bool:
    return True


def _level(text: str) -> str:
    if text not in ("info", "debug", "trace"):
        raise ValueError("must be one of info, debug, trace")
    return text


# In the order in which they are applied: what the reference's program reads comes after what its container's
# start script writes into the file.
VARIABLES: Final = (
    Variable("REPLICATION_GROUP_ID", "replicationGroupId"),
    Variable("LOG_LEVEL", "log.logLevel", _level),
    Variable("ZOOKEEPER_AUTO_CREATE_NAMESPACE", "zookeeper.autoCreateNamespace", _yes),
    Variable("ZOOKEEPER_CONNECTION_STRING", "zookeeper.connectionString"),
    Variable("KAFKA_HOSTS", "kafka.hosts"),
    Variable("KAFKA_BACKLOG_METRICS_ZKPATH", "kafka.backlogMetrics.zkPath"),
    Variable("KAFKA_BACKLOG_METRICS_INTERVALS", "kafka.backlogMetrics.intervalS"),
    Variable("REDIS_HOST", "redis.host"),
    Variable("REDIS_PORT", "redis.port"),
    Variable("REDIS_SENTINELS", "redis.sentinels"),
    Variable("REDIS_HA_NAME", "redis.name"),
    Variable("REDIS_LOCALCACHE_HOST", "localCache.host"),
    Variable("REDIS_LOCALCACHE_PORT", "localCache.port"),
    Variable("QUEUE_POPULATOR_BATCH_MAX_READ", "queuePopulator.batchMaxRead"),
    Variable("QUEUE_POPULATOR_DMD_HOST", "queuePopulator.dmd.host"),
    Variable("QUEUE_POPULATOR_DMD_PORT", "queuePopulator.dmd.port"),
    Variable("MONGODB_HOSTS", "queuePopulator.mongo.replicaSetHosts"),
    Variable("MONGODB_HOSTS", "queuePopulator.logSource", lambda text: "mongo"),
    Variable("MONGODB_RS", "queuePopulator.mongo.replicaSet"),
    Variable("MONGODB_DATABASE", "queuePopulator.mongo.database"),
    Variable("MONGODB_AUTH_USERNAME", "queuePopulator.mongo.authCredentials.username"),
    Variable("MONGODB_AUTH_PASSWORD", "queuePopulator.mongo.authCredentials.password"),
    Variable("BACKBEAT_QUEUEPOPULATOR_LOGSOURCE", "queuePopulator.logSource"),
    Variable("CLOUDSERVER_HOST", "s3.host"),
    Variable("CLOUDSERVER_PORT", "s3.port"),
    Variable("EXTENSIONS_REPLICATION_SOURCE_S3_HOST", f"{_R}.source.s3.host"),
    Variable("EXTENSIONS_REPLICATION_SOURCE_S3_PORT", f"{_R}.source.s3.port"),
    Variable("EXTENSIONS_REPLICATION_SOURCE_AUTH_TYPE", f"{_R}.source.auth.type"),
    Variable("EXTENSIONS_REPLICATION_SOURCE_AUTH_ACCOUNT", f"{_R}.source.auth.account"),
    Variable("EXTENSIONS_REPLICATION_DEST_AUTH_TYPE", f"{_R}.destination.auth.type"),
    Variable("EXTENSIONS_REPLICATION_DEST_AUTH_ACCOUNT", f"{_R}.destination.auth.account"),
    *(
        Variable(
            f"EXTENSIONS_REPLICATION_QUEUE_PROCESSOR_{kind.upper()}_RETRY_{name}",
            f"{_R}.queueProcessor.retry.{kind}.{key}",
        )
        for kind in ("aws_s3", "azure", "gcp")
        for name, key in _RETRY.items()
    ),
    Variable("EXTENSIONS_REPLICATION_QUEUE_PROCESSOR_CONCURRENCY", f"{_R}.queueProcessor.concurrency"),
    Variable(
        "EXTENSIONS_REPLICATION_STATUS_PROCESSOR_CONCURRENCY", f"{_R}.replicationStatusProcessor.concurrency"
    ),
    Variable("HEALTHCHECKS_ALLOWFROM", "server.healthChecks.allowFrom", _list),
    Variable("EXTENSIONS_LIFECYCLE_ZOOKEEPER_PATH", f"{_L}.zookeeperPath"),
    Variable("EXTENSIONS_LIFECYCLE_BUCKET_TASK_TOPIC", f"{_L}.bucketTasksTopic"),
    Variable("EXTENSIONS_LIFECYCLE_OBJECT_TASK_TOPIC", f"{_L}.objectTasksTopic"),
    Variable("EXTENSIONS_LIFECYCLE_CONDUCTOR_CRONRULE", f"{_L}.conductor.cronRule"),
    Variable("EXTENSIONS_LIFECYCLE_BUCKET_PROCESSOR_GROUP_ID", f"{_L}.bucketProcessor.groupId"),
    Variable("EXTENSIONS_LIFECYCLE_OBJECT_PROCESSOR_GROUP_ID", f"{_L}.objectProcessor.groupId"),
    Variable("EXTENSIONS_LIFECYCLE_AUTH_TYPE", f"{_L}.auth.type"),
    Variable("EXTENSIONS_LIFECYCLE_AUTH_ACCOUNT", f"{_L}.auth.account"),
    Variable("EXTENSIONS_GC_TOPIC", "extensions.gc.topic"),
    Variable("EXTENSIONS_INGESTION_AUTH_TYPE", "extensions.ingestion.auth.type"),
    Variable("EXTENSIONS_INGESTION_AUTH_ACCOUNT", "extensions.ingestion.auth.account"),
    Variable("EXTENSIONS_INGESTION_MAX_PARALLEL_READERS", "extensions.ingestion.maxParallelReaders"),
)

UNUSED: Final = {
    "S3AUTH_CONFIG": "no account is used",
    "CONF_DIR": "there are no notifications",
    "RDKAFKA_DEBUG_LOGS": "the Kafka client logs what goes wrong",
    "EXPIRE_ONE_DAY_EARLIER": "there is no lifecycle",
    "TRANSITION_ONE_DAY_EARLIER": "there is no lifecycle",
    "TIME_PROGRESSION_FACTOR": "there is no lifecycle",
    "REMOTE_MANAGEMENT_DISABLE": "there is no remote management",
    "LIFECYCLE_OBJECT_PROCESSOR_TYPE": "there is no lifecycle",
    "MAX_CACHED_BUCKET_NOTIFICATION_CONFIGS": "there are no notifications",
    "LIVENESS_PROBE_PORT": "there is no probe server of its own",
    "BACKBEAT_INJECT_REPLICATION_ERRORS": "a test aid",
    "BACKBEAT_INJECT_REPLICATION_ERROR_RATE": "a test aid",
    "BACKBEAT_ECHO_TEST_MODE": "a test aid",
}

ELSEWHERE: Final = {
    "BACKBEAT_CONFIG_FILE": "the file itself, where the command line names none",
    "KAFKA_TOPIC_PREFIX": "in front of the name of every topic",
    "MANAGEMENT_BACKEND": "`operator`: the sites are the locations of conf/locationConfig.json that are not files",
    "CI": "`true`: names of keys in Redis and of paths in ZooKeeper are those for tests",
    "BACKBEAT_QUEUEPOPULATOR_EXTENSIONS": "comma list: the other extensions are taken out of the file",
    "EXTENSIONS_REPLICATION_DEST_BOOTSTRAPLIST": "server of the site `zenko`",
    "EXTENSIONS_REPLICATION_DEST_BOOTSTRAPLIST_MORE": "more sites, JSON items with commas between them",
}


@attrs.define
class Overrides:
    """The file as the environment has changed it, and which variable has set which key."""

    document: dict[str, Any]
    origins: dict[str, str] = attrs.field(factory=dict)
    unused: dict[str, str] = attrs.field(factory=dict)

    def set(self, path: Sequence[str], value: Any, origin: str) -> None:
        """Set a key, making the sections above it. Raises InvalidConfiguration if one of them is none."""
        section: Any = self.document
        for n, name in enumerate(path[:-1]):
            section = section.setdefault(name, {})
            if not isinstance(section, dict):
                raise InvalidConfiguration(f"{origin}: {'.'.join(path[: n + 1])} is not an object: give it whole")
        section[path[-1]] = value
        self.origins[".".join(path)] = origin


def override(document: Mapping[str, Any], environment: Mapping[str, str], root: Node) -> Overrides:
    """
    Return *document* as the environment says: its own variables first, the generic form over them.

    Raises InvalidConfiguration naming the variable.
    """
    overrides = Overrides({name: _copied(value) for name, value in document.items()})
    _redis(overrides, environment)
    for variable in VARIABLES:
        text = environment.get(variable.name, "")
        if text and not _is_half(variable.name, environment):
            try:
                value = variable.value(text)
            except ValueError as error:
                raise InvalidConfiguration(f"{variable.name} {error}, not {text!r}") from error
            overrides.set(variable.path.split("."), value, variable.name)
    _sites(overrides, environment)
    for name, text in sorted(environment.items(), key=lambda each: (each[0].count("__"), each[0])):
        if name.startswith(GENERIC):
            _generic(overrides, name, text, root)
    _extensions(overrides, environment)
    for name, why in UNUSED.items():
        if environment.get(name):
            overrides.unused[f"${name}"] = why
    for name in environment:
        if name.startswith("EXTENSIONS_LIFECYCLE_RULES_") and name.endswith("_ENABLED"):
            overrides.unused[f"${name}"] = "there is no lifecycle"
    return overrides


def _copied(value: Any) -> Any:
    """Return a value whose parts are nobody else's, also where one stood in two places."""
    if isinstance(value, dict):
        return {name: _copied(each) for name, each in value.items()}
    return [_copied(each) for each in value] if isinstance(value, list) else value


def _is_half(name: str, environment: Mapping[str, str]) -> bool:
    """A name without a password, or the other way round, has no effect; nor has a host beside sentinels."""
    if name.startswith("MONGODB_AUTH_"):
        return not (environment.get("MONGODB_AUTH_USERNAME") and environment.get("MONGODB_AUTH_PASSWORD"))
    if name in ("REDIS_HOST", "REDIS_PORT"):
        return bool(environment.get("REDIS_SENTINELS"))
    return name == "REDIS_HA_NAME" and not environment.get("REDIS_SENTINELS")


def _redis(overrides: Overrides, environment: Mapping[str, str]) -> None:
    redis = overrides.document.get("redis")
    if not isinstance(redis, dict):
        redis = {}
    if environment.get("REDIS_SENTINELS"):
        # In place of the file's host, which would contradict them.
        kept = {name: value for name, value in redis.items() if name not in ("host", "port")}
        overrides.document["redis"] = {**kept, "name": "mymaster"}
    elif environment.get("REDIS_HOST") or environment.get("REDIS_PORT"):
        kept = {name: value for name, value in redis.items() if name != "sentinels"}
        overrides.document["redis"] = {"host": "127.0.0.1", "port": 6379, **kept}


def _sites(overrides: Overrides, environment: Mapping[str, str]) -> None:
    path = f"{_R}.destination.bootstrapList".split(".")
    section: Any = overrides.document
    for name in path:
        section = section.get(name, {}) if isinstance(section, dict) else {}
    sites = list(section) if isinstance(section, list) else []
    server = environment.get("EXTENSIONS_REPLICATION_DEST_BOOTSTRAPLIST")
    more = environment.get("EXTENSIONS_REPLICATION_DEST_BOOTSTRAPLIST_MORE")
    if server:
        others = [site for site in sites if not (isinstance(site, dict) and site.get("site") == "zenko")]
        sites = [{"site": "zenko", "servers": [server], "default": True}, *others]
        overrides.set(path, sites, "EXTENSIONS_REPLICATION_DEST_BOOTSTRAPLIST")
    if more:
        try:
            sites = sites + json.loads(f"[{more.strip().strip(',').removeprefix('[').removesuffix(']')}]")
        except ValueError as error:
            name = "EXTENSIONS_REPLICATION_DEST_BOOTSTRAPLIST_MORE"
            raise InvalidConfiguration(f"{name} must be JSON items: {error}") from error
        overrides.set(path, sites, "EXTENSIONS_REPLICATION_DEST_BOOTSTRAPLIST_MORE")


def _generic(overrides: Overrides, name: str, text: str, root: Node) -> None:
    node, path = root, list[str]()
    for step in name.removeprefix(GENERIC).split("__"):
        below = node.child(step)
        if below is None and node.key.kind is FREE:
            below = Node(node.key)
            path.append(step)
        elif below is None or step == "[]":
            raise InvalidConfiguration(f"{name}: {'.'.join([*path, step])} is not known")
        else:
            path.append(below.key.path.rpartition(".")[2])
        node = below
    overrides.set(path, _value(text, node), name)


def _value(text: str, node: Node) -> Any:
    """Return the JSON value that *text* is, or the text itself: always that where text is wanted."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text if node.key.kind is TEXT and not isinstance(value, str) else value


def _extensions(overrides: Overrides, environment: Mapping[str, str]) -> None:
    kept = environment.get("BACKBEAT_QUEUEPOPULATOR_EXTENSIONS")
    extensions = overrides.document.get("extensions")
    if kept and isinstance(extensions, dict):
        names = _list(kept)
        overrides.document["extensions"] = {name: extensions[name] for name in extensions if name in names}
