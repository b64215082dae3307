"""One run: the orchestrator process's centre, which owns the fabric, the nodes, the mesh's timetable and the API."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import sys
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp.web

from skyrack.orchestrator.api import control, metrics, server
from skyrack.orchestrator.clock import RealClock
from skyrack.orchestrator.fabric.client import FabricClient
from skyrack.orchestrator.fabric.engine import DROPS
from skyrack.orchestrator.fabric.histogram import LATENESS_BOUNDS_S
from skyrack.orchestrator.fabric.wire import FabricConfig
from skyrack.orchestrator.orbit.constellation import epoch_age_note
from skyrack.orchestrator.runtime.errors import RunFailed, last_line, sentence
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.mesh import MeshDriver, link_capacity
from skyrack.orchestrator.runtime.node_config import node_config
from skyrack.orchestrator.runtime.nodes import PATIENCE_S, NodeState, NodeSupervisor
from skyrack.orchestrator.runtime.oracle import Oracle
from skyrack.orchestrator.runtime.progress import Progress
from skyrack.orchestrator.runtime.updates import Outlook
from skyrack.orchestrator.scenario import Scenario
from skyrack.orchestrator.topology.epoch import Epoch
from skyrack.orchestrator.topology.geometry import Geometry

FABRIC_RESTART_S = 0.2
SHORTEST_UPDATE_S = 1.0  # nodes are not told of every epoch when orbits turn very fast
REATTACH_S = 1.0  # nodes try every 50 ms; one that has not come back to a new fabric by then is gone
PLAN_SPAN_S = 600.0


class Run:
    """Everything of one run. `main` returns when the run has been asked to stop and has stopped."""

    def __init__(
        self, run: str, scenario: Scenario, socket_dir: Path, run_dir: Path, progress: Progress
    ) -> None:
        self.run = run
        self.scenario = scenario
        self.socket_dir = socket_dir
        self.run_dir = run_dir
        self.progress = progress
        self.ready = asyncio.Event()
        self.stop = asyncio.Event()
        self.clock = RealClock()
        self.events = EventLog(run_dir / "events.jsonl", self.clock)
        self.events.listen(lambda record: progress.send(event=record))
        self.http = ""
        self._worker = ThreadPoolExecutor(1, "geometry")
        self._dark: set[int] = set()
        self._epoch: Epoch | None = None
        self._fabric: FabricClient | None = None
        self._mesh: MeshDriver | None = None
        self._tasks: asyncio.TaskGroup | None = None

    async def main(self, port: int | None) -> None:
        """Start, serve, stop. Raises RunFailed."""
        await self._prepare()
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._shut_down)
            await self._start_fabric()
            grpc_server = await control.serve(self._control, self.socket_dir / "control.sock")
            stack.push_async_callback(grpc_server.stop, 0)
            runners, self.http = await server.serve(self, self.socket_dir / "api.sock", port)
            for runner in runners:
                stack.push_async_callback(_clean_up, runner)
            await self._serve()

    async def _serve(self) -> None:
        """Run every long-lived task until `stop`, or until one of them fails."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                jobs = [
                    tasks.create_task(self._keep_fabric(), name="fabric"),
                    tasks.create_task(self.nodes.run(self.run_dir / "logs" / "zygote.log"), name="nodes"),
                    tasks.create_task(self._announce_ready(), name="ready"),
                    tasks.create_task(self._tell_nodes(), name="updates"),
                    tasks.create_task(self._write_plan(), name="plan"),
                ]
                await self.stop.wait()
                self.events.add("stopping")
                await self.nodes.stop()
                for job in jobs:
                    job.cancel()
        except* Exception as group:
            self.events.add("failed", error=sentence(group))
            raise RunFailed(sentence(group)) from group
        finally:
            self._tasks = None

    async def _prepare(self) -> None:
        loop = asyncio.get_running_loop()
        with self.progress.step("geometry") as step:
            self.geometry = await loop.run_in_executor(self._worker, Geometry, self.scenario)
            first = await loop.run_in_executor(self._worker, self.geometry.epoch, 0.0)
            lasers, ground = int((first.kind == 0).sum()), int((first.kind == 1).sum())
            step.text = f"{_count(self.geometry.n_sat, 'satellite')}, {_count(lasers, 'laser')}, "
            step.text += _count(ground, "ground link")
        for note in (*self.geometry.notes, epoch_age_note(self.geometry.constellation, self.clock.utc())):
            if note is not None:
                self.progress.send(note=note)
        network = ipaddress.ip_network(self.scenario.network)
        self._base_address = int(network.network_address) + 1
        self._names = list(self.geometry.names)
        inhabited = [int(i) for i in self.geometry.inhabited]
        rows = [-1] * len(self._names)
        for row, node in enumerate(first.destinations.tolist()):
            rows[node] = row
        self._rows = rows
        nodes = [
            NodeState(
                i, self._names[i], "satellite" if i < self.geometry.n_sat else "ground", self.address(i)
            )
            for i in inhabited
        ]
        self.nodes = NodeSupervisor(
            nodes,
            lambda node: node_config(
                node,
                self.scenario,
                run=self.run,
                socket_dir=self.socket_dir,
                run_dir=self.run_dir,
                realtime_fabric=self._fabric is not None and self._fabric.scheduler == "fifo",
            ),
            self.events,
            self.clock,
            restart=self.scenario.nodes.restart == "on-crash",
        )
        self._states = {node.index: node for node in nodes}
        hosts = ["127.0.0.1 localhost"] + [f"{self.address(i)} {name}" for i, name in enumerate(self._names)]
        (self.socket_dir / "hosts").write_text("\n".join(hosts) + "\n")
        self._oracle = Oracle(self.scenario, self.geometry, self._worker)
        self._outlook = Outlook(self.scenario, self.geometry, self.address)
        self._control = control.ControlService(self.run, self.nodes, self._outlook.update_for)

    async def _start_fabric(self) -> None:
        with self.progress.step("fabric") as step:
            # The run's clock starts here: nothing of the mesh exists before.
            self.clock.t0_monotonic_ns = RealClock().t0_monotonic_ns
            self._outlook.t0_monotonic_ns = self.clock.t0_monotonic_ns
            fabric = await self._new_fabric()
            step.text = f"MTU {self.scenario.mtu}, "
            step.text += "real-time priority" if fabric.scheduler == "fifo" else "normal priority"
        if fabric.scheduler != "fifo":
            self.progress.send(note=f"fabric at normal priority: {fabric.scheduler_reason}")

    async def _new_fabric(self) -> FabricClient:
        capacity = link_capacity(self.geometry.n_sat, len(self._names) - self.geometry.n_sat)
        config = FabricConfig(
            t0_monotonic_ns=self.clock.t0_monotonic_ns,
            base_address=self._base_address,
            names=self._names,
            rows=self._rows,
            max_links=2 * capacity,
            n_rows=max(self._rows, default=-1) + 1,
            n_drops=len(DROPS),
            n_buckets=len(LATENESS_BOUNDS_S) + 1,
            seed=self.scenario.seed,
            spin_s=self.scenario.fabric.spin_us / 1e6,
        )
        fabric = FabricClient(config, self.socket_dir, self._fabric_event)
        log = self.run_dir / "logs" / "fabric.log"
        try:
            await fabric.start(log)
        except RuntimeError as error:
            await fabric.stop()
            raise RuntimeError(f"the fabric did not start: {last_line(log) or error}") from error
        self._fabric = fabric
        self._mesh = MeshDriver(
            self.scenario, self.geometry, fabric, self.clock, self._worker, capacity, self._in_force
        )
        return fabric

    async def _keep_fabric(self) -> None:
        """Feed the fabric; when it dies, start another one and tell it everything: the nodes attach again by themselves."""
        while True:
            assert self._fabric is not None
            assert self._mesh is not None
            fabric = self._fabric
            feeding = asyncio.create_task(self._mesh.run(), name="mesh")
            ended = asyncio.create_task(fabric.wait(), name="fabric-process")
            try:
                await asyncio.wait({feeding, ended}, return_when=asyncio.FIRST_COMPLETED)
                if feeding.done():
                    feeding.result()
                self.events.add("fabric_down", status=ended.result())
                down_s = self.clock.run_s()
                self._oracle.fabric_down(down_s)
                self._fabric = None
                for node in self._states.values():
                    self.nodes.attached(node, False)
                    self._oracle.dark(down_s, node.index)
            finally:
                for task in (feeding, ended):
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task
                await fabric.stop()
            await self.clock.sleep(FABRIC_RESTART_S)
            fabric = await self._new_fabric()
            self.events.add("fabric_up", scheduler=fabric.scheduler)
            self._oracle.fabric_up(self.clock.run_s())
            self._start(self._miss_absent(), "miss-absent")
            await self._reroute()

    def _fabric_event(self, message: Mapping[str, Any]) -> None:
        index, at_s, lit = int(message["node"]), float(message["at"]), message["op"] == "lit"
        node = self._states[index]
        self.nodes.attached(node, lit)
        self.events.add("node_lit" if lit else "node_dark", run_s=at_s, node=node.name)
        if lit:
            self._oracle.lit(at_s, index)
            self._dark.discard(index)
        else:
            self._oracle.dark(at_s, index)
            self._dark.add(index)
        self._start(self._reroute_after(0.0 if lit else self.scenario.links.detection_s), "reroute")

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """In the run's task group: its failure is the run's. Nothing is started any more once the run stops."""
        if self._tasks is None or self.stop.is_set():
            work.close()
        else:
            self._tasks.create_task(work, name=name)

    async def _miss_absent(self) -> None:
        """After a fabric's start: nodes that died while there was none have not been reported dark by anybody."""
        await self.clock.sleep(REATTACH_S)
        self._dark |= {node.index for node in self._states.values() if not node.attached}
        await self._reroute()

    async def _reroute_after(self, seconds: float) -> None:
        await self.clock.sleep(seconds)
        await self._reroute()

    async def _reroute(self) -> None:
        if self._mesh is not None:
            self._oracle.rerouted(self.clock.run_s())
            await self._mesh.set_dark(frozenset(self._dark))
            self._oracle.rerouted(self.clock.run_s())

    def _in_force(self, at_s: float, epoch: Epoch) -> None:
        self._epoch = epoch
        self._oracle.in_force(at_s, epoch, self.clock.run_s())

    async def _tell_nodes(self) -> None:
        """Compute the outlook of every epoch a little ahead and send it to all nodes."""
        loop = asyncio.get_running_loop()
        speed = self.scenario.speed
        while True:
            t_s = self.clock.run_s() * speed
            end_s = await loop.run_in_executor(self._worker, self._outlook.compute, t_s)
            await self._control.publish()
            # The far future in small pieces, so that the worker stays free for the mesh.
            while await loop.run_in_executor(self._worker, self._outlook.extend):
                await self.clock.sleep(0.01)
            await self._control.publish()
            await self.clock.sleep(max(SHORTEST_UPDATE_S, end_s / speed - self.clock.run_s()))

    async def _announce_ready(self) -> None:
        with self.progress.step("nodes") as step:
            nodes = list(self.nodes.nodes.values())
            most, since_s = 0, self.clock.run_s()
            while waiting := [node for node in nodes if node.state != "serving"]:
                serving = len(nodes) - len(waiting)
                missed = ", ".join(node.name for node in waiting[:3]) + (", ..." if len(waiting) > 3 else "")
                step.update(f"{serving}/{len(nodes)} serving, waiting for {missed}")
                if serving > most:
                    most, since_s = serving, self.clock.run_s()
                if self.clock.run_s() - since_s > PATIENCE_S:
                    raise RuntimeError(f"{missed}: not serving after {PATIENCE_S:g} s, and not ended either")
                waiting[0].changed.clear()
                if waiting[0].state != "serving":
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(waiting[0].changed.wait(), 0.2)
            step.text = f"{len(nodes)}/{len(nodes)} serving"
        self.ready.set()
        self.events.add("ready", nodes=len(nodes))
        self.progress.send(ready=await self.status())
        self.progress.never_wait()

    async def _write_plan(self) -> None:
        """plan.jsonl, by a process that runs when nobody else wants the CPU."""
        await self.ready.wait()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "skyrack.orchestrator.runtime.plan_file",
            str(self.run_dir / "scenario.yaml"), str(PLAN_SPAN_S), str(self.run_dir / "plan.jsonl"),
            stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            _, stderr = await process.communicate()
            if process.returncode:
                words = stderr.decode(errors="replace").strip().splitlines()
                self.events.add("plan_failed", error=words[-1] if words else f"status {process.returncode}")
        finally:
            if process.returncode is None:
                process.kill()

    async def _shut_down(self) -> None:
        await self.nodes.stop()
        if self._fabric is not None:
            await self._fabric.stop()
        self._worker.shutdown(wait=False, cancel_futures=True)
        self.events.add("stopped")
        self.events.close()

    # What the API asks for

    def address(self, index: int) -> str:
        """A node's IPv4 address on the mesh."""
        return str(ipaddress.ip_address(self._base_address + index))

    def require_node(self, name: object) -> int:
        """The node's index. Raises KeyError with a text for the user."""
        try:
            return self.geometry.index_of(str(name))
        except KeyError:
            raise KeyError(f"no node is called {name!r}") from None

    def kill(self, name: str, number: int) -> None:
        """Send a signal to a node's process. Raises KeyError."""
        self.require_node(name)
        if name not in self.nodes.nodes:
            raise KeyError(f"{name} is a bare satellite: it has no process")
        if not self.nodes.nodes[name].alive:
            raise RuntimeError(f"{name} has no process at the moment")
        self.events.add("node_signalled", node=name, signal=number)
        self.nodes.signal(name, number)

    async def status(self) -> dict[str, Any]:
        """The run as `skyrack status` shows it."""
        fabric, epoch = self._fabric, self._epoch
        run_s = self.clock.run_s()
        states = self._states
        nodes = []
        for i, name in enumerate(self._names):
            node = states.get(i)
            nodes.append(
                {
                    "name": name,
                    "kind": "satellite" if i < self.geometry.n_sat else "ground",
                    "state": node.state if node else "bare",
                    "inhabited": node is not None,
                    "inner_pid": node.pid if node else 0,
                    "address": self.address(i),
                    "restarts": node.restarts if node else 0,
                }
            )
        return {
            "run": self.run,
            "name": self.scenario.name,
            "state": "up" if self.ready.is_set() else "starting",
            "http": self.http,
            "start": self.geometry.start.isoformat(),
            "t0_monotonic_ns": self.clock.t0_monotonic_ns,
            "run_s": run_s,
            "orbit_unix_s": self.geometry.start.timestamp() + run_s * self.scenario.speed,
            "speed": self.scenario.speed,
            "run_dir": str(self.run_dir),
            "socket_dir": str(self.socket_dir),
            "mtu": self.scenario.mtu,
            "scenario": json.loads(self.scenario.model_dump_json()),
            "nodes": nodes,
            "fabric": {
                "inner_pid": fabric.pid if fabric else 0,
                "scheduler": fabric.scheduler if fabric else "",
                "scheduler_reason": fabric.scheduler_reason if fabric else "",
            },
            "links": {
                "laser": int((epoch.kind == 0).sum()) if epoch is not None else 0,
                "ground": int((epoch.kind == 1).sum()) if epoch is not None else 0,
            },
            "events_lost": self.events.lost,
        }

    async def fabric_counters(self) -> dict[str, Any]:
        """Cumulative counters of the fabric process. Raises RuntimeError while there is none."""
        if self._fabric is None:
            raise RuntimeError("the fabric is not up")
        counters = await self._fabric.counters()
        counters.pop("nodes")
        return counters

    async def computed(self, probes: list[list[Any]]) -> list[dict[str, Any]]:
        """Computed round trips for [run_s, a, b, ip_bytes] probes, in their order."""
        require = self.require_node
        return await self._oracle.computed(
            [(float(run_s), require(a), require(b), int(size)) for run_s, a, b, size in probes]
        )

    async def expositions(self) -> list[str]:
        """Metrics of the orchestrator with the fabric, and of every node."""
        counters: dict[str, Any] | None = None
        samples: list[metrics.LinkSample] = []
        if self._fabric is not None:
            with contextlib.suppress(TimeoutError, ConnectionError):
                counters = await self._fabric.counters(links=True)
                samples = self._link_samples(counters["links"])
        paths = [self.socket_dir / "nodes" / f"{name}.metrics.sock" for name in self.nodes.nodes]
        collector = metrics.RunCollector(await self.status(), counters, samples)
        return [metrics.exposition(collector), *await metrics.scrape_all(paths)]

    def _link_samples(self, counters: Mapping[str, list[float]]) -> list[metrics.LinkSample]:
        samples: list[metrics.LinkSample] = []
        epoch, mesh = self._epoch, self._mesh
        if epoch is None or mesh is None:
            return samples
        for a, b, kind in zip(epoch.a.tolist(), epoch.b.tolist(), epoch.kind.tolist(), strict=True):
            pair = mesh.pair_number(a, b)
            if pair is None:
                continue
            for number, (src, dst) in ((2 * pair, (a, b)), (2 * pair + 1, (b, a))):
                if counters["packets"][number] or counters["dropped_queue"][number]:
                    values = {name: column[number] for name, column in counters.items()}
                    names = self._names[src], self._names[dst]
                    samples.append(metrics.LinkSample(*names, "ground" if kind else "laser", values))
        return samples[: metrics.MOST_LINKS]

    def prometheus_targets(self) -> list[dict[str, Any]]:
        """Targets for http_sd: the orchestrator with the fabric and, behind it, every node."""
        host = self.http.removeprefix("http://")
        own: dict[str, Any] = {"targets": [host], "labels": {"job": "skyrack", "run": self.run}}
        return [own] if host else []


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


async def _clean_up(runner: aiohttp.web.AppRunner) -> None:
    await runner.cleanup()
