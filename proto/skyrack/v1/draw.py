"""Draws for upsets: which process, page, file and bit, as a function of a text and of what is there."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Draw:
    """Only `random()` of the generator is used, whose values Python promises to keep."""

    def __init__(self, text: str) -> None:
        self._random = random.Random(text).random

    def below(self, count: int) -> int:
        """Uniform from 0 to count - 1."""
        return int(self._random() * count)

    def weighted(self, of: Sequence[T], weights: Sequence[int]) -> T | None:
        """One of them, each as likely as its weight says; None where none has any."""
        left = self.below(sum(weights))
        for one, weight in zip(of, weights, strict=True):
            if left < weight:
                return one
            left -= weight
        return None
