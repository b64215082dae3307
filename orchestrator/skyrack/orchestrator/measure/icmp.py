"""Echo requests of the prober and what comes back on a ping socket, a datagram socket of ICMP. Pure: bytes in, values out.

    request   | type 8 | code 0 | checksum | identifier | number (16 bit) | token (8) | sequence (8) | zeros ... |

The kernel fills in checksum and identifier, and gives the socket only replies with that identifier. That and the
number alone would not do: both wrap. Token and sequence make a reply ours. ICMP errors (RFC 792) come with the socket's
error queue (`IP_RECVERR` in ip(7)), which has the quoted request from its ICMP header on.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

ECHO_REPLY, UNREACHABLE, ECHO, TIME_EXCEEDED = 0, 3, 8, 11
IP_HEADER_BYTES = 20
_HEADER = struct.Struct("!BBHHH")
_BODY = struct.Struct("!8sQ")
MIN_IP_BYTES = IP_HEADER_BYTES + _HEADER.size + _BODY.size

IP_RECVERR = 11
# struct sock_extended_err, then the struct sockaddr_in of the router that sent the error.
_EXTENDED = struct.Struct("=IBBBxII")
_OFFENDER = struct.Struct("=H2x4s8x")
_FROM_ICMP = 2
ERROR_CONTROL_BYTES = socket.CMSG_SPACE(_EXTENDED.size + _OFFENDER.size)


@dataclass(frozen=True, slots=True)
class Reply:
    """An echo reply of ours: `sequence` says to which request."""

    sequence: int
    source: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """An ICMP error about a request; the router quoted its 16-bit number only."""

    kind: Literal["unreachable", "expired"]
    number: int
    destination: str
    source: str


def echo_request(sequence: int, token: bytes, ip_bytes: int) -> bytes:
    """The ICMP part of a request that makes an IPv4 packet of `ip_bytes`, at least MIN_IP_BYTES."""
    head = _HEADER.pack(ECHO, 0, 0, 0, sequence & 0xFFFF)
    return head + _BODY.pack(token, sequence) + bytes(ip_bytes - MIN_IP_BYTES)


def parse_reply(message: bytes, source: str, token: bytes) -> Reply | None:
    """What a message from a ping socket answers; None when it is foreign or malformed."""
    if len(message) < _HEADER.size + _BODY.size:
        return None
    kind, _, _, _, number = _HEADER.unpack_from(message)
    got_token, sequence = _BODY.unpack_from(message, _HEADER.size)
    if kind != ECHO_REPLY or got_token != token or sequence & 0xFFFF != number:
        return None
    return Reply(sequence, source)


def parse_error(quoted: bytes, control: Iterable[tuple[int, int, bytes]], destination: str) -> Refusal | None:
    """What an entry of the error queue refuses; None when it is no refusal of a request, or malformed."""
    if len(quoted) < _HEADER.size:
        return None
    request, _, _, _, number = _HEADER.unpack_from(quoted)
    for level, option, data in control:
        if (level, option) != (socket.SOL_IP, IP_RECVERR) or len(data) < _EXTENDED.size + _OFFENDER.size:
            continue
        _, origin, kind, _, _, _ = _EXTENDED.unpack_from(data)
        _, offender = _OFFENDER.unpack_from(data, _EXTENDED.size)
        if request == ECHO and origin == _FROM_ICMP and kind in (UNREACHABLE, TIME_EXCEEDED):
            word: Literal["unreachable", "expired"] = "unreachable" if kind == UNREACHABLE else "expired"
            return Refusal(word, number, destination, socket.inet_ntoa(offender))
    return None
