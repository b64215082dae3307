"""Sends or receives datagrams on a socket it inherits: `flood.py send|receive FD SECONDS BYTES [ADDRESS PORT]`."""

from __future__ import annotations

import socket
import sys
import time


def send(sock: socket.socket, seconds: float, size: int, to: tuple[str, int]) -> int:
    """As fast as it can; how many were sent."""
    payload, sent, until = bytes(size), 0, time.monotonic() + seconds
    while time.monotonic() < until:
        for _ in range(64):
            try:
                sock.sendto(payload, to)
                sent += 1
            except OSError:  # the device's queue is full
                time.sleep(0.0002)
    return sent


def receive(sock: socket.socket, seconds: float, size: int) -> int:
    """How many came."""
    sock.settimeout(0.1)
    buffer, received, until = bytearray(size + 100), 0, time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            for _ in range(64):
                sock.recv_into(buffer)
                received += 1
        except TimeoutError:
            continue
    return received


def main() -> None:
    """One side of a flood; prints the count."""
    sock = socket.socket(fileno=int(sys.argv[2]))
    seconds, size = float(sys.argv[3]), int(sys.argv[4])
    if sys.argv[1] == "send":
        print(send(sock, seconds, size, (sys.argv[5], int(sys.argv[6]))))
    else:
        print(receive(sock, seconds, size))


if __name__ == "__main__":
    main()
