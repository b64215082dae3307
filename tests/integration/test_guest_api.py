"""What a program inside a node is told over HTTP and gRPC, by real node processes in real namespaces."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from skyrack.v1 import control_pb2, guest_pb2, guest_pb2_grpc

from .node_stand_ins import IN_USER_NAMESPACE, World, open_world
from .test_node_process import INSIDE, health, inside, pid_of, python_inside

pytestmark = [pytest.mark.mesh, pytest.mark.together]

# A client that only knows the standard library, as a guest in any language does.
GET = """
import sys, urllib.error, urllib.request
for path in sys.argv[1:]:
    try:
        answer = urllib.request.urlopen("http://skyrack.internal:50080" + path, timeout=20)
    except urllib.error.HTTPError as error:
        answer = error
    body = answer.read().decode()
    print(answer.status, repr(body))
"""
GRPC = """
import grpc
from skyrack.v1 import guest_pb2, guest_pb2_grpc
for target in ("skyrack.internal:50051", "n1:50051"):
    with grpc.insecure_channel(target) as channel:
        try:
            print(guest_pb2_grpc.GuestServiceStub(channel).GetIdentity(guest_pb2.GetIdentityRequest(), timeout=20).name)
        except grpc.RpcError as error:
            print(error.code().name)
"""


@pytest.fixture
async def world() -> AsyncIterator[World]:
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("needs a writable /dev/net/tun")
    # As an unprivileged user has it.
    async with open_world(IN_USER_NAMESPACE) as opened:
        yield opened


async def get(world: World, name: str, *paths: str) -> list[tuple[int, Any]]:
    """Status and body, decoded where it is JSON, of each path."""
    said = (await inside(world, name, sys.executable, "-I", "-c", GET, *paths)).splitlines()
    found = []
    for line in said:
        status, _, text = line.partition(" ")
        body: Any = eval(text)
        found.append((int(status), json.loads(body) if body.startswith("{") else body))
    return found


async def test_every_question_is_answered_under_the_fixed_name(world: World) -> None:
    await world.spawn("n0")
    await world.spawn("n1")
    questions = ("identity", "clock", "peers", "forecast", "environment")
    answers = await get(world, "n0", *(f"/v1/{question}" for question in questions))
    assert [status for status, _ in answers] == [200] * 5
    identity, clock, peers, forecast, environment = (body for _, body in answers)
    assert (identity["name"], identity["kind"]) == ("n0", "NODE_KIND_SATELLITE")
    assert (identity["attached"], identity["joined"], identity["index"]) == (True, True, 0)
    assert clock["start"] == "2026-01-01T00:00:00Z"
    elapsed_ns = int(clock["monotonic_ns"]) - int(clock["t0_monotonic_ns"])
    assert clock["t_s"] == pytest.approx(clock["speed"] * elapsed_ns / 1e9)
    assert [peer["name"] for peer in peers["peers"]] == ["n1", "n2"]
    assert [(peer["name"], peer["delay_s"]) for peer in peers["neighbours"]] == [("other", 0.004)]
    assert [contact["end_t_s"] for contact in forecast["contacts"]] == [900.0]
    assert forecast["shadow"]["eclipses"] == [{"start_t_s": 1900.0, "end_t_s": 4000.0}]
    assert forecast["anomaly"]["passes"] == [{"start_t_s": 100.0, "end_t_s": 200.0}]
    assert (environment["sunlit"], environment["in_anomaly"]) == (True, True), "sensors see the truth"
    assert (environment["beta_deg"], environment["country"]) == (12.5, "NZ")
    assert environment["position_km"]["x"] == 7000.0
    (_, contents), (health_status, healthy), (missing, hint), (ip, _) = await get(
        world, "n0", "/", "/healthz", "/v1/else", "/v1/clock?x=1"
    )
    assert contents.startswith("n0 (satellite) of run test")
    assert all(f"GET /v1/{question} " in contents for question in (*questions, "alerts"))
    assert (health_status, healthy) == (200, "ok\n")
    assert missing == 404
    assert "lists what there is" in hint["hint"]
    assert ip == 200


async def test_grpc_answers_at_the_fixed_name_and_not_over_the_mesh(world: World) -> None:
    await world.spawn("n0")
    await world.spawn("n1")
    assert (await python_inside(world, "n0", GRPC)).split() == ["n0", "PERMISSION_DENIED"]
    assert await health(world, "n0", "skyrack.v1.GuestService") == 1


class Alerts:
    """A guest that watches by HTTP, with the standard library alone."""

    WATCH = """
import urllib.request
for line in urllib.request.urlopen("http://skyrack.internal:50080/v1/alerts"):
    print(line.decode(), end="", flush=True)
"""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def watch(cls, world: World, name: str) -> Alerts:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", INSIDE, str(pid_of(world, name))),
            *(sys.executable, "-I", "-c", cls.WATCH),
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b": alerts from now on\n"
        return cls(process)

    async def next(self) -> tuple[str, dict[str, Any]]:
        assert self.process.stdout is not None
        event = ""
        async for line in self.process.stdout:
            key, _, value = line.decode().strip().partition(": ")
            if key == "event":
                event = value
            elif key == "data":
                return event, json.loads(value)
        return "", {}


async def test_what_happens_to_a_node_is_streamed_as_it_happens(world: World) -> None:
    await world.spawn("n0")
    say, update = world.orchestrator.say, world.orchestrator.update
    by_http = await Alerts.watch(world, "n0")
    async with world.channel("n0") as channel:
        call = guest_pb2_grpc.GuestServiceStub(channel).WatchAlerts(guest_pb2.WatchAlertsRequest())
        await call.initial_metadata()

        async def both() -> tuple[str, str]:
            (event, data), response = await by_http.next(), await call.read()
            assert response is not grpc.aio.EOF
            assert isinstance(response, guest_pb2.WatchAlertsResponse)
            kind = guest_pb2.AlertKind.Name(response.alert.kind)
            assert data["kind"] == kind
            assert event == kind.removeprefix("ALERT_KIND_").lower()
            assert data["text"] == response.alert.text
            return event, data["peer"]

        say("n0", control_pb2.JoinResponse(lost=control_pb2.LostLinks(peers=["other"])))
        assert await both() == ("link_lost", "other")
        [(_, peers)] = await get(world, "n0", "/v1/peers")
        assert (peers["neighbours"], peers["lost"]) == ([], ["other"])
        say("n0", control_pb2.JoinResponse(lost=control_pb2.LostLinks()))
        assert await both() == ("link_back", "other")
        update.neighbours[0].name = "next"
        update.epoch.t0_s, update.epoch.t1_s = 15.0, 30.0
        say("n0", control_pb2.JoinResponse(update=update))
        assert await both() == ("link_ended", "other")
        assert await both() == ("link_began", "next")
        world.fabric.stop()
        assert await both() == ("mesh_lost", "")
        (healthy, _), (_, peers) = await get(world, "n0", "/healthz", "/v1/peers")
        assert healthy == 503
        assert (peers["neighbours"], peers["lost"]) == ([], ["next"])
        world.fabric.start()
        assert await both() == ("mesh_back", "")
        await world.orchestrator.stop()
        assert await both() == ("orchestrator_lost", "")
        await world.orchestrator.start()
        assert await both() == ("orchestrator_back", "")
        os.kill(pid_of(world, "n0"), signal.SIGTERM)
        assert await both() == ("node_stopping", "")
        assert await call.read() is grpc.aio.EOF
    await by_http.process.wait()
