"""The inhabited nodes of a run as whoever measures sees them: a node that died and came back has a new network."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable
from functools import partial
from pathlib import Path

from skyrack.orchestrator.measure.hold import Hold, Watch, connect_node
from skyrack.orchestrator.measure.host_watch import HostWatch
from skyrack.orchestrator.measure.probe_client import ProbeProcess
from skyrack.orchestrator.measure.tun import TunDrops
from skyrack.v1.hand_out import receive_node

# What is handed out and not yet received counts against the sender's limit of descriptors, 1,024 for most users.
MOST_ASKING = 64


class Nodes:
    """Passes on what living nodes hand out: ping sockets to the prober, the rest to who counts drops and waits.

    `alive` has the names of the nodes that are there now, `drops` counts at all of them.
    """

    def __init__(
        self,
        names: Iterable[str],
        sources: Collection[str],
        mesh_dir: Path,
        prober: ProbeProcess,
        host: HostWatch,
        watch: Watch,
    ) -> None:
        self.alive: set[str] = set()
        self.drops = TunDrops()
        self._sources = frozenset(sources)
        self._prober = prober
        self._host = host
        self._holds = [
            Hold(
                partial(connect_node, mesh_dir, name),
                partial(self._take, name),
                partial(self._lost, name),
                watch,
            )
            for name in names
        ]

    def look(self, now_s: float) -> None:
        """Connect to nodes that serve and are not known; call it several times a second."""
        free = MOST_ASKING - sum(hold.asking for hold in self._holds)
        for hold in self._holds:
            if free <= 0:
                return
            if not hold.held:
                hold.look(now_s)
                free -= hold.asking

    def close(self) -> None:
        """Let go of all of them."""
        for hold in self._holds:
            hold.close()
        self.drops.close()

    def _take(self, name: str, connection: socket.socket) -> None:
        handed = receive_node(connection)
        ping = socket.socket(fileno=handed.ping)
        if name in self._sources:
            self._prober.set_source(name, ping)
        else:
            ping.close()
        self._host.watch(name, handed.schedstat)
        self.drops.add(name, handed.net_dev)
        self.alive.add(name)

    def _lost(self, name: str) -> None:
        self.alive.discard(name)
        self.drops.remove(name)
        if name in self._sources:
            self._prober.drop_source(name)
