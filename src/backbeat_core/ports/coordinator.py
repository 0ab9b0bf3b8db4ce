"""
Small agreed-on state between hosts: nodes with compare-and-set, and leases with fencing numbers.

Laws (each is a test of the same name in `backbeat_core.testing.contracts.coordinator`):

    keeps_data                 what is read is what was written, byte for byte
    absent_is_none             reading what is not there gives None
    put_creates_parents        writing a path makes the nodes above it
    create_only                `expected=ABSENT` writes only where nothing stands, else Conflict
    put_if_unchanged           `expected=n` writes only over version n, else Conflict
    versions_count_up          each write makes the node's version greater
    delete_is_idempotent       deleting what is not there is False, not an error
    delete_if_unchanged        `delete` with a version removes only that version, else Conflict
    children_are_sorted_names  `children` gives the names below a path, sorted; none for an absent path
    lease_is_exclusive         one holder at a time; the others get None
    fencing_grows              each acquisition of a name has a greater fencing number than all before
    lease_expires              a lease that is not renewed for its time to live is free
    renewed_lease_holds        a lease renewed in time keeps its number
    late_renewal_is_fenced     renewing what another has taken meanwhile raises Fenced
    release_frees_at_once      a released lease can be acquired at once
    holders_are_listed         `holders` gives each live lease below a prefix and its owner
    fenced_write_is_refused    a write under a lease that has passed to another raises Fenced, writes nothing
    dead_endpoint_is_unavailable  an engine that cannot be reached raises CoordinatorUnavailable, in bounded time
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence

import attrs

from backbeat_core.ports.store import ANY, Expected


@attrs.frozen
class Node:
    """A node as it stood when it was read."""

    data: bytes
    version: int


@attrs.frozen
class Lease:
    """
    The right to be the one who does *name*, until it is released or expires.

    *fencing* is greater than that of every earlier holder; a write that carries it is refused
    when somebody newer holds the name.
    """

    name: str
    owner: str
    fencing: int


class Coordinator(abc.ABC):
    """An engine that several hosts agree through. Safe to share between threads."""

    @abc.abstractmethod
    def get(self, path: str) -> Node | None:
        """Return the node, or None. Raises CoordinatorUnavailable."""

    @abc.abstractmethod
    def put(
        self, path: str, data: bytes, *, expected: int | Expected = ANY, lease: Lease | None = None
    ) -> Node:
        """
        Write the node if it is as *expected* and *lease*, if given, is still the newest of its name.

        Raises Conflict, Fenced, CoordinatorUnavailable.
        """

    @abc.abstractmethod
    def delete(self, path: str, *, expected: int | Expected = ANY) -> bool:
        """Remove a node without children; False if nothing stood there. Raises Conflict."""

    @abc.abstractmethod
    def children(self, path: str) -> Sequence[str]:
        """Return the names right below *path*, sorted. Raises CoordinatorUnavailable."""

    @abc.abstractmethod
    def acquire(self, name: str, owner: str, ttl_ms: int) -> Lease | None:
        """Take the lease if it is free or already *owner*'s own (a new number); else None."""

    @abc.abstractmethod
    def renew(self, lease: Lease, ttl_ms: int) -> None:
        """Hold the lease for another *ttl_ms*. Raises Fenced, CoordinatorUnavailable."""

    @abc.abstractmethod
    def release(self, lease: Lease) -> None:
        """Give the lease back. Not holding it any more is not an error."""

    @abc.abstractmethod
    def holders(self, prefix: str) -> Mapping[str, str]:
        """Return name → owner of each live lease whose name starts with *prefix*."""

    @abc.abstractmethod
    def close(self) -> None:
        """Release all leases of this object and its connections. Twice is once."""
