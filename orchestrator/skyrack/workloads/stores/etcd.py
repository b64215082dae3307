"""etcd over the JSON gateway of its client port: https://etcd.io/docs/v3.5/dev-guide/api_grpc_gateway/

A register is a key. Elements of a list, a set or a queue are keys below it, in the order in which etcd created them, so
putting one in is a single put; taking one out, and transfers, are transactions that are tried again when somebody was faster.

What definitely did not happen: no connection could be made, so that nothing was sent; what etcd refuses before it proposes
anything (`REFUSED`); and everything that fails while a transaction is still being prepared. Unknown is the rest:

- "request timed out", in all its forms, "leader changed" and "server stopped" come while a proposal may be under way.
- "database space exceeded" is said also of the very write that has filled the database, which was applied.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
import uuid
from collections.abc import Awaitable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, TypeVar

import aiohttp

from skyrack.workloads.stores import Failed
from skyrack.workloads.stores.turns import Turns

T = TypeVar("T")

# Said before anything is proposed. "no leader" is said only to who asks for a leader (LEADER_REQUIRED), by a check before the
# request is looked at; "proposal dropped" by raft, which then has not appended it.
REFUSED = (
    "etcdserver: no leader",
    "etcdserver: too many requests",
    "etcdserver: request is too large",
    "etcdserver: not capable",
    "etcdserver: rpc not supported for learner",
    "etcdserver: permission denied",
    "etcdserver: invalid auth token",
    "etcdserver: user name is empty",
    "etcdserver: key is not provided",
    "etcdserver: too many operations in txn request",
    "raft proposal dropped",
)
# What Go's client calls WithRequireLeader: a member that has none says so at once.
LEADER_REQUIRED = {"Grpc-Metadata-hasleader": "true"}


class EtcdError(Exception):
    """etcd said no, and what it was asked for may have happened all the same."""


class EtcdStore:
    """A client of etcd. `serializable`: reads are answered by the member that is asked, from what it has."""

    def __init__(self, endpoints: Sequence[str], timeout_s: float, *, serializable: bool = False) -> None:
        self._turns = Turns(endpoints)
        self._timeout_s = timeout_s
        self._serializable = serializable
        self._session: aiohttp.ClientSession | None = None

    async def read(self, key: str) -> int | None:
        """Absent is None."""
        found = await self._range(self._deadline_s(), _one(key))
        return _value(found[0]) if found else None

    async def write(self, key: str, value: int) -> None:
        """One put."""
        await self._put(key, value)

    async def cas(self, key: str, old: int | None, new: int) -> bool:
        """One transaction; `old` None: only if absent."""
        expected = (
            _absent(key) if old is None else {"key": _b64(key), "target": "VALUE", "value": _b64(str(old))}
        )
        return await self._txn(self._deadline_s(), [expected], [_put(key, new)])

    async def delete(self, key: str) -> None:
        """Whether it was there or not."""
        await self._post(self._deadline_s(), "/v3/kv/deleterange", _one(key))

    async def append(self, key: str, value: int) -> None:
        """A key of its own for each value."""
        await self._put(f"list/{key}/{uuid.uuid4()}", value)

    async def read_list(self, key: str) -> list[int]:
        """In the order in which etcd created them."""
        return await self._values(f"list/{key}")

    async def add(self, key: str, value: int) -> None:
        """A key for each value."""
        await self._put(f"set/{key}/{value}", value)

    async def read_set(self, key: str) -> list[int]:
        """In no order."""
        return await self._values(f"set/{key}")

    async def enqueue(self, queue: str, value: int) -> None:
        """At the end."""
        await self._put(f"queue/{queue}/{uuid.uuid4()}", value)

    async def dequeue(self, queue: str) -> int | None:
        """The oldest that is there; None when there is none."""
        deadline_s = self._deadline_s()
        while True:
            head = await self._look(self._range(deadline_s, _below(f"queue/{queue}") | {"limit": "1"}))
            if not head:
                return None
            taken = {"request_delete_range": {"key": head[0]["key"]}}
            if await self._txn(deadline_s, [_unchanged(head[0])], [taken]):
                return _value(head[0])

    async def balances(self, accounts: Sequence[str]) -> dict[str, int]:
        """All as of one revision; those that are not there are left out."""
        found = await self._accounts(self._deadline_s(), accounts)
        return {name: _value(kv) for name, kv in zip(accounts, found, strict=True) if kv is not None}

    async def transfer(self, source: str, target: str, amount: int) -> bool:
        """False: the balance is less. Raises Failed when an account is not there."""
        deadline_s = self._deadline_s()
        while True:
            giving, getting = await self._look(self._accounts(deadline_s, (source, target)))
            if giving is None or getting is None:
                raise Failed(f"no account {source if giving is None else target}")
            if _value(giving) < amount:
                return False
            moved = [
                _put(_account(source), _value(giving) - amount),
                _put(_account(target), _value(getting) + amount),
            ]
            if await self._txn(deadline_s, [_unchanged(giving), _unchanged(getting)], moved):
                return True

    async def open_accounts(self, balances: Mapping[str, int]) -> None:
        """In one transaction, unless one of them exists."""
        names = [_account(name) for name in balances]
        await self._txn(
            self._deadline_s(),
            [_absent(name) for name in names],
            [_put(name, value) for name, value in zip(names, balances.values(), strict=True)],
        )

    async def echo(self, text: str) -> str:
        """etcd has none."""
        raise Failed("etcd echoes nothing")

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    # Requests

    def _deadline_s(self) -> float:
        return time.monotonic() + self._timeout_s

    def _reading(self, message: dict[str, Any]) -> dict[str, Any]:
        return message | {"serializable": True} if self._serializable else message

    async def _range(self, deadline_s: float, message: dict[str, Any]) -> list[dict[str, Any]]:
        answer = await self._post(deadline_s, "/v3/kv/range", self._reading(message))
        found: list[dict[str, Any]] = answer.get("kvs", [])
        return found

    async def _values(self, name: str) -> list[int]:
        return [_value(kv) for kv in await self._range(self._deadline_s(), _below(name))]

    async def _accounts(self, deadline_s: float, names: Sequence[str]) -> list[dict[str, Any] | None]:
        message = {"success": [{"request_range": self._reading(_one(_account(name)))} for name in names]}
        answer = await self._post(deadline_s, "/v3/kv/txn", message)
        found = [response["response_range"].get("kvs", [None]) for response in answer["responses"]]
        return [kvs[0] for kvs in found]

    async def _look(self, reading: Awaitable[T]) -> T:
        """Read what a transaction is to be made of; whatever fails, nothing has happened yet."""
        try:
            return await reading
        except (TimeoutError, OSError, aiohttp.ClientError, EtcdError) as error:
            raise Failed(f"not begun: {_words(error)}") from error

    async def _put(self, key: str, value: int) -> None:
        await self._post(self._deadline_s(), "/v3/kv/put", {"key": _b64(key), "value": _b64(str(value))})

    async def _txn(
        self, deadline_s: float, compare: list[dict[str, Any]], success: list[dict[str, Any]]
    ) -> bool:
        answer = await self._post(deadline_s, "/v3/kv/txn", {"compare": compare, "success": success})
        return bool(answer.get("succeeded", False))

    async def _post(self, deadline_s: float, path: str, message: dict[str, Any]) -> dict[str, Any]:
        """One request. Raises Failed; TimeoutError, aiohttp.ClientError, EtcdError: unknown."""
        endpoint = self._turns.current
        request = SimpleNamespace(sent=False)
        try:
            async with asyncio.timeout(deadline_s - time.monotonic()):
                return await self._ask(f"http://{endpoint}{path}", message, request)
        except Failed:
            self._turns.leave(endpoint)
            raise
        except (TimeoutError, OSError, aiohttp.ClientError, EtcdError) as error:
            self._turns.leave(endpoint)
            if not request.sent:
                raise Failed(f"{endpoint}: never sent: {_words(error)}") from error
            raise

    async def _ask(self, url: str, message: dict[str, Any], request: SimpleNamespace) -> dict[str, Any]:
        if self._session is None:
            self._session = _session({} if self._serializable else LEADER_REQUIRED)
        async with self._session.post(url, json=message, trace_request_ctx=request) as response:
            if response.status == 200:
                answer: dict[str, Any] = await response.json()
                return answer
            said = _said(await response.text())
        raise Failed(said) if any(words in said for words in REFUSED) else EtcdError(said)


def _session(headers: Mapping[str, str]) -> aiohttp.ClientSession:
    """Connections that note, for each request, whether any of it was sent."""
    traces = aiohttp.TraceConfig()

    async def sent(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
        context.trace_request_ctx.sent = True

    traces.on_request_headers_sent.append(sent)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, limit_per_host=0),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        headers=headers,
        trace_configs=[traces],
    )


def _said(body: str) -> str:
    """The message in an answer that is an error."""
    try:
        return str(json.loads(body)["error"])
    except (ValueError, LookupError, TypeError):
        return body.strip()


def _words(error: BaseException) -> str:
    """What it says, or what it is."""
    return str(error) or type(error).__name__


def _b64(text: str) -> str:
    """As the gateway wants keys and values."""
    return base64.b64encode(text.encode()).decode()


def _value(kv: dict[str, Any]) -> int:
    return int(base64.b64decode(kv["value"]))


def _account(name: str) -> str:
    return f"account/{name}"


def _one(key: str) -> dict[str, Any]:
    return {"key": _b64(key)}


def _below(name: str) -> dict[str, Any]:
    """All keys below this one, oldest first."""
    return {
        "key": _b64(f"{name}/"),
        "range_end": _b64(f"{name}0"),  # 0 is next to /
        "sort_target": "CREATE",
        "sort_order": "ASCEND",
    }


def _put(key: str, value: int) -> dict[str, Any]:
    return {"request_put": {"key": _b64(key), "value": _b64(str(value))}}


def _absent(key: str) -> dict[str, Any]:
    return {"key": _b64(key), "target": "CREATE", "create_revision": "0"}


def _unchanged(kv: dict[str, Any]) -> dict[str, Any]:
    return {"key": kv["key"], "target": "MOD", "mod_revision": kv["mod_revision"]}
