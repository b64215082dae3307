"""What a satellite's network stack would answer, for satellites that have no process (RFC 792)."""

from __future__ import annotations

import struct

from skyrack.orchestrator.fabric.train import VNET_BYTES, checksum

ICMP = 1
ECHO_REPLY, UNREACHABLE, ECHO, TIME_EXCEEDED = 0, 3, 8, 11
NET, HOST, PORT = 0, 1, 3
_QUOTED_PAYLOAD_BYTES = 8
_ERRORS = frozenset({3, 4, 5, 11, 12})
_TTL = 255


def echo_reply(data: bytes) -> bytes | None:
    """The reply to an echo request in `data` (virtio header included); None when `data` is anything else."""
    ihl = (data[VNET_BYTES] & 15) * 4
    body = data[VNET_BYTES + ihl :]
    if data[VNET_BYTES + 9] != ICMP or len(body) < 8 or body[0] != ECHO or _is_later_fragment(data):
        return None
    reply = bytes((ECHO_REPLY, 0, 0, 0)) + body[4:]
    reply = reply[:2] + struct.pack("!H", checksum(reply)) + reply[4:]
    return _datagram(data[VNET_BYTES + 16 : VNET_BYTES + 20], data[VNET_BYTES + 12 : VNET_BYTES + 16], reply)


def error(data: bytes, source: int, kind: int, code: int) -> bytes | None:
    """An ICMP error from address `source` about `data`; None where RFC 1122 forbids one."""
    ihl = (data[VNET_BYTES] & 15) * 4
    if _is_later_fragment(data):
        return None
    if data[VNET_BYTES + 9] == ICMP and (len(data) <= VNET_BYTES + ihl or data[VNET_BYTES + ihl] in _ERRORS):
        return None
    quoted = data[VNET_BYTES : VNET_BYTES + ihl + _QUOTED_PAYLOAD_BYTES]
    body = struct.pack("!BBHI", kind, code, 0, 0) + quoted
    body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
    return _datagram(source.to_bytes(4, "big"), data[VNET_BYTES + 12 : VNET_BYTES + 16], body)


def _is_later_fragment(data: bytes) -> bool:
    return bool((data[VNET_BYTES + 6] & 0x1F) << 8 | data[VNET_BYTES + 7])


def _datagram(source: bytes, destination: bytes, body: bytes) -> bytes:
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, _TTL, ICMP, 0, source, destination)
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return bytes(VNET_BYTES) + head + body
