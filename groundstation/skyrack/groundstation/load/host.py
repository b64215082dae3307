"""The program that carries operations out inside one node: requests in, answers out, a client for each process.

    supervisor                                                                          a node
      |  {"open": true}                                                                   |
      |  {"op", "process", "f", "key", "value", "at_s"}   at run time at_s, or at once     |
      | --------------------------------------------------------------------------------> |
      | <-------------------------------------------------------------------------------- |
      |  {"ready": true}   {"opened": true}   {"not_opened": "why"}
      |  {"op", "type": "ok" | "fail" | "unknown", "value", "error", "time_s"}

The end of the requests ends it. So does the end of its node, which it is in.
"""

from __future__ import annotations

import asyncio
import json
import os
import selectors
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from skyrack.groundstation.load.client import Client, Plan
from skyrack.groundstation.load.clock import RunClock
from skyrack.workloads import Failed, Request, Result

WARM_UP_S = 3.0
_CLOSE_S = 0.5
_LONGEST_LINE = 1 << 20


def run_host(plan: Plan, source: str, *, warm_up: bool, requests: int, emit: Callable[[str], None]) -> None:
    """Serve until `requests`, a descriptor, ends. `warm_up`: have connections before saying ready."""
    # A selector with microseconds: the default one sleeps in whole milliseconds, up to one too long.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(_Host(plan, source, emit).run(warm_up, requests))


class _Host:
    def __init__(self, plan: Plan, source: str, emit: Callable[[str], None]) -> None:
        self._plan = plan
        self._source = source
        self._emit = emit
        self._clock = RunClock(plan.t0_monotonic_ns)
        self._idle: list[Client] = []
        self._clients: dict[int, Client] = {}
        self._made = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, warm_up: bool, requests: int) -> None:
        self._idle = [self._make() for _ in range(self._plan.clients_per_node)]
        if warm_up:
            await self._prepare()
        self._say({"ready": True})
        reader = asyncio.StreamReader(limit=_LONGEST_LINE)
        loop = asyncio.get_running_loop()
        pipe = os.fdopen(requests, "rb")
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        while line := await reader.readline():
            self._start(json.loads(line))
        transport.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(_close(client) for client in (*self._idle, *self._clients.values())))

    def _make(self) -> Client:
        self._made += 1
        return self._plan.clients.connect(self._source, self._made - 1)

    async def _prepare(self) -> None:
        """Who is away now is tried again when he is used."""
        waits = [asyncio.create_task(client.prepare()) for client in self._idle]
        _, pending = await asyncio.wait(waits, timeout=WARM_UP_S)
        for wait in pending:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)

    def _start(self, request: Mapping[str, Any]) -> None:
        task = asyncio.create_task(self._open() if "open" in request else self._serve(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open(self) -> None:
        client = self._idle[0] if self._idle else self._make()
        try:
            async with asyncio.timeout(self._plan.timeout_s):
                await client.open()
        except Exception as error:
            self._say({"not_opened": _words(error, self._plan.timeout_s)})
        else:
            self._say({"opened": True})

    async def _serve(self, asked: Mapping[str, Any]) -> None:
        process = asked["process"]
        client = self._client(process)
        if (wait_s := asked["at_s"] - self._clock.run_s()) > 0:
            await asyncio.sleep(wait_s)
        result = await self._ask(client, Request(asked["f"], asked["key"], asked["value"]))
        answer = {"op": asked["op"], "type": result.outcome, "time_s": self._clock.run_s()}
        self._say({**answer, "value": result.value, "error": result.error})
        if result.outcome == "unknown" and not self._plan.clients.shared:
            await _close(self._clients.pop(process))

    def _client(self, process: int) -> Client:
        if self._plan.clients.shared:
            return self._idle[0]
        client = self._clients.get(process)
        if client is None:
            client = self._clients[process] = self._idle.pop() if self._idle else self._make()
        return client

    async def _ask(self, client: Client, request: Request) -> Result:
        try:
            async with asyncio.timeout(self._plan.timeout_s):
                return Result("ok", _told(await client.invoke(request)))
        except Failed as error:
            return Result.failed(error)
        except Exception as error:
            return Result("unknown", error=_words(error, self._plan.timeout_s))

    def _say(self, message: Mapping[str, Any]) -> None:
        self._emit(json.dumps(message))


def _told(value: Any) -> Any:
    """What was answered. Raises TypeError where no history can hold it."""
    json.dumps(value)
    return value


def _words(error: Exception, timeout_s: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout_s:g} s"
    return str(error) or type(error).__name__


async def _close(client: Client) -> None:
    with suppress(Exception):
        async with asyncio.timeout(_CLOSE_S):
            await client.close()
