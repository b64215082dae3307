"""The entries of a run, and how a connection is made through one."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.cli.find import require_name

MOST_SHOWN = 4
LARGEST_HEAD_BYTES = 16 << 10
PROXY_TIMEOUT_S = 40.0  # the proxy gives up before


class NoWayInError(Exception):
    """The entry made no connection; the text says why."""


def entries_line(entries: Sequence[Mapping[str, Any]]) -> str:
    """All of them, or the first few, with their addresses."""
    few = "   ".join(f"{entry['node']} http://{entry['proxy']}" for entry in entries[:MOST_SHOWN])
    return few if len(entries) <= MOST_SHOWN else f"{few}   and {len(entries) - MOST_SHOWN} more"


def require_entry(station: str, status: Mapping[str, Any]) -> tuple[str, int]:
    """Host and port of a station's proxy, from a run's status. Raises Problem."""
    entries = {entry["node"]: entry["proxy"] for entry in status.get("entries", ())}
    if station in entries:
        host, _, port = entries[station].rpartition(":")
        return host, int(port)
    require_name(station, [node["name"] for node in status["nodes"]])
    if not entries:
        raise Problem(
            f"{status['run']} has no entries",
            hint="up --entry-port 0 and `entries: none` in the scenario turn them off",
        )
    few = ", ".join([*entries][:6])
    raise Problem(f"{station} is no entry", hint=f"one comes in through {few}", status=USAGE)


async def through(proxy: tuple[str, int], node: str, port: int) -> tuple[socket.socket, bytes]:
    """A connection to the node's port, not blocking, and what has already come through it. Raises NoWayInError."""
    loop = asyncio.get_running_loop()
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout(PROXY_TIMEOUT_S):
            await loop.sock_connect(sock, proxy)
            request = f"CONNECT {node}:{port} HTTP/1.1\r\nHost: {node}:{port}\r\n\r\n"
            await loop.sock_sendall(sock, request.encode())
            return sock, await _established(sock)
    except NoWayInError:
        sock.close()
        raise
    except OSError as error:
        sock.close()
        why = error.strerror or "no answer"
        raise NoWayInError(f"the entry at {proxy[0]}:{proxy[1]} does not serve: {why}") from error
    except BaseException:
        sock.close()
        raise


async def _established(sock: socket.socket) -> bytes:
    """What comes after the proxy's answer, when that is a success. Raises NoWayInError, OSError."""
    loop = asyncio.get_running_loop()
    data = b""
    while b"\r\n\r\n" not in data and len(data) < LARGEST_HEAD_BYTES:
        more = await loop.sock_recv(sock, LARGEST_HEAD_BYTES)
        if not more:
            raise NoWayInError("the entry ended the connection")
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    _, _, answer = head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
    if answer.startswith("200"):
        return rest
    with contextlib.suppress(OSError):
        while len(rest) < LARGEST_HEAD_BYTES and (more := await loop.sock_recv(sock, LARGEST_HEAD_BYTES)):
            rest += more
    said = rest.decode(errors="replace").strip() or answer
    raise NoWayInError("; ".join(said.splitlines()[:2]))
