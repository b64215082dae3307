"""The node's ear to the orchestrator: joins once it serves, keeps what it is told last, joins again for ever."""

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence

import grpc

from skyrack.node.clock import Clock
from skyrack.node.config import NodeConfig
from skyrack.node.knowledge import Knowledge, UnusableUpdateError
from skyrack.node.logs import fields, log
from skyrack.v1 import control_pb2, control_pb2_grpc, mesh_pb2, service_pb2

FIRST_BACKOFF_S = 0.1
LAST_BACKOFF_S = 2.0


def backoff_s(rng: random.Random) -> Iterator[float]:
    """Waits between attempts: doubling from 0.1 s to 2 s, each drawn from its upper half."""
    ceiling_s = FIRST_BACKOFF_S
    while True:
        yield ceiling_s * rng.uniform(0.5, 1.0)
        ceiling_s = min(2 * ceiling_s, LAST_BACKOFF_S)


class ControlLink:
    """Holds what the orchestrator last said; `knowledge` and `services` are None before that.

    `peers`: all nodes with a process. `lost`: neighbours whose link this node has noticed to be dark. `on_change` is called
    when something of what guests are told has changed.
    """

    def __init__(self, config: NodeConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self.knowledge: Knowledge | None = None
        self.peers: Sequence[mesh_pb2.Peer] = ()
        self.lost: frozenset[str] = frozenset()
        self.joined = False
        self.updates = 0
        self.on_change: Callable[[], None] = lambda: None
        self.joins = 0
        self.services: service_pb2.ServiceList | None = None
        # Set with each list and each join; for whoever runs the services.
        self.services_news = asyncio.Event()
        self.stub: control_pb2_grpc.ControlServiceAsyncStub | None = None  # while `run` runs

    async def run(self) -> None:
        """Join for ever."""
        rng = random.Random(f"{self._config.seed}, join, {self._config.name}")
        waits = backoff_s(rng)
        options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000)]
        async with grpc.aio.insecure_channel(f"unix:{self._config.control_socket}", options) as channel:
            self.stub = stub = control_pb2_grpc.ControlServiceStub(channel)
            request = control_pb2.JoinRequest(name=self._config.name, run=self._config.run)
            complaint = ""
            while True:
                before = self.updates
                reason = "the orchestrator ended the stream"
                try:
                    first = True
                    async for response in stub.Join(request):
                        self._take(response, first=first)
                        first = False
                except grpc.aio.AioRpcError as error:
                    reason = f"{error.code().name}: {error.details()}"
                if self.updates > before:
                    waits = backoff_s(rng)
                    complaint = ""
                if reason != complaint:
                    complaint = reason
                    log.warning("not joined", extra=fields(error=reason))
                if self.joined:
                    self.joined = False
                    self.on_change()
                await self._clock.sleep(next(waits))

    def _take(self, response: control_pb2.JoinResponse, *, first: bool) -> None:
        if response.HasField("peers"):
            self.peers = response.peers.peers
        if response.HasField("lost") or first:
            self.lost = frozenset(response.lost.peers)
        if response.HasField("update"):
            self._update(response.update)
        if response.HasField("services"):
            self.services = response.services
            self.services_news.set()
        self.on_change()

    def _clock_before(self, clock: mesh_pb2.RunClock) -> mesh_pb2.RunClock | None:
        """The clock that holds until `clock` does: each update repeats the one in force."""
        known = self.knowledge
        if known is None or clock.t0_monotonic_ns != known.clock.t0_monotonic_ns:
            return None
        return known.before if clock == known.clock else known.clock

    def _update(self, update: control_pb2.NodeUpdate) -> None:
        try:
            self.knowledge = Knowledge(update, self._clock_before(update.clock))
        except UnusableUpdateError as error:
            log.error("update ignored", extra=fields(error=str(error)))
            return
        self.updates += 1
        if not self.joined:
            self.joined = True
            self.joins += 1
            self.services_news.set()
            log.info("joined", extra=fields(neighbours=len(update.neighbours)))
