"""`MongoStore`: the Store port on a MongoDB replica set."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import attrs
import bson
import pymongo
from bson import ObjectId, Timestamp
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo.change_stream import DatabaseChangeStream
from pymongo.errors import (
    DocumentTooLarge,
    DuplicateKeyError,
    InvalidName,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
)

from backbeat_adapters import mongodb_documents as documents
from backbeat_core.errors import Conflict, HistoryLost, InvalidDocument, InvalidInput, StoreUnavailable
from backbeat_core.ports.store import (
    ABSENT,
    ANY,
    Change,
    ChangeKind,
    Document,
    Expected,
    Feed,
    Json,
    Position,
    Store,
    Version,
)

# MongoDB's numbers for what will be refused again: bad value, names with dollars or dots (before 5.0),
# invalid names of collections, documents over 16 MiB.
_REFUSED: Final = {2, 52, 56, 57, 73, 10334, 17280, 17419, 17420}

# ChangeStreamFatalError, ChangeStreamHistoryLost, OplogQueryMinTsMissing, CappedPositionLost.
_LOST: Final = {136, 280, 286, 326}

# What is said about a resume token that is none: FailedToParse, Overflow, InvalidResumeToken, and keystrings'.
_NO_TOKEN: Final = {9, 15, 260, 40649, 50811}

_KINDS: Final = ("insert", "update", "replace", "delete")

# A write that others keep getting in between of is taken again. Each time somebody else has come further.
_ATTEMPTS: Final = 50


# From the whole document as it was to its new value.
_ValueChange: TypeAlias = Callable[[Mapping[str, Any]], dict[str, Any]]


@attrs.frozen
class MongoTls:
    """TLS towards MongoDB. *certificate* holds the client's certificate and key in one PEM file."""

    ca: str | None = None
    certificate: str | None = None
    certificate_password: str | None = attrs.field(default=None, repr=False)
    verify: bool = True


@attrs.frozen
class MongoSettings:
    """
    How to reach MongoDB.

    *hosts* is `host:port[,host:port…]`. Without a *replica_set* the hosts are routers of a sharded cluster.
    *timeout_ms* bounds one call, the search for a primary included.
    """

    hosts: str = "localhost:27017"
    replica_set: str | None = "rs0"
    database: str = "metadata"
    username: str | None = None
    password: str | None = attrs.field(default=None, repr=False)
    auth_source: str = "admin"
    tls: MongoTls | None = None
    write_concern: str | int = "majority"
    read_preference: str = "primary"
    connect_timeout_ms: int = 3_000
    timeout_ms: int = 10_000


class MongoStore(Store):
    """
    A store in one database; a collection of the port is a collection of MongoDB.

    Every write replaces the whole document if it is what it was: a partial update would reach the change
    feed without the document as written, and the readers of other programs not at all (2.3.4).
    """

    def __init__(self, settings: MongoSettings) -> None:
        self._client = _connect(settings)
        self._raw = self._client.get_database(settings.database, codec_options=documents.RAW)
        self._streams = _Streams(self._client, self._raw)

    def get(self, collection: str, key: str) -> Document | None:
        with _border():
            found = self._raw[collection].find_one({"_id": key})
            return None if found is None else documents.document(found)

    def put(
        self, collection: str, key: str, value: Mapping[str, Json], *, expected: Version | Expected = ANY
    ) -> Document:
        if not key or not collection:
            raise InvalidInput("a document needs a collection and a key")
        new = documents.stored(value)
        with _border():
            if expected is ABSENT:
                return self._insert(collection, key, new)
            if not isinstance(expected, Expected):
                return self._replace(collection, key, expected, lambda _: new)
            for _ in range(_ATTEMPTS):
                with contextlib.suppress(Conflict):
                    found = self._raw[collection].find_one({"_id": key})
                    if found is None:
                        return self._insert(collection, key, new)
                    return self._replace(collection, key, bytes(found.raw), lambda _: new)
            raise StoreUnavailable(f"{key!r} changes too fast to be written")

    def patch(
        self, collection: str, key: str, members: Mapping[str, Json], *, expected: Version | Expected = ANY
    ) -> Document:
        documents.stored(members)
        with _border():
            if not isinstance(expected, Expected):
                return self._replace(collection, key, expected, lambda found: documents.patched(found, members))
            for _ in range(_ATTEMPTS):
                found = self._raw[collection].find_one({"_id": key})
                if found is None or expected is ABSENT:
                    raise Conflict(key, expected="a document" if found is None else expected)
                with contextlib.suppress(Conflict):
                    return self._replace(
                        collection, key, bytes(found.raw), lambda found: documents.patched(found, members)
                    )
            raise StoreUnavailable(f"{key!r} changes too fast to be written")

    def delete(self, collection: str, key: str, *, expected: Version | Expected = ANY) -> bool:
        with _border():
            if expected is ANY:
                return self._raw[collection].delete_one({"_id": key}).deleted_count == 1
            if not isinstance(expected, Expected) and documents.whole(expected) is not None:
                wanted = {**documents.unchanged(expected), "_id": key}
                if self._raw[collection].delete_one(wanted).deleted_count == 1:
                    return True
            if self._raw[collection].find_one({"_id": key}, {"_id": True}) is None:
                return False
            raise Conflict(key, expected=expected)

    def scan(self, collection: str, *, prefix: str = "", after: str = "", limit: int = 1000) -> Sequence[Document]:
        if limit <= 0:
            return []
        wanted: dict[str, str] = {"$gt": after, "$gte": prefix}
        end = _after_all(prefix)
        if end is not None:
            wanted["$lt"] = end
        with _border():
            found = self._raw[collection].find({"_id": wanted}).sort("_id", 1).limit(limit)
            return [documents.document(raw) for raw in found]

    def changes(self, after: Position | None, *, limit: int = 1000) -> Feed:
        with _border():
            for _ in range(_ATTEMPTS):
                try:
                    return self._read(after, limit)
                except HistoryLost:
                    # The oldest change can go while it is looked up; the next is the oldest then.
                    if after is not None:
                        raise
            raise StoreUnavailable("the oplog is too short: its oldest change is gone before it can be read")

    def _read(self, after: Position | None, limit: int) -> Feed:
        with self._streams.at(after) as stream:
            found: list[Change] = []
            while len(found) < limit and (event := stream.try_next()) is not None:
                found += _change(event)
            assert stream.resume_token is not None
            return Feed(found, _position(stream.resume_token))

    def position(self) -> Position:
        with _border(), self._raw.watch() as stream:
            # The server tells a token with its first, empty batch.
            assert stream.resume_token is not None
            return _position(stream.resume_token)

    def close(self) -> None:
        self._streams.close()
        self._client.close()

    def _insert(self, collection: str, key: str, value: dict[str, Any]) -> Document:
        new = _whole(key, {}, value)
        try:
            self._raw[collection].insert_one(new)
        except DuplicateKeyError as error:
            raise Conflict(key, expected=ABSENT) from error
        return documents.document(new)

    def _replace(self, collection: str, key: str, version: Version, change: _ValueChange) -> Document:
        found = documents.whole(version)
        if found is None:
            raise Conflict(key, expected=version)
        new = _whole(key, found, change(found))
        wanted = {**documents.unchanged(version), "_id": key}
        if self._raw[collection].replace_one(wanted, new).matched_count == 0:
            raise Conflict(key, expected=version)
        return documents.document(new)


class _Streams:
    """The change stream that was read last, kept open for whoever goes on where it stands."""

    def __init__(self, client: pymongo.MongoClient[Any], database: Any) -> None:
        self._client = client
        self._database = database
        self._lock = threading.Lock()
        self._kept: tuple[Position, DatabaseChangeStream[Any]] | None = None

    @contextlib.contextmanager
    def at(self, position: Position | None) -> Iterator[DatabaseChangeStream[Any]]:
        """Give a stream that stands at *position*, and keep it if nothing goes wrong with it."""
        with self._lock:
            kept, self._kept = self._kept, None
        if kept is not None and kept[0] == position:
            stream = kept[1]
        else:
            _shut(kept)
            stream = self._open(position)
        try:
            with _history(position):
                yield stream
        except BaseException:
            _shut(("", stream))
            raise
        token = stream.resume_token
        with self._lock:
            old, self._kept = self._kept, None if token is None else (_position(token), stream)
        _shut(old)

    def close(self) -> None:
        with self._lock:
            kept, self._kept = self._kept, None
        _shut(kept)

    def _open(self, position: Position | None) -> DatabaseChangeStream[Any]:
        begin: dict[str, Any] = (
            {"start_at_operation_time": self._oldest()} if position is None else {"start_after": _token(position)}
        )
        with _history(position):
            return self._database.watch(  # type: ignore[no-any-return]  # a database of any type of document
                [{"$match": {"operationType": {"$in": _KINDS}}}],
                full_document="updateLookup",
                # As short as can be: a reader that finds nothing is to be told so.
                max_await_time_ms=1,
                **begin,
            )

    def _oldest(self) -> Timestamp:
        first = self._client.local["oplog.rs"].find_one(sort=[("$natural", 1)], projection={"ts": True})
        if first is None:
            raise StoreUnavailable("there is no oplog: changes are told by replica sets only")
        moment: Timestamp = first["ts"]
        return moment


@contextlib.contextmanager
def _history(position: Position | None) -> Iterator[None]:
    """Translate what MongoDB says of a place in its log."""
    try:
        yield
    except OperationFailure as error:
        if error.code in _LOST:
            raise HistoryLost(str(position)) from error
        if error.code in _NO_TOKEN:
            raise InvalidInput(f"{position!r} is no position of this feed") from error
        raise


def _shut(kept: tuple[Position, DatabaseChangeStream[Any]] | None) -> None:
    if kept is not None:
        # It is only the cursor on the server that would stay a while.
        with contextlib.suppress(PyMongoError), pymongo.timeout(1):
            kept[1].close()


def _change(event: Mapping[str, Any]) -> Iterator[Change]:
    key = event["documentKey"]["_id"]
    if not isinstance(key, str):
        return
    value = None
    if event["operationType"] != "delete":
        # Others update in place: what they set is what they wrote, and what stands now may be newer (2.3.4).
        updated = event.get("updateDescription", {}).get("updatedFields", {})
        found = updated if "value" in updated else event.get("fullDocument")
        if found is None:
            # It is gone again, which a later change tells.
            return
        try:
            value = documents.json_value(found)
        except InvalidDocument:
            return
    yield Change(
        event["ns"]["coll"],
        key,
        ChangeKind.DELETE if value is None else ChangeKind.PUT,
        value,
        _position(event["_id"]),
        _milliseconds(event),
    )


def _milliseconds(event: Mapping[str, Any]) -> int:
    # `wallTime` is told from MongoDB 6.0 on; the cluster's own time counts seconds.
    if "wallTime" in event:
        return int(event["wallTime"].timestamp() * 1000)
    return int(event["clusterTime"].time) * 1000


def _position(token: Mapping[str, Any]) -> Position:
    return str(token["_data"]) if set(token) == {"_data"} else json.dumps(token)


def _token(position: Position) -> Mapping[str, Any]:
    try:
        return json.loads(position) if position.startswith("{") else {"_data": position}
    except ValueError as error:
        raise InvalidInput(f"{position!r} is no position of this feed") from error


def _whole(key: str, found: Mapping[str, Any], value: dict[str, Any]) -> RawBSONDocument:
    content = {**found, "_id": key, "value": value, documents.REVISION: ObjectId()}
    return RawBSONDocument(bson.encode(content))


def _after_all(prefix: str) -> str | None:
    """Return the least text that sorts after every text with *prefix*, None where there is none."""
    stem = prefix.rstrip("\U0010ffff")
    if not stem:
        return None
    following = ord(stem[-1]) + 1
    # Between U+D7FF and U+E000 there are no characters that UTF-8 can say.
    return stem[:-1] + chr(0xE000 if following == 0xD800 else following)


def _connect(settings: MongoSettings) -> pymongo.MongoClient[Any]:
    options: dict[str, Any] = {
        "replicaSet": settings.replica_set,
        "w": settings.write_concern,
        "readPreference": settings.read_preference,
        "serverSelectionTimeoutMS": settings.timeout_ms,
        "connectTimeoutMS": settings.connect_timeout_ms,
        "timeoutMS": settings.timeout_ms,
    }
    if settings.username is not None:
        options |= {
            "username": settings.username,
            "password": settings.password,
            "authSource": settings.auth_source,
        }
    if settings.tls is not None:
        options |= {
            "tls": True,
            "tlsCAFile": settings.tls.ca,
            "tlsCertificateKeyFile": settings.tls.certificate,
            "tlsCertificateKeyFilePassword": settings.tls.certificate_password,
            "tlsAllowInvalidCertificates": not settings.tls.verify,
        }
    return pymongo.MongoClient(
        [host.strip() for host in settings.hosts.split(",")],
        **{name: value for name, value in options.items() if value is not None},
    )


@contextlib.contextmanager
def _border() -> Iterator[None]:
    """Translate what pymongo raises."""
    try:
        yield
    except (InvalidName, DocumentTooLarge, BSONError, OverflowError) as error:
        raise InvalidInput(f"MongoDB cannot keep it: {error}") from error
    except OperationFailure as error:
        if error.code in _REFUSED:
            raise InvalidInput(f"MongoDB refuses: {error}") from error
        raise StoreUnavailable(f"MongoDB: {error}") from error
    except (PyMongoError, InvalidOperation, OSError) as error:
        raise StoreUnavailable(f"MongoDB: {error}") from error
