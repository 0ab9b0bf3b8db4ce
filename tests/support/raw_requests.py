"""Requests as bytes on a socket: everything that a server must not misunderstand."""

from __future__ import annotations

from collections.abc import Iterator

SMUGGLED = b"POST /_/crr/pause/smuggled HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
"""What must never be obeyed."""


def request(
    line: bytes = b"GET /_/healthcheck HTTP/1.1", *headers: bytes, host: bytes = b"Host: a", body: bytes = b""
) -> bytes:
    lines = [line, *([host] if host else []), *headers]
    return b"".join(each + b"\r\n" for each in lines) + b"\r\n" + body


def post(*headers: bytes, body: bytes = b"") -> bytes:
    return request(b"POST /_/crr/pause/aws HTTP/1.1", *headers, body=body)


def raw_requests() -> Iterator[tuple[str, bytes]]:
    """Give each request with a name of its own."""
    yield from _lengths()
    yield from _encodings()
    yield from _chunks()
    yield from _line_ends()
    yield from _headers()
    yield from _request_lines()
    yield from _targets()
    yield from _methods()
    yield from _hosts()
    yield from _connections()


def _lengths() -> Iterator[tuple[str, bytes]]:
    chunked = b"0\r\n\r\n"
    for te in (b"Transfer-Encoding: chunked", b"transfer-encoding: CHUNKED"):
        for cl in (b"Content-Length: 5", b"Content-Length: 0", b"Content-Length: 200"):
            yield f"both lengths: {te!r} {cl!r}", post(te, cl, body=chunked + SMUGGLED)
            yield f"both lengths: {cl!r} {te!r}", post(cl, te, body=chunked + SMUGGLED)
    for value in (b"5, 5", b"5,5", b"+5", b"-5", b"0x5", b"5.0", b"5;", b"5 5", b"", b"five", b"1e1", b"\xd9\xa5"):
        yield f"length {value!r}", post(b"Content-Length: " + value, body=b"12345" + SMUGGLED)
    for value in (b"00005", b" 5", b"5 ", b"\t5\t"):
        yield f"length {value!r}", post(b"Connection: close", b"Content-Length:" + value, body=b"12345")
    for value in (b"9" * 19, b"9" * 30, b"18446744073709551621", b"-1"):
        yield f"length {value!r}", post(b"Content-Length: " + value, body=b"12345")
    yield "two lengths alike", post(b"Content-Length: 5", b"Content-Length: 5", body=b"12345" + SMUGGLED)
    yield "two lengths", post(b"Content-Length: 0", b"Content-Length: 90", body=SMUGGLED)
    yield "two lengths, other way round", post(b"Content-Length: 90", b"Content-Length: 0", body=SMUGGLED)
    yield "length on a GET", request(b"GET /_/crr/status HTTP/1.1", b"Content-Length: 3", body=b"abc")
    yield "length too long", post(b"Content-Length: 50", body=b"12345")
    yield "length too short", post(b"Content-Length: 1", body=b"[" + b"garbage\r\n\r\n")


def _encodings() -> Iterator[tuple[str, bytes]]:
    body = b"0\r\n\r\n" + SMUGGLED
    for value in (
        *(b"chunked, chunked", b"chunked, identity", b"identity", b"identity, chunked", b"gzip, chunked"),
        *(
            b"xchunked",
            b"chunked;q=1",
            b"chunkedx",
            b"\x0bchunked",
            b"chunked\x0b",
            b"chunked\x00",
            b'"chunked"',
            b"",
        ),
        *(b"chunked,", b",chunked", b"cow", b"deflate", b"\xffchunked", b"chunked\tx", b"tr\x00ailers"),
    ):
        yield f"encoding {value!r}", post(b"Transfer-Encoding: " + value, body=body)
    for value in (b"Chunked", b"chunked ", b"\tchunked"):
        headers = (b"Transfer-Encoding: " + value, b"Connection: close")
        yield f"encoding {value!r}", post(*headers, body=b"0\r\n\r\n")
    yield "encoding twice", post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=body)
    yield "encoding twice, one odd", post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: cow", body=body)
    yield "encoding with a space", post(b"Transfer-Encoding : chunked", b"Content-Length: 5", body=body)
    yield "encoding with an underscore", post(b"Transfer_Encoding: chunked", b"Content-Length: 0", body=b"")
    yield "encoding folded", post(b"Transfer-Encoding:", b" chunked", body=body)
    yield (
        "encoding in HTTP/1.0",
        request(b"POST /_/crr/pause/aws HTTP/1.0", b"Transfer-Encoding: chunked", body=body),
    )
    yield (
        "encoding on a GET",
        request(b"GET /_/crr/status HTTP/1.1", b"Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\n\r\n"),
    )


def _chunks() -> Iterator[tuple[str, bytes]]:
    for body in (
        *(
            b"3\r\nabc\r\n0\r\n\r\n",
            b"3;a=b\r\nabc\r\n0\r\n\r\n",
            b'3;a="\r\nabc\r\n0\r\n\r\n',
            b"03\r\nabc\r\n0\r\n\r\n",
        ),
        *(
            b"0x3\r\nabc\r\n0\r\n\r\n",
            b"+3\r\nabc\r\n0\r\n\r\n",
            b"-3\r\nabc\r\n0\r\n\r\n",
            b" 3\r\nabc\r\n0\r\n\r\n",
        ),
        *(
            b"3 \r\nabc\r\n0\r\n\r\n",
            b"3\nabc\n0\n\n",
            b"3\r\nabcX0\r\n\r\n",
            b"3\r\nabc0\r\n\r\n",
            b"g\r\n\r\n",
            b"\r\n",
        ),
        *(
            b"ffffffffffffffff1\r\nabc",
            b"fffffffffffffff0\r\nabc",
            b"3\rabc\r0\r\r",
            b"3\r\nabc\r\n0\r\nA: b\r\n\r\n",
        ),
        *(
            b"3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n",
            b"3\r\nabc\r\n0\r\nbad trailer\r\n\r\n",
            b"3;\nabc\r\n0\r\n\r\n",
        ),
    ):
        headers = (b"Connection: close", b"Transfer-Encoding: chunked")
        yield f"chunks {body!r}", post(*headers, body=body)


def _line_ends() -> Iterator[tuple[str, bytes]]:
    line = b"GET /_/healthcheck HTTP/1.1"
    yield "only line feeds", line + b"\nHost: a\nConnection: close\n\n"
    yield "line feed behind the request line", line + b"\nHost: a\r\nConnection: close\r\n\r\n"
    yield "line feed behind a header", line + b"\r\nHost: a\nConnection: close\r\n\r\n"
    yield "line feed as the last", line + b"\r\nHost: a\r\nConnection: close\r\n\n"
    yield "only carriage returns", line + b"\rHost: a\rConnection: close\r\r"
    yield "carriage return in a value", line + b"\r\nHost: a\r\nX: b\rc\r\nConnection: close\r\n\r\n"
    yield "carriage return before a header", line + b"\r\n\rHost: a\r\n\r\n"
    yield "two carriage returns", line + b"\r\r\nHost: a\r\r\n\r\r\n"
    yield "empty lines in front", b"\r\n\r\n" + request(line, b"Connection: close")
    yield "line feeds in front", b"\n\n" + request(line, b"Connection: close")
    yield "header smuggled by a line feed", request(line, b"X: a\nOrigin: http://evil.com", b"Connection: close")


def _headers() -> Iterator[tuple[str, bytes]]:
    for header in (
        *(
            b"X : a",
            b"X\t: a",
            b" X: a",
            b": a",
            b"X",
            b"X a",
            b"X\x00: a",
            b"X: a\x00b",
            b"X: a\x01b",
            b"X: \x7f",
        ),
        *(
            b"X(: a",
            b"X{}: a",
            b"X\xe9: a",
            b"X: \xe9\xff",
            b"X: a\x0bb",
            b'"X": a',
            b"X,Y: a",
            b"X\r: a",
            b"X:a:b",
        ),
        *(
            b"X:",
            b"X:\ta\t",
            b"X: a\r\n folded",
            b"X: a\r\n\tfolded",
            b"X: a\r\n ",
            b"X;: a",
            b"X: " + b"a" * 70_000,
        ),
        *(b"X" * 70_000 + b": a", b"\r\n".join(b"X%d: a" % index for index in range(9_000))),
    ):
        yield f"header {header[:24]!r}", request(b"GET /_/healthcheck HTTP/1.1", header, b"Connection: close")
    yield "folded host", b"GET /_/healthcheck HTTP/1.1\r\nHost:\r\n a\r\nConnection: close\r\n\r\n"
    yield "folded first header", b"GET /_/healthcheck HTTP/1.1\r\n Host: a\r\nConnection: close\r\n\r\n"


def _request_lines() -> Iterator[tuple[str, bytes]]:
    for line in (
        *(b"GET  /_/healthcheck HTTP/1.1", b"GET /_/healthcheck  HTTP/1.1", b"GET\t/_/healthcheck\tHTTP/1.1"),
        *(b" GET /_/healthcheck HTTP/1.1", b"GET /_/healthcheck HTTP/1.1 ", b"GET /_/healthcheck", b"GET", b""),
        *(b"GET /_/healthcheck HTTP/0.9", b"GET /_/healthcheck HTTP/1.2", b"GET /_/healthcheck HTTP/2.0"),
        *(b"GET /_/healthcheck HTTP/11", b"GET /_/healthcheck HTTP/1", b"GET /_/healthcheck http/1.1"),
        *(b"GET /_/healthcheck HTTP/1.1x", b"GET /_/healthcheck HTTP/1.10", b"GET /_/healthcheck HTTP 1.1"),
        *(
            b"GET /_/healthcheck FTP/1.1",
            b"GET /_/health check HTTP/1.1",
            b"/_/healthcheck",
            b"\x16\x03\x01\x02\x00",
        ),
        *(
            b"GET /_/healthcheck HTTP/1.1\x00",
            b"\x00GET /_/healthcheck HTTP/1.1",
            b"GET HTTP/1.1",
            b"PRI * HTTP/2.0",
        ),
    ):
        yield f"line {line!r}", request(line, b"Connection: close")


def _targets() -> Iterator[tuple[str, bytes]]:
    for target in (
        *(b"http://a/_/healthcheck", b"HTTP://a/_/healthcheck", b"http://evil.com/_/healthcheck", b"http://[/"),
        *(b"http:///_/healthcheck", b"http://a:99999/_/healthcheck", b"http://user@a/_/healthcheck", b"http://a"),
        *(b"ftp://a/_/healthcheck", b"//a/_/healthcheck", b"a:80", b"*", b"healthcheck", b"?", b"/", b"#", b"/?"),
        *(
            b"/_/healthcheck?a=%",
            b"/_/healthcheck%",
            b"/_/crr/failed/b/%zz",
            b"/_/crr/failed/b/%",
            b"/_/crr/failed/b/%0",
        ),
        *(
            b"/_/crr/failed/b/%00?versionId=%00",
            b"/_/crr/failed/b/a\x00b",
            b"/_/crr/failed/b/%ff%fe",
            b"/_\\healthcheck",
        ),
        *(
            b"/_/crr/failed/b/\xc3\xa9",
            b"/_/crr/failed/b/\xff",
            b"/_/healthcheck#a",
            b"/_/../healthcheck",
            b"/_/./crr",
        ),
        *(
            b"/_/crr/failed/b/a%2F..%2Fb",
            b"/_/%2e%2e/healthcheck",
            b"/_//healthcheck",
            b"/_///healthcheck",
            b"//_/x",
        ),
        *(
            b"/_/crr/failed?marker=1&marker=x",
            b"/_/crr/failed?sitename=%0d%0aX:%20y",
            b"/_/x%0d%0aX:%20y",
            b"/_/\x7f",
        ),
        *(b"/_/metrics/constructor/x/pending", b"/_/metrics/__proto__/all/pending", b"/_/crr/failed/b/a:b/c:d"),
        *(b"/_/crr/failed/b/a\tb", b'/_/crr/failed/b/<>"{}|^`', b"/" + b"a" * 5_000, b"/_/" + b"b" * 70_000),
    ):
        line = b"GET " + target + b" HTTP/1.1"
        yield f"target {target[:40]!r}", request(line, b"Connection: close")


def _methods() -> Iterator[tuple[str, bytes]]:
    methods = (
        b"HEAD",
        b"OPTIONS",
        b"PUT",
        b"PATCH",
        b"TRACE",
        b"PROPFIND",
        b"DELETE",
        b"get",
        b"Get",
        b"FOO",
        b"G\x00T",
    )
    for method in (*methods, b"G@T", b"X" * 500, b"GETT", b"M-SEARCH", b"\xc9"):
        yield f"method {method[:20]!r}", request(method + b" /_/healthcheck HTTP/1.1", b"Connection: close")
    yield "method CONNECT", request(b"CONNECT a:80 HTTP/1.1", b"Connection: close")
    yield "method CONNECT of a path", request(b"CONNECT /_/healthcheck HTTP/1.1", b"Connection: close")
    yield "DELETE of a service", request(b"DELETE /_/crr HTTP/1.1", b"Connection: close")
    yield (
        "method in a header",
        request(b"GET /_/crr/pause HTTP/1.1", b"X-HTTP-Method-Override: POST", b"Connection: close"),
    )


def _hosts() -> Iterator[tuple[str, bytes]]:
    line, close = b"GET /_/healthcheck HTTP/1.1", b"Connection: close"
    yield "no host", request(line, close, host=b"")
    yield "no host in HTTP/1.0", request(b"GET /_/healthcheck HTTP/1.0", host=b"")
    for host in (
        b"",
        b"a:8900",
        b"evil.com",
        b"a, evil.com",
        b"user@a",
        b"a/x",
        b"[::1]:8900",
        b"a b",
        b"a\x00",
        b"\xe9",
    ):
        yield f"host {host!r}", request(line, close, host=b"Host: " + host)
    yield "two hosts", request(line, b"Host: a", close)
    yield "two hosts, one of a stranger", request(line, b"Host: evil.com", close)
    pause = b"POST /_/crr/pause HTTP/1.1"
    for origin in (b"http://evil.com", b"null", b"http://a", b"http://a:1", b"", b"http://a\x00"):
        yield f"origin {origin!r}", request(pause, b"Origin: " + origin, b"Content-Length: 0", close)
    yield "form of another site", request(pause, b"Sec-Fetch-Site: cross-site", b"Content-Length: 0", close)


def _connections() -> Iterator[tuple[str, bytes]]:
    line = b"GET /_/healthcheck HTTP/1.1"
    two = request(line) + request(line, b"Connection: close")
    yield "two requests", two
    yield "a request behind a closing one", request(line, b"Connection: close") + SMUGGLED
    yield "a request and garbage", request(line) + b"garbage\r\n\r\n"
    yield "a head that never ends", b"GET /_/healthcheck HTTP/1.1\r\nHost: a\r\nX: "
    yield "nothing but empty lines", b"\r\n\r\n\r\n"
    yield "a body that never ends", post(b"Content-Length: 10", body=b"[")
    yield "chunks that never end", post(b"Transfer-Encoding: chunked", body=b"3\r\nabc\r\n")
    yield "expect continue", post(b"Expect: 100-continue", b"Content-Length: 2", b"Connection: close", body=b"{}")
    yield "expect another thing", post(b"Expect: 200-ok", b"Content-Length: 2", b"Connection: close", body=b"{}")
    yield "expect continue, refused", request(b"PUT /_/x HTTP/1.1", b"Expect: 100-continue", b"Content-Length: 9")
    for protocol in (b"websocket", b"h2c", b"HTTP/2.0", b"x"):
        headers = (b"Connection: Upgrade", b"Upgrade: " + protocol)
        yield f"upgrade to {protocol!r}", request(line, *headers, body=SMUGGLED)
        yield f"post and upgrade to {protocol!r}", post(*headers, b"Content-Length: 2", body=b"{}")
    yield "connection names a header", request(line, b"Connection: close, Host", b"Keep-Alive: timeout=1000")
    yield "keep alive in HTTP/1.0", request(b"GET /_/healthcheck HTTP/1.0", b"Connection: keep-alive")
