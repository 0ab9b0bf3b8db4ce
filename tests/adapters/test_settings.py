"""The configuration file: what is read, what is refused by its path, who overrides whom (queue-and-wire 4)."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from backbeat_adapters.bootstrap import Groups, Topics
from backbeat_adapters.cli.servers import Roles, host_settings, source_of
from backbeat_adapters.settings import KEYS, ROOT, RULES, Settings, read_locations
from backbeat_adapters.settings.environment import VARIABLES
from backbeat_adapters.settings.schema import Node, steps
from backbeat_core.domain.configuration import Endpoint, LocationConstraint
from backbeat_core.errors import InvalidConfiguration
from backbeat_core.queueing.backoff import CLOUD_DEFAULT, Backoff, RetryPolicy

CONF = Path(__file__).parents[2] / "conf"
R = "extensions.replication"
HOST_PORT = {"host": "h", "port": 1}
SERVICE = {"type": "service", "account": "a"}


def sample() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((CONF / "config.json").read_text())
    return document


def changed(path: str, value: Any = None, **others: Any) -> dict[str, Any]:
    """Return the sample with the key at *path* set, or taken out where no value is given."""
    document = sample()
    section: Any = document
    *above, name = path.split(".")
    for each in above:
        section = section.setdefault(each, {})
    if value is None:
        section.pop(name, None)
    else:
        section[name] = value
    return document


def refused(document: Any, environment: Mapping[str, str] | None = None) -> str:
    with pytest.raises(InvalidConfiguration) as caught:
        Settings.make(document, environment)
    return str(caught.value)


# The shipped files.


def test_the_shipped_files_are_read_without_a_complaint() -> None:
    settings = Settings.read(CONF / "config.json", {})

    assert () == settings.problems
    assert ("aws-backend-1", "azure-backend-1") == settings.sites
    assert set(settings.sites) <= set(settings.locations.by_name)


def test_what_the_shipped_file_must_say_and_nobody_reads_is_known_by_name() -> None:
    expected = {
        "healthcheckServer",
        "queuePopulator.cronRule",
        f"{R}.source.auth",
        f"{R}.destination.auth",
        f"{R}.dataMoverTopic",
        "extensions.gc.auth",
    }
    assert expected == set(Settings.read(CONF / "config.json", {}).unused)


# Defaults, as the tables of queue-and-wire 4.2 to 4.6 have them.

LEAST = {
    "replicationGroupId": "RG001  ",
    "zookeeper": {"connectionString": "127.0.0.1:2181/backbeat"},
    "kafka": {"hosts": "127.0.0.1:9092"},
    "s3": HOST_PORT,
    "metrics": {"topic": "backbeat-metrics"},
    "server": {"host": "0.0.0.0", "healthChecks": {}},
    "healthcheckServer": {},
    "localCache": {},
    "queuePopulator": {
        "cronRule": "*/5 * * * * *",
        "zookeeperPath": "/queue-populator",
        "logSource": "kafka",
        "bucketd": HOST_PORT,
        "dmd": HOST_PORT,
        "mongo": {},
        "kafka": {},
        "probeServer": {"port": 4042},
    },
    "extensions": {
        "replication": {
            "source": {"s3": HOST_PORT, "auth": SERVICE},
            "destination": {"auth": {"type": "service"}},
            "topic": "t",
            "dataMoverTopic": "t",
            "replicationStatusTopic": "t",
            "replicationFailedTopic": "t",
            "queueProcessor": {"groupId": "g", "retry": {"aws_s3": {}}},
            "replicationStatusProcessor": {"groupId": "g"},
        },
        "gc": {"topic": "t", "auth": SERVICE, "consumer": {"groupId": "g"}},
        "ingestion": {"auth": SERVICE, "topic": "t", "zookeeperPath": "/ingestion", "sources": []},
        "oplogPopulator": {
            "topic": "t",
            "kafkaConnectHost": "h",
            "kafkaConnectPort": 8083,
            "numberOfConnectors": 1,
        },
        "lifecycle": {
            "zookeeperPath": "/lifecycle",
            "bucketTasksTopic": "t",
            "objectTasksTopic": "t",
            "auth": SERVICE,
            "conductor": {"cronRule": "* * * * * *"},
            "bucketProcessor": {"groupId": "g"},
            "objectProcessor": {"groupId": "g"},
            "transitionProcessor": {"groupId": "g"},
        },
        "notification": {"queueProcessor": {"groupId": "g"}},
    },
}

DEFAULTS = {
    "zookeeper.autoCreateNamespace": False,
    "kafka.backlogMetrics.zkPath": "/backbeat/run/kafka-backlog-metrics",
    "kafka.backlogMetrics.intervalS": 60,
    "kafka.maxRequestSize": 5_000_020,
    "kafka.site": None,
    "kafka.minInSyncReplicas": 3,
    "kafka.assignment": "cooperative",
    "transport": "http",
    "vaultAdmin": None,
    "log.logLevel": "info",
    "log.dumpLevel": "error",
    "metrics.groupIdPrefix": "backbeat-metrics-group",
    "server.healthChecks.allowFrom": [],
    "server.port": 8900,
    "redis.host": "127.0.0.1",
    "redis.port": 6379,
    "redis.name": "backbeat",
    "redis.password": "",
    "redis.sentinelPassword": "",
    "localCache.host": "localhost",
    "localCache.port": 6379,
    "healthcheckServer.bindAddress": "127.0.0.1",
    "healthcheckServer.port": 4042,
    "queuePopulator.batchMaxRead": 10_000,
    "queuePopulator.batchTimeoutMs": 9_000,
    "queuePopulator.subscribeToLogSourceDispatcher": False,
    "queuePopulator.bucketd.transport": "http",
    "queuePopulator.dmd.logName": "s3-recordlog",
    "queuePopulator.mongo.replicaSetHosts": "localhost:27017",
    "queuePopulator.mongo.logName": "s3-recordlog",
    "queuePopulator.mongo.writeConcern": "majority",
    "queuePopulator.mongo.shardCollections": False,
    "queuePopulator.mongo.readPreference": "primary",
    "queuePopulator.mongo.database": "metadata",
    "queuePopulator.kafka.topic": "backbeat-oplog",
    "queuePopulator.kafka.consumerGroupId": "backbeat-oplog-consumer-id",
    "queuePopulator.kafka.logName": "s3-recordlog",
    "queuePopulator.probeServer.bindAddress": "localhost",
    f"{R}.source.transport": "http",
    f"{R}.destination.transport": "http",
    f"{R}.monitorReplicationFailures": True,
    f"{R}.monitorReplicationFailureExpiryTimeS": 86_400,
    f"{R}.replayTopics": None,
    f"{R}.queueProcessor.concurrency": 10,
    f"{R}.queueProcessor.mpuPartsConcurrency": 10,
    f"{R}.queueProcessor.minMPUSizeMB": 20,
    f"{R}.queueProcessor.retry.aws_s3.maxRetries": 5,
    f"{R}.queueProcessor.retry.aws_s3.timeoutS": 300,
    f"{R}.queueProcessor.retry.aws_s3.backoff": {"min": 1000, "max": 300_000, "jitter": 0.1, "factor": 1.5},
    f"{R}.queueProcessor.retry.azure": None,
    f"{R}.replicationStatusProcessor.concurrency": 10,
    f"{R}.replicationStatusProcessor.retry": None,
    f"{R}.objectSizeMetrics": [66_560, 8_388_608, 68_157_440],
    "extensions.gc.consumer.concurrency": 10,
    "extensions.ingestion.cronRule": "*/5 * * * * *",
    "extensions.ingestion.maxParallelReaders": 5,
    "extensions.oplogPopulator.connectorsUpdateCronRule": "*/1 * * * * *",
    "extensions.oplogPopulator.heartbeatIntervalMs": 10_000,
    "extensions.lifecycle.coldStorageTopics": [],
    "extensions.lifecycle.forceLegacyListing": False,
    "extensions.lifecycle.autoCreateIndexes": False,
    "extensions.lifecycle.conductor.bucketSource": "zookeeper",
    "extensions.lifecycle.conductor.concurrency": 10,
    "extensions.lifecycle.conductor.concurrentIndexesBuildLimit": 10,
    "extensions.lifecycle.conductor.backlogControl.enabled": True,
    "extensions.lifecycle.bucketProcessor.concurrency": 1,
    "extensions.lifecycle.objectProcessor.concurrency": 10,
    "extensions.lifecycle.transitionProcessor.concurrency": 10,
    "extensions.lifecycle.coldStorageArchiveTopicPrefix": "cold-archive-req-",
    "extensions.lifecycle.coldStorageRestoreTopicPrefix": "cold-restore-req-",
    "extensions.lifecycle.coldStorageRestoreAdjustTopicPrefix": "cold-restore-adjust-req-",
    "extensions.lifecycle.coldStorageGCTopicPrefix": "cold-gc-req-",
    "extensions.lifecycle.coldStorageStatusTopicPrefix": "cold-status-",
    "extensions.notification.monitorNotificationFailures": True,
    "extensions.notification.queueProcessor.concurrency": 1000,
    "extensions.notification.destinations": [],
}


@pytest.mark.parametrize("path", DEFAULTS)
def test_a_key_that_is_not_given_has_its_default(path: str) -> None:
    assert DEFAULTS[path] == Settings.make(LEAST).get(path)


def test_the_levels_have_defaults_only_where_log_is_absent() -> None:
    assert {"logLevel": "debug"} == Settings.make(changed("log", {"logLevel": "debug"})).get("log")


# Errors name the path.


def required() -> list[str]:
    """Return the keys that the sample has and must have, outside lists."""
    found = []

    def walk(node: Node, section: Any) -> None:
        for name, child in node.children.items():
            if name in section:
                if child.key.default.__class__.__name__ == "Without" and child.key.default.value == "required":
                    found.append(child.key.path)
                if isinstance(section[name], dict):
                    walk(child, section[name])

    walk(ROOT, sample())
    return found


@pytest.mark.parametrize("path", required())
def test_what_is_required_is_named(path: str) -> None:
    assert f"{path} is required" in refused(changed(path))


def wrong(node: Node) -> Any:
    """Return a value of no type that the key could have."""
    return [None] if not node.key.kind.name.startswith("list") else {"a": 1}


def scalars() -> list[str]:
    return [key.path for key in KEYS if "[]" not in key.path and "." in key.path]


@pytest.mark.parametrize("path", scalars())
def test_a_value_of_another_type_is_named_whoever_reads_it(path: str) -> None:
    document = copy.deepcopy(LEAST)
    section: Any = document
    node = ROOT
    *above, name = steps(path)
    for each in above:
        node = node.children[each]
        section = section.setdefault(each, {})
    section[name] = wrong(node.children[name])

    assert f"{path} must be " in refused(document)


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("replicationGroupId", "RG001", "exactly 7 characters"),
        ("zookeeper.connectionString", "127.0.0.1/backbeat", "host:port"),
        ("zookeeper.connectionString", "127.0.0.1:2181/", "host:port"),
        ("kafka.hosts", "kafka", "host:port"),
        ("kafka.maxRequestSize", 0, "above 0"),
        ("s3.port", 0, "from 1 to 65535"),
        ("log.logLevel", "loud", "one of error, warn, info, debug, trace"),
        ("server.port", 65_536, "from 0 to 65535"),
        ("queuePopulator.cronRule", "*/5 * * * *", "six fields"),
        ("queuePopulator.logSource", "tape", "one of bucketd, mongo, ingestion, dmd, kafka"),
        ("queuePopulator.zookeeperPath", "queue", "a path such as"),
        ("queuePopulator.batchMaxRead", -1, "above 0"),
        (f"{R}.source.transport", "ftp", "one of http, https"),
        (f"{R}.source.auth.type", "none", "one of account, role, service"),
        (f"{R}.topic", "a topic", "1 to 249"),
        (f"{R}.queueProcessor.concurrency", 0, "above 0"),
        (f"{R}.queueProcessor.minMPUSizeMB", 0, "above 0"),
        (f"{R}.queueProcessor.retry.aws_s3.maxRetries", -1, "0 or more"),
        (f"{R}.queueProcessor.retry.aws_s3.backoff.jitter", 2, "from 0 to 1"),
        ("kafka.minInSyncReplicas", 1.5, "whole number"),
    ],
)
def test_a_value_out_of_bounds_is_named_with_what_it_must_be(path: str, value: Any, why: str) -> None:
    told = refused(changed(path, value))

    assert f"{path} must be " in told
    assert why in told
    assert repr(value) in told


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("redis", {"sentinels": "a:1", "host": "b"}, "redis.host is not given with sentinels"),
        ("redis", {"host": "b"}, "redis.port is required without sentinels"),
        ("redis", {"sentinels": []}, "redis.sentinels must name one"),
        ("redis", {"sentinels": "nowhere"}, "redis.sentinels must be"),
        ("redis", {"sentinels": ":1"}, "redis.sentinels[0].host must be not empty"),
        ("certFilePaths", {"key": "k"}, "certFilePaths.cert is required"),
        ("internalCertFilePaths", {"cert": "c"}, "internalCertFilePaths.key is required"),
        ("queuePopulator.logSource", "bucketd", "queuePopulator.bucketd is required with logSource bucketd"),
        ("queuePopulator.logSource", "dmd", "queuePopulator.dmd is required with logSource dmd"),
        ("queuePopulator.logSource", "kafka", "queuePopulator.kafka is required with logSource kafka"),
        (
            "queuePopulator.mongo",
            {"shardCollections": True, "replicaSet": "rs0"},
            "queuePopulator.mongo.replicaSet is not given with shardCollections",
        ),
        (
            "queuePopulator.mongo.authCredentials",
            {"username": "u"},
            "queuePopulator.mongo.authCredentials.password is required",
        ),
        (f"{R}.source.auth", {"type": "account"}, f"{R}.source.auth.account is required with type account"),
        (f"{R}.source.auth", {"type": "role"}, f"{R}.source.auth.vault is required with type role"),
        (
            f"{R}.source.auth",
            {"type": "role", "vault": {**HOST_PORT, "adminCredentialsFile": "f"}},
            f"{R}.source.auth.vault.adminPort is required with adminCredentialsFile",
        ),
        (f"{R}.destination.auth", {"type": "account"}, f"{R}.destination.auth.account is required"),
        (
            f"{R}.destination.bootstrapList",
            [{"site": "a", "type": "gcp", "default": "yes"}, {"site": "b", "type": "gcp", "default": True}],
            f"{R}.destination.bootstrapList must have one default site at most",
        ),
        (
            f"{R}.destination.bootstrapList",
            [{"site": "a", "type": "gcp"}, {"site": "a", "type": "azure"}],
            f"{R}.destination.bootstrapList names site 'a' twice",
        ),
        (
            f"{R}.destination.bootstrapList",
            [{"site": "a", "type": "gcp"}, {"site": "b"}],
            f"{R}.destination.bootstrapList[1] must have either servers or a type",
        ),
        (
            f"{R}.destination.bootstrapList",
            [{"site": "a", "type": "tape"}],
            f"{R}.destination.bootstrapList[0].type must be one of aws_s3, azure, gcp",
        ),
        (f"{R}.replayTopics", [{"topicName": "t"}], f"{R}.replayTopics[0].retries is required"),
        (
            "extensions.gc.auth",
            {"type": "assumeRole", "roleName": "r", "vault": HOST_PORT},
            "extensions.gc.auth.sts is required with type assumeRole",
        ),
        (
            "extensions.gc.auth",
            {
                "type": "assumeRole",
                "roleName": "r",
                "vault": HOST_PORT,
                "sts": {**HOST_PORT, "externalFile": "f", "accessKey": "a"},
            },
            "extensions.gc.auth.sts.externalFile stands instead of",
        ),
        (
            "extensions.ingestion",
            {"auth": {"type": "account", "account": "a"}, "topic": "t", "zookeeperPath": "/i", "sources": []},
            "extensions.ingestion.auth.type must be service",
        ),
        ("extensions.tape", {}, "extensions.tape is not known"),
        (
            "kafka.host",
            "a:1",
            "kafka.host is not known: did you mean kafka.hosts?".replace("kafka.hosts", "hosts"),
        ),
    ],
)
def test_what_does_not_go_together_is_named(path: str, value: Any, told: str) -> None:
    assert told in refused(changed(path, value))


def test_lifecycle_inherits_who_it_is_or_says_it_itself() -> None:
    lifecycle = copy.deepcopy(LEAST["extensions"]["lifecycle"])  # type: ignore[index] # one literal, many types
    del lifecycle["auth"]

    told = refused(changed("extensions.lifecycle", lifecycle))

    assert "extensions.lifecycle.bucketProcessor.auth is required" in told


def test_every_error_of_a_file_is_told_at_once_and_ten_at_most() -> None:
    told = refused({})

    assert "replicationGroupId is required" in told
    assert "server is required" in told
    assert "and 3 more" in refused({**sample(), **{f"key{n}": 1 for n in range(13)}})


@pytest.mark.parametrize("path", ["queuePopulator.circuitBreaker", f"{R}.queueProcessor.circuitBreaker"])
def test_a_free_section_may_hold_anything(path: str) -> None:
    assert {"a": [1]} == Settings.make(changed(path, {"a": [1]})).get(path)


@pytest.mark.parametrize(
    ("path", "given", "expected"),
    [
        ("server.port", "9000", 9000),
        ("zookeeper.autoCreateNamespace", "true", True),
        (f"{R}.queueProcessor.retry.aws_s3.backoff.factor", "2.5", 2.5),
        ("redis", {"sentinels": "a:1, b:2"}, [{"host": "a", "port": 1}, {"host": "b", "port": 2}]),
    ],
)
def test_numbers_and_flags_may_be_text(path: str, given: Any, expected: Any) -> None:
    settings = Settings.make(changed(path, given))

    assert expected == settings.get(path if path != "redis" else "redis.sentinels")


def test_sentinels_as_text_keep_their_passwords() -> None:
    given = {"sentinels": "a:1", "password": "p", "sentinelPassword": "q"}  # W-29

    assert ("p", "q") == tuple(
        Settings.make(changed("redis", given)).get(f"redis.{n}") for n in ("password", "sentinelPassword")
    )


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    with pytest.raises(InvalidConfiguration, match=r"config.json': it cannot be read: No such file"):
        Settings.read(path, {})
    path.write_text("{")
    with pytest.raises(InvalidConfiguration, match=r"config.json': it is not JSON"):
        Settings.read(path, {})
    path.write_text("[]")
    with pytest.raises(InvalidConfiguration, match=r"config.json': it must be an object"):
        Settings.read(path, {})
    path.write_text('{"kafka": {}, "kafka": {}}')
    with pytest.raises(InvalidConfiguration, match="'kafka' is given twice"):
        Settings.read(path, {})


def test_the_file_is_the_one_that_the_environment_names(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(changed("kafka.hosts", "k:1")))

    assert "k:1" == Settings.read(None, {"BACKBEAT_CONFIG_FILE": str(path)}).get("kafka.hosts")


# What nobody reads.


@pytest.mark.parametrize(
    "key", [key for key in KEYS if key.unused and "[]" not in key.path], ids=lambda key: key.path
)
def test_a_key_that_nobody_reads_is_reported_if_it_is_given(key: Any) -> None:
    inherited = any(key.path.startswith(f"{other.path}.") and other.unused for other in KEYS)
    given = Settings.make(LEAST)
    section, name = given.get(key.path.rpartition(".")[0], given.document), key.path.rpartition(".")[2]
    defaulted = not _is_given(key.path)

    assert isinstance(section, Mapping) or defaulted
    assert (key.path in given.unused) == (not defaulted and not inherited), name


def _is_given(path: str) -> bool:
    section: Any = LEAST
    for name in path.split("."):
        if not isinstance(section, Mapping) or name not in section:
            return False
        section = section[name]
    return True


def test_a_section_that_nobody_reads_is_reported_once() -> None:
    lifecycle = [name for name in Settings.make(LEAST).unused if "lifecycle" in name]

    assert ["extensions.lifecycle"] == lifecycle


def test_variables_that_nobody_reads_are_reported() -> None:
    environment = {"RDKAFKA_DEBUG_LOGS": "all", "EXTENSIONS_LIFECYCLE_RULES_EXPIRATION_ENABLED": "true"}

    unused = Settings.make(sample(), environment).unused

    assert {f"${name}" for name in environment} <= set(unused)


# The environment.

OVERRIDES: Mapping[str, tuple[str, Any]] = {
    "LOG_LEVEL": ("trace", "trace"),
    "ZOOKEEPER_AUTO_CREATE_NAMESPACE": ("false", True),
    "HEALTHCHECKS_ALLOWFROM": ("10.0.0.0/8, ::2", ["10.0.0.0/8", "::2"]),
    "REPLICATION_GROUP_ID": ("RG00002", "RG00002"),
    "ZOOKEEPER_CONNECTION_STRING": ("z:1/a", "z:1/a"),
    "KAFKA_HOSTS": ("a:1,b:2", "a:1,b:2"),
    "KAFKA_BACKLOG_METRICS_ZKPATH": ("/a", "/a"),
    "REDIS_SENTINELS": ("a:1", [{"host": "a", "port": 1}]),
    "REDIS_HA_NAME": ("m", "m"),
    "BACKBEAT_QUEUEPOPULATOR_LOGSOURCE": ("ingestion", "ingestion"),
    "EXTENSIONS_REPLICATION_SOURCE_AUTH_TYPE": ("account", "account"),
    "EXTENSIONS_REPLICATION_DEST_AUTH_TYPE": ("service", "service"),
    "EXTENSIONS_LIFECYCLE_ZOOKEEPER_PATH": ("/l", "/l"),
    "EXTENSIONS_LIFECYCLE_CONDUCTOR_CRONRULE": ("1 * * * * *", "1 * * * * *"),
    "EXTENSIONS_LIFECYCLE_AUTH_TYPE": ("account", "account"),
    "EXTENSIONS_INGESTION_AUTH_TYPE": ("service", "service"),
}
WITH = {
    "MONGODB_AUTH_USERNAME": {"MONGODB_AUTH_PASSWORD": "p"},
    "MONGODB_AUTH_PASSWORD": {"MONGODB_AUTH_USERNAME": "u"},
    "REDIS_HA_NAME": {"REDIS_SENTINELS": "a:1"},
}


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda each: f"{each.name}-{each.path}")
def test_a_variable_sets_its_key(variable: Any) -> None:
    text, expected = OVERRIDES.get(variable.name, ("1", None))
    if variable.path == "queuePopulator.logSource" and variable.name == "MONGODB_HOSTS":
        expected = "mongo"
    environment = {variable.name: text, **WITH.get(variable.name, {})}

    found = Settings.make(LEAST, environment).get(variable.path)

    assert (expected if expected is not None else found.__class__(1)) == found


@pytest.mark.parametrize("name", ["MONGODB_AUTH_USERNAME", "MONGODB_AUTH_PASSWORD"])
def test_half_of_an_account_has_no_effect(name: str) -> None:
    assert None is Settings.make(sample(), {name: "a"}).get("queuePopulator.mongo.authCredentials")


def test_sentinels_of_the_environment_stand_instead_of_the_host_of_the_file() -> None:
    redis = Settings.make(sample(), {"REDIS_SENTINELS": "a:1,b:2", "REDIS_HOST": "c"}).get("redis")

    assert ("mymaster", False, 2) == (redis["name"], "host" in redis, len(redis["sentinels"]))


def test_a_host_of_the_environment_stands_instead_of_the_sentinels_of_the_file() -> None:
    redis = Settings.make(changed("redis", {"sentinels": "a:1"}), {"REDIS_HOST": "c"}).get("redis")

    assert ("c", 6379, False) == (redis["host"], redis["port"], "sentinels" in redis)


def test_sites_of_the_environment_are_added() -> None:
    environment = {
        "EXTENSIONS_REPLICATION_DEST_BOOTSTRAPLIST": "z:8000",
        "EXTENSIONS_REPLICATION_DEST_BOOTSTRAPLIST_MORE": '{"site": "b", "type": "gcp"}',
    }
    document = changed(f"{R}.destination.bootstrapList", [{"site": "zenko", "servers": ["old:1"]}])

    expected = (Endpoint("zenko", servers=("z:8000",), default=True), Endpoint("b", "gcp"))
    assert expected == Settings.make(document, environment).endpoints


def test_extensions_that_the_environment_does_not_name_are_taken_out() -> None:
    settings = Settings.make(sample(), {"BACKBEAT_QUEUEPOPULATOR_EXTENSIONS": "gc,lifecycle"})

    assert ["gc"] == list(settings.get("extensions"))


def test_an_error_names_the_variable_that_has_made_it() -> None:
    assert "kafka.hosts must be host:port[,host:port…], not 'k' (from KAFKA_HOSTS)" in refused(
        sample(), {"KAFKA_HOSTS": "k"}
    )
    assert "LOG_LEVEL must be one of info, debug, trace, not 'error'" in refused(sample(), {"LOG_LEVEL": "error"})


@pytest.mark.parametrize(
    ("name", "text", "path", "expected"),
    [
        ("BACKBEAT__KAFKA__HOSTS", "a:1", "kafka.hosts", "a:1"),
        ("BACKBEAT__kafka__hosts", '"a:1"', "kafka.hosts", "a:1"),
        ("BACKBEAT__REPLICATIONGROUPID", "1234567", "replicationGroupId", "1234567"),
        ("BACKBEAT__SERVER__PORT", "1", "server.port", 1),
        ("BACKBEAT__SERVER__HEALTHCHECKS__ALLOWFROM", '["::2"]', "server.healthChecks.allowFrom", ["::2"]),
        ("BACKBEAT__QUEUEPOPULATOR__MONGO", '{"database": "d"}', "queuePopulator.mongo.database", "d"),
        ("BACKBEAT__QUEUEPOPULATOR__CIRCUITBREAKER__any", "[1]", "queuePopulator.circuitBreaker.any", [1]),
        (
            "BACKBEAT__EXTENSIONS__REPLICATION__MONITORREPLICATIONFAILURES",
            "false",
            f"{R}.monitorReplicationFailures",
            False,
        ),
    ],
)
def test_the_generic_form_sets_any_key(name: str, text: str, path: str, expected: Any) -> None:
    assert expected == Settings.make(sample(), {name: text}).get(path)


def test_the_generic_form_of_an_inner_key_is_over_that_of_its_section() -> None:
    environment = {
        "BACKBEAT__REDIS__HOST": "b",
        "BACKBEAT__REDIS": '{"host": "a", "port": 1}',
    }
    assert ("b", 1) == tuple(Settings.make(sample(), environment).get(f"redis.{n}") for n in ("host", "port"))


@pytest.mark.parametrize(
    "name", ["BACKBEAT__KAFKA__NOTHING", "BACKBEAT__", f"BACKBEAT__{R.replace('.', '__')}__X"]
)
def test_the_generic_form_of_no_key_is_refused_by_its_name(name: str) -> None:
    assert refused(sample(), {name: "1"}).startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"BACKBEAT__KAFKA__HOSTS": "generic:1", "KAFKA_HOSTS": "specific:1"}, "generic:1"),
        ({"KAFKA_HOSTS": "specific:1"}, "specific:1"),
        ({"KAFKA_HOSTS": ""}, "127.0.0.1:9092"),
        ({}, "127.0.0.1:9092"),
    ],
)
def test_generic_is_over_specific_is_over_the_file(environment: Mapping[str, str], expected: str) -> None:
    assert expected == Settings.make(sample(), environment).get("kafka.hosts")


# Secrets.


def test_secrets_are_in_no_description_no_repr_and_no_error() -> None:
    document = changed("redis", {"sentinels": "a:1", "password": "hidden1", "sentinelPassword": "hidden2"})
    document["queuePopulator"]["mongo"]["authCredentials"] = {"username": "u", "password": "hidden3"}
    document["queuePopulator"]["circuitBreaker"] = {"secretKey": "hidden4"}
    document["kafka"]["sasl"] = {"username": "u", "password": "hidden5"}
    locations = read_locations(
        {"a": {"type": "aws_s3", "details": {"credentials": {"accessKey": "hidden6", "secretKey": "hidden7"}}}}
    )
    settings = Settings.make(document, locations=locations)

    told = json.dumps(settings.describe()) + repr(settings)
    assert "hidden" not in told
    assert 7 == told.count("***")
    assert "55555" not in refused(changed("redis", {"sentinels": "a:1", "password": 55555}))


# What is made of it.


def test_a_site_is_tried_as_often_as_its_type_says() -> None:
    retry = {"aws_s3": {"maxRetries": 1, "timeoutS": 2, "backoff": {"min": 3, "max": 4, "jitter": 0, "factor": 5}}}
    settings = Settings.make(changed(f"{R}.queueProcessor.retry", retry))

    assert RetryPolicy(1, 2, Backoff(3, 4, 0, 5)) == settings.site_policy(Endpoint("a", "aws_s3"))
    assert CLOUD_DEFAULT == settings.site_policy(Endpoint("a", "azure"))
    assert RetryPolicy() == settings.site_policy(Endpoint("a", servers=("s:1",)))


def test_the_replays_are_those_of_the_file() -> None:
    assert ("backbeat-replication-replay-0",) * 5 == Settings.make(sample()).replays.attempts
    assert 0 == Settings.make(changed(f"{R}.replayTopics")).replays.total


def test_every_rule_is_about_a_section_that_there_is() -> None:
    known = {key.path for key in KEYS}

    assert set() == {rule.path for rule in RULES} - known
    assert len(known) == len(KEYS)


# Locations.


def test_a_location_is_what_its_type_or_its_managed_type_says() -> None:
    locations = read_locations(
        {
            "a": {"type": "azure", "isTransient": True, "details": {"bucketMatch": True}},
            "b": {"locationType": "location-wasabi-v1", "details": {"supportsVersioning": True}},
            "c": {"locationType": "location-dmf-v1", "isCold": True, "sizeLimitGB": None},
        }
    )

    assert () == locations.problems
    expected = [
        LocationConstraint("azure", is_transient=True, bucket_match=True),
        LocationConstraint("aws_s3", supports_versioning=True),
        LocationConstraint("dmf", is_cold=True),
    ]
    assert expected == [each.constraint for each in locations.by_name.values()]
    assert (frozenset("a"), frozenset("c")) == (locations.transient, locations.cold)


def test_a_location_of_an_unknown_type_is_disabled_and_the_others_work() -> None:
    locations = read_locations({"a": {"type": "tape"}, "b": {"locationType": "x"}, "c": {}, "d": {"type": "mem"}})

    expected = (
        "location 'a' is disabled: its type 'tape' is not known",
        "location 'b' is disabled: its locationType 'x' is not known",
        "location 'c' is disabled: it has no type",
    )
    assert expected == locations.problems
    assert ["d"] == list(Settings.make(sample(), locations=locations).constraints)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ([], "it must be an object"),
        ({"a": 1}, "a must be an object"),
        ({"a": {"type": 1}}, "a.type must be text, not 1"),
        ({"a": {"type": "mem", "isCold": "perhaps"}}, "a.isCold must be true or false, not 'perhaps'"),
        ({"a": {"type": "mem", "details": []}}, "a.details must be an object, free"),
        ({"a": {"objectId": "1"}, "b": {"objectId": "1"}}, "b.objectId '1' is that of a"),
    ],
)
def test_what_is_wrong_with_a_location_is_named(document: Any, told: str) -> None:
    with pytest.raises(InvalidConfiguration, match=re.escape(told)):
        read_locations(document)


def test_members_of_a_location_that_nobody_reads_are_reported() -> None:
    locations = read_locations({"a": {"type": "mem", "sizeLimitGB": 5, "colour": "red"}})

    unused = set(Settings.make(sample(), locations=locations).unused)
    assert {"locationConfig.json: a.colour", "locationConfig.json: a.sizeLimitGB"} <= unused


def test_managed_locations_are_the_sites() -> None:
    locations = read_locations(
        {
            "a": {"type": "file", "locationType": "location-file-v1"},
            "b": {"locationType": "location-aws-s3-v1"},
            "c": {"locationType": "unknown"},
        }
    )
    settings = Settings.make(sample(), {"MANAGEMENT_BACKEND": "operator"}, locations=locations)

    assert (Endpoint("b", "aws_s3"),) == settings.endpoints


def test_a_directory_is_found_from_the_file_that_names_it(tmp_path: Path) -> None:
    locations = read_locations(
        {"a": {"type": "file", "details": {"path": "x"}}, "b": {"type": "mem"}, "c": {"type": "file"}}
    )

    assert [tmp_path / "x", None, None] == [each.directory(tmp_path) for each in locations.by_name.values()]


# Roles, and what a process is made of.


def test_roles_are_read() -> None:
    known = ("a", "b")

    assert Roles(api=True, populator=True, status=True, gc=True) == Roles.parse("api, populator,status,gc", known)
    assert Roles(sites=("b",)) == Roles.parse("processor:b", known)
    assert Roles(sites=("b", "a")) == Roles.parse("processor:b,processor", known)


@pytest.mark.parametrize("text", ["", ",", "nobody", "api:a", "processor:c", "processor:"])
def test_what_is_no_role_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(InvalidConfiguration, match=f"--role .*{text.strip(',')}"):
        Roles.parse(text, ("a", "b"))


def test_a_process_works_on_the_topics_and_in_the_groups_of_the_file() -> None:
    document = changed("metrics", {"topic": "m", "groupIdPrefix": "mg"})
    document["extensions"]["gc"] |= {"topic": "g", "consumer": {"groupId": "gg"}}
    replication = document["extensions"]["replication"]
    replication |= {"topic": "r", "replicationStatusTopic": "s", "replicationFailedTopic": "f"}
    replication["queueProcessor"]["groupId"] = "rg"
    replication["replicationStatusProcessor"] |= {"groupId": "sg", "concurrency": 7}
    document["queuePopulator"] |= {"zookeeperPath": "/q", "batchMaxRead": 5}

    host = host_settings(Settings.make(document))

    assert Topics("r", "s", "f", "m", "g") == host.topics
    assert Groups("rg", "sg", "backbeat-retry-group", "mg-crr", "gg") == host.groups
    assert (7, 5, "r", "m") == (
        host.status_concurrency,
        host.populate.batch,
        host.populate.topic,
        host.populate.metrics_topic,
    )
    assert "/q/q/logState/mongo_s3-recordlog/logOffset" == host.populate.position_path  # 2.4


def test_without_monitoring_no_failure_is_published() -> None:
    assert "" == host_settings(Settings.make(changed(f"{R}.monitorReplicationFailures", False))).topics.failed


def test_a_source_over_tls_is_refused() -> None:
    with pytest.raises(InvalidConfiguration, match=r"source\.transport 'https' is not served yet"):
        source_of(Settings.make(changed(f"{R}.source.transport", "https")))
