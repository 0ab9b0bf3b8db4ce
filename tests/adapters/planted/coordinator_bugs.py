"""Bugs to plant in the model of the coordinator, by the law that must see them."""

from __future__ import annotations

import attrs

from adapters.planted.changes import always, given, returning, silent
from backbeat_core.ports.coordinator import Node
from backbeat_core.ports.store import ANY
from backbeat_core.testing.memory import coordinator

COORDINATOR = coordinator.MemoryCoordinator


def _put(change):
    def wrap(original):
        def put(self, path, data, *, expected=ANY, lease=None):
            arguments = {"data": data, "expected": expected, "lease": lease, **change}
            return original(self, path, **arguments)

        return put

    return wrap


def _late_renewal(original):
    return lambda self, lease, ttl_ms: None


def _same_number(original):
    def acquire(self, name, owner, ttl_ms):
        lease = original(self, name, owner, ttl_ms)
        return lease and attrs.evolve(lease, fencing=1)

    return acquire


def _never_expires(original):
    return lambda self, name, owner, ttl_ms: original(self, name, owner, 1000 * ttl_ms)


def _two_holders(original):
    def acquire(self, name, owner, ttl_ms):
        self.ensemble.held.pop(name, None)
        return original(self, name, owner, ttl_ms)

    return acquire


BUGS = {
    "keeps_data": [(COORDINATOR, "get", returning(lambda node: node and Node(node.data.strip(), node.version)))],
    "absent_is_none": [(COORDINATOR, "get", returning(lambda node: node or Node(b"", 0)))],
    "put_creates_parents": [(coordinator, "_parents", always([]))],
    "create_only": [(COORDINATOR, "put", _put({"expected": ANY}))],
    "put_if_unchanged": [(COORDINATOR, "put", _put({"expected": ANY}))],
    "versions_count_up": [(coordinator, "Node", lambda _: lambda data, version: Node(data, 0))],
    "delete_is_idempotent": [(COORDINATOR, "children", always([]))],
    "delete_if_unchanged": [(COORDINATOR, "delete", given(expected=ANY))],
    "children_are_sorted_names": [(COORDINATOR, "children", returning(lambda names: names[::-1]))],
    "lease_is_exclusive": [(COORDINATOR, "acquire", _two_holders)],
    "fencing_grows": [(COORDINATOR, "acquire", _same_number)],
    "lease_expires": [(COORDINATOR, "acquire", _never_expires)],
    "renewed_lease_holds": [(COORDINATOR, "renew", silent)],
    "late_renewal_is_fenced": [(COORDINATOR, "renew", _late_renewal)],
    "release_frees_at_once": [(COORDINATOR, "release", silent)],
    "holders_are_listed": [(COORDINATOR, "holders", lambda o: lambda self, prefix: o(self, ""))],
    "fenced_write_is_refused": [(COORDINATOR, "put", _put({"lease": None}))],
    "dead_endpoint_is_unavailable": [(COORDINATOR, "_check", silent)],
    "any_history": [(COORDINATOR, "close", silent)],
}
