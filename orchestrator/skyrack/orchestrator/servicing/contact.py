"""Which contact of a node with a gateway new software takes: the first that lasts long enough. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

# Beyond size / rate: the way's delay, and the time from the decision to the first byte.
MARGIN_S = 0.1


@dataclass(frozen=True, slots=True)
class Contact:
    """A link of the node to `peer`, over [start_t_s, end_t_s) of orbit time; `ground`: to a ground station."""

    peer: str
    ground: bool
    start_t_s: float
    end_t_s: float


@dataclass(frozen=True, slots=True)
class Opportunity:
    """The software may go from `gateway`, `in_s` real seconds from now, for `lasts_s` of them."""

    gateway: str
    in_s: float
    lasts_s: float


def first_opportunity(
    contacts: Sequence[Contact], gateways: Collection[str], needs_s: float, now_t_s: float, speed: float
) -> Opportunity | None:
    """The one that begins first, of several the longest; None where none of those known lasts `needs_s` real seconds.

    `gateways`: who may send; of others nothing is taken. While the orbits are paused (`speed` 0) what is open stays open, and
    nothing else opens.
    """
    found: list[Opportunity] = []
    for contact in contacts:
        if not contact.ground or contact.peer not in gateways or contact.end_t_s <= now_t_s:
            continue
        ahead_t_s = max(0.0, contact.start_t_s - now_t_s)
        if speed == 0.0:
            in_s, lasts_s = math.inf if ahead_t_s else 0.0, math.inf
        else:
            in_s = ahead_t_s / speed
            lasts_s = (contact.end_t_s - max(contact.start_t_s, now_t_s)) / speed
        if in_s < math.inf and lasts_s >= needs_s:
            found.append(Opportunity(contact.peer, in_s, lasts_s))
    return min(found, key=lambda one: (one.in_s, -one.lasts_s), default=None)


def needs_s(size_bytes: int, rate_bps: float) -> float:
    """How long a contact has to last."""
    return size_bytes * 8.0 / rate_bps + MARGIN_S
