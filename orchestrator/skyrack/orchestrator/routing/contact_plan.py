"""The contacts to come between nodes that can keep what they are given: those with a process. Pure.

Two such nodes are in contact while the routes of the epochs join them, by however many bare satellites.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.routing.strategies.contact_graph import Contact
from skyrack.orchestrator.topology.epoch import GROUND, Epoch
from skyrack.orchestrator.topology.failures import NO_FAILURES, Failures
from skyrack.orchestrator.topology.geometry import Geometry

Floats = NDArray[np.float64]


def contact_plan(
    geometry: Geometry, t_s: float, horizon_s: float, failures: Failures = NO_FAILURES
) -> list[Contact]:
    """Contacts within [t_s, t_s + horizon_s), orbit seconds, of what is known to be in service now.

    The delay is the longest and the rate the lowest that the way has during a contact, so that nothing comes later.
    """
    contacts: list[Contact] = []
    under_way: dict[tuple[int, int], Contact] = {}
    nodes = geometry.inhabited.tolist()
    at_s, end_s = t_s, t_s + horizon_s
    while at_s < end_s:
        epoch = geometry.epoch(at_s, failures)
        until_s = min(epoch.t1_s, end_s)
        delay_s, rate_bps = _ways(geometry, epoch)
        joined = np.isfinite(delay_s)
        for row, dst in enumerate(nodes):
            for column, src in enumerate(nodes):
                way = (src, dst)
                if src == dst or not joined[row, column]:
                    if (over := under_way.pop(way, None)) is not None:
                        contacts.append(over)
                    continue
                delay, rate = float(delay_s[row, column]), float(rate_bps[row, column])
                began = under_way.get(way, Contact(src, dst, at_s, until_s, delay, rate))
                slowest = max(began.delay_s, delay), min(began.rate_bps, rate)
                under_way[way] = Contact(src, dst, began.t0_s, until_s, *slowest)
        at_s = epoch.t1_s
    return [*contacts, *under_way.values()]


def _ways(geometry: Geometry, epoch: Epoch) -> tuple[Floats, Floats]:
    """Delay and lowest rate (d, d) of the ways in an epoch, to row from column; infinite delay where there is none."""
    links, n = geometry.scenario.links, geometry.n_nodes
    nominal = np.where(epoch.kind == GROUND, links.ground_rate_bps, links.laser_rate_bps)[:, np.newaxis]
    share = epoch.share if epoch.share is not None else np.ones((len(epoch.a), 2))
    key = np.concatenate([epoch.a.astype(np.int64) * n + epoch.b, epoch.b.astype(np.int64) * n + epoch.a])
    order = np.argsort(key)
    key = key[order]
    light_s = np.tile(geometry.delay_s(epoch.a, epoch.b, epoch.t0_s), 2)[order]
    rate_bps = (nominal * share).T.reshape(-1)[order]
    d = len(epoch.destinations)
    here = np.tile(epoch.destinations.astype(np.int64), (d, 1))
    goal = here.T
    delay, slowest = np.zeros((d, d)), np.full((d, d), np.inf)
    rows = np.arange(d)[:, np.newaxis]
    for _ in range(n):
        onward = epoch.next_hop[rows, here].astype(np.int64)
        moving = (here != goal) & np.isfinite(delay)
        delay[moving & (onward < 0)] = np.inf
        moving &= onward >= 0
        if not moving.any():
            break
        place = np.searchsorted(key, here[moving] * n + onward[moving])
        delay[moving] += light_s[place]
        slowest[moving] = np.minimum(slowest[moving], rate_bps[place])
        here = np.where(moving, onward, here)
    return delay, slowest
