"""`backbeat serve`: one process that watches a source, replicates what changes, and answers the REST API."""

from __future__ import annotations

import functools
import json
import logging
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import uvicorn

from backbeat_adapters.api import ApiBackend
from backbeat_adapters.bootstrap import Ports, Settings
from backbeat_adapters.cli.interrupts import SIGNALS
from backbeat_adapters.cli.local_commands import API_FILE, tell_api
from backbeat_adapters.cli.render import say
from backbeat_adapters.embedded.tree import printable
from backbeat_adapters.layout import plan, read_document
from backbeat_adapters.local import LocalHost, LocalSettings
from backbeat_adapters.web.asgi import AsgiApp, WebSettings, asgi_app
from backbeat_adapters.web.server import config
from backbeat_core.access import Access, AllowList
from backbeat_core.domain.configuration import ReplicationConfiguration
from backbeat_core.errors import BackbeatError, InvalidConfiguration
from backbeat_core.http.api import Api, Report
from backbeat_core.http.browser import Guard
from backbeat_core.http.routing import Sites
from backbeat_core.services.explain import Explain, ExplainSettings
from backbeat_core.services.follow_pauses import FollowSettings, PauseController
from backbeat_core.services.pause_resume import PauseResume
from backbeat_core.services.watch_status import StatusWatch

_log = logging.getLogger("backbeat.serve")

SCAN_SHARE = 10
"""A scan that takes long is not started again before this many times its duration."""

PAUSE_POLL_MS = 250

SCHEDULE_POLL_MS = 1000
"""So often the stored states of lifecycle are looked at for one whose time has come: others may write them too."""


@attrs.frozen
class ServerSettings:
    """
    Where the API listens and who may ask; *host* '' means every interface.

    *allow_from* and *proxies* are addresses and networks, *hosts* and *origins* as `http.browser.Guard` has them.
    """

    host: str = ""
    port: int = 8900
    allow_from: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path | None) -> ServerSettings:
        """Read the `server` section of a configuration file. Raises InvalidConfiguration."""
        if path is None:
            return cls()
        try:
            document = json.loads(read_document(path, "configuration"))
        except (ValueError, RecursionError) as error:
            raise InvalidConfiguration(f"configuration {str(path)!r} is not JSON: {error}") from error
        server: Any = document.get("server", {}) if isinstance(document, dict) else None
        if not isinstance(server, dict):
            raise InvalidConfiguration(f"configuration {str(path)!r}: server must be an object")
        port = server.get("port", 8900)
        if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= 65535:
            raise InvalidConfiguration(
                f"configuration {str(path)!r}: server.port must be 0 to 65535, not {port!r}"
            )
        health = server.get("healthChecks", {})
        allowed = health.get("allowFrom", []) if isinstance(health, dict) else None
        given = {"healthChecks.allowFrom": allowed, **{name: server.get(name, []) for name in _LISTS}}
        for name, texts in given.items():
            if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
                raise InvalidConfiguration(f"configuration {str(path)!r}: server.{name} must be a list of texts")
        return cls("", port, *(tuple(texts) for texts in given.values()))


# Ours besides the reference's: who is in front, and what a browser may call the server (howto/mount-the-api).
_LISTS: Final = ("trustedProxies", "allowedHosts", "allowedOrigins")


@attrs.frozen
class ServeOptions:
    """What the command line says; None where it says nothing."""

    source: Path | None
    to: Sequence[str]
    state: Path
    bucket: str | None
    rules: Path | None
    config: Path | None
    host: str | None
    port: int | None
    interval_ms: int


def serve(options: ServeOptions, settings: LocalSettings) -> int:
    """Serve until told to stop; drain, and return the exit code."""
    server_settings = ServerSettings.read(options.config)
    access = Access(AllowList.configured(server_settings.allow_from), AllowList.parse(server_settings.proxies))
    guard = Guard(server_settings.hosts, server_settings.origins)
    layout = None
    if options.source is not None:
        layout = plan(options.source, options.to, state=options.state, bucket=options.bucket, rules=options.rules)
    elif options.to:
        raise InvalidConfiguration("--to says where to, and nothing says from where: give --source as well")
    host = server_settings.host if options.host is None else options.host
    port = server_settings.port if options.port is None else options.port
    listening = _listen(host, port)
    told = threading.Event()
    for number in SIGNALS:  # from here on there is something to end in order
        signal.signal(number, lambda *_: told.set())
    with listening, LocalHost.open(options.state, settings) as local:
        if layout is not None:
            local.add_bucket(layout)
        local.start()
        backend = _backend(local)
        _add_jobs(local, options.interval_ms, backend.pauses)
        watch = StatusWatch(local.engine.store)
        app = asgi_app(Api(backend, access, guard, _report), WebSettings(page=True), watch=watch.read)
        bound = listening.getsockname()[1]
        tell_api(options.state, host, bound)
        say(
            f"backbeat: listening on port {bound}; buckets: {', '.join(local.layouts) or 'none'}; "
            f"locations: {', '.join(local.locations) or 'none'}; state: {printable(str(options.state))}"
        )
        _run(app, listening, told)
        (options.state / API_FILE).unlink(missing_ok=True)
        drained = local.stop()
    if not drained:
        say("backbeat: some objects were still being copied; the next start does them again")
    return 0


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket, on every interface of both families for host ''."""
    everywhere = host in ("", "::") and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if everywhere or ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, dualstack_ipv6=everywhere, backlog=1024)
    except OSError as error:
        where = f"{host or 'every address'} port {port}"
        raise InvalidConfiguration(
            f"cannot listen on {where}: {error.strerror or error}: give another --port"
        ) from error


def _run(app: AsgiApp, listening: socket.socket, told: threading.Event) -> None:
    """
    Answer requests until *told* to end.

    The server runs on a thread of its own: on the main one it would end the process by the signal that it was
    told to end by, and there is still draining to do.
    """
    server = uvicorn.Server(config(app))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="api")
    thread.start()
    while thread.is_alive() and not told.wait(0.2):
        pass
    server.should_exit = True
    thread.join()


def _backend(local: LocalHost) -> ApiBackend:
    engine = local.engine
    ports = Ports(engine.queue, engine.store, engine.cache, engine.coordinator, local.clock)

    @functools.lru_cache(maxsize=1)  # a request asks each time; the answer seldom changes
    def known(names: tuple[str, ...]) -> Sites:
        return Sites(crr=names, lifecycle=names)

    def sites() -> Sites:
        return known(tuple(local.locations))

    def configuration(bucket: str) -> ReplicationConfiguration | None:
        layout = local.layouts.get(bucket)
        return None if layout is None else layout.configuration

    test_mode = local.settings.test_mode
    settings = Settings(keys=local.keys)
    groups = settings.groups
    explain = Explain(
        engine.cache,
        engine.queue,
        engine.coordinator,
        local.clock,
        local.read_source,
        configuration,
        ExplainSettings(
            status_group=groups.status,
            group=f"{groups.replication}-{{}}".format,
            test_mode=test_mode,
            keys=settings.keys,
        ),
    )
    return ApiBackend(ports, settings, sites, local.read_source, explain, in_sync=1, test_mode=test_mode)


def _add_jobs(local: LocalHost, interval_ms: int, pauses: PauseResume) -> None:
    runner = local.backbeat.runner
    for bucket in local.layouts:
        runner.add_job(f"scan {bucket}", _scanning(local, bucket, interval_ms))
    engine = local.engine
    followed = FollowSettings(test_mode=local.settings.test_mode)
    controller = PauseController(
        tuple(local.locations), engine.coordinator, engine.store, engine.cache, followed
    )

    def follow() -> int:
        paused = controller.poll(local.clock.now_ms())
        local.backbeat.pause({site: site in paused for site in controller.sites})
        return PAUSE_POLL_MS

    def fire() -> int:
        due_ms = pauses.fire_due()
        return SCHEDULE_POLL_MS if due_ms is None else min(SCHEDULE_POLL_MS, max(0, due_ms - local.clock.now_ms()))

    follow()
    runner.add_job("pauses", follow)
    runner.add_job("schedules", fire)
    runner.closers.insert(0, controller.close)


def _scanning(local: LocalHost, bucket: str, interval_ms: int) -> Callable[[], int]:
    told: set[tuple[str, str]] = set()

    def job() -> int:
        started = local.clock.elapsed_ms()
        try:
            scanned = local.scan(bucket)
        except BackbeatError as error:
            _tell_once(told, bucket, str(error))
            return max(interval_ms, 1000)
        for refused in scanned.refused:
            _tell_once(told, refused.name, refused.reason)
        return max(interval_ms, SCAN_SHARE * (local.clock.elapsed_ms() - started))

    return job


def _tell_once(told: set[tuple[str, str]], name: str, reason: str) -> None:
    if (name, reason) not in told and len(told) < 10_000:
        told.add((name, reason))
        say(f"{name} {reason}")


def _report(report: Report) -> None:
    _log.warning("%s %s: %s %s", report.request.method, report.request.target, report.status, report.reason)
    if report.error is not None:
        _log.info("caused by", exc_info=report.error)


__all__ = ["ServeOptions", "ServerSettings", "serve"]
