"""Has satellites come into service when their launches say, and tells what they are doing until then.

    fleet (pure) --steps, by orbit time--> events, losses, processes let in
    order ------> fleet with one launch more --> geometry, journal

The geometry flies them without lasers until they are in service; this is about everything else. A launch that is ordered
changes nothing that anybody has been told of: where it would, it is put off until after that.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from skyrack.orchestrator.lifecycle.batch import Step
from skyrack.orchestrator.lifecycle.fleet import Fleet, together
from skyrack.orchestrator.lifecycle.passage import Phase
from skyrack.orchestrator.runtime.basis import Basis
from skyrack.orchestrator.runtime.faults import Faults
from skyrack.orchestrator.runtime.feed import Feed
from skyrack.orchestrator.runtime.files import write_whole
from skyrack.orchestrator.runtime.mesh import LEAD_S, LONGEST_SEGMENT_S
from skyrack.orchestrator.runtime.nodes import NodeState
from skyrack.orchestrator.spelling import closest

GONE: Final = ("lost", "retired")
HORIZON_S: Final = LEAD_S + 2 * LONGEST_SEGMENT_S  # real seconds that the fabric may have been told of


class LaunchProblem(ValueError):
    """What was asked for cannot be; the text is for whoever asked."""


class Launches:
    """`begin` before anything runs, then `run`. launches.json keeps what an orchestrator that goes on with the run needs.

    `on_ordered`: hears that satellites will be in service who were not to be.
    """

    def __init__(
        self, basis: Basis, keep_off: Callable[[NodeState], None], feed: Feed, faults: Faults
    ) -> None:
        self._geometry = basis.geometry
        self._timeline = basis.timeline
        self._book = basis.book
        self._keep_off = keep_off
        self._feed = feed
        self._faults = faults
        self._events = basis.events
        self._clock = basis.clock
        self._worker = basis.worker
        self._file = basis.places.run_dir / "launches.json"
        self._ordered: list[dict[str, Any]] = []
        self._done_t_s = -math.inf  # every step until then has been taken
        self._changed = asyncio.Event()
        self._launching = asyncio.Lock()
        self.on_ordered: Callable[[], None] = lambda: None
        basis.timeline.listen(lambda piece: self._changed.set())

    @property
    def fleet(self) -> Fleet:
        """Every launch, with those that were ordered."""
        return self._geometry.fleet

    def begin(self, *, again: bool) -> None:
        """Who is not in service is kept off. `again`: an orchestrator was there before."""
        kept = self._kept() if again else {}
        for order in kept.get("ordered", ()):
            self._ordered.append(order)
            self._geometry.take(self.fleet.launch(order["name"], order["t_s"], at_once=order["at_once"]))
        self._done_t_s = kept.get("done_t_s", -math.inf)
        now_t_s = self._now_t_s()
        away = {
            node: phase for node, phase in self.fleet.phases(now_t_s).items() if phase is not Phase.IN_SERVICE
        }
        for node, phase in away.items():
            state = self._book.by_index.get(node)
            if state is not None and not state.alive:
                self._book.update(state, phase=phase.value)
                self._keep_off(state)
        inhabited = away.keys() & self._book.by_index.keys()
        self._feed.absent(inhabited)
        self._faults.absent(inhabited)

    async def run(self) -> None:
        """Take each step at its instant, until cancelled."""
        if not self.fleet.batches:
            return
        await self._advance(self._now_t_s(), quietly=self._done_t_s == -math.inf)
        while True:
            self._changed.clear()
            await self._advance(self._now_t_s())
            due_s = self._timeline.run_s(self.fleet.next_s(self._done_t_s))
            with contextlib.suppress(TimeoutError):
                wait_s = max(0.0, due_s - self._clock.run_s())
                async with asyncio.timeout(wait_s if wait_s < math.inf else None):
                    await self._changed.wait()

    async def launch(self, name: str, *, at_once: bool) -> dict[str, Any]:
        """Launch a batch that waits to be; `at_once`: without anything that comes before service. Raises LaunchProblem."""
        async with self._launching:
            fleet = self.fleet
            if name not in fleet.batches:
                there = ", ".join(fleet.batches)
                near = closest(name, fleet.batches) or (
                    f"there are {there}" if there else "the scenario has none"
                )
                raise LaunchProblem(f"no launch is called {name[:80]!r}: {near}")
            if name in fleet.launched_s:
                raise LaunchProblem(
                    f"{name} is launched at {fleet.launched_s[name]:g} s of orbit time already"
                )
            now_t_s = self._now_t_s()
            batch = fleet.batches[name].at_once() if at_once else fleet.batches[name]
            first_s = min(passage.service_s for passage in batch.passages)
            t_s = max(now_t_s, self._undecided_t_s() - first_s)
            order = {"name": name, "t_s": t_s, "at_once": at_once}
            fleet = fleet.launch(name, t_s, at_once=at_once)
            await asyncio.get_running_loop().run_in_executor(self._worker, self._geometry.take, fleet)
            self._ordered.append(order)
            self._keep()
            self._changed.set()
            self.on_ordered()
            self._events.add("launch_ordered", launch=name, t_s=round(t_s, 3), satellites=len(batch.nodes))
            return {"now_t_s": now_t_s, "launch": self._shown(name, self._phases())}

    def status(self) -> dict[str, Any]:
        """For the run's status: how many satellites are where, and each launch."""
        phases = self._phases()
        counts = Counter(phases.values())
        away = sum(count for phase, count in counts.items() if phase != Phase.IN_SERVICE.value)
        counts[Phase.IN_SERVICE.value] = self._geometry.n_sat - away
        order = (*(phase.value for phase in Phase), *GONE)
        return {
            "phases": {phase: counts[phase] for phase in order},
            "launches": [self._shown(name, phases) for name in self.fleet.batches],
        }

    def away(self) -> dict[int, str]:
        """What satellites do that are not in service."""
        return {node: phase for node, phase in self._phases().items() if phase != Phase.IN_SERVICE.value}

    def listed(self) -> dict[str, Any]:
        """Every launch with how many of its satellites are where."""
        return {"launches": self.status()["launches"]}

    def _shown(self, name: str, phases: Mapping[int, str]) -> dict[str, Any]:
        batch, at_s = self.fleet.batches[name], self.fleet.launched_s.get(name)
        counts = Counter(phases[node] for node in batch.nodes)
        return {
            "name": name,
            "satellites": len(batch.nodes),
            "t_s": at_s,
            "in_service_t_s": None if at_s is None else at_s + batch.longest_s,
            "phases": dict(counts),
        }

    def _phases(self) -> dict[int, str]:
        """Where each satellite is: those of launches, and those that are gone."""
        phases = {node: phase.value for node, phase in self.fleet.phases(self._now_t_s()).items()}
        return phases | {
            node: word for node, word in self._faults.gone.now.items() if node < self._geometry.n_sat
        }

    async def _advance(self, t_s: float, *, quietly: bool = False) -> None:
        """Take every step until `t_s`. `quietly`: it was before the run, and nobody needs to hear of it."""
        steps = self.fleet.steps(self._done_t_s, t_s)
        self._done_t_s = max(self._done_t_s, t_s)
        for step in together(steps):
            await self._take(step, quietly=quietly)
        if steps:
            self._keep()

    async def _take(self, step: Step, *, quietly: bool) -> None:
        names, lost = self._geometry.names, self._faults.gone.now
        there = [node for node in step.nodes if node not in lost]
        if not there:
            return
        if not quietly:
            self._events.add(
                "launch_phase",
                launch=step.batch,
                phase=step.phase.value,
                t_s=round(step.t_s, 3),
                on=[names[node] for node in there],
            )
        for node in there:
            if (state := self._book.by_index.get(node)) is not None and state.phase:
                self._book.update(state, phase="" if step.phase is Phase.IN_SERVICE else step.phase.value)
        if step.phase is Phase.IN_SERVICE:
            self._faults.appear(there)
        if gone := [names[node] for node in step.lost if node not in lost]:
            cause = f"launch {step.batch}"
            await self._faults.add({"faults": [{"kind": "lost", "nodes": gone, "cause": cause}]})

    def _now_t_s(self) -> float:
        return self._timeline.t_s(self._clock.run_s())

    def _undecided_t_s(self) -> float:
        """The first instant of which nobody has been told anything: handovers look a period ahead."""
        grid = self._geometry.grid_clock
        return grid.boundary_s(grid.number_at(self._timeline.t_s(self._clock.run_s() + HORIZON_S)) + 2)

    def _keep(self) -> None:
        try:
            write_whole(self._file, json.dumps({"ordered": self._ordered, "done_t_s": self._done_t_s}))
        except OSError as error:
            self._events.add("launches_not_kept", error=error.strerror or str(error))

    def _kept(self) -> dict[str, Any]:
        try:
            found = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return {}
        return dict(found)
