"""A service of the user's that implements `skyrack.v1.StoreService` (proto/skyrack/v1/store.proto).

Which statuses say that it definitely did not happen stands there, and in `REFUSED`. gRPC itself makes some of these too,
all before a handler runs: UNIMPLEMENTED, UNAUTHENTICATED, PERMISSION_DENIED, RESOURCE_EXHAUSTED for a request that is too
large (https://grpc.io/docs/guides/status-codes/). UNAVAILABLE says both that no connection could be made and that one broke
under a call, so no call begins before there is a connection; what is UNAVAILABLE then is unknown, unless gRPC's own words
say that it had lost the connection before it sent anything.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import grpc
import grpc.aio

from skyrack.v1 import store_pb2, store_pb2_grpc
from skyrack.workloads.grpc_status import NOT_DONE, never_sent
from skyrack.workloads.stores import Failed
from skyrack.workloads.stores.turns import Turns

T = TypeVar("T")

REFUSED = NOT_DONE | {
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
}
# Its own retries would do things twice; after a member was away it is tried again within a second.
CHANNEL = (
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.use_local_subchannel_pool", 1),
)
# Also how long an attempt to connect may take: one to a geostationary satellite needs a second and more.
PATIENCE = "grpc.min_reconnect_backoff_ms"


class GrpcStore:
    """A client of a StoreService."""

    def __init__(self, endpoints: Sequence[str], timeout_s: float) -> None:
        self._turns = Turns(endpoints)
        self._timeout_s = timeout_s
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def read(self, key: str) -> int | None:
        """Absent is None."""
        answer = await self._call(lambda stub: stub.Read, store_pb2.ReadRequest(key=key))
        return answer.value if answer.HasField("value") else None

    async def write(self, key: str, value: int) -> None:
        """Write."""
        await self._call(lambda stub: stub.Write, store_pb2.WriteRequest(key=key, value=value))

    async def cas(self, key: str, old: int | None, new: int) -> bool:
        """CompareAndSet; `old` None: only if absent."""
        request = store_pb2.CompareAndSetRequest(key=key, expected=old, value=new)
        return (await self._call(lambda stub: stub.CompareAndSet, request)).swapped

    async def delete(self, key: str) -> None:
        """Delete."""
        await self._call(lambda stub: stub.Delete, store_pb2.DeleteRequest(key=key))

    async def append(self, key: str, value: int) -> None:
        """Append."""
        await self._call(lambda stub: stub.Append, store_pb2.AppendRequest(key=key, value=value))

    async def read_list(self, key: str) -> list[int]:
        """ReadList."""
        return list((await self._call(lambda stub: stub.ReadList, store_pb2.ReadListRequest(key=key))).values)

    async def add(self, key: str, value: int) -> None:
        """Add."""
        await self._call(lambda stub: stub.Add, store_pb2.AddRequest(key=key, value=value))

    async def read_set(self, key: str) -> list[int]:
        """ReadSet."""
        return list((await self._call(lambda stub: stub.ReadSet, store_pb2.ReadSetRequest(key=key))).values)

    async def enqueue(self, queue: str, value: int) -> None:
        """Enqueue."""
        await self._call(lambda stub: stub.Enqueue, store_pb2.EnqueueRequest(queue=queue, value=value))

    async def dequeue(self, queue: str) -> int | None:
        """Dequeue; None when there is none."""
        answer = await self._call(lambda stub: stub.Dequeue, store_pb2.DequeueRequest(queue=queue))
        return answer.value if answer.HasField("value") else None

    async def balances(self, accounts: Sequence[str]) -> dict[str, int]:
        """Balances."""
        request = store_pb2.BalancesRequest(accounts=accounts)
        return dict((await self._call(lambda stub: stub.Balances, request)).balances)

    async def transfer(self, source: str, target: str, amount: int) -> bool:
        """Transfer. False: the balance is less."""
        request = store_pb2.StoreServiceTransferRequest(from_account=source, to_account=target, amount=amount)
        return (await self._call(lambda stub: stub.Transfer, request)).moved

    async def open_accounts(self, balances: Mapping[str, int]) -> None:
        """OpenAccounts."""
        request = store_pb2.OpenAccountsRequest(balances=balances)
        await self._call(lambda stub: stub.OpenAccounts, request)

    async def echo(self, text: str) -> str:
        """Echo."""
        return (await self._call(lambda stub: stub.Echo, store_pb2.StoreServiceEchoRequest(text=text))).text

    async def close(self) -> None:
        """Close the connections."""
        while self._channels:
            await self._channels.popitem()[1].close()

    # Calls

    async def _call(
        self,
        method: Callable[[store_pb2_grpc.StoreServiceAsyncStub], Callable[..., Awaitable[T]]],
        request: Any,
    ) -> T:
        """Raises Failed; TimeoutError and AioRpcError: unknown."""
        deadline_s = time.monotonic() + self._timeout_s
        endpoint = self._turns.current
        if endpoint not in self._channels:
            options = [*CHANNEL, (PATIENCE, round(1e3 * self._timeout_s))]
            self._channels[endpoint] = grpc.aio.insecure_channel(endpoint, options=options)
        channel = self._channels[endpoint]
        try:
            await _connected(channel, deadline_s)
            stub = store_pb2_grpc.StoreServiceStub(channel)
            return await method(stub)(request, timeout=deadline_s - time.monotonic())
        except Failed as failure:
            await self._leave(endpoint)
            raise Failed(f"{endpoint}: {failure}") from failure
        except grpc.aio.AioRpcError as error:
            code, details = error.code(), error.details()
            if code is grpc.StatusCode.UNIMPLEMENTED:
                raise Failed(f"{endpoint} does not implement it ({type(request).__name__})") from error
            if code in REFUSED:
                self._turns.leave(endpoint)
                raise Failed(f"{endpoint}: {code.name}: {details}") from error
            await self._leave(endpoint)
            if never_sent(code, details or ""):
                raise Failed(f"{endpoint}: never sent: {details}") from error
            if code is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise TimeoutError(f"{endpoint}: no answer within {self._timeout_s:g} s") from error
            raise

    async def _leave(self, endpoint: str) -> None:
        """Ask another, and have a new connection when its turn comes again: this one may be to somebody in the dark."""
        self._turns.leave(endpoint)
        if (channel := self._channels.pop(endpoint, None)) is not None:
            await channel.close()


async def _connected(channel: grpc.aio.Channel, deadline_s: float) -> None:
    """Raises Failed when there is no connection, and there is none by the deadline."""
    try:
        async with asyncio.timeout(deadline_s - time.monotonic()):
            while (state := channel.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.READY:
                if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                    raise Failed("never sent: no connection")
                await channel.wait_for_state_change(state)
    except TimeoutError as error:
        raise Failed("never sent: no connection in time") from error
