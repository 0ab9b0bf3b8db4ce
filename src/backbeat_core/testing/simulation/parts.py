"""The classes that a run is made of: the product's, unless a test puts others in their place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import attrs

from backbeat_core.ports.queue import Record
from backbeat_core.queueing.handling import Handling
from backbeat_core.queueing.outcome import Context, Outcome
from backbeat_core.services.collect_garbage import GarbageCollector
from backbeat_core.services.count_metrics import MetricsReader
from backbeat_core.services.follow_pauses import PauseController
from backbeat_core.services.pause_resume import PauseResume
from backbeat_core.services.populate import Populator
from backbeat_core.services.reconcile import Reconciler
from backbeat_core.services.record_failures import FailureRecorder
from backbeat_core.services.record_metrics import MetricsRecorder
from backbeat_core.services.replicate import Replicator
from backbeat_core.services.retry_failed import FailedOperations
from backbeat_core.services.update_status import StatusUpdater

Handler: TypeAlias = Callable[[Record, Context], Outcome]
Factory: TypeAlias = Callable[..., Any]


def as_it_is(role: str, handler: Handler) -> Handler:
    """Return *handler*: nothing stands between the worker and the use case."""
    return handler


@attrs.frozen
class Parts:
    """
    What is tried in a run. Each is called with the arguments of the class that it stands for.

    *around* may wrap the handler of a role: the name of a topic.
    """

    populator: Factory = Populator
    replicator: Factory = Replicator
    status_updater: Factory = StatusUpdater
    garbage_collector: Factory = GarbageCollector
    failure_recorder: Factory = FailureRecorder
    metrics_recorder: Factory = MetricsRecorder
    metrics_reader: Factory = MetricsReader
    failed_operations: Factory = FailedOperations
    pause_resume: Factory = PauseResume
    pause_controller: Factory = PauseController
    reconciler: Factory = Reconciler
    handling: Factory = Handling
    around: Callable[[str, Handler], Handler] = as_it_is
