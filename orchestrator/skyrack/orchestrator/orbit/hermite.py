"""Positions between knots: SGP4 every ten seconds, cubic Hermite in between.

Two positions and two velocities fix a cubic; its error is h^4/384 of the fourth derivative, 0.3 mm for a low orbit at
10 s. The velocities are differences of positions at the neighbouring knots: SGP4's own differ from the derivative of
its positions by some 2 cm/s, which would cost 20 mm (docs/design/geometry_hermite_knots.py).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

KNOT_STEP_S = 10.0


def interpolate_km(
    before_km: Floats,
    v_before_km_s: Floats,
    after_km: Floats,
    v_after_km_s: Floats,
    fraction: float | Floats,
    step_s: float,
) -> Floats:
    """Positions (n, 3) at `fraction` (0..1) between two knots `step_s` apart, by cubic Hermite.

    With fractions (m, 1) and knots (n, 1, 3): (n, m, 3).
    """
    s = fraction
    s2, s3 = s * s, s * s * s
    h01 = 3.0 * s2 - 2.0 * s3
    position = before_km * (1.0 - h01)
    position += after_km * h01
    position += v_before_km_s * ((s3 - 2.0 * s2 + s) * step_s)
    position += v_after_km_s * ((s3 - s2) * step_s)
    return position


def slope_km_s(
    before_km: Floats,
    v_before_km_s: Floats,
    after_km: Floats,
    v_after_km_s: Floats,
    fraction: float,
    step_s: float,
) -> Floats:
    """Velocities (n, 3) at `fraction` (0..1): the derivative of `interpolate_km`."""
    s, s2 = fraction, fraction * fraction
    velocity = (after_km - before_km) * (6.0 * (s - s2) / step_s)
    velocity += v_before_km_s * (3.0 * s2 - 4.0 * s + 1.0)
    velocity += v_after_km_s * (3.0 * s2 - 2.0 * s)
    return velocity


def velocity_km_s(m2: Floats, m1: Floats, p1: Floats, p2: Floats, step_s: float) -> Floats:
    """Velocity at a knot from the positions two and one steps before and after it; fourth-order central difference.

    Error h^4/30 of the fifth derivative: 4e-9 km/s for a low orbit at 10 s.
    """
    difference = (p1 - m1) * 8.0
    difference -= p2
    difference += m2
    difference /= 12.0 * step_s
    return difference


class KnotRing:
    """The latest few knots of a position function, computed once each.

    `position_at(t_s)` gives positions (n, 3). Knots lie at whole multiples of the step, so that the same instant gives
    the same bits whatever was asked before. Safe to share between threads.
    """

    def __init__(self, position_at: Callable[[float], Floats], *, capacity: int = 12) -> None:
        self._position_at = position_at
        self._capacity = capacity
        self._positions: OrderedDict[int, Floats] = OrderedDict()
        self._velocities: OrderedDict[int, Floats] = OrderedDict()
        self._lock = threading.Lock()

    def positions_km(self, t_s: float) -> Floats:
        """Positions (n, 3) at `t_s` seconds."""
        index = int(t_s // KNOT_STEP_S)
        fraction = t_s / KNOT_STEP_S - index
        with self._lock:
            if fraction == 0.0:
                return self._position(index).copy()
            before, after = self._position(index), self._position(index + 1)
            v_before, v_after = self._velocity(index), self._velocity(index + 1)
        return interpolate_km(before, v_before, after, v_after, fraction, KNOT_STEP_S)

    def velocities_km_s(self, t_s: float) -> Floats:
        """Velocities (n, 3) at `t_s` seconds."""
        index = int(t_s // KNOT_STEP_S)
        fraction = t_s / KNOT_STEP_S - index
        with self._lock:
            before, after = self._position(index), self._position(index + 1)
            v_before, v_after = self._velocity(index), self._velocity(index + 1)
        return slope_km_s(before, v_before, after, v_after, fraction, KNOT_STEP_S)

    def _position(self, index: int) -> Floats:
        return _latest(self._positions, index, lambda: self._position_at(index * KNOT_STEP_S), self._capacity)

    def _velocity(self, index: int) -> Floats:
        return _latest(self._velocities, index, lambda: self._difference(index), self._capacity)

    def _difference(self, index: int) -> Floats:
        m2, m1, p1, p2 = (self._position(index + step) for step in (-2, -1, 1, 2))
        return velocity_km_s(m2, m1, p1, p2, KNOT_STEP_S)


def _latest(cache: OrderedDict[int, Floats], key: int, make: Callable[[], Floats], most: int) -> Floats:
    value = cache.get(key)
    if value is None:
        value = cache[key] = make()
        if len(cache) > most:
            cache.popitem(last=False)
    else:
        cache.move_to_end(key)
    return value
