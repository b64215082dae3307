"""A StoreService in memory, for what the gRPC adapter says of one; `python store_service.py PORT` serves it.

Some keys make a write answer what they are called: `status/ABORTED`, and `exit` ends the process under the call.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import defaultdict
from typing import Any

import grpc
import grpc.aio

from skyrack.v1 import store_pb2 as pb
from skyrack.v1 import store_pb2_grpc


class MemoryService(store_pb2_grpc.StoreServiceServicer):
    """One operation at a time."""

    def __init__(self) -> None:
        self._registers: dict[str, int] = {}
        self._lists: dict[str, list[int]] = defaultdict(list)
        self._accounts: dict[str, int] = {}

    async def Read(self, request: pb.ReadRequest, context: Any) -> pb.ReadResponse:
        return pb.ReadResponse(value=self._registers.get(request.key))

    async def Write(self, request: pb.WriteRequest, context: Any) -> pb.WriteResponse:
        kind, _, status = request.key.partition("/")
        if kind == "status":
            await context.abort(grpc.StatusCode[status], "as asked")
        if kind == "exit":
            os._exit(1)
        self._registers[request.key] = request.value
        return pb.WriteResponse()

    async def CompareAndSet(self, request: pb.CompareAndSetRequest, context: Any) -> pb.CompareAndSetResponse:
        expected = request.expected if request.HasField("expected") else None
        swapped = self._registers.get(request.key) == expected
        if swapped:
            self._registers[request.key] = request.value
        return pb.CompareAndSetResponse(swapped=swapped)

    async def Delete(self, request: pb.DeleteRequest, context: Any) -> pb.DeleteResponse:
        self._registers.pop(request.key, None)
        return pb.DeleteResponse()

    async def Append(self, request: pb.AppendRequest, context: Any) -> pb.AppendResponse:
        self._lists[request.key].append(request.value)
        return pb.AppendResponse()

    async def ReadList(self, request: pb.ReadListRequest, context: Any) -> pb.ReadListResponse:
        return pb.ReadListResponse(values=self._lists[request.key])

    async def Add(self, request: pb.AddRequest, context: Any) -> pb.AddResponse:
        name = f"set/{request.key}"
        self._lists[name] = sorted({*self._lists[name], request.value})
        return pb.AddResponse()

    async def ReadSet(self, request: pb.ReadSetRequest, context: Any) -> pb.ReadSetResponse:
        return pb.ReadSetResponse(values=self._lists[f"set/{request.key}"])

    async def Enqueue(self, request: pb.EnqueueRequest, context: Any) -> pb.EnqueueResponse:
        self._lists[f"queue/{request.queue}"].append(request.value)
        return pb.EnqueueResponse()

    async def Dequeue(self, request: pb.DequeueRequest, context: Any) -> pb.DequeueResponse:
        queue = self._lists[f"queue/{request.queue}"]
        return pb.DequeueResponse(value=queue.pop(0) if queue else None)

    async def OpenAccounts(self, request: pb.OpenAccountsRequest, context: Any) -> pb.OpenAccountsResponse:
        if not self._accounts:
            self._accounts.update(request.balances)
        return pb.OpenAccountsResponse()

    async def Transfer(
        self, request: pb.StoreServiceTransferRequest, context: Any
    ) -> pb.StoreServiceTransferResponse:
        moved = self._accounts[request.from_account] >= request.amount
        if moved:
            self._accounts[request.from_account] -= request.amount
            self._accounts[request.to_account] += request.amount
        return pb.StoreServiceTransferResponse(moved=moved)

    async def Balances(self, request: pb.BalancesRequest, context: Any) -> pb.BalancesResponse:
        return pb.BalancesResponse(balances={name: self._accounts[name] for name in request.accounts})

    async def Echo(self, request: pb.StoreServiceEchoRequest, context: Any) -> pb.StoreServiceEchoResponse:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "left out")
        raise AssertionError


async def serve(port: int) -> None:
    """Until it is killed."""
    server = grpc.aio.server()
    store_pb2_grpc.add_StoreServiceServicer_to_server(MemoryService(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
