"""Faults over gRPC: what a client asks for is what the run is asked, and what the run says is what the client hears."""

import asyncio
import contextlib
import stat
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest

from skyrack.orchestrator.api import fault_service
from skyrack.orchestrator.faults.problem import FaultProblem, Unknown
from skyrack.v1 import fault_pb2, fault_pb2_grpc

pytestmark = pytest.mark.together

SHOWN = {
    "id": "f1", "kind": "latency", "on": ["a-b"], "extra_s": 0.2, "since_s": 1.0, "until_s": None, "acts": True,
    "cause": "test", "effects": [], "fabric": [],
}  # fmt: skip


class Run:
    """Remembers what it was asked, and tells what it is told to."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.listeners: list[Callable[[dict[str, Any]], None]] = []
        self.forgotten = asyncio.Event()

    async def add(self, body: Mapping[str, Any]) -> dict[str, Any]:
        if body["faults"][0]["kind"] == "nothing":
            raise FaultProblem("no kind of fault is called 'nothing'")
        self.asked.append(body)
        return {"at_s": 1.0, "faults": [SHOWN, SHOWN | {"id": "f2", "until_s": 31.0}]}

    async def add_campaign(self, body: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(body)
        return {"at_s": 2.0, "faults": []}

    async def listed(self) -> dict[str, Any]:
        return {"faults": [SHOWN]}

    def remove(self, fault_id: str | None) -> dict[str, Any]:
        if fault_id == "f9":
            raise Unknown("no fault is called 'f9'")
        return {"at_s": 3.0, "removed": [fault_id or "f1"]}

    def listen(self, listener: Callable[[dict[str, Any]], None]) -> None:
        self.listeners.append(listener)

    def forget(self, listener: Callable[[dict[str, Any]], None]) -> None:
        self.listeners.remove(listener)
        self.forgotten.set()

    def happens(self, **event: Any) -> None:
        for listener in self.listeners:
            listener(event)


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[tuple[Run, Any]]:
    with tempfile.TemporaryDirectory(prefix="sk-f-", dir="/tmp") as directory:
        run, path = Run(), Path(directory) / fault_service.SOCKET
        async with fault_service.serve(fault_service.FaultService(run, run), path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, "for the run's owner alone"
            async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
                yield run, fault_pb2_grpc.FaultServiceStub(channel)


async def test_faults_are_asked_for_as_over_http_and_come_back_whole() -> None:
    async with served() as (run, stub):
        spec = fault_pb2.FaultSpec(
            kind="latency", links=["a-b"], values={"extra_s": 0.2}, for_s=30, in_s=5, cause="test"
        )
        sides = fault_pb2.FaultSpec(kind="partition", nodes=["a"], to=["b"], one_way=True)
        answer = await stub.AddFaults(fault_pb2.AddFaultsRequest(faults=[spec, sides]))
        assert run.asked == [
            {
                "faults": [
                    {"kind": "latency", "links": ["a-b"], "extra_s": 0.2, "for_s": 30.0, "in_s": 5.0, "cause": "test"},
                    {"kind": "partition", "nodes": ["a"], "to": ["b"], "one_way": True},
                ]
            }
        ]  # fmt: skip
        first, second = answer.faults
        assert (first.id, dict(first.values), first.HasField("until_run_s")) == (
            "f1",
            {"extra_s": 0.2},
            False,
        )
        assert (second.id, second.until_run_s) == ("f2", 31.0)
        listed = await stub.ListFaults(fault_pb2.ListFaultsRequest())
        assert [fault.id for fault in listed.faults] == ["f1"]
        removed = await stub.RemoveFaults(fault_pb2.RemoveFaultsRequest(ids=["f1", "f2"]))
        assert list(removed.ids) == ["f1", "f2"]


async def test_a_campaign_is_asked_for_as_over_http() -> None:
    async with served() as (run, stub):
        kinds = [
            fault_pb2.FaultSpec(kind="kill"),
            fault_pb2.FaultSpec(kind="latency", values={"extra_s": 0.2}),
        ]
        request = fault_pb2.AddCampaignRequest(
            name="storm", kinds=kinds, on=["all"], every_s=5, least_s=1, most_s=2, until_s=60
        )
        await stub.AddCampaign(request)
        assert run.asked == [
            {
                "name": "storm", "kinds": [{"kind": "kill"}, {"kind": "latency", "extra_s": 0.2}], "on": ["all"],
                "every_s": 5.0, "from_s": 0.0, "until_s": 60.0, "most_at_once": None, "for_s": [1.0, 2.0],
            }
        ]  # fmt: skip


async def test_what_cannot_be_is_a_status_with_the_reason() -> None:
    async with served() as (_, stub):
        for call, code, words in (
            (
                stub.AddFaults(fault_pb2.AddFaultsRequest(faults=[fault_pb2.FaultSpec(kind="nothing")])),
                grpc.StatusCode.INVALID_ARGUMENT,
                "no kind",
            ),
            (
                stub.RemoveFaults(fault_pb2.RemoveFaultsRequest(ids=["f9"])),
                grpc.StatusCode.NOT_FOUND,
                "'f9'",
            ),
            (
                stub.RemoveFaults(fault_pb2.RemoveFaultsRequest()),
                grpc.StatusCode.INVALID_ARGUMENT,
                "give ids, or all",
            ),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call
            assert (refused.value.code(), words in (refused.value.details() or "")) == (code, True)


async def test_who_watches_hears_of_faults_alone_until_he_goes() -> None:
    async with served() as (run, stub):
        watching = stub.WatchFaults(fault_pb2.WatchFaultsRequest())
        await watching.initial_metadata()
        run.happens(event="node_dark", run_s=1.0, node="a")
        run.happens(event="fault_began", run_s=2.0, fault="f1", kind="kill", on=["a"], cause="test")
        run.happens(event="fault_effect", run_s=2.1, fault="f1", kind="kill", on="a", effect=["killed"])
        run.happens(event="fault_failed", run_s=2.2, fault="f1", kind="kill", on="a", reason="gone")
        heard = [await watching.read() for _ in range(3)]
        assert [(one.event, list(one.on), list(one.told)) for one in heard] == [
            ("fault_began", ["a"], []),
            ("fault_effect", ["a"], ["killed"]),
            ("fault_failed", ["a"], ["gone"]),
        ]
        assert heard[0].cause == "test"
        watching.cancel()
        async with asyncio.timeout(60):
            await run.forgotten.wait()
