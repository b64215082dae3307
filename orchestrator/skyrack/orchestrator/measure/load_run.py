"""One measured load: the generator beside the instruments of every measurement (probing.py).

generator process --history.jsonl--> run directory
        '-----------JSON lines-----> this loop --files--> run directory
                                       |
                                       v  faults
                                   run's API
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from skyrack.orchestrator.api.client import ApiError
from skyrack.orchestrator.measure import shots, stamps
from skyrack.orchestrator.measure.child import LineChild
from skyrack.orchestrator.measure.interruption import Interruption
from skyrack.orchestrator.measure.probing import Every, Probing
from skyrack.orchestrator.measure.recorder import Recorder
from skyrack.orchestrator.measure.workload import Api, Fault, Load, Progress

GENERATOR = "skyrack.groundstation.load"
READY_TIMEOUT_S = 120.0  # for a generator that hangs: one that cannot begin says so itself, earlier
LEAD_S = 0.5
ASK_EVERY_S = 0.5
TALK_EVERY_S = 0.5
# Probes are only explained once the run knows what was in force while they flew; reroutes are told within this time.
SETTLE_S = 0.3
# For a generator that hangs, and for a prober: who ends is not waited for any longer.
GRACE_S = 30.0
MOST_ROUTES = 800  # more are asked for, one by one, before anything begins


class LoadError(Exception):
    """The workload could not be started; the message is for the user."""


class FaultRefused(LoadError):
    """The run refuses a fault that was asked for: nothing was begun."""


class LoadRun:
    """Runs one load and records it; the evaluation comes afterwards.

    `started_s`: run time of the first operation. `doubts`: reasons of its own not to trust the run. `failure`: why it was
    ended, where its history could not be written on.
    """

    def __init__(
        self,
        api: Api,
        status: Mapping[str, Any],
        load: Load,
        history: Path,
        faults: Sequence[Fault],
        recorder: Recorder,
        progress: Callable[[Progress], None],
    ) -> None:
        self._api = api
        self._mesh_dir = Path(status["mesh_dir"])
        self._t0_ns: int = status["t0_monotonic_ns"]
        self._load = load
        self._history = history
        self._status = status
        self._faults = sorted(faults, key=lambda fault: fault.at_s)
        self._fault_ids: list[str] = []
        self._recorder = recorder
        self._progress = progress
        self._sources = load.sources
        self._probing = Probing(api, status, recorder, self._sources, load.probe_bytes)
        self._interruption = Interruption()
        self._ready = False
        self._note = ""
        self.started_s = 0.0
        self.doubts: list[str] = []
        self.failure = ""
        self._over = False

    @property
    def interrupted(self) -> bool:
        """By Ctrl-C."""
        return self._interruption.asked

    def run(self) -> None:
        """Start, measure, end. Raises LoadError when a part does not come up."""
        with ExitStack() as stack:
            stack.enter_context(self._interruption)
            probing = stack.enter_context(self._probing)
            generator = LineChild(GENERATOR, self._generator_arguments())
            stack.callback(generator.close)
            probing.listen(generator, self._from_generator)
            self._wait_for_ready(generator)
            routes = self._routes()
            self.started_s = probing.now_s() + LEAD_S
            stack.callback(self._end_faults)
            self._enter_faults()
            probing.start(self._plan(routes))
            generator.tell(f"start {self.started_s!r}")
            self._measure(generator)
            self._finish(generator)

    def _generator_arguments(self) -> list[str]:
        words = self._load.arguments(self._probing.addresses)
        words += ["--mesh-dir", str(self._mesh_dir), "--t0-monotonic-ns", str(self._t0_ns)]
        return [
            *words,
            *("--history", str(self._history), "--run", self._status["run"], "--start", _began(self._t0_ns)),
        ]

    def _routes(self) -> list[shots.Route]:
        """What to probe: the load's pairs, or a sample when there are very many."""
        pairs = self._load.pairs
        return self._probing.routes(pairs[:: 1 + len(pairs) // MOST_ROUTES])

    def _plan(self, routes: Sequence[shots.Route]) -> shots.Plan:
        """Probes for as long as operations begin."""
        load = self._load
        return shots.spread(routes, self.started_s, load.probe_rate_hz, load.duration_s, load.probe_bytes)

    def _wait_for_ready(self, generator: LineChild) -> None:
        probing = self._probing
        until_s = probing.now_s() + READY_TIMEOUT_S
        while not self._ready and not self.interrupted:
            probing.look()
            probing.wait()
            if self.failure:
                raise LoadError(self.failure)
            if generator.ended:
                raise LoadError("the load generator ended before it was ready; its message is above")
            if probing.now_s() > until_s:
                raise LoadError(f"the load generator was not ready after {READY_TIMEOUT_S:g} s")
        if not self._sources & probing.alive:
            raise LoadError("none of the source nodes can be probed from")
        if missing := sorted(self._sources - probing.alive):
            self.doubts.append(f"could not probe from {', '.join(missing)} at the start")

    def _measure(self, generator: LineChild) -> None:
        """Until generator and prober have ended, or the user, the run or a full disk has."""
        probing, coming = self._probing, list(self._faults)
        read, ask, talk, tell = Every(1.0), Every(ASK_EVERY_S), Every(TALK_EVERY_S), Every(1.0)
        limit_s = self.started_s + self._load.longest_s + GRACE_S
        while not (
            self.interrupted or self.failure or (generator.ended and (probing.ended or not self._over))
        ):
            probing.wait()
            now_s = probing.now_s()
            if now_s > limit_s:
                self.doubts.append("the load generator did not end in time")
                return
            probing.look()
            try:
                while coming and now_s >= self.started_s + coming[0].at_s:
                    self._note = coming.pop(0).words
                if read.due(now_s):
                    probing.read_fabric()
                if ask.due(now_s):
                    probing.explain(now_s - SETTLE_S)
                    probing.read_events()
                if tell.due(now_s):
                    self._recorder.tally.tell(self._api)
            except ApiError as error:
                self.doubts.append(str(error))
                return
            if talk.due(now_s):
                self._talk(now_s)

    def _finish(self, generator: LineChild) -> None:
        """Ask everybody to end, take what is left, explain the last probes."""
        probing = self._probing
        if self.interrupted:
            self.doubts.append(
                f"stopped after {max(0.0, probing.now_s() - self.started_s):.0f} s of the workload"
            )
        if self.failure:
            self.doubts.append(f"the history is not whole: {self.failure}")
        generator.finish()
        probing.prober.stop()
        until_s = probing.now_s() + GRACE_S
        # The window in which the last probe came back has to end before it can be judged.
        whole_s = probing.last_back_s() + 1.0
        while probing.now_s() < until_s and not (
            generator.ended and probing.ended and probing.now_s() > min(whole_s, until_s) + SETTLE_S
        ):
            probing.wait()
        probing.end_host()
        if not self._over and not self.failure:
            self.doubts.append("the load generator ended before the load did: its history is cut short")
        if not self.interrupted and not self.failure and probing.prober.strays is None:
            self.doubts.append("the prober ended before its plan did")
        try:
            probing.read_fabric()
            probing.explain(probing.now_s())
            probing.read_events()
            self._recorder.tally.tell(self._api)
        except ApiError as error:
            if not self.doubts:
                self.doubts.append(str(error))
            probing.give_up()

    def _enter_faults(self) -> None:
        """Tell the run what is to happen when: it is exact about it, whatever this loop is late with."""
        if not self._faults:
            return
        now_s = self._probing.now_s()
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
            wrong = FaultRefused if error.status in (400, 404) else LoadError
            raise wrong(f"--fault: {error}") from error
        self._fault_ids = [fault["id"] for fault in answer["faults"]]

    def _end_faults(self) -> None:
        """Leave nothing broken behind; most have ended by themselves."""
        for fault_id in self._fault_ids:
            with suppress(ApiError):
                self._api.delete(f"/v1/faults/{fault_id}")

    def _from_generator(self, line: dict[str, Any]) -> None:
        if "op" in line:
            self._recorder.operation(line)
            return
        match line["event"]:
            case "ready":
                self._ready = True
            case "source_up" | "source_down":
                self._note = f"{line['source']} {'is back' if line['event'] == 'source_up' else 'is down'}"
            case "final":
                self._recorder.final = True
                self._note = "last reads"
            case "failed":
                self.failure = line["error"]
            case "over":
                self._over = line["whole"]
                if line["unfinished"]:
                    self.doubts.append(f"{line['unfinished']} of the last reads were not answered in time")

    def _talk(self, now_s: float) -> None:
        elapsed_s = min(max(0.0, now_s - self.started_s), self._load.duration_s)
        self._progress(
            Progress(
                elapsed_s,
                self._load.duration_s,
                **self._recorder.counts,
                probes=self._probing.seen,
                note=self._note,
            )
        )


def _began(t0_ns: int) -> str:
    """UTC of run time 0."""
    began = datetime.fromtimestamp((t0_ns + stamps.realtime_offset_ns()) / 1e9, UTC)
    return began.isoformat(timespec="milliseconds").replace("+00:00", "Z")
