"""Positions between knots: SGP4 every ten seconds, cubic Hermite in between.

Two positions and two velocities fix a cubic. Its error is h^4/384 of the fourth derivative: 0.3 mm for a low orbit at
10 s, of the order of SGP4's own inconsistency between position and velocity (docs/design/geometry_hermite_knots.py).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
State = tuple[Floats, Floats]

KNOT_STEP_S = 10.0


def interpolate_km(before: State, after: State, fraction: float, step_s: float) -> Floats:
    """Positions (n, 3) at `fraction` (0..1) between two states (positions km, velocities km/s) `step_s` apart."""
    s = fraction
    s2, s3 = s * s, s * s * s
    h01 = 3.0 * s2 - 2.0 * s3
    position = before[0] * (1.0 - h01)
    position += after[0] * h01
    position += before[1] * ((s3 - 2.0 * s2 + s) * step_s)
    position += after[1] * ((s3 - s2) * step_s)
    return position


class KnotRing:
    """The latest few knots of a state function, computed once each.

    `state_at(t_s)` gives positions and velocities (n, 3). Knots lie at whole multiples of the step, so that the same
    instant gives the same bits whatever was asked before. Safe to share between threads.
    """

    def __init__(self, state_at: Callable[[float], State], *, capacity: int = 8) -> None:
        self._state_at = state_at
        self._capacity = capacity
        self._knots: OrderedDict[int, State] = OrderedDict()
        self._lock = threading.Lock()

    def positions_km(self, t_s: float) -> Floats:
        """Positions (n, 3) at `t_s` seconds."""
        index = int(t_s // KNOT_STEP_S)
        with self._lock:
            before, after = self._knot(index), self._knot(index + 1)
        return interpolate_km(before, after, t_s / KNOT_STEP_S - index, KNOT_STEP_S)

    def _knot(self, index: int) -> State:
        knot = self._knots.get(index)
        if knot is None:
            knot = self._knots[index] = self._state_at(index * KNOT_STEP_S)
            if len(self._knots) > self._capacity:
                self._knots.popitem(last=False)
        else:
            self._knots.move_to_end(index)
        return knot
