"""The worker's side of pausing: which sites not to work on, from stored states, wishes and messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import attrs

from backbeat_core.domain import service_state, wire
from backbeat_core.domain.keys import Service, channel, replay_state_path, site_of_channel, state_path
from backbeat_core.domain.messages import ControlMessage
from backbeat_core.domain.service_state import State
from backbeat_core.errors import (
    BackbeatError,
    CacheUnavailable,
    Conflict,
    CoordinatorUnavailable,
    StoreUnavailable,
    UndecodableEntry,
)
from backbeat_core.ports.cache import Cache, Subscription
from backbeat_core.ports.coordinator import Coordinator
from backbeat_core.ports.store import ABSENT, Expected, Store

_STATUS_COLLECTION: Final = "__locationStatusStore"
_ATTEMPTS: Final = 16


@attrs.frozen
class FollowSettings:
    """
    Whose pauses are followed, and how closely.

    *topic* is the service's, without prefix: commands come on its channels. *replay_topic* names the topic of
    a replay processor, which has a state of its own (http-api 6.3). Times in milliseconds: the states are
    read again every *refresh_ms*, and at once when a command comes or a schedule is due; a message within
    *hint_ms* of a wish that was stored is only the hint that there is one.
    """

    service: Service = Service.CRR
    topic: str = "backbeat-replication"
    replay_topic: str | None = None
    test_mode: bool = False
    refresh_ms: int = 5_000
    hint_ms: int = 10_000

    def path(self, site: str) -> str:
        """Return where the state of *site* is kept."""
        if self.replay_topic is not None:
            return replay_state_path(self.replay_topic, site, test_mode=self.test_mode)
        return state_path(self.service, site, test_mode=self.test_mode)


@attrs.define(eq=False)
class PauseController:
    """
    Says which of *sites* are paused. Owned by one thread, which calls `poll` all the time.

    The state of a site stands in one node that all hosts change by compare-and-set (W-27): a command that
    arrives at each of them, or a scheduled resume whose time has come, has its effect once. A site about
    which nothing is known is paused: work that should not have been done cannot be taken back.
    """

    sites: tuple[str, ...]
    coordinator: Coordinator
    store: Store
    cache: Cache
    settings: FollowSettings = attrs.field(factory=FollowSettings)
    problems: dict[str, BackbeatError] = attrs.field(factory=dict)
    """What went wrong at the last attempt, by site; under `''` the trouble with the channels."""

    _known: dict[str, State] = attrs.field(factory=dict)
    # Commands that have arrived and could not be written yet: their channel will not repeat them.
    _waiting: dict[str, list[ControlMessage]] = attrs.field(factory=dict)
    _subscription: Subscription | None = None
    _refresh_at_ms: int | None = None

    def poll(self, now_ms: int) -> frozenset[str]:
        """
        Take in what has been commanded and return the sites that are paused now.

        Never raises for an engine that is away: the last state known stays, and `problems` has the reason.
        """
        self._listen()
        regular = self._refresh_at_ms is None or not 0 < self._refresh_at_ms - now_ms <= self.settings.refresh_ms
        for site in self.sites:
            if regular or site in self._waiting or self._is_due(site, now_ms):
                self._follow(site, now_ms)
        if regular:
            self._refresh_at_ms = now_ms + self.settings.refresh_ms
        return frozenset(
            site for site in self.sites if site not in self._known or service_state.is_paused(self._known[site])
        )

    def next_resume_ms(self) -> int | None:
        """Return when the next scheduled resume is due, Unix milliseconds, or None."""
        due = (service_state.due_ms(state) for state in self._known.values())
        return min((ms for ms in due if ms is not None), default=None)

    def follow(self, sites: Iterable[str]) -> None:
        """Follow *sites* from now on; the states of those that are left out are deleted (http-api 6.3)."""
        gone = set(self.sites).difference(wanted := tuple(sites))
        self.sites = wanted
        for site in gone:
            for memory in (self._known, self._waiting, self.problems):
                memory.pop(site, None)
            self.coordinator.delete(self.settings.path(site))
        self.close()
        self._refresh_at_ms = None

    def close(self) -> None:
        """Stop listening. Twice is once."""
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None

    def _listen(self) -> None:
        """Take in what the channels bring. They forget: what is missed here comes as a stored wish (W-26)."""
        self.problems.pop("", None)
        try:
            if self._subscription is None:
                names = [channel(self.settings.topic, site) for site in self.sites]
                self._subscription = self.cache.subscribe(names)
                self._refresh_at_ms = None
            arrived = self._subscription.poll()
        except CacheUnavailable as error:
            self.problems[""] = error
            self.close()
            return
        for name, text in arrived:
            site = site_of_channel(self.settings.topic, name)
            command = _decoded(text)
            if site in self.sites and command is not None:
                self._waiting.setdefault(site, []).append(command)

    def _is_due(self, site: str, now_ms: int) -> bool:
        due = service_state.due_ms(self._known.get(site, {}))
        return due is not None and due <= now_ms

    def _follow(self, site: str, now_ms: int) -> None:
        self.problems.pop(site, None)
        wish = self._wish(site)
        hints_only = service_state.is_fresh(wish, now_ms, self.settings.hint_ms)

        def changed(state: State) -> State:
            state = service_state.take_over(state, wish)
            for command in () if hints_only else self._waiting.get(site, ()):
                state = service_state.apply(state, command, now_ms)
            return service_state.resume_if_due(state, now_ms)

        try:
            self._known[site] = self._change(self.settings.path(site), changed)
        except (CoordinatorUnavailable, UndecodableEntry) as error:
            self.problems[site] = error
        else:
            self._waiting.pop(site, None)

    def _wish(self, site: str) -> State:
        """Return what the API has stored for *site*, nothing when it cannot be read now."""
        try:
            document = self.store.get(_STATUS_COLLECTION, site)
        except StoreUnavailable as error:
            self.problems[site] = error
            return {}
        wish = document.value.get(self.settings.service.value) if document is not None else None
        return wish if isinstance(wish, Mapping) else {}

    def _change(self, path: str, change: Callable[[State], State]) -> State:
        for _ in range(_ATTEMPTS):
            node = self.coordinator.get(path)
            before = service_state.initial(self.settings.service) if node is None else _state(path, node.data)
            after = change(before)
            if node is not None and after == before:
                return before
            expected: int | Expected = ABSENT if node is None else node.version
            try:
                self.coordinator.put(path, wire.encode(after), expected=expected)
            except Conflict:
                continue
            return after
        raise CoordinatorUnavailable(f"{path} was changed by others {_ATTEMPTS} times in a row")


def _decoded(text: str) -> ControlMessage | None:
    try:
        return ControlMessage.decode(text.encode("utf-8", "surrogatepass"))
    except UndecodableEntry:
        return None


def _state(path: str, data: bytes) -> State:
    state = service_state.decode_state(data)
    if state is None:
        raise UndecodableEntry(f"what stands at {path} is no state")
    return state
