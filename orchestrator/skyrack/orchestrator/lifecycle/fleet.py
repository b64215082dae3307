"""Which satellites are there when: every launch of a scenario, and those that somebody has ordered since. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.lifecycle.batch import Batch, Step
from skyrack.orchestrator.lifecycle.passage import Phase


@dataclass(frozen=True)
class Fleet:
    """`batches` by name; those of them that are launched, or are to be at a known instant, by name with that instant."""

    batches: Mapping[str, Batch] = field(default_factory=dict)
    launched_s: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, batches: Sequence[Batch]) -> Fleet:
        """With the launches that the scenario has timed."""
        launched_s = {batch.name: batch.at_s for batch in batches if batch.at_s is not None}
        return cls({batch.name: batch for batch in batches}, launched_s)

    def launch(self, name: str, t_s: float, *, at_once: bool = False) -> Fleet:
        """With one more launch; the caller knows that there is such a batch, and that it has not been launched."""
        batch = self.batches[name]
        batches = {**self.batches, name: batch.at_once() if at_once else batch}
        return Fleet(batches, {**self.launched_s, name: t_s})

    @property
    def nodes(self) -> dict[int, str]:
        """The satellites of all batches, each with the name of its own."""
        return {node: batch.name for batch in self.batches.values() for node in batch.nodes}

    def service_s(self, n_sat: int) -> NDArray[np.float64]:
        """From when on each satellite (n_sat,) is in service: -inf for those of no launch, inf while nobody knows."""
        since_s = np.full(n_sat, -np.inf)
        for batch in self.batches.values():
            at_s = self.launched_s.get(batch.name, math.inf)
            for node, passage in zip(batch.nodes, batch.passages, strict=True):
                since_s[node] = at_s + passage.service_s
        return since_s

    def phases(self, t_s: float) -> dict[int, Phase]:
        """Where each satellite of a launch is at `t_s`."""
        return {
            node: passage.phase(t_s - self.launched_s.get(batch.name, math.inf))
            for batch in self.batches.values()
            for node, passage in zip(batch.nodes, batch.passages, strict=True)
        }

    def steps(self, after_s: float, until_s: float) -> list[Step]:
        """What begins in (after_s, until_s], in order of time; at one instant of one launch earlier phases first."""
        found: dict[tuple[float, str, Phase], list[int]] = {}
        for batch in self.batches.values():
            at_s = self.launched_s.get(batch.name, math.inf)
            for node, passage in zip(batch.nodes, batch.passages, strict=True):
                for phase, begins_s in passage.begins_s().items():
                    if after_s < at_s + begins_s <= until_s and at_s < math.inf:
                        found.setdefault((at_s + begins_s, batch.name, phase), []).append(node)
        steps = [
            Step(t_s, name, phase, tuple(nodes), self._lost(name, phase, nodes))
            for (t_s, name, phase), nodes in found.items()
        ]
        return sorted(steps, key=lambda step: (step.t_s, step.batch, _ORDER[step.phase]))

    def next_s(self, after_s: float) -> float:
        """The first instant after `after_s` at which something begins; infinite if nothing does."""
        begins_s = [
            at_s + start_s
            for name, at_s in self.launched_s.items()
            for passage in self.batches[name].passages
            for start_s in passage.begins_s().values()
            if at_s + start_s > after_s
        ]
        return min(begins_s, default=math.inf)

    def _lost(self, name: str, phase: Phase, nodes: Sequence[int]) -> tuple[int, ...]:
        losses = self.batches[name].losses
        if losses is None or losses.phase is not phase:
            return ()
        return tuple(node for node in nodes if node in losses.nodes)


def together(steps: Sequence[Step]) -> list[Step]:
    """One step for all that begin a phase of a launch, at the last of their instants: after a jump of the clock."""
    found: dict[tuple[str, Phase], Step] = {}
    for step in steps:
        before = found.get((step.batch, step.phase))
        if before is not None:
            step = replace(step, nodes=before.nodes + step.nodes, lost=before.lost + step.lost)
        found[step.batch, step.phase] = step
    return list(found.values())


_ORDER: Final = {phase: number for number, phase in enumerate(Phase)}
NO_FLEET: Final = Fleet()
