"""Small meshes in virtual time, packets for them, and a slow, obvious mesh to compare with."""

import math
import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop

from skyrack.orchestrator.fabric.classes import Classes, SharedLink
from skyrack.orchestrator.fabric.engine import NO_LINK, Engine
from skyrack.orchestrator.fabric.link import Link
from skyrack.orchestrator.fabric.train import VNET_BYTES, Train, checksum

BASE = 0x64400001  # 100.64.0.1
UDP, TCP, ICMP = 17, 6, 1
UNLIMITED = math.inf


@dataclass(frozen=True)
class Edge:
    """A link in both directions."""

    a: int
    b: int
    rate_bps: float = 1e9
    delay_s: float = 0.001
    queue_s: float = UNLIMITED
    loss_ratio: float = 0.0


@dataclass(frozen=True)
class Delivery:
    """A train that reached a node's kernel."""

    at_s: float
    node: int
    train: Train


def mesh(
    n_nodes: int,
    edges: Sequence[Edge],
    endpoints: Sequence[int],
    seed: str = "1",
    classes: Classes | None = None,
) -> Engine:
    """An engine with these links (edge k has links 2k and 2k + 1), all lit, and routes of the fewest hops."""
    rows = [endpoints.index(node) if node in endpoints else -1 for node in range(n_nodes)]
    engine = Engine(n_nodes, BASE, [row >= 0 for row in rows], rows)
    engine.lit = bytearray(b"\1" * n_nodes)
    for edge in edges:
        for a, b in ((edge.a, edge.b), (edge.b, edge.a)):
            parameters = (a, b, 8.0 / edge.rate_bps, edge.queue_s, edge.loss_ratio, seed)
            engine.links.append(
                SharedLink(*parameters, classes=classes) if classes is not None else Link(*parameters)
            )
    engine.delay_s = array("d", [edge.delay_s for edge in edges for _ in range(2)])
    engine.slope = array("d", [0.0] * (2 * len(edges)))
    engine.follow(shortest_routes(n_nodes, edges, endpoints))
    return engine


def line(
    hops: int,
    rate_bps: float = 1e9,
    delay_s: float = 0.001,
    queue_s: float = UNLIMITED,
    loss_ratio: float = 0.0,
    seed: str = "1",
    classes: Classes | None = None,
) -> Engine:
    """Nodes 0 .. hops in a row; the two ends have processes."""
    edges = [Edge(i, i + 1, rate_bps, delay_s, queue_s, loss_ratio) for i in range(hops)]
    return mesh(hops + 1, edges, (0, hops), seed, classes)


def shortest_routes(n_nodes: int, edges: Sequence[Edge], endpoints: Sequence[int]) -> "array[int]":
    """Flat table: row of each endpoint, breadth first from it."""
    table = array("I", [NO_LINK] * (n_nodes * len(endpoints)))
    for row, root in enumerate(endpoints):
        reached, frontier = {root}, [root]
        while frontier:
            here = frontier.pop(0)
            for k, edge in enumerate(edges):
                for src, dst, number in ((edge.a, edge.b, 2 * k), (edge.b, edge.a, 2 * k + 1)):
                    if dst == here and src not in reached:
                        reached.add(src)
                        frontier.append(src)
                        table[row * n_nodes + src] = number
    return table


def packet(
    src: int, dst: int, size: int = 100, ttl: int = 64, protocol: int = UDP, body: bytes = b"", ident: int = 0
) -> bytes:
    """A virtio header and an IPv4 packet of `size` bytes in all that begins with `body`."""
    payload = body + bytes(max(0, size - 20 - len(body)))
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), ident, 0, ttl, protocol, 0, _address(src), _address(dst)
    )
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return bytes(VNET_BYTES) + head + payload


def super_packet(
    src: int, dst: int, payload: bytes, mss: int, sequence: int = 1, flags: int = 0x18, ident: int = 7
) -> bytes:
    """TCP as a kernel with segmentation offload hands it over: pseudo-header sum, checksum still to be done."""
    tcp = struct.pack("!HHIIBBHHH", 4000, 5000, sequence, 99, 0x80, flags, 1024, 0, 0)
    tcp += b"\x01\x01\x08\x0a" + struct.pack("!II", 11, 12)  # the timestamps every Linux segment has
    data = packet(src, dst, protocol=TCP, size=0, body=tcp + payload, ident=ident)
    pseudo = sum(struct.unpack_from("!4H", data, VNET_BYTES + 12)) + TCP + len(tcp) + len(payload)
    while pseudo >> 16:
        pseudo = (pseudo & 0xFFFF) + (pseudo >> 16)
    data = data[: VNET_BYTES + 36] + struct.pack("!H", pseudo) + data[VNET_BYTES + 38 :]
    many = len(payload) > mss
    return struct.pack("=BBHHHH", 1, 1 if many else 0, 52, mss if many else 0, 20, 16) + data[VNET_BYTES:]


def marked(data: bytes, dscp: int) -> bytes:
    """The packet with this code point; nobody on the way looks at the header's checksum."""
    return data[: VNET_BYTES + 1] + bytes([dscp << 2]) + data[VNET_BYTES + 2 :]


def echo_request(src: int, dst: int, payload: bytes = b"x" * 36, ttl: int = 64) -> bytes:
    """An ICMP echo request with a valid checksum."""
    body = struct.pack("!BBHHH", 8, 0, 0, 0x1234, 1) + payload
    body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
    return packet(src, dst, protocol=ICMP, size=0, body=body, ttl=ttl)


def run(engine: Engine, until_s: float = UNLIMITED) -> list[Delivery]:
    """Carry out everything up to `until_s`; what arrived by then, in order."""
    engine.advance(until_s)
    arrived = []
    while engine.deliveries and engine.deliveries[0][0] <= until_s:
        at_s, _, node, train = heappop(engine.deliveries)
        arrived.append(Delivery(at_s, node, train))
    return arrived


def dropped(engine: Engine) -> int:
    """Segments that were dropped for any reason."""
    links = sum(link.dropped_queue + link.dropped_loss for link in engine.links)
    return sum(engine.drops.values()) + links


def one_by_one(arrivals_s: Sequence[float], sizes: Sequence[int], hops: Sequence[Edge]) -> list[float]:
    """When packets of one flow come out of a row of links: store and forward, packet by packet."""
    times = list(arrivals_s)
    for hop in hops:
        free = 0.0
        for i, size in enumerate(sizes):
            free = max(times[i], free) + size * 8.0 / hop.rate_bps
            times[i] = free + hop.delay_s
    return times


def _address(node: int) -> bytes:
    return (BASE + node).to_bytes(4, "big")
