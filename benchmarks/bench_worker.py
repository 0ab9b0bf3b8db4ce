"""
The worker: entries a second on one core with a handler that does nothing, and memory over a backlog.

    python benchmarks/bench_worker.py [--entries N]

1,000 keys on the memory queue. Four figures, each the median of rounds, in processor time:

* the worker on one thread, which takes what it can between two polls;
* the same, polled before every hand-out, which with few slots is mostly polling;
* beside them a bare loop over the same queue that polls and commits: what the queue itself costs;
* the runner, with its threads.

A machine that does other things too gives lower figures, in processor time as well: its load is written down.

Memory is measured in processes of their own: by how much the resident set, read every thousand hand-outs, rises
over what it was before the first, with a backlog of 1,000 and of 1,000,000 entries on a queue that makes its
records as they are polled. Some tens of KiB either way are the kernel's own rounding.
Results go to `benchmarks/results/worker.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from recording import write_result

from backbeat_adapters.clock import SystemClock
from backbeat_adapters.runner import Runner
from backbeat_core.ports.queue import Consumer, Listener, Message, Record
from backbeat_core.queueing.outcome import DONE
from backbeat_core.services.worker import Worker, WorkerSettings
from backbeat_core.testing.memory import MemoryBroker, MemoryQueue

TOPIC, GROUP, KEYS, ROUNDS = "jobs", "workers", 1000, 3
SLOTS = (1, 10, 100)
BACKLOGS = (1_000, 1_000_000)


class Bare(Listener):
    """Who keeps no books of what it owns."""

    def assigned(self, offsets: Mapping[int, int]) -> None: ...

    def revoked(self, partitions: Collection[int]) -> None: ...

    def lost(self, partitions: Collection[int]) -> None: ...


def filled(entries: int) -> MemoryQueue:
    queue = MemoryQueue(SystemClock(), MemoryBroker(partitions=4))
    queue.publish(TOPIC, [Message(b"x" * 300, b"key-%d" % (n % KEYS)) for n in range(entries)])
    return queue


def worker_on(queue: MemoryQueue, slots: int) -> Worker:
    settings = WorkerSettings(concurrency=slots, commit_interval_ms=100)
    return Worker(queue, TOPIC, GROUP, clock=SystemClock(), chance=lambda: 0.5, settings=settings)


def take_through(queue: MemoryQueue, entries: int, slots: int) -> None:
    worker = worker_on(queue, slots)
    done = 0
    while done < entries:
        tasks = worker.step()
        while tasks:
            for task in tasks:
                worker.complete(task, DONE)
            done += len(tasks)
            tasks = worker.take()
    worker.close()


def step_through(
    queue: MemoryQueue, entries: int, slots: int, *, seen: Callable[[], None] = lambda: None
) -> None:
    worker = worker_on(queue, slots)
    done, turn = 0, 0
    while done < entries:
        for task in worker.step():
            worker.complete(task, DONE)
            done += 1
        turn += 1
        if turn % 1000 == 0:
            seen()
    seen()
    worker.close()


def poll_through(queue: MemoryQueue, entries: int, slots: int) -> None:
    consumer = queue.subscribe(TOPIC, GROUP, Bare())
    reached: dict[int, int] = {}
    done, turn = 0, 0
    while done < entries:
        for record in consumer.poll(max(4 * slots, 100)):
            reached[record.partition] = record.offset + 1
            done += 1
        turn += 1
        if turn % 100 == 0:
            consumer.commit(reached)
    consumer.close()


def run_through(queue: MemoryQueue, entries: int, slots: int) -> None:
    runner = Runner()
    runner.add(worker_on(queue, slots), lambda record, context: DONE)
    runner.start()
    runner.wait_until_idle(600_000)
    runner.stop()


def per_second(go: Callable[[MemoryQueue, int, int], None], entries: int, slots: int) -> int:
    rates = []
    for _ in range(ROUNDS):
        queue = filled(entries)
        started = time.process_time()
        go(queue, entries, slots)
        rates.append(entries / (time.process_time() - started))
        assert sum(queue.committed(TOPIC, GROUP).values()) == entries or go is poll_through
    return round(statistics.median(rates))


class Endless(MemoryQueue):
    """A queue of one partition whose records exist only while somebody has them."""

    backlog = 0

    def subscribe(self, topic: str, group: str, listener: Listener, **options: Any) -> Any:
        return EndlessConsumer(self.backlog, listener)


class EndlessConsumer(Consumer):
    def __init__(self, backlog: int, listener: Listener) -> None:
        self._backlog = backlog
        self._listener: Listener | None = listener
        self._at = 0

    def poll(self, limit: int, timeout_ms: int = 0) -> Sequence[Record]:
        if self._listener is not None:
            self._listener.assigned({0: 0})
            self._listener = None
        until = min(self._backlog, self._at + limit)
        numbers = range(self._at, until)
        self._at = until
        return [Record(TOPIC, 0, n, b"x" * 300 + b"%d" % n, b"key-%d" % (n % KEYS)) for n in numbers]

    def commit(self, offsets: Mapping[int, int]) -> None: ...

    def pause(self, partitions: Collection[int]) -> None: ...

    def resume(self, partitions: Collection[int]) -> None: ...

    def close(self) -> None: ...


def grown_kb(backlog: int) -> int:
    """Return by how many KiB this process grows while it works off *backlog*."""
    queue = Endless(SystemClock(), MemoryBroker())
    queue.backlog = backlog
    sizes = [resident_kb()]
    step_through(queue, backlog, 10, seen=lambda: sizes.append(resident_kb()))
    return max(sizes[1:]) - sizes[0]


def resident_kb() -> int:
    """Return the memory of this process as it is now: its peak was that of its imports."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1])


def grown_elsewhere(backlog: int) -> int:
    command = [sys.executable, __file__, "--grow", str(backlog)]
    return int(json.loads(subprocess.run(command, capture_output=True, check=True).stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000, help="in each round")
    parser.add_argument("--grow", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.grow:
        print(grown_kb(options.grow))
        return
    entries = options.entries
    figures: dict[str, Any] = {"entries": entries, "keys": KEYS, "rounds": ROUNDS, "entries_a_second": {}}
    for slots in SLOTS:
        figures["entries_a_second"][f"{slots} slots"] = {
            "worker": per_second(take_through, entries, slots),
            "worker polled before every hand-out": per_second(step_through, entries, slots),
            "bare loop over the same queue": per_second(poll_through, entries, slots),
            "runner": per_second(run_through, entries, slots),
        }
    figures["load_average"] = [round(load, 1) for load in os.getloadavg()]
    figures["memory_growth_kb"] = {backlog: grown_elsewhere(backlog) for backlog in BACKLOGS}
    write_result("worker", figures)


if __name__ == "__main__":
    main()
