"""Faults over gRPC, for the run's owner: the same as over HTTP, with types and a stream of what happens."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import grpc
from grpc_reflection.v1alpha import reflection

from skyrack.orchestrator.faults.problem import Unknown
from skyrack.v1 import fault_pb2, fault_pb2_grpc
from skyrack.v1.sockets import owner_only

SOCKET: Final = "faults.sock"
MOST_UNREAD = 10_000
_SERVICE = fault_pb2.DESCRIPTOR.services_by_name["FaultService"].full_name
_KNOWN: Final = {"id", "kind", "on", "since_s", "until_s", "acts", "cause", "effects", "fabric"}


class Faults(Protocol):
    """What is broken on purpose. Raises ValueError for what cannot be, KeyError for names that nothing has."""

    async def add(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Enter faults."""

    async def add_campaign(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Enter a campaign's."""

    async def listed(self) -> dict[str, Any]:
        """Every fault."""

    def remove(self, fault_id: str | None) -> dict[str, Any]:
        """End one, or all."""


class Events(Protocol):
    """What happens."""

    def listen(self, listener: Callable[[dict[str, Any]], None]) -> None:
        """Call it with every later event."""

    def forget(self, listener: Callable[[dict[str, Any]], None]) -> None:
        """Call it no more."""


class FaultService(fault_pb2_grpc.FaultServiceServicer):
    """Says what the run says."""

    def __init__(self, faults: Faults, events: Events) -> None:
        self._faults = faults
        self._events = events

    async def AddFaults(
        self,
        request: fault_pb2.AddFaultsRequest,
        context: grpc.aio.ServicerContext[fault_pb2.AddFaultsRequest, fault_pb2.AddFaultsResponse],
    ) -> fault_pb2.AddFaultsResponse:
        """POST /v1/faults."""
        body = {"faults": [_entry(spec) for spec in request.faults]}
        answer = await _told(self._faults.add(body), context)
        return fault_pb2.AddFaultsResponse(at_run_s=answer["at_s"], faults=map(_message, answer["faults"]))

    async def AddCampaign(
        self,
        request: fault_pb2.AddCampaignRequest,
        context: grpc.aio.ServicerContext[fault_pb2.AddCampaignRequest, fault_pb2.AddCampaignResponse],
    ) -> fault_pb2.AddCampaignResponse:
        """POST /v1/campaigns."""
        body: dict[str, Any] = {
            "name": request.name,
            "kinds": [{"kind": spec.kind, **spec.values} for spec in request.kinds],
            "on": list(request.on),
            "every_s": request.every_s,
            "from_s": request.from_s,
            "until_s": request.until_s,
            "most_at_once": request.most_at_once or None,
        }
        if request.most_s:
            body["for_s"] = [request.least_s, request.most_s]
        answer = await _told(self._faults.add_campaign(body), context)
        return fault_pb2.AddCampaignResponse(at_run_s=answer["at_s"], faults=map(_message, answer["faults"]))

    async def ListFaults(
        self,
        request: fault_pb2.ListFaultsRequest,
        context: grpc.aio.ServicerContext[fault_pb2.ListFaultsRequest, fault_pb2.ListFaultsResponse],
    ) -> fault_pb2.ListFaultsResponse:
        """GET /v1/faults."""
        answer = await self._faults.listed()
        return fault_pb2.ListFaultsResponse(faults=map(_message, answer["faults"]))

    async def RemoveFaults(
        self,
        request: fault_pb2.RemoveFaultsRequest,
        context: grpc.aio.ServicerContext[fault_pb2.RemoveFaultsRequest, fault_pb2.RemoveFaultsResponse],
    ) -> fault_pb2.RemoveFaultsResponse:
        """DELETE /v1/faults."""
        if bool(request.ids) is request.all:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "give ids, or all")
        response = fault_pb2.RemoveFaultsResponse()
        for fault_id in (None,) if request.all else request.ids:
            answer = await _told(self._remove(fault_id), context)
            response.at_run_s = answer["at_s"]
            response.ids.extend(answer["removed"])
        return response

    async def _remove(self, fault_id: str | None) -> dict[str, Any]:
        return self._faults.remove(fault_id)

    async def WatchFaults(
        self,
        request: fault_pb2.WatchFaultsRequest,
        context: grpc.aio.ServicerContext[fault_pb2.WatchFaultsRequest, fault_pb2.WatchFaultsResponse],
    ) -> AsyncIterator[fault_pb2.WatchFaultsResponse]:
        """One message per event of a fault. The headers say that it has begun to listen."""
        unread: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

        def hear(event: dict[str, Any]) -> None:
            if event["event"].startswith("fault_") and unread.qsize() <= MOST_UNREAD:
                unread.put_nowait(event)

        self._events.listen(hear)
        try:
            await context.send_initial_metadata(())
            while unread.qsize() <= MOST_UNREAD:
                yield _happened(await unread.get())
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many events were not read")
        finally:
            self._events.forget(hear)


def _entry(spec: fault_pb2.FaultSpec) -> dict[str, Any]:
    entry: dict[str, Any] = {"kind": spec.kind, **spec.values}
    for key in ("links", "nodes", "planes", "to", "parts"):
        if words := list(getattr(spec, key)):
            entry[key] = words
    if spec.one_way:
        entry["one_way"] = True
    if spec.HasField("for_s"):
        entry["for_s"] = spec.for_s
    if spec.in_s:
        entry["in_s"] = spec.in_s
    if spec.cause:
        entry["cause"] = spec.cause
    return entry


def _message(shown: Mapping[str, Any]) -> fault_pb2.Fault:
    return fault_pb2.Fault(
        id=shown["id"],
        kind=shown["kind"],
        on=shown["on"],
        values={key: value for key, value in shown.items() if key not in _KNOWN},
        since_run_s=shown["since_s"],
        until_run_s=shown["until_s"],
        acts=shown["acts"],
        cause=shown["cause"],
        effects=shown["effects"],
    )


def _happened(event: Mapping[str, Any]) -> fault_pb2.WatchFaultsResponse:
    on = event.get("on", [])
    return fault_pb2.WatchFaultsResponse(
        at_run_s=event["run_s"],
        event=event["event"],
        id=event["fault"],
        kind=event.get("kind", ""),
        on=[on] if isinstance(on, str) else on,
        cause=event.get("cause", ""),
        told=[event["reason"]] if "reason" in event else event.get("effect", []),
    )


async def _told(work: Awaitable[dict[str, Any]], context: Any) -> dict[str, Any]:
    """What it answers, or its error as a status."""
    try:
        return await work
    except Unknown as unknown:
        await context.abort(grpc.StatusCode.NOT_FOUND, str(unknown))
    except ValueError as problem:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(problem))
    raise AssertionError("abort raises")


@contextlib.asynccontextmanager
async def serve(service: FaultService, path: Path) -> AsyncIterator[None]:
    """Serve on a Unix socket, with reflection, while the context lasts."""
    server = grpc.aio.server()
    fault_pb2_grpc.add_FaultServiceServicer_to_server(service, server)
    reflection.enable_server_reflection((_SERVICE, reflection.SERVICE_NAME), server)
    server.add_insecure_port(f"unix:{path}")
    await server.start()
    owner_only(path)
    try:
        yield
    finally:
        await server.stop(0)
