"""The fabric's event loop: TUN descriptors in, TUN descriptors out, and nothing else.

epoll --+-- mesh0 of a node readable -> read until dry -> engine.ingress(now)
        +-- timerfd: the next event is near -> spin -> engine.advance(now) -> deliver what is due
        +-- door: a node arrives (descriptor by SCM_RIGHTS), or who measures asks for this thread's schedstat
        +-- attach socket: its end is the node's: dark
        +-- control socket: segments, routes, questions
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import socket
import time
from array import array
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from heapq import heappop
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.fabric.adoption import Adoption
from skyrack.orchestrator.fabric.ahead import Ahead
from skyrack.orchestrator.fabric.classes import Classes, SharedLink
from skyrack.orchestrator.fabric.closer import Closer
from skyrack.orchestrator.fabric.cuts import Cuts, unpack_sides
from skyrack.orchestrator.fabric.door import PACE_S, Door
from skyrack.orchestrator.fabric.engine import Engine
from skyrack.orchestrator.fabric.flip import Flip, Hit
from skyrack.orchestrator.fabric.flows import Flow, Flows
from skyrack.orchestrator.fabric.icmp import may_be_answer
from skyrack.orchestrator.fabric.link import Link
from skyrack.orchestrator.fabric.tally import Tally
from skyrack.orchestrator.fabric.timer import Timer
from skyrack.orchestrator.fabric.train import VNET_BYTES, with_ttl
from skyrack.orchestrator.fabric.transfers import Transfer
from skyrack.orchestrator.fabric.tun import is_mesh_device
from skyrack.orchestrator.fabric.wire import (
    ENDED_ON_REQUEST,
    MAX_MESSAGE_BYTES,
    PARAMETERS,
    FabricConfig,
    SharedArrays,
)
from skyrack.v1 import attach, hand_out

READ_BYTES = 65546  # virtio header and the largest IPv4 packet
READS_PER_TURN = 32
# Under SCHED_FIFO the kernel stops a thread that runs 95 % of a second: leave it 6 % in every millisecond instead.
RUN_S = 0.00094
YIELD_S = 0.00006
# Spinning begins a little earlier than the host has lately been late to wake, within these bounds of the least spin.
MOST_SPIN = 5.0
SPIN_MARGIN = 1.25
WAKE_MEMORY = 0.97
LATE_SEGMENT_S = 0.05
HELD_UP_S = 0.01  # what runs and orders are late by before it is told
CARRY_S = 5e-5
MOST_WATCHERS = 64
CLOSING_S = 2.0
# What is said to hold from "at" on.
_TIMELY = frozenset(("links", "segment", "routes", "parameters", "lit", "cuts"))
_ONE_LOOK = select.EPOLLIN | select.EPOLLONESHOT
MOST_DISCARDED = 4096  # twice what the device queues; a node that never stops sending must not stop the loop


class Loop:
    """Owns every descriptor but the control socket; `run` returns when that ends."""

    def __init__(
        self,
        config: FabricConfig,
        arrays: SharedArrays,
        control: socket.socket,
        directory: Path,
        *,
        realtime: bool,
    ) -> None:
        n = len(config.names)
        self._t0_s = config.t0_monotonic_ns / 1e9
        self._config = config
        self._arrays = arrays
        self._control = control
        self._realtime = realtime
        self._index = {name: i for i, name in enumerate(config.names)}
        self.engine = Engine(n, config.base_address, [row >= 0 for row in config.rows], config.rows)
        self.engine.on_hit = self._tell_of_hit
        self._classes = Classes.of(config.scheduling, config.compute_share, config.compute_dscp)
        self._epoll = select.epoll()
        self._timer = Timer()
        self._tun: list[int] = [-1] * n  # node -> descriptor
        self._node_of: dict[int, int] = {}  # descriptor -> node
        self._attached: dict[int, tuple[socket.socket, int]] = {}  # attach socket's descriptor -> node
        self._undrained_since_s: dict[int, float] = {}
        self._darkened = bytearray(n)  # by order, whether attached or not
        self._parameters: list[
            tuple[float, ...]
        ] = []  # number and values, until the last message of an order
        self._cuts = b""  # until the last message of an order
        self._ahead = Ahead(self.engine)  # what the orbits will do
        self._routes_told = self._told = 0  # newest order of routes in force; newest of all
        self._transfers: dict[int, Transfer] = {}
        self._flows = Flows(self.engine, 0.0, (), 0, "")
        self._tally = Tally(n)
        self._hop_slack_s = 0.0  # how late a hop may be carried out without making any delivery late
        self._dump: Iterator[None] | None = None
        self._closer = Closer()
        self._unsent: deque[bytes] = deque()  # what the control socket has no room for yet
        self._schedstat: int | None = None  # of the thread that runs, for those who measure
        self._door = Door(directory / "fabric.sock")
        self._began_s = self._now_s()
        control.setblocking(False)

    def run(self) -> None:
        """Serve until the orchestrator closes the control socket."""
        epoll, timer, engine = self._epoll, self._timer, self.engine
        with contextlib.suppress(OSError):  # a kernel without run-queue figures
            self._schedstat = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        epoll.register(self._door, _ONE_LOOK)
        epoll.register(self._control, select.EPOLLIN)
        epoll.register(timer.descriptor, select.EPOLLIN)
        special = {self._door.fileno(), self._control.fileno(), timer.descriptor}
        t0 = self._t0_s
        least_spin, spin = self._config.spin_s, self._config.spin_s
        worst_wake = 0.0  # how late the timer has been lately: decays, so that it follows the host
        clock = time.monotonic
        node_of, deliveries = self._node_of, engine.deliveries
        returned = slept = clock() - t0  # when epoll last returned; when this thread last slept
        scalars = self._tally.scalars
        armed = 0.0
        while True:
            now = clock() - t0
            engine.advance(now)
            if deliveries and deliveries[0][0] <= now:
                self._deliver(now)
            hop, delivery = engine.next_due_s()
            wake = min(hop + self._hop_slack_s, delivery - spin)
            now = clock() - t0
            if self._realtime and now - slept > RUN_S:
                time.sleep(YIELD_S)
                slept = now = clock() - t0
            if now - returned > HELD_UP_S:
                self._tell_held_up(returned, now)
            if wake > now and self._dump is None:
                if wake != armed:
                    timer.arm(wake + t0)
                    armed = wake
                scalars["busy_s"] += now - returned
                waited_s = self._waited_s() if wake - now > HELD_UP_S else 0.0
                ready = epoll.poll(-1, 64)
                after = clock() - t0
                if after - now > HELD_UP_S:
                    late_s = max(after - wake, self._waited_s() - waited_s if waited_s else 0.0)
                    if late_s > HELD_UP_S:
                        self._tell_held_up(after - late_s, after)
                if after - now > 5e-6:
                    base = slept = after
                else:
                    base = returned
                returned = after
                scalars["wakeups"] += 1
                if wake <= after:
                    worst_wake = max(after - wake, worst_wake * WAKE_MEMORY)
                    spin = min(least_spin * MOST_SPIN, max(least_spin, worst_wake * SPIN_MARGIN))
            else:
                ready = epoll.poll(0, 64)
                base = returned
                after = clock() - t0
                scalars["busy_s"] += after - returned
                returned = after
                if self._dump is not None:
                    self._continue_dump()
            arrived = returned
            for descriptor, _ in ready:
                node = node_of.get(descriptor)
                if node is not None:
                    self._read(descriptor, node, base, arrived)
                    # Many senders must not make the packets wait that are due meanwhile.
                    if (now := clock() - t0) - arrived > CARRY_S:
                        arrived = now
                        engine.advance(now)
                        self._deliver(now)
                elif descriptor in special:
                    if descriptor == timer.descriptor:
                        timer.clear()
                        armed = 0.0
                    elif descriptor == self._door.fileno():
                        self._look(returned)
                    else:
                        if self._unsent:
                            self._send_unsent()
                        if not self._obey():
                            return
                elif descriptor in self._attached:
                    self._end(descriptor)

    def _read(self, descriptor: int, node: int, base_s: float, ready_s: float) -> None:
        """Read until dry. The first packet was there at `ready_s`; later ones when they are read."""
        clock, t0, enter = time.monotonic, self._t0_s, self._enter
        base_s = self._undrained_since_s.pop(descriptor, base_s)
        for _ in range(READS_PER_TURN):
            try:
                data = os.read(descriptor, READ_BYTES)
            except BlockingIOError:
                return
            except OSError:
                self._forget(node)
                return
            now = ready_s or clock() - t0
            ready_s = 0.0
            self._tally.ingress_lag.observe(now - base_s)
            enter(now, node, data)
        self._undrained_since_s[descriptor] = base_s

    def _enter(self, now_s: float, node: int, data: bytes) -> None:
        train, counts = self.engine.ingress(now_s, node, data), self._tally.sent[node]
        if train is None:
            counts[0] += 1
            counts[1] += len(data) - VNET_BYTES
        else:
            counts[0] += train.segments
            counts[1] += train.wire

    def _deliver(self, now_s: float) -> None:
        deliveries, tun, lit, drops = self.engine.deliveries, self._tun, self.engine.lit, self.engine.drops
        observe, clock, t0 = self._tally.lateness.observe, time.monotonic, self._t0_s
        while deliveries and deliveries[0][0] <= now_s:
            due, _, node, train = heappop(deliveries)
            if not lit[node]:
                drops["dark"] += train.segments
                continue
            late = clock() - t0 - due
            try:
                os.write(tun[node], with_ttl(train.data, train.ttl))
            except OSError:
                drops["unread"] += train.segments
                continue
            observe(late, train.segments)
            counts = self._tally.received[node]
            counts[0] += train.segments
            counts[1] += train.wire
            if not deliveries or deliveries[0][0] > now_s:
                self._read_answer(tun[node], node, due + late)

    def _read_answer(self, descriptor: int, node: int, written_s: float) -> None:
        """What the node's kernel sent in the very system call that delivered to it: an echo reply, an acknowledgement.

        It belongs to the instant of that delivery: the host's time in between is no part of the emulated network. What no
        kernel answers with was sent by a process meanwhile, and must not arrive faster than light.
        """
        try:
            data = os.read(descriptor, READ_BYTES)
        except OSError:  # nothing came back; a dead node is noticed where its socket ends
            return
        now_s = time.monotonic() - self._t0_s
        self._tally.ingress_lag.observe(now_s - written_s)
        self._enter(written_s if may_be_answer(data) else now_s, node, data)

    def _look(self, now_s: float) -> None:
        """See who is at the door; the next look is due PACE_S later, whoever knocks meanwhile."""
        if (knock := self._door.look()) is not None:
            if isinstance(knock.said, attach.Watch):
                self._watched(knock.connection)
            else:
                self._attach(knock.connection, *knock.said)
        self.engine.at(now_s + PACE_S, lambda _: self._epoll.modify(self._door, _ONE_LOOK))

    def _attach(self, connection: socket.socket, hello: attach.Hello, tun: int) -> None:
        """A node brings its descriptor."""
        index = self._index.get(hello.name, -1)
        if index < 0 or self._config.rows[index] < 0:
            self._refuse(connection, tun, f"no inhabited node is called {hello.name!r}")
            return
        if not is_mesh_device(tun):
            self._refuse(connection, tun, "not a TUN descriptor with virtio headers")
            return
        for other, (_, holder) in list(self._attached.items()):
            if holder == index:
                self._drop_connection(other)
        self._forget(index)
        os.set_blocking(tun, False)
        self._discard(tun)
        self._catch_up()
        at_s = self._now_s()
        self._tun[index] = tun
        self._node_of[tun] = index
        self._hold(connection, index)
        self._epoll.register(tun, select.EPOLLIN)
        self.engine.light(index, not self._darkened[index])
        self._reply(connection, attach.Accepted(index))
        self._tell({"op": "lit", "node": index, "at": at_s})

    def _watched(self, connection: socket.socket) -> None:
        """Somebody measures, who is no node."""
        if sum(node < 0 for _, node in self._attached.values()) >= MOST_WATCHERS:
            with contextlib.suppress(OSError):
                hand_out.send_error(connection, f"{MOST_WATCHERS} watch already")
            self._door.show_out(connection)
            return
        self._show(connection)
        self._hold(connection, -1)

    def _hold(self, connection: socket.socket, node: int) -> None:
        """From now on only the end of a connection counts: what else is said there is never looked at."""
        self._attached[connection.fileno()] = (connection, node)
        self._epoll.register(connection, select.EPOLLRDHUP)

    def _end(self, descriptor: int) -> None:
        """A connection ended: its process is gone."""
        _, node = self._attached[descriptor]
        self._drop_connection(descriptor)
        if node >= 0:
            self._forget(node)

    def _show(self, connection: socket.socket) -> None:
        """Hand out how long this thread has waited for a core; the open connection tells whether it still runs."""
        with contextlib.suppress(OSError):
            if self._schedstat is None:
                hand_out.send_error(
                    connection, "this kernel does not say how long the fabric waits for a core"
                )
            else:
                hand_out.send_fabric(connection, self._schedstat)

    def _refuse(self, connection: socket.socket, tun: int, why: str) -> None:
        self._reply(connection, attach.Refused(why))
        self._door.show_out(connection, tun)

    def _discard(self, tun: int) -> None:
        """Drop what the node sent while its lasers were dark: the kernel kept it, a laser would not have."""
        with contextlib.suppress(OSError):
            for _ in range(MOST_DISCARDED):
                os.read(tun, READ_BYTES)
                self.engine.drops["dark"] += 1

    def _reply(self, connection: socket.socket, reply: attach.Reply) -> None:
        with contextlib.suppress(OSError):
            attach.send_reply(connection, reply)

    def _drop_connection(self, descriptor: int) -> None:
        connection, _ = self._attached.pop(descriptor)
        self._epoll.unregister(descriptor)
        self._door.show_out(connection)

    def _forget(self, node: int) -> None:
        """Dark from now on. The descriptor is closed elsewhere: the last close tears down a namespace."""
        tun = self._tun[node]
        if tun < 0:
            return
        self._catch_up()
        with contextlib.suppress(OSError):  # what its kernel has answered by now is on its way
            for _ in range(READS_PER_TURN):
                self._enter(self._now_s(), node, os.read(tun, READ_BYTES))
        at_s = self._now_s()
        self.engine.advance(at_s)
        self._tun[node] = -1
        del self._node_of[tun]
        self._undrained_since_s.pop(tun, None)
        self._epoll.unregister(tun)
        self.engine.light(node, False)
        self._closer.close(tun)
        self._tell({"op": "dark", "node": node, "at": at_s})

    def _catch_up(self) -> None:
        """Carry out what is due by now: however long the host has kept this thread waiting, what changes from here on is
        nothing to what came before."""
        now_s = self._now_s()
        self.engine.advance(now_s)
        self._deliver(now_s)

    def close(self) -> None:
        """Let go of every descriptor but the control socket, which is the caller's. Call it after `run` only."""
        for connection, _ in self._attached.values():
            self._door.show_out(connection)
        for tun in self._node_of:
            self._closer.close(tun)
        if self._schedstat is not None:
            os.close(self._schedstat)
        self._timer.close()
        self._epoll.close()
        self._door.close(CLOSING_S)
        self._closer.end(CLOSING_S)

    def _tell(self, message: dict[str, Any], packed: bytes = b"") -> None:
        """Tell the orchestrator; nothing is lost while it is too busy to listen."""
        self._unsent.append(json.dumps(message).encode() + packed)
        self._send_unsent()

    def _send_unsent(self) -> None:
        try:
            while self._unsent:
                self._control.send(self._unsent[0])
                self._unsent.popleft()
        except BlockingIOError:
            self._epoll.modify(self._control, select.EPOLLIN | select.EPOLLOUT)
        except (BrokenPipeError, ConnectionResetError):
            self._unsent.clear()
        else:
            self._epoll.modify(self._control, select.EPOLLIN)

    def _obey(self) -> bool:
        """Carry out the orchestrator's messages; False when it is gone."""
        while True:
            try:
                data = self._control.recv(MAX_MESSAGE_BYTES)
            except BlockingIOError:
                return True
            except ConnectionResetError:
                return False
            if not data:
                return False
            text, _, packed = data.partition(b"\0")
            message = json.loads(text)
            if message["op"] in _TIMELY:
                self._heard(message["at"])
            match message["op"]:
                case "links":
                    self._ahead.at(message["at"], partial(self._set_links, message["ids"]))
                case "segment":
                    self._ahead.at(
                        message["at"], partial(self._set_segment, message["slot"], message["slack_s"])
                    )
                case "routes":
                    self._told += 1
                    self._ahead.at(message["at"], partial(self._set_routes, message["slot"], self._told))
                case "recall":
                    self._ahead.recall(message["after"])
                case "adopt":
                    self._adopt(message["slot"], message["count"])
                case "parameters":
                    values = np.frombuffer(packed, "f8", len(PARAMETERS) * message["n"])
                    numbers = np.frombuffer(packed, "u4", message["n"], values.nbytes).tolist()
                    self._parameters += zip(
                        numbers, *values.reshape(len(PARAMETERS), -1).tolist(), strict=True
                    )
                    if not message["more"]:
                        at = self._ahead.at if message["ahead"] else self.engine.at
                        at(message["at"], partial(self._set_parameters, self._parameters))
                        self._parameters = []
                case "lit":
                    self.engine.at(message["at"], partial(self._set_lit, message["nodes"], message["lit"]))
                case "cuts":
                    self._cuts += packed
                    if not message["more"]:
                        cuts = Cuts(self._cuts, self.engine.n_nodes) if self._cuts else None
                        self.engine.at(message["at"], partial(self._set_cuts, cuts))
                        self._cuts = b""
                case "flip":
                    one = Flip(message["flip"], message["draw"], message["fixed_ratio"])
                    self.engine.at(message["at"], partial(self._arm, message["node"], one))
                case "transfer":
                    self._transfers[message["id"]] = Transfer(
                        self.engine,
                        message["id"],
                        message["at"],
                        message["src"],
                        message["dst"],
                        message["bytes"],
                        self._tell_of_transfer,
                        message["class"],
                    )
                case "cancel":
                    if (transfer := self._transfers.get(message["id"])) is not None:
                        self.engine.at(self._now_s(), transfer.cancel)
                case "flows":
                    self.engine.at(
                        message["at"], partial(self._set_flows, message["n"], message["quantum_bytes"])
                    )
                case "read":
                    numbers = np.frombuffer(packed, "u4", message["n"]).tolist()
                    sides = unpack_sides(packed[4 * message["n"] :], self.engine.n_nodes)
                    what = message["read"], numbers, message["nodes"], sides
                    self.engine.at(message["at"], partial(self._read_back, *what))
                case "end":
                    os._exit(ENDED_ON_REQUEST)
                case "stats":
                    with_links = bool(message["links"])
                    self._dump = self._tally.write(
                        self._arrays, self.engine, self._flows, self._now_s, with_links=with_links
                    )

    def _waited_s(self) -> float:
        """How long this thread has been ready to run and has not run so far; 0 where the kernel does not say."""
        if self._schedstat is None:
            return 0.0
        return int(os.pread(self._schedstat, 99, 0).split()[1]) / 1e9

    def _heard(self, at_s: float) -> None:
        """An order for `at_s` has come: what is over by now has gone without it."""
        now_s = self._now_s()
        if now_s - at_s > HELD_UP_S:
            self._tell_held_up(max(at_s, self._began_s), now_s)

    def _tell_held_up(self, since_s: float, until_s: float) -> None:
        """What was sent, or is said to have held, since then may have left or begun to hold no sooner than now."""
        self._tell({"op": "held_up", "since": since_s, "at": until_s})

    def _arm(self, node: int, one: Flip, _: float) -> None:
        self.engine.arm(node, one)

    def _tell_of_hit(self, hit: Hit) -> None:
        self._tell({"op": "hit", **asdict(hit)})

    def _tell_of_transfer(self, message: dict[str, Any]) -> None:
        if message["state"] != "running":
            del self._transfers[message["id"]]
        self._tell(message)

    def _now_s(self) -> float:
        return time.monotonic() - self._t0_s

    def _set_links(self, ids: list[int], _: float) -> None:
        arrays, links = self._arrays, self.engine.links
        make = Link if self._classes is None else partial(SharedLink, classes=self._classes)
        for number in ids:
            link = make(
                int(arrays["src"][number]),
                int(arrays["dst"][number]),
                float(arrays["s_per_byte"][number]),
                float(arrays["queue_s"][number]),
                float(arrays["loss_ratio"][number]),
                str(self._config.seed),
                float(arrays["corrupt_ratio"][number]),
            )
            if number < len(links):
                self.engine.drops["queue"] += links[number].dropped_queue
                self.engine.drops["loss"] += links[number].dropped_loss
                links[number] = link
            else:
                assert number == len(links), "links are created in order"
                links.append(link)
            self.engine.set_extra(number, float(arrays["extra_s"][number]))

    def _set_parameters(self, parameters: list[tuple[float, ...]], _: float) -> None:
        links, set_extra = self.engine.links, self.engine.set_extra
        for number, s_per_byte, queue_s, loss_ratio, extra_s, corrupt_ratio in parameters:
            links[int(number)].set_parameters(s_per_byte, queue_s, loss_ratio, corrupt_ratio)
            set_extra(int(number), extra_s)

    def _set_cuts(self, cuts: Cuts | None, _: float) -> None:
        self.engine.cuts = cuts

    def _set_flows(self, n: int, quantum_bytes: int, at_s: float) -> None:
        self._flows.stop()
        columns = (self._arrays[f"flow_{name}"][:n].tolist() for name in ("src", "dst", "bps"))
        flows = [Flow(*values) for values in zip(*columns, strict=True)]
        self._flows = Flows(self.engine, at_s, flows, quantum_bytes, str(self._config.seed))

    def _read_back(
        self, read: int, numbers: list[int], nodes: list[int], sides: NDArray[np.uint8], _: float
    ) -> None:
        """Say what links, nodes and cuts are like at this instant."""
        links, extra_s, lit = self.engine.links, self.engine.extra_s, self.engine.lit
        cuts = self.engine.cuts
        values = array("d")
        for number in numbers:
            if number < len(links):
                link = links[number]
                values.extend((link.s_per_byte, link.queue_s, link.loss_ratio))
                values.extend((extra_s(number), link.corrupt_ratio))
            else:
                values.extend([math.nan] * len(PARAMETERS))
        cut = cuts.ways(sides) if cuts is not None else [0] * len(sides)
        answer = {"op": "read", "read": read, "lit": [bool(lit[node]) for node in nodes], "cut": cut}
        self._tell(answer, b"\0" + values.tobytes())

    def _set_lit(self, nodes: list[int], lit: bool, _: float) -> None:
        for node in nodes:
            self._darkened[node] = not lit
            self.engine.light(node, lit and (self._config.rows[node] < 0 or self._tun[node] >= 0))

    def _set_segment(self, slot: int, slack_s: float, at_s: float) -> None:
        view = self._arrays["segments"][slot]
        self.engine.begin_segment(at_s, memoryview(view[0]), memoryview(view[1]))
        self._hop_slack_s = slack_s
        self._tally.scalars["late_segments"] += time.monotonic() - self._t0_s - at_s > LATE_SEGMENT_S

    def _set_routes(self, slot: int, told: int, at_s: float) -> None:
        self._routes_told = max(told, self._routes_told)
        self.engine.follow(memoryview(self._arrays["routes"][slot]), at_s)

    def _adopt(self, slot: int, count: int) -> None:
        self._told += 1
        told, arrays = self._told, self._arrays
        if count:
            self._heard(float(arrays["adopt_at"][slot][0]))
        Adoption(
            self.engine,
            memoryview(arrays["routes"][slot]),
            memoryview(arrays["adopt_at"][slot]),
            memoryview(arrays["adopt_node"][slot]),
            count,
            lambda: self._routes_told > told,
        )

    def _continue_dump(self) -> None:
        assert self._dump is not None
        if next(self._dump, self) is self:
            self._dump = None
            self._tell({"op": "stats"})
