"""Redis: one server, or the primary that sentinels name.

A register is a string; lists, sets, queues and accounts have names of their own. Compare-and-set and transfers are scripts
with one write in them, so that every error that Redis answers with, READONLY, MOVED, NOREPLICAS, LOADING, OOM and all the
others, says that nothing was written: those are definite, as is a connection that could not be made. redis-py's own retries
are not used: they would write twice. What was sent and not answered is unknown, and so is a write that fewer than `wait`
replicas have confirmed: the primary has it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from redis.asyncio import Connection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, BusyLoadingError, RedisError, ResponseError

from skyrack.workloads.stores import Failed
from skyrack.workloads.stores.turns import Turns

REFUSED = (ResponseError, BusyLoadingError, AuthenticationError)  # what Redis answers instead of doing it
# An expected value of nothing is an absent register.
CAS = """
local now = redis.call('GET', KEYS[1])
if (now or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""
TRANSFER = """
local source, target = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])
if not source or not target then return redis.error_reply('NOACCOUNT one of the accounts is not there') end
if tonumber(source) < tonumber(ARGV[1]) then return 0 end
redis.call('MSET', KEYS[1], source - ARGV[1], KEYS[2], target + ARGV[1])
return 1
"""


class NotReplicatedError(Exception):
    """The primary has it, and fewer replicas than were asked for."""


class RedisStore:
    """A client of Redis.

    Args:
        sentinel: the name by which sentinels know the primary; `endpoints` are sentinels then.
        wait: how many replicas must have a write before it counts as done: WAIT.
    """

    def __init__(
        self, endpoints: Sequence[str], timeout_s: float, *, sentinel: str = "", wait: int = 0
    ) -> None:
        self._turns = Turns(endpoints)
        self._timeout_s = timeout_s
        self._wait = wait
        self._primary = sentinel
        self._sentinel = _sentinel(endpoints, timeout_s) if sentinel else None
        self._idle: list[Connection] = []

    async def read(self, key: str) -> int | None:
        """Absent is None."""
        return _optional(await self._ask("GET", key))

    async def write(self, key: str, value: int) -> None:
        """SET."""
        await self._change("SET", key, value)

    async def cas(self, key: str, old: int | None, new: int) -> bool:
        """By a script; `old` None: only if absent."""
        return bool(await self._change("EVAL", CAS, 1, key, "" if old is None else old, new))

    async def delete(self, key: str) -> None:
        """Whether it was there or not."""
        await self._change("DEL", key)

    async def append(self, key: str, value: int) -> None:
        """RPUSH."""
        await self._change("RPUSH", f"list/{key}", value)

    async def read_list(self, key: str) -> list[int]:
        """LRANGE, all of it."""
        return [int(value) for value in await self._ask("LRANGE", f"list/{key}", 0, -1)]

    async def add(self, key: str, value: int) -> None:
        """SADD."""
        await self._change("SADD", f"set/{key}", value)

    async def read_set(self, key: str) -> list[int]:
        """SMEMBERS, in no order."""
        return [int(value) for value in await self._ask("SMEMBERS", f"set/{key}")]

    async def enqueue(self, queue: str, value: int) -> None:
        """RPUSH."""
        await self._change("RPUSH", f"queue/{queue}", value)

    async def dequeue(self, queue: str) -> int | None:
        """LPOP; None when there is none."""
        return _optional(await self._change("LPOP", f"queue/{queue}"))

    async def balances(self, accounts: Sequence[str]) -> dict[str, int]:
        """MGET; those that are not there are left out."""
        found = await self._ask("MGET", *map(_account, accounts))
        return {name: int(value) for name, value in zip(accounts, found, strict=True) if value is not None}

    async def transfer(self, source: str, target: str, amount: int) -> bool:
        """By a script. False: the balance is less. Raises Failed when an account is not there."""
        return bool(await self._change("EVAL", TRANSFER, 2, _account(source), _account(target), amount))

    async def open_accounts(self, balances: Mapping[str, int]) -> None:
        """MSETNX: nothing when one of them exists."""
        words = [word for name, value in balances.items() for word in (_account(name), value)]
        await self._change("MSETNX", *words)

    async def echo(self, text: str) -> str:
        """ECHO."""
        return str(await self._ask("ECHO", text))

    async def close(self) -> None:
        """Close the connections."""
        await self._forget()
        if self._sentinel is not None:
            for client in self._sentinel.sentinels:
                await client.aclose()

    # Requests

    async def _change(self, *words: str | int) -> Any:
        """A command that writes, and WAIT after it if that was asked for."""
        deadline_s = time.monotonic() + self._timeout_s
        if not self._wait:
            return (await self._send(deadline_s, words))[0]
        patience_ms = max(1, round(1e3 * self._timeout_s))
        answer, replicas = await self._send(deadline_s, words, ("WAIT", self._wait, patience_ms))
        if replicas < self._wait:
            raise NotReplicatedError(f"{replicas} of {self._wait} replicas have it")
        return answer

    async def _ask(self, *words: str | int) -> Any:
        """A command that writes nothing."""
        return (await self._send(time.monotonic() + self._timeout_s, words))[0]

    async def _send(self, deadline_s: float, *commands: Sequence[str | int]) -> list[Any]:
        """Commands in one packet; their answers. Raises Failed; TimeoutError, RedisError, OSError: unknown."""
        endpoint = self._turns.current
        sent = False
        connection: Connection | None = None
        try:
            async with asyncio.timeout(deadline_s - time.monotonic()):
                connection = self._idle.pop() if self._idle else await self._connect(endpoint)
                sent = True
                await connection.send_packed_command(connection.pack_commands(commands))
                answers = [await _answer(connection) for _ in commands]
        except (TimeoutError, OSError, RedisError) as error:
            await self._leave(endpoint, connection)
            if not sent:
                raise Failed(f"never sent: {_words(error)}") from error
            raise
        except BaseException:
            await self._leave(endpoint, connection)
            raise
        if isinstance(answers[0], RedisError):
            await self._leave(endpoint, connection)
            raise Failed(_words(answers[0])) from answers[0]
        self._idle.append(connection)
        return answers

    async def _connect(self, endpoint: str) -> Connection:
        """Raises Failed, TimeoutError, RedisError, OSError: nothing was sent."""
        host, port = _address(endpoint, 6379)
        if self._sentinel is not None:
            host, port = await self._sentinel.discover_master(self._primary)
        connection = Connection(
            host=host,
            port=port,
            protocol=2,
            decode_responses=True,
            socket_timeout=None,
            socket_connect_timeout=self._timeout_s,
            retry=Retry(NoBackoff(), 0),
        )
        try:
            await connection.connect()
            if self._sentinel is not None:  # which may be behind
                await connection.send_command("ROLE")
                role = (await connection.read_response())[0]
                if role != "master":
                    raise Failed(f"{host}:{port} is a {role}")
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection

    async def _leave(self, endpoint: str, connection: Connection | None) -> None:
        """Ask another, or ask the sentinels again: what is connected to this one is of no use any more."""
        self._turns.leave(endpoint)
        if connection is not None:
            await connection.disconnect(nowait=True)
        await self._forget()

    async def _forget(self) -> None:
        while self._idle:
            await self._idle.pop().disconnect(nowait=True)


async def _answer(connection: Connection) -> Any:
    """What was answered, a refusal among it."""
    try:
        return await connection.read_response(disconnect_on_error=False)
    except REFUSED as refusal:
        return refusal


def _sentinel(endpoints: Sequence[str], timeout_s: float) -> Sentinel:
    """Asks one after the other; one that is dark leaves time for the others."""
    patience_s = timeout_s / (len(endpoints) + 1)
    options = {
        "socket_timeout": patience_s,
        "socket_connect_timeout": patience_s,
        "retry": Retry(NoBackoff(), 0),
    }
    return Sentinel([_address(endpoint, 26379) for endpoint in endpoints], sentinel_kwargs=options)


def _address(endpoint: str, port: int) -> tuple[str, int]:
    host, _, given = endpoint.rpartition(":")
    return (host, int(given)) if host else (endpoint, port)


def _words(error: BaseException) -> str:
    """What it says, or what it is."""
    return str(error) or type(error).__name__


def _account(name: str) -> str:
    return f"account/{name}"


def _optional(answer: str | None) -> int | None:
    return None if answer is None else int(answer)
