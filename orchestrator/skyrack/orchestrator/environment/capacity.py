"""What is left of a radio link's rate under attenuation: adaptive coding follows Shannon up to the densest code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Capacity:
    """`snr_db` under a clear sky, `eta_max` in bit/s/Hz, and `closure_snr_db`, below which nothing gets through."""

    snr_db: float
    eta_max: float
    closure_snr_db: float

    def factor(self, attenuation_db: ArrayLike) -> Floats:
        """Share of the clear-sky rate: 1 without attenuation, 0 where the link does not close.

        min(eta_max, log2(1 + SNR 10^(-A/10))), over the same at A = 0.
        """
        snr_db = self.snr_db - np.asarray(attenuation_db, dtype=np.float64)
        share = self._efficiency(snr_db) / self._efficiency(np.float64(self.snr_db))
        return np.asarray(np.where(snr_db < self.closure_snr_db, 0.0, share), dtype=np.float64)

    def _efficiency(self, snr_db: ArrayLike) -> Floats:
        return np.minimum(self.eta_max, np.log2(1.0 + 10.0 ** (np.asarray(snr_db) / 10.0)))
