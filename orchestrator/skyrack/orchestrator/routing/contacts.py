"""Contacts: when one node can send to another, how fast, and when what is sent arrives. Pure.

    p1s03 ===|delay 4 ms, 1 Gbit/s|3 ms, 2 Gbit/s|=== london
             t0                                 t1

What a contact carries as a whole has to leave before the contact ends. Terms as in CCSDS 734.3-B-1, schedule-aware bundle
routing; there a contact has one rate, here pieces follow one another, so that rain in a pass does not end it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Leg:
    """One crossing: `src` begins to send at `departs_s`, ends at `sent_s`, and at `arrives_s` all of it is at `dst`.

    The contact lasts until `until_s`.
    """

    src: int
    dst: int
    departs_s: float
    sent_s: float
    arrives_s: float
    until_s: float


@dataclass(frozen=True, slots=True)
class Busy:
    """From `t0_s` to `t1_s` what `src` can send to `dst` is taken."""

    src: int
    dst: int
    t0_s: float
    t1_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Contact:
    """`src` can send to `dst` from bounds_s[0] until bounds_s[-1].

    Piece i lasts from bounds_s[i] to bounds_s[i + 1] (k + 1,), with `delay_s[i]` and `rate_bps[i]`, above 0 (k,).
    """

    src: int
    dst: int
    bounds_s: Floats
    delay_s: Floats
    rate_bps: Floats

    @property
    def t0_s(self) -> float:
        """When it begins."""
        return float(self.bounds_s[0])

    @property
    def t1_s(self) -> float:
        """When it ends."""
        return float(self.bounds_s[-1])

    def part(self, t0_s: float, t1_s: float) -> Contact | None:
        """What of it lies within [t0_s, t1_s); None where nothing does."""
        t0_s, t1_s = max(t0_s, self.t0_s), min(t1_s, self.t1_s)
        if t0_s >= t1_s:
            return None
        first = int(np.searchsorted(self.bounds_s, t0_s, side="right")) - 1
        stop = int(np.searchsorted(self.bounds_s, t1_s, side="left"))
        bounds_s = np.concatenate([[t0_s], self.bounds_s[first + 1 : stop], [t1_s]])
        return Contact(self.src, self.dst, bounds_s, self.delay_s[first:stop], self.rate_bps[first:stop])

    def crossing(self, from_s: float, size_bytes: int) -> Leg | None:
        """How `size_bytes`, there from `from_s` on, come over first; None where the contact is too short.

        Waiting for a later piece helps where the way is much shorter then: so nobody arrives earlier by being later.
        """
        best: Leg | None = None
        at_once_s = max(from_s, self.t0_s)
        for departs_s in [at_once_s, *self.bounds_s[:-1][self.bounds_s[:-1] > at_once_s].tolist()]:
            if best is not None and departs_s >= best.arrives_s:
                break
            leg = self._sent_from(departs_s, size_bytes)
            if leg is None:
                break
            if best is None or leg.arrives_s < best.arrives_s:
                best = leg
        return best

    def _sent_from(self, departs_s: float, size_bytes: int) -> Leg | None:
        bounds_s, rate_bps = self.bounds_s, self.rate_bps
        if departs_s >= self.t1_s:
            return None
        carried_bits = np.concatenate([[0.0], np.cumsum(rate_bps * np.diff(bounds_s))])
        first = int(np.searchsorted(bounds_s, departs_s, side="right")) - 1
        passed_bits = carried_bits[first] + (departs_s - bounds_s[first]) * rate_bps[first]
        target_bits = passed_bits + size_bytes * 8.0
        if (
            target_bits > carried_bits[-1] + 0.5
        ):  # half a bit is rounding: what was booked fits where it was booked
            return None
        target_bits = min(target_bits, carried_bits[-1])
        last = max(first, int(np.searchsorted(carried_bits, target_bits, side="left")) - 1)
        sent_s = float(bounds_s[last] + (target_bits - carried_bits[last]) / rate_bps[last])
        # What left in an earlier piece may have had the longer way.
        leaves_s = np.minimum(bounds_s[first + 1 : last + 2], sent_s)
        arrives_s = float((leaves_s + self.delay_s[first : last + 1]).max())
        return Leg(self.src, self.dst, departs_s, sent_s, arrives_s, self.t1_s)


def free(contacts: Iterable[Contact], busy: Iterable[Busy]) -> Iterator[Contact]:
    """What is left of contacts: a crossing that is booked cuts its contact in two."""
    booked = list(busy)
    for contact in contacts:
        parts = [contact]
        for other in booked:
            if (other.src, other.dst) == (contact.src, contact.dst):
                halves = [
                    half
                    for part in parts
                    for half in (part.part(part.t0_s, other.t0_s), part.part(other.t1_s, part.t1_s))
                ]
                parts = [half for half in halves if half is not None]
        yield from parts
