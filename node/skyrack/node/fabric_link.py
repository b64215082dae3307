"""The node's hold on the fabric: attach, notice the end, attach again.

node                                   fabric
 |-- hello + TUN descriptor ----------->|
 |<------------------------- accepted --|   attached: lasers lit
 |                ...                   |
 |<------------------------------- EOF -|   dark; a new fabric gets the same descriptor again
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

from skyrack.node.clock import Clock
from skyrack.node.logs import fields, log
from skyrack.v1 import attach

RETRY_S = 0.05


class FabricLink:
    """Keeps the TUN descriptor and an open attach socket.

    The descriptor outlives the fabric: kernel connections over mesh0 survive a fabric that comes back.
    """

    def __init__(self, name: str, path: Path, tun_fd: int, clock: Clock) -> None:
        self._name = name
        self._path = path
        self._tun_fd = tun_fd
        self._clock = clock
        self.attached = False
        self.attaches = 0

    async def run(self, on_change: Callable[[bool], Awaitable[None]]) -> None:
        """Attach for ever; `on_change` is awaited with each new state."""
        complaint = ""
        while True:
            try:
                # The socket is close-on-exec and only here: its end is the end of this process.
                with await self._attach() as sock:
                    complaint = ""
                    self.attached = True
                    self.attaches += 1
                    await on_change(True)
                    await self._closed(sock)
                log.warning("fabric gone, lasers dark")
            except (OSError, attach.AttachError) as error:
                if str(error) != complaint:
                    complaint = str(error)
                    log.warning("not attached", extra=fields(error=complaint, path=str(self._path)))
            if self.attached:
                self.attached = False
                await on_change(False)
            await self._clock.sleep(RETRY_S)

    async def _attach(self) -> socket.socket:
        loop = asyncio.get_running_loop()
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        try:
            sock.connect(os.fspath(self._path))
            attach.send_hello(sock, attach.Hello(self._name), self._tun_fd)
            data = await loop.sock_recv(sock, attach.MAX_MESSAGE_BYTES + 1)
            if not data:
                raise ConnectionResetError("the fabric closed the attach socket without an answer")
            reply = attach.unpack_reply(data)
            if isinstance(reply, attach.Refused):
                raise attach.AttachError(f"the fabric refused: {reply.error}")
        except BaseException:
            sock.close()
            raise
        log.info("attached", extra=fields(index=reply.index))
        return sock

    async def _closed(self, sock: socket.socket) -> None:
        """Wait until the fabric ends the connection; what it says meanwhile is not for us."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):
            while await loop.sock_recv(sock, attach.MAX_MESSAGE_BYTES):
                pass
