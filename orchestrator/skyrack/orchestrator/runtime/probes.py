"""The run's own probes: a few a second between inhabited nodes, for as long as it is up, each beside what it should have taken.

prober process (measure/probe_process.py) --> explained every EXPLAIN_S --> metrics/fidelity.py
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import combinations

from skyrack.orchestrator.measure.hold import Hold, connect_node
from skyrack.orchestrator.measure.probe_client import ProbeProcess
from skyrack.orchestrator.measure.prober import Probe
from skyrack.orchestrator.measure.shots import Plan, Route
from skyrack.orchestrator.metrics.fidelity import ProbeTally
from skyrack.orchestrator.runtime.basis import Basis
from skyrack.orchestrator.runtime.nodes import NodeBook, NodeState
from skyrack.orchestrator.runtime.oracle import Oracle
from skyrack.v1.hand_out import receive_node

MOST_PAIRS = 500
LEAD_S = 1.0
LOOK_S = 1.0
EXPLAIN_S = 5.0
# Reroutes are written down within this time of the instant they hold from.
SETTLE_S = 0.3
AGAIN_S = 5.0
LOST_AFTER_S = 3.0
BYTES = 64
_FOR_EVER = 1 << 53


class OwnProbes:
    """As many a second as the scenario says, pairs in turn; `run` until cancelled. `tally` is what they have shown."""

    def __init__(self, basis: Basis, oracle: Oracle) -> None:
        self.tally = ProbeTally()
        self._rate_hz = basis.scenario.telemetry.fidelity_probes_per_s
        self._book = basis.book
        self._mesh_dir = basis.places.mesh_dir
        self._oracle = oracle
        self._events = basis.events
        self._clock = basis.clock
        self._routes = _routes(basis.book, basis.scenario.seed)
        self._waiting: list[Probe] = []

    @property
    def on(self) -> bool:
        """Whether there is something to probe."""
        return self._rate_hz > 0.0 and bool(self._routes)

    async def run(self) -> None:
        """Probe; a prober that is killed is started again."""
        while self.on:
            await self._probe()
            self._events.add("prober_ended")
            await self._clock.sleep(AGAIN_S)

    async def _probe(self) -> None:
        """Until the prober ends."""
        loop = asyncio.get_running_loop()
        with ExitStack() as stack:
            prober = stack.enter_context(ProbeProcess())
            loop.add_reader(prober.child.descriptor, self._read, prober)
            stack.callback(loop.remove_reader, prober.child.descriptor)
            holds = [self._hold(node, prober) for node in self._sources()]
            for hold in holds:
                stack.callback(hold.close)
            start_s = self._clock.run_s() + LEAD_S
            prober.start(
                Plan(tuple(self._routes), start_s, self._rate_hz, _FOR_EVER, BYTES),
                self._clock.t0_monotonic_ns,
            )
            explain_s = start_s + EXPLAIN_S
            while not prober.child.ended:
                now_s = self._clock.run_s()
                for hold in holds:
                    hold.look(now_s)
                if now_s >= explain_s:
                    explain_s = now_s + EXPLAIN_S
                    await self._explain(now_s - SETTLE_S)
                await self._clock.sleep(LOOK_S)

    def _sources(self) -> list[NodeState]:
        names = {route.a for route in self._routes}
        return [node for node in self._book.by_name.values() if node.name in names]

    def _hold(self, node: NodeState, prober: ProbeProcess) -> Hold:
        """The node through all its lives: each has a network of its own to probe from."""

        def take(connection: socket.socket) -> None:
            handed = receive_node(connection)
            for descriptor in (handed.net_dev, handed.schedstat):
                os.close(descriptor)
            prober.set_source(node.name, socket.socket(fileno=handed.ping))

        return Hold(
            partial(connect_node, self._mesh_dir, node.name),
            take,
            partial(prober.drop_source, node.name),
            _LoopWatch(asyncio.get_running_loop()),
        )

    def _read(self, prober: ProbeProcess) -> None:
        self._waiting += prober.read()
        if prober.child.ended:
            asyncio.get_running_loop().remove_reader(prober.child.descriptor)

    async def _explain(self, before_s: float) -> None:
        index = {name: node.index for name, node in self._book.by_name.items()}
        settled = [p for p in self._waiting if p.t_s + (p.measured_s or 0.0) <= before_s]
        self._waiting = [p for p in self._waiting if p.t_s + (p.measured_s or 0.0) > before_s]
        sent = [probe for probe in settled if probe.outcome not in ("unsent", "clock-set")]
        answers = await self._oracle.computed([(p.t_s, index[p.a], index[p.b], BYTES) for p in sent])
        for probe, computed in zip(sent, answers, strict=True):
            self.tally.add(probe.measured_s, computed)


class _LoopWatch:
    """The event loop as a Hold uses it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def add(self, descriptor: int, action: Callable[[], None]) -> None:
        """Call `action` when `descriptor` is readable."""
        self._loop.add_reader(descriptor, action)

    def remove(self, descriptor: int) -> None:
        """Stop watching."""
        self._loop.remove_reader(descriptor)


def _routes(book: NodeBook, seed: int) -> list[Route]:
    """Every two nodes once, or as many as make sense, in an order that mixes them."""
    draw = random.Random(f"{seed}/probes")
    nodes = list(book.by_name.values())
    if len(nodes) * (len(nodes) - 1) // 2 <= MOST_PAIRS:
        pairs = list(combinations(nodes, 2))
        draw.shuffle(pairs)
    else:
        pairs = [(a, b) for a, b in (draw.sample(nodes, 2) for _ in range(MOST_PAIRS))]
    return [Route(a.name, b.name, b.address, LOST_AFTER_S) for a, b in pairs]
