"""Bytes between two stream sockets, both ways, as fast as the slower one takes them.

    near <--- one buffer, used in turn ---> far

What the sink does not take at once is kept, and the source is not read until it has: at most CHUNK_BYTES are held for
each direction. The end of one direction is passed on (shutdown) and the other goes on. Idle connections are kept.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

CHUNK_BYTES = 1 << 18
# A peer that has closed both directions looks like one that still listens, until something is sent to it.
HALF_CLOSED_IDLE_S = 600.0
_NO_LINGER = struct.pack("=ii", 1, 0)
_buffer = memoryview(bytearray(CHUNK_BYTES))  # its content is nobody's between two callbacks


@dataclass(frozen=True)
class Carried:
    """What has gone each way."""

    from_near_bytes: int
    from_far_bytes: int


async def relay(
    near: socket.socket,
    far: socket.socket,
    far_first: Callable[[], Coroutine[None, None, None]] | None = None,
) -> Carried:
    """Relay until both directions have ended. Both sockets are not blocking, and stay the caller's to close.

    `far_first` is run before anything from `far` is relayed, while the other direction goes on. Raises OSError: one side
    broke, so that the caller should `reset` the other; TimeoutError: one side is closed and the other has become idle.
    """
    there, back = _Direction(near, far), _Direction(far, near)
    first = asyncio.ensure_future(far_first()) if far_first is not None else None
    try:
        there.start()
        if first is not None:
            await asyncio.wait((first, there.broken), return_when=asyncio.FIRST_COMPLETED)
            if not there.broken.done():
                await first
        back.start()
        await _both(there, back)
    finally:
        for side in (there, back):
            side.stop()
        if first is not None:
            first.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await first
    for side in (there, back):
        if side.error is not None:
            raise side.error
    return Carried(there.carried_bytes, back.carried_bytes)


def reset(sock: socket.socket) -> None:
    """Close a TCP socket so that its peer sees the connection break instead of end."""
    with sock, contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)


async def _both(*sides: "_Direction") -> None:
    """Until all have ended or one has broken."""
    pending = {side.broken for side in sides} | {side.ended for side in sides}
    limit_s = None
    while not all(side.ended.done() for side in sides) and not any(side.broken.done() for side in sides):
        carried = [side.carried_bytes for side in sides]
        waiting = [future for future in pending if not future.done()]
        done, _ = await asyncio.wait(waiting, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        if not done and carried == [side.carried_bytes for side in sides]:
            raise TimeoutError("closed on one side, idle on the other")
        limit_s = HALF_CLOSED_IDLE_S


class _Direction:
    """One way. `ended`: the source has ended and everything is passed on. `broken`: with `error`, on either socket."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._source = source
        self._sink = sink
        # Numbers, because the selectors of the standard library describe an object in words whenever they do not know it.
        self._in, self._out = source.fileno(), sink.fileno()
        self._kept = b""
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self.broken: asyncio.Future[None] = self._loop.create_future()
        self.error: OSError | None = None
        self.carried_bytes = 0

    def start(self) -> None:
        self._loop.add_reader(self._in, self._read)

    def stop(self) -> None:
        self._loop.remove_reader(self._in)
        self._loop.remove_writer(self._out)

    def _read(self) -> None:
        try:
            size = self._source.recv_into(_buffer)
            if size == 0:
                self._loop.remove_reader(self._in)
                self._sink.shutdown(socket.SHUT_WR)
                self.ended.set_result(None)
                return
            sent = self._send(_buffer[:size])
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._break(error)
            return
        if sent < size:
            self._kept = bytes(_buffer[sent:size])
            self._loop.remove_reader(self._in)
            self._loop.add_writer(self._out, self._write)

    def _write(self) -> None:
        try:
            self._kept = self._kept[self._send(self._kept) :]
        except OSError as error:
            self._break(error)
            return
        if not self._kept:
            self._loop.remove_writer(self._out)
            self._loop.add_reader(self._in, self._read)

    def _send(self, data: memoryview | bytes) -> int:
        try:
            sent = self._sink.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        self.carried_bytes += sent
        return sent

    def _break(self, error: OSError) -> None:
        self.stop()
        self.error = error
        self.broken.set_result(None)
