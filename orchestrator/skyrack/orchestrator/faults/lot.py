"""Random draws that depend on a seed and a subject alone: the same in every process and on every Python."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Lot:
    """Draws for one subject, such as ("campaign", "storms"): no other subject's draws change them.

    Only `random()` of the generator is used, whose values Python promises to keep.
    """

    def __init__(self, seed: int, *subject: object) -> None:
        self._random = random.Random("/".join(str(part) for part in (seed, *subject))).random

    def between(self, least: float, most: float) -> float:
        """Uniform in [least, most)."""
        return least + (most - least) * self._random()

    def gap(self, mean: float) -> float:
        """Exponential: the time until the next of events that come independently, `mean` apart."""
        return -math.log(1.0 - self._random()) * mean

    def one(self, of: Sequence[T]) -> T:
        """One of them."""
        return of[int(self._random() * len(of))]

    def some(self, count: int, of: Sequence[T]) -> list[T]:
        """`count` different ones, in their own order."""
        left = list(range(len(of)))
        taken = [left.pop(int(self._random() * len(left))) for _ in range(count)]
        return [of[index] for index in sorted(taken)]
