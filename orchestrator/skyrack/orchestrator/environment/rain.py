"""Rain on a radio link: A(t) = exp(m + sigma X(t)), ITU-R P.1853, X as in noise.py with beta = 2e-4 1/s.

One X per station drives all its links, both directions and all frequencies: it is the same rain. Stations have
independent ones: rain cells are some kilometres wide.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from skyrack.orchestrator.environment.rain_table import EXCEEDED_PERCENT, SITES, TABLE_ELEVATION_DEG, Climate

Floats = NDArray[np.float64]

BETA_PER_S: Final = 2e-4
# Below this the slant path is no longer rain height over sine of elevation (ITU-R P.618, section 2.2.1.1).
_LOWEST_DEG: Final = 5.0


@dataclass(frozen=True, slots=True)
class Lognormal:
    """ln A is normal with mean `m` and standard deviation `sigma`; A in dB at the table's elevation."""

    m: float
    sigma: float

    def attenuation_db(self, x: ArrayLike) -> Floats:
        """Attenuation for values of the unit Gaussian process."""
        return np.asarray(np.exp(self.m + self.sigma * np.asarray(x, dtype=np.float64)))


@cache
def fitted(climate: Climate, frequency_ghz: float) -> Lognormal:
    """The least-squares line through ln A over the normal quantiles of the table's three exceedances."""
    x = -ndtri(np.array(EXCEEDED_PERCENT) / 100.0)
    sigma, m = np.polyfit(x, np.log(SITES[climate].exceeded_db[frequency_ghz]), 1)
    return Lognormal(float(m), float(sigma))


def elevation_factor(elevation_deg: ArrayLike) -> Floats:
    """By how much attenuation at an elevation exceeds that at 40 degrees: the cosecant law, sin 40 / sin elevation.

    A slant path under a flat rain height is as long as 1 / sin (ITU-R P.618, section 2.2.1.1). Its reduction for rain
    that does not fill the path is left out: the law errs to the wet side at low elevations.
    """
    low = np.radians(np.maximum(elevation_deg, _LOWEST_DEG))
    return np.asarray(np.sin(np.radians(TABLE_ELEVATION_DEG)) / np.sin(low), dtype=np.float64)
