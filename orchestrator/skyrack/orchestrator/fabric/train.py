"""What travels: a packet, or a train of TCP segments that the kernel handed over as one super-packet.

data = virtio_net_hdr (10 bytes) | IPv4 header | payload         the kernel's GSO form, whole while nothing is lost
on the wire: segments x (IP + TCP headers) + payload
"""

from __future__ import annotations

import struct

VNET_BYTES = 10
GSO_TCPV4 = 1
GSO_ECN = 0x80
_VNET = struct.Struct("=BBHHHH")
TCP = 6
_LEAST_MSS = (
    8  # bytes; the kernel goes down to 8 (TCP_MIN_GSO_SIZE), and a train must not become a million packets
)
_FIN_PSH = 0x09
_CWR = 0x80


class MalformedTrain(ValueError):
    """Offload values that do not describe TCP segments."""


class Train:
    """One event's cargo. Sizes in bytes on the wire (IP packet sizes, no layer-2 framing).

    head and tail are one packet apart when `segments` is 1; `tail` is the arrival of the last segment at the node where
    the train now is, in run seconds.

    Raises MalformedTrain, IndexError: a raw socket may write any offload values.
    """

    __slots__ = (
        "came_from",
        "data",
        "dst",
        "headers",
        "last",
        "looped",
        "path",
        "row",
        "segment",
        "segments",
        "tail",
        "ttl",
        "wire",
    )

    def __init__(self, data: bytes, dst: int, row: int, ttl: int, tail: float) -> None:
        self.data = data
        self.dst = dst
        self.row = row  # offset of the destination's row in the route table; -1: follow `path`
        self.ttl = ttl
        self.tail = tail
        self.came_from = -1  # the node before this one
        self.looped = False  # whether it was ever sent back there
        self.path: dict[int, int] | None = (
            None  # node -> link, towards a bare satellite; chosen by its sender
        )
        size = len(data) - VNET_BYTES
        self.segments = 1
        self.headers = 0
        self.segment = self.last = self.wire = size
        if data[1] & ~GSO_ECN == GSO_TCPV4:
            ihl = (data[VNET_BYTES] & 15) * 4
            self.headers = headers = ihl + (data[VNET_BYTES + ihl + 12] >> 4) * 4
            mss = data[4] | data[5] << 8
            payload = size - headers
            if data[19] != TCP or headers < ihl + 20 or payload < 0 or mss < _LEAST_MSS:
                raise MalformedTrain
            if payload > mss:
                self.segments = n = -(-payload // mss)
                self.segment = mss + headers
                self.last = payload - (n - 1) * mss + headers
                self.wire = payload + n * headers


def fold(total: int) -> int:
    """One's complement sum of 16-bit words, folded to 16 bits."""
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def checksum(data: bytes) -> int:
    """Internet checksum (RFC 1071) of `data`, as the value to store."""
    if len(data) & 1:
        data += b"\0"
    return ~fold(sum(struct.unpack(f"!{len(data) // 2}H", data))) & 0xFFFF


def with_ttl(data: bytes, ttl: int) -> bytearray:
    """A copy of `data` with `ttl` in its IPv4 header, whose checksum follows (RFC 1624)."""
    copy = bytearray(data)
    # One's complement arithmetic is arithmetic modulo 0xFFFF; a header's stored checksum is never 0xFFFF itself.
    total = ((copy[20] << 8 | copy[21]) + ((copy[18] - ttl) << 8)) % 0xFFFF
    copy[18], copy[20], copy[21] = ttl, total >> 8, total & 0xFF
    return copy


def split(train: Train, first: int, stop: int) -> Train:
    """The segments [first, stop) of a train as a train of their own, as if the network had lost the others.

    Sequence number, IP length and identification move along; FIN and PSH stay with the last segment, CWR with the
    first; the partial TCP checksum (sum of the pseudo-header) follows the new length.
    """
    data = train.data
    flags, gso, _, mss, csum_start, csum_offset = _VNET.unpack_from(data)
    ihl = (data[VNET_BYTES] & 15) * 4
    tcp = VNET_BYTES + ihl
    begin = VNET_BYTES + train.headers + first * mss
    payload = data[begin : VNET_BYTES + train.headers + stop * mss]
    size = train.headers + len(payload)
    head = bytearray(data[: VNET_BYTES + train.headers])
    if len(payload) <= mss:
        gso = mss = 0
    _VNET.pack_into(head, 0, flags, gso, train.headers if gso else 0, mss, csum_start, csum_offset)
    struct.pack_into("!H", head, VNET_BYTES + 2, size)
    struct.pack_into(
        "!H", head, VNET_BYTES + 4, (head[VNET_BYTES + 4] << 8 | head[VNET_BYTES + 5]) + first & 0xFFFF
    )
    struct.pack_into("!H", head, VNET_BYTES + 10, 0)
    struct.pack_into("!H", head, VNET_BYTES + 10, checksum(bytes(head[VNET_BYTES:tcp])))
    sequence = int.from_bytes(head[tcp + 4 : tcp + 8], "big")
    struct.pack_into("!I", head, tcp + 4, (sequence + begin - VNET_BYTES - train.headers) & 0xFFFFFFFF)
    if stop < train.segments:
        head[tcp + 13] &= ~_FIN_PSH & 0xFF
    if first > 0:
        head[tcp + 13] &= ~_CWR & 0xFF
    pseudo = struct.unpack_from("!4H", head, VNET_BYTES + 12)
    struct.pack_into("!H", head, tcp + 16, fold(sum(pseudo) + head[VNET_BYTES + 9] + size - ihl))
    part = Train(bytes(head) + payload, train.dst, train.row, train.ttl, train.tail)
    part.path = train.path
    return part
