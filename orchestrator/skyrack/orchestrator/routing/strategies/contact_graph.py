"""contact-graph: store and forward over contacts that are still to come, for what has no way now.

    london ===|contact 0-60|=== p1s03 .......carries....... p1s03 ===|contact 400-480|=== tokyo
              departs 0  arrives 3                            departs 400  arrives 403

Contact-graph routing as in CCSDS 734.3-B (schedule-aware bundle routing): Dijkstra over contacts by earliest arrival. A
transfer crosses a contact as a whole, so it has to end before the contact does; it may wait anywhere in between. Contacts
are taken as idle: what others send over them is not booked. Packets, which nobody stores, go as by ephemeris.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from skyrack.orchestrator.routing.strategies.ephemeris import shortest
from skyrack.orchestrator.routing.strategies.protocol import Strategy
from skyrack.orchestrator.scenario.model.routing import Routing


def strategy(routing: Routing) -> Strategy:
    """That of packets: ephemeris."""
    return shortest


@dataclass(frozen=True, slots=True)
class Contact:
    """One direction: `src` can send to `dst` from `t0_s` until `t1_s`."""

    src: int
    dst: int
    t0_s: float
    t1_s: float
    delay_s: float
    rate_bps: float


@dataclass(frozen=True, slots=True)
class Leg:
    """One crossing: `src` begins to send at `departs_s`, and at `arrives_s` all of it is at `dst`."""

    src: int
    dst: int
    departs_s: float
    arrives_s: float


def earliest_legs(
    contacts: Iterable[Contact], src: int, dst: int, t_s: float, size_bytes: int
) -> tuple[Leg, ...] | None:
    """The legs that bring `size_bytes` from `src` to `dst` first, starting at `t_s`; None when no contacts do.

    Waiting never makes anybody later, so the earliest arrival at each node is all there is to remember of it.
    """
    outgoing: dict[int, list[Contact]] = defaultdict(list)
    for contact in contacts:
        outgoing[contact.src].append(contact)
    here: dict[int, float] = {src: t_s}
    last: dict[int, Leg] = {}
    heap, settled = [(t_s, src)], set[int]()
    while heap:
        at_s, node = heapq.heappop(heap)
        if node == dst:
            break
        if node in settled:
            continue
        settled.add(node)
        for contact in outgoing[node]:
            departs_s = max(at_s, contact.t0_s)
            sent_s = departs_s + size_bytes * 8.0 / contact.rate_bps
            arrives_s = sent_s + contact.delay_s
            if sent_s <= contact.t1_s and arrives_s < here.get(contact.dst, float("inf")):
                here[contact.dst] = arrives_s
                last[contact.dst] = Leg(node, contact.dst, departs_s, arrives_s)
                heapq.heappush(heap, (arrives_s, contact.dst))
    if dst not in here:
        return None
    legs: list[Leg] = []
    node = dst
    while node != src:
        legs.append(last[node])
        node = last[node].src
    return tuple(reversed(legs))
