"""One measured echo workload: generator, prober and host watch side by side, the run's API beside them.

    generator process (gRPC echo) ---.
    prober process (ICMP) -----------+--JSON lines--> this loop --files--> run directory
    host process (canary, kernel) ---'                 |    ^
                                     kill, computed,   v    | counters, events
                                                      run's API

The loop does bookkeeping only: whatever it is late with, no measurement is.
"""

from __future__ import annotations

import selectors
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from skyrack.orchestrator.api.client import ApiError
from skyrack.orchestrator.measure import hold, shots, stamps
from skyrack.orchestrator.measure.child import LineChild
from skyrack.orchestrator.measure.host_watch import HostWatch
from skyrack.orchestrator.measure.nodes import Nodes
from skyrack.orchestrator.measure.probe_client import ProbeProcess
from skyrack.orchestrator.measure.prober import Probe
from skyrack.orchestrator.measure.recorder import Recorder
from skyrack.orchestrator.measure.workload import Api, Fault, Progress, Workload
from skyrack.v1.hand_out import receive_fabric

GENERATOR = "skyrack.groundstation.load"
READY_TIMEOUT_S = 30.0
LEAD_S = 0.5
TICK_S = 0.05
ASK_EVERY_S = 0.5
TALK_EVERY_S = 0.5
PROBES_PER_ASK = 2_000
# Probes are only explained once the run knows what was in force while they flew; reroutes are told within this time.
SETTLE_S = 0.3
GRACE_S = 3.0
_MESSAGE_PAIRS = 800


class LoadError(Exception):
    """The workload could not be started; the message is for the user."""


class _Every:
    """Says when something periodic is due again."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._next_s = 0.0

    def due(self, now_s: float) -> bool:
        if now_s < self._next_s:
            return False
        self._next_s = now_s + self._period_s
        return True


class _Watch:
    """The loop's selector, as the parts use it."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def add(self, descriptor: int, action: Callable[[], None]) -> None:
        self._selector.register(descriptor, selectors.EVENT_READ, action)

    def remove(self, descriptor: int) -> None:
        self._selector.unregister(descriptor)

    def wait(self, timeout_s: float) -> None:
        for key, _ in self._selector.select(timeout_s):
            key.data()


class EchoRun:
    """Runs one workload and records it; the evaluation comes afterwards.

    `started_s`: run time of the first operation. `doubts`: reasons of its own not to trust the run. `interrupted`:
    by Ctrl-C.
    """

    def __init__(
        self,
        api: Api,
        status: Mapping[str, Any],
        workload: Workload,
        faults: Sequence[Fault],
        recorder: Recorder,
        progress: Callable[[Progress], None],
    ) -> None:
        self._api = api
        self._mesh_dir = Path(status["mesh_dir"])
        self._workload = workload
        self._kills = sorted((fault for fault in faults if fault.node), key=lambda fault: fault.at_s)
        self._faults = [fault for fault in faults if not fault.node]
        self._fault_ids: list[str] = []
        self._recorder = recorder
        self._progress = progress
        self._addresses = {node["name"]: node["address"] for node in status["nodes"]}
        self._inhabited = [node["name"] for node in status["nodes"] if node["inhabited"]]
        self._sources = {a for a, _ in workload.pairs}
        self._t0_ns: int = status["t0_monotonic_ns"]
        self._watch = _Watch()
        self._waiting: list[Probe] = []
        self._last_event = 0
        self._ready = False
        self._probes_seen = 0
        self._note = ""
        self.started_s = 0.0
        self.interrupted = False
        self.doubts: list[str] = []

    def run(self) -> None:
        """Start, measure, end. Raises LoadError when a part does not come up."""
        with ExitStack() as stack:
            stack.enter_context(self._interruptible())
            host = stack.enter_context(HostWatch(self._t0_ns))
            self._listen(host.child, self._recorder.window)
            generator = LineChild(GENERATOR, self._generator_arguments())
            stack.callback(generator.close)
            self._listen(generator, self._from_generator)
            prober = stack.enter_context(ProbeProcess())
            self._watch.add(prober.child.descriptor, lambda: self._from_prober(prober))
            nodes = Nodes(self._inhabited, self._sources, self._mesh_dir, prober, host, self._watch)
            stack.callback(nodes.close)
            fabric = self._hold_fabric(host)
            stack.callback(fabric.close)
            self._last_event = max((event["seq"] for event in self._events(0)), default=0)
            self._wait_for_ready(generator, nodes, fabric)
            routes = self._routes()
            self.started_s = self._now_s() + LEAD_S
            stack.callback(self._end_faults)
            self._enter_faults()
            prober.start(self._plan(routes), self._t0_ns)
            generator.tell(f"start {self.started_s!r}")
            self._measure(generator, prober, nodes, fabric)
            self._finish(generator, prober, host, nodes)

    def _now_s(self) -> float:
        return (stamps.monotonic_ns() - self._t0_ns) / 1e9

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Ctrl-C ends the measurement early, in order; a second one ends it at once."""

        def stop(signum: int, frame: FrameType | None) -> None:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = True

        before = {signum: signal.signal(signum, stop) for signum in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)

    def _listen(self, child: LineChild, take: Callable[[dict[str, Any]], None]) -> None:
        def read() -> None:
            for line in child.read():
                take(line)
            if child.ended:
                self._watch.remove(child.descriptor)

        self._watch.add(child.descriptor, read)

    def _hold_fabric(self, host: HostWatch) -> hold.Hold:
        """Watch how long the fabric waits for a core, and the next one's wait should it be replaced."""
        return hold.Hold(
            connect=partial(hold.connect_fabric, self._mesh_dir),
            take=lambda connection: host.watch("fabric", receive_fabric(connection)),
            lost=lambda: None,
            watch=self._watch,
        )

    def _generator_arguments(self) -> list[str]:
        w = self._workload
        arguments = ["echo", "--mesh-dir", str(self._mesh_dir), "--t0-monotonic-ns", str(self._t0_ns)]
        for a, b in w.pairs:
            arguments += ["--pair", f"{a}>{b}={self._addresses[b]}"]
        arguments += ["--rate-hz", repr(w.rate_hz), "--duration-s", repr(w.duration_s)]
        arguments += ["--payload-bytes", str(w.payload_bytes), "--timeout-s", repr(w.timeout_s)]
        return [*arguments, "--spacing", w.spacing, "--seed", str(w.seed)]

    def _routes(self) -> list[shots.Route]:
        """What to probe: the same pairs, or a sample when there are very many."""
        w = self._workload
        pairs = w.pairs[:: 1 + len(w.pairs) // _MESSAGE_PAIRS]
        asked = [[self._now_s(), a, b, w.probe_bytes] for a, b in pairs]
        answers = self._api.post("/v1/computed", {"probes": asked})["results"]
        return [
            shots.Route(a, b, self._addresses[b], shots.lost_after_s(answer["rtt_s"]))
            for (a, b), answer in zip(pairs, answers, strict=True)
        ]

    def _plan(self, routes: Sequence[shots.Route]) -> shots.Plan:
        """Probes for as long as operations begin."""
        w = self._workload
        return shots.spread(routes, self.started_s, w.probe_rate_hz, w.duration_s, w.probe_bytes)

    def _wait_for_ready(self, generator: LineChild, nodes: Nodes, fabric: hold.Hold) -> None:
        until_s = self._now_s() + READY_TIMEOUT_S
        while not self._ready and not self.interrupted:
            nodes.look(self._now_s())
            fabric.look(self._now_s())
            self._watch.wait(TICK_S)
            if generator.ended:
                raise LoadError("the load generator ended before it was ready; its message is above")
            if self._now_s() > until_s:
                raise LoadError(f"the load generator was not ready after {READY_TIMEOUT_S:g} s")
        if not self._sources & nodes.alive:
            raise LoadError("none of the source nodes can be probed from")
        if missing := sorted(self._sources - nodes.alive):
            self.doubts.append(f"could not probe from {', '.join(missing)} at the start")

    def _measure(self, generator: LineChild, prober: ProbeProcess, nodes: Nodes, fabric: hold.Hold) -> None:
        """Until generator and prober have ended, or the user or the run has."""
        kills = list(self._kills)
        read, ask, talk, tell = _Every(1.0), _Every(ASK_EVERY_S), _Every(TALK_EVERY_S), _Every(1.0)
        limit_s = self.started_s + self._workload.duration_s + self._workload.timeout_s + GRACE_S
        while not self.interrupted and not (generator.ended and prober.child.ended):
            self._watch.wait(TICK_S)
            now_s = self._now_s()
            if now_s > limit_s:
                self.doubts.append("the load generator did not end in time")
                return
            nodes.look(now_s)
            fabric.look(now_s)
            try:
                while kills and now_s >= self.started_s + kills[0].at_s:
                    self._kill(kills.pop(0))
                if read.due(now_s):
                    self._read_fabric(nodes)
                if ask.due(now_s):
                    self._explain(now_s - SETTLE_S)
                    self._recorder.events += self._events(self._last_event)
                if tell.due(now_s):
                    self._recorder.tally.tell(self._api)
            except ApiError as error:
                self.doubts.append(str(error))
                return
            if talk.due(now_s):
                self._talk(now_s)

    def _finish(self, generator: LineChild, prober: ProbeProcess, host: HostWatch, nodes: Nodes) -> None:
        """Ask everybody to end, take what is left, explain the last probes."""
        if self.interrupted:
            self.doubts.append(
                f"stopped after {max(0.0, self._now_s() - self.started_s):.0f} s of the workload"
            )
        generator.finish()
        prober.stop()
        until_s = self._now_s() + GRACE_S
        # The window in which the last probe came back has to end before it can be judged.
        whole_s = (
            max((probe.t_s + (probe.measured_s or 0.0) for probe in self._waiting), default=self._now_s())
            + 1.0
        )
        while self._now_s() < until_s and not (
            generator.ended and prober.child.ended and self._now_s() > min(whole_s, until_s) + SETTLE_S
        ):
            self._watch.wait(TICK_S)
        host.finish()
        if not self.interrupted and prober.strays is None:
            self.doubts.append("the prober ended before its plan did")
        try:
            self._read_fabric(nodes)
            self._explain(self._now_s())
            self._recorder.events += self._events(self._last_event)
            self._recorder.tally.tell(self._api)
        except ApiError as error:
            if not self.doubts:
                self.doubts.append(str(error))
            self._recorder.probes(self._waiting, None)
            self._waiting.clear()

    def _enter_faults(self) -> None:
        """Tell the run what is to happen when: it is exact about it, whatever this loop is late with."""
        if not self._faults:
            return
        now_s = self._now_s()
        entries = [
            {
                **fault.entry,
                "in_s": self.started_s + fault.at_s - now_s,
                "cause": f"load: {fault.words}"[:200],
            }
            for fault in self._faults
        ]
        try:
            answer = self._api.post("/v1/faults", {"faults": entries})
        except ApiError as error:
            raise LoadError(f"--fault: {error}") from error
        self._fault_ids = [fault["id"] for fault in answer["faults"]]

    def _end_faults(self) -> None:
        """Leave nothing broken behind; most have ended by themselves."""
        for fault_id in self._fault_ids:
            with suppress(ApiError):
                self._api.delete(f"/v1/faults/{fault_id}")

    def _kill(self, fault: Fault) -> None:
        try:
            self._api.post(f"/v1/nodes/{fault.node}/kill", {"signal": int(signal.SIGKILL)})
            self._note = f"killed {fault.node}"
        except ApiError as error:
            if not error.status:
                raise
            self.doubts.append(f"kill {fault.node}: {error}")

    def _read_fabric(self, nodes: Nodes) -> None:
        try:
            counters: dict[str, Any] = self._api.get("/v1/fabric")
        except ApiError as error:
            if not error.status:
                raise
            return  # the fabric is down or restarting; the next reading counts from zero
        self._recorder.reading({**counters, "tun_dropped": nodes.drops.look()})

    def _explain(self, before_s: float) -> None:
        """Get what was to be expected for the probes that have settled, and write them down together."""
        settled = [probe for probe in self._waiting if probe.t_s + (probe.measured_s or 0.0) <= before_s]
        self._waiting = [probe for probe in self._waiting if probe.t_s + (probe.measured_s or 0.0) > before_s]
        for first in range(0, len(settled), PROBES_PER_ASK):
            batch = settled[first : first + PROBES_PER_ASK]
            asked = [[p.t_s, p.a, p.b, self._workload.probe_bytes] for p in batch if p.outcome != "unsent"]
            try:
                answers = self._api.post("/v1/computed", {"probes": asked})["results"]
            except ApiError:
                self._recorder.probes(settled[first:], None)
                raise
            self._recorder.probes(batch, answers)

    def _events(self, since: int) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = self._api.get(f"/v1/events?since={since}")["events"]
        if events:
            self._last_event = events[-1]["seq"]
        return events

    def _from_generator(self, line: dict[str, Any]) -> None:
        if "op" in line:
            self._recorder.operation(line)
        elif line["event"] == "ready":
            self._ready = True
        else:
            self._note = f"{line['source']} {'is back' if line['event'] == 'source_up' else 'is down'}"

    def _from_prober(self, prober: ProbeProcess) -> None:
        probes = prober.read()
        self._probes_seen += len(probes)
        self._waiting += probes
        if prober.child.ended:
            self._watch.remove(prober.child.descriptor)

    def _talk(self, now_s: float) -> None:
        elapsed_s = min(max(0.0, now_s - self.started_s), self._workload.duration_s)
        self._progress(
            Progress(
                elapsed_s,
                self._workload.duration_s,
                **self._recorder.counts,
                probes=self._probes_seen,
                note=self._note,
            )
        )
