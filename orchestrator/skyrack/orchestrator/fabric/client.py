"""The orchestrator's end of the fabric: shares memory with it and tells it what holds from when on."""

from __future__ import annotations

import asyncio
import json
import mmap
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.fabric import handover
from skyrack.orchestrator.fabric.cuts import Sides, pack, pack_sides, side_bytes
from skyrack.orchestrator.fabric.engine import DROPS, NO_LINK
from skyrack.orchestrator.fabric.flows import Flow
from skyrack.orchestrator.fabric.histogram import LATENESS_BOUNDS_S
from skyrack.orchestrator.fabric.route_slots import RouteSlots
from skyrack.orchestrator.fabric.wire import (
    CLASS_COUNTERS,
    CUT_BYTES_PER_MESSAGE,
    FLOW_COUNTERS,
    IDS_PER_MESSAGE,
    LINK_COUNTERS,
    MAX_MESSAGE_BYTES,
    NODE_COUNTERS,
    PARAMETERS,
    PARAMETERS_PER_MESSAGE,
    READ_PER_MESSAGE,
    SCALARS,
    SEGMENT_SLOTS,
    SIDE_BYTES_PER_MESSAGE,
    FabricConfig,
    SharedArrays,
)

STATS_TIMEOUT_S = 20.0
START_TIMEOUT_S = 60.0


class Reading(NamedTuple):
    """What a fabric itself has: PARAMETERS of links (n, 5), NaN where there is no such link; whether nodes are lit; how many
    of the ways from one side to another are cut."""

    parameters: NDArray[np.float64]
    lit: list[bool]
    cut: list[int]


class FabricClient:
    """One fabric, from its connection on. `on_event` receives what it reports ("lit", "dark", "held_up", "transfer")."""

    def __init__(self, config: FabricConfig, on_event: Callable[[dict[str, Any]], None]) -> None:
        self._config = config
        self._on_event = on_event
        self._memory_fd = os.memfd_create("skyrack-fabric")
        size = SharedArrays(config).size_bytes
        os.ftruncate(self._memory_fd, size)
        self.arrays = SharedArrays(config, mmap.mmap(self._memory_fd, size))
        self.arrays["routes"][0] = NO_LINK
        self._segment_slot = 0
        self._route_slots = RouteSlots(len(config.names))
        self._segments: deque[tuple[float, int]] = deque(maxlen=SEGMENT_SLOTS - 1)  # begin and slot
        self._control: socket.socket | None = None
        loop = asyncio.get_running_loop()
        self._up: asyncio.Future[dict[str, Any]] = loop.create_future()
        self._ended: asyncio.Future[None] = loop.create_future()
        self._stats: asyncio.Future[None] | None = None
        self._reading: dict[int, asyncio.Future[Reading]] = {}
        self._reads = 0
        self.pid = 0
        self.scheduler = ""
        self.scheduler_reason = ""

    async def open(self, control: socket.socket) -> None:
        """Give the fabric at the other end its configuration and wait until it serves; the connection becomes this object's.

        `pid` is then the fabric's, 0 where it lives in a PID namespace that is not below this one. Raises RuntimeError.
        """
        self._control = control
        try:
            control.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 21)
            control.setblocking(False)
            self.pid = handover.peer_pid(control)
            handover.send_serve(control, self._config, self._memory_fd)
            asyncio.get_running_loop().add_reader(control, self._receive)
            async with asyncio.timeout(START_TIMEOUT_S):
                up = await self._up
        except (TimeoutError, OSError) as error:
            self.close()
            raise RuntimeError(str(error) or f"it did not answer within {START_TIMEOUT_S:g} s") from error
        self.scheduler, self.scheduler_reason = up["scheduler"], up["scheduler_reason"]

    async def wait(self) -> None:
        """Return once the connection has ended, by whichever side."""
        await asyncio.shield(self._ended)

    def close(self) -> None:
        """End the connection, which a fabric takes as the end of its service; only the first call does something."""
        if self._memory_fd >= 0:  # each fabric has memory of its own
            os.close(self._memory_fd)
            self._memory_fd = -1
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control)
            self._control.close()
            self._control = None
        if not self._ended.done():
            self._ended.set_result(None)
        for future in (self._up, self._stats, *self._reading.values()):
            if future is not None and not future.done():
                future.set_exception(ConnectionError("the fabric has ended"))
                future.exception()

    def end_process(self) -> None:
        """Tell the fabric to end at once."""
        self._send({"op": "end"})

    def set_links(self, at_s: float, ids: Sequence[int]) -> None:
        """From `at_s` on, the links `ids` are as `arrays` has them, with empty queues and zero counters."""
        for first in range(0, len(ids), IDS_PER_MESSAGE):
            self._send({"op": "links", "at": at_s, "ids": list(ids[first : first + IDS_PER_MESSAGE])})

    def recall(self, after_s: float) -> None:
        """Links, segments, routes and parameters of links to come that were told for instants after `after_s` are void.

        Faults stay, and so do adoptions, which the next `set_routes` ends.
        """
        kept = [(at_s, slot) for at_s, slot in self._segments if at_s <= after_s]
        if kept:
            self._segment_slot = kept[-1][1]  # those after it may be written to again
        self._segments = deque(kept, self._segments.maxlen)
        self._route_slots.recall(after_s)
        self._send({"op": "recall", "after": after_s})

    def set_parameters(self, at_s: float, ids: Sequence[int], *, ahead: bool = False) -> None:
        """From `at_s` on, the links `ids` have the rate, queue, loss, extra delay and damage that `arrays` say at this moment.

        All take effect at one instant. What is queued, counters and the sequences of mishaps go on. An `extra_s` adds to the
        delay; -inf: the link is down. `ahead`: they follow the orbits, and a `recall` makes them void.
        """
        numbers = np.asarray(ids, np.uint32)
        values = np.stack([self.arrays[name][numbers] for name in PARAMETERS])
        for first in range(0, len(numbers), PARAMETERS_PER_MESSAGE):
            part = slice(first, first + PARAMETERS_PER_MESSAGE)
            n, more = len(numbers[part]), first + PARAMETERS_PER_MESSAGE < len(numbers)
            self._send(
                {"op": "parameters", "at": at_s, "n": n, "more": more, "ahead": ahead},
                b"\0" + values[:, part].tobytes() + numbers[part].tobytes(),
            )

    def set_lit(self, at_s: float, nodes: Sequence[int], lit: bool) -> None:
        """From `at_s` on, these nodes are dark, or lit again; an inhabited one is lit only while it is attached, too."""
        for first in range(0, len(nodes), IDS_PER_MESSAGE):
            part = [int(node) for node in nodes[first : first + IDS_PER_MESSAGE]]
            self._send({"op": "lit", "at": at_s, "nodes": part, "lit": lit})

    def set_cuts(self, at_s: float, cuts: Iterable[Sides]) -> None:
        """From `at_s` on, what nodes of one side send to those of the other is lost, of these sides and no others.

        It is lost where it is sent: what is under way goes on.
        """
        packed = pack(cuts, len(self._config.names))
        for first in range(0, max(len(packed), 1), CUT_BYTES_PER_MESSAGE):
            stop = first + CUT_BYTES_PER_MESSAGE
            message = {"op": "cuts", "at": at_s, "more": stop < len(packed)}
            self._send(message, b"\0" + packed[first:stop])

    def set_segment(
        self, at_s: float, delay_s: NDArray[np.float64], slope: NDArray[np.float64], slack_s: float
    ) -> None:
        """From `at_s` on, link i's delay is delay_s[i] + slope[i] * (t - at_s); negative: dark."""
        self._segment_slot = (self._segment_slot + 1) % SEGMENT_SLOTS
        view = self.arrays["segments"][self._segment_slot]
        view[0, : len(delay_s)] = delay_s
        view[1, : len(slope)] = slope
        self._segments.append((at_s, self._segment_slot))
        self._send({"op": "segment", "at": at_s, "slot": self._segment_slot, "slack_s": slack_s})

    def delay_s(self, run_s: float) -> NDArray[np.float64] | None:
        """Every link's delay at `run_s`, negative where it is dark; None for times nothing was told about."""
        for at_s, slot in reversed(self._segments):
            if at_s <= run_s:
                delay_s, slope = self.arrays["segments"][slot]
                return np.where(delay_s < 0.0, -1.0, delay_s + slope * (run_s - at_s))
        return None

    def set_routes(self, at_s: float, table: NDArray[np.uint32]) -> None:
        """From `at_s` on, packets follow `table` (rows x nodes, link numbers)."""
        slot = self._route_slots.take(self._now_s())
        self.arrays["routes"][slot] = table.reshape(-1)
        self._route_slots.follow(at_s, slot)
        self._send({"op": "routes", "at": at_s, "slot": slot})

    def adopt_routes(self, at_s: NDArray[np.float64], table: NDArray[np.uint32]) -> None:
        """From at_s[i] on, node i follows its column of `table` (rows x nodes); infinite: it stays with what it has.

        The last order in time holds. When a `set_routes` that was told after this takes effect, what has not been adopted
        by then never is. Raises RuntimeError when too many tables are in use at once.
        """
        now_s, routes = self._now_s(), self.arrays["routes"]
        slot = self._route_slots.take(now_s)
        columns = routes[slot].reshape(table.shape)
        columns[:] = table
        # Who stays follows a copy of its old column in the new table, so that the old slot becomes free.
        staying, current = self._route_slots.staying(at_s), self._route_slots.current
        for old in np.unique(current[staying]).tolist():
            kept = staying & (current == old)
            columns[:, kept] = routes[old].reshape(table.shape)[:, kept]
        at_s = np.where(staying, now_s, at_s)
        count = int(np.isfinite(at_s).sum())
        order = np.argsort(at_s, kind="stable")[:count]
        self.arrays["adopt_at"][slot, :count] = at_s[order]
        self.arrays["adopt_node"][slot, :count] = order
        self._route_slots.adopt(at_s, slot)
        self._send({"op": "adopt", "slot": slot, "count": count})

    def start_transfer(
        self, number: int, at_s: float, src: int, dst: int, size_bytes: int, traffic_class: int
    ) -> None:
        """From `at_s` on, send `size_bytes` that are accounted, not carried, from one node with a process to another.

        `on_event` receives {"op": "transfer", "id": number, "at", "bytes", "lost", "state"} every 0.1 s of run time and at
        the end: "bytes" had arrived by run time "at", "lost" were sent again; "state" is running, done or cancelled.
        """
        self._send(
            {"op": "transfer", "id": number, "at": at_s, "src": src, "dst": dst, "bytes": size_bytes}
            | {"class": traffic_class}
        )

    def cancel_transfer(self, number: int) -> None:
        """End a transfer now; nothing happens where it has ended."""
        self._send({"op": "cancel", "id": number})

    def flip(self, at_s: float, number: int, node: int, draw: str, fixed_ratio: float) -> None:
        """From `at_s` on, turn a bit of the payload of the next packet over that a node sends or forwards.

        `on_event` receives {"op": "hit", "number", "at_s", ...} when that has been: fields of a Hit.
        """
        self._send(
            {"op": "flip", "at": at_s, "flip": number, "node": node, "draw": draw, "fixed_ratio": fixed_ratio}
        )

    def set_flows(self, at_s: float, flows: Sequence[Flow], quantum_bytes: int) -> None:
        """From `at_s` on, these open-ended flows and no others, in quanta of `quantum_bytes`; their counters begin at 0.

        Nothing happens to what is under way. `counters()["flows"]` has their bytes, in this order.
        """
        for name, column in (("src", "src"), ("dst", "dst"), ("bps", "rate_bps")):
            self.arrays[f"flow_{name}"][: len(flows)] = [getattr(flow, column) for flow in flows]
        self._send({"op": "flows", "at": at_s, "n": len(flows), "quantum_bytes": quantum_bytes})

    async def read(
        self, at_s: float, ids: Sequence[int], nodes: Sequence[int] = (), sides: Iterable[Sides] = ()
    ) -> Reading:
        """What the fabric itself has at `at_s`, after what it was told before this call for that instant.

        Raises ConnectionError, TimeoutError.
        """
        parts: list[Reading] = []
        more, most = iter(sides), SIDE_BYTES_PER_MESSAGE // side_bytes(len(self._config.names))
        some = list(islice(more, most))
        first = 0
        while not parts or first < len(ids) or some:
            part = np.asarray(ids[first : first + READ_PER_MESSAGE], np.uint32)
            parts.append(await self._read(at_s, part, () if parts else nodes, some))
            first += READ_PER_MESSAGE
            some = list(islice(more, most))
        return Reading(
            np.concatenate([part.parameters for part in parts]),
            [lit for part in parts for lit in part.lit],
            [count for part in parts for count in part.cut],
        )

    async def _read(
        self, at_s: float, numbers: NDArray[np.uint32], nodes: Sequence[int], sides: Sequence[Sides]
    ) -> Reading:
        if self._control is None:
            raise ConnectionError("the fabric has ended")
        self._reads += 1
        read = self._reads
        future: asyncio.Future[Reading] = asyncio.get_running_loop().create_future()
        self._reading[read] = future
        try:
            message = {"op": "read", "read": read, "at": at_s, "n": len(numbers), "nodes": list(nodes)}
            self._send(message, b"\0" + numbers.tobytes() + pack_sides(sides, len(self._config.names)))
            async with asyncio.timeout(STATS_TIMEOUT_S + max(0.0, at_s - self._now_s())):
                return await future
        finally:
            del self._reading[read]

    async def counters(self, *, links: bool = False) -> dict[str, Any]:
        """Cumulative counters since the process started, in seconds, bytes and packets.

        Raises ConnectionError, TimeoutError.
        """
        if self._control is None:
            raise ConnectionError("the fabric has ended")
        if self._stats is None or self._stats.done():
            self._stats = asyncio.get_running_loop().create_future()
            self._send({"op": "stats", "links": links})
        async with asyncio.timeout(STATS_TIMEOUT_S):
            await asyncio.shield(self._stats)
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
            "loops": int(scalars["loops"]),
            "corrupted": int(scalars["corrupted"]),
            "flows": dict(zip(FLOW_COUNTERS, a["flow_counters"].tolist(), strict=True)),
            "nodes": dict(zip(NODE_COUNTERS, a["node_counters"].astype(int).tolist(), strict=True)),
        }
        if links:
            result["links"] = dict(zip(LINK_COUNTERS, a["link_counters"].tolist(), strict=True))
            if self._config.scheduling:
                result["links"] |= zip(CLASS_COUNTERS, a["class_counters"].tolist(), strict=True)
        return result

    def _now_s(self) -> float:
        return (time.monotonic_ns() - self._config.t0_monotonic_ns) / 1e9

    def _send(self, message: dict[str, Any], packed: bytes = b"") -> None:
        if self._control is None:
            return
        try:
            self._control.send(json.dumps(message).encode() + packed)
        except BlockingIOError:
            # It has not listened for a thousand messages: it hangs. A new one is told everything.
            self.close()
        except (BrokenPipeError, ConnectionResetError):
            return  # its end is noticed where it is read

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
                self.close()
                return
            text, _, packed = data.partition(b"\0")
            message = json.loads(text)
            match message["op"]:
                case "up" if not self._up.done():
                    self._up.set_result(message)
                case "stats":
                    if self._stats is not None and not self._stats.done():
                        self._stats.set_result(None)
                case "read":
                    future = self._reading.get(message["read"])
                    if future is not None and not future.done():
                        values = np.frombuffer(packed, "f8").reshape(-1, len(PARAMETERS))
                        future.set_result(Reading(values, message["lit"], message["cut"]))
                case _:
                    self._on_event(message)
