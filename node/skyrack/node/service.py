"""The gRPC service of every node: identity, position, neighbours, forecast, echo."""

from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from skyrack.node.clock import Clock
from skyrack.node.config import NodeConfig
from skyrack.node.control_link import ControlLink
from skyrack.node.fabric_link import FabricLink
from skyrack.node.knowledge import Knowledge
from skyrack.node.position import OutsideEphemerisError, geodetic
from skyrack.node.version import VERSION
from skyrack.v1 import node_pb2, node_pb2_grpc
from skyrack.v1.kinds import NODE_KINDS

# Below gRPC's default limit of 4 MiB per message, with room for the other fields.
MAX_REPLY_BYTES = 4_000_000

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass
class EchoCounters:
    """What Echo did since the start."""

    requests: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0


class NodeService(node_pb2_grpc.NodeServiceServicer):
    """Answers from what the links hold; never waits."""

    def __init__(self, config: NodeConfig, clock: Clock, fabric: FabricLink, control: ControlLink) -> None:
        self._config = config
        self._clock = clock
        self._fabric = fabric
        self._control = control
        self._start_time = Timestamp()
        self._start_time.FromDatetime(clock.utc_now())
        self.echo = EchoCounters()

    async def Describe(
        self, request: node_pb2.DescribeRequest, context: Context
    ) -> node_pb2.DescribeResponse:
        return node_pb2.DescribeResponse(
            name=self._config.name,
            kind=NODE_KINDS[self._config.kind],
            index=self._config.index,
            run=self._config.run,
            address=self._config.address,
            network=self._config.network,
            mtu_bytes=self._config.mtu,
            version=VERSION,
            start_time=self._start_time,
            attached=self._fabric.attached,
        )

    async def GetPosition(
        self, request: node_pb2.GetPositionRequest, context: Context
    ) -> node_pb2.GetPositionResponse:
        knowledge = await self._knowledge(context)
        t_s = request.t_s if request.HasField("t_s") else knowledge.t_s(self._clock.monotonic_ns())
        try:
            position_km, velocity_km_s = knowledge.at(t_s)
        except OutsideEphemerisError as error:
            await _abort(context, grpc.StatusCode.OUT_OF_RANGE, str(error))
        lat_deg, lon_deg, altitude_km = geodetic(position_km)
        time = Timestamp()
        time.FromNanoseconds(knowledge.utc_ns(t_s))
        return node_pb2.GetPositionResponse(
            t_s=t_s,
            time=time,
            position_km=node_pb2.Vector(x=position_km[0], y=position_km[1], z=position_km[2]),
            velocity_km_s=node_pb2.Vector(x=velocity_km_s[0], y=velocity_km_s[1], z=velocity_km_s[2]),
            lat_deg=lat_deg,
            lon_deg=lon_deg,
            altitude_km=altitude_km,
        )

    async def ListNeighbours(
        self, request: node_pb2.ListNeighboursRequest, context: Context
    ) -> node_pb2.ListNeighboursResponse:
        knowledge = await self._knowledge(context)
        return node_pb2.ListNeighboursResponse(epoch=knowledge.epoch, neighbours=knowledge.neighbours)

    async def GetForecast(
        self, request: node_pb2.GetForecastRequest, context: Context
    ) -> node_pb2.GetForecastResponse:
        knowledge = await self._knowledge(context)
        t_s = knowledge.t_s(self._clock.monotonic_ns())
        return node_pb2.GetForecastResponse(t_s=t_s, contacts=knowledge.contacts(t_s))

    async def Echo(self, request: node_pb2.EchoRequest, context: Context) -> node_pb2.EchoResponse:
        handled_ns = self._clock.monotonic_ns()
        payload = request.payload
        if request.HasField("reply_bytes"):
            if request.reply_bytes > MAX_REPLY_BYTES:
                text = f"reply_bytes: {request.reply_bytes}, at most {MAX_REPLY_BYTES}"
                await _abort(context, grpc.StatusCode.INVALID_ARGUMENT, text)
            payload = payload[: request.reply_bytes].ljust(request.reply_bytes, b"\0")
        self.echo.requests += 1
        self.echo.received_bytes += len(request.payload)
        self.echo.sent_bytes += len(payload)
        return node_pb2.EchoResponse(payload=payload, node=self._config.name, handled_monotonic_ns=handled_ns)

    async def _knowledge(self, context: Context) -> Knowledge:
        if self._control.knowledge is None:
            await _abort(context, grpc.StatusCode.UNAVAILABLE, "no word from the orchestrator yet")
        return self._control.knowledge


async def _abort(context: Context, code: grpc.StatusCode, text: str) -> NoReturn:
    await context.abort(code, text)
    raise AssertionError("abort returned")
