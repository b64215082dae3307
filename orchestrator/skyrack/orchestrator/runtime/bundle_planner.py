"""Finds the ways of a run's bundles: one plan of contacts for all, as long as the same is known to have failed.

In a thread of its own, on a geometry of its own: the worker that keeps the fabric on time is not held up, and what it has
cached is not thrown out by a look at hours to come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from skyrack.orchestrator.routing.bundle_route import bundle_route
from skyrack.orchestrator.routing.contact_plan import ContactPlan
from skyrack.orchestrator.routing.contacts import Busy, Leg
from skyrack.orchestrator.scenario import Scenario
from skyrack.orchestrator.timeline import Timeline
from skyrack.orchestrator.topology.failures import Failures
from skyrack.orchestrator.topology.geometry import Geometry


class BundlePlanner:
    """One search at a time."""

    def __init__(self, scenario: Scenario, timeline: Timeline) -> None:
        self._scenario = scenario
        self._timeline = timeline
        self._planned_for = timeline.pieces
        self._geometry: Geometry | None = None
        self._plan: ContactPlan | None = None
        self._one = asyncio.Lock()

    @property
    def horizon_s(self) -> float:
        """How far ahead, run seconds; while the orbits stand still, as if they turned at real speed."""
        return self._scenario.routing.contact_horizon_s / (self._timeline.pieces[-1].speed or 1.0)

    async def find(
        self,
        src: int,
        dst: int,
        now_s: float,
        until_s: float,
        size_bytes: int,
        failures: Failures,
        stores: Callable[[int], bool],
        busy: Iterable[Busy],
    ) -> tuple[Leg, ...]:
        """As `bundle_route`. Raises NoBundleRouteError."""
        async with self._one:
            return await asyncio.to_thread(
                self._find, src, dst, now_s, until_s, size_bytes, failures, stores, tuple(busy)
            )

    def _find(
        self,
        src: int,
        dst: int,
        now_s: float,
        until_s: float,
        size_bytes: int,
        failures: Failures,
        stores: Callable[[int], bool],
        busy: tuple[Busy, ...],
    ) -> tuple[Leg, ...]:
        plan, pieces = self._plan, self._timeline.pieces
        stale = plan is None or now_s > plan.from_s + self.horizon_s or pieces != self._planned_for
        if plan is None or stale or plan.failures != failures:
            if self._geometry is None:
                self._geometry = Geometry(self._scenario)
            timeline = Timeline(self._scenario.speed, pieces)
            plan = self._plan = ContactPlan(self._geometry, now_s, failures, timeline)
            self._planned_for = pieces
        return bundle_route(plan, src, dst, now_s, until_s, size_bytes, stores, busy)
