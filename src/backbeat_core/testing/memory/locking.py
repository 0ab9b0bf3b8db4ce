"""One lock an engine: the ports promise that their objects may be shared between threads."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Guarded(Protocol):
    """An object with the lock of the engine that it stands for."""

    @property
    def lock(self) -> threading.RLock: ...


G = TypeVar("G", bound=Guarded)


def locked(method: Callable[Concatenate[G, P], R]) -> Callable[Concatenate[G, P], R]:
    """Make *method* one step for every other thread."""

    @functools.wraps(method)
    def step(self: G, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self.lock:
            return method(self, *args, **kwargs)

    return step
