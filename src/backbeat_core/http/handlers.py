"""What each operation does: one small function each, from a resolved request to the answer of a success."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from backbeat_core.errors import InvalidDocument
from backbeat_core.http import bodies, openapi
from backbeat_core.http.backend import Backend
from backbeat_core.http.message import PROMETHEUS_TYPE, Request, Response, json_response
from backbeat_core.http.routes import PREFIXES, Operation
from backbeat_core.http.routing import Resolved

Handler = Callable[[Backend, Resolved, Request], Response]

_KINDS: Final[Mapping[Operation, str]] = {
    Operation.ALL_METRICS: "all",
    Operation.PENDING: "pending",
    Operation.BACKLOG: "backlog",
    Operation.COMPLETIONS: "completions",
    Operation.FAILURES: "failures",
    Operation.THROUGHPUT: "throughput",
}


def _health(backend: Backend, asked: Resolved, request: Request) -> Response:
    return json_response(backend.health())


def _deep_health(backend: Backend, asked: Resolved, request: Request) -> Response:
    return json_response(backend.deep_health())


def _prometheus(backend: Backend, asked: Resolved, request: Request) -> Response:
    return Response(200, backend.prometheus().encode("utf-8", "replace"), PROMETHEUS_TYPE)


def _workflows(backend: Backend, asked: Resolved, request: Request) -> Response:
    backend.apply_workflows(bodies.parse_workflows(request.body))
    return json_response({})


def _openapi(backend: Backend, asked: Resolved, request: Request) -> Response:
    prefix = next(prefix for prefix in PREFIXES if request.target.startswith(prefix))
    return json_response(openapi.document(request.root + prefix.rstrip("/")))


def _need_site(asked: Resolved) -> None:
    if not asked.site:
        raise InvalidDocument("RouteNotFound", "invalid site name provided")


def _metrics(backend: Backend, asked: Resolved, request: Request) -> Response:
    _need_site(asked)
    return json_response(backend.metrics(asked.service, _KINDS[asked.operation], asked.sites))


def _history(backend: Backend, asked: Resolved, request: Request) -> Response:
    _need_site(asked)
    return json_response(backend.history(asked.sites))


def _object_progress(backend: Backend, asked: Resolved, request: Request) -> Response:
    _need_site(asked)
    return json_response(backend.object_progress(asked.site, asked.bucket, asked.key, asked.version_id))


def _object_throughput(backend: Backend, asked: Resolved, request: Request) -> Response:
    _need_site(asked)
    return json_response(backend.object_throughput(asked.site, asked.bucket, asked.key, asked.version_id))


def _failed_at_site(backend: Backend, asked: Resolved, request: Request) -> Response:
    return json_response(backend.failed_at_site(asked.sitename, asked.marker))


def _failed_object(backend: Backend, asked: Resolved, request: Request) -> Response:
    return json_response(backend.failed_object(asked.bucket, asked.key, asked.version_id))


def _retry(backend: Backend, asked: Resolved, request: Request) -> Response:
    return json_response(backend.retry(bodies.parse_retry(request.body)))


def _explain(backend: Backend, asked: Resolved, request: Request) -> Response:
    return json_response(backend.explain(asked.bucket, asked.key, asked.version_id))


def _pause(backend: Backend, asked: Resolved, request: Request) -> Response:
    backend.pause(asked.service, asked.sites)
    return json_response({})


def _resume(backend: Backend, asked: Resolved, request: Request) -> Response:
    backend.resume(asked.service, asked.sites)
    return json_response({})


def _schedule(backend: Backend, asked: Resolved, request: Request) -> Response:
    backend.schedule(asked.service, asked.sites, bodies.parse_hours(request.body))
    return json_response({})


def _cancel(backend: Backend, asked: Resolved, request: Request) -> Response:
    backend.cancel(asked.service, asked.sites)
    return json_response({})


def _status(backend: Backend, asked: Resolved, request: Request) -> Response:
    return json_response(backend.status(asked.service, asked.sites))


def _schedules(backend: Backend, asked: Resolved, request: Request) -> Response:
    return json_response(backend.schedules(asked.service, asked.sites))


HANDLERS: Final[Mapping[Operation, Handler]] = {
    Operation.HEALTH: _health,
    Operation.DEEP_HEALTH: _deep_health,
    Operation.PROMETHEUS: _prometheus,
    Operation.WORKFLOWS: _workflows,
    Operation.OPENAPI: _openapi,
    **dict.fromkeys(_KINDS, _metrics),
    Operation.HISTORY: _history,
    Operation.OBJECT_PROGRESS: _object_progress,
    Operation.OBJECT_THROUGHPUT: _object_throughput,
    Operation.FAILED_AT_SITE: _failed_at_site,
    Operation.FAILED_OBJECT: _failed_object,
    Operation.RETRY: _retry,
    Operation.EXPLAIN: _explain,
    Operation.PAUSE: _pause,
    Operation.RESUME: _resume,
    Operation.SCHEDULE: _schedule,
    Operation.CANCEL: _cancel,
    Operation.STATUS: _status,
    Operation.RESUME_SCHEDULE: _schedules,
}
