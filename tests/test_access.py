"""Who may ask (http-api 2.7; B10): networks, spellings, proxies and those who lie about them."""

from __future__ import annotations

import ipaddress
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backbeat_core import access
from backbeat_core.access import (
    LOOPBACK,
    MOST_HOPS,
    NOBODY,
    Access,
    Address,
    AllowList,
    Decision,
    Reason,
    parse_address,
)
from backbeat_core.errors import InvalidConfiguration

v4 = st.ip_addresses(v=4)
v6 = st.ip_addresses(v=6).filter(lambda a: a.ipv4_mapped is None)


def networks(version: int) -> st.SearchStrategy[ipaddress.IPv4Interface | ipaddress.IPv6Interface]:
    addresses, bits = (v4, 32) if version == 4 else (v6, 128)
    return st.builds(lambda a, n: ipaddress.ip_interface(f"{a}/{n}"), addresses, st.integers(0, bits))


@pytest.fixture(autouse=True)
def _nothing_is_remembered() -> None:
    """Let each test read addresses anew."""
    access._parse_address.cache_clear()


# --- addresses ---------------------------------------------------------------------------------------------


@given(v4)
def test_an_ipv4_address_is_read_as_its_number(address: ipaddress.IPv4Address) -> None:
    assert Address(4, int(address)) == parse_address(str(address))


@given(v6)
def test_an_ipv6_address_is_read_as_its_number_however_it_is_spelled(address: ipaddress.IPv6Address) -> None:
    expected = Address(6, int(address))
    for spelling in (str(address), address.exploded, address.exploded.upper()):
        assert expected == parse_address(spelling)


@given(v4)
def test_a_mapped_address_is_the_ipv4_address(address: ipaddress.IPv4Address) -> None:
    expected = Address(4, int(address))
    mapped = ipaddress.IPv6Address(0xFFFF << 32 | int(address))
    for spelling in (f"::ffff:{address}", f"::FFFF:{address}", str(mapped), mapped.exploded):
        assert expected == parse_address(spelling)


@given(v4)
def test_only_a_mapped_address_is_an_ipv4_address(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    for prefix in (
        number,  # IPv4-compatible, ::/96
        0xFFFF << 48 | number,  # IPv4-translated, ::ffff:0:0:0/96
        0x2002 << 112 | number << 80,  # 6to4
        0x20010000 << 96 | (number ^ 0xFFFFFFFF),  # Teredo
        0x0064FF9B << 96 | number,  # NAT64
        0xFE80 << 112 | 0x5EFE << 32 | number,  # ISATAP
    ):
        text = str(ipaddress.IPv6Address(prefix))
        assert Address(6, prefix) == parse_address(text)
        assert not AllowList.parse(["0.0.0.0/0"]).allows(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", ".", "...", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.-1", "1.2.3.+4", "1.2.3.4.", ".1.2.3.4"),
        *("01.2.3.4", "1.2.3.04", "0x1.2.3.4", "0177.0.0.1", "127.1", "127", "2130706433", "0x7f000001"),
        *(" 1.2.3.4", "1.2.3.4 ", "1.2.3.4\n", "1.2.3.4\0", "1.2.3.4:80", "[::1]", "[::1]:80", "::1/128"),
        *("1.2.3.4/32", "１.2.3.4", "1.2.3.٤", "1.2.3.4%eth0", "::g", "12345::1", ":::", "1::2::3", "localhost"),
        *("::ffff:01.2.3.4", "::ffff:1.2.3", "::ffff:1.2.3.4%eth0", "::1%lo", "fe80::1%", "fe80::1%a%b"),
        *("fec0::1%eth0", "fe40::1%eth0", "fe80::1%" + "e" * 64, "1" * 100),
    ],
)
def test_what_is_no_canonical_spelling_is_no_address(text: str) -> None:
    assert parse_address(text) is None


@pytest.mark.parametrize("text", ["fe80::1%eth0", "FE80::1%eth0", "febf::1%3"])
def test_a_link_local_address_may_have_a_zone(text: str) -> None:
    address = parse_address(text)
    assert address is not None
    assert text.partition("%")[2] == address.zone


@given(st.one_of(v4, v6))
def test_an_address_is_written_in_its_shortest_form(address: ipaddress.IPv4Address) -> None:
    assert str(address) == str(parse_address(address.exploded))


def test_the_longest_zone_that_is_read_makes_64_characters() -> None:
    assert parse_address("fe80::1%" + "e" * 56) == Address(6, 0xFE80 << 112 | 1, "e" * 56)
    assert parse_address("fe80::1%" + "e" * 57) is None


def test_a_zone_is_written_too() -> None:
    assert "fe80::1%eth0" == str(parse_address("FE80:0::1%eth0"))


@given(st.text() | st.binary().map(lambda b: b.decode("latin-1")))
def test_no_text_makes_the_parser_raise(text: str) -> None:
    address = parse_address(text)
    assert address is None or parse_address(str(address)) == address


# --- the list ----------------------------------------------------------------------------------------------


@given(st.lists(networks(4) | networks(6), max_size=12), st.lists(v4 | v6, max_size=6), st.data())
def test_membership_is_that_of_the_networks(nets: list, addresses: list, data: st.DataObject) -> None:
    allowed = AllowList.parse([str(net) for net in nets])
    for net in nets:  # edges and neighbours of each network, besides addresses from anywhere
        first, last = int(net.network.network_address), int(net.network.broadcast_address)
        bits = net.max_prefixlen
        numbers = [first, last, max(first - 1, 0), min(last + 1, (1 << bits) - 1)]
        addresses.append(type(net.ip)(data.draw(st.sampled_from(numbers))))
    for address in addresses:
        if address.version == 6 and address.ipv4_mapped is not None:
            continue
        expected = any(address in net.network for net in nets)
        assert expected == allowed.allows(str(address))


def test_what_lies_between_two_networks_is_in_neither() -> None:
    allowed = AllowList.parse(["10.0.0.1", "10.0.0.3", "10.0.0.8/30", "10.0.0.13", "::1", "::3"])
    found = [last for last in range(20) if allowed.allows(f"10.0.0.{last}")]
    assert [1, 3, 8, 9, 10, 11, 13] == found
    assert [1, 3] == [last for last in range(9) if allowed.allows(f"::{last}")]


def test_an_empty_list_refuses_everybody() -> None:
    assert not NOBODY.allows("127.0.0.1")
    assert not AllowList.parse([]).allows("::1")


def test_a_configured_list_always_has_loopback() -> None:
    for allowed in (AllowList.configured(), AllowList.configured([]), AllowList.configured(["10.0.0.1"])):
        assert all(allowed.allows(peer) for peer in ("127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"))
        assert not allowed.allows("128.0.0.1")
        assert not allowed.allows("::2")
    assert ("127.0.0.1/8", "::1") == LOOPBACK


@pytest.mark.parametrize(
    ("entry", "peer", "expected"),
    [
        # The table of http-api 2.7, with its [R] mends (B10).
        ("127.0.0.1/8", "::ffff:127.5.5.5", True),
        ("127.0.0.1", "127.9.9.9", True),
        ("127.0.0.1/32", "127.0.0.2", False),
        ("10.0.0.1", "::ffff:10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.1", True),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("::ffff:10.0.0.0/104", "10.255.0.1", True),
        ("::ffff:10.0.0.0/104", "11.0.0.1", False),
        ("::ffff:0:0/96", "8.8.8.8", True),
        ("::ffff:0:0/95", "8.8.8.8", False),
        ("::ffff:0:0/95", "::fffe:1:2", True),
        ("::ffff:0:0/95", "::fffd:1:2", False),
        ("::1", "::1", True),
        ("::1/128", "::1", True),
        ("::/0", "::1", True),
        ("0:0:0:0:0:0:0:1", "::1", True),
        ("FE80::1", "fe80::1", True),
        ("0.0.0.0/0", "8.8.8.8", True),
        ("0.0.0.0/0", "2001::1", False),
        ("::/0", "8.8.8.8", False),
        ("::/0", "::ffff:8.8.8.8", False),
        ("::/95", "8.8.8.8", False),
        ("fe80::/10", "fe80::1%eth0", True),
        ("fe80::1", "fe80::1%eth0", True),
        ("fe80::1%eth0", "fe80::1%eth0", True),
        ("fe80::1%eth0", "fe80::1%eth1", False),
        ("fe80::1%eth0", "fe80::1", False),
    ],
)
def test_an_entry_lets_in(entry: str, peer: str, expected: bool) -> None:
    assert expected == AllowList.parse([entry]).allows(peer)


invalid_entries = [
    *("10.0.0.0/33", "10/8", "10.0.0.0/", " 10.0.0.0/8", "10.0.0.0/8 ", "localhost", "bogus", "", "*", "127.foo"),
    *("10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/08", "10.0.0.0/8/8", "10.0.0.0/255.0.0.0", "10.0.0.0/٨", "/8"),
    *("10.0.0.0/9999999999", "::1/129", "::/", "fe80::%eth0/10", "010.0.0.1", "10.1", "127.1", "::ffff:1.2.3/120"),
    *(None, 5, True, ["10.0.0.1"], {"a": 1}),
]


@pytest.mark.parametrize("entry", invalid_entries)
def test_an_entry_that_is_no_network_is_a_configuration_error_that_names_it(entry: object) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        AllowList.parse(["10.0.0.1", entry])
    assert f"allowFrom: {entry!r} is neither an address nor a network" == str(caught.value)
    with pytest.raises(InvalidConfiguration, match="neither an address nor a network"):
        AllowList.configured([entry])


@pytest.mark.parametrize("entry", invalid_entries)
def test_an_ignored_entry_is_kept_for_the_log_and_disturbs_no_other(entry: object) -> None:
    allowed = AllowList.parse([entry, "10.0.0.1"], ignore_invalid=True)
    assert (str(entry),) == allowed.ignored
    assert allowed.allows("10.0.0.1")
    assert not allowed.allows("10.0.0.2")
    assert (str(entry),) == AllowList.configured([entry], ignore_invalid=True).ignored


@pytest.mark.parametrize("entries", [None, "127.0.0.1", {"a": "127.0.0.1"}, 5, {"127.0.0.1"}])
def test_what_is_no_list_is_a_configuration_error(entries: object) -> None:
    for read in (AllowList.parse, AllowList.configured):
        with pytest.raises(InvalidConfiguration) as caught:
            read(entries)
        assert f"allowFrom: {entries!r} is not a list of addresses and networks" == str(caught.value)


# --- the decision ------------------------------------------------------------------------------------------


def decide(access: Access, peer: str, *forwarded: str) -> tuple[bool, str, Reason]:
    decision = access.decide(peer, forwarded)
    return decision.allowed, str(decision.address or ""), decision.reason


def test_a_decision_tells_the_address_and_the_reason() -> None:
    access = Access()
    assert Decision(True, Address(4, 0x7F000001), Reason.LISTED) == access.decide("::ffff:127.0.0.1")
    assert (False, "10.0.0.1", Reason.NOT_LISTED) == decide(access, "10.0.0.1")
    assert (False, "", Reason.NO_ADDRESS) == decide(access, "")
    assert (False, "", Reason.NO_ADDRESS) == decide(access, "unix:")


def test_without_trusted_proxies_no_header_is_read() -> None:
    access = Access()
    assert (False, "10.0.0.1", Reason.NOT_LISTED) == decide(access, "10.0.0.1", "127.0.0.1")
    assert (True, "127.0.0.1", Reason.LISTED) == decide(access, "127.0.0.1", "10.0.0.1")


behind = Access(AllowList.parse(["192.0.2.0/24"]), AllowList.parse(["10.0.0.0/24", "2001:db8::/64"]))


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        (["192.0.2.7"], (True, "192.0.2.7", Reason.LISTED)),
        (["203.0.113.1, 192.0.2.7"], (True, "192.0.2.7", Reason.LISTED)),
        (["192.0.2.7, 203.0.113.1"], (False, "203.0.113.1", Reason.NOT_LISTED)),
        (["192.0.2.7", "203.0.113.1"], (False, "203.0.113.1", Reason.NOT_LISTED)),
        (["203.0.113.1", "192.0.2.7"], (True, "192.0.2.7", Reason.LISTED)),
        (["192.0.2.7 ,\t10.0.0.9, 2001:db8::5"], (True, "192.0.2.7", Reason.LISTED)),
        (["192.0.2.7, 2001:db8:1::5"], (False, "2001:db8:1::5", Reason.NOT_LISTED)),
        (["garbage, 192.0.2.7"], (True, "192.0.2.7", Reason.LISTED)),
        (["192.0.2.7, garbage"], (False, "", Reason.PROXY_UNREADABLE)),
        (["192.0.2.7,"], (False, "", Reason.PROXY_UNREADABLE)),
        (["192.0.2.7", ""], (False, "", Reason.PROXY_UNREADABLE)),
        (["192.0.2.7:80"], (False, "", Reason.PROXY_UNREADABLE)),
        (['"192.0.2.7"'], (False, "", Reason.PROXY_UNREADABLE)),
        (["for=192.0.2.7"], (False, "", Reason.PROXY_UNREADABLE)),
        (["192.0.2.007"], (False, "", Reason.PROXY_UNREADABLE)),
        (["192.0.2.7\x0b"], (False, "", Reason.PROXY_UNREADABLE)),
        (["192.0.2.7\n"], (False, "", Reason.PROXY_UNREADABLE)),
        (["X192.0.2.7"], (False, "", Reason.PROXY_UNREADABLE)),
        ([], (False, "", Reason.PROXY_SILENT)),
        ([""], (False, "", Reason.PROXY_SILENT)),
        ([" , ,"], (False, "", Reason.PROXY_SILENT)),
        (["10.0.0.3"], (False, "", Reason.PROXY_SILENT)),
        (["10.0.0.4, 10.0.0.3"], (False, "", Reason.PROXY_SILENT)),
        ([", ".join(["192.0.2.7"] + ["10.0.0.3"] * (MOST_HOPS - 1))], (True, "192.0.2.7", Reason.LISTED)),
        ([", ".join(["192.0.2.7"] + ["10.0.0.3"] * MOST_HOPS)], (False, "", Reason.PROXY_SILENT)),
        (["192.0.2.7"] + ["10.0.0.3"] * MOST_HOPS, (False, "", Reason.PROXY_SILENT)),
    ],
)
def test_a_trusted_proxy_names_the_client_from_the_right(forwarded: list, expected: tuple) -> None:
    assert expected == decide(behind, "10.0.0.1", *forwarded)
    assert expected == decide(behind, "::ffff:10.0.0.1", *forwarded)


def test_the_words_of_a_stranger_in_front_count_for_nothing() -> None:
    assert (False, "203.0.113.9", Reason.NOT_LISTED) == decide(behind, "203.0.113.9", "192.0.2.7")
    assert (True, "192.0.2.9", Reason.LISTED) == decide(behind, "192.0.2.9", "203.0.113.9")


def test_an_allowed_proxy_that_names_nobody_is_refused() -> None:
    access = Access(AllowList.configured(), AllowList.parse(["127.0.0.1/32"]))
    assert (False, "", Reason.PROXY_SILENT) == decide(access, "127.0.0.1")


def spellings(rng: random.Random, address: str) -> str:
    """Return one of the ways in which somebody may try to spell an allowed address."""
    a, b, c, d = map(int, address.split("."))
    number = int(ipaddress.IPv4Address(address))
    return rng.choice(
        [
            f"{a:#o}.{b:#o}.{c:#o}.{d:#o}".replace("0o", "0"),
            f"{a:04o}.{b}.{c}.{d}",
            f"{a:03d}.{b:03d}.{c:03d}.{d:04d}",
            f"{a:#x}.{b:#x}.{c:#x}.{d:#x}",
            f"{a}.{b}.{c << 8 | d}",
            f"{a}.{number & 0xFFFFFF}",
            str(number),
            hex(number),
            f"::{address}",
            f"::ffff:0:{address}",
            f"2002:{number >> 16:x}:{number & 0xFFFF:x}::1",
            f"64:ff9b::{address}",
            f"{address}%lo",
            f"::ffff:{address}%lo",
            f" {address}",
            f"{address}\t",
            f"{address}\0",
            f"{address}:80",
            f"[::ffff:{address}]",
            f"{address}/32",
            f"{address}, 203.0.113.1",
            "".join(chr(0xFF10 + int(ch)) if ch.isdigit() else ch for ch in address),
        ]
    )


def test_ten_thousand_generated_attempts_to_pass_the_list_all_fail() -> None:
    """Every attempt names an allowed address in some way while its TCP peer is not allowed."""
    rng = random.Random(20240501)
    allowed = AllowList.configured(["192.0.2.0/24", "10.0.0.0/8"])
    direct = Access(allowed)
    proxied = Access(allowed, AllowList.parse(["198.51.100.1", "198.51.100.2"]))
    inside = [f"192.0.2.{rng.randrange(256)}", f"10.{rng.randrange(256)}.0.1", "127.0.0.1", "127.1.2.3"]
    passed = []
    for attempt in range(10_000):
        lie = rng.choice([*inside, "::1"])
        claim = [rng.choice([lie, spellings(rng, rng.choice(inside))]) for _ in range(rng.randrange(4))]
        outside = f"203.0.113.{rng.randrange(256)}"
        how = attempt % 4
        if how == 0:  # no proxy is trusted: whatever is claimed
            decision = direct.decide(outside, claim)
        elif how == 1:  # the peer itself is spelled so that a lenient parser would let it in
            decision = direct.decide(spellings(rng, rng.choice(inside)), claim)
        elif how == 2:  # a proxy is trusted, but the peer is another one
            decision = proxied.decide(outside, claim)
        else:  # a trusted proxy appends the real client to what the client claimed, one line or two
            header = [", ".join([*claim, outside])] if rng.random() < 0.5 else [*claim, outside]
            decision = proxied.decide("198.51.100.1", header)
        if decision.allowed:
            passed.append((how, claim, decision))
    assert [] == passed


@given(st.lists(st.text(max_size=40) | v4.map(str), max_size=5), v4)
@example([",,,"], ipaddress.IPv4Address("127.0.0.1"))
def test_behind_a_proxy_what_a_client_wrote_changes_nothing(claim: list, client: ipaddress.IPv4Address) -> None:
    access = Access(AllowList.configured(["192.0.2.0/24"]), AllowList.parse(["198.51.100.1"]))
    expected = access.decide("198.51.100.1", [str(client)])
    assert expected == access.decide("198.51.100.1", [*claim, str(client)])
    assert expected == access.decide("198.51.100.1", [",".join([*claim, str(client)])])
