"""What an operator commands: pause, resume, schedule and cancel, and what the API tells of it (http-api 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from backbeat_core.domain import service_state, wire
from backbeat_core.domain.keys import HOUR_MS, Service, channel, state_path
from backbeat_core.domain.messages import ControlAction, ControlMessage
from backbeat_core.domain.service_state import State
from backbeat_core.errors import Conflict, CoordinatorUnavailable, StoreUnavailable
from backbeat_core.ports.cache import Cache
from backbeat_core.ports.clock import Clock
from backbeat_core.ports.coordinator import Coordinator
from backbeat_core.ports.store import ABSENT, Document, Expected, Store, Version

STATUS_COLLECTION: Final = "__locationStatusStore"
"""Where the states that the API owns are stored, one document a location (queue-and-wire 3.6.5)."""

# Writers of one document disturb one another for an instant only; whoever loses so often is not alone in error.
_ATTEMPTS: Final = 16
_UNTOUCHED: Final[State] = {"paused": False, "scheduledResume": None}
_PAGE: Final = 1000


@attrs.frozen
class PauseSettings:
    """
    Where commands go and states are kept.

    *topics* maps each service whose workers listen to a channel to its topic, without prefix (W-20).
    """

    topics: Mapping[Service, str] = attrs.field(
        factory=lambda: {Service.CRR: "backbeat-replication", Service.INGESTION: "backbeat-ingestion"}
    )
    test_mode: bool = False


@attrs.frozen
class PauseResume:
    """
    The API's side of pausing.

    For crr and ingestion a command is a promise: what is wanted is stored (W-26) and the workers are told;
    what they made of it is read from the Coordinator. For lifecycle the stored state is the state.
    Methods take the addressed *sites*, already checked. Each raises Unavailable when an engine is away; the
    command may then have reached some of the sites, and is to be given again (B24, B28).
    """

    cache: Cache
    coordinator: Coordinator
    store: Store
    clock: Clock
    settings: PauseSettings = attrs.field(factory=PauseSettings)

    def pause(self, service: str, sites: Sequence[str]) -> dict[str, Any]:
        """Stop working on *sites*. A schedule that stands is cancelled (D9)."""
        return self._command(service, sites, ControlMessage(ControlAction.PAUSE))

    def resume(self, service: str, sites: Sequence[str]) -> dict[str, Any]:
        """Work on *sites* again, now. A schedule that stands is cancelled."""
        return self._command(service, sites, ControlMessage(ControlAction.RESUME))

    def schedule(self, service: str, sites: Sequence[str], hours: int) -> dict[str, Any]:
        """Resume those of *sites* that are paused, *hours* from now; it replaces an earlier schedule (B25)."""
        date = wire.iso(self.clock.now_ms() + hours * HOUR_MS)
        return self._command(service, sites, ControlMessage(ControlAction.RESUME, date))

    def cancel(self, service: str, sites: Sequence[str]) -> dict[str, Any]:
        """Forget the scheduled resumes of *sites*, if there are any."""
        return self._command(service, sites, ControlMessage(ControlAction.CANCEL_RESUME))

    def status(self, service: str, sites: Sequence[str]) -> dict[str, str]:
        """Return `enabled` or `disabled` for each of *sites*, in their order."""
        return {
            site: "disabled" if service_state.is_paused(state) else "enabled"
            for site, state in self._states(service, sites)
        }

    def schedules(self, service: str, sites: Sequence[str]) -> dict[str, str]:
        """Return the date of the scheduled resume of each of *sites*, in their order, or `none`."""
        return {
            site: self._shown(service, service_state.schedule(state))
            for site, state in self._states(service, sites)
        }

    def initialize(self, locations: Iterable[str]) -> None:
        """
        Make the documents of *locations* that have none, as a server does when it starts.

        Documents of locations that are not configured here are left alone: another host may know them,
        and a document that goes is read as a resume (W-41).
        """
        for location in locations:
            try:
                self.store.put(STATUS_COLLECTION, location, _fresh(Service.LIFECYCLE), expected=ABSENT)
            except Conflict:
                continue

    def fire_due(self) -> int | None:
        """
        Resume every lifecycle location whose time has come, and return when the next one's will, or None.

        The date is read from the document and cleared by compare-and-set: the schedule survives a restart,
        and of several hosts one resumes (B26, B27).
        """
        now_ms = self.clock.now_ms()
        upcoming: list[int] = []
        for document in self._documents():
            state = _member(document, Service.LIFECYCLE)
            due = service_state.due_ms(state)
            if due is None:
                continue
            if due > now_ms:
                upcoming.append(due)
                continue
            self._change(document.key, Service.LIFECYCLE, lambda now: service_state.resume_if_due(now, now_ms))
        return min(upcoming, default=None)

    def _command(self, service: str, sites: Sequence[str], command: ControlMessage) -> dict[str, Any]:
        known = Service(service)
        now_ms = self.clock.now_ms()
        for site in sites:
            if known is Service.LIFECYCLE:
                self._change(site, known, lambda state: service_state.apply(state, command, now_ms))
            else:
                self._want(known, site, command, now_ms)
        if known in self.settings.topics:
            for site in sites:
                self.cache.publish(channel(self.settings.topics[known], site), command.encode().decode("utf-8"))
        return {}

    def _want(self, service: Service, site: str, command: ControlMessage, now_ms: int) -> None:
        """
        Store the state that *command* leads to, under a new revision, for workers that miss the message.

        What it leads to depends on what is: the worker's state if it has taken over all that was wanted so
        far, else what it is still to take over.
        """
        node = self.coordinator.get(state_path(service, site, test_mode=self.settings.test_mode))
        stored = service_state.decode_state(node.data) if node is not None else None
        actual = service_state.initial(service) if stored is None else stored

        def changed(wanted: State) -> State:
            followed, asked = service_state.revision(actual), service_state.revision(wanted)
            base = wanted if followed < asked else actual
            after = service_state.apply(base, command, now_ms)
            return wanted if after == base else service_state.wanted(after, max(followed, asked) + 1, now_ms)

        self._change(site, service, changed)

    def _change(self, site: str, service: Service, change: Callable[[State], State]) -> None:
        """Apply *change* to one service's state of a location, by compare-and-set, making it if need be."""
        for _ in range(_ATTEMPTS):
            document = self.store.get(STATUS_COLLECTION, site)
            before = _member(document, service)
            after = change(before)
            if after == before:
                return
            value = {**(document.value if document is not None else _fresh()), service.value: dict(after)}
            expected: Version | Expected = ABSENT if document is None else document.version
            try:
                self.store.put(STATUS_COLLECTION, site, value, expected=expected)
            except Conflict:
                continue
            return
        raise StoreUnavailable(f"the state of {site!r} was changed by others {_ATTEMPTS} times in a row")

    def _states(self, service: str, sites: Sequence[str]) -> Iterable[tuple[str, State]]:
        known = Service(service)
        for site in sites:
            if known is Service.LIFECYCLE:
                yield site, _member(self.store.get(STATUS_COLLECTION, site), known)
            else:
                yield site, self._node(known, site)

    def _node(self, service: Service, site: str) -> State:
        path = state_path(service, site, test_mode=self.settings.test_mode)
        node = self.coordinator.get(path)
        state = service_state.decode_state(node.data) if node is not None else None
        if state is None:
            # Nothing is assumed: no worker of this site has ever said whether it runs (http-api 6.5).
            raise CoordinatorUnavailable(f"no state of {site!r} can be read at {path}")
        return state

    def _shown(self, service: str, date: str | None) -> str:
        if date is None:
            return "none"
        # The workers' dates are theirs and shown as they stand; lifecycle's older ones are not ISO (D10).
        resume_ms = service_state.date_ms(date) if service == Service.LIFECYCLE.value else None
        return date if resume_ms is None else wire.iso(resume_ms)

    def _documents(self) -> Iterable[Document]:
        after = ""
        while page := self.store.scan(STATUS_COLLECTION, after=after, limit=_PAGE):
            yield from page
            after = page[-1].key


def _fresh(*services: Service) -> dict[str, Any]:
    """Return the value of a new document: each service is not managed, or active if it is one of *services*."""
    return {service.value: dict(_UNTOUCHED) if service in services else None for service in Service}


def _member(document: Document | None, service: Service) -> State:
    """Return a service's state; what is absent or null is not paused (3.6.5)."""
    state = document.value.get(service.value) if document is not None else None
    return state if isinstance(state, Mapping) else _UNTOUCHED
