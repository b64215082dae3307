"""One run: the orchestrator process's centre. Starts, keeps everything going, stops."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor

from skyrack.orchestrator.api.listen import Listen
from skyrack.orchestrator.clock import RealClock
from skyrack.orchestrator.environment.passes import Passes
from skyrack.orchestrator.orbit.constellation import epoch_age_note
from skyrack.orchestrator.runtime.answers import Answers
from skyrack.orchestrator.runtime.basis import Basis, Means
from skyrack.orchestrator.runtime.briefing import brief_nodes
from skyrack.orchestrator.runtime.clock_journal import ClockJournal
from skyrack.orchestrator.runtime.composition import compose
from skyrack.orchestrator.runtime.errors import RunFailed, sentence
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.exposer import Exposer
from skyrack.orchestrator.runtime.files import write_whole
from skyrack.orchestrator.runtime.life import Life
from skyrack.orchestrator.runtime.nodes import NodeBook
from skyrack.orchestrator.runtime.parts import Parts
from skyrack.orchestrator.runtime.places import Places
from skyrack.orchestrator.runtime.planning import write_plan
from skyrack.orchestrator.runtime.progress import Progress
from skyrack.orchestrator.runtime.readiness import every_node_serves
from skyrack.orchestrator.runtime.roster import Roster
from skyrack.orchestrator.runtime.services.awaited import every_service_ready
from skyrack.orchestrator.runtime.serving import serving
from skyrack.orchestrator.runtime.status import RunStatus
from skyrack.orchestrator.scenario import Scenario
from skyrack.orchestrator.timeline import Piece, Timeline
from skyrack.orchestrator.topology.epoch import count_kinds
from skyrack.orchestrator.topology.geometry import Geometry


class Run:
    """Everything of one run. `main` returns when the run has been asked to `stop` and has stopped.

    `t0_monotonic_ns`: when the run began, if it did before this process.
    """

    def __init__(
        self,
        run: str,
        scenario: Scenario,
        places: Places,
        progress: Progress,
        means: Means,
        *,
        t0_monotonic_ns: int | None = None,
    ) -> None:
        self._run = run
        self._scenario = scenario
        self._places = places
        self._progress = progress
        self._means = means
        self._again = t0_monotonic_ns is not None
        self._clock = RealClock(t0_monotonic_ns)
        self._worker = ThreadPoolExecutor(1, "geometry")
        self._life = Life()
        self.stop = self._life.stop
        self.events = EventLog(places.run_dir / "events.jsonl", self._clock)
        self.events.listen(lambda record: progress.send(event=record))

    async def main(self, listen: Listen | None) -> None:
        """Start, serve, stop. Raises RunFailed."""
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._close)
            parts = await self._prepare()
            status = RunStatus(parts, self._life)
            exposer = Exposer(parts, status)
            stack.push_async_callback(parts.outside.broker.stop)
            stack.push_async_callback(parts.outside.entries.stop)
            stack.push_async_callback(_end_processes, parts)
            answers = Answers(parts, self._life, status, exposer)
            await stack.enter_async_context(serving(parts, answers, self._life, listen))
            await self._keep_going(parts, exposer, status)

    async def _prepare(self) -> Parts:
        """Everything that needs no other process."""
        journal = ClockJournal(self._places.run_dir / "clock.jsonl")
        changes = journal.read() if self._again else []
        set_speed = changes[-1][1] if changes else self._scenario.speed
        basis = await self._basis([piece for piece, _ in changes])
        return compose(basis, self._means, journal, set_speed)

    async def _basis(self, changes: list[Piece]) -> Basis:
        """`changes` of the clock, that an orchestrator before this one has made."""
        loop = asyncio.get_running_loop()
        with self._progress.step("geometry") as step:
            geometry = await loop.run_in_executor(self._worker, Geometry, self._scenario)
            first = await loop.run_in_executor(self._worker, geometry.epoch, 0.0)
            links = count_kinds(first.kind)
            step.text = f"{_count(geometry.n_sat, 'satellite')}, {_count(links['laser'], 'laser')}, "
            step.text += _count(links["ground"], "ground link")
            step.text += f", {_count(links['fibre'], 'fibre')}" if links["fibre"] else ""
        for note in (*geometry.notes, epoch_age_note(geometry.constellation, self._clock.utc())):
            if note is not None:
                self._progress.send(note=note)
        if not self._again:
            self._clock.t0_monotonic_ns = RealClock().t0_monotonic_ns  # nothing of the mesh exists before
        roster = Roster(self._scenario, geometry, first)
        write_whole(self._places.mesh_dir / "hosts", roster.hosts())
        speed = self._scenario.speed
        pieces = {piece.run_s: piece for piece in (Piece(0.0, 0.0, speed), *changes)}
        return Basis(
            run=self._run,
            scenario=self._scenario,
            places=self._places,
            clock=self._clock,
            timeline=Timeline(speed, list(pieces.values())),
            events=self.events,
            geometry=geometry,
            passes=Passes(geometry),
            roster=roster,
            book=NodeBook(roster.node_states(), self.events, self._clock),
            worker=self._worker,
            again=self._again,
        )

    async def _keep_going(self, parts: Parts, exposer: Exposer, status: RunStatus) -> None:
        """Run every long-lived task until `stop`, or until one of them fails."""
        outside, mesh, happenings = parts.outside, parts.mesh, parts.happenings
        processes = mesh.processes
        try:
            async with asyncio.TaskGroup() as tasks:
                jobs = [
                    tasks.create_task(mesh.feed.run(self._progress), name="feed"),
                    tasks.create_task(processes.nodes.run(), name="nodes"),
                    tasks.create_task(happenings.faults.run(), name="faults"),
                    tasks.create_task(happenings.launches.run(), name="launches"),
                    tasks.create_task(happenings.occurrences.run(), name="occurrences"),
                    tasks.create_task(outside.broker.run(self._progress), name="broker"),
                    tasks.create_task(_speak(parts), name="bus"),
                    tasks.create_task(self._become_ready(parts, status), name="ready"),
                    tasks.create_task(self._probe(parts), name="probes"),
                    tasks.create_task(self._let_in(parts), name="entries"),
                    tasks.create_task(exposer.handovers.run(), name="handovers"),
                    tasks.create_task(parts.joining.health.run(), name="health"),
                    tasks.create_task(_brief(parts), name="updates"),
                ]
                if happenings.radiation is not None:
                    jobs.append(tasks.create_task(happenings.radiation.run(), name="radiation"))
                await self.stop.wait()
                self.events.add("stopping")
                await happenings.throttles.close()
                await happenings.faults.let_go()
                await processes.nodes.stop()
                if not processes.awaited:  # nodes of others go on, and so does what is retained about them
                    await outside.bus.close(list(parts.basis.book.by_name))
                for job in jobs:
                    job.cancel()
        except* Exception as group:
            self.events.add("failed", error=sentence(group))
            raise RunFailed(sentence(group)) from group

    async def _probe(self, parts: Parts) -> None:
        await self._life.ready.wait()
        await parts.traffic.probes.run()

    async def _let_in(self, parts: Parts) -> None:
        await self._life.ready.wait()  # who is early waits in the queue of the port
        await parts.outside.entries.run()

    async def _become_ready(self, parts: Parts, status: RunStatus) -> None:
        book, awaited = parts.basis.book, parts.mesh.processes.awaited
        await parts.mesh.feed.up.wait()
        await every_node_serves(book, self._clock, self._progress, for_ever=awaited)
        await every_service_ready(parts.mesh.services, self._clock, self._progress, for_ever=awaited)
        await parts.outside.broker.up.wait()
        self._life.ready.set()
        self.events.add("ready", nodes=sum(not node.phase for node in book.by_name.values()))
        self._progress.send(ready=status.shown())
        self._progress.never_wait()
        await write_plan(self._places.run_dir, self.events)

    def _close(self) -> None:
        self._worker.shutdown(wait=False, cancel_futures=True)
        self.events.add("stopped")
        self.events.close()


async def _speak(parts: Parts) -> None:
    await parts.outside.broker.up.wait()
    await parts.outside.bus.run()


async def _brief(parts: Parts) -> None:
    await brief_nodes(
        outlook=parts.joining.outlook,
        control=parts.joining.control,
        bus=parts.outside.bus,
        clock=parts.basis.clock,
        worker=parts.basis.worker,
        timeline=parts.basis.timeline,
        storms=parts.happenings.faults.storms,
    )


async def _end_processes(parts: Parts) -> None:
    await parts.mesh.processes.nodes.stop()
    parts.mesh.services.end()
    await parts.mesh.processes.fabrics.end()


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
