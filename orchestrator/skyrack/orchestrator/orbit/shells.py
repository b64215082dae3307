"""Shells of a scenario to SGP4 elements: Walker patterns, close clusters, geostationary positions.

Altitude means the Brouwer mean semi-major axis minus 6,378.137 km; the mean distance flown differs by J2's periodic
terms: below 1 km at 53 deg, up to 5 km over the poles.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from skyrack.orchestrator.orbit.constants import EARTH_RADIUS_KM, SECONDS_PER_DAY
from skyrack.orchestrator.orbit.elements import Element, kozai_mean_motion_rad_min, satrec_from_elements
from skyrack.orchestrator.orbit.frames import gmst_rad
from skyrack.orchestrator.orbit.layout import Layout
from skyrack.orchestrator.orbit.sun import mean_longitude_deg
from skyrack.orchestrator.orbit.times import julian_date
from skyrack.orchestrator.scenario.model.shells import ClusterShell, GeostationaryShell, WalkerShell

# Turns of the Earth per day against the stars' mean equinox (IAU 1982), the rate a geostationary satellite keeps.
_SIDEREAL_REV_PER_DAY = 1.00273790935


@dataclass(frozen=True, slots=True)
class ShellElements:
    """A shell's satellites in order of plane and slot, and their layout (indices counted within the shell)."""

    elements: tuple[Element, ...]
    layout: Layout


def shell_elements(
    shell: WalkerShell | ClusterShell | GeostationaryShell, names: list[str], number: int, start: datetime
) -> ShellElements:
    """The elements of the `number`-th shell, named `names`; angles hold at the shell's epoch, by default `start`."""
    epoch = shell.epoch or start
    match shell:
        case WalkerShell():
            return _walker(shell, names, number, epoch)
        case ClusterShell():
            return _cluster(shell, names, number, epoch)
        case GeostationaryShell():
            return _geostationary(shell, names, number, epoch)


def _walker(shell: WalkerShell, names: list[str], number: int, epoch: datetime) -> ShellElements:
    if shell.altitude_km is not None:
        motion_rad_min = kozai_mean_motion_rad_min(
            EARTH_RADIUS_KM + shell.altitude_km, shell.eccentricity, shell.inclination_deg
        )
    else:
        assert shell.mean_motion_rev_per_day is not None
        motion_rad_min = shell.mean_motion_rev_per_day * 2.0 * np.pi / 1440.0
    planes, slots = shell.grid
    spread_deg = 360.0 if shell.walker == "delta" else 180.0
    elements = []
    for plane in range(planes):
        ahead_deg = shell.mean_anomaly_offset_deg + plane * shell.phasing * 360.0 / (planes * slots)
        if shell.alternate_half_slot and plane % 2 == 1:
            ahead_deg += 180.0 / slots
        for slot in range(slots):
            index = plane * slots + slot
            satrec = satrec_from_elements(
                number=index + 1,
                epoch=epoch,
                mean_motion_rad_min=motion_rad_min,
                eccentricity=shell.eccentricity,
                inclination_deg=shell.inclination_deg,
                raan_deg=shell.raan_offset_deg + plane * spread_deg / planes,
                arg_perigee_deg=0.0,
                mean_anomaly_deg=ahead_deg + slot * 360.0 / slots,
            )
            elements.append(Element(names[index], satrec, number, plane, slot))
    # After a full turn of a delta the phase has grown by `phasing` whole slots, so the seam is crossed that far on.
    shift = shell.phasing if shell.walker == "delta" else 0
    satellite = np.arange(planes * slots, dtype=np.int32).reshape(planes, slots)
    return ShellElements(tuple(elements), Layout(satellite, seam=shell.seam_lit, seam_shift=shift))


def _lattice(count: int) -> list[tuple[int, int]]:
    """The `count` points of the square lattice nearest the origin, sorted by distance, then angle."""
    reach = int(np.ceil(np.sqrt(count))) + 1
    points = [(i, j) for i in range(-reach, reach + 1) for j in range(-reach, reach + 1)]
    points.sort(key=lambda p: (p[0] ** 2 + p[1] ** 2, float(np.arctan2(p[1], p[0])) % (2.0 * np.pi)))
    return points[:count]


def _cluster(shell: ClusterShell, names: list[str], number: int, epoch: datetime) -> ShellElements:
    """A lattice of eccentricity vectors: equal periods, so that the formation holds without thrust.

    Offset d of the eccentricity vector (times the semi-major axis) moves a satellite by d radially and 2 d along the
    track (Clohessy-Wiltshire), hence neighbours between one and two spacings apart.
    """
    semi_major_axis_km = EARTH_RADIUS_KM + shell.altitude_km
    motion_rad_min = kozai_mean_motion_rad_min(semi_major_axis_km, 0.0, shell.inclination_deg)
    raan_deg = shell.raan_deg
    if raan_deg is None:
        assert shell.ltan_h is not None
        raan_deg = mean_longitude_deg(*julian_date(epoch)) + (shell.ltan_h - 12.0) * 15.0
    points = _lattice(shell.satellites)
    elements = []
    for index, (i, j) in enumerate(points):
        eccentricity = float(np.hypot(i, j)) * shell.spacing_m / 1e3 / semi_major_axis_km
        perigee_deg = float(np.degrees(np.arctan2(j, i)))
        satrec = satrec_from_elements(
            number=index + 1,
            epoch=epoch,
            mean_motion_rad_min=motion_rad_min,
            eccentricity=eccentricity,
            inclination_deg=shell.inclination_deg,
            raan_deg=raan_deg,
            arg_perigee_deg=perigee_deg,
            mean_anomaly_deg=shell.mean_anomaly_offset_deg - perigee_deg,
        )
        elements.append(Element(names[index], satrec, number, 0, index))
    rows = np.array(points, dtype=np.int32) - np.min(points, axis=0)
    satellite = np.full(rows.max(axis=0) + 1, -1, dtype=np.int32)
    satellite[rows[:, 0], rows[:, 1]] = np.arange(len(points), dtype=np.int32)
    return ShellElements(tuple(elements), Layout(satellite, ring=False, seam=False))


def _geostationary(
    shell: GeostationaryShell, names: list[str], number: int, epoch: datetime
) -> ShellElements:
    sidereal_deg = float(np.degrees(gmst_rad(*julian_date(epoch))))
    elements = []
    for index, longitude_deg in enumerate(shell.longitudes_deg):
        satrec = satrec_from_elements(
            number=index + 1,
            epoch=epoch,
            mean_motion_rad_min=_geostationary_motion_rad_min(epoch),
            eccentricity=0.0,
            inclination_deg=0.0,
            raan_deg=0.0,
            arg_perigee_deg=0.0,
            mean_anomaly_deg=sidereal_deg + longitude_deg,
        )
        elements.append(Element(names[index], satrec, number, 0, index))
    eastward = np.argsort(np.array(shell.longitudes_deg) % 360.0, kind="stable").astype(np.int32)
    return ShellElements(tuple(elements), Layout(eastward.reshape(1, -1), seam=False))


def _geostationary_motion_rad_min(epoch: datetime) -> float:
    """Kozai mean motion whose mean longitude, with J2's secular drift, keeps the Earth's rate."""
    wanted = _SIDEREAL_REV_PER_DAY * 2.0 * np.pi / (SECONDS_PER_DAY / 60.0)
    motion = wanted
    for _ in range(5):
        satrec = satrec_from_elements(
            number=1,
            epoch=epoch,
            mean_motion_rad_min=motion,
            eccentricity=0.0,
            inclination_deg=0.0,
            raan_deg=0.0,
            arg_perigee_deg=0.0,
            mean_anomaly_deg=0.0,
        )
        motion *= wanted / (satrec.mdot + satrec.argpdot + satrec.nodedot)
    return float(motion)
