"""Threads in which blocking work is done for an event loop, and which never keep a process alive."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import queue
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

import attrs

T = TypeVar("T")


@attrs.frozen(eq=False)
class _Job:
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Any]
    work: Callable[[], Any]


_END: Final = None


@attrs.define(eq=False)
class Threads:
    """
    At most *limit* threads, made when they are needed.

    They are daemons: one that hangs in a dead engine does not hang the end of the process, as those of
    `concurrent.futures` do.
    """

    limit: int
    _jobs: queue.SimpleQueue[_Job | None] = attrs.field(factory=queue.SimpleQueue)
    _idle: threading.Semaphore = attrs.field(factory=lambda: threading.Semaphore(0))
    _lock: threading.Lock = attrs.field(factory=threading.Lock)
    _started: int = 0
    _closed: bool = False

    async def run(self, work: Callable[[], T], limit_s: float) -> T:
        """
        Return what *work* returns, or raise what it raises. Raises TimeoutError after *limit_s* seconds.

        Work that is late is not interrupted, but if no thread has begun it, none will.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._jobs.put(_Job(loop, answer, work))
        if not self._idle.acquire(blocking=False):
            self._start()
        timer = loop.call_later(limit_s, _expire, answer)
        try:
            return await answer
        finally:
            timer.cancel()

    def close(self) -> None:
        """End the threads as they become idle. Twice is once."""
        with self._lock:
            self._closed = True
            for _ in range(self._started):
                self._jobs.put(_END)
            self._started = 0

    def _start(self) -> None:
        with self._lock:
            if self._started >= self.limit:
                return
            self._started += 1
            name = f"backbeat-api-{self._started}"
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def _work(self) -> None:
        while (job := self._next()) is not _END:
            if not job.answer.done():
                finish = _done(job)
                with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
                    job.loop.call_soon_threadsafe(finish)

    def _next(self) -> _Job | None:
        try:
            return self._jobs.get_nowait()
        except queue.Empty:
            self._idle.release()
            return self._jobs.get()


def _done(job: _Job) -> Callable[[], None]:
    """Do the work, and return what tells its loop how it went."""
    try:
        result = job.work()
    except Exception as error:  # whoever waits is told, and the thread goes on
        return functools.partial(_settle, job.answer, job.answer.set_exception, error)
    return functools.partial(_settle, job.answer, job.answer.set_result, result)


def _settle(answer: asyncio.Future[Any], how: Callable[[Any], None], what: object) -> None:
    if not answer.done():
        how(what)


def _expire(answer: asyncio.Future[Any]) -> None:
    _settle(answer, answer.set_exception, TimeoutError())
