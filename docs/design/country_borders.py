"""Verdict: exact polygons, asked through shapely; a raster is quicker but wrong near borders.

    npm pack world-atlas@2.0.2 && tar xzf world-atlas-2.0.2.tgz
    uv run --with pycountry --with shapely --with numpy docs/design/country_borders.py package/countries-50m.json [FILE.npz]

Makes orchestrator/skyrack/orchestrator/environment/data/countries.npz when FILE.npz is given, then measures what
`countries_at` could be: polygons against a raster of 0.1 deg, for the 4,408 satellites of starlink-gen1.

Borders are Natural Earth's (public domain), of scale 1:50m, as the npm package world-atlas 2.0.2 (ISC) has them: a TopoJSON
of shared arcs, whole numbers on a grid of 0.0036 by 0.0017 deg. Its polygons run over the date line and around the pole;
here they are cut at 180 deg, closed over the South Pole, mended where they cross themselves, and rounded to 1e-4 deg (11 m).

ISO 3166-1 numbers become alpha-2 codes by pycountry. What has no number of its own there:

    Kosovo              XK, the code that users have given it (ISO 3166-1 leaves it to them)
    N. Cyprus           CY   Somaliland  SO      the state that ISO 3166-1 counts the ground to
    Siachen Glacier     IN                       who holds it
    Indian Ocean Ter.   CX east of 100 E (Christmas Island), CC west of it (Cocos Islands)
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pycountry
import shapely
from shapely import Polygon
from shapely.affinity import translate

SCALE = 10_000  # parts of a degree
OWN = {"Kosovo": "XK", "N. Cyprus": "CY", "Somaliland": "SO", "Siachen Glacier": "IN"}


def rings(topology: dict, indices: list[int]) -> np.ndarray:
    """A ring (n, 2) of longitude and latitude, unwrapped: it may leave -180..180."""
    scale, shift = (np.array(topology["transform"][key]) for key in ("scale", "translate"))
    parts = []
    for index in indices:
        arc = np.cumsum(topology["arcs"][index if index >= 0 else ~index], axis=0)
        arc = arc if index >= 0 else arc[::-1]
        parts.append(arc if not parts else arc[1:])
    ring = np.concatenate(parts) * scale + shift
    turns = (np.diff(ring[:, 0]) + 180.0) % 360.0 - 180.0
    ring[1:, 0] = ring[0, 0] + np.cumsum(turns)
    return ring


def polygon(outlines: list[np.ndarray]) -> Polygon:
    """The polygon of its outlines, the first of which is the outer one; one around the South Pole is closed over it."""
    around = [ring for ring in outlines if abs(ring[-1, 0] - ring[0, 0]) > 1.0]
    if around:
        coast = max(around, key=lambda ring: ring[:, 1].max())  # the other one is the pole itself
        foot = [[coast[-1, 0], -90.0], [coast[0, 0], -90.0], coast[0].tolist()]
        outlines = [np.concatenate([coast, foot])]
    return shapely.make_valid(Polygon(outlines[0], outlines[1:]), method="structure")


def within_the_map(shape: shapely.Geometry) -> Iterator[Polygon]:
    """Its parts, each moved into -180..180."""
    for turn_deg in (-360.0, 0.0, 360.0):
        cut = translate(shape, turn_deg).intersection(shapely.box(-180.0, -90.0, 180.0, 90.0))
        yield from (part for part in shapely.get_parts(cut) if part.area > 0.0)


def code_of(properties: dict, number: str | None, part: Polygon) -> str:
    """ISO 3166-1 alpha-2 of a part."""
    name = properties["name"]
    if number is not None:
        return str(pycountry.countries.get(numeric=number).alpha_2)
    if name == "Indian Ocean Ter.":
        return "CX" if part.centroid.x > 100.0 else "CC"
    return OWN[name]


def read(file: Path) -> tuple[list[str], list[Polygon]]:
    """The code and the shape of every part of every country, in order of codes."""
    topology = json.loads(file.read_text())
    found = []
    for country in topology["objects"]["countries"]["geometries"]:
        shapes = country["arcs"] if country["type"] == "MultiPolygon" else [country["arcs"]]
        for shape in shapes:
            for part in within_the_map(polygon([rings(topology, ring) for ring in shape])):
                found.append((code_of(country["properties"], country.get("id"), part), part))
    found.sort(key=lambda pair: (pair[0], pair[1].bounds))
    codes, parts = zip(*found, strict=True)
    return list(codes), list(parts)


def write(file: Path, codes: list[str], parts: list[Polygon]) -> None:
    """Parts of countries by index of code, their rings by number of points, and differences of points, 1e-4 deg."""
    names = sorted(set(codes))
    each = [[part.exterior, *part.interiors] for part in parts]
    points = [
        np.round(shapely.get_coordinates(ring)[:-1] * SCALE).astype(np.int32)
        for part in each
        for ring in part
    ]
    np.savez_compressed(
        file,
        codes=np.array(names),
        country=np.array([names.index(code) for code in codes], dtype=np.uint8),
        rings=np.array([len(part) for part in each], dtype=np.uint16),
        points=np.array([len(ring) for ring in points], dtype=np.uint32),
        steps=np.diff(np.concatenate(points), axis=0, prepend=0).T,
    )


def measure(codes: list[str], parts: list[Polygon]) -> None:
    """Both ways for as many points as starlink-gen1 has satellites, and how often the raster is wrong."""
    draw = np.random.default_rng(1)
    lon, lat = draw.uniform(-180, 180, 4408), np.degrees(np.arcsin(draw.uniform(-0.8, 0.8, 4408)))
    number = np.array([sorted(set(codes)).index(code) + 1 for code in codes])
    shapes = np.array(parts)
    shapely.prepare(shapes)
    tree = shapely.STRtree(shapes)

    def exact(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        point, shape = tree.query(shapely.points(lon, lat))
        inside = shapely.contains_xy(shapes[shape], lon[point], lat[point])
        found = np.zeros(len(lon), dtype=np.uint8)
        found[point[inside]] = number[shape[inside]]
        return found

    exact(lon, lat)  # indexes are made at the first question
    began = time.perf_counter()
    truth = exact(lon, lat)
    polygons_s = time.perf_counter() - began
    grid_lon, grid_lat = np.meshgrid(np.arange(-179.95, 180, 0.1), np.arange(-89.95, 90, 0.1))
    raster = exact(grid_lon.ravel(), grid_lat.ravel()).reshape(grid_lon.shape)
    began = time.perf_counter()
    guess = raster[((lat + 90) / 0.1).astype(int), ((lon + 180) / 0.1).astype(int)]
    raster_s = time.perf_counter() - began
    print(f"polygons: {polygons_s * 1e3:.1f} ms for 4,408 points")
    print(
        f"raster:   {raster_s * 1e3:.2f} ms, {raster.nbytes / 1e6:.1f} MB, wrong for {(guess != truth).mean():.2%}"
    )


def main() -> None:
    """See the module."""
    codes, parts = read(Path(sys.argv[1]))
    for file in sys.argv[2:]:
        write(Path(file), codes, parts)
        print(
            f"{file}: {Path(file).stat().st_size:,} bytes, {len(set(codes))} countries, {len(parts):,} parts"
        )
    missing = sorted({country.alpha_2 for country in pycountry.countries} - set(codes))
    print("ISO 3166-1 codes without a polygon of their own:", " ".join(missing))
    measure(codes, parts)


if __name__ == "__main__":
    main()
