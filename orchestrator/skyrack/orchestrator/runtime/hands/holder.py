"""Has processes held by a holder (`skyrack.v1.holding`), another process, and by the next one when that has ended.

A holder that ends lets go of everything, unless it was killed: whom it had stopped then stands until there is another one,
which is told of all that is to be held, who hangs, and whom nobody has let go yet.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.runtime.hands.hands import CannotError
from skyrack.v1 import holding

ANSWER_S = 60.0  # longer than a holder waits for those whom it stops
START_S = 60.0
AGAIN_S = 0.1


ENDED = "who does it has ended"


class RefusedError(CannotError):
    """A holder answers that it cannot do it."""


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
        self._hung: dict[str, holding.Adopt] = {}
        self._owed: dict[str, holding.Hold | holding.Release] = {}  # by what no holder has let go yet
        self._answers: dict[int, asyncio.Future[holding.Seen]] = {}
        self._asked = 0

    async def ready(self) -> None:
        """Have it there before it is needed, if it can be had."""
        with contextlib.suppress(CannotError):
            await self._open()

    async def hold(self, order: holding.Hold) -> holding.Seen:
        """From now on, whoever ends; a later order with its key replaces it. Raises CannotError; it stands even so."""
        await self.ready()  # what was ordered before is told first
        before = self._orders.pop(order.key, None)
        if not order.paused and order.cpu_ratio is None:
            group = before.cpu_group if before is not None else ""
            return await self._let_go(order, replace(order, adopt=True, cpu_group=group))
        self._orders[order.key] = order
        owed = self._owed.pop(order.key, None)
        return await self.ask(order if owed is None else replace(order, adopt=True))

    async def hang(self, upset: holding.Upset) -> holding.Seen:
        """Have one process hang until `release`, whoever ends. Raises CannotError."""
        seen = await self.ask(upset)
        if seen.hung is not None:
            self._hung[upset.key] = holding.Adopt(0, upset.key, *seen.hung)
        return seen

    async def release(self, key: str) -> holding.Seen:
        """Let who hangs go on. Raises CannotError; it stands even so."""
        release = holding.Release(0, key)
        seen = await self._let_go(release, release)
        self._hung.pop(key, None)
        return seen

    async def ask(self, request: holding.Request) -> holding.Seen:
        """Its answer; the request's `id` is given here. Raises CannotError."""
        connection = await self._open()
        return await self._ask(connection, request)

    async def close(self) -> None:
        """Let go of everything."""
        self._orders.clear()
        self._owed.clear()
        for task in (self._trying, self._reading):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _let_go(
        self, request: holding.Hold | holding.Release, later: holding.Hold | holding.Release
    ) -> holding.Seen:
        """Now or, with `later`, as soon as a holder is to be had. Raises CannotError when it is not done yet."""
        try:
            return await self.ask(request)
        except CannotError as error:
            self._owed[request.key] = later
            self._keep_trying()
            raise CannotError(f"{error}; it is tried until it is done") from error

    async def _open(self) -> socket.socket:
        async with self._opening:
            if self._connection is not None:
                return self._connection
            if self._reading is not None:
                await asyncio.wait([self._reading])
            try:
                connection = await self._connect()
            except OSError as error:
                self._keep_trying()
                raise CannotError(error.strerror or str(error)) from error
            connection.setblocking(False)
            self._reading = asyncio.create_task(self._read(connection), name="holder")
            try:
                # It may have to start first.
                await self._ask(connection, holding.Look(0, holding.Spot(0)), START_S)
                await self._take_over(connection)
            except BaseException:
                self._reading.cancel()
                self._keep_trying()
                raise
            self._connection = connection
            return connection

    async def _take_over(self, connection: socket.socket) -> None:
        """Tell it what others held that have ended without letting go. Raises CannotError where it has ended as well."""
        for adopt in list(self._hung.values()):
            await self._tell(connection, adopt)
        for order in list(self._orders.values()):
            await self._tell(connection, replace(order, adopt=True))
        await self._let_go_of_owed(connection)
        if self._reading is None or self._reading.done():
            raise CannotError(ENDED)

    async def _let_go_of_owed(self, connection: socket.socket) -> None:
        for key, request in list(self._owed.items()):
            if self._owed.get(key) is not request:
                continue
            told = await self._tell(connection, request)
            if told and self._owed.get(key) is request:
                del self._owed[key]
                self._hung.pop(key, None)

    async def _tell(self, connection: socket.socket, request: holding.Request) -> bool:
        """Whether it can do it. Raises CannotError where it has ended."""
        try:
            await self._ask(connection, request)
        except RefusedError:
            return False
        return True

    def _keep_trying(self) -> None:
        if (self._orders or self._owed) and (self._trying is None or self._trying.done()):
            self._trying = asyncio.create_task(self._try(), name="holder again")

    async def _try(self) -> None:
        """Until there is one, or nothing is held any more, and all has been let go of."""
        while self._owed or (self._connection is None and self._orders):
            await self._clock.sleep(AGAIN_S)
            with contextlib.suppress(CannotError):
                await self._let_go_of_owed(await self._open())

    async def _ask(
        self, connection: socket.socket, request: holding.Request, limit_s: float = ANSWER_S
    ) -> holding.Seen:
        self._asked += 1
        number = self._asked
        answer: asyncio.Future[holding.Seen] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        data = holding.pack_request(replace(request, id=number))
        try:
            async with asyncio.timeout(limit_s):
                await asyncio.get_running_loop().sock_sendall(connection, data)
                return await answer
        except TimeoutError:
            self._drop(connection)
            raise CannotError(f"who does it has not answered within {limit_s:g} s") from None
        except OSError as error:
            raise CannotError(f"who does it has ended ({error.strerror or error})") from error
        finally:
            del self._answers[number]

    def _drop(self, connection: socket.socket) -> None:
        """Who does not answer lets go of everything when he sees the end of his connection, and the next one is told."""
        if self._connection is connection and self._reading is not None:
            self._connection = None
            self._reading.cancel()
            self._keep_trying()

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
                    answer.set_exception(CannotError(ENDED))
        self._keep_trying()

    def _hear(self, answer: holding.Seen | holding.Failed) -> None:
        waiting = self._answers.get(answer.id)
        if waiting is None or waiting.done():
            return
        if isinstance(answer, holding.Failed):
            waiting.set_exception(RefusedError(answer.error))
        else:
            waiting.set_result(answer)
