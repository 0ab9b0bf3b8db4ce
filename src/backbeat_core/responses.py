"""What is answered when something went wrong: the catalogue of errors, and the way from an exception to it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

from backbeat_core import errors
from backbeat_core.domain import wire


@attrs.frozen
class Row:
    """
    One error that a client can be given.

    *code* is its name on the wire, *status* its HTTP status, *description* the text where there is none
    more exact; *retryable* says whether the same request may succeed later (PL-32).
    """

    code: str
    status: int
    description: str
    retryable: bool = False


_ROWS: Final = (
    # The answers of the REST API (http-api 2.3).
    Row("AccessDenied", 403, "Access Denied"),
    Row("RouteNotFound", 404, "RouteNotFound"),
    Row("MethodNotAllowed", 405, "The specified method is not allowed against this resource."),
    Row("InvalidQueryParameter", 400, "The AWS query string is malformed or does not adhere to AWS standards."),
    Row("MalformedPOSTRequest", 400, "The body of your POST request is not well-formed multipart/form-data."),
    Row("InternalError", 500, "We encountered an internal error. Please try again.", True),
    # What CloudServer and the sources and destinations of a replication answer.
    Row("BadDigest", 400, "The Content-MD5 you specified did not match what we received.", True),
    Row("BadRequest", 400, "BadRequest"),
    Row("BadRole", 400, "role not ok"),
    Row("EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed object size."),
    Row("ExpiredToken", 400, "The provided token has expired."),
    Row("InvalidAccessKeyId", 403, "The AWS access key Id you provided does not exist in our records."),
    Row("InvalidArgument", 400, "Invalid Argument"),
    Row("InvalidBucketName", 400, "The specified bucket is not valid."),
    Row("InvalidBucketState", 409, "The request is not valid with the current state of the bucket."),
    Row("InvalidLocationConstraint", 400, "The specified location constraint is not valid."),
    Row("InvalidObjectState", 403, "The operation is not valid for the current state of the object."),
    Row("InvalidRange", 416, "The requested range cannot be satisfied."),
    Row("InvalidRequest", 400, "SOAP requests must be made over an HTTPS connection."),
    Row("InvalidURI", 400, "Couldn't parse the specified URI."),
    Row("KeyTooLong", 400, "Your key is too long."),
    Row("LocationNotFound", 424, "The object data location does not exist."),
    Row(
        "MalformedXML",
        400,
        "The XML you provided was not well-formed or did not validate against our published schema.",
    ),
    Row("MissingParameter", 400, "A required parameter for the specified action is not supplied."),
    Row("NoSuchBucket", 404, "The specified bucket does not exist."),
    Row(
        "NoSuchEntity",
        404,
        "The request was rejected because it referenced an entity that does not exist. "
        "The error message describes the entity.",
    ),
    Row("NoSuchKey", 404, "The specified key does not exist."),
    Row(
        "NoSuchUpload",
        404,
        "The specified multipart upload does not exist. The upload ID might be invalid, "
        "or the multipart upload might have been aborted or completed.",
    ),
    Row(
        "NoSuchVersion",
        404,
        "Indicates that the version ID specified in the request does not match an existing version.",
    ),
    Row("NotImplemented", 501, "A header you provided implies functionality that is not implemented."),
    Row("ObjNotFound", 404, "This object does not exist"),
    Row(
        "OperationAborted",
        409,
        "A conflicting conditional operation is currently in progress against this resource. Try again.",
        True,
    ),
    Row("PreconditionFailed", 412, "At least one of the preconditions you specified did not hold."),
    Row("ReplicationConfigurationNotFoundError", 404, "The replication configuration was not found"),
    Row(
        "RequestTimeout",
        400,
        "Your socket connection to the server was not read from or written to within the timeout period.",
        True,
    ),
    Row(
        "ServiceFailure",
        500,
        "Server error: the request processing has failed because of an unknown error, exception or failure.",
        True,
    ),
    Row("ServiceUnavailable", 503, "The request has failed due to a temporary failure of the server.", True),
    Row(
        "SignatureDoesNotMatch",
        403,
        "The request signature we calculated does not match the signature you provided.",
    ),
    Row("SlowDown", 503, "Reduce your request rate.", True),
    Row("Throttling", 400, "The request was denied due to request throttling.", True),
    Row("TooManyRequests", 429, "TooManyRequests", True),
    Row("ValidationError", 400, "The specified value is invalid."),
)

CATALOGUE: Final[Mapping[str, Row]] = MappingProxyType({row.code: row for row in _ROWS})
"""Every error by its code."""

ACCESS_DENIED: Final = CATALOGUE["AccessDenied"]
ROUTE_NOT_FOUND: Final = CATALOGUE["RouteNotFound"]
METHOD_NOT_ALLOWED: Final = CATALOGUE["MethodNotAllowed"]
INVALID_QUERY_PARAMETER: Final = CATALOGUE["InvalidQueryParameter"]
MALFORMED_POST_REQUEST: Final = CATALOGUE["MalformedPOSTRequest"]
INTERNAL_ERROR: Final = CATALOGUE["InternalError"]


def is_retryable(code: str, status: int) -> bool:
    """
    Return whether an S3-like answer is worth asking again (PL-32).

    By its *code* where the catalogue has it; otherwise HTTP 429 and 500 or more are, 501 is not.
    """
    row = CATALOGUE.get(code)
    if row is not None:
        return row.retryable
    return status == 429 or (status >= 500 and status != 501)


class Component(enum.Enum):
    """What failed. The value is for the log; a client is never told."""

    API = "the API server"
    QUEUE = "the queue (Kafka)"
    STORE = "the store (MongoDB)"
    CACHE = "the cache (Redis)"
    COORDINATOR = "the coordinator (ZooKeeper)"
    LOCATION = "a location"


@attrs.frozen
class Fault:
    """What an exception means to the three who ask: the client, the log, a worker."""

    row: Row
    description: str
    component: Component | None
    retryable: bool

    def document(self) -> bytes:
        """Return the body for the client."""
        return error_document(self.row, self.description)


_CALLER: Final[Mapping[type[BaseException], Row]] = {
    errors.InvalidInput: CATALOGUE["InvalidRequest"],
    errors.Denied: ACCESS_DENIED,
    errors.NotFound: CATALOGUE["ObjNotFound"],
}
_COMPONENTS: Final[Mapping[type[BaseException], Component]] = {
    BaseException: Component.API,
    errors.InvalidConfiguration: Component.API,
    errors.UndecodableEntry: Component.QUEUE,
    errors.MessageTooLarge: Component.QUEUE,
    errors.QueueUnavailable: Component.QUEUE,
    errors.StoreUnavailable: Component.STORE,
    errors.HistoryLost: Component.STORE,
    errors.CacheUnavailable: Component.CACHE,
    errors.CoordinatorUnavailable: Component.COORDINATOR,
    errors.Fenced: Component.COORDINATOR,
    errors.LocationUnavailable: Component.LOCATION,
    errors.LocationRefused: Component.LOCATION,
    errors.Corrupted: Component.LOCATION,
    errors.SourceChanged: Component.LOCATION,
}


def fault_of(error: BaseException) -> Fault:
    """
    Return what *error* means.

    What the caller did wrong has a row of its own, with the exact text; all else is InternalError, with
    the failed component for the log and a standard text for the client, who learns nothing of the inside.
    """
    if isinstance(error, errors.InvalidDocument):
        row = CATALOGUE.get(error.code, CATALOGUE["InvalidRequest"])
        return Fault(row, error.description or row.description, None, row.retryable)
    kind = next(kind for kind in type(error).__mro__ if kind in _CALLER or kind in _COMPONENTS)
    if kind in _COMPONENTS:
        return Fault(INTERNAL_ERROR, INTERNAL_ERROR.description, _COMPONENTS[kind], _retryable(error))
    row = _CALLER[kind]
    said = str(error) if kind is errors.InvalidInput else ""
    return Fault(row, said or row.description, None, row.retryable)


def _retryable(error: BaseException) -> bool:
    if isinstance(error, errors.BackbeatError):
        return error.retryable
    # Time-outs and broken connections of whatever client did not translate them (PL-32).
    return isinstance(error, (TimeoutError, ConnectionError))


def error_document(row: Row, description: str | None = None) -> bytes:
    """
    Return the body of an error (http-api 2.3 [R]): `code`, `description`, then the error's name.

    The name, with the value `true`, is the one member that the reference implementation sends too.
    """
    text = row.description if description is None else description
    return wire.encode({"code": row.status, "description": text, row.code: True})
