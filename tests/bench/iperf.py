"""iperf3 between the first and the last node of a row."""

from __future__ import annotations

import asyncio
import json
import shutil
from typing import Any

from ..integration.mesh_world import LAUNCHER, MeshWorld, address

OMITTED_S = 1  # slow start


def usable() -> bool:
    """Whether there is iperf3, and a way into a namespace."""
    return shutil.which("iperf3") is not None and shutil.which("nsenter") is not None


async def tcp_stream(world: MeshWorld, span_s: float, tos: int = 0) -> dict[str, Any]:
    """One TCP stream for `span_s` after OMITTED_S: what iperf3 says at the end."""
    last = world.row.hops
    server = await asyncio.create_subprocess_exec(
        *_inside(world, last), "iperf3", "-s", "-1", "--forceflush", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert server.stdout is not None
        while b"listening" not in await server.stdout.readline():
            pass
        client = await asyncio.create_subprocess_exec(
            *_inside(world, 0), "iperf3", "-c", address(last), "-t", str(span_s), "-O", str(OMITTED_S), "-J",
            "-S", str(tos), stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, _ = await client.communicate()
    finally:
        try:
            await asyncio.wait_for(server.wait(), 2.0)
        except TimeoutError:
            server.kill()
            await server.wait()
    end: dict[str, Any] = json.loads(output)["end"]
    return end


def _inside(world: MeshWorld, node: int) -> tuple[str, ...]:
    user = ("--user", "--preserve-credentials") if LAUNCHER else ()
    return ("nsenter", "--target", str(world.holder(node).pid), *user, "--net")
