"""All chance of a run, from one seed; the same draws on every version of Python."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """
    Draws from one `random.Random`.

    Only its `random` and `getrandbits` are used, whose sequences are promised never to change.
    """

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(seed)
        self.draw = self._random.random
        """Return a number from [0, 1)."""

    def below(self, limit: int) -> int:
        """Return an integer from 0 to *limit* - 1; 0 for a limit of 0."""
        return int(self.draw() * limit)

    def between(self, low: int, high: int) -> int:
        """Return an integer from *low* to *high*, both inclusive."""
        return low + int(self.draw() * (high - low + 1))

    def hits(self, probability: float) -> bool:
        """Return True with *probability*."""
        return self.draw() < probability

    def pick(self, items: Sequence[T]) -> T:
        """Return one of *items*."""
        return items[int(self.draw() * len(items))]

    def weighted(self, weights: Mapping[T, float]) -> T:
        """Return one of the keys, each as often as its weight says."""
        left = self.draw() * sum(weights.values())
        chosen = None
        for item, weight in weights.items():
            if weight <= 0:
                continue
            chosen = item
            left -= weight
            if left < 0:
                break
        assert chosen is not None
        return chosen

    def around(self, mean: int) -> int:
        """Return an integer that is *mean* on average, from half to one and a half of it."""
        return mean // 2 + int(self.draw() * mean)

    def child(self, name: str) -> Chance:
        """Return a sequence of its own for *name*: what it draws does not change what this one does."""
        return Chance(f"{name}/{self._random.getrandbits(64)}")
