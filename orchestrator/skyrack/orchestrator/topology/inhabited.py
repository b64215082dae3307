"""Which satellites have a process."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.orbit.errors import InhabitedError
from skyrack.orchestrator.scenario.model.inhabited import Box, Inhabited, InhabitedBox, InhabitedCount
from skyrack.orchestrator.spelling import closest

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]


def inhabited_satellites(
    inhabited: Inhabited, names: Sequence[str], satellite_km: Floats, lat_deg: Floats, lon_deg: Floats
) -> Indices:
    """Indices of the satellites that have a process, sorted.

    `satellite_km` (n, 3), `lat_deg` and `lon_deg` (n,) are those of the start. Raises InhabitedError.
    """
    if isinstance(inhabited, InhabitedCount):
        chosen = spread(satellite_km, min(inhabited.count, len(names)))
    elif isinstance(inhabited, InhabitedBox):
        chosen = _inside(inhabited.box, names, lat_deg, lon_deg)
    elif inhabited == "all":
        chosen = np.arange(len(names))
    else:
        chosen = _named(inhabited, names)
    return np.unique(chosen).astype(np.int32)


def spread(satellite_km: Floats, count: int) -> NDArray[np.int_]:
    """`count` satellites far apart: the first, then always the one farthest from all chosen so far.

    Distances count in whole km and the lower index wins a draw, so that symmetric constellations give the same choice
    on every machine.
    """
    chosen = np.zeros(count, dtype=np.int_)
    if count == 0:
        return chosen
    gap_km = np.full(len(satellite_km), np.inf)
    for index in range(1, count):
        latest_km = satellite_km[chosen[index - 1]]
        gap_km = np.minimum(gap_km, np.round(np.linalg.norm(satellite_km - latest_km, axis=1)))
        gap_km[chosen[index - 1]] = -1.0
        chosen[index] = int(np.argmax(gap_km))
    return chosen


def _named(wanted: Sequence[str], names: Sequence[str]) -> NDArray[np.int_]:
    index = {name: number for number, name in enumerate(names)}
    for name in wanted:
        if name not in index:
            hint = closest(name, names)
            raise InhabitedError(
                f"inhabited: no satellite '{name}' flies at the start" + (f"; {hint}" if hint else "")
            )
    return np.array([index[name] for name in wanted], dtype=np.int_)


def _inside(box: Box, names: Sequence[str], lat_deg: Floats, lon_deg: Floats) -> NDArray[np.int_]:
    width_deg = (box.lon_max_deg - box.lon_min_deg) % 360.0
    if width_deg == 0.0 and box.lon_max_deg > box.lon_min_deg:
        width_deg = 360.0  # -180 to 180
    inside = (lat_deg >= box.lat_min_deg) & (lat_deg <= box.lat_max_deg)
    inside &= (lon_deg - box.lon_min_deg) % 360.0 <= width_deg
    if not inside.any():
        off_lat_deg = np.maximum(np.maximum(box.lat_min_deg - lat_deg, lat_deg - box.lat_max_deg), 0.0)
        past_deg = (lon_deg - box.lon_min_deg) % 360.0
        off_lon_deg = np.where(past_deg <= width_deg, 0.0, np.minimum(past_deg - width_deg, 360.0 - past_deg))
        near = int(np.argmin(np.hypot(off_lat_deg, off_lon_deg)))
        raise InhabitedError(
            f"inhabited: no satellite is over the box at the start; the nearest is {names[near]} "
            f"over {lat_deg[near]:.1f}, {lon_deg[near]:.1f}"
        )
    return np.nonzero(inside)[0]
