"""The REST API as a function: any request in, an answer out, and nothing ever raised."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Final

import attrs

from backbeat_core.access import Access
from backbeat_core.http import bodies
from backbeat_core.http.backend import Backend
from backbeat_core.http.browser import Guard
from backbeat_core.http.handlers import HANDLERS
from backbeat_core.http.message import Request, Response, error_response
from backbeat_core.http.routes import PREFIXES, ROUTES
from backbeat_core.http.routing import METHODS, Refusal, Resolved, allowed, precheck, resolve
from backbeat_core.responses import ACCESS_DENIED, INTERNAL_ERROR, METHOD_NOT_ALLOWED, Component, fault_of


@attrs.frozen
class Report:
    """
    What an operator should know of a request that was refused or went wrong; clients are not told.

    *component* is what failed, None where nothing did; *error* the exception, if there was one.
    """

    request: Request
    status: int
    reason: str
    component: Component | None = None
    error: Exception | None = None


def _ignore(report: Report) -> None:
    """Report to nobody."""


@attrs.frozen
class Api:
    """The API of one host: who may ask, what stands behind it, and who is told when something is wrong."""

    backend: Backend
    access: Access = attrs.field(factory=Access)
    guard: Guard = attrs.field(factory=Guard)
    report: Callable[[Report], None] = _ignore


def respond(api: Api, request: Request) -> Response:
    """Answer *request*. Whatever it is, and whatever happens, there is an answer (B2); it may block."""
    try:
        refused = refuse(api, request)
        if refused is not None:
            return refused
        asked = resolve(request.method, request.target, api.backend.sites)
        if isinstance(asked, Refusal):
            return _refused(request, asked)
        return _handle(api, request, asked)
    except Exception as error:  # a bug of ours is answered too
        fault = fault_of(error)
        if fault.component is not None:
            said = str(error) or type(error).__name__
            _tell(api, Report(request, fault.row.status, said, fault.component, error))
        return error_response(fault.row, fault.description)


def refuse(api: Api, request: Request) -> Response | None:
    """
    Return the answer to a request that is refused for its sender or its prefix, else None.

    Steps of `respond` which never block and never need the body: a host does them before it reads a body
    from a stranger.
    """
    decision = api.access.decide(request.peer, request.values("x-forwarded-for"))
    if not decision.allowed:
        _tell(api, Report(request, ACCESS_DENIED.status, decision.reason.value))
        return error_response(ACCESS_DENIED, "invalid origin ip request")
    reason = api.guard.refusal(request)
    if reason is not None:
        _tell(api, Report(request, ACCESS_DENIED.status, reason))
        return error_response(ACCESS_DENIED)
    if request.method in METHODS:
        refusal = precheck(request.method, request.target)
        return error_response(refusal.row, refusal.description) if refusal is not None else None
    return None


def is_slow(request: Request) -> bool:
    """Return whether the answer may take a minute, as a deep health check does."""
    return request.target.partition("?")[0] in _SLOW


_SLOW: Final = frozenset(
    f"{prefix}{stray}{route.pattern}"
    for route in ROUTES
    if route.slow
    for prefix in PREFIXES
    for stray in ("", "/")
)


def late(api: Api, request: Request, limit_s: float) -> Response:
    """Return the answer where a host has waited long enough for one."""
    reason = f"no answer within {limit_s:g} s"
    _tell(api, Report(request, INTERNAL_ERROR.status, reason, Component.API))
    return error_response(INTERNAL_ERROR)


def _refused(request: Request, refusal: Refusal) -> Response:
    allow = allowed(request.target) if refusal.row is METHOD_NOT_ALLOWED else ()
    return error_response(refusal.row, refusal.description, allow)


def _handle(api: Api, request: Request, asked: Resolved) -> Response:
    if asked.route.connected and not api.backend.connected():
        reason = "error connecting to internal client"
        _tell(api, Report(request, INTERNAL_ERROR.status, reason, Component.API))
        return error_response(INTERNAL_ERROR, reason)
    if request.method == "POST":
        bodies.check_size(request.body)
    return HANDLERS[asked.operation](api.backend, asked, request)


def _tell(api: Api, report: Report) -> None:
    with contextlib.suppress(Exception):  # whoever listens must not take the answer away
        api.report(report)
