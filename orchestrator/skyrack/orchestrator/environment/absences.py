"""When satellites are not in service, so that no particle hits them: not yet by their launches, lost, or retired. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.environment.stays import Stay


class Absences:
    """`service_s` (n_sat,): from when on each is in service. `gone`: spans without it afterwards, by node."""

    def __init__(
        self, service_s: NDArray[np.float64] | None = None, gone: Mapping[int, Sequence[Stay]] | None = None
    ) -> None:
        self._service_s = service_s
        self._gone = gone or {}

    def at(self, node: int, t_s: float) -> bool:
        """Whether it is not in service at an instant."""
        return any(first_t_s <= t_s < last_t_s for first_t_s, last_t_s in self.of(node))

    def without(self, node: int, stay: Stay) -> list[Stay]:
        """The parts of a stay during which it is in service, in order."""
        parts, begin_t_s = [], stay[0]
        for first_t_s, last_t_s in sorted(self.of(node)):
            if last_t_s <= begin_t_s:
                continue
            if first_t_s >= stay[1]:
                break
            if first_t_s > begin_t_s:
                parts.append((begin_t_s, first_t_s))
            begin_t_s = last_t_s
        return [*parts, (begin_t_s, stay[1])] if begin_t_s < stay[1] else parts

    def of(self, node: int) -> list[Stay]:
        """Of a satellite; they may overlap."""
        since_s = -math.inf if self._service_s is None else float(self._service_s[node])
        before = [(-math.inf, since_s)] if since_s > -math.inf else []
        return [*before, *self._gone.get(node, ())]
