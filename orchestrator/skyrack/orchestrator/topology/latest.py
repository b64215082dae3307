"""A cache that keeps the latest few results, safe to share between threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Latest(Generic[K, V]):
    """Results of `make(key)`, at most `size` of them, least recently used out first.

    `make` runs under the lock: a result is computed once, and it may ask the same cache for other keys.
    """

    def __init__(self, make: Callable[[K], V], *, size: int = 8) -> None:
        self._make = make
        self._size = size
        self._kept: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.RLock()

    def forget(self) -> None:
        """Everything is to be made anew; what is being made now is waited for."""
        with self._lock:
            self._kept.clear()

    def __call__(self, key: K) -> V:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = self._make(key)
            self._kept.move_to_end(key)
            value = self._kept[key]
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
            return value
