"""When something that is asked instant by instant begins and ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Stay = tuple[float, float]  # begin and end, orbit time
Inside = Callable[[NDArray[np.float64]], NDArray[np.bool_]]  # instants (m,) to flags (m,)

_FINER = 33  # instants in a step, both ends included
RESOLUTION_S = 0.06


def stays(inside: Inside, first_s: float, last_s: float, step_s: float) -> list[Stay]:
    """Stays inside in [first_s, last_s]: begin and end, within 0.03 s. One shorter than `step_s` may be missed.

    One that has begun before begins at `first_s`, one that goes on ends at `last_s`.
    """
    instants = np.linspace(first_s, last_s, max(2, round((last_s - first_s) / step_s) + 1))
    flags = inside(instants)
    turns_s = [
        _turn_s(inside, float(instants[i]), float(instants[i + 1]))
        for i in np.nonzero(flags[1:] != flags[:-1])[0]
    ]
    bounds_s = [first_s, *turns_s, last_s]
    return list(pairwise(bounds_s))[0 if flags[0] else 1 :: 2]


def united(*several: Iterable[Stay]) -> list[Stay]:
    """Stays of any of them, in order; those that overlap or meet are one."""
    found: list[Stay] = []
    for start_s, end_s in sorted(stay for one in several for stay in one):
        if found and start_s <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end_s)
        else:
            found.append((start_s, end_s))
    return found


def _turn_s(inside: Inside, first_s: float, last_s: float) -> float:
    """The one change between two instants that differ."""
    while last_s - first_s > RESOLUTION_S:
        instants = np.linspace(first_s, last_s, _FINER)
        flags = inside(instants)
        i = int(np.argmax(flags != flags[0]))
        first_s, last_s = float(instants[i - 1]), float(instants[i])
    return (first_s + last_s) / 2.0
