"""What a constellation sees of the ground: share, satellites in view by latitude, outages. Pure.

Points lie in rows of latitude, fewer towards the poles, so that each stands for about the same area; a row weighs as
much as the zone of the sphere it is the middle of. A point sees a satellite by the rule of ground stations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.orbit.frames import geodetic_to_itrf_km, up_vector
from skyrack.orchestrator.topology.sight import GroundLimits

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ground:
    """Points (p,) on the ellipsoid: `row` (p,) says which of `lat_deg` (rows,) they are on, `weight` (rows,) adds to 1."""

    lat_deg: Floats
    weight: Floats
    row: Whole
    itrf_km: Floats
    up: Floats

    @classmethod
    def grid(cls, step_deg: float) -> Ground:
        """Rows `step_deg` apart, half a step from the poles, and points about as far apart along each."""
        rows = max(1, round(180.0 / step_deg))
        edges = np.linspace(-90.0, 90.0, rows + 1)
        lat_deg = (edges[:-1] + edges[1:]) / 2.0
        counts = np.maximum(1, np.round(2.0 * rows * np.cos(np.radians(lat_deg)))).astype(np.int64)
        row = np.repeat(np.arange(rows), counts)
        lon_deg = np.concatenate([np.arange(n) * 360.0 / n - 180.0 for n in counts.tolist()])
        weight = np.diff(np.sin(np.radians(edges))) / 2.0
        at = lat_deg[row]
        return cls(
            lat_deg, weight, row, geodetic_to_itrf_km(at, lon_deg, np.zeros_like(at)), up_vector(at, lon_deg)
        )


@dataclass(frozen=True, slots=True)
class RowCoverage:
    """One latitude. `seen_ratio` of its points and instants; satellites in view; outages in seconds.

    Outages are counted in whole steps: None where there is none; one that the span cuts off counts as long as it was
    seen to last.
    """

    lat_deg: float
    seen_ratio: float
    in_view_min: int
    in_view_mean: float
    in_view_max: int
    outages: int
    outage_p50_s: float | None
    outage_p99_s: float | None
    outage_max_s: float | None


@dataclass(frozen=True, slots=True)
class Coverage:
    """`seen_ratio`: of the Earth's area, mean over the span; `seen_min_ratio`: at its worst instant."""

    seen_ratio: float
    seen_min_ratio: float
    rows: tuple[RowCoverage, ...]


@dataclass(slots=True)
class _Sums:
    low: Whole
    high: Whole
    total: Whole
    seen: Whole
    dark_steps: Whole
    shares: list[float] = field(default_factory=list)
    outages: list[tuple[Whole, Whole]] = field(default_factory=list)  # rows, steps


def coverage(
    satellites_itrf_km: Callable[[float], Floats],
    instants_s: Sequence[float],
    step_s: float,
    ground: Ground,
    limits: GroundLimits,
    progress: Callable[[int], None] = lambda done: None,
) -> Coverage:
    """Looks from every point of `ground` at each of `instants_s`, which are `step_s` apart.

    `satellites_itrf_km` gives positions (n, 3); `progress` is told how many instants are done.
    """
    points = len(ground.row)
    none = np.zeros(points, dtype=np.int64)
    sums = _Sums(np.full(points, np.iinfo(np.int64).max), none, none.copy(), none.copy(), none.copy())
    per_point = (ground.weight / np.bincount(ground.row))[ground.row]
    for done, t_s in enumerate(instants_s, 1):
        point, _ = limits.visible(ground.itrf_km, ground.up, satellites_itrf_km(t_s))
        in_view = np.bincount(point, minlength=points)
        seen = in_view > 0
        sums.low, sums.high = np.minimum(sums.low, in_view), np.maximum(sums.high, in_view)
        sums.total += in_view
        sums.seen += seen
        sums.shares.append(float(per_point @ seen))
        ended = seen & (sums.dark_steps > 0)
        sums.outages.append((ground.row[ended], sums.dark_steps[ended]))
        sums.dark_steps = np.where(seen, 0, sums.dark_steps + 1)
        progress(done)
    dark = sums.dark_steps > 0
    sums.outages.append((ground.row[dark], sums.dark_steps[dark]))
    rows = tuple(_row(index, ground, sums, step_s) for index in range(len(ground.lat_deg)))
    return Coverage(float(np.mean(sums.shares)), min(sums.shares), rows)


def _row(index: int, ground: Ground, sums: _Sums, step_s: float) -> RowCoverage:
    here = ground.row == index
    instants = len(sums.shares)
    lengths_s = np.concatenate([steps[row == index] for row, steps in sums.outages]) * step_s
    p50_s, p99_s, most_s = np.percentile(lengths_s, [50, 99, 100]).tolist() if len(lengths_s) else [None] * 3
    return RowCoverage(
        float(ground.lat_deg[index]),
        float(sums.seen[here].mean() / instants),
        int(sums.low[here].min()),
        float(sums.total[here].mean() / instants),
        int(sums.high[here].max()),
        len(lengths_s),
        p50_s,
        p99_s,
        most_s,
    )
