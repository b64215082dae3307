"""What every measurement of a run has: prober and host watch side by side, and what the run's API says about both.

    prober process (ICMP) --JSON lines--.
    host process (canary, kernel) ------+--> this loop --files--> run directory
                                        |    ^
                              computed, v    | counters, events
                                      run's API

The loop does bookkeeping only: whatever it is late with, no measurement is.
"""

from __future__ import annotations

import selectors
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from skyrack.orchestrator.api.client import ApiError
from skyrack.orchestrator.measure import hold, shots, stamps
from skyrack.orchestrator.measure.child import LineChild
from skyrack.orchestrator.measure.host_watch import HostWatch
from skyrack.orchestrator.measure.nodes import Nodes
from skyrack.orchestrator.measure.probe_client import ProbeProcess
from skyrack.orchestrator.measure.prober import Probe
from skyrack.orchestrator.measure.recorder import Recorder
from skyrack.orchestrator.measure.workload import Api
from skyrack.v1.hand_out import receive_fabric

TICK_S = 0.05
PROBES_PER_ASK = 2_000


class Every:
    """Says when something periodic is due again."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._next_s = 0.0

    def due(self, now_s: float) -> bool:
        """Whether it is; then it is due a period later."""
        if now_s < self._next_s:
            return False
        self._next_s = now_s + self._period_s
        return True


class Watch:
    """The loop's selector, as the parts use it."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def add(self, descriptor: int, action: Callable[[], None]) -> None:
        """Call `action` when `descriptor` is readable."""
        self._selector.register(descriptor, selectors.EVENT_READ, action)

    def remove(self, descriptor: int) -> None:
        """Stop watching."""
        self._selector.unregister(descriptor)

    def wait(self, timeout_s: float) -> None:
        """Until something is readable and dealt with, or the time is over."""
        for key, _ in self._selector.select(timeout_s):
            key.data()


class Probing:
    """One measurement's instruments; entered, they run. Times are run seconds.

    `waiting`: probes that are decided and not explained yet; `seen`: how many were decided.
    """

    def __init__(
        self,
        api: Api,
        status: Mapping[str, Any],
        recorder: Recorder,
        sources: Collection[str],
        probe_bytes: int,
    ) -> None:
        self.addresses: dict[str, str] = {node["name"]: node["address"] for node in status["nodes"]}
        self.waiting: list[Probe] = []
        self.seen = 0
        self._api = api
        self._recorder = recorder
        self._mesh_dir = Path(status["mesh_dir"])
        self._inhabited = [node["name"] for node in status["nodes"] if node["inhabited"]]
        self._sources = frozenset(sources)
        self._probe_bytes = probe_bytes
        self._t0_ns: int = status["t0_monotonic_ns"]
        self._watch = Watch()
        self._stack = ExitStack()
        self._last_event = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._host = stack.enter_context(HostWatch(self._t0_ns))
            self.listen(self._host.child, self._recorder.window)
            self.prober = stack.enter_context(ProbeProcess())
            self._watch.add(self.prober.child.descriptor, self._from_prober)
            self._nodes = Nodes(
                self._inhabited, self._sources, self._mesh_dir, self.prober, self._host, self._watch
            )
            stack.callback(self._nodes.close)
            self._fabric = self._hold_fabric()
            stack.callback(self._fabric.close)
            self._last_event = max((event["seq"] for event in self._events(0)), default=0)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def now_s(self) -> float:
        """Run time."""
        return (stamps.monotonic_ns() - self._t0_ns) / 1e9

    def listen(self, child: LineChild, take: Callable[[dict[str, Any]], None]) -> None:
        """Pass every line of a child on, to its end."""

        def read() -> None:
            for line in child.read():
                take(line)
            if child.ended:
                self._watch.remove(child.descriptor)

        self._watch.add(child.descriptor, read)

    @property
    def alive(self) -> set[str]:
        """Inhabited nodes that are there now."""
        return self._nodes.alive

    @property
    def ended(self) -> bool:
        """Whether the prober has."""
        return self.prober.child.ended

    def look(self) -> None:
        """Take hold of nodes and of a fabric that are there and were not; call it several times a second."""
        now_s = self.now_s()
        self._nodes.look(now_s)
        self._fabric.look(now_s)

    def wait(self) -> None:
        """A tick, or less when somebody has something to say."""
        self._watch.wait(TICK_S)

    def start(self, plan: shots.Plan) -> None:
        """Begin to probe."""
        self.prober.start(plan, self._t0_ns)

    def last_back_s(self) -> float:
        """When the last probe that waits to be explained came back."""
        return max((probe.t_s + (probe.measured_s or 0.0) for probe in self.waiting), default=self.now_s())

    def end_host(self) -> None:
        """The host need not be watched any longer."""
        self._host.finish()

    def read_fabric(self) -> None:
        """Write down the fabric's counters. Raises ApiError when the run has gone."""
        try:
            counters: dict[str, Any] = self._api.get("/v1/fabric")
        except ApiError as error:
            if not error.status:
                raise
            return  # the fabric is down or restarting; the next reading counts from zero
        self._recorder.reading({**counters, "tun_dropped": self._nodes.drops.look()})

    def read_events(self) -> None:
        """Keep what has happened since. Raises ApiError."""
        self._recorder.events += self._events(self._last_event)

    def expected(self, probes: list[list[Any]]) -> list[dict[str, Any]]:
        """What was to be expected of [run_s, a, b, ip_bytes] probes. Raises ApiError."""
        results: list[dict[str, Any]] = self._api.post("/v1/computed", {"probes": probes})["results"]
        return results

    def routes(self, pairs: Sequence[tuple[str, str]]) -> list[shots.Route]:
        """How to probe each pair: where b is, and after how long a probe is lost. Raises ApiError."""
        now_s = self.now_s()
        answers: list[dict[str, Any]] = []
        for first in range(0, len(pairs), PROBES_PER_ASK):
            part = pairs[first : first + PROBES_PER_ASK]
            answers += self.expected([[now_s, a, b, self._probe_bytes] for a, b in part])
        return [
            shots.Route(a, b, self.addresses[b], shots.lost_after_s(answer["rtt_s"]))
            for (a, b), answer in zip(pairs, answers, strict=True)
        ]

    def explain(self, before_s: float) -> None:
        """Get what was to be expected for the probes that were back before, and write them down together. Raises ApiError."""
        settled = [probe for probe in self.waiting if probe.t_s + (probe.measured_s or 0.0) <= before_s]
        self.waiting = [probe for probe in self.waiting if probe.t_s + (probe.measured_s or 0.0) > before_s]
        for first in range(0, len(settled), PROBES_PER_ASK):
            batch = settled[first : first + PROBES_PER_ASK]
            asked = [[p.t_s, p.a, p.b, self._probe_bytes] for p in batch if p.outcome != "unsent"]
            try:
                answers = self.expected(asked)
            except ApiError:
                self._recorder.probes(settled[first:], None)
                raise
            self._recorder.probes(batch, answers)

    def give_up(self) -> None:
        """Write down the probes that nobody will explain any more."""
        self._recorder.probes(self.waiting, None)
        self.waiting.clear()

    def _hold_fabric(self) -> hold.Hold:
        """Watch how long the fabric waits for a core, and the next one's wait should it be replaced."""
        return hold.Hold(
            connect=partial(hold.connect_fabric, self._mesh_dir),
            take=lambda connection: self._host.watch("fabric", receive_fabric(connection)),
            lost=lambda: None,
            watch=self._watch,
        )

    def _events(self, since: int) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = self._api.get(f"/v1/events?since={since}")["events"]
        if events:
            self._last_event = events[-1]["seq"]
        return events

    def _from_prober(self) -> None:
        probes = self.prober.read()
        self.seen += len(probes)
        self.waiting += probes
        if self.prober.child.ended:
            self._watch.remove(self.prober.child.descriptor)
