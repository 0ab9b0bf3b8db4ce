"""Groups of keys that several sections share (queue-and-wire 4.7), and our own for safe connections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from backbeat_adapters.settings.schema import (
    ABOVE_ZERO,
    ABSENT,
    FLAG,
    FREE,
    INTEGER,
    NOT_EMPTY,
    NUMBER,
    PORT,
    REQUIRED,
    SECTION,
    TEXT,
    Key,
    Rule,
    at_least,
    one_of,
    within,
)

TRANSPORT: Final = one_of("http", "https")

NOT_SIGNED: Final = "requests to the source are not signed: it must take them for those of the replication service"
NO_PROBES: Final = "there is no probe server of its own; the health routes of the API answer"
NO_BREAKER: Final = "a breaker has its default thresholds"


def host_port(path: str, about: str, *, default: Any = ABSENT, unused: str = "") -> tuple[Key, ...]:
    """Return `{host, port}`, both required in it."""
    return (
        Key(path, SECTION, default, about, unused=unused),
        Key(f"{path}.host", TEXT, REQUIRED, "", NOT_EMPTY),
        Key(f"{path}.port", INTEGER, REQUIRED, "", PORT),
    )


def probe(path: str, port: int | None = None) -> tuple[Key, ...]:
    """Return a probe server's `{bindAddress, port}`."""
    about = "Probe server" + (f"; shipped port {port}" if port else "")
    return (
        Key(path, SECTION, ABSENT, about, unused=NO_PROBES),
        Key(f"{path}.bindAddress", TEXT, "localhost"),
        Key(f"{path}.port", INTEGER, REQUIRED, "", PORT),
    )


def breaker(path: str) -> tuple[Key, ...]:
    """Return a free section of thresholds."""
    return (Key(path, FREE, ABSENT, "Thresholds of the circuit breaker", unused=NO_BREAKER),)


def retry(path: str, about: str, *, unused: str = "") -> tuple[Key, ...]:
    """Return how often and how long an action is tried again; the inner defaults hold where the section is."""
    return (
        Key(path, SECTION, ABSENT, about, unused=unused),
        Key(f"{path}.maxRetries", INTEGER, 5, "Attempts after the first", at_least(0)),
        Key(f"{path}.timeoutS", NUMBER, 300, "Seconds after which it is given up", at_least(0)),
        Key(f"{path}.backoff", SECTION, {}, "How long to wait in between"),
        Key(f"{path}.backoff.min", NUMBER, 1000, "Milliseconds before the first retry", ABOVE_ZERO),
        Key(f"{path}.backoff.max", NUMBER, 300_000, "Milliseconds at most", ABOVE_ZERO),
        Key(f"{path}.backoff.jitter", NUMBER, 0.1, "How far a wait is off, as a part of it", within(0, 1)),
        Key(f"{path}.backoff.factor", NUMBER, 1.5, "How it grows", ABOVE_ZERO),
    )


def auth(path: str, *, required: bool = False, unused: str) -> tuple[Key, ...]:
    """Return how a service of ours authenticates itself (4.7)."""
    return (
        Key(path, SECTION, REQUIRED if required else ABSENT, "Who the service is", unused=unused),
        Key(f"{path}.transport", TEXT, ABSENT, "", TRANSPORT),
        Key(f"{path}.type", TEXT, REQUIRED, "", one_of("service", "account", "assumeRole")),
        Key(f"{path}.account", TEXT, ABSENT, "For service and account"),
        Key(f"{path}.roleName", TEXT, ABSENT, "For assumeRole"),
        *host_port(f"{path}.sts", "For assumeRole"),
        Key(f"{path}.sts.accessKey", TEXT, ABSENT, secret=True),
        Key(f"{path}.sts.secretKey", TEXT, ABSENT, secret=True),
        Key(f"{path}.sts.externalFile", TEXT, ABSENT, "A file instead of the two keys"),
        *host_port(f"{path}.vault", "For assumeRole"),
    )


_NEEDED: Final = {
    "service": ("account",),
    "account": ("account",),
    "assumeRole": ("roleName", "sts", "vault"),
    "role": ("vault",),
}


def auth_rule(path: str) -> Rule:
    """Return what each type of authentication asks for."""

    def find(section: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        kind = section.get("type", "")
        for name in _NEEDED.get(kind, ()):
            if name not in section:
                yield name, f"is required with type {kind}"
        sts = section.get("sts") or {}
        if "externalFile" in sts and ("accessKey" in sts or "secretKey" in sts):
            yield "sts.externalFile", "stands instead of accessKey and secretKey: give one or the other"
        if sts and "externalFile" not in sts and not ("accessKey" in sts and "secretKey" in sts):
            yield "sts", "needs accessKey and secretKey, or externalFile"
        vault = section.get("vault") or {}
        if "adminCredentialsFile" in vault and "adminPort" not in vault:
            yield "vault.adminPort", "is required with adminCredentialsFile"

    return Rule(path, find)


def mongo(path: str, *, required: bool = False, unused: str = "") -> tuple[Key, ...]:
    """Return how MongoDB is reached."""
    return (
        Key(path, SECTION, REQUIRED if required else ABSENT, "The metadata of all objects", unused=unused),
        Key(f"{path}.replicaSetHosts", TEXT, "localhost:27017", "host:port[,host:port…]", NOT_EMPTY),
        Key(f"{path}.logName", TEXT, "s3-recordlog", "Names the position in the log"),
        Key(f"{path}.writeConcern", TEXT, "majority", "`majority`, or how many members"),
        Key(f"{path}.shardCollections", FLAG, False, "The hosts are routers of a sharded cluster"),
        Key(f"{path}.replicaSet", TEXT, ABSENT, "`rs0` if it is not sharded, forbidden if it is"),
        Key(f"{path}.readPreference", TEXT, "primary", "", one_of(*READ_PREFERENCES)),
        Key(f"{path}.database", TEXT, "metadata", "", NOT_EMPTY),
        Key(f"{path}.authCredentials", SECTION, ABSENT, "Who we are"),
        Key(f"{path}.authCredentials.username", TEXT, REQUIRED, "", NOT_EMPTY),
        Key(f"{path}.authCredentials.password", TEXT, REQUIRED, secret=True),
        *tls(path, without="key"),  # it is in the same file as the certificate
    )


READ_PREFERENCES: Final = ("primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest")


def mongo_rule(path: str) -> Rule:
    """Return that a sharded cluster has no replica set to name."""

    def find(section: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        if section.get("shardCollections") and "replicaSet" in section:
            yield "replicaSet", "is not given with shardCollections"

    return Rule(path, find)


def tls(path: str, *, without: str = "") -> tuple[Key, ...]:
    """Return our own section for a connection over TLS, less the key that the client has no use for."""
    keys = (
        Key(
            f"{path}.tls",
            SECTION,
            ABSENT,
            "The connection is encrypted; paths from the file's directory",
            ours=True,
        ),
        Key(f"{path}.tls.ca", TEXT, ABSENT, "PEM of who signs; without, the system's", ours=True),
        Key(f"{path}.tls.cert", TEXT, ABSENT, "PEM that shows who we are", ours=True),
        Key(f"{path}.tls.key", TEXT, ABSENT, "PEM of its key", ours=True),
        Key(f"{path}.tls.keyPassword", TEXT, ABSENT, "Opens the key", secret=True, ours=True),
        Key(f"{path}.tls.verify", FLAG, True, "Check who the server is", ours=True),
    )
    return tuple(key for key in keys if key.path != f"{path}.tls.{without}")
