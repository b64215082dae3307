"""A real fabric process and real network namespaces in a row, without orbits: node i is `n<i>`, 100.64.0.<i + 1>."""

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from skyrack.orchestrator.fabric.client import FabricClient
from skyrack.orchestrator.fabric.engine import DROPS, NO_LINK
from skyrack.orchestrator.fabric.histogram import LATENESS_BOUNDS_S
from skyrack.orchestrator.fabric.wire import FabricConfig
from skyrack.orchestrator.runtime.local_fabric import LocalFabric
from skyrack.orchestrator.runtime.processes import Fabrics
from skyrack.v1.descriptors import receive_fds

NETWORK = "100.64.0.0/10"
BASE = int.from_bytes(socket.inet_aton("100.64.0.1"), "big")
HOLDER = Path(__file__).with_name("mesh_holder.py")
OPENER = Path(__file__).with_name("socket_opener.py")
# Root needs no user namespace; anybody else becomes root of one of his own, where a namespace may be entered from here.
LAUNCHER = () if os.getuid() == 0 else ("unshare", "--user", "--map-root-user")
PATIENCE_S = 60.0
COMPUTE_DSCP = 10


@dataclass(frozen=True)
class Row:
    """A row of nodes: `hops` equal links one after the other."""

    hops: int = 1
    delay_s: float = 0.001
    rate_bps: float = 10e9
    queue_bytes: float = 10e6
    loss_ratio: float = 0.0
    mtu: int = 1500
    gso_max_bytes: int = 65536
    inhabited: tuple[int, ...] = ()
    """Nodes with a process; the two ends when empty."""
    seed: int = 1
    spin_s: float = 1e-4
    scheduling: str = ""
    """`strict` or `weighted` for links with two classes, compute marked with COMPUTE_DSCP."""
    compute_share: float = 0.0
    n_flows: int = 0

    @property
    def endpoints(self) -> tuple[int, ...]:
        """Nodes with a process."""
        return self.inhabited or (0, self.hops)


@dataclass
class Holder:
    """A node's namespaces and what it said."""

    name: str
    process: asyncio.subprocess.Process
    said: list[dict[str, Any]] = field(default_factory=list)

    @property
    def pid(self) -> int:
        """The process that is in the node's namespaces."""
        return self.process.pid

    @property
    def attached(self) -> int:
        """How many times the fabric accepted it."""
        return sum("attached" in event for event in self.said)

    async def listen(self) -> None:
        """Collect what it says until it ends."""
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.said.append(json.loads(line))

    async def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


class MeshWorld:
    """One row with its fabric; `events` is what the fabric reported, but for when the host held it up."""

    def __init__(self, row: Row, directory: Path, fabrics: Fabrics | None = None) -> None:
        self.row = row
        self.directory = directory
        self.events: list[dict[str, Any]] = []
        self.held_up: list[dict[str, Any]] = []
        self.holders: list[Holder] = []
        self._listening: set[asyncio.Task[None]] = set()
        n, ends = row.hops + 1, row.endpoints
        self._config = FabricConfig(
            t0_monotonic_ns=time.monotonic_ns(),
            base_address=BASE,
            names=[f"n{i}" for i in range(n)],
            rows=[ends.index(i) if i in ends else -1 for i in range(n)],
            max_links=2 * row.hops,
            n_rows=len(ends),
            n_drops=len(DROPS),
            n_buckets=len(LATENESS_BOUNDS_S) + 1,
            seed=row.seed,
            spin_s=row.spin_s,
            n_flows=row.n_flows,
            scheduling=row.scheduling,
            compute_share=row.compute_share,
            compute_dscp=[COMPUTE_DSCP],
        )
        self.fabrics = fabrics or LocalFabric(directory, directory / "fabric.log")
        self.fabric: FabricClient

    async def start_fabric(self) -> None:
        """Start a fabric process, the first or the next, and tell it everything."""
        self.fabric = await self.fabrics.start(self._config, self._hear)
        row, arrays = self.row, self.fabric.arrays
        for i in range(row.hops):
            arrays["src"][2 * i], arrays["dst"][2 * i] = i, i + 1
            arrays["src"][2 * i + 1], arrays["dst"][2 * i + 1] = i + 1, i
        arrays["s_per_byte"][:] = 8 / row.rate_bps
        arrays["queue_s"][:] = row.queue_bytes * 8 / row.rate_bps
        arrays["loss_ratio"][:] = row.loss_ratio
        self.fabric.set_links(0.0, range(2 * row.hops))
        self.set_delay(row.delay_s)
        table = np.full((len(row.endpoints), row.hops + 1), NO_LINK, np.uint32)
        for r, end in enumerate(row.endpoints):
            for i in range(row.hops + 1):
                if i != end:
                    table[r, i] = 2 * i if i < end else 2 * i - 1
        self.fabric.set_routes(0.0, table)

    def _hear(self, event: dict[str, Any]) -> None:
        (self.held_up if event["op"] == "held_up" else self.events).append(event)

    def set_delay(self, delay_s: float, at_s: float = 0.0) -> None:
        """The delay of every link from `at_s` on; negative: dark."""
        links = 2 * self.row.hops
        slack_s = min(3e-4, max(0.0, delay_s) / 2)
        self.fabric.set_segment(at_s, np.full(links, delay_s), np.zeros(links), slack_s)

    def now_s(self) -> float:
        """Run seconds, as the fabric counts them."""
        return (time.monotonic_ns() - self._config.t0_monotonic_ns) / 1e9

    async def add(self, name: str) -> Holder:
        """Start a node's namespaces; it attaches by itself."""
        number = int(name[1:]) if name[1:].isdigit() else 0
        config = {
            "name": name,
            "kind": "satellite",
            "index": number,
            "run": "mesh",
            "address": address(number),
            "network": NETWORK,
            "socket_dir": str(self.directory),
            "mtu": self.row.mtu,
            "gso_max_bytes": self.row.gso_max_bytes,
        }
        process = await asyncio.create_subprocess_exec(
            *LAUNCHER, sys.executable, str(HOLDER), json.dumps(config),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        holder = Holder(name, process)
        self.holders.append(holder)
        task = asyncio.create_task(holder.listen(), name=f"listen to {name}")
        self._listening.add(task)
        task.add_done_callback(self._listening.discard)
        return holder

    async def attach(self, names: Collection[str]) -> None:
        """Start these nodes and wait until all are lit."""
        for name in names:
            await self.add(name)
        await until(lambda: all(h.attached for h in self.holders), "every node attaches", self.holders)

    def holder(self, node: int) -> Holder:
        """The newest holder of a node's name."""
        return next(h for h in reversed(self.holders) if h.name == f"n{node}")

    def socket(self, node: int, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A socket in a node's network, with a time-out so that no test hangs."""
        made = socket_in(self.holder(node).pid, family, kind, protocol)
        made.settimeout(PATIENCE_S)
        return made

    async def close(self) -> None:
        """End every process; nothing of the mesh is left."""
        for holder in self.holders:
            await holder.kill()
        for task in list(self._listening):
            await task
        await self.fabrics.end()


@contextlib.asynccontextmanager
async def open_row(row: Row) -> AsyncIterator[MeshWorld]:
    """A running fabric with the inhabited nodes of a row attached."""
    directory = Path(tempfile.mkdtemp(prefix="mesh-"))
    world = MeshWorld(row, directory)
    try:
        await world.start_fabric()
        await world.attach([f"n{i}" for i in row.endpoints])
        yield world
    finally:
        await world.close()
        shutil.rmtree(directory)


async def until(condition: Callable[[], bool], what: str, *context: object) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S:g} s: {what} {context}"
        await asyncio.sleep(0.005)


def socket_in(pid: int, family: int, kind: int, protocol: int) -> socket.socket:
    """A socket of the network of process `pid`, opened by a program that goes there."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with near, far:
        numbers = map(str, (pid, int(family), int(kind), protocol, far.fileno()))
        subprocess.run(
            [sys.executable, OPENER, *numbers], pass_fds=[far.fileno()], check=True, timeout=PATIENCE_S
        )
        far.close()
        _, fds = receive_fds(near, 16, 1)
    assert fds, f"no socket in the network of process {pid}"
    return socket.socket(fileno=fds[0])


def address(node: int) -> str:
    """A node's address in the mesh."""
    return socket.inet_ntoa((BASE + node).to_bytes(4, "big"))
