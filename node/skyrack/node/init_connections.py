"""The init's side of nodes/NAME.init.sock: requests are served, workers live as long as their connection."""

import contextlib
import os
import selectors
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from skyrack.node.clock import RealClock
from skyrack.node.forked import become
from skyrack.node.logs import fields, log
from skyrack.node.mains import Work
from skyrack.v1 import node_init
from skyrack.v1.descriptors import discard, discard_connection, receive_fds
from skyrack.v1.holding import HOLDER_NAME

MOST_CONNECTIONS = 64


@dataclass(eq=False)
class _Connection:
    """`worker` is its pid, None before there is one."""

    sock: socket.socket
    worker: int | None = field(default=None)


class Connections:
    """All connections of one init, in its event loop; nothing here waits."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        workers: Mapping[str, Work],
        signal_node: Callable[[int], None],
        leave: Callable[[], None],
    ) -> None:
        """`workers`: what each kind runs. `leave`: closes, in a forked worker, what is the init's."""
        self._selector = selector
        self._workers = workers
        self._signal_node = signal_node
        self._leave = leave
        self._open: set[_Connection] = set()

    def accept(self, listener: socket.socket) -> None:
        """Take a connection; one too many is closed at once."""
        try:
            sock, _ = listener.accept()
        except OSError as error:
            log.warning("connection lost", extra=fields(error=str(error)))
            return
        if len(self._open) >= MOST_CONNECTIONS:
            sock.close()
            return
        sock.setblocking(False)
        connection = _Connection(sock)
        self._open.add(connection)
        self._selector.register(sock, selectors.EVENT_READ, lambda: self._read(connection))

    def reaped(self, pid: int, code: int) -> None:
        """A child ended: if it was a worker, its connection ends."""
        for connection in self._open:
            if connection.worker == pid:
                connection.worker = None
                self._tell(connection, node_init.pack_ended(node_init.Ended(code)))
                self._close(connection)
                return

    def _read(self, connection: _Connection) -> None:
        if connection not in self._open:
            return
        try:
            data, descriptors = receive_fds(
                connection.sock, node_init.MAX_MESSAGE_BYTES + 1, node_init.MAX_DESCRIPTORS
            )
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        try:
            if not data:
                self._close(connection)
                return
            answer = self._serve(connection, data, descriptors)
        finally:
            for descriptor in descriptors:
                discard(descriptor)
        if not answer:
            self._forget(connection)
            connection.sock.close()  # it is open in the holder
        elif not self._tell(connection, answer):
            self._close(connection)

    def _serve(self, connection: _Connection, data: bytes, descriptors: list[int]) -> bytes:
        """The answer; none where somebody else answers."""
        try:
            request = node_init.unpack_request(data)
            if isinstance(request, node_init.Signal):
                self._signal_node(request.signum)
            elif isinstance(request, node_init.StartWorker):
                self._start(connection, request, descriptors)
            else:
                self._hand_over(connection)
                return b""
        except (node_init.NodeInitError, OSError) as error:
            return node_init.pack_refused(str(error))
        return node_init.pack_done()

    def _start(self, connection: _Connection, request: node_init.StartWorker, descriptors: list[int]) -> None:
        if request.kind not in self._workers:
            raise node_init.NodeInitError(
                f"worker {request.kind!r}, expected one of: {', '.join(self._workers) or 'none'}"
            )
        if connection.worker is not None:
            raise node_init.NodeInitError("this connection has a worker already")
        work = self._workers[request.kind]

        def run() -> int:
            work(request.arguments, descriptors)
            return 0

        pid = os.fork()
        if pid == 0:
            become(f"sky {request.kind}", self._leave, run)
        connection.worker = pid

    def _hand_over(self, connection: _Connection) -> None:
        """Have a holder serve the connection, which is reaped like an orphan."""
        if connection.worker is not None:
            raise node_init.NodeInitError("this connection has a worker already")
        own = connection.sock.dup()  # the child closes what is the init's
        with own:
            if os.fork() == 0:
                become(HOLDER_NAME, self._leave, lambda: _hold(own))

    def _tell(self, connection: _Connection, message: bytes) -> bool:
        """Whether it could be sent; who does not read his answers gets no more of them."""
        with contextlib.suppress(OSError):
            connection.sock.send(message)
            return True
        return False

    def _close(self, connection: _Connection) -> None:
        """End a connection and its worker, which is reaped like an orphan."""
        self._forget(connection)
        discard_connection(connection.sock)
        if connection.worker is not None:
            os.kill(connection.worker, signal.SIGKILL)

    def _forget(self, connection: _Connection) -> None:
        self._open.discard(connection)
        self._selector.unregister(connection.sock)


def _hold(connection: socket.socket) -> int:
    """In a child: be a holder until its connection ends."""
    from skyrack.node.holding.holder import Holder  # most containers never need one

    connection.setblocking(True)
    try:
        holder = Holder(connection, RealClock())
    except OSError as error:
        connection.send(node_init.pack_refused(str(error)))
        return 1
    connection.send(node_init.pack_done())
    holder.serve()
    return 0
