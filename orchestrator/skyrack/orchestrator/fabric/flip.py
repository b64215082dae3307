"""A bit of one packet's payload is turned over while the packet is in a node: it was whole on the link.

    checksum kept     as in a buffer of a network card: the receiver's kernel finds it and drops the packet; TCP sends again
    checksum fixed    as in memory, before the checksum is done: nobody but the program can find it

A train is one packet in the kernel's memory, too: with the checksum fixed it stays whole, else the segment that is hit travels
as a packet of its own. ICMP is spared: a run measures itself by it, and a probe that is lost here would be a false outage.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass

from skyrack.orchestrator.fabric.damage import NEEDS_CHECKSUM, UDP, Damaged, complete_checksum
from skyrack.orchestrator.fabric.train import TCP, VNET_BYTES, Train, fold, split

_ICMP = 1
_PROTOCOL = VNET_BYTES + 9
_CHECKSUM_AT = {TCP: 16, UDP: 6}  # behind the IP header
_NAMES = {TCP: "TCP", UDP: "UDP"}


@dataclass(frozen=True, slots=True)
class Flip:
    """One that waits for a packet. `number`: by which who asked knows it; `draw`: decides which bit, and if it is fixed."""

    number: int
    draw: str
    fixed_ratio: float


@dataclass(frozen=True, slots=True)
class Hit:
    """What was done to which packet. Nodes by their indices; `byte` counts from the beginning of the payload."""

    number: int
    at_s: float
    src: int
    dst: int
    protocol: str
    payload_bytes: int
    byte: int
    bit: int
    old: int
    fixed: bool


def flip(flip: Flip, t: float, train: Train, base_address: int) -> tuple[list[Train], Hit] | None:
    """What the packet or train has become; None where it has no payload, is a fragment, or ICMP."""
    data = train.data
    begin = _payload(data)
    if begin is None:
        return None
    draw = random.Random(flip.draw).random
    place = begin + int(draw() * (len(data) - begin))
    mask, fixed = 1 << int(draw() * 8), draw() < flip.fixed_ratio
    hit = Hit(
        flip.number,
        t,
        int.from_bytes(data[VNET_BYTES + 12 : VNET_BYTES + 16], "big") - base_address,
        train.dst,
        _NAMES.get(data[_PROTOCOL], str(data[_PROTOCOL])),
        len(data) - begin,
        place - begin,
        mask.bit_length() - 1,
        data[place],
        fixed,
    )
    if fixed:
        return [_like(train, Train, _fixed(data, place, mask))], hit
    if train.segments == 1:
        return [_like(train, Damaged, _kept(data, place, mask))], hit
    mss = train.segment - train.headers
    number, offset = divmod(place - begin, mss)
    runs = ((0, number), (number, number + 1), (number + 1, train.segments))
    parts = [split(train, first, stop) for first, stop in runs if first < stop]
    at = 1 if number else 0
    parts[at] = _like(train, Damaged, _kept(parts[at].data, begin + offset, mask))
    for part in parts:
        part.came_from, part.looped = train.came_from, train.looped
    return parts, hit


def _payload(data: bytes) -> int | None:
    """Where it begins."""
    if data[_PROTOCOL] == _ICMP:
        return None
    if data[VNET_BYTES + 6] & 0x3F or data[VNET_BYTES + 7]:  # more fragments, or not the first
        return None
    begin = VNET_BYTES + (data[VNET_BYTES] & 15) * 4
    if data[_PROTOCOL] == TCP and len(data) > begin + 12:
        begin += (data[begin + 12] >> 4) * 4
    elif data[_PROTOCOL] in _CHECKSUM_AT:
        begin += 8
    return begin if begin < len(data) else None


def _kept(data: bytes, place: int, mask: int) -> bytes:
    copy = bytearray(data)
    complete_checksum(copy)
    copy[place] ^= mask
    return bytes(copy)


def _fixed(data: bytes, place: int, mask: int) -> bytes:
    """With a checksum that is right for what is there now (RFC 1624), where it is not left to be done anyway."""
    copy = bytearray(data)
    copy[place] ^= mask
    begin = VNET_BYTES + (data[VNET_BYTES] & 15) * 4
    if data[0] & NEEDS_CHECKSUM or data[_PROTOCOL] not in _CHECKSUM_AT:
        return bytes(copy)
    at = begin + _CHECKSUM_AT[data[_PROTOCOL]]
    before = data[at] << 8 | data[at + 1]
    is_udp = data[_PROTOCOL] == UDP
    if is_udp and not before:
        return bytes(copy)  # it has none
    shift = 0 if (place - begin) & 1 else 8
    value = ~fold((~before & 0xFFFF) + (~(data[place] << shift) & 0xFFFF) + (copy[place] << shift)) & 0xFFFF
    struct.pack_into("!H", copy, at, value or (0xFFFF if is_udp else 0))
    return bytes(copy)


def _like(train: Train, kind: type[Train], data: bytes) -> Train:
    """With other contents, at the same place on its way."""
    result = kind(data, train.dst, train.row, train.ttl, train.tail)
    result.came_from, result.looped, result.path = train.came_from, train.looped, train.path
    return result
