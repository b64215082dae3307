"""The country below: Natural Earth's borders, 1:50m, read at the first question (data/NOTICE.md says where they are from).

Borders are those that are held, not those that are claimed; water is nobody's but lakes, territorial seas among it. At this
scale a border may be some km off, and the smallest islands are not there. What has no ISO 3166-1 code of its own in the data is
told in docs/design/country_borders.py, which makes the file and measures why polygons are asked, not a raster.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import shapely

_FILE = "data/countries.npz"
_PARTS_OF_A_DEGREE = 10_000


@dataclass(frozen=True)
class _Borders:
    """Parts of countries: shapes (n,), which `tree` finds by their boxes, and the code (n,) of each."""

    shapes: NDArray[Any]
    tree: shapely.STRtree
    code: NDArray[np.str_]


def countries_at(lat_deg: ArrayLike, lon_deg: ArrayLike) -> NDArray[np.str_]:
    """ISO 3166-1 alpha-2 codes (...) of the countries that hold points (...); empty over the sea.

    Kosovo is XK, Antarctica AQ. On a border the first of both codes.
    """
    import shapely

    borders = _borders()
    lat, lon = np.broadcast_arrays(
        np.asarray(lat_deg, dtype=np.float64), np.asarray(lon_deg, dtype=np.float64)
    )
    x, y = ((lon + 180.0) % 360.0 - 180.0).ravel(), lat.ravel()
    found = np.zeros(x.shape, dtype=borders.code.dtype)
    point, shape = borders.tree.query(shapely.points(x, y))
    inside = np.nonzero(shapely.intersects_xy(borders.shapes[shape], x[point], y[point]))[0]
    inside = inside[np.argsort(borders.code[shape[inside]], kind="stable")[::-1]]  # the first is written last
    found[point[inside]] = borders.code[shape[inside]]
    return found.reshape(lat.shape)


def country_codes() -> tuple[str, ...]:
    """Every code that `countries_at` may say, in order."""
    return tuple(sorted(set(_borders().code.tolist())))


@cache
def _borders() -> _Borders:
    """Read once: some 25 ms and 13 MB, with the library."""
    import shapely

    with (files(__package__) / _FILE).open("rb") as file, np.load(file) as data:
        points = np.cumsum(data["steps"], axis=1).T / _PARTS_OF_A_DEGREE
        lengths, rings, code = data["points"], data["rings"], data["codes"][data["country"]]
    ring_of_point = np.repeat(np.arange(len(lengths)), lengths)
    outlines = np.asarray(shapely.linearrings(points, indices=ring_of_point))
    shapes = np.asarray(shapely.polygons(outlines, indices=np.repeat(np.arange(len(rings)), rings)))
    shapely.prepare(shapes)
    return _Borders(shapes, shapely.STRtree(shapes), code)
