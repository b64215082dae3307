"""`python -m skyrack.node.guest.program PROGRAM ...` inside a node: become that program, with the variables of guests.

What a guest is told comes from the node itself. Where it does not answer yet, the program starts without its word.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
from typing import Any, NoReturn

from skyrack.v1 import mesh_pb2
from skyrack.v1.become import become
from skyrack.v1.guest_environment import GUEST_ADDRESS, HTTP_PORT, guest_environment
from skyrack.v1.kinds import NODE_KINDS

TIMEOUT_S = 5.0


def main(command: list[str]) -> NoReturn:
    """Become the program."""
    try:
        variables = _variables()
    except (OSError, ValueError, http.client.HTTPException) as error:
        sys.stderr.write(f"without SKYRACK_ variables: the node does not answer: {error}\n")
        variables = {}
    become(command, os.environ | variables)


def _variables() -> dict[str, str]:
    status, identity = _get("/v1/identity")
    if status != http.client.OK:
        raise ValueError(identity["error"])
    kind = next(
        word for word, number in NODE_KINDS.items() if mesh_pb2.NodeKind.Name(number) == identity["kind"]
    )
    status, told = _get("/v1/clock")
    clock = None
    if status == http.client.OK:
        clock = mesh_pb2.RunClock(t0_monotonic_ns=int(told["t0_monotonic_ns"]), speed=told["speed"])
        clock.start.FromJsonString(told["start"])
    return guest_environment(
        run=identity["run"],
        node=identity["name"],
        kind=kind,
        address=identity["address"],
        index=identity["index"],
        clock=clock,
    )


def _get(path: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(GUEST_ADDRESS, HTTP_PORT, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, json.load(response)
    finally:
        connection.close()


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit("usage: python -m skyrack.node.guest.program PROGRAM [ARGUMENT ...]")
    main(sys.argv[1:])
