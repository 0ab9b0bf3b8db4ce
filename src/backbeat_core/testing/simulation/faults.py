"""What can go wrong, how often, and whether it does in this run at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from backbeat_core.testing.simulation.chance import Chance

BEFORE: Final = "before"
AFTER: Final = "after"


@attrs.frozen
class Kind:
    """
    A kind of fault at calls of ports.

    *when* it strikes: before the engine is reached or after. *calls* are the points where it makes sense:
    `port.method`, or a port alone for all of its methods; none: everywhere. *chance* at each call, while it
    is switched on. *loud*: somebody may be told of an error or do things twice because of it.
    """

    name: str
    when: str
    chance: float
    calls: tuple[str, ...] = ()
    loud: bool = True

    def strikes_at(self, point: str) -> bool:
        """Return whether it makes sense at *point*."""
        return not self.calls or point in self.calls or point.partition(".")[0] in self.calls


_ENGINES: Final = ("queue", "store", "cache", "coordinator", "source", "target")
_READS: Final = ("source.read",)
_WRITES: Final = ("target.write", "target.write_part")
# Where it matters who comes first; not where everybody polls.
_MOMENTS: Final = (
    *("store.get", "store.put", "store.patch", "store.delete", "store.scan", "source", "target"),
    *("queue.publish", "queue.commit", "coordinator.put", "cache.write", "cache.acquire"),
)

KINDS: Final = (
    Kind("crash before", BEFORE, 0.004, _ENGINES),
    Kind("crash after", AFTER, 0.004, _ENGINES),
    Kind("unavailable", BEFORE, 0.03, _ENGINES),
    Kind("answer lost", AFTER, 0.02, _ENGINES),
    Kind("slow", BEFORE, 0.01),
    Kind("slow answer", AFTER, 0.01),
    Kind("overtaken", BEFORE, 0.15, _MOMENTS, loud=False),
    Kind("overtaken answer", AFTER, 0.05, _MOMENTS, loud=False),
    Kind("half published", BEFORE, 0.05, ("queue.publish",)),
    Kind("published twice", AFTER, 0.02, ("queue.publish",)),
    Kind("expelled", BEFORE, 0.01, ("queue.poll", "queue.commit", "queue.publish", "target.write", "store.patch")),
    Kind("session expired", BEFORE, 0.05, ("coordinator",)),
    Kind("stream cut short", BEFORE, 0.05, _READS),
    Kind("byte flipped", BEFORE, 0.05, _READS),
    Kind("damaged on the way", BEFORE, 0.03, _WRITES),
    Kind("refused", BEFORE, 0.02, ("source.read", "target")),
    Kind("message missed", BEFORE, 0.2, ("cache.poll",)),
)
"""The faults at calls. The others are events of a run: see `chaos`."""

_SILENT: Final = frozenset(kind.name for kind in KINDS if not kind.loud)

EVENTS: Final[Mapping[str, str]] = {
    "process killed": "a process dies between two steps",
    "process restarted": "a process is stopped in an orderly way and started again",
    "engine away": "an engine does not answer anybody for a while",
    "site away": "a target does not answer anybody for a while",
    "site refuses": "a target says no to everybody for a while",
    "clock stepped": "the wall clock of one host jumps",
    "member expelled": "the session of a consumer ends while it works",
    "lease lost": "the session of a coordinator's client ends while it holds leases",
    "rule changed": "sites are added to the bucket's rule or taken out of it, or the rule is switched off",
    "replays changed": "the plan of replays is another after a restart",
    "poison": "a topic gets a record that nobody can read, or one of an older writer's canaries",
}
"""The faults between calls, and what each means."""


class Faults:
    """
    Decides what goes wrong, call by call.

    Each kind is switched on or off at each point once, for the whole run, and only then strikes now and then:
    so runs differ in kind and not only in order. *rates* multiplies the chance of a kind by its name; 0
    switches it off. Nothing strikes once *healed* is set.
    """

    def __init__(
        self, chance: Chance, *, on_chance: float = 0.4, rates: Mapping[str, float] | None = None
    ) -> None:
        self.healed = False
        self.struck: dict[str, int] = {}
        self._chance = chance
        self._on_chance = on_chance
        self._rates = rates or {}
        self._menus: dict[tuple[str, str], list[tuple[float, str]]] = {}

    def draw(self, point: str, when: str) -> str | None:
        """Return the kind of fault that strikes at this call, most often None."""
        if self.healed:
            return None
        menu = self._menus.get((point, when))
        if menu is None:
            menu = self._menus[point, when] = self._menu(point, when)
        if not menu:
            return None
        drawn = self._chance.draw()
        if drawn >= menu[-1][0]:
            return None
        name = next(name for limit, name in menu if drawn < limit)
        self.count(name)
        return name

    def count(self, name: str) -> None:
        """Take note that a fault has struck."""
        self.struck[name] = self.struck.get(name, 0) + 1

    @property
    def loud(self) -> bool:
        """Whether anything has struck that somebody was told of or that made somebody do a thing twice."""
        return any(name not in _SILENT for name in self.struck)

    def rate(self, name: str) -> float:
        """Return by what the chance of a kind or an event is multiplied."""
        return self._rates.get(name, self._rates.get("", 1.0))

    def _menu(self, point: str, when: str) -> list[tuple[float, str]]:
        menu: list[tuple[float, str]] = []
        total = 0.0
        for kind in KINDS:
            rate = self.rate(kind.name)
            if kind.when != when or not rate or not kind.strikes_at(point):
                continue
            if self._chance.hits(self._on_chance):
                total += kind.chance * rate
                menu.append((total, kind.name))
        return menu
