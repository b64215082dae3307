"""The mesh in virtual time: trains enter, cross links hop by hop, and come out with the instant they are due.

No clock, no file descriptor and no thread in here: `ingress` and `advance` are told the time, deliveries wait on a
heap. An event's time is *computed* from the previous one, so a late host never adds up over hops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from heapq import heappop, heappush, heapreplace
from math import inf
from typing import Any

from skyrack.orchestrator.fabric import icmp
from skyrack.orchestrator.fabric.classes import SharedLink, Turn
from skyrack.orchestrator.fabric.cuts import Cuts
from skyrack.orchestrator.fabric.damage import Damaged, damaged
from skyrack.orchestrator.fabric.flip import Flip, Hit, flip
from skyrack.orchestrator.fabric.link import LOST, UNHARMED, Link
from skyrack.orchestrator.fabric.quantum import COMPUTE, Quantum
from skyrack.orchestrator.fabric.train import VNET_BYTES, MalformedTrain, Train, split

NO_LINK = 0xFFFFFFFF
LIT, ARMED = 1, 2  # of Engine.lit; 0 is dark
CONTROL = -1
DROPS = (
    "cut",
    "dark",
    "link_down",
    "loop",
    "loss",
    "malformed",
    "no_address",
    "no_route",
    "not_ipv4",
    "queue",
    "ttl",
    "unread",
)


class Engine:
    """All links, route tables and events of one mesh.

    Args:
        n_nodes: satellites and ground stations; an event's node is an index below it.
        base_address: IPv4 address (as an integer) of node 0.
        endpoint: per node, 1 where a process receives packets, 0 for bare satellites, which the engine answers for.
        rows: per node, its row in the route table, -1 for nodes that have none (bare satellites).

    Route tables are flat, `row * n_nodes + node -> link`, NO_LINK where there is no way. Links come in pairs:
    link ^ 1 is the opposite direction. `views[node]` is the table that a node follows: all the same one unless they
    know different things. It is changed in place only. `since_s[node]` is the instant from which on that was ordered.

    `cuts`: what is lost whichever way it would go; it is lost where it is sent, so what is under way goes on.

    `on_hit` hears of packets that `arm` has had a bit turned over in.

    `loops` counts how often a packet was sent back to the node it had just come from, `corrupted` how often links damaged
    one.
    """

    def __init__(self, n_nodes: int, base_address: int, endpoint: Sequence[int], rows: Sequence[int]) -> None:
        self.n_nodes = n_nodes
        self.base_address = base_address
        self.endpoint = bytes(endpoint)
        self.lit = bytearray(not inhabited for inhabited in endpoint)
        self.rows = [row * n_nodes if row >= 0 else -1 for row in rows]
        self.links: list[Link] = []
        self.views: list[Any] = [[NO_LINK] * (n_nodes * (max(rows, default=-1) + 1))] * n_nodes
        self.since_s = [-inf] * n_nodes
        self.delay_s: Any = []
        self.slope: Any = []
        self.segment_start_s = 0.0
        self._extra_s: dict[int, float] = {}  # where it is not 0
        self._orbit_s: dict[int, float] = {}  # what delay_s said there
        self.hops: list[tuple[float, int, int, Any]] = []
        self.deliveries: list[tuple[float, int, int, Train]] = []
        self.sequence = 0
        self.drops = dict.fromkeys(DROPS, 0)
        self.loops = self.corrupted = 0
        self.cuts: Cuts | None = None
        self.on_hit: Callable[[Hit], None] = lambda hit: None
        self._flips: dict[int, list[Flip]] = {}  # by node; armed nodes are `lit` with ARMED
        self._tokens: dict[tuple[int, bool], tuple[float, float]] = {}

    def at(self, time_s: float, action: Callable[[float], None]) -> None:
        """Run `action(time_s)` in its place among the packets: the way segments, routes and faults take effect."""
        self.sequence += 1
        heappush(self.hops, (time_s, self.sequence, CONTROL, action))

    def begin_segment(self, at_s: float, delay_s: Any, slope: Any) -> None:
        """From `at_s` on, link i's delay is delay_s[i] + slope[i] * (t - at_s) and what `set_extra` says; negative: dark.

        `delay_s` is written to, so that nothing is added per packet.
        """
        self.delay_s, self.slope, self.segment_start_s = delay_s, slope, at_s
        for number, extra_s in self._extra_s.items():
            self._orbit_s[number] = delay_s[number]
            if delay_s[number] >= 0.0:
                delay_s[number] += extra_s

    def set_extra(self, number: int, extra_s: float) -> None:
        """Add `extra_s` to a link's delay from now on, in this segment and later ones; -inf: the link is down."""
        if number in self._extra_s and number < len(self.delay_s):
            self.delay_s[number] = self._orbit_s[number]
        self._extra_s.pop(number, None)
        self._orbit_s.pop(number, None)
        if extra_s:
            self._extra_s[number] = extra_s
            if number < len(self.delay_s):
                self._orbit_s[number] = self.delay_s[number]
                if self.delay_s[number] >= 0.0:
                    self.delay_s[number] += extra_s

    def extra_s(self, number: int) -> float:
        """What `set_extra` said of a link, 0 where nothing."""
        return self._extra_s.get(number, 0.0)

    def follow(self, table: Any, since_s: float = 0.0) -> None:
        """Let every node follow `table` from now on, as was ordered for `since_s`."""
        self.views[:] = [table] * self.n_nodes
        self.since_s[:] = [since_s] * self.n_nodes

    def ingress(self, now_s: float, node: int, data: bytes) -> Train | None:
        """A packet (virtio header first) that `node`'s kernel sent, read at `now_s`; None where it is no packet."""
        try:
            version = data[VNET_BYTES]
            if version >> 4 != 4:
                self.drops["not_ipv4"] += 1
                return None
            header_bytes = (version & 15) * 4
            size = len(data) - VNET_BYTES
            if (data[12] << 8 | data[13]) != size or not 20 <= header_bytes <= size:
                self.drops["malformed"] += 1
                return None
            dst = int.from_bytes(data[26:30], "big") - self.base_address
            if not 0 <= dst < self.n_nodes:
                train = Train(data, node, -1, 0, now_s)
                self.drops["no_address"] += train.segments
                self._refuse(now_s, node, data, icmp.UNREACHABLE, icmp.HOST)
                return train
            # The first pop is the sender itself, which does not spend a hop of the time to live.
            train = Train(data, dst, self.rows[dst], data[18] + 1, now_s)
            if self.cuts is not None and self.cuts.part(node, dst):
                self.drops["cut"] += train.segments
                return train
        except (IndexError, MalformedTrain):
            self.drops["malformed"] += 1
            return None
        self.sequence += 1
        heappush(self.hops, (now_s, self.sequence, node, train))
        return train

    def enter(self, t: float, node: int, quantum: Quantum) -> None:
        """A quantum of a declared transfer begins its way at `t`."""
        if self.cuts is not None and self.cuts.part(node, quantum.end):
            self._drop(t, quantum, "cut")
            return
        self.sequence += 1
        heappush(self.hops, (t, self.sequence, node, quantum))

    def next_due_s(self) -> tuple[float, float]:
        """Times of the next hop and of the next delivery, infinite where there is none."""
        return self.hops[0][0] if self.hops else inf, self.deliveries[0][0] if self.deliveries else inf

    def advance(self, now_s: float) -> None:
        """Carry out every event up to `now_s`, in the order of their times."""
        hops, deliveries = self.hops, self.deliveries
        links, lit, endpoint = self.links, self.lit, self.endpoint
        views, delay, slope, origin = self.views, self.delay_s, self.slope, self.segment_start_s
        sequence = self.sequence
        while hops and hops[0][0] <= now_s:
            # The event stays at the top of the heap until its successor replaces it: one sift instead of two.
            t, _, node, train = hops[0]
            if node < 0:
                heappop(hops)
                self.sequence = sequence
                train(t)
                sequence = self.sequence
                delay, slope, origin = self.delay_s, self.slope, self.segment_start_s
                continue
            if lit[node] != LIT:
                heappop(hops)
                self.sequence = sequence
                if lit[node]:
                    self._flip(t, node, train)
                else:
                    self._drop(t, train, "dark")
                sequence = self.sequence
                continue
            ttl = train.ttl = train.ttl - 1
            row = train.row
            number = views[node][row + node] if row >= 0 else self._link_to_bare(node, train)
            if number == NO_LINK or ttl <= 0:
                heappop(hops)
                self.sequence = sequence
                self._ends_here(t, node, train)
                sequence = self.sequence
                continue
            d = delay[number]
            if d < 0.0:
                heappop(hops)
                self.sequence = sequence
                self._drop(t, train, "link_down")
                sequence = self.sequence
                continue
            link = links[number]
            free = link.free_at if not link.tails else link.yield_to_tails(t)
            wire = train.wire
            n = train.segments
            s_per_byte = link.s_per_byte
            if n == 1:
                if free <= t:
                    link.busy_since = t
                    link.busy_bytes = wire
                    link.free_at = end = t + wire * s_per_byte
                else:
                    if free - t > link.queue_s:
                        heappop(hops)
                        if free == inf:
                            self.sequence = sequence
                            self._carry_slowly(t, train, link, d, slope[number], origin)
                            sequence = self.sequence
                            continue
                        link.dropped_queue += 1
                        continue
                    link.busy_bytes = busy = link.busy_bytes + wire
                    link.free_at = end = link.busy_since + busy * s_per_byte
                    link.wait_s += free - t
                if link.risky and (mishap := link.next_mishap()):
                    if mishap == LOST:
                        heappop(hops)
                        link.dropped_loss += 1
                        continue
                    train = self._damaged(train, link)
                head = tail = end + d + slope[number] * (end - origin)
            else:
                busy_since, busy = (link.busy_since, link.busy_bytes + wire) if free > t else (t, wire)
                end = busy_since + busy * s_per_byte
                start = free if free > t else t
                last = train.last * s_per_byte
                # A train that comes in slower than this link sends ends when its last segment does.
                out = max(end, train.tail + last)
                queue_s = link.queue_s
                if start - t > queue_s or out - last - train.tail > queue_s or (link.risky and link.gap < n):
                    heappop(hops)
                    self.sequence = sequence
                    self._carry_slowly(t, train, link, d, slope[number], origin)
                    sequence = self.sequence
                    continue
                link.gap -= n if link.risky else 0
                link.busy_since, link.busy_bytes, link.free_at = busy_since, busy, end
                if free > t:
                    link.wait_s += (free - t) * n
                if out > end:
                    link.keep_tail(train.tail, out)
                first = start + train.segment * s_per_byte
                head = first + d + slope[number] * (first - origin)
                train.tail = tail = out + d + slope[number] * (out - origin)
            link.packets += n
            link.bytes += wire
            sequence += 1
            onward = link.dst
            if onward == train.dst and endpoint[onward]:
                heappop(hops)
                heappush(deliveries, (tail, sequence, onward, train))
                continue
            if onward == train.came_from:
                self._sent_back(train)
            train.came_from = node
            heapreplace(hops, (head, sequence, onward, train))
        self.sequence = sequence

    def light(self, node: int, on: bool) -> None:
        """Switch its lasers on or off."""
        self.lit[node] = (ARMED if node in self._flips else LIT) if on else 0

    def arm(self, node: int, one: Flip) -> None:
        """Have a bit of the payload of the next packet turned over that the node sends or forwards."""
        self._flips.setdefault(node, []).append(one)
        self.light(node, bool(self.lit[node]))

    def _flip(self, t: float, node: int, train: Any) -> None:
        """The packet goes on its way, with a bit turned over if it has any."""
        waiting = self._flips[node]
        done = None if isinstance(train, Quantum) else flip(waiting[0], t, train, self.base_address)
        parts = [train] if done is None else done[0]
        self.lit[node] = LIT
        for part in parts:
            self.sequence += 1
            heappush(self.hops, (t, self.sequence, node, part))
        if done is not None:
            del waiting[0]
            if not waiting:
                del self._flips[node]
            self.on_hit(done[1])
        if node in self._flips:
            # Behind this one.
            self.at(t, lambda _: self.light(node, bool(self.lit[node])))

    def _carry_slowly(
        self, t: float, train: Train, link: Link, delay_s: float, slope: float, origin: float
    ) -> None:
        """What the loop leaves out: links with classes, and trains of which some segments are dropped, lost or damaged."""
        if not isinstance(link, SharedLink):
            self._carry(Turn(t, train, delay_s, slope, origin), link, link.queue_s)
        elif link.rung or link.free_at > t:
            for arrival_s, part in link.admit(t, train):
                link.wait(Turn(arrival_s, part, delay_s, slope, origin))
            if link.waits and not link.rung:
                self._ring(link)
        else:
            traffic_class = link.begin(train)
            self._send(Turn(t, train, delay_s, slope, origin), link, link.queue_s, traffic_class)

    def _ring(self, link: SharedLink) -> None:
        """Come back when the transmitter is free: somebody waits for it."""
        link.rung = True
        self.at(link.free_at, partial(self._send_next, link))

    def _send_next(self, link: SharedLink, t: float) -> None:
        """The transmitter is free at `t`, and somebody waits."""
        turn, traffic_class = link.next_turn()
        self._send(turn, link, inf, traffic_class)
        link.rung = False
        if link.waits:
            self._ring(link)

    def _send(self, turn: Turn, link: SharedLink, queue_s: float, traffic_class: int) -> None:
        link.free_for(turn.t)
        before = link.packets, link.bytes, link.dropped_queue
        self._carry(turn, link, queue_s)
        if traffic_class == COMPUTE:
            link.count_compute(before)

    def _carry(self, turn: Turn, link: Link, queue_s: float) -> None:
        """Send a train over a link when that is free, what has waited longer than `queue_s` by then excepted."""
        t, train, delay_s, slope, origin = turn
        n = train.segments
        if isinstance(train, Quantum):
            if link.wait_s_of(t, train) > queue_s:
                link.dropped_queue += n
                train.sender.dropped(t, train.wire, queue_full=True)
            else:
                self._carry_quantum(turn, train, link)
        elif n > 1 and ((link.risky and link.gap < n) or link.wait_s_of(t, train) > queue_s):
            self._carry_segments(turn, link, queue_s)
        else:
            start, out = link.occupy(t, train)
            if n > 1:
                link.gap -= n if link.risky else 0
            elif link.risky and (mishap := link.next_mishap()):
                if mishap == LOST:
                    link.dropped_loss += 1
                    return
                train = self._damaged(train, link)
            link.packets += n
            link.bytes += train.wire
            first = start + train.segment * link.s_per_byte
            train.tail = out + delay_s + slope * (out - origin)
            self._pass_on(train, link, first + delay_s + slope * (first - origin))

    def _carry_segments(self, turn: Turn, link: Link, queue_s: float) -> None:
        """The same link, segment by segment: taken when some of a train's segments are dropped, lost or damaged."""
        t, train, delay_s, slope, origin = turn
        n = train.segments
        step = (train.tail - t) / (n - 1)
        runs: list[tuple[int, int, float, float, int]] = []  # first, stop, head, tail; whether damaged
        free = link.free_at
        work_end = max(free, t)
        for i in range(n):
            arrival = t + i * step
            start = max(arrival, free)
            if start - arrival > queue_s:
                link.dropped_queue += 1
                continue
            size = train.segment if i < n - 1 else train.last
            free = start + size * link.s_per_byte
            work_end += size * link.s_per_byte
            mishap = link.next_mishap() if link.risky else UNHARMED
            if mishap == LOST:
                link.dropped_loss += 1
                continue
            link.packets += 1
            link.bytes += size
            link.wait_s += start - arrival
            arrives = free + delay_s + slope * (free - origin)
            if runs and runs[-1][1] == i and mishap == runs[-1][4] == UNHARMED:
                runs[-1] = (runs[-1][0], i + 1, runs[-1][2], arrives, UNHARMED)
            else:
                runs.append((i, i + 1, arrives, arrives, mishap))
        link.busy_until(min(work_end, free))
        if free > work_end:
            link.keep_tail(train.tail, free)
        for first, stop, head, tail, mishap in runs:
            part = split(train, first, stop)
            part.tail = tail
            part.came_from, part.looped = train.came_from, train.looped
            self._pass_on(part if mishap == UNHARMED else self._damaged(part, link), link, head)

    def _carry_quantum(self, turn: Turn, quantum: Quantum, link: Link) -> None:
        """The same for a quantum: lost segments leave it shorter, damaged ones as well, which nobody could make use of."""
        t, _, delay_s, slope, origin = turn
        n, wire = quantum.segments, quantum.wire
        lost = link.mishaps_among(n)
        left = max(0, wire - lost * quantum.segment) if lost < n else 0
        start, out = link.occupy(t, quantum)
        link.dropped_loss += lost
        link.packets += n - lost
        link.bytes += left
        if left < wire:
            quantum.sender.dropped(t, wire - left, queue_full=False)
        if left:
            first = start + quantum.segment * link.s_per_byte
            quantum.tail = out + delay_s + slope * (out - origin)
            quantum.resize(left)
            self._pass_on(quantum, link, first + delay_s + slope * (first - origin))

    def _pass_on(self, train: Train, link: Link, head: float) -> None:
        """To the other end of a link, or to the kernel there; its tail says when the last of it is there."""
        self.sequence += 1
        if link.dst == train.dst and self.endpoint[link.dst]:
            heappush(self.deliveries, (train.tail, self.sequence, link.dst, train))
            return
        if link.dst == train.came_from:
            self._sent_back(train)
        train.came_from = link.src
        heappush(self.hops, (head, self.sequence, link.dst, train))

    def _damaged(self, train: Train, link: Link) -> Train:
        """What is left of a packet after a link has damaged it."""
        self.corrupted += 1
        return damaged(train, link.draw_below)

    def _drop(self, t: float, train: Train, cause: str) -> None:
        self.drops[cause] += train.segments
        if isinstance(train, Quantum):
            train.sender.dropped(t, train.wire, queue_full=False)

    def _sent_back(self, train: Train) -> None:
        """Count a train that turns round: the two nodes know different things."""
        self.loops += train.segments
        train.looped = True

    def _ends_here(self, t: float, node: int, train: Train) -> None:
        """A train that goes no further: at its bare destination, out of hops, or without a route."""
        if isinstance(train, Quantum):
            if node == train.end:
                train.sender.arrived(train.tail, train.wire)
            else:
                self._drop(t, train, "no_route" if train.ttl > 0 else "loop" if train.looped else "ttl")
        elif node == train.dst and self.endpoint[node]:
            self.sequence += 1
            # The node's own kernel routes its address to lo; only a guest that bypasses it sends to itself here.
            heappush(self.deliveries, (t, self.sequence, node, train))
        elif node == train.dst:
            if isinstance(train, Damaged):
                return  # as its network stack would drop it
            if (reply := icmp.echo_reply(train.data)) is not None:
                self._answer(t, node, reply, False)
            else:
                self._refuse(t, node, train.data, icmp.UNREACHABLE, icmp.PORT)
        elif train.ttl <= 0:
            self.drops["loop" if train.looped else "ttl"] += train.segments
            self._refuse(t, node, train.data, icmp.TIME_EXCEEDED, 0)
        else:
            self.drops["no_route"] += train.segments
            self._refuse(t, node, train.data, icmp.UNREACHABLE, icmp.NET)

    def _refuse(self, t: float, node: int, data: bytes, kind: int, code: int) -> None:
        """Send an ICMP error about `data`.

        To the node itself it comes from the network's own address: a kernel drops what claims to come from itself.
        """
        address = self.base_address + node
        if int.from_bytes(data[22:26], "big") == address:
            address = self.base_address - 1
        self._answer(t, node, icmp.error(data, address, kind, code), True)

    def _answer(self, t: float, node: int, data: bytes | None, is_error: bool) -> None:
        """Send an answer of the satellite itself, through the same queues, unless it has answered too often."""
        if data is None or not self._allowed(t, node, is_error):
            return
        dst = int.from_bytes(data[26:30], "big") - self.base_address
        if not 0 <= dst < self.n_nodes or (self.rows[dst] < 0):
            return
        if self.cuts is not None and self.cuts.part(node, dst):
            self.drops["cut"] += 1
            return
        train = Train(data, dst, self.rows[dst], data[18] + 1, t)
        self.sequence += 1
        if dst == node and self.endpoint[node]:
            train.ttl = data[18]  # it crosses no link, so the first pop does not take place
            heappush(self.deliveries, (t, self.sequence, node, train))
        else:
            heappush(self.hops, (t, self.sequence, node, train))

    def _allowed(self, t: float, node: int, is_error: bool) -> bool:
        """A token bucket per node: 100 errors/s with bursts of 50, 20,000 echo replies/s with bursts of 2,000."""
        rate, burst = (100.0, 50.0) if is_error else (20_000.0, 2_000.0)
        tokens, since = self._tokens.get((node, is_error), (burst, t))
        tokens = min(burst, tokens + (t - since) * rate)
        allowed = tokens >= 1.0
        self._tokens[node, is_error] = (tokens - allowed, t)
        return allowed

    def _link_to_bare(self, node: int, train: Train) -> int:
        """The next link towards a bare satellite, NO_LINK at its end and where the way is no more.

        The sender chooses the way when it sends.
        """
        if train.path is None:
            train.path = self._path_to_bare(node, train.dst)
        number = train.path.get(node, NO_LINK)
        # Numbers of links are given away again.
        return number if number != NO_LINK and self.links[number].src == node else NO_LINK

    def _path_to_bare(self, source: int, dst: int) -> dict[int, int]:
        """The way from an endpoint to a bare satellite: its own tree, backwards (links are symmetric); empty if none.

        All by the table that the endpoint itself follows, whatever the nodes on the way know.
        """
        row, table = self.rows[source], self.views[source]
        path: dict[int, int] = {}
        node = dst
        while node != source and row >= 0:
            number = table[row + node]
            if number == NO_LINK:
                return {}
            node = self.links[number].dst
            if node in path:  # a table of several trees
                return {}
            path[node] = number ^ 1
        return path if node == source else {}
