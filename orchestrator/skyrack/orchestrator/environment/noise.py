"""A stationary Gaussian process in time that can be asked at any instant, in any order: weather's only source of chance.

    dX = -beta X dt + sqrt(2 beta) dW        mean 0, variance 1, correlation exp(-beta |dt|) (Ornstein and Uhlenbeck)

It is discretised exactly on a grid of whole steps: X(k+1) = r X(k) + sqrt(1 - r^2) N(0, 1), r = exp(-beta step).

    block  ... b-2 | b-1 |  b  |       each block has its own generator, seeded by subject and number
                          ^ begins with the sum of what earlier blocks left, faded by exp(-beta block) each

What lies so far back that less than 1e-15 of it is left is not looked at, so that any instant costs a bounded look back.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skyrack.orchestrator.topology.latest import Latest

Floats = NDArray[np.float64]

_STEPS_PER_BLOCK = 3600
_FORGOTTEN = 1e-15


class Noise:
    """A pure function of `subject` (words such as "1, weather, london, rain") and t_s; between grid points it holds.

    One object may be shared between threads.
    """

    def __init__(self, subject: str, beta_per_s: float, *, step_s: float = 1.0) -> None:
        assert beta_per_s > 0.0
        assert step_s > 0.0
        self._subject = subject
        self._step_s = step_s
        self._keep = math.exp(-beta_per_s * step_s)
        self._fade = self._keep**_STEPS_PER_BLOCK
        assert self._fade > 1e-300, "a step is at most a sixth of 1 / beta: the faded sums below stay finite"
        self._look_back = math.ceil(math.log(_FORGOTTEN) / math.log(self._fade))
        self._fades = self._keep ** np.arange(_STEPS_PER_BLOCK + 1)
        self._fresh = Latest(self._block_alone, size=4)
        self._left = Latest(self._left_by, size=self._look_back + 8)
        self._whole = Latest(self._block, size=4)

    def at(self, t_s: float) -> float:
        """The value at one instant."""
        block, place = divmod(math.floor(t_s / self._step_s), _STEPS_PER_BLOCK)
        return float(self._whole(block)[place])

    def series(self, t_s: ArrayLike) -> Floats:
        """The values (m,) at instants (m,)."""
        block, place = np.divmod(np.floor(np.asarray(t_s) / self._step_s).astype(np.int64), _STEPS_PER_BLOCK)
        values = np.empty(block.shape)
        order = np.argsort(block, kind="stable")  # each block's instants together: a century has many blocks
        numbers, firsts = np.unique(block[order], return_index=True)
        for number, here in zip(numbers.tolist(), np.split(order, firsts[1:]), strict=True):
            values[here] = self._whole(number)[place[here]]
        return values

    def _block(self, number: int) -> Floats:
        """(steps,) of a block: what its own draws make of it, on top of what is left of earlier blocks."""
        left = sum(
            self._left(number - back) * self._fade ** (back - 1) for back in range(self._look_back, 0, -1)
        )
        return np.asarray(self._fresh(number)[:-1] + left * self._fades[:-1], dtype=np.float64)

    def _left_by(self, number: int) -> float:
        """What a block's own draws add to the value at the begin of the next block."""
        return float(self._fresh(number)[-1])

    def _block_alone(self, number: int) -> Floats:
        """(steps + 1,) of a block that began at 0. Draws per step; the k-th value has k of them behind it."""
        digest = hashlib.blake2b(f"{self._subject}, {number}".encode(), digest_size=16).digest()
        draws = np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big"))).standard_normal(
            _STEPS_PER_BLOCK
        )
        values = np.zeros(_STEPS_PER_BLOCK + 1)
        values[1:] = np.cumsum(draws / self._fades[1:]) * self._fades[1:]  # a sum of faded draws
        return values * math.sqrt(1.0 - self._keep**2)
