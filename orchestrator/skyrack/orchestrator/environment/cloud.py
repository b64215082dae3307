"""Clouds over optical ground stations: a station is blocked while its Gaussian process is below a threshold.

    independent noises, one per station --> mixed so that stations d apart correlate by exp(-d / D) --> below? blocked

The threshold gives each station its share of clear time. The mixing is Cholesky's, in the order of the stations: those
that are added at the end leave the clouds of the others as they were.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from skyrack.orchestrator.environment.noise import Noise

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

STEP_S = 10.0


class Clouds:
    """Stations at `itrf_km` (g, 3) with `clear_ratio` (g,) of their time; `subjects` seed the noises.

    `correlation_km`: D, over straight distances; `correlation_s`: after so long a sky resembles itself by 1/e.
    """

    def __init__(
        self,
        subjects: Sequence[str],
        itrf_km: Floats,
        clear_ratio: Floats,
        correlation_km: float,
        correlation_s: float,
    ) -> None:
        self._noises = [Noise(subject, 1.0 / correlation_s, step_s=STEP_S) for subject in subjects]
        self._mix = np.linalg.cholesky(correlation(itrf_km, correlation_km))
        self._threshold = ndtri(1.0 - np.asarray(clear_ratio, dtype=np.float64))

    def blocked(self, t_s: float) -> Flags:
        """Whether clouds block each station (g,) at an instant."""
        return np.asarray(self._mix @ [noise.at(t_s) for noise in self._noises] < self._threshold)

    def blocked_series(self, t_s: ArrayLike) -> Flags:
        """Whether clouds block each station at instants (m,), as (g, m)."""
        noise = np.array([noise.series(t_s) for noise in self._noises])
        return np.asarray(self._mix @ noise < self._threshold[:, np.newaxis])


def correlation(itrf_km: Floats, correlation_km: float) -> Floats:
    """(g, g) correlation exp(-d / D) between places (g, 3); places that coincide hardly differ."""
    line = itrf_km[:, np.newaxis] - itrf_km[np.newaxis]
    matrix = np.exp(-np.sqrt(np.einsum("ijk,ijk->ij", line, line)) / correlation_km)
    return np.asarray(matrix * (1.0 - 1e-9) + 1e-9 * np.eye(len(itrf_km)), dtype=np.float64)
