"""The worker: records of one topic become tasks, in order by key, and outcomes become commits."""

from backbeat_core.services.worker.task import Observer, Stage, Task, WorkerSettings
from backbeat_core.services.worker.worker import Worker, message_key

__all__ = ["Observer", "Stage", "Task", "Worker", "WorkerSettings", "message_key"]
