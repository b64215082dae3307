"""Physical constants, each with its source."""

from __future__ import annotations

from typing import Final

# Exact by the definition of the metre (SI).
SPEED_OF_LIGHT_KM_S: Final = 299_792.458

# WGS84 ellipsoid (NIMA TR8350.2): where ground stations stand and what a sub-satellite point refers to.
EARTH_RADIUS_KM: Final = 6378.137
EARTH_FLATTENING: Final = 1.0 / 298.257223563

# WGS72 as in SGP4 (AIAA 2006-6753, getgravconst "wgs72"): orbits only.
WGS72_MU_KM3_S2: Final = 398_600.8
WGS72_RADIUS_KM: Final = 6378.135
WGS72_J2: Final = 0.001082616

# Earth's rotation rate in inertial space (AIAA 2006-6753, teme2ecef; length-of-day variations neglected).
EARTH_ROTATION_RAD_S: Final = 7.29211514670698e-5

SECONDS_PER_DAY: Final = 86_400.0
