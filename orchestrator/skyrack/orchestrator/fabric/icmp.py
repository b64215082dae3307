"""What a satellite's network stack would answer, for satellites that have no process (RFC 792)."""

from __future__ import annotations

import struct

from skyrack.orchestrator.fabric.train import TCP, VNET_BYTES, checksum, fold

ICMP = 1
ECHO_REPLY, UNREACHABLE, ECHO, TIME_EXCEEDED = 0, 3, 8, 11
NET, HOST, PORT = 0, 1, 3
_QUOTED_PAYLOAD_BYTES = 8
_ERRORS = frozenset({3, 4, 5, 11, 12})
_TTL = 255


def echo_reply(data: bytes) -> bytes | None:
    """The reply to an echo request in `data` (virtio header included); None when `data` is anything else.

    Fragments are answered one by one: later ones come back as they are, the first with its checksum corrected for the
    new type (RFC 1624). So a request that was damaged gets an answer that is.
    """
    ihl = (data[VNET_BYTES] & 15) * 4
    body = data[VNET_BYTES + ihl :]
    if data[VNET_BYTES + 9] != ICMP:
        return None
    if not _is_later_fragment(data):
        if len(body) < 8 or body[0] != ECHO:
            return None
        total = fold((body[2] << 8 | body[3]) + (ECHO << 8))
        body = bytes((ECHO_REPLY, body[1])) + struct.pack("!H", total) + body[4:]
    fragment = data[VNET_BYTES + 4 : VNET_BYTES + 8]
    return _datagram(
        data[VNET_BYTES + 16 : VNET_BYTES + 20],
        data[VNET_BYTES + 12 : VNET_BYTES + 16],
        body,
        fragment,
        data[VNET_BYTES + 1],  # an answer has its question's mark, as a kernel's has
    )


def may_be_answer(data: bytes) -> bool:
    """Whether a kernel can have sent this by itself on receiving something: ICMP that asks for nothing, or TCP."""
    protocol = data[VNET_BYTES + 9 : VNET_BYTES + 10]
    if protocol == bytes([ICMP]):
        kind = VNET_BYTES + (data[VNET_BYTES] & 15) * 4
        return data[kind : kind + 1] != bytes([ECHO])
    return protocol == bytes([TCP])


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


def _datagram(
    source: bytes, destination: bytes, body: bytes, fragment: bytes = bytes(4), tos: int = 0
) -> bytes:
    """`fragment` is the header's identification, flags and fragment offset."""
    head = struct.pack(
        "!BBH4sBBH4s4s", 0x45, tos, 20 + len(body), fragment, _TTL, ICMP, 0, source, destination
    )
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return bytes(VNET_BYTES) + head + body
