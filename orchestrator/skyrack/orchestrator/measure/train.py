"""Measures the rate of a slow path with real packets: a train of echo requests sent at once comes back spread out.

||||||||  --> slowest link, either way -->  |  |  |  |  |  |  |  |      bytes x 8 / spacing = rate
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from skyrack.orchestrator.measure import icmp, stamps

# Above this the host cannot send packets faster than the link does.
MOST_BPS = 100e6
SPREAD_S = 0.03  # of the whole train at least: the host's part of it, some 0.1 ms, is below a per cent then
LEAST_PACKETS = 10
MOST_PACKETS = 256
LEAST_BYTES = 64
PACKET_S = 0.2  # a slow link gets smaller packets, so that each takes no longer than this
_DRAIN_S = 0.005


@dataclass(frozen=True, slots=True)
class Shape:
    """How many packets of which size."""

    packets: int
    ip_bytes: int


def shape(rate_bps: float, mtu: int, queue_bytes: float) -> Shape:
    """The train that tells a rate (real bits): long enough, and no longer than half the queue it has to wait in."""
    ip_bytes = max(LEAST_BYTES, min(mtu, int(rate_bps / 8 * PACKET_S)))
    wanted = max(LEAST_PACKETS, round(SPREAD_S * rate_bps / 8 / ip_bytes) + 1)
    return Shape(max(2, min(wanted, MOST_PACKETS, int(queue_bytes / 2 / ip_bytes))), ip_bytes)


def dispersion_bps(arrivals: Sequence[tuple[int, int]], ip_bytes: int) -> float | None:
    """The rate from (number in the train, arrival in ns), some of which may be missing; None for fewer than two."""
    if len(arrivals) < 2:
        return None
    (first, begin_ns), (last, end_ns) = min(arrivals), max(arrivals)
    if end_ns <= begin_ns:
        return None
    return (last - first) * ip_bytes * 8 / ((end_ns - begin_ns) / 1e9)


def send_train(sock: socket.socket, address: str, train: Shape, patience_s: float) -> list[tuple[int, int]]:
    """Send a train through a ping socket and wait for its replies: (number, kernel's stamp in ns) of each."""
    token = os.urandom(8)
    stamps.stamp_receives(sock)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    sock.settimeout(_DRAIN_S)
    for number in range(train.packets):
        sock.sendto(icmp.echo_request(number, token, train.ip_bytes), (address, 0))
    arrivals: list[tuple[int, int]] = []
    until_ns = stamps.monotonic_ns() + round(patience_s * 1e9)
    while len(arrivals) < train.packets and stamps.monotonic_ns() < until_ns:
        try:
            message, control, _, sender = sock.recvmsg(65_535, stamps.CONTROL_BYTES)
        except TimeoutError:
            continue
        answer = icmp.parse_reply(message, sender[0], token)
        stamp_ns = stamps.receive_stamp_ns(control)
        if answer is not None and stamp_ns is not None:
            arrivals.append((answer.sequence, stamp_ns))
    return arrivals
