"""Echo requests of the prober and what comes back on a raw ICMP socket (RFC 792). Pure: bytes in, values out.

    request   | type 8 | code 0 | checksum | identifier | number (16 bit) | token (8) | sequence (8) | zeros ... |

The identifier and number alone would not do: they wrap and other programs use them too. Token and sequence make a
reply ours.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Literal

ECHO_REPLY, UNREACHABLE, ECHO, TIME_EXCEEDED = 0, 3, 8, 11
IP_HEADER_BYTES = 20
_HEADER = struct.Struct("!BBHHH")
_BODY = struct.Struct("!8sQ")
MIN_IP_BYTES = IP_HEADER_BYTES + _HEADER.size + _BODY.size


@dataclass(frozen=True, slots=True)
class Reply:
    """An echo reply of ours: `sequence` says to which request."""

    sequence: int
    source: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """An ICMP error about a request; the router quoted its identifier and 16-bit number only."""

    kind: Literal["unreachable", "expired"]
    identifier: int
    number: int
    destination: str
    source: str


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def echo_request(identifier: int, sequence: int, token: bytes, ip_bytes: int) -> bytes:
    """The ICMP part of a request that makes an IPv4 packet of `ip_bytes`, at least MIN_IP_BYTES."""
    body = _BODY.pack(token, sequence) + bytes(ip_bytes - MIN_IP_BYTES)
    head = _HEADER.pack(ECHO, 0, 0, identifier, sequence & 0xFFFF)
    return _HEADER.pack(ECHO, 0, checksum(head + body), identifier, sequence & 0xFFFF) + body


def parse(packet: bytes, identifier: int, token: bytes) -> Reply | Refusal | None:
    """What an IPv4 packet from a raw socket says about our requests; None when it is foreign or malformed."""
    if len(packet) < IP_HEADER_BYTES + _HEADER.size or packet[0] >> 4 != 4:
        return None
    start = (packet[0] & 15) * 4
    if start < IP_HEADER_BYTES or len(packet) < start + _HEADER.size:
        return None
    source = socket.inet_ntoa(packet[12:16])
    kind, _, _, got_identifier, number = _HEADER.unpack_from(packet, start)
    if kind == ECHO_REPLY:
        if got_identifier != identifier or len(packet) < start + _HEADER.size + _BODY.size:
            return None
        got_token, sequence = _BODY.unpack_from(packet, start + _HEADER.size)
        if got_token != token or sequence & 0xFFFF != number:
            return None
        return Reply(sequence, source)
    if kind in (UNREACHABLE, TIME_EXCEEDED):
        return _refusal(kind, packet[start + _HEADER.size :], identifier, source)
    return None


def _refusal(kind: int, quoted: bytes, identifier: int, source: str) -> Refusal | None:
    """The request quoted by an error: its IP header and at least eight bytes."""
    if len(quoted) < IP_HEADER_BYTES + _HEADER.size or quoted[0] >> 4 != 4:
        return None
    start = (quoted[0] & 15) * 4
    if start < IP_HEADER_BYTES or len(quoted) < start + _HEADER.size or quoted[9] != socket.IPPROTO_ICMP:
        return None
    request, _, _, got_identifier, number = _HEADER.unpack_from(quoted, start)
    if request != ECHO or got_identifier != identifier:
        return None
    word: Literal["unreachable", "expired"] = "unreachable" if kind == UNREACHABLE else "expired"
    return Refusal(word, identifier, number, socket.inet_ntoa(quoted[16:20]), source)
