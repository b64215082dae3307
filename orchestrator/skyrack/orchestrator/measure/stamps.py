"""The clocks of the measurement: CLOCK_MONOTONIC for everything, kernel receive stamps brought onto it.

Time is not injected here: a stamp is worth what it is because it is read next to the system call it stamps.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterable

# Linux, 64-bit: the option and its control message carry a struct timespec of CLOCK_REALTIME.
_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("=qq")
CONTROL_BYTES = socket.CMSG_SPACE(_TIMESPEC.size)
_TIGHT_NS = 5_000
_TRIES = 5


def monotonic_ns() -> int:
    """CLOCK_MONOTONIC, which all namespaces of a host share."""
    return time.monotonic_ns()


def realtime_offset_ns() -> int:
    """CLOCK_REALTIME minus CLOCK_MONOTONIC now, to about a microsecond.

    Both clocks are slewed alike, so the difference changes only when somebody sets the clock. The reading between
    the two closest monotonic ones wins, because the process may be preempted between them.
    """
    best_width, best = 1 << 62, 0
    for _ in range(_TRIES):
        before = time.monotonic_ns()
        real = time.time_ns()
        after = time.monotonic_ns()
        if after - before < best_width:
            best_width, best = after - before, real - (before + after) // 2
        if best_width <= _TIGHT_NS:
            break
    return best


def stamp_receives(sock: socket.socket) -> None:
    """Have the kernel stamp every packet `sock` receives, on arrival at the interface."""
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)


def receive_stamp_ns(control: Iterable[tuple[int, int, bytes]]) -> int | None:
    """The kernel's CLOCK_REALTIME stamp among the control messages of one recvmsg; None when there is none."""
    for level, kind, data in control:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            return int(seconds * 1_000_000_000 + nanoseconds)
    return None
