"""What surrounds every satellite at an instant, and where it is over the South Atlantic Anomaly: pure functions of t_s.

    t_s --> positions --> Sun: in the shadow, beta angle
                     '--> point below: in the anomaly, country

All of it is the truth, which hardware is exposed to; what is forecast of it may be wrong (forecast.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.environment.region import Region
from skyrack.orchestrator.environment.spells import CALM, InForce
from skyrack.orchestrator.environment.stays import Stay, stays
from skyrack.orchestrator.environment.sun import sun_at
from skyrack.orchestrator.orbit.frames import itrf_to_geodetic
from skyrack.orchestrator.orbit.sun import sunlit
from skyrack.orchestrator.topology.geometry import Geometry

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# A stay over a corner of the anomaly that is shorter may be missed; a low satellite goes some 75 km in it.
PASS_STEP_S = 10.0


@dataclass(frozen=True)
class Truth:
    """Arrays (n_sat,) at orbit time `t_s`; the Sun is a unit vector (3,) from the Earth, in TEME.

    `beta_deg`: the Sun's angle above the osculating orbital plane, positive on the side of the orbit's angular momentum.
    `lat_deg`, `lon_deg`, `altitude_km`: the sub-satellite point on the WGS84 ellipsoid and the height over it.
    `storm_factor`: by how much storms multiply the rates of radiation's outcomes, 1 without one.
    """

    t_s: float
    sun_teme: Floats
    lit: Flags
    beta_deg: Floats
    lat_deg: Floats
    lon_deg: Floats
    altitude_km: Floats
    in_anomaly: Flags
    storm_factor: Floats


def truth_at(geometry: Geometry, t_s: float, now: InForce = CALM) -> Truth:
    """What surrounds all satellites at orbit time `t_s`. Countries are looked up by `countries.countries_at`.

    `now`: storms, and who counts as over the anomaly wherever it is.
    """
    r_km = geometry.positions_km(t_s)[: geometry.n_sat]
    sun = sun_at(geometry, t_s)
    lat_deg, lon_deg, altitude_km = itrf_to_geodetic(geometry.satellites_itrf_km(t_s))
    return Truth(
        t_s,
        sun,
        sunlit(r_km, sun),
        beta_deg(r_km, geometry.velocities_km_s(t_s), sun),
        lat_deg,
        lon_deg,
        altitude_km,
        anomaly_of(geometry).holds(lat_deg, lon_deg) | np.isin(np.arange(geometry.n_sat), list(now.inside)),
        np.array([now.factor(node) for node in range(geometry.n_sat)]),
    )


def beta_deg(r_km: Floats, v_km_s: Floats, sun: Floats) -> Floats:
    """Angles (...,) of the Sun above the osculating orbital planes of inertial states (..., 3), -90 to 90."""
    normal = np.cross(r_km, v_km_s)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    return np.asarray(
        np.degrees(np.arcsin(np.clip((normal * sun).sum(axis=-1), -1.0, 1.0))), dtype=np.float64
    )


def anomaly_of(geometry: Geometry) -> Region:
    """The South Atlantic Anomaly of the scenario."""
    return Region(geometry.scenario.environment.anomaly)


def in_anomaly(geometry: Geometry, node: int, t_s: Floats) -> Flags:
    """Whether a satellite is over the anomaly at instants (m,)."""
    lat_deg, lon_deg, _ = itrf_to_geodetic(geometry.itrf(node, t_s)[0])
    return anomaly_of(geometry).holds(lat_deg, lon_deg)


def anomaly_passes(geometry: Geometry, node: int, first_s: float, last_s: float) -> list[Stay]:
    """Stays of a satellite over the anomaly in [first_s, last_s]: entry and exit, orbit time, within 0.03 s.

    One that has begun before begins at `first_s`, one that goes on ends at `last_s`.
    """
    return stays(lambda t_s: in_anomaly(geometry, node, t_s), first_s, last_s, PASS_STEP_S)
