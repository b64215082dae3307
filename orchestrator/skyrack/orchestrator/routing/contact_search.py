"""Contact-graph routing: the legs by which a bundle arrives first, over contacts that are still to come. Pure.

    london ===|contact 0-60|=== p1s03 .......carries....... p1s03 ===|contact 400-480|=== tokyo
              departs 0  arrives 3                            departs 400  arrives 403

Dijkstra by earliest arrival: Araniti et al., "Contact graph routing in DTN space networks: overview, enhancements and
performance", IEEE Communications Magazine 53(3), 2015; CCSDS 734.3-B-1. Both search a graph whose vertices are contacts;
since a bundle may wait anywhere, and nobody arrives earlier by being later, the earliest arrival at each node is enough.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable

from skyrack.orchestrator.routing.contacts import Contact, Leg


def earliest_legs(
    contacts: Iterable[Contact],
    src: int,
    dst: int,
    t_s: float,
    size_bytes: int,
    stores: Callable[[int], bool] = lambda node: True,
) -> tuple[Leg, ...] | None:
    """The legs that bring `size_bytes` as a whole from `src` to `dst` first, from `t_s` on; None when no contacts do.

    `stores`: whether a node on the way takes it in custody; what is for `dst` needs no store.
    """
    outgoing: dict[int, list[Contact]] = defaultdict(list)
    for contact in contacts:
        if contact.t1_s > t_s:
            outgoing[contact.src].append(contact)
    here: dict[int, float] = {src: t_s}
    last: dict[int, Leg] = {}
    heap, settled = [(t_s, src)], set[int]()
    while heap:
        at_s, node = heapq.heappop(heap)
        if node == dst:
            break
        if node in settled or (node != src and not stores(node)):
            continue
        settled.add(node)
        for contact in outgoing[node]:
            if contact.t0_s >= here.get(contact.dst, float("inf")):
                continue
            leg = contact.crossing(at_s, size_bytes)
            if leg is not None and leg.arrives_s < here.get(contact.dst, float("inf")):
                here[contact.dst] = leg.arrives_s
                last[contact.dst] = leg
                heapq.heappush(heap, (leg.arrives_s, contact.dst))
    if dst not in last:
        return None
    legs: list[Leg] = []
    node = dst
    while node != src:
        legs.append(last[node])
        node = last[node].src
    return tuple(reversed(legs))
