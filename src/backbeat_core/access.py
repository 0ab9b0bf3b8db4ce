"""Who may ask: the address of a client, and the list of networks that it must be in."""

from __future__ import annotations

import enum
import functools
import ipaddress
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Self

import attrs

from backbeat_core.errors import InvalidConfiguration

LOOPBACK: Final = ("127.0.0.1/8", "::1")
"""What the effective list of a server always ends with (http-api 2.7)."""

MOST_HOPS: Final = 32
"""Longer chains of proxies than this are not read."""

_LONGEST: Final = 64  # eight groups, a zone of the fifteen characters that Linux allows, and some room
_OCTETS: Final = {str(number): number for number in range(256)}
_LENGTHS: Final = {str(number): number for number in range(129)}
_MAPPED: Final = 0xFFFF
_LINK_LOCAL: Final = 0x3FA  # fe80::/10, the only addresses that have a zone


class Address(NamedTuple):
    """
    An address, *family* 4 or 6, as a number; *zone* names the interface of a link-local one.

    An IPv4-mapped IPv6 address (`::ffff:a.b.c.d`) is the IPv4 address. Nothing else is unwrapped:
    IPv4-compatible, 6to4 and NAT64 addresses are plain IPv6 and so in no IPv4 network.
    """

    family: int
    number: int
    zone: str = ""

    def __str__(self) -> str:
        if self.family == 4:
            return str(ipaddress.IPv4Address(self.number))
        zone = f"%{self.zone}" if self.zone else ""
        return f"{ipaddress.IPv6Address(self.number)}{zone}"


def parse_address(text: str) -> Address | None:
    """
    Return the address that *text* spells, or None.

    IPv4 is four decimal numbers from 0 to 255 without padding: the octal, hexadecimal, short and
    single-number spellings that some parsers read as an address are none here.
    """
    return _parse_address(text) if len(text) <= _LONGEST else None


@functools.lru_cache(maxsize=4096)  # of short texts only, so that a stranger cannot fill the memory
def _parse_address(text: str) -> Address | None:
    parts = text.split(".")
    if len(parts) == 4:
        try:
            a, b, c, d = [_OCTETS[part] for part in parts]
        except KeyError:
            pass
        else:
            return Address(4, a << 24 | b << 16 | c << 8 | d)
    try:
        parsed = ipaddress.IPv6Address(text)
    except ValueError:
        return None
    return _unwrap(int(parsed), parsed.scope_id or "")


def _unwrap(number: int, zone: str) -> Address | None:
    if zone and number >> 118 != _LINK_LOCAL:
        return None
    if number >> 32 == _MAPPED:
        return Address(4, number & 0xFFFFFFFF)
    return Address(6, number, zone)


class _Network(NamedTuple):
    family: int
    first: int
    last: int
    zone: str = ""


def _parse_entry(entry: object) -> _Network | None:
    """Read one entry of an allow list (http-api 2.7); None if it is not one."""
    if not isinstance(entry, str):
        return None
    text, slash, prefix = entry.partition("/")
    if not slash:
        prefix = "8" if text.startswith("127.") else ""
    address = parse_address(text)
    if address is None or (slash and address.zone):
        return None
    bits = 32 if address.family == 4 else 128
    length = _LENGTHS.get(prefix) if slash or prefix else bits
    if length is None:
        return None
    if slash and address.family == 4 and ":" in text:
        return _mapped_network(address.number, length)
    return _span(address, length, bits)


def _mapped_network(number: int, length: int) -> _Network | None:
    """Turn a network of IPv4-mapped addresses into IPv4, as the peer is (B10); a wider one is IPv6."""
    if length >= 96:
        return _span(Address(4, number), length - 96, 32)
    return _span(Address(6, _MAPPED << 32 | number), length, 128)


def _span(address: Address, length: int, bits: int) -> _Network | None:
    if length > bits:
        return None
    hosts = (1 << (bits - length)) - 1
    first = address.number & ~hosts
    return _Network(address.family, first, first | hosts, address.zone)


@attrs.frozen
class _Spans:
    """Disjoint ranges of numbers in ascending order: membership is one binary search."""

    firsts: tuple[int, ...] = ()
    lasts: tuple[int, ...] = ()

    @classmethod
    def of(cls, ranges: Iterable[tuple[int, int]]) -> Self:
        firsts: list[int] = []
        lasts: list[int] = []
        for first, last in sorted(ranges):
            if lasts and first <= lasts[-1]:
                lasts[-1] = max(lasts[-1], last)
            else:
                firsts.append(first)
                lasts.append(last)
        return cls(tuple(firsts), tuple(lasts))


@attrs.frozen
class AllowList:
    """
    Networks whose members may ask. An empty list refuses everybody.

    *ignored* holds the entries that could not be read and were skipped on request.
    """

    _four: _Spans = _Spans()
    _six: _Spans = _Spans()
    _zoned: frozenset[Address] = frozenset()
    ignored: tuple[str, ...] = ()

    @classmethod
    def parse(cls, entries: object, *, ignore_invalid: bool = False) -> Self:
        """
        Read a list of entries: an address, or a network as `address/prefix` (host bits may be set).

        A bare `127.…` means its /8; a bare address means itself; an IPv4-mapped entry means the IPv4 one.
        Raises InvalidConfiguration naming the first entry that is neither, unless *ignore_invalid*:
        the reference implementation matches such an entry with nobody and says nothing (B10).
        """
        if not isinstance(entries, (list, tuple)):
            raise InvalidConfiguration(f"allowFrom: {entries!r} is not a list of addresses and networks")
        networks: list[_Network] = []
        ignored: list[str] = []
        for entry in entries:
            network = _parse_entry(entry)
            if network is not None:
                networks.append(network)
            elif ignore_invalid:
                ignored.append(str(entry))
            else:
                raise InvalidConfiguration(f"allowFrom: {entry!r} is neither an address nor a network")
        plain = [network for network in networks if not network.zone]
        return cls(
            _Spans.of((n.first, n.last) for n in plain if n.family == 4),
            _Spans.of((n.first, n.last) for n in plain if n.family == 6),
            frozenset(Address(6, n.first, n.zone) for n in networks if n.zone),
            tuple(ignored),
        )

    @classmethod
    def configured(cls, entries: object = (), *, ignore_invalid: bool = False) -> Self:
        """Read `server.healthChecks.allowFrom`: *entries* and, always, loopback (http-api 2.7)."""
        if isinstance(entries, (list, tuple)):
            entries = [*entries, *LOOPBACK]
        return cls.parse(entries, ignore_invalid=ignore_invalid)

    def __contains__(self, address: Address) -> bool:
        """Return whether *address* is in one of the networks; a zone matters only to entries with one."""
        spans = self._four if address.family == 4 else self._six
        index = bisect_right(spans.firsts, address.number)
        if index and address.number <= spans.lasts[index - 1]:
            return True
        return address in self._zoned

    def allows(self, text: str) -> bool:
        """Return whether the address that *text* spells is in the list; False if it spells none."""
        address = parse_address(text)
        return address is not None and address in self


NOBODY: Final = AllowList()
"""The empty list."""


class Reason(enum.Enum):
    """Why a request was let in or not; the value is a sentence for the log."""

    LISTED = "the client's address is in the allow list"
    NOT_LISTED = "the client's address is not in the allow list"
    NO_ADDRESS = "the peer has no address that can be read"
    PROXY_SILENT = "a trusted proxy did not say whom it asks for"
    PROXY_UNREADABLE = "what a trusted proxy says of its client cannot be read"


@attrs.frozen
class Decision:
    """What was decided. *address* is the client's, None where it could not be told."""

    allowed: bool
    address: Address | None
    reason: Reason


@attrs.frozen
class Access:
    """
    The rule of who may ask.

    The client is the TCP peer. Only when the peer is in *proxies* (none by default) is `X-Forwarded-For`
    read, from its right end, past addresses that are proxies too: the first other one is the client. No
    other header is ever read. A proxy without a readable header is refused, since the client would choose
    what is missing (it can have a proxy drop a header by naming it in `Connection`).
    """

    allowed: AllowList = attrs.field(factory=AllowList.configured)
    proxies: AllowList = NOBODY

    def decide(self, peer: str, forwarded: Sequence[str] = ()) -> Decision:
        """
        Decide about a request from *peer*, the text of the TCP peer's address.

        *forwarded* are the values of the request's `X-Forwarded-For` lines, in their order.
        """
        address = parse_address(peer)
        if address is None:
            return Decision(False, None, Reason.NO_ADDRESS)
        if address in self.proxies:
            client = self._client(forwarded)
            if isinstance(client, Reason):
                return Decision(False, None, client)
            address = client
        if address in self.allowed:
            return Decision(True, address, Reason.LISTED)
        return Decision(False, address, Reason.NOT_LISTED)

    def _client(self, forwarded: Sequence[str]) -> Address | Reason:
        hops = [hop.strip(" \t") for value in forwarded for hop in value.split(",")]
        if not any(hops):
            return Reason.PROXY_SILENT
        for hop in reversed(hops[-MOST_HOPS:]):
            address = parse_address(hop)
            if address is None:
                return Reason.PROXY_UNREADABLE
            if address not in self.proxies:
                return address
        return Reason.PROXY_SILENT
