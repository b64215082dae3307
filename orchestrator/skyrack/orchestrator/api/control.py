"""The gRPC service that nodes join: readiness, one update per epoch to each of them, and the transfers they ask for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from skyrack.orchestrator.api.health import RunHealth
from skyrack.orchestrator.fabric.quantum import BEST_EFFORT, COMPUTE
from skyrack.orchestrator.runtime.flights import Flights
from skyrack.orchestrator.runtime.nodes import NodeState
from skyrack.orchestrator.runtime.processes import Nodes
from skyrack.orchestrator.runtime.services.services import Services
from skyrack.orchestrator.runtime.transfers import (
    Progress,
    Refusal,
    TransferRefusedError,
    Transfers,
)
from skyrack.v1 import control_pb2, control_pb2_grpc, mesh_pb2, transfer_pb2
from skyrack.v1.kinds import NODE_KINDS
from skyrack.v1.refusal import REFUSAL
from skyrack.v1.sockets import owner_only

_SERVICE = control_pb2.DESCRIPTOR.services_by_name["ControlService"].full_name
_STATUSES = {
    Refusal.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Refusal.UNKNOWN_NODE: grpc.StatusCode.NOT_FOUND,
    Refusal.NO_WAY: grpc.StatusCode.FAILED_PRECONDITION,
    Refusal.TOO_MANY: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Refusal.NO_FABRIC: grpc.StatusCode.UNAVAILABLE,
    Refusal.STORE_FULL: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Refusal.LOST: grpc.StatusCode.DATA_LOSS,
    Refusal.EXPIRED: grpc.StatusCode.ABORTED,
}
_CLASSES = {
    transfer_pb2.TRAFFIC_CLASS_UNSPECIFIED: BEST_EFFORT,
    transfer_pb2.TRAFFIC_CLASS_BEST_EFFORT: BEST_EFFORT,
    transfer_pb2.TRAFFIC_CLASS_COMPUTE: COMPUTE,
}
_STATES = {
    "running": transfer_pb2.TRANSFER_STATE_RUNNING,
    "waiting": transfer_pb2.TRANSFER_STATE_WAITING,
    "done": transfer_pb2.TRANSFER_STATE_DONE,
}


class ControlService(control_pb2_grpc.ControlServiceServicer):
    """Joins nodes to the run. `update_of` builds the message for a node, None while there is nothing to say yet.

    `lost_of`: the names of neighbours whose link the node has noticed to be dark.
    """

    def __init__(
        self,
        run: str,
        nodes: Nodes,
        update_of: Callable[[NodeState], control_pb2.NodeUpdate | None],
        lost_of: Callable[[NodeState], list[str]],
        transfers: Transfers,
        services: Services,
        flights: Flights,
    ) -> None:
        self._run = run
        self._nodes = nodes
        self._update_of = update_of
        self._lost_of = lost_of
        self._transfers = transfers
        self._services = services
        self._flights = flights
        self._version = 0
        services.listen(self._wake)
        # What wakes each node's newest stream: the end of an older one means nothing.
        self._streams: dict[str, asyncio.Event] = {}
        self._peers = control_pb2.PeerList(
            peers=[
                mesh_pb2.Peer(name=node.name, kind=NODE_KINDS[node.kind], address=node.address)
                for _, node in sorted(nodes.book.by_index.items())
            ]
        )

    def publish(self) -> None:
        """Send every joined node its update anew."""
        self._version += 1
        self._wake()

    def lost(self, names: Iterable[str]) -> None:
        """Other links of these nodes may be lost than before: tell those of them that have joined."""
        for name in names:
            if (wake := self._streams.get(name)) is not None:
                wake.set()

    def _wake(self) -> None:
        for wake in self._streams.values():
            wake.set()

    async def Join(
        self,
        request: control_pb2.JoinRequest,
        context: grpc.aio.ServicerContext[control_pb2.JoinRequest, control_pb2.JoinResponse],
    ) -> AsyncIterator[control_pb2.JoinResponse]:
        """One stream per node; its end is the node's leaving."""
        await self._require_node(request.name, request.run, context)
        node = self._nodes.book.by_name[request.name]
        wake = self._streams[node.name] = asyncio.Event()
        self._nodes.joined(node, True)
        told = services_told = -1
        lost_told = list[str]()
        response = control_pb2.JoinResponse(peers=self._peers)
        try:
            while True:
                wake.clear()
                if self._version != told and (update := self._update_of(node)) is not None:
                    response.update.CopyFrom(update)
                if (version := self._services.version(node.name)) != services_told:
                    response.services.CopyFrom(self._services.list_for(node.name))
                if (lost := self._lost_of(node)) != lost_told:
                    response.lost.CopyFrom(control_pb2.LostLinks(peers=lost))
                told, services_told, lost_told = self._version, version, lost
                if response.ByteSize():
                    yield response
                    response = control_pb2.JoinResponse()
                await wake.wait()
        finally:
            if self._streams.get(node.name) is wake:
                del self._streams[node.name]
                self._nodes.joined(node, False)

    async def ReportServices(
        self,
        request: control_pb2.ReportServicesRequest,
        context: grpc.aio.ServicerContext[
            control_pb2.ReportServicesRequest, control_pb2.ReportServicesResponse
        ],
    ) -> control_pb2.ReportServicesResponse:
        """How the services of a node are going."""
        await self._require_node(request.name, request.run, context)
        self._services.reported(request.name, request.services)
        return control_pb2.ReportServicesResponse()

    async def ReportFlight(
        self,
        request: control_pb2.ReportFlightRequest,
        context: grpc.aio.ServicerContext[control_pb2.ReportFlightRequest, control_pb2.ReportFlightResponse],
    ) -> control_pb2.ReportFlightResponse:
        """What the flight software of a node has decided."""
        await self._require_node(request.name, request.run, context)
        return control_pb2.ReportFlightResponse(
            effects=await self._flights.report(request.name, request.flight)
        )

    async def _require_node(self, name: str, run: str, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        if run != self._run or name not in self._nodes.book.by_name:
            await context.abort(
                grpc.StatusCode.FAILED_PRECONDITION, f"run {self._run} has no node {name!r} of run {run!r}"
            )

    async def RelayTransfer(
        self,
        request: control_pb2.RelayTransferRequest,
        context: grpc.aio.ServicerContext[
            control_pb2.RelayTransferRequest, control_pb2.RelayTransferResponse
        ],
    ) -> AsyncIterator[control_pb2.RelayTransferResponse]:
        """One stream per transfer, from a node that has joined; its end is the transfer's."""
        asked = request.transfer
        await self._require_node(request.name, request.run, context)
        traffic_class = _CLASSES.get(asked.traffic_class)
        if traffic_class is None:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, f"traffic_class: there is no class {asked.traffic_class}"
            )
            return
        news = self._transfers.follow(request.name, asked.destination, asked.bytes, traffic_class)
        try:
            async with contextlib.aclosing(news):
                async for progress in news:
                    yield control_pb2.RelayTransferResponse(progress=_message(progress))
        except TransferRefusedError as error:
            why = ((REFUSAL, error.refusal.value),)
            await context.abort(_STATUSES[error.refusal], str(error), why)


def _message(progress: Progress) -> transfer_pb2.TransferProgress:
    message = transfer_pb2.TransferProgress(
        id=progress.number,
        state=_STATES[progress.state],
        delivered_bytes=progress.delivered_bytes,
        resent_bytes=progress.resent_bytes,
        started_at_run_s=progress.started_s,
        at_run_s=progress.at_s,
        rate_bps=progress.rate_bps,
        idle_s=progress.idle_s,
        path=progress.path,
    )
    if (custody := progress.custody) is not None:
        message.custody.node = custody.node
        message.custody.next = custody.next or ""
        message.custody.departs_at_run_s = custody.departs_s or 0.0
        message.custody.arrives_at_run_s = custody.arrives_s or 0.0
    return message


async def serve(service: ControlService, state: RunHealth, path: Path) -> grpc.aio.Server:
    """Serve both on a Unix socket, with reflection."""
    server = grpc.aio.server(options=[("grpc.max_concurrent_streams", 100_000)])
    control_pb2_grpc.add_ControlServiceServicer_to_server(service, server)
    health_pb2_grpc.add_HealthServicer_to_server(state.servicer, server)
    names = (_SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    server.add_insecure_port(f"unix:{path}")
    await server.start()
    owner_only(path)
    return server
