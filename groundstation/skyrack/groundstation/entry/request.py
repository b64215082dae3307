"""What a client of the proxy asks for, and what of it goes on to the mesh. Pure.

    CONNECT p0s03:2379 HTTP/1.1             Tunnel: bytes both ways after "200"
    GET http://p0s03:8080/x HTTP/1.1        Forward: "GET /x HTTP/1.1", one request for each connection
    GET / HTTP/1.1                          Own: meant for the proxy itself

RFC 9110 and 9112. What is ambiguous there is refused: bare line feeds, folded lines, white space before a colon, two
lengths for one body.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

MOST_HEADERS = 100
HTTP_PORT = 80
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VERSION = re.compile(rb"HTTP/1\.[01]")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9.])?")
_FORBIDDEN = re.compile(rb"[\x00\r\n]")
_HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization", b"proxy-authenticate", b"te", b"upgrade")
)  # fmt: skip

Header = tuple[bytes, bytes]


class BadRequestError(ValueError):
    """What came is no request that this proxy serves; the text says what was expected."""


@dataclass(frozen=True)
class Tunnel:
    """Carry bytes to a port."""

    host: str
    port: int


@dataclass(frozen=True)
class Forward:
    """Send this head to a port, then carry bytes."""

    host: str
    port: int
    head: bytes


@dataclass(frozen=True)
class Own:
    """Answer it here. `host`: what the client calls the proxy, if it says so."""

    method: str
    path: str
    host: str


def parse_request(head: bytes, via: str) -> Tunnel | Forward | Own:
    """The request with this head, everything up to the empty line. `via` names this proxy. Raises BadRequestError."""
    line, headers = _split(head)
    words = line.split(b" ")
    if len(words) != 3 or not _TOKEN.fullmatch(words[0]):
        raise BadRequestError(f"{_shown(line)} is no request: expected METHOD TARGET HTTP/1.1")
    method, target, version = words
    if not _VERSION.fullmatch(version):
        raise BadRequestError(f"{_shown(version)} is spoken here in a tunnel only: expected HTTP/1.1")
    if not target.isascii() or not target.decode().isprintable():
        raise BadRequestError("the target has characters that must be written as %XX")
    text = target.decode()
    if method == b"CONNECT":
        return Tunnel(*_authority(text, None))
    if text.startswith("/") or text == "*":
        host = next((value.decode("latin-1") for name, value in headers if name.lower() == b"host"), "")
        return Own(method.decode(), text, host)
    return _forward(method, text, version, headers, via)


def close_response(head: bytes, via: str) -> bytes:
    """The head of a response as it goes back: it is the last one of its connection. What is no HTTP/1 stays as it is."""
    try:
        line, headers = _split(head)
    except BadRequestError:
        return head
    if not line.startswith(b"HTTP/1."):
        return head
    return _join(line, [*_end_to_end(headers), (b"Connection", b"close"), (b"Via", f"1.1 {via}".encode())])


def is_interim(head: bytes) -> bool:
    """Whether another head follows: 100 Continue, 103 Early Hints."""
    return head.startswith(b"HTTP/1.") and head[9:10] == b"1"


def _forward(method: bytes, target: str, version: bytes, headers: Sequence[Header], via: str) -> Forward:
    scheme, separator, _ = target.partition("://")
    if not separator:
        raise BadRequestError(f"target {_shown(target)}: expected http://NODE:PORT/..., or CONNECT NODE:PORT")
    if scheme.lower() != "http":
        raise BadRequestError(f"{scheme[:16]}:// is carried in a tunnel: CONNECT NODE:PORT")
    try:
        url = urlsplit(target)
    except ValueError as error:
        raise BadRequestError(f"target {_shown(target)}: {error}") from error
    host, port = _authority(url.netloc, HTTP_PORT)
    lengths = [name for name, _ in headers if name.lower() in (b"content-length", b"transfer-encoding")]
    if len(lengths) > 1:
        raise BadRequestError("more than one of Content-Length and Transfer-Encoding")
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    kept = [header for header in _end_to_end(headers) if header[0].lower() != b"host"]
    own = [(b"Host", url.netloc.encode()), *kept, (b"Connection", b"close"), (b"Via", f"1.1 {via}".encode())]
    return Forward(host, port, _join(b"%s %s %s" % (method, path.encode(), version), own))


def _authority(text: str, default_port: int | None) -> tuple[str, int]:
    """Host and port. Raises BadRequestError."""
    host, colon, port = text.partition(":")
    if text.startswith("["):
        raise BadRequestError(f"{_shown(text)}: the mesh has no IPv6")
    if not _HOST.fullmatch(host) or len(host) > 253:
        raise BadRequestError(f"{_shown(text)}: expected NODE:PORT")
    if not colon and default_port is not None:
        return host, default_port
    if not (port.isascii() and port.isdecimal() and len(port) < 6 and 0 < int(port) < 65536):
        raise BadRequestError(f"{_shown(text)}: expected a port, 1 to 65535, after the node")
    return host, int(port)


def _split(head: bytes) -> tuple[bytes, list[Header]]:
    """The first line and the fields. Raises BadRequestError."""
    line, *fields = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    if len(fields) > MOST_HEADERS:
        raise BadRequestError(f"{len(fields)} header fields, {MOST_HEADERS} at most")
    headers = []
    for field in (line, *fields):
        if _FORBIDDEN.search(field):
            raise BadRequestError("a line of the head has a zero, or ends without CR LF")
    for field in fields:
        name, colon, value = field.partition(b":")
        if not colon or not _TOKEN.fullmatch(name):
            raise BadRequestError(f"{_shown(field)} is no header field")
        headers.append((name, value.strip(b" \t")))
    return line, headers


def _join(line: bytes, headers: Sequence[Header]) -> bytes:
    return b"\r\n".join([line, *(b"%s: %s" % header for header in headers), b"", b""])


def _end_to_end(headers: Sequence[Header]) -> list[Header]:
    """Fields that concern more than one connection. Transfer-Encoding stays: bodies are carried as they come."""
    named = {
        option.strip().lower()
        for name, value in headers
        if name.lower() == b"connection"
        for option in value.split(b",")
    }
    dropped = _HOP_BY_HOP | (named - {b"transfer-encoding", b"content-length", b"host"})
    return [header for header in headers if header[0].lower() not in dropped]


def _shown(data: bytes | str) -> str:
    text = data if isinstance(data, str) else data.decode("latin-1")
    return ascii(text if len(text) <= 64 else text[:61] + "...")
