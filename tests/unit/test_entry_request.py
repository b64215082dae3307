"""What the entry's proxy understands: requests are rewritten for the mesh, and nothing a client sends is misread."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from skyrack.groundstation.entry.answer import Mesh, failure, page, usage
from skyrack.groundstation.entry.request import (
    BadRequestError,
    Forward,
    Own,
    Tunnel,
    close_response,
    is_interim,
    parse_request,
)

MESH = Mesh(["p0s00", "p0s01", "p0s03", "london"], ["p0s03", "london"])


def parsed(*lines: str) -> Tunnel | Forward | Own:
    return parse_request("\r\n".join([*lines, "", ""]).encode("latin-1"), "london")


def fields(head: bytes) -> list[bytes]:
    return head.removesuffix(b"\r\n\r\n").split(b"\r\n")


def test_a_tunnel_goes_where_it_says() -> None:
    assert parsed("CONNECT p0s03:2379 HTTP/1.1", "Host: elsewhere:1") == Tunnel("p0s03", 2379)
    assert parsed("CONNECT 100.64.0.4:1 HTTP/1.0") == Tunnel("100.64.0.4", 1)


def test_a_request_for_a_node_becomes_one_for_its_server() -> None:
    request = parsed(
        "GET http://p0s03:8080/a/b?c=d#e HTTP/1.1", "Host: wrong", "Accept: */*", "accept-encoding:gzip"
    )
    assert isinstance(request, Forward)
    assert (request.host, request.port) == ("p0s03", 8080)
    assert fields(request.head) == [
        b"GET /a/b?c=d HTTP/1.1",
        b"Host: p0s03:8080",
        b"Accept: */*",
        b"accept-encoding: gzip",
        b"Connection: close",
        b"Via: 1.1 london",
    ]


@pytest.mark.parametrize(
    ("target", "port", "path"),
    [("http://p0s03", 80, "/"), ("HTTP://p0s03?a", 80, "/?a"), ("http://p0s03:81/*", 81, "/*")],
)
def test_what_a_target_leaves_out_is_filled_in(target: str, port: int, path: str) -> None:
    request = parsed(f"GET {target} HTTP/1.1")
    assert isinstance(request, Forward)
    assert request.port == port
    assert request.head.startswith(f"GET {path} HTTP/1.1\r\n".encode())


def test_what_concerns_the_connection_to_the_proxy_goes_no_further() -> None:
    request = parsed(
        "POST http://p0s03/ HTTP/1.1",
        "Connection: keep-alive, X-Mine, Transfer-Encoding",
        "X-Mine: 1",
        "Keep-Alive: 5",
        "Proxy-Connection: keep-alive",
        "Proxy-Authorization: Basic c2VjcmV0",
        "TE: trailers",
        "Upgrade: h2c",
        "Transfer-Encoding: chunked",
        "Trailer: X",
    )
    assert isinstance(request, Forward)
    assert fields(request.head)[1:] == [
        b"Host: p0s03",
        b"Transfer-Encoding: chunked",
        b"Trailer: X",
        b"Connection: close",
        b"Via: 1.1 london",
    ]


def test_what_is_asked_of_the_proxy_itself_is_not_sent_on() -> None:
    assert parsed("GET / HTTP/1.1", "Host: localhost:8801") == Own("GET", "/", "localhost:8801")
    assert parsed("OPTIONS * HTTP/1.1") == Own("OPTIONS", "*", "")
    assert parsed("GET //p0s03/ HTTP/1.1") == Own("GET", "//p0s03/", "")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["nonsense"], "no request"),
        (["GET  http://p0s03/ HTTP/1.1"], "no request"),
        (["GET http://p0s03/ HTTP/2.0"], "HTTP/1.1"),
        (["GET p0s03:80 HTTP/1.1"], "expected http://NODE:PORT"),
        (["GET https://p0s03/ HTTP/1.1"], "CONNECT"),
        (["GET http://[::1]/ HTTP/1.1"], "IPv6"),
        (["GET http://user:word@p0s03/ HTTP/1.1"], "user:word"),
        (["GET http:///x HTTP/1.1"], "NODE:PORT"),
        (["GET http://p0s03/\xe9 HTTP/1.1"], "%XX"),
        (["CONNECT p0s03 HTTP/1.1"], "port"),
        (["CONNECT p0s03:0 HTTP/1.1"], "port"),
        (["CONNECT p0s03:65536 HTTP/1.1"], "port"),
        (["CONNECT p0s03:٣ HTTP/1.1".encode().decode("latin-1")], "%XX"),
        (["CONNECT :80 HTTP/1.1"], "NODE:PORT"),
        (["CONNECT http://p0s03:80 HTTP/1.1"], "port"),
        (["GET http://p0s03/ HTTP/1.1", "Host : x"], "no header field"),
        (["GET http://p0s03/ HTTP/1.1", "A: b", " folded"], "no header field"),
        (["GET http://p0s03/ HTTP/1.1", "A: b\nB: c"], "CR LF"),
        (["GET http://p0s03/ HTTP/1.1", "A: b\0"], "zero"),
        (["GET http://p0s03/ HTTP/1.1", "Content-Length: 1", "Transfer-Encoding: chunked"], "more than one"),
        (["GET http://p0s03/ HTTP/1.1", *(f"A{i}: b" for i in range(101))], "100 at most"),
    ],
)
def test_what_is_no_request_or_an_ambiguous_one_is_refused_in_words(lines: list[str], said: str) -> None:
    with pytest.raises(BadRequestError, match=said):
        parsed(*lines)


lines = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from([b"GET http://p0s03/ HTTP/1.1", b"CONNECT a:1 HTTP/1.1", b"Host: x", b"A:", b": b"]),
    ),
    max_size=6,
)


@given(lines.map(b"\r\n".join))
@example(b"GET http://[ HTTP/1.1")
@example(b"GET http://a:\xb2/ HTTP/1.1")
def test_whatever_comes_is_understood_or_refused_and_never_splits_a_head(data: bytes) -> None:
    with contextlib.suppress(BadRequestError):
        request = parse_request(data + b"\r\n\r\n", "london")
        if isinstance(request, Forward):
            head = request.head
            assert head.endswith(b"\r\n\r\n")
            assert head.count(b"\r\n\r\n") == 1
            assert head.count(b"\n") == head.count(b"\r\n") == head.count(b"\r")
            assert b"\0" not in head
    assert isinstance(close_response(data + b"\r\n\r\n", "london"), bytes)


def test_a_response_is_the_last_of_its_connection() -> None:
    head = close_response(
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: 5\r\nContent-Length: 3\r\n\r\n", "london"
    )
    assert fields(head) == [
        b"HTTP/1.1 200 OK",
        b"Content-Length: 3",
        b"Connection: close",
        b"Via: 1.1 london",
    ]
    assert is_interim(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert not is_interim(head)


def test_what_is_no_http_response_comes_back_as_it_is() -> None:
    for data in (b"SSH-2.0-x\r\n\r\n", b"\0\0\0\r\n\r\n", b"ICY 200\r\n\r\n"):
        assert close_response(data, "london") == data


@pytest.mark.parametrize(
    ("host", "kind", "status", "said"),
    [
        ("p0s3", "unknown-name", 502, "did you mean p0s03"),
        ("p0s3", "unknown-name", 502, "Nodes with a process: p0s03, london"),
        ("p0s01", "refused", 502, "p0s01 has no process"),
        ("p0s03", "refused", 502, "nothing listens on that port of p0s03"),
        ("p0s03", "unreachable", 502, "skyrack path london p0s03"),
        ("p0s03", "timeout", 504, "skyrack ping london p0s03"),
    ],
)
def test_a_failure_says_in_its_first_line_what_and_then_what_helps(
    host: str, kind: str, status: int, said: str
) -> None:
    response = failure("london", host, 80, kind, "the reason", MESH).decode()  # type: ignore[arg-type]
    head, _, body = response.partition("\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} {host}")
    assert "the reason" in head.splitlines()[0]
    assert "Proxy-Status: skyrack-london; error=" in head
    assert said in body


def test_a_reason_has_no_more_than_the_first_line() -> None:
    assert page(502, "é\nsecond").split(b"\r\n")[0] == b"HTTP/1.1 502 ?"


def test_the_page_about_itself_shows_the_address_that_was_used_unless_it_is_none() -> None:
    assert b"curl -x http://localhost:8801 http://p0s03:8080/" in usage(
        "london", "localhost:8801", MESH, found=True, body=True
    )
    assert b"<b>" not in usage("london", "<b>", MESH, found=True, body=True)
    assert usage("london", "a", MESH, found=False, body=False).startswith(b"HTTP/1.1 404 ")
