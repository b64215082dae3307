"""One verification of a run that is up: probes between all pairs, the host's floor among them; then rates.

1. probes     every pair in turn, each FLOOR_EVERY-th one over the floor     with host and fabric watched
2. explain    what each should have taken: afterwards, so that computing disturbs no measurement
3. transfers  along few paths that together cross every link, both ways
4. trains     of packets along the paths slow enough for them
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from skyrack.orchestrator.api.client import ApiError
from skyrack.orchestrator.measure import rate_rows, shots
from skyrack.orchestrator.measure.interruption import Interruption
from skyrack.orchestrator.measure.probing import Every, Probing
from skyrack.orchestrator.measure.rate_rows import Crossing, Pair
from skyrack.orchestrator.measure.rate_run import RateRun, sender
from skyrack.orchestrator.measure.recorder import Recorder
from skyrack.orchestrator.measure.source import NotThereError, ping_socket
from skyrack.orchestrator.measure.train_run import TrainRun
from skyrack.orchestrator.measure.workload import Api

READY_TIMEOUT_S = 60.0
LEAD_S = 0.5
SETTLE_S = 0.3
GRACE_S = 3.0
FLOOR_EVERY = 5
FLOOR = "the host's floor"  # no node can be called so
PROBES_PER_STEP = 2_000
PROBE_BYTES = 64
_AT_ONCE = {"rtt_s": 0.0, "path": [], "reason": None, "kept_ratio": 1.0, "held_up_s": 0.0}


class VerifyError(Exception):
    """The measurement could not be started; the message is for the user."""


@dataclass(frozen=True, slots=True)
class Floor:
    """Two nodes joined by links without delay, in a run of their own: what a round trip over them takes is the host's."""

    mesh_dir: Path
    a: str
    b: str
    address: str


class VerifyRun:
    """Runs it and keeps what was measured; the judgement comes afterwards. Times are run seconds.

    `progress` hears what is under way, how much is done and of how much.
    """

    def __init__(
        self,
        api: Api,
        status: Mapping[str, Any],
        recorder: Recorder,
        pairs: Sequence[Pair],
        floor: Floor | None,
        rate_hz: float,
        duration_s: float,
        progress: Callable[[str, float, float], None],
    ) -> None:
        self._api = api
        self._status = status
        self._recorder = recorder
        self._pairs = pairs
        self._floor = floor
        self._rate_hz = rate_hz
        self._duration_s = duration_s
        self._progress = progress
        self._sources = {a for a, _ in pairs}
        self._probing = Probing(api, status, recorder, self._sources, PROBE_BYTES)
        self._interruption = Interruption()
        self.started_s = self.ended_s = 0.0
        self.spacing_s = 0.0
        self.doubts: list[str] = []
        self.crossings: list[Crossing] = []
        self.trains: list[tuple[Pair, Crossing]] = []

    @property
    def interrupted(self) -> bool:
        """By Ctrl-C."""
        return self._interruption.asked

    def run(self) -> None:
        """Measure. Raises VerifyError, ApiError when it cannot begin."""
        with ExitStack() as stack:
            stack.enter_context(self._interruption)
            stack.enter_context(self._probing)
            self._wait_for_sources()
            self._take_floor()
            self._probe()
            try:
                self._explain()
                if not self.interrupted:
                    self._measure_rates()
            except ApiError as error:
                self.doubts.append(str(error))
                self._probing.give_up()

    def _wait_for_sources(self) -> None:
        probing = self._probing
        until_s = probing.now_s() + READY_TIMEOUT_S
        while not self.interrupted and self._sources - probing.alive:
            probing.look()
            probing.wait()
            if probing.now_s() > until_s:
                missing = ", ".join(sorted(self._sources - probing.alive)[:6])
                raise VerifyError(f"cannot probe from {missing}: not there after {READY_TIMEOUT_S:g} s")

    def _take_floor(self) -> None:
        if self._floor is None:
            return
        try:
            with ping_socket(self._floor.mesh_dir, self._floor.a) as sock:
                self._probing.prober.set_source(FLOOR, sock.dup())
        except NotThereError as error:
            raise VerifyError(f"the host's floor: {error}") from error

    def _probe(self) -> None:
        """Until every probe is decided and its seconds have been watched, or the user has had enough."""
        probing = self._probing
        routes = self._routes()
        self.spacing_s = len(routes) / self._rate_hz
        self.started_s = probing.now_s() + LEAD_S
        if not self.interrupted:
            probing.start(shots.spread(routes, self.started_s, self._rate_hz, self._duration_s, PROBE_BYTES))
        read, talk = Every(1.0), Every(0.5)
        while not self.interrupted and not probing.ended:
            probing.wait()
            probing.look()
            now_s = probing.now_s()
            try:
                if read.due(now_s):
                    probing.read_fabric()
            except ApiError as error:
                self.doubts.append(str(error))
                break
            if talk.due(now_s):
                done_s = min(max(0.0, now_s - self.started_s), self._duration_s)
                self._progress("probes", done_s, self._duration_s)
        if self.interrupted:
            self.doubts.append(f"stopped after {max(0.0, probing.now_s() - self.started_s):.0f} s of probes")
        probing.prober.stop()
        until_s = probing.now_s() + GRACE_S
        whole_s = probing.last_back_s() + 1.0 + SETTLE_S
        while probing.now_s() < min(until_s, whole_s) or (not probing.ended and probing.now_s() < until_s):
            probing.wait()
        self.ended_s = probing.last_back_s()
        if not self.interrupted and probing.prober.strays is None:
            self.doubts.append("the prober ended before its plan did")
        with suppress(ApiError):
            probing.read_fabric()
        probing.end_host()

    def _routes(self) -> list[shots.Route]:
        """All pairs, the floor after every few of them."""
        routes = self._probing.routes(self._pairs)
        if self._floor is None:
            return routes
        floor = shots.Route(FLOOR, self._floor.b, self._floor.address)
        found: list[shots.Route] = []
        for first in range(0, len(routes), FLOOR_EVERY - 1):
            found += [*routes[first : first + FLOOR_EVERY - 1], floor]
        return found

    def _explain(self) -> None:
        """What every probe should have taken: pair by pair, as one question about many probes of a pair costs as one."""
        probing = self._probing
        over_floor = [probe for probe in probing.waiting if probe.a == FLOOR]
        self._recorder.probes(over_floor, [_AT_ONCE] * sum(probe.outcome != "unsent" for probe in over_floor))
        probing.waiting = sorted(
            (probe for probe in probing.waiting if probe.a != FLOOR), key=lambda probe: (probe.a, probe.b)
        )
        waiting, total = probing.waiting, len(probing.waiting)
        for first in range(0, total, PROBES_PER_STEP):
            probing.waiting = waiting[first : first + PROBES_PER_STEP]
            self._progress("explained", first, total)
            probing.explain(float("inf"))
        probing.read_events()

    def _measure_rates(self) -> None:
        paths = {
            (a, b): sample.path
            for sample in self._recorder.samples
            if sample.computed_s is not None
            for a, b in [sample.pair.split(">")]
        }
        rates = RateRun(
            self._expect,
            sender(Path(self._status["mesh_dir"])),
            self._status["scenario"]["links"]["byte_scale"],
            lambda: self.interrupted,
            lambda done, total: self._progress("rates", done, total),
        )
        self.crossings = rates.run(paths)
        trains = TrainRun(self._status, self._expect)
        pairs = rate_rows.cover(paths, {way for path in paths.values() for way in pairwise(path)})
        for number, pair in enumerate(pairs):
            if self.interrupted:
                return
            try:
                crossing = trains.best(pair)
            except NotThereError as error:
                self.doubts.append(str(error))
                continue
            if crossing is not None:
                self.trains.append((pair, crossing))
            self._progress("trains", number + 1, len(pairs))

    def _expect(self, pairs: Sequence[Pair]) -> list[dict[str, Any]]:
        now_s = self._probing.now_s()
        return self._probing.expected([[now_s, a, b, PROBE_BYTES] for a, b in pairs])
