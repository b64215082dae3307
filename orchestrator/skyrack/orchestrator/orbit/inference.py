"""Planes, slots and +Grid neighbours of satellites that come from catalogue files.

    inclination and semi-major axis --> shells --> right ascension of the node --> planes --> argument of latitude --> slots

Real shells are tight (a few hundred metres and hundredths of a degree) and their planes tighter, so gaps tell them
apart. What is raising its orbit, drifting or bunched after a launch belongs to no plane and is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from skyrack.orchestrator.orbit.constants import WGS72_RADIUS_KM
from skyrack.orchestrator.orbit.elements import Element
from skyrack.orchestrator.orbit.layout import NO_PAIRS

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]
Members = NDArray[np.int_]

# D: neighbours within a shell differ by less than this; Starlink's shells spread 0.01 deg and 0.5 km.
_SHELL_INCLINATION_DEG = 0.03
_SHELL_AXIS_KM = 1.0
# D: planes are farther apart in right ascension than this, and narrower.
_PLANE_GAP_DEG = 1.5
# A plane has at least so many satellites, and they go round it: a bunch has a mean direction.
_SMALLEST_PLANE = 4
_MOST_BUNCHED = 0.5
# Two planes are neighbours unless the gap between them is this many times the usual one (a seam, or missing planes).
_WIDEST_GAP = 2.2


@dataclass(frozen=True, slots=True)
class Inferred:
    """The same satellites with shell, plane and slot where they could be told, +Grid pairs (m, 2), and a line about it."""

    elements: tuple[Element, ...]
    pairs: Indices
    note: str


def infer_grid(elements: Sequence[Element], r_km: Floats, v_km_s: Floats, *, first_shell: int) -> Inferred:
    """Planes and slots from states (n, 3) at one instant; shells are numbered from `first_shell`."""
    raan_deg, latitude_deg = _orbit_angles_deg(r_km, v_km_s)
    placed = list(elements)
    pairs: list[NDArray[np.integer]] = [NO_PAIRS]
    sizes: list[tuple[int, int]] = []
    for members in _shells(elements):
        planes = _planes(members, raan_deg, latitude_deg)
        if not planes:
            continue
        for number, plane in enumerate(planes):
            for slot, index in enumerate(plane.tolist()):
                shell = first_shell + len(sizes)
                placed[index] = replace(placed[index], shell=shell, plane=number, slot=slot)
        pairs += [np.stack([plane, np.roll(plane, -1)], axis=1) for plane in planes]
        pairs += [_across(planes[i], planes[j], latitude_deg) for i, j in _adjacent(planes, raan_deg)]
        sizes.append((sum(map(len, planes)), len(planes)))
    return Inferred(tuple(placed), np.concatenate(pairs).astype(np.int32), _note(len(elements), sizes))


def _orbit_angles_deg(r_km: Floats, v_km_s: Floats) -> tuple[Floats, Floats]:
    """Right ascension of the ascending node and argument of latitude (n,), osculating."""
    pole = np.cross(r_km, v_km_s)
    pole /= np.linalg.norm(pole, axis=1, keepdims=True)
    node = np.stack([-pole[:, 1], pole[:, 0], np.zeros(len(pole))], axis=1)
    node /= np.maximum(np.linalg.norm(node, axis=1, keepdims=True), 1e-12)
    raan = np.arctan2(node[:, 1], node[:, 0])
    latitude = np.arctan2((r_km * np.cross(pole, node)).sum(axis=1), (r_km * node).sum(axis=1))
    return np.degrees(raan) % 360.0, np.degrees(latitude) % 360.0


def _shells(elements: Sequence[Element]) -> list[Members]:
    """Members of each shell, highest inclination last, by chains of near neighbours in (inclination, axis)."""
    inclination_deg = np.degrees([element.satrec.inclo for element in elements])
    axis_km = np.array([element.satrec.a for element in elements]) * WGS72_RADIUS_KM
    tree = cKDTree(np.stack([inclination_deg / _SHELL_INCLINATION_DEG, axis_km / _SHELL_AXIS_KM], axis=1))
    near = tree.sparse_distance_matrix(tree, 1.0, output_type="coo_matrix")
    count, label = connected_components(near, directed=False)
    shells = [np.nonzero(label == number)[0] for number in range(count)]
    shells = [members for members in shells if len(members) >= _SMALLEST_PLANE]
    return sorted(
        shells, key=lambda members: (np.median(inclination_deg[members]), np.median(axis_km[members]))
    )


def _planes(members: Members, raan_deg: Floats, latitude_deg: Floats) -> list[Members]:
    """Planes of a shell in order of right ascension, each in order of argument of latitude."""
    order = members[np.argsort(raan_deg[members], kind="stable")]
    gap_deg = np.diff(raan_deg[order], append=raan_deg[order[0]] + 360.0)
    order = np.roll(order, -(int(np.argmax(gap_deg)) + 1))  # cut the circle where it is emptiest
    width_deg = (raan_deg[order] - raan_deg[order[0]]) % 360.0
    groups = np.split(order, np.nonzero(np.diff(width_deg) > _PLANE_GAP_DEG)[0] + 1)
    planes = []
    for group in groups:
        narrow = (raan_deg[group[-1]] - raan_deg[group[0]]) % 360.0 <= _PLANE_GAP_DEG
        bunched = abs(np.exp(1j * np.radians(latitude_deg[group])).mean())
        if len(group) >= _SMALLEST_PLANE and narrow and bunched <= _MOST_BUNCHED:
            planes.append(group[np.argsort(latitude_deg[group], kind="stable")])
    return sorted(planes, key=lambda plane: _centre_deg(raan_deg[plane]))


def _centre_deg(angles_deg: Floats) -> float:
    return float(np.degrees(np.angle(np.exp(1j * np.radians(angles_deg)).mean())) % 360.0)


def _adjacent(planes: Sequence[Members], raan_deg: Floats) -> list[tuple[int, int]]:
    """Neighbouring planes (i, i + 1), the last with the first, where no unusual gap lies between."""
    centre_deg = np.array([_centre_deg(raan_deg[plane]) for plane in planes])
    gap_deg = np.diff(centre_deg, append=centre_deg[0] + 360.0)
    close = gap_deg <= _WIDEST_GAP * np.median(gap_deg)
    return [(i, (i + 1) % len(planes)) for i in np.nonzero(close)[0].tolist() if len(planes) > 1]


def _across(here: Members, there: Members, latitude_deg: Floats) -> Members:
    """Pairs between two planes: best partners of each other at the common phase shift that fits most of them.

    Without the common shift, planes half a slot apart would pair now forwards, now backwards.
    """
    spacing_deg = 360.0 / max(len(here), len(there))
    ahead_deg = latitude_deg[there][np.newaxis] - latitude_deg[here][:, np.newaxis]
    shifts_deg = np.linspace(-0.5, 0.5, 33) * spacing_deg
    off_deg = np.abs(_wrapped_deg(ahead_deg[np.newaxis] - shifts_deg[:, np.newaxis, np.newaxis]))
    fitting = (off_deg < spacing_deg / 8.0).sum(axis=(1, 2))
    best = off_deg[min(range(len(shifts_deg)), key=lambda k: (-fitting[k], abs(shifts_deg[k]), k))]
    partner = best.argmin(axis=1)
    mutual = (best.argmin(axis=0)[partner] == np.arange(len(here))) & (best.min(axis=1) <= spacing_deg / 2.0)
    return np.stack([here[mutual], there[partner[mutual]]], axis=1)


def _wrapped_deg(angle_deg: Floats) -> Floats:
    return (angle_deg + 180.0) % 360.0 - 180.0


def _note(count: int, sizes: Sequence[tuple[int, int]]) -> str:
    if not sizes:
        return f"no planes found among {count:,} satellites: lasers go to nearest neighbours"
    placed = sum(size for size, _ in sizes)
    shells = ", ".join(f"{size:,} in {planes} plane{'s' * (planes > 1)}" for size, planes in sizes)
    rest = count - placed
    outside = f"; the other {rest:,} have lasers to nearest neighbours" if rest else ""
    return f"planes and slots inferred for {placed:,} of {count:,} satellites ({shells}){outside}"
