"""`backbeat serve --role`: what one process of several does, on the engines that the configuration file names."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import attrs
import uvicorn

from backbeat_adapters.api import ApiBackend
from backbeat_adapters.bootstrap import Backbeat, Groups, Ports, Site, Topics
from backbeat_adapters.bootstrap import Settings as HostSettings
from backbeat_adapters.cli.render import say
from backbeat_adapters.cli.serve import _listen as listen
from backbeat_adapters.clock import SystemClock
from backbeat_adapters.cloudserver import CloudServer, CloudServerSettings
from backbeat_adapters.embedded.location import DirectoryLocation
from backbeat_adapters.environment import ingestion_sites
from backbeat_adapters.settings import Settings
from backbeat_adapters.settings.engines import open_cache, open_coordinator, open_queue, open_store
from backbeat_adapters.web.asgi import WebSettings, asgi_app
from backbeat_adapters.web.server import config as server_config
from backbeat_core.access import Access, AllowList
from backbeat_core.domain.configuration import Endpoint, ReplicationConfiguration
from backbeat_core.domain.keys import RedisKeys
from backbeat_core.errors import InvalidConfiguration, NotFound
from backbeat_core.http.api import Api, Report
from backbeat_core.http.browser import Guard
from backbeat_core.http.routing import Sites
from backbeat_core.ports.cache import Count
from backbeat_core.ports.location import Location
from backbeat_core.services.explain import Explain, ExplainSettings
from backbeat_core.services.follow_pauses import FollowSettings, PauseController
from backbeat_core.services.healthcheck import Partition
from backbeat_core.services.populate import PopulateSettings
from backbeat_core.services.watch_status import StatusWatch

_log = logging.getLogger("backbeat.servers")

ROLES: Final = ("api", "populator", "processor", "status", "gc")
LEVELS: Final = {"error": "ERROR", "warn": "WARNING", "info": "INFO", "debug": "DEBUG", "trace": "DEBUG"}
PAUSE_POLL_MS: Final = 250
SCHEDULE_POLL_MS: Final = 1000
LOOKUPS: Final = 10
_R: Final = "extensions.replication"


@attrs.frozen
class Roles:
    """What a process is for; *sites* are those that it copies to."""

    api: bool = False
    populator: bool = False
    sites: tuple[str, ...] = ()
    status: bool = False
    gc: bool = False

    @classmethod
    def parse(cls, text: str, known: Sequence[str]) -> Roles:
        """
        Read `api,populator,processor:<site>,status,gc`; `processor` alone is one for each of the *known* sites.

        Raises InvalidConfiguration naming what is no role, or no site.
        """
        given, sites = set[str](), list[str]()
        for role in filter(None, map(str.strip, text.split(","))):
            name, colon, site = role.partition(":")
            if name not in ROLES or (colon and name != "processor"):
                raise InvalidConfiguration(
                    f"--role {role!r} is none: {', '.join(ROLES)}; processor:SITE for one site"
                )
            if colon and site not in known:
                raise InvalidConfiguration(
                    f"--role {role!r}: {_R}.destination.bootstrapList knows {', '.join(known) or 'no site'}"
                )
            given.add(name)
            sites += ([site] if colon else known) if name == "processor" else []
        if not given:
            raise InvalidConfiguration(f"--role {text!r} names nothing: give some of {', '.join(ROLES)}")
        return cls(
            "api" in given, "populator" in given, tuple(dict.fromkeys(sites)), "status" in given, "gc" in given
        )


@attrs.define(eq=False)
class Host:
    """The engines and locations that one configuration names, and the workers over them."""

    settings: Settings
    ports: Ports
    source: CloudServer
    backbeat: Backbeat = attrs.field(init=False)
    _directories: dict[str, DirectoryLocation] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.backbeat = Backbeat(self.ports, host_settings(self.settings), sources=self.location)
        ports = self.ports
        self.backbeat.runner.closers += [
            ports.queue.close,
            ports.store.close,
            ports.cache.close,
            ports.coordinator.close,
            self.source.close,
        ]

    @classmethod
    def open(cls, settings: Settings) -> Host:
        """Make the clients. Raises InvalidConfiguration for one that is not installed or not configured."""
        ports = Ports(
            open_queue(settings),
            open_store(settings),
            open_cache(settings),
            open_coordinator(settings),
            SystemClock(),
        )
        return cls(settings, ports, source_of(settings))

    def check(self) -> None:
        """Ask every engine something. Raises Unavailable: nothing is begun before all have answered (10.3)."""
        self.ports.coordinator.get("/")
        self.ports.store.position()
        self.ports.cache.read([Count("backbeat")])
        self.ports.queue.watermarks(self.backbeat.settings.topics.replication)

    def location(self, name: str) -> Location:
        """Return a location by its name. Raises NotFound for one that is not known or whose kind is not served."""
        found = self._directories.get(name)
        if found is None:
            location = self.settings.locations.by_name.get(name)
            path = None if location is None else location.directory(self.settings.base)
            if path is None:
                raise NotFound(f"location {name!r} in conf/locationConfig.json, of type file with details.path,")
            found = self._directories.setdefault(name, DirectoryLocation(path))
        return found

    def add(self, roles: Roles) -> None:
        """Give the runner what the roles ask for. Raises InvalidConfiguration."""
        if roles.populator:
            source = self.settings.require("queuePopulator.logSource", "the populator")
            if source != "mongo":
                raise InvalidConfiguration(f"queuePopulator.logSource {source!r} is not served yet: mongo is")
            self.backbeat.add_populator()
            self.backbeat.add_recorders()  # where the reference has them too (1.2)
        for endpoint in self.settings.endpoints:
            if endpoint.site in roles.sites:
                self.backbeat.add_site(self._site(endpoint))
        if roles.sites:
            self._follow_pauses(roles.sites)
        if roles.status:
            self.backbeat.add_status_processor()
        if roles.gc:
            self.settings.require("extensions.gc", "the garbage collector")
            self.backbeat.add_garbage_collector(self.location)

    def _site(self, endpoint: Endpoint) -> Site:
        name = endpoint.site
        known = self.settings.locations.by_name.get(name)
        if known is not None and known.disabled:
            raise InvalidConfiguration(f"location {name!r} is disabled: {known.disabled}")
        try:
            target = self.location(name)
        except NotFound as error:
            raise InvalidConfiguration(f"site {name!r}: {error}: no other kind is served yet") from error
        assert known is not None
        processor = self.settings.document["extensions"]["replication"]["queueProcessor"]
        return Site(
            name,
            target,
            policy=self.settings.site_policy(endpoint),
            concurrency=processor["concurrency"],
            bucket_match=known.constraint.bucket_match,
            min_mpu_size_mb=processor["minMPUSizeMB"],
        )

    def _follow_pauses(self, sites: tuple[str, ...]) -> None:
        topic = self.backbeat.settings.topics.replication
        ports = self.ports
        follow = FollowSettings(topic=topic, test_mode=self.settings.test_mode)
        controller = PauseController(sites, ports.coordinator, ports.store, ports.cache, follow)

        def job() -> int:
            paused = controller.poll(ports.clock.now_ms())
            self.backbeat.pause({site: site in paused for site in sites})
            return PAUSE_POLL_MS

        job()
        self.backbeat.runner.add_job("pauses", job)
        self.backbeat.runner.closers.insert(0, controller.close)

    def api(self) -> ApiBackend:
        """Return what stands behind the REST API, and add the jobs that it needs."""
        settings, host = self.settings, self.backbeat.settings
        names, lifecycle = settings.sites, settings.get("extensions.lifecycle") is not None
        sites = Sites(
            crr=names,
            ingestion=ingestion_sites(names, (), test_mode=settings.test_mode),
            lifecycle=names if lifecycle else (),
        )
        lookups = ThreadPoolExecutor(LOOKUPS, "lookup")
        self.backbeat.runner.closers.insert(0, lookups.shutdown)
        backend = ApiBackend(
            self.ports,
            host,
            lambda: sites,
            self.source.read_source,
            self._explain(host),
            describe=self._describe(),
            in_sync=settings.document["kafka"]["minInSyncReplicas"],
            test_mode=settings.test_mode,
            each=lookups.map,
        )

        def fire() -> int:
            due_ms = backend.pauses.fire_due()
            left_ms = SCHEDULE_POLL_MS if due_ms is None else max(0, due_ms - self.ports.clock.now_ms())
            return min(SCHEDULE_POLL_MS, left_ms)

        self.backbeat.runner.add_job("schedules", fire)
        return backend

    def _explain(self, host: HostSettings) -> Explain:
        ports, topics, groups = self.ports, host.topics, host.groups
        return Explain(
            ports.cache,
            ports.queue,
            ports.coordinator,
            ports.clock,
            self.source.read_source,
            self._configuration,
            ExplainSettings(
                replication_topic=topics.replication,
                status_topic=topics.status,
                status_group=groups.status,
                group=lambda site: f"{groups.replication}-{site}",
                test_mode=self.settings.test_mode,
                keys=host.keys,
            ),
        )

    def _configuration(self, bucket: str) -> ReplicationConfiguration | None:
        found = self.ports.store.get("__metastore", bucket)
        configuration = None if found is None else found.value.get("replicationConfiguration")
        return None if configuration is None else ReplicationConfiguration.from_document(configuration)

    def _describe(self) -> Callable[[str], Sequence[Partition]] | None:
        placement = getattr(self.ports.queue, "placement", None)
        if placement is None:
            return None
        return lambda topic: [Partition(number, *places) for number, places in sorted(placement(topic).items())]


def host_settings(settings: Settings) -> HostSettings:
    """Return what the workers of a process run with."""
    replication: Mapping[str, Any] = settings.require(_R, "a process with a role")
    metrics = settings.document["metrics"]
    gc = settings.get("extensions.gc") or {}
    topics = Topics(
        replication=replication["topic"],
        status=replication["replicationStatusTopic"],
        failed=replication["replicationFailedTopic"] if replication["monitorReplicationFailures"] else "",
        metrics=metrics["topic"],
        gc=gc.get("topic", Topics().gc),
    )
    groups = Groups(
        replication=replication["queueProcessor"]["groupId"],
        status=replication["replicationStatusProcessor"]["groupId"],
        metrics=f"{metrics['groupIdPrefix']}-crr",
        gc=settings.get("extensions.gc.consumer.groupId", Groups().gc),
    )
    return HostSettings(
        topics=topics,
        groups=groups,
        replays=settings.replays,
        keys=RedisKeys(settings.test_mode),
        populate=populate_settings(settings, topics),
        status_policy=settings.policy(f"{_R}.replicationStatusProcessor.retry"),
        status_concurrency=replication["replicationStatusProcessor"]["concurrency"],
        transient_locations=settings.locations.transient,
    )


def populate_settings(settings: Settings, topics: Topics) -> PopulateSettings:
    """Return where the populator of the log that is configured keeps its position (2.4)."""
    path = settings.get("queuePopulator.zookeeperPath", "/queue-populator")
    log = f"mongo_{settings.get('queuePopulator.mongo.logName', 's3-recordlog')}"
    return PopulateSettings(
        topic=topics.replication,
        metrics_topic=topics.metrics,
        position_path=f"{path}{path}/logState/{log}/logOffset",
        lease=f"{path}/provisions/{log}",
        owner=f"{socket.gethostname()}-{os.getpid()}",
        batch=settings.get("queuePopulator.batchMaxRead", 10_000),
        cold_locations=settings.locations.cold,
    )


def source_of(settings: Settings) -> CloudServer:
    """Return the server that metadata are read from. Raises InvalidConfiguration for one over TLS."""
    if settings.get(f"{_R}.source.transport", "http") != "http":
        raise InvalidConfiguration(f"{_R}.source.transport 'https' is not served yet: http is")
    where = settings.get(f"{_R}.source.s3") or settings.document["s3"]
    return CloudServer(CloudServerSettings(where["host"], where["port"]))


def serve_roles(path: Path | None, role: str, host: str | None, port: int | None) -> int:
    """Do what the roles ask for until SIGTERM; drain, and return the exit code."""
    settings = Settings.read(path)
    roles = Roles.parse(role, settings.sites)
    logging.getLogger("backbeat").setLevel(LEVELS[settings.get("log.logLevel", "info")])
    for name, why in settings.reasons.items():
        say(f"backbeat: not used: {name} ({why})")
    for problem in settings.problems:
        say(f"backbeat: {problem}")
    _log.info("in effect: %s", settings.describe())
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    running = Host.open(settings)
    try:
        running.check()
        running.add(roles)
        if roles.api:
            _serve_api(running, host, port, told, role)
        else:
            running.backbeat.runner.start()
            say(f"backbeat: running as {role}")
            told.wait()
    finally:
        drained = running.backbeat.runner.stop()
    if not drained:
        say("backbeat: some objects were still being copied; the next start does them again")
    return 0


def _serve_api(running: Host, host: str | None, port: int | None, told: threading.Event, role: str) -> None:
    server: Mapping[str, Any] = running.settings.document["server"]
    access = Access(
        AllowList.configured(server["healthChecks"]["allowFrom"]), AllowList.parse(server["trustedProxies"])
    )
    guard = Guard(tuple(server["allowedHosts"]), tuple(server["allowedOrigins"]))
    given = server["host"] if host is None else host
    backend = running.api()
    watch = StatusWatch(running.ports.store)
    app = asgi_app(Api(backend, access, guard, _report), WebSettings(page=True), watch=watch.read)
    everywhere = given in ("0.0.0.0", "::", "")
    with listen("" if everywhere else given, server["port"] if port is None else port) as listening:
        running.backbeat.runner.start()
        say(f"backbeat: listening on port {listening.getsockname()[1]}; running as {role}")
        answering = uvicorn.Server(server_config(app))
        # On the main thread it would end the process by the signal that it was told to end by.
        thread = threading.Thread(target=answering.run, kwargs={"sockets": [listening]}, name="api")
        thread.start()
        while thread.is_alive() and not told.wait(0.2):
            pass
        answering.should_exit = True
        thread.join()


def _report(report: Report) -> None:
    _log.warning("%s %s: %s %s", report.request.method, report.request.target, report.status, report.reason)
    if report.error is not None:
        _log.info("caused by", exc_info=report.error)


__all__ = ["Host", "Roles", "host_settings", "serve_roles", "source_of"]
