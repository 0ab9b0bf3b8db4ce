"""The table of routes: what can be asked, and all that other tables and documents are made of."""

from __future__ import annotations

import enum
from typing import Final

import attrs

CRR: Final = "crr"
INGESTION: Final = "ingestion"
LIFECYCLE: Final = "lifecycle"
SERVICES: Final = (CRR, INGESTION, LIFECYCLE)
ALL: Final = "all"
"""As a site: every site of the service."""

PREFIXES: Final = ("/_/backbeat/api/", "/_/")
"""Public, then internal; the longer one is looked for first (http-api 1.1)."""


class Operation(enum.Enum):
    """What is done; the value is the reference implementation's name of it, where it has one."""

    HEALTH = "getHealthcheck"
    DEEP_HEALTH = "getDeepHealthcheck"
    PROMETHEUS = "monitoringHandler"
    WORKFLOWS = "applyWorkflowConfiguration"
    OPENAPI = "getOpenApi"
    ALL_METRICS = "getAllMetrics"
    PENDING = "getPending"
    BACKLOG = "getBacklog"
    COMPLETIONS = "getCompletions"
    FAILURES = "getFailedMetrics"
    THROUGHPUT = "getThroughput"
    HISTORY = "getHistory"
    OBJECT_PROGRESS = "getObjectProgress"
    OBJECT_THROUGHPUT = "getObjectThroughput"
    FAILED_AT_SITE = "getSiteFailedCRR"
    FAILED_OBJECT = "getFailedCRR"
    RETRY = "retryFailedCRR"
    EXPLAIN = "explainObject"
    PAUSE = "pauseService"
    RESUME = "resumeService"
    SCHEDULE = "scheduleResumeService"
    CANCEL = "deleteScheduledResumeService"
    RESUME_SCHEDULE = "getResumeSchedule"
    STATUS = "getServiceStatus"


@attrs.frozen
class Route:
    """
    One row: *method* on *pattern* (what follows the prefix) means *operation*.

    `{service}` stands for one of *services*, `{site}` for one of its sites, or `all` unless the route is about
    an object; `{key}` is the rest of the path. *answer* names the schema of a success, *query* the parameters.
    *connected* says whether the engines must be reachable before anything is tried (http-api 2.6), *slow* whether
    an answer may take a minute.
    """

    method: str
    pattern: str
    operation: Operation
    summary: str
    answer: str
    services: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    body: str | None = None
    connected: bool = True
    slow: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """Return the elements of the pattern."""
        return tuple(self.pattern.split("/"))

    @property
    def about_object(self) -> bool:
        """Return whether the route is about one object."""
        return "{key}" in self.words


_BOTH: Final = (CRR, INGESTION)
_VERSION: Final = ("versionId",)
_LISTING: Final = ("sitename", "marker")

ROUTES: Final = (
    Route("GET", "healthcheck", Operation.HEALTH, "Tell whether the engines are well", "Health", connected=False),
    Route(
        *("GET", "healthcheck/deep", Operation.DEEP_HEALTH),
        *("Send a message through each partition of the replication topic and back", "DeepHealth"),
        connected=False,
        slow=True,
    ),
    Route("GET", "monitoring/metrics", Operation.PROMETHEUS, "Give this process's metrics to Prometheus", "Text"),
    Route(
        *("POST", "configuration/workflows", Operation.WORKFLOWS),
        *("Apply replication and lifecycle workflows to buckets", "Empty"),
        body="Workflows",
    ),
    Route("GET", "openapi.json", Operation.OPENAPI, "Describe this API", "OpenApi", connected=False),
    Route(
        *("GET", "metrics/{service}/{site}", Operation.ALL_METRICS, "Give all metrics of a site", "AllMetrics"),
        services=_BOTH,
    ),
    Route(
        *("GET", "metrics/{service}/{site}/pending", Operation.PENDING, "Count what waits", "Pending"),
        services=_BOTH,
    ),
    Route(
        *("GET", "metrics/{service}/{site}/backlog", Operation.BACKLOG, "Count what is not complete", "Backlog"),
        services=(CRR,),
    ),
    Route(
        *("GET", "metrics/{service}/{site}/completions", Operation.COMPLETIONS),
        *("Count what was completed in the last 24 hours", "Completions"),
        services=_BOTH,
    ),
    Route(
        *("GET", "metrics/{service}/{site}/failures", Operation.FAILURES),
        *("Count what failed in the last 24 hours", "Failures"),
        services=(CRR,),
    ),
    Route(
        *("GET", "metrics/{service}/{site}/throughput", Operation.THROUGHPUT),
        *("Give operations and bytes a second over the last 15 minutes", "Throughput"),
        services=_BOTH,
    ),
    Route(
        *("GET", "metrics/{service}/{site}/history", Operation.HISTORY),
        *("Give what was completed and failed in each interval of the last 24 hours", "History"),
        services=(CRR,),
    ),
    Route(
        *("GET", "metrics/{service}/{site}/progress/{bucket}/{key}", Operation.OBJECT_PROGRESS),
        *("Tell how much of one object version has come to a site", "ObjectProgress"),
        services=(CRR,),
        query=_VERSION,
    ),
    Route(
        *("GET", "metrics/{service}/{site}/throughput/{bucket}/{key}", Operation.OBJECT_THROUGHPUT),
        *("Tell how fast one object version comes to a site", "ObjectThroughput"),
        services=(CRR,),
        query=_VERSION,
    ),
    Route(
        *("GET", "crr/failed", Operation.FAILED_AT_SITE, "List a site's failures, newest hour first", "Listing"),
        services=(CRR,),
        query=_LISTING,
    ),
    Route(
        *("GET", "crr/failed/{bucket}/{key}", Operation.FAILED_OBJECT),
        *("List the sites at which one object version has failed", "Listing"),
        services=(CRR,),
        query=_VERSION,
    ),
    Route(
        *("POST", "crr/failed", Operation.RETRY, "Retry failed object versions", "Retried"),
        services=(CRR,),
        query=_LISTING,
        body="Retry",
    ),
    Route(
        *("GET", "crr/explain/{bucket}/{key}", Operation.EXPLAIN),
        *("Say why an object version is in the state that it is in", "Explanation"),
        services=(CRR,),
        query=_VERSION,
    ),
    Route(
        *("GET", "{service}/status/{site}", Operation.STATUS, "Tell whether sites are paused", "Statuses"),
        services=SERVICES,
    ),
    Route(
        *("POST", "{service}/pause/{site}", Operation.PAUSE, "Pause sites", "Empty"),
        services=SERVICES,
    ),
    Route(
        *("POST", "{service}/resume/{site}", Operation.RESUME, "Resume sites now", "Empty"),
        services=SERVICES,
    ),
    Route(
        *("POST", "{service}/resume/{site}/schedule", Operation.SCHEDULE, "Resume paused sites later", "Empty"),
        services=SERVICES,
        body="Schedule",
    ),
    Route(
        *("GET", "{service}/resume/{site}", Operation.RESUME_SCHEDULE),
        *("Tell when sites will be resumed", "Schedules"),
        services=SERVICES,
    ),
    Route(
        *("GET", "{service}/resume/{site}/schedule", Operation.RESUME_SCHEDULE),
        *("Tell when sites will be resumed", "Schedules"),
        services=SERVICES,
    ),
    Route(
        *("DELETE", "{service}/resume/{site}", Operation.CANCEL, "Cancel scheduled resumes", "Empty"),
        services=SERVICES,
    ),
    Route(
        *("DELETE", "{service}/resume/{site}/schedule", Operation.CANCEL, "Cancel scheduled resumes", "Empty"),
        services=SERVICES,
    ),
)
