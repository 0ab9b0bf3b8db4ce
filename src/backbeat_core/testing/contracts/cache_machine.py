"""Any history of a few counters, scored sets and locks, beside plain dicts."""

from __future__ import annotations

from typing import Protocol

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from backbeat_core.ports.cache import (
    AddMember,
    Cache,
    Count,
    Increment,
    Range,
    RemoveMember,
    Score,
    SetCounter,
    Size,
    Write,
)
from backbeat_core.testing.contracts.common import fresh


class Maker(Protocol):
    """What the machine needs of its contract."""

    def make_cache(self) -> Cache: ...


NUMBERS = st.integers(-5, 5) | st.sampled_from([2**50, -(2**50)])
COUNTERS, SETS, MEMBERS = st.sampled_from("ab"), st.sampled_from("xy"), st.sampled_from("mnoé")
WRITES = (
    st.builds(Increment, COUNTERS, NUMBERS)
    | st.builds(SetCounter, COUNTERS, NUMBERS)
    | st.builds(AddMember, SETS, MEMBERS, NUMBERS)
    | st.builds(RemoveMember, SETS, MEMBERS)
)
RANGES = st.builds(
    Range, SETS, st.none() | NUMBERS, st.none() | NUMBERS, st.none() | st.integers(0, 4), st.booleans()
)


def cache_machine(maker: Maker) -> type[RuleBasedStateMachine]:
    """Return the machine for the caches that *maker* makes."""

    class CacheMachine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.caches = [maker.make_cache(), maker.make_cache()]
            self.prefix = fresh("key")
            self.counters: dict[str, int] = {}
            self.sets: dict[str, dict[str, int]] = {}
            self.locks: dict[str, str] = {}

        def real(self, name: str) -> str:
            return f"{self.prefix}:{name}"

        @rule(writes=st.lists(WRITES, max_size=6), which=st.integers(0, 1))
        def write(self, writes: list[Write], which: int) -> None:
            real: list[Write] = []
            for write in writes:
                match write:
                    case Increment(key, by):
                        self.counters[key] = self.counters.get(key, 0) + by
                        real.append(Increment(self.real(key), by))
                    case SetCounter(key, value):
                        self.counters[key] = value
                        real.append(SetCounter(self.real(key), value))
                    case AddMember(key, member, score):
                        self.sets.setdefault(key, {})[member] = score
                        real.append(AddMember(self.real(key), member, score))
                    case RemoveMember(key, member):
                        self.sets.get(key, {}).pop(member, None)
                        real.append(RemoveMember(self.real(key), member))
            self.caches[which].write(real)

        @rule(which=st.integers(0, 1), scored=SETS, member=MEMBERS)
        def read(self, which: int, scored: str, member: str) -> None:
            members = self.sets.get(scored, {})
            answers = self.caches[which].read(
                [
                    Count(self.real("a")),
                    Size(self.real(scored)),
                    Score(self.real(scored), member),
                    Count(self.real("b")),
                ]
            )
            wanted = [self.counters.get("a", 0), len(members), members.get(member), self.counters.get("b", 0)]
            assert wanted == list(answers)

        @rule(which=st.integers(0, 1), asked=RANGES)
        def read_range(self, which: int, asked: Range) -> None:
            inside = sorted(
                ((score, member.encode()) for member, score in self.sets.get(asked.key, {}).items()),
                reverse=asked.descending,
            )
            wanted = [
                (member.decode(), score)
                for score, member in inside
                if (asked.low is None or asked.low <= score) and (asked.high is None or score <= asked.high)
            ]
            question = Range(self.real(asked.key), asked.low, asked.high, asked.limit, asked.descending)
            assert [tuple(wanted[: asked.limit])] == list(self.caches[which].read([question]))

        @rule(which=st.integers(0, 1), key=COUNTERS, owner=MEMBERS)
        def acquire(self, which: int, key: str, owner: str) -> None:
            free = key not in self.locks
            assert free == self.caches[which].acquire(self.real("lock" + key), owner, 3_600_000)
            self.locks.setdefault(key, owner)

        @rule(which=st.integers(0, 1), key=COUNTERS, owner=MEMBERS)
        def release(self, which: int, key: str, owner: str) -> None:
            held = self.locks.get(key) == owner
            assert held == self.caches[which].release(self.real("lock" + key), owner)
            if held:
                del self.locks[key]

        def teardown(self) -> None:
            for cache in self.caches:
                cache.close()
                cache.close()

    return CacheMachine
