"""Watch the host beside something else that measures: `with HostWatch(t0) as watch: ...; windows = watch.windows()`."""

from __future__ import annotations

import json
import select
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from skyrack.orchestrator.measure import host_process
from skyrack.orchestrator.measure.child import LineChild
from skyrack.orchestrator.measure.host import Window


class HostWatch:
    """One host process. `raw` has the windows as JSON values, for keeping beside what was measured."""

    def __init__(self, t0_monotonic_ns: int, watched: Mapping[str, int] | None = None) -> None:
        self._child = LineChild(host_process.__name__, [str(t0_monotonic_ns)])
        self._child.tell(json.dumps(dict(watched or {})))
        self.raw: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.close()

    def windows(self) -> list[Window]:
        """End the watch with the second that is running; returns every window. Takes up to two seconds."""
        self._child.finish()
        while not self._child.ended:
            select.select([self._child.descriptor], [], [])
            self.raw += self._child.read()
        return [Window(**line) for line in self.raw]
