"""Which of several endpoints a client asks: the first, until it disappoints."""

from __future__ import annotations

from collections.abc import Sequence


class Turns:
    """Endpoints, NAME:PORT, in the order in which they are tried; after the last comes the first again."""

    def __init__(self, endpoints: Sequence[str]) -> None:
        if not endpoints:
            raise ValueError("a store needs an endpoint")
        self._endpoints = tuple(endpoints)
        self._turn = 0

    @property
    def current(self) -> str:
        """The one to ask."""
        return self._endpoints[self._turn]

    def leave(self, endpoint: str) -> None:
        """It did not answer, or not well: ask the next. Does nothing when somebody has moved on already."""
        if endpoint == self.current:
            self._turn = (self._turn + 1) % len(self._endpoints)
