"""Has processes held by a holder (`skyrack.v1.holding`), another process, and by the next one when that has ended."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.runtime.hands.hands import CannotError
from skyrack.v1 import holding

ANSWER_S = 10.0
START_S = 30.0
AGAIN_S = 0.1


class Holder:
    """One after the other, each over what `connect` gives; that raises OSError while there is none to be had."""

    def __init__(self, connect: Callable[[], Awaitable[socket.socket]], clock: Clock) -> None:
        self._connect = connect
        self._clock = clock
        self._connection: socket.socket | None = None
        self._reading: asyncio.Task[None] | None = None
        self._trying: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._orders: dict[str, holding.Hold] = {}
        self._answers: dict[int, asyncio.Future[holding.Seen]] = {}
        self._asked = 0

    async def ready(self) -> None:
        """Have it there before it is needed, if it can be had."""
        with contextlib.suppress(CannotError):
            await self._open()

    async def hold(self, order: holding.Hold) -> holding.Seen:
        """From now on, whoever ends; a later order with its key replaces it. Raises CannotError; it stands even so."""
        await self.ready()  # what was ordered before is told first
        self._orders[order.key] = order
        if not order.paused and order.cpu_ratio is None:
            del self._orders[order.key]
        return await self.ask(order)

    async def ask(self, request: holding.Request) -> holding.Seen:
        """Its answer; the request's `id` is given here. Raises CannotError."""
        connection = await self._open()
        return await self._ask(connection, request)

    async def close(self) -> None:
        """Let go of everything."""
        self._orders.clear()
        for task in (self._trying, self._reading):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _open(self) -> socket.socket:
        async with self._opening:
            if self._connection is not None:
                return self._connection
            try:
                connection = await self._connect()
            except OSError as error:
                self._keep_trying()
                raise CannotError(error.strerror or str(error)) from error
            connection.setblocking(False)
            self._connection = connection
            self._reading = asyncio.create_task(self._read(connection), name="holder")
            # It may have to start first.
            await self._ask(connection, holding.Look(0, holding.Spot(0)), START_S)
            # Who was stopped for these was so by one that has ended without letting go.
            for order in list(self._orders.values()):
                await self._ask(connection, replace(order, adopt=True))
            return connection

    def _keep_trying(self) -> None:
        if self._orders and (self._trying is None or self._trying.done()):
            self._trying = asyncio.create_task(self._try(), name="holder again")

    async def _try(self) -> None:
        """Until there is one, or nothing is held any more."""
        while self._connection is None and self._orders:
            await self._clock.sleep(AGAIN_S)
            await self.ready()

    async def _ask(
        self, connection: socket.socket, request: holding.Request, limit_s: float = ANSWER_S
    ) -> holding.Seen:
        self._asked += 1
        number = self._asked
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            data = holding.pack_request(replace(request, id=number))
            await asyncio.get_running_loop().sock_sendall(connection, data)
            return await asyncio.wait_for(answer, limit_s)
        except TimeoutError:
            raise CannotError(f"who does it has not answered within {limit_s:g} s") from None
        except OSError as error:
            raise CannotError(f"who does it has ended ({error.strerror or error})") from error
        finally:
            del self._answers[number]

    async def _read(self, connection: socket.socket) -> None:
        """Take answers until the end; then, while something is held, have another one hold it."""
        loop = asyncio.get_running_loop()
        try:
            with connection, contextlib.suppress(OSError, holding.HoldingError):
                while data := await loop.sock_recv(connection, holding.MAX_MESSAGE_BYTES):
                    self._hear(holding.unpack_answer(data))
        finally:
            if self._connection is connection:
                self._connection = None
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(CannotError("who does it has ended"))
        self._keep_trying()

    def _hear(self, answer: holding.Seen | holding.Failed) -> None:
        waiting = self._answers.get(answer.id)
        if waiting is None or waiting.done():
            return
        if isinstance(answer, holding.Failed):
            waiting.set_exception(CannotError(answer.error))
        else:
            waiting.set_result(answer)
