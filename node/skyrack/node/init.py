"""The first process of a node's container, once the node runs: small, without threads and without gRPC.

    SIGTERM, SIGINT ----------------.                      .--> node: its end is the end of the container
    nodes/NAME.init.sock: signal ---+--> init  (as PID 1) -+--> workers: as long as who asked for them stays
    nodes/NAME.json is another one -'                      '--> orphans: reaped

Its own end ends everything else, because the kernel kills a PID namespace with its first process.
"""

import gc
import os
import selectors
import signal
import socket
from collections.abc import Callable, Mapping

from skyrack.node.clock import Clock
from skyrack.node.config import NodeConfig
from skyrack.node.forked import become
from skyrack.node.heartbeats import Heartbeats
from skyrack.node.init_connections import Connections
from skyrack.node.logs import fields, log
from skyrack.node.mains import Work

LOOK_S = 1.0
# A node needs up to 2.5 s for its services and 1 s for calls that run.
STOP_LIMIT_S = 5.0
STOP_LOOKS = 50  # within these: a host that stood still has given it no time meanwhile
# Of sysexits.h: try again. Anything but 0 makes a container with `restart: on-failure` start again.
CONFIG_CHANGED = 75


class Init:
    """Owns the node process and the workers beside it; one event loop over signals and the listener's connections."""

    def __init__(
        self, listener: socket.socket, workers: Mapping[str, Work], changed: Callable[[], bool], clock: Clock
    ) -> None:
        """`changed`: asked every second whether the node is to become another one, by starting again."""
        self._listener = listener
        self._changed = changed
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = socket.socketpair()
        for sock in (self._listener, self._wake_read, self._wake_write):
            sock.setblocking(False)
        self._connections = Connections(self._selector, workers, self._signal, self._leave)
        self._node = 0
        self._heartbeats = Heartbeats(clock)
        self._status: int | None = None
        self._restart = False
        self._looks_left: int | None = None  # before a node that is to end is killed
        self._look_at_ns = 0

    def run(self, config: NodeConfig, node: Callable[[NodeConfig], int], tun_fd: int) -> int:
        """Fork the node, which is told its configuration, and serve until it ends.

        Returns its exit status, 128 + n after signal n, or CONFIG_CHANGED. `tun_fd` is the node's from then on.
        """
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._wake_read, selectors.EVENT_READ, self._reap)
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        with self._heartbeats.of(config) as (told, forked):
            self._node = os.fork()
            if self._node == 0:
                become(f"sky {config.name}", self._leave, lambda: node(told))
            forked(self._node)
        os.close(tun_fd)
        gc.enable()
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda number, _: self._stop(number))
        while self._status is None:
            for key, _ in self._selector.select(self._wait_s()):
                key.data()
            self._look()
        return CONFIG_CHANGED if self._restart else self._status

    def _leave(self) -> None:
        """In a child: close what is the init's."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._wake_write.close()
        self._selector.close()

    def _accept(self) -> None:
        self._connections.accept(self._listener)

    def _wait_s(self) -> float:
        if self._looks_left is None:
            return min(LOOK_S, self._heartbeats.look_s or LOOK_S)
        return max(0.0, (self._look_at_ns - self._clock.monotonic_ns()) / 1e9)

    def _look(self) -> None:
        """What no descriptor tells: a changed configuration, a node that does not end."""
        for _, silent_s in self._heartbeats.silent():
            log.error("watchdog: the node is silent and is killed", extra=fields(silent_s=round(silent_s, 3)))
            self._signal(signal.SIGKILL)
        if self._looks_left is None:
            if self._status is None and self._changed():
                log.warning("another configuration, starting again")
                self._restart = True
                self._stop(signal.SIGTERM)
        elif self._clock.monotonic_ns() >= self._look_at_ns:
            if not self._looks_left:
                self._signal(signal.SIGKILL)
            self._count_down(self._looks_left)

    def _stop(self, signum: int) -> None:
        """Pass a request to end on, and see that it is followed within STOP_LOOKS looks, STOP_LIMIT_S."""
        if self._looks_left is None:
            self._count_down(STOP_LOOKS)
        self._signal(signum)

    def _count_down(self, looks: int) -> None:
        self._looks_left = max(0, looks - 1)
        self._look_at_ns = self._clock.monotonic_ns() + round(STOP_LIMIT_S / STOP_LOOKS * 1e9)

    def _signal(self, signum: int) -> None:
        if self._status is None and self._node:
            os.kill(self._node, signum)

    def _reap(self) -> None:
        self._wake_read.recv(4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            if pid == self._node:
                self._heartbeats.ended(pid)
                self._status = code if code >= 0 else 128 - code
                log.info("node ended", extra=fields(status=self._status))
            else:
                self._connections.reaped(pid, code)
