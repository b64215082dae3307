"""How fast a laser terminal must turn to stay on its partner, seen from its own satellite. Pure; TEME, km and km/s.

The satellite's frame is the local orbital one, which turns with r x v / r^2: partners in the same plane stand still in
it, neighbours across swing past fastest where the planes cross, near the highest latitudes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def turning_rad_s(a_km: Floats, a_km_s: Floats, b_km: Floats, b_km_s: Floats) -> tuple[Floats, Floats]:
    """The faster end's angular rate (m,) of lines between points (m, 3), and a bound of its change per second (m,).

    In the rotating frame the line rho has u' = (rho' - u (u.rho')) / d, and |u''| across it is at most
    4 n^2 + 2 n w + 2 w^2 with w = |rho'| / d and n the frame's rate (gravity's gradient, Coriolis, and the range rate).
    """
    line, change = b_km - a_km, b_km_s - a_km_s
    forward, forward_change = _one_end(line, change, a_km, a_km_s)
    back, back_change = _one_end(-line, -change, b_km, b_km_s)
    return np.fmax(forward, back), np.fmax(forward_change, back_change)


def _one_end(line: Floats, change: Floats, at_km: Floats, at_km_s: Floats) -> tuple[Floats, Floats]:
    radius2 = np.einsum("ij,ij->i", at_km, at_km)
    turn = np.cross(at_km, at_km_s) / radius2[:, np.newaxis]
    swing = change - np.cross(turn, line)
    length2 = np.einsum("ij,ij->i", line, line)
    length2 = np.where(length2 > 0.0, length2, np.nan)
    speed2 = np.einsum("ij,ij->i", swing, swing)
    along = np.einsum("ij,ij->i", swing, line)
    rate = np.sqrt(np.maximum(speed2 - along * along / length2, 0.0) / length2)
    n, w = np.sqrt(np.einsum("ij,ij->i", turn, turn)), np.sqrt(speed2 / length2)
    return rate, 4.0 * n * n + 2.0 * n * w + 2.0 * w * w
