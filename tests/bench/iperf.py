"""One test by `iperf3` between two nodes, however programs are started there."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..integration.mesh_world import LAUNCHER, MeshWorld, address


@dataclass(frozen=True)
class Measured:
    """What was sent and received, in bit/s of payload; what was sent again; who controlled congestion."""

    sent_bps: float
    bps: float
    retransmits: int
    control: str


OMITTED_S = 1  # of a stream: slow start


def available() -> bool:
    """Whether there is an iperf3 here."""
    return shutil.which("iperf3") is not None


async def iperf(at_server: Sequence[str], at_client: Sequence[str], server: str, *options: str) -> Measured:
    """`iperf3 -c SERVER OPTIONS`; the two prefixes start a program at either end, without an environment of their own."""
    listening = await asyncio.create_subprocess_exec(
        *at_server, "iperf3", "-s", "-1", "--forceflush", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert listening.stdout is not None
        while b"listening" not in (line := await listening.stdout.readline()):
            if not line:
                raise RuntimeError("iperf3 -s: ended before it listened")
        client = await asyncio.create_subprocess_exec(
            *at_client, "iperf3", "-c", server, *options, "-J",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # warnings; an error is in the answer
        )  # fmt: skip
        output, _ = await client.communicate()
    finally:
        try:
            await asyncio.wait_for(listening.wait(), 2.0)
        except TimeoutError:
            listening.kill()
            await listening.wait()
    return _measured(json.loads(output))


def _measured(answer: dict[str, Any]) -> Measured:
    if "error" in answer:
        raise RuntimeError(f"iperf3: {answer['error']}")
    end = answer["end"]
    return Measured(
        end["sum_sent"]["bits_per_second"],
        end["sum_received"]["bits_per_second"],
        end["sum_sent"].get("retransmits", 0),
        end.get("sender_tcp_congestion", ""),
    )


async def stream(world: MeshWorld, span_s: float, *options: str) -> Measured:
    """One TCP stream from the first node of a row to its last for `span_s` after OMITTED_S."""
    last = world.row.hops
    spans = ("-t", str(span_s), "-O", str(OMITTED_S))
    return await iperf(_inside(world, last), _inside(world, 0), address(last), *spans, *options)


def enterable() -> bool:
    """Whether there is a way into a namespace."""
    return shutil.which("nsenter") is not None


def _inside(world: MeshWorld, node: int) -> tuple[str, ...]:
    user = ("--user", "--preserve-credentials") if LAUNCHER else ()
    return ("nsenter", "--target", str(world.holder(node).pid), *user, "--net")
