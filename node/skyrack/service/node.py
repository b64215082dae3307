"""The node, as a service that runs in it sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from logging import Logger
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from skyrack.node.config import PORT
from skyrack.node.position import OutsideEphemerisError, geodetic
from skyrack.service.clock import Clock
from skyrack.service.errors import NotAvailableError, UnknownNodeError

if TYPE_CHECKING:
    import grpc

    from skyrack.node.config import NodeConfig
    from skyrack.node.guest.desk import GuestDesk
    from skyrack.node.knowledge import Knowledge
    from skyrack.v1 import guest_pb2, mesh_pb2

T = TypeVar("T")

ALERTS_IDLE_S = 3600.0
# A link that was dark for a minute is to be used when it is lit, not a minute later.
_CHANNEL_OPTIONS = (("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000))


class Service(Protocol):
    """What `python: module:Class` names: a class made without arguments, with this method."""

    async def run(self, node: Node) -> None:
        """Be the service. Returning ends it, an exception fails it, being cancelled is the request to end."""
        ...


@dataclass(frozen=True)
class Position:
    """Where a node is, Earth-fixed; latitude and altitude refer to the WGS84 ellipsoid."""

    lat_deg: float
    lon_deg: float
    altitude_km: float
    position_km: tuple[float, float, float]
    velocity_km_s: tuple[float, float, float]


class Node:
    """One service's view of its node. All services of a node, and the node itself, share one event loop."""

    def __init__(
        self,
        config: NodeConfig,
        *,
        service: str,
        data_dir: Path,
        options: Mapping[str, str],
        log: Logger,
        clock: Clock,
        knowledge: Callable[[], Knowledge],
        desk: GuestDesk,
        grpc_server: grpc.aio.Server,
        tell: Callable[[str], None],
    ) -> None:
        """Made by the node. `knowledge` raises NotAvailableError; `tell` hears why it is not ready, "" when it is."""
        self.name = config.name
        """Of the node: p0s03, london."""
        self.kind: str = config.kind
        """`satellite`, `ground`, `pop` or `user`."""
        self.index = config.index
        """Of the node among all nodes, from 0."""
        self.address = config.address
        """IPv4 address in the mesh."""
        self.run = config.run
        """Name of the run."""
        self.service = service
        """Name of this service."""
        self.data_dir = data_dir
        """Directory of this service at this node; what is in it stays when it is started again."""
        self.options = options
        """`env:` of the scenario, with its placeholders filled in."""
        self.log = log
        """`skyrack logs NODE SERVICE` shows it."""
        self.clock = clock
        self.grpc_server = grpc_server
        """For the generated `add_...Servicer_to_server`: the methods are served on port 50051 while the service runs."""
        self._knowledge = knowledge
        self._desk = desk
        self._tell = tell
        self._channels: dict[str, grpc.aio.Channel] = {}

    def ready(self) -> None:
        """Say that the service does its work: `skyrack up` waits for that."""
        self._tell("")

    def not_ready(self, reason: str) -> None:
        """Say that it does not now, and why in a sentence, for `skyrack service status`."""
        self._tell(reason or "it is not ready")

    def peers(self) -> dict[str, str]:
        """Address by name of all nodes with a process, this one included."""
        return {self.name: self.address} | {
            peer.name: peer.address for peer in self._told(self._desk.peers).peers
        }

    def channel(self, node: str, port: int = PORT) -> grpc.aio.Channel:
        """A gRPC channel to a node, the same for every call, closed when the service ends.

        Raises UnknownNodeError, NotAvailableError.
        """
        from grpc.aio import insecure_channel

        address = self.peers().get(node)
        if address is None:
            raise UnknownNodeError(f"no node with a process is called {node!r}")
        target = f"{address}:{port}"
        if target not in self._channels:
            self._channels[target] = insecure_channel(target, _CHANNEL_OPTIONS)
        return self._channels[target]

    def neighbours(self) -> list[mesh_pb2.Neighbour]:
        """Nodes that are one link away now, over links that are lit. Raises NotAvailableError."""
        return list(self._told(self._desk.peers).neighbours)

    def forecast(self) -> guest_pb2.GuestServiceGetForecastResponse:
        """What is to come, as forecast: contacts, gateways, shadow, anomaly, in scenario time. Raises NotAvailableError."""
        return self._told(self._desk.forecast)

    def environment(self) -> guest_pb2.GetEnvironmentResponse:
        """Where the node is now, whether the Sun shines on it, weather on its ground links. Raises NotAvailableError."""
        return self._told(self._desk.environment)

    def flight(self) -> guest_pb2.GetFlightResponse:
        """Battery, temperature, flight mode and what is granted. Raises NotAvailableError, also without flight software."""
        return self._told(self._desk.flight)

    def declare_load(self, power_w: float, for_s: float | None = None, name: str = "") -> float:
        """Have an electric load counted that is not there, an accelerator's, in place of the last one; 0 W ends it.

        `for_s` is real time. Returns the share of it that the satellite grants. Raises NotAvailableError, ValueError.
        """
        from skyrack.node.guest.desk import Lack, Unanswerable
        from skyrack.v1 import guest_pb2

        request = guest_pb2.DeclareLoadRequest(name=name or self.service, power_w=power_w, for_s=for_s)
        try:
            return self._desk.declare_load(request).granted_ratio
        except Unanswerable as error:
            raise (ValueError if error.lack is Lack.ODD else NotAvailableError)(str(error)) from error

    async def alerts(self) -> AsyncIterator[guest_pb2.Alert]:
        """What happens to the node, from when this is iterated over until the node stops. Raises NotAvailableError."""
        with self._told(lambda: self._desk.watching(ALERTS_IDLE_S)) as alerts:
            async for alert in alerts:
                if alert is not None:
                    yield alert

    def position(self, t_s: float | None = None) -> Position:
        """Where the node is, now or at a scenario time. Raises NotAvailableError, also beyond the ephemeris."""
        try:
            position_km, velocity_km_s = self._knowledge().at(self.clock.scenario_s() if t_s is None else t_s)
        except OutsideEphemerisError as error:
            raise NotAvailableError(str(error)) from error
        return Position(*geodetic(position_km), position_km, velocity_km_s)

    def _told(self, ask: Callable[[], T]) -> T:
        """What the node tells all its guests. Raises NotAvailableError."""
        from skyrack.node.guest.desk import Unanswerable

        try:
            return ask()
        except Unanswerable as error:
            raise NotAvailableError(str(error)) from error

    async def close(self) -> None:
        """Close what it has opened; the node calls this."""
        while self._channels:
            await self._channels.popitem()[1].close()
