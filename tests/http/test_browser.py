"""What a page of somebody else can make an allowed person's browser do: nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.http.browser import ANY, Guard
from backbeat_core.http.message import Request

guard = Guard(hosts=["Backbeat.Example.com"], origins=["https://ui.example.com"])


def refused(method: str = "GET", *headers: tuple[str, str], by: Guard = guard) -> bool:
    return by.refusal(Request(method, "/_/crr/status", headers)) is not None


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.0.0.1:8900", "10.1.2.3:80", "[::1]", "[::1]:8900", "[FE80::1]", "localhost"),
        *("LOCALHOST:8900", "localhost.", "backbeat", "backbeat-api:8900", "a.localhost", "db.internal:1"),
        *("backbeat.zenko.svc", "backbeat.zenko.svc.cluster.local:8900", "printer.local", "x.home.arpa"),
        *("backbeat.example.com", "BACKBEAT.example.com:8900", "backbeat.example.com."),
    ],
)
def test_a_name_that_no_stranger_can_own_is_believed(host: str) -> None:
    for method in ("GET", "POST", "DELETE", "HEAD"):
        assert not refused(method, ("host", host))


@pytest.mark.parametrize(
    "host",
    [
        *("evil.com", "evil.com:8900", "backbeat.example.com.evil.com", "evil.backbeat.example.com", ""),
        *("localhost.evil.com", "127.0.0.1.evil.com", "127.0.0.1.nip.io", "svc.com", "xlocal.com", "a.b"),
        *("user@127.0.0.1", "127.0.0.1/", "127.0.0.1 ", " 127.0.0.1", "127.0.0.1:80:80", "[::1", "::1", "[::g]"),
        *("127.0.0.1, evil.com", "evil.com\0", "é", "127.0.0.01", "[::1]x", ":8900", "127.0.0.1:"),
    ],
)
def test_another_name_is_not_believed(host: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        assert refused(method, ("host", host))


def test_a_server_can_believe_every_name() -> None:
    everything = Guard(hosts=[ANY])
    assert not refused("POST", ("host", "evil.com"), by=everything)
    assert refused("POST", ("host", "evil.com"), ("origin", "http://other.com"), by=everything)
    assert refused("POST", ("host", "not a host"), by=everything)


def test_programs_that_send_no_such_header_are_not_concerned() -> None:
    for method in ("GET", "POST", "DELETE"):
        assert not refused(method)
        assert not refused(method, ("user-agent", "curl"), ("authorization", "AWS x"))


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("http://127.0.0.1:8900", False),
        ("https://127.0.0.1:8900", False),
        ("https://ui.example.com", False),
        ("HTTPS://UI.example.com", False),
        ("http://ui.example.com", True),
        ("http://127.0.0.1", True),
        ("http://127.0.0.1:3000", True),
        ("http://localhost:8900", True),
        ("http://evil.com", True),
        ("null", True),
        ("", True),
        ("127.0.0.1:8900", True),
        ("http://127.0.0.1:8900/", True),
        ("ftp://127.0.0.1:8900", True),
    ],
)
def test_a_request_of_another_origin_is_refused(method: str, origin: str, expected: bool) -> None:
    assert expected == refused(method, ("host", "127.0.0.1:8900"), ("origin", origin))


@pytest.mark.parametrize(
    ("site", "expected"),
    [("same-origin", False), ("none", False), ("cross-site", True), ("same-site", True), ("", True), ("x", True)],
)
def test_a_form_of_another_site_is_refused_where_the_browser_tells(site: str, expected: bool) -> None:
    host = ("host", "127.0.0.1:8900")
    assert expected == refused("POST", host, ("sec-fetch-site", site))
    assert expected == refused("DELETE", host, ("sec-fetch-site", site))
    assert not refused("GET", host, ("sec-fetch-site", site))
    assert not refused("POST", host, ("origin", "http://127.0.0.1:8900"), ("sec-fetch-site", site))


def test_more_than_one_host_or_origin_is_refused() -> None:
    host, origin = ("host", "127.0.0.1"), ("origin", "http://127.0.0.1")
    assert not refused("POST", host, origin)
    assert refused("POST", host, host)
    assert refused("POST", host, origin, origin)


def test_an_origin_without_a_host_is_refused() -> None:
    assert refused("POST", ("origin", "http://127.0.0.1"))
    assert not refused("POST", ("origin", "https://ui.example.com"))


@given(st.text(), st.text(), st.text())
def test_no_header_makes_it_raise(host: str, origin: str, site: str) -> None:
    refused("POST", ("host", host), ("origin", origin), ("sec-fetch-site", site))


@given(st.from_regex(r"[a-z]{1,8}(\.[a-z]{2,8}){0,2}\.(com|org|net|io|dev)", fullmatch=True))
def test_no_public_name_is_believed_unasked(host: str) -> None:
    assert refused("GET", ("host", host))
