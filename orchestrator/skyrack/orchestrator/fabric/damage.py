"""A packet of which one bit is no longer what was sent: what the frame check of a laser would catch, got past it.

The IP header stays whole, or no router would pass the packet on: the bit is one of what comes after it, so that the receiver's
checksum is wrong. A kernel leaves the checksum to the device where it can, and takes one that is still to be done for right
when it receives it: so it is done here, before the damage.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from skyrack.orchestrator.fabric.train import VNET_BYTES, Train, checksum

NEEDS_CHECKSUM = 1  # VIRTIO_NET_HDR_F_NEEDS_CSUM
UDP = 17


class Damaged(Train):
    """One packet, not as it was sent."""

    __slots__ = ()


def damaged(train: Train, draw_below: Callable[[int], int]) -> Train:
    """A train of one segment with a bit after its IP header turned over; `draw_below(n)` gives a number from 0 to n - 1.

    A packet that is nothing but a header stays as it is.
    """
    data = bytearray(train.data)
    body = VNET_BYTES + (data[VNET_BYTES] & 15) * 4
    n_bits = 8 * (len(data) - body)
    if not n_bits:
        return train
    complete_checksum(data)
    bit = draw_below(n_bits)
    data[body + bit // 8] ^= 0x80 >> bit % 8
    result = Damaged(bytes(data), train.dst, train.row, train.ttl, train.tail)
    result.came_from, result.looped, result.path = train.came_from, train.looped, train.path
    return result


def complete_checksum(data: bytearray) -> None:
    """Do what the sender's kernel left to its device, and let the receiver's look at the checksum itself."""
    flags, csum_start, csum_offset = data[0], *struct.unpack_from("=HH", data, 6)
    data[:VNET_BYTES] = bytes(VNET_BYTES)
    start, place = VNET_BYTES + csum_start, VNET_BYTES + csum_start + csum_offset
    if not flags & NEEDS_CHECKSUM or place + 2 > len(data):
        return
    # The sum of the pseudo-header is there already.
    value = checksum(bytes(data[start:]))
    if not value and data[VNET_BYTES + 9] == UDP:
        value = 0xFFFF  # 0 would mean that there is none (RFC 768)
    struct.pack_into("!H", data, place, value)
