"""The orchestrator's end of the fabric: starts the process, shares memory with it, tells it what holds from when on."""

from __future__ import annotations

import asyncio
import json
import mmap
import os
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.fabric.engine import DROPS
from skyrack.orchestrator.fabric.histogram import LATENESS_BOUNDS_S
from skyrack.orchestrator.fabric.wire import (
    IDS_PER_MESSAGE,
    LINK_COUNTERS,
    MAX_MESSAGE_BYTES,
    NODE_COUNTERS,
    ROUTE_SLOTS,
    SCALARS,
    SEGMENT_SLOTS,
    FabricConfig,
    SharedArrays,
)

STATS_TIMEOUT_S = 5.0
START_TIMEOUT_S = 15.0


class FabricClient:
    """One fabric process. `on_event` receives its messages ("lit", "dark"); `wait` returns when it has ended."""

    def __init__(
        self, config: FabricConfig, directory: Path, on_event: Callable[[dict[str, Any]], None]
    ) -> None:
        self._config = config
        self._directory = directory
        self._on_event = on_event
        self._memory_fd = os.memfd_create("skyrack-fabric")
        size = SharedArrays(config).size_bytes
        os.ftruncate(self._memory_fd, size)
        self.arrays = SharedArrays(config, mmap.mmap(self._memory_fd, size))
        self._segment_slot = self._route_slot = 0
        self._control: socket.socket | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._up: asyncio.Future[dict[str, Any]] | None = None
        self._stats: asyncio.Future[None] | None = None
        self.scheduler = ""
        self.scheduler_reason = ""
        config.save(directory / "fabric.json")

    @property
    def pid(self) -> int | None:
        """The process's id, in the orchestrator's PID namespace."""
        return self._process.pid if self._process else None

    async def start(self, log: Path) -> None:
        """Start the process and wait until it listens. Raises RuntimeError with its last words when it does not."""
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 21)
        ours.setblocking(False)
        self._control = ours
        self._up = loop.create_future()
        with theirs, log.open("ab") as stderr:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "skyrack.orchestrator.fabric",
                "--directory", str(self._directory),
                "--control-fd", str(theirs.fileno()),
                "--memory-fd", str(self._memory_fd),
                pass_fds=(theirs.fileno(), self._memory_fd),
                stdin=asyncio.subprocess.DEVNULL, stdout=stderr, stderr=stderr,
            )  # fmt: skip
        loop.add_reader(ours, self._receive)
        try:
            up = await asyncio.wait_for(self._up, START_TIMEOUT_S)
        except (TimeoutError, ConnectionError) as error:
            raise RuntimeError(f"the fabric did not start; its last words are in {log}") from error
        self.scheduler, self.scheduler_reason = up["scheduler"], up["scheduler_reason"]

    async def wait(self) -> int:
        """The exit status, once it has ended."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> None:
        """End the process: closing its control socket is the request."""
        self._close_control()
        if self._memory_fd >= 0:  # each restart of the fabric has memory of its own
            os.close(self._memory_fd)
            self._memory_fd = -1
        if self._process is not None and self._process.returncode is None:
            try:
                await asyncio.wait_for(self._process.wait(), 2.0)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()

    def set_links(self, at_s: float, ids: Sequence[int]) -> None:
        """From `at_s` on, the links `ids` are as `arrays` has them, with empty queues and zero counters."""
        for first in range(0, len(ids), IDS_PER_MESSAGE):
            self._send({"op": "links", "at": at_s, "ids": list(ids[first : first + IDS_PER_MESSAGE])})

    def set_segment(
        self, at_s: float, delay_s: NDArray[np.float64], slope: NDArray[np.float64], slack_s: float
    ) -> None:
        """From `at_s` on, link i's delay is delay_s[i] + slope[i] * (t - at_s); negative: dark."""
        self._segment_slot = (self._segment_slot + 1) % SEGMENT_SLOTS
        view = self.arrays["segments"][self._segment_slot]
        view[0, : len(delay_s)] = delay_s
        view[1, : len(slope)] = slope
        self._send({"op": "segment", "at": at_s, "slot": self._segment_slot, "slack_s": slack_s})

    def set_routes(self, at_s: float, table: NDArray[np.uint32]) -> None:
        """From `at_s` on, packets follow `table` (rows x nodes, link numbers)."""
        self._route_slot = (self._route_slot + 1) % ROUTE_SLOTS
        self.arrays["routes"][self._route_slot] = table.reshape(-1)
        self._send({"op": "routes", "at": at_s, "slot": self._route_slot})

    async def counters(self, *, links: bool = False) -> dict[str, Any]:
        """Cumulative counters since the process started, in seconds, bytes and packets."""
        if self._stats is None or self._stats.done():
            self._stats = asyncio.get_running_loop().create_future()
            self._send({"op": "stats", "links": links})
        await asyncio.wait_for(asyncio.shield(self._stats), STATS_TIMEOUT_S)
        a = self.arrays
        scalars = dict(zip(SCALARS, a["scalars"].tolist(), strict=True))
        result: dict[str, Any] = {
            "run_s": scalars["written_at_s"],
            "packets": int(scalars["delivered_packets"]),
            "bytes": int(scalars["delivered_bytes"]),
            "ingress_packets": int(scalars["ingress_packets"]),
            "ingress_bytes": int(scalars["ingress_bytes"]),
            "drops": {name: int(count) for name, count in zip(DROPS, a["drops"].tolist(), strict=True)},
            "lateness": {
                "le_s": list(LATENESS_BOUNDS_S),
                "counts": a["lateness"].astype(int).tolist(),
                "sum_s": scalars["sum_lateness_s"],
                "max_s": scalars["max_lateness_s"],
            },
            "ingress_lag": {
                "le_s": list(LATENESS_BOUNDS_S),
                "counts": a["ingress_lag"].astype(int).tolist(),
                "sum_s": scalars["sum_ingress_lag_s"],
                "max_s": scalars["max_ingress_lag_s"],
            },
            "busy_s": scalars["busy_s"],
            "wakeups": int(scalars["wakeups"]),
            "late_segments": int(scalars["late_segments"]),
            "nodes": dict(zip(NODE_COUNTERS, a["node_counters"].astype(int).tolist(), strict=True)),
        }
        if links:
            result["links"] = dict(zip(LINK_COUNTERS, a["link_counters"].tolist(), strict=True))
        return result

    def _send(self, message: dict[str, Any]) -> None:
        if self._control is None:
            return
        try:
            self._control.send(json.dumps(message).encode())
        except BlockingIOError:
            # It has not listened for a thousand messages: it hangs. `wait` sees its end, and a new one is told everything.
            if self._process is not None and self._process.returncode is None:
                self._process.kill()
        except (BrokenPipeError, ConnectionResetError):
            return  # its end is noticed by `wait`

    def _receive(self) -> None:
        assert self._control is not None
        while self._control is not None:
            try:
                data = self._control.recv(MAX_MESSAGE_BYTES)
            except BlockingIOError:
                return
            except ConnectionResetError:
                data = b""
            if not data:
                self._close_control()
                return
            message = json.loads(data)
            match message["op"]:
                case "up" if self._up is not None and not self._up.done():
                    self._up.set_result(message)
                case "stats":
                    if self._stats is not None and not self._stats.done():
                        self._stats.set_result(None)
                case _:
                    self._on_event(message)

    def _close_control(self) -> None:
        if self._control is None:
            return
        asyncio.get_running_loop().remove_reader(self._control)
        self._control.close()
        self._control = None
        for future in (self._up, self._stats):
            if future is not None and not future.done():
                future.set_exception(ConnectionError("the fabric has ended"))
                future.exception()
