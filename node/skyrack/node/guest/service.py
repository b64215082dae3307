"""The guest API as gRPC, for callers inside the node and on the management socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import unquote

import grpc

from skyrack.node.guest.desk import GuestDesk, Lack, Unanswerable
from skyrack.v1 import guest_pb2, guest_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]
Answer = TypeVar("Answer")

IDLE_S = 3600.0  # gRPC sees by itself to connections that are idle
_CODES = {
    Lack.NOT_YET: grpc.StatusCode.UNAVAILABLE,
    Lack.TOO_OLD: grpc.StatusCode.OUT_OF_RANGE,
    Lack.TOO_MANY: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Lack.NOT_HERE: grpc.StatusCode.FAILED_PRECONDITION,
    Lack.ODD: grpc.StatusCode.INVALID_ARGUMENT,
}


def is_local(peer: str) -> bool:
    """Whether a caller, as gRPC writes it, is on a Unix socket or a loopback address."""
    family, _, rest = peer.partition(":")
    if family == "unix":
        return True
    host = unquote(rest).rpartition(":")[0].strip("[]")
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback


class GuestService(guest_pb2_grpc.GuestServiceServicer):
    """One server listens for guests and for the mesh, so each call is asked where it comes from."""

    def __init__(self, desk: GuestDesk) -> None:
        self._desk = desk

    async def GetIdentity(
        self, request: guest_pb2.GetIdentityRequest, context: Context
    ) -> guest_pb2.GetIdentityResponse:
        return await _answered(self._desk.identity, context)

    async def GetClock(
        self, request: guest_pb2.GetClockRequest, context: Context
    ) -> guest_pb2.GetClockResponse:
        return await _answered(self._desk.clock, context)

    async def ListPeers(
        self, request: guest_pb2.ListPeersRequest, context: Context
    ) -> guest_pb2.ListPeersResponse:
        return await _answered(self._desk.peers, context)

    async def GetForecast(
        self, request: guest_pb2.GuestServiceGetForecastRequest, context: Context
    ) -> guest_pb2.GuestServiceGetForecastResponse:
        return await _answered(self._desk.forecast, context)

    async def GetEnvironment(
        self, request: guest_pb2.GetEnvironmentRequest, context: Context
    ) -> guest_pb2.GetEnvironmentResponse:
        return await _answered(self._desk.environment, context)

    async def GetFlight(
        self, request: guest_pb2.GetFlightRequest, context: Context
    ) -> guest_pb2.GetFlightResponse:
        return await _answered(self._desk.flight, context)

    async def DeclareLoad(
        self, request: guest_pb2.DeclareLoadRequest, context: Context
    ) -> guest_pb2.DeclareLoadResponse:
        return await _answered(lambda: self._desk.declare_load(request), context)

    async def WatchAlerts(
        self, request: guest_pb2.WatchAlertsRequest, context: Context
    ) -> AsyncIterator[guest_pb2.WatchAlertsResponse]:
        await _require_local(context)
        try:
            with self._desk.watching(IDLE_S) as alerts:
                # Who has the metadata is told of everything from then on.
                await context.send_initial_metadata(())
                async for alert in alerts:
                    if alert is not None:
                        yield guest_pb2.WatchAlertsResponse(alert=alert)
        except Unanswerable as error:
            await _refuse(context, error)


async def _answered(answer: Callable[[], Answer], context: Context) -> Answer:
    await _require_local(context)
    try:
        return answer()
    except Unanswerable as error:
        await _refuse(context, error)
        raise AssertionError("abort returned") from error


async def _refuse(context: Context, error: Unanswerable) -> None:
    await context.abort(_CODES[error.lack], f"{error}; {error.hint}")


async def _require_local(context: Context) -> None:
    if not is_local(context.peer()):
        text = "the guest API answers inside its node only, at skyrack.internal:50051; others: NodeService"
        await context.abort(grpc.StatusCode.PERMISSION_DENIED, text)
