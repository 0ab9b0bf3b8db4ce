"""The worker's end of the queue: what the queue refuses is tried again, and nothing of it is raised."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from backbeat_core.errors import BackbeatError, Fenced, MessageTooLarge, QueueUnavailable
from backbeat_core.ports.clock import Clock
from backbeat_core.ports.queue import Consumer, Listener, Message, Queue, Record
from backbeat_core.queueing import dead_letter
from backbeat_core.services.worker.task import Observer, Task, WorkerSettings


class Feed:
    """One membership of one group on one topic. For one thread."""

    def __init__(
        self,
        queue: Queue,
        topic: str,
        group: str,
        *,
        settings: WorkerSettings,
        clock: Clock,
        chance: Callable[[], float],
        observer: Observer,
    ) -> None:
        self.queue = queue
        self.topic = topic
        self.group = group
        self.trouble: BackbeatError | None = None
        """Why the last poll was refused; None after one that was not."""
        self.due_ms = 0
        """The `elapsed_ms` moment before which the queue is left alone."""
        self._settings = settings
        self._clock = clock
        self._chance = chance
        self._observer = observer
        self._consumer: Consumer | None = None
        self._silent: set[int] = set()
        self._refusals = 0

    def poll(self, listener: Listener, limit: int, timeout_ms: int, silent: set[int]) -> Sequence[Record] | None:
        """Return what has come, nothing of the *silent* partitions; None if the queue is away."""
        if self._clock.elapsed_ms() < self.due_ms:
            return None
        try:
            if self._consumer is None:
                start = self._settings.start
                self._consumer = self.queue.subscribe(self.topic, self.group, listener, start=start)
            if silent != self._silent:
                self._consumer.resume(sorted(self._silent - silent))
                self._consumer.pause(sorted(silent - self._silent))
                self._silent = silent
            records = self._consumer.poll(limit, timeout_ms)
        except QueueUnavailable as error:
            self.trouble = error
            self.due_ms = self._clock.elapsed_ms() + self._settings.backoff.delay_ms(self._refusals, self._chance)
            self._refusals += 1
            self._observer.troubled(error)
            return None
        self.trouble = None
        self._refusals = 0
        return records

    def assigned(self, partitions: Collection[int]) -> None:
        """Take note that the queue delivers *partitions* from now on, whatever they were before."""
        self._silent.difference_update(partitions)

    def commit(self, offsets: Mapping[int, int]) -> Collection[int]:
        """Commit, and return the partitions for which the queue took it."""
        if not offsets or self._consumer is None:
            return ()
        try:
            self._consumer.commit(offsets)
        except Fenced as error:
            if len(offsets) == 1:
                self._observer.troubled(error)
                return ()
            # One of them is somebody else's, which the queue will say at the next poll. The others count.
            return [partition for partition, offset in offsets.items() if self.commit({partition: offset})]
        except QueueUnavailable as error:
            self._observer.troubled(error)
            return ()
        return offsets

    def bury(self, task: Task) -> BackbeatError | None:
        """Publish the dead letter of *task*; None when it stands. One too large goes without its value."""
        answer = self._publish(task, task.record.value, None)
        if isinstance(answer, MessageTooLarge):
            answer = self._publish(task, b"", len(task.record.value))
        if answer is not None:
            self._observer.troubled(answer)
        return answer

    def close(self) -> None:
        """Leave the group. Twice is once."""
        if self._consumer is None:
            return
        try:
            # The queue asks the partitions back in here, which is when the last commit is made.
            self._consumer.close()
        except QueueUnavailable as error:
            self._observer.troubled(error)
        self._consumer = None

    def _publish(self, task: Task, value: bytes, size: int | None) -> BackbeatError | None:
        topic = self._settings.dead_letter_topic or dead_letter.topic_of(self.topic)
        record = task.record
        headers = dead_letter.headers(record.topic, record.partition, record.offset, task.verdict, size=size)
        answer = self.queue.publish(topic, [Message(value, record.key, record.headers + headers)])[0]
        return answer if isinstance(answer, BackbeatError) else None
