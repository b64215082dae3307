"""The entry's proxy over loopback: what it adds to a round trip, and how much it carries.

Run: python -m tests.bench --only entry
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from tests.integration.entry_world import SERVER, open_world

CONNECTIONS = 200
EXCHANGES = 2_000
BULK_BYTES = 1 << 30
CHUNK = bytes(1 << 18)
# Answers a byte with a byte; a connection that begins with another one is read to its end, then answered.
_PEER = """
import socket, sys, threading
server = socket.create_server((sys.argv[1], 0), backlog=64)
print(server.getsockname()[1], flush=True)
def serve(sock):
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = bytearray(1 << 18)
    while size := sock.recv_into(buffer):
        if size == 1:
            sock.send(b"!")
    sock.send(b"!")
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""


async def main() -> None:
    """A row without and a row with the proxy."""
    async with open_world() as world:
        with _peer() as port:
            ways = {"direct": (None, port), "through the proxy": (world.port, port)}
            print(f"{'':>18} {'connect us':>11} {'exchange us':>12} {'Gbit/s':>7}")
            for name, (proxy, target) in ways.items():
                connect_us, exchange_us, gbps = await asyncio.to_thread(_measure, proxy, target)
                print(f"{name:>18} {connect_us:>11.0f} {exchange_us:>12.0f} {gbps:>7.1f}")


@contextlib.contextmanager
def _peer() -> Iterator[int]:
    """Another process; its port."""
    with subprocess.Popen([sys.executable, "-c", _PEER, SERVER], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def _measure(proxy: int | None, port: int) -> tuple[float, float, float]:
    """Medians of connecting and of one byte there and back, in us; the rate of a bulk in Gbit/s."""
    connects_s = [_timed(lambda: _connect(proxy, port).close()) for _ in range(CONNECTIONS)]
    with _connect(proxy, port) as sock:

        def exchange() -> None:
            sock.send(b"?")
            sock.recv(1)

        exchanges_s = [_timed(exchange) for _ in range(EXCHANGES)]
    with _connect(proxy, port) as sock:

        def bulk() -> None:
            for _ in range(BULK_BYTES // len(CHUNK)):
                sock.sendall(CHUNK)
            sock.shutdown(socket.SHUT_WR)
            sock.recv(1)

        bulk_s = _timed(bulk)
    rate_bps = BULK_BYTES * 8 / bulk_s
    return statistics.median(connects_s) * 1e6, statistics.median(exchanges_s) * 1e6, rate_bps / 1e9


def _timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def _connect(proxy: int | None, port: int) -> socket.socket:
    if proxy is None:
        sock = socket.create_connection((SERVER, port))
    else:
        sock = socket.create_connection(("127.0.0.1", proxy))
        sock.sendall(f"CONNECT p0s03:{port} HTTP/1.1\r\n\r\n".encode())
        assert sock.recv(4096).startswith(b"HTTP/1.1 200 ")
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock
