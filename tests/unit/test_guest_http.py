"""The guests' HTTP: answers, errors with a hint, and a server that nothing harms."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from skyrack.node.clock import RealClock
from skyrack.node.config import NodeConfig
from skyrack.node.control_link import ControlLink
from skyrack.node.fabric_link import FabricLink
from skyrack.node.guest import desk as desk_module
from skyrack.node.guest import http_api
from skyrack.node.guest.desk import GuestDesk, Unanswerable
from skyrack.node.guest.http_api import GuestSite, serve_guests
from skyrack.node.http_server import MAX_REQUEST_BYTES, handler
from skyrack.node.knowledge import Knowledge
from skyrack.v1 import guest_pb2, mesh_pb2

from .test_guest_alerts import knowledge

HEADS = (
    "GET",
    "POST",
    "get",
    "\0",
    "/",
    "/v1/identity",
    "/v1/alerts",
    "HTTP/1.1",
    "HTTP/2",
    " ",
    "\r\n",
    "x" * 99,
)


class Desk:
    """A desk, and what it reads."""

    def __init__(self, known: Knowledge | None = None) -> None:
        config = NodeConfig(
            name="n0", kind="satellite", index=0, run="test", address="100.64.0.1",
            network="100.64.0.0/10", socket_dir="/nowhere",
        )  # fmt: skip
        clock = RealClock()
        self.control = ControlLink(config, clock)
        self.control.knowledge = known
        self.fabric = FabricLink("n0", Path("/nowhere"), -1, clock)
        self.desk = GuestDesk(config, clock, self.fabric, self.control)
        self.control.on_change = self.desk.wake


@contextlib.asynccontextmanager
async def serving(desk: Desk) -> AsyncIterator[int]:
    """The port."""
    server = await asyncio.start_server(
        handler(GuestSite(desk.desk)), "127.0.0.1", 0, limit=MAX_REQUEST_BYTES
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@contextlib.asynccontextmanager
async def connected(
    port: int, request: bytes = b""
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client that has asked."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def ask(port: int, request: bytes) -> tuple[int, Any]:
    """Status and body, decoded where it is JSON."""
    async with connected(port, request) as (reader, _):
        answer = await reader.read()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    return int(head.split()[1]), json.loads(body) if b"application/json" in head else body.decode()


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: skyrack.internal\r\n\r\n".encode()


async def test_before_the_first_word_a_guest_is_told_to_try_again() -> None:
    async with serving(Desk()) as port:
        assert (await ask(port, get("/v1/identity")))[1]["name"] == "n0"
        for path in ("clock", "peers", "forecast", "environment"):
            status, answer = await ask(port, get(f"/v1/{path}"))
            assert status == 503
            assert "no word from the orchestrator yet" in answer["error"]
            assert "try again" in answer["hint"]
        assert (await ask(port, get("/healthz")))[0] == 503


async def test_zeros_and_empty_lists_are_there() -> None:
    async with serving(Desk(knowledge())) as port:
        assert (await ask(port, get("/v1/identity")))[1]["index"] == 0
        peers = (await ask(port, get("/v1/peers")))[1]
        assert (peers["peers"], peers["neighbours"], peers["lost"]) == ([], [], [])
        forecast = (await ask(port, get("/v1/forecast")))[1]
        assert "shadow" not in forecast, "what is not known is not made up"
        clock = (await ask(port, get("/v1/clock")))[1]
        assert clock.keys() == {
            "t_s", "time", "start", "speed", "t0_monotonic_ns", "monotonic_ns", "host_time",
            "since_run_s", "since_t_s",
        }  # fmt: skip


async def test_a_position_that_is_not_known_any_more_says_why() -> None:
    async with serving(Desk(knowledge())) as port:  # one knot, at t = 0
        status, answer = await ask(port, get("/v1/environment"))
    assert status == 503
    assert "outside the ephemeris" in answer["error"]
    assert "/v1/identity" in answer["hint"]


@given(
    st.one_of(
        st.binary(max_size=300),
        st.lists(st.sampled_from(HEADS), max_size=12).map(lambda words: "".join(words).encode()),
        st.tuples(st.text(max_size=20), st.text(max_size=20)).map(
            lambda two: " ".join(("GET", *two)).encode()
        ),
    ),
    st.randoms(use_true_random=False),
)
@example(b"x" * 70_000, random.Random(1))
@example(b"GET /v1/clock HTTP/1.1\r\n" + b"a: b\r\n" * 5_000, random.Random(1))
def test_whatever_is_sent_gets_an_answer_and_the_next_one_too(
    request_bytes: bytes, rng: random.Random
) -> None:
    async def exchange() -> None:
        async with serving(Desk()) as port:
            cut = rng.randint(0, len(request_bytes))
            with contextlib.suppress(ConnectionError):  # of the rest of what was too long
                async with connected(port, request_bytes[:cut]) as (reader, writer):
                    await writer.drain()
                    writer.write(request_bytes[cut:])
                    writer.write_eof()
                    assert (await reader.read()).startswith(b"HTTP/1.1 ")
            assert (await ask(port, get("/v1/identity")))[0] == 200

    asyncio.run(exchange())


async def test_watchers_are_limited_and_leave_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_module, "MOST_WATCHERS", 2)
    desk = Desk(knowledge())
    async with serving(desk) as port, connected(port, get("/v1/alerts")) as (first, _):
        assert await first.readuntil(b": alerts from now on\n\n")
        async with connected(port, get("/v1/alerts")) as (second, _):
            assert await second.readuntil(b": alerts from now on\n\n")
            status, answer = await ask(port, get("/v1/alerts"))
            assert (status, answer["error"]) == (429, "2 watch already")
            with pytest.raises(Unanswerable), desk.desk.watching(1.0):
                pass
        await free(desk.desk)
        async with connected(port, get("/v1/alerts")) as (third, _):
            assert await third.readuntil(b": alerts from now on\n\n"), (
                "a place that was left is not given again"
            )
            await desk.desk.farewell()
            for reader in (first, third):
                assert b"event: node_stopping\n" in await reader.read(), "the stream ends with the node"


async def free(desk: GuestDesk) -> None:
    """Wait until somebody can watch."""
    while True:
        with contextlib.suppress(Unanswerable):
            desk.require_room()
            return
        await asyncio.sleep(0)


async def test_a_stream_that_has_nothing_to_say_shows_that_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_api, "KEEP_ALIVE_S", 0.01)
    async with serving(Desk(knowledge())) as port, connected(port, get("/v1/alerts")) as (reader, _):
        assert await reader.readuntil(b": nothing new\n\n")


async def test_a_link_that_is_lost_reaches_who_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(knowledge("a"))
    with desk.desk.watching(60.0) as alerts:
        desk.control.lost = frozenset({"a"})
        desk.desk.wake()
        alert = await anext(alerts)
    assert alert is not None
    assert (alert.peer, alert.peer_kind) == ("a", mesh_pb2.NODE_KIND_SATELLITE)


async def test_a_port_that_somebody_has_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    other = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    monkeypatch.setattr(http_api, "GUEST_ADDRESS", "127.0.0.1")
    monkeypatch.setattr(http_api, "HTTP_PORT", other.sockets[0].getsockname()[1])
    async with serve_guests(Desk().desk):
        assert "no HTTP for guests" in caplog.text
    other.close()


def put(path: str, body: str, head: str = "") -> bytes:
    length = head or f"Content-Length: {len(body.encode())}"
    return f"PUT {path} HTTP/1.1\r\nHost: skyrack.internal\r\n{length}\r\n\r\n{body}".encode()


class Flown:
    """Flight software that grants half of everything."""

    def __init__(self) -> None:
        self.declared: list[tuple[str, float, float | None]] = []
        self.readings = None

    def flight(self) -> guest_pb2.GetFlightResponse:
        return guest_pb2.GetFlightResponse(battery_ratio=0.5, reason="77.5 °C, above 70 °C")

    def declare(self, name: str, power_w: float, for_s: float | None) -> float:
        self.declared.append((name, power_w, for_s))
        return 0.5


async def test_a_node_without_flight_software_says_so() -> None:
    async with serving(Desk()) as port:
        for request in (get("/v1/flight"), put("/v1/load", '{"name": "gpu", "power_w": 250}')):
            status, answer = await ask(port, request)
            assert status == 404
            assert "n0 has no flight software" in answer["error"]
            assert "power: {}" in answer["hint"]


async def test_loads_are_declared_and_what_is_odd_is_refused() -> None:
    desk, flown = Desk(), Flown()
    desk.desk.pilot = cast(Any, flown)
    async with serving(desk) as port:
        status, answer = await ask(port, get("/v1/flight"))
        assert (status, answer["battery_ratio"], answer["reason"]) == (200, 0.5, "77.5 °C, above 70 °C")
        status, answer = await ask(port, put("/v1/load", '{"name": "gpu", "power_w": 250, "for_s": 60}'))
        assert (status, answer) == (200, {"granted_ratio": 0.5})
        assert flown.declared == [("gpu", 250.0, 60.0)]
        for body, said, code in (
            ('{"name": "g p u", "power_w": 1}', "expected a word", 422),
            ('{"name": "gpu", "power_w": -1}', "expected 0 to", 422),
            ('{"name": "gpu", "power_w": "NaN"}', "expected 0 to", 422),
            ('{"name": "gpu", "for_s": 0}', "expected more than 0 s", 422),
            ('{"name": "gpu", "watts": 1}', "not a load", 400),
            ("{", "not a load", 400),
        ):
            status, answer = await ask(port, put("/v1/load", body))
            assert (status, said in answer["error"]) == (code, True), (body, answer)
        assert (await ask(port, put("/v1/identity", "{}")))[0] == 405
        for head in ("X: 1", "Content-Length: 1000000", "Content-Length: -1"):
            assert (await ask(port, put("/v1/load", "{}", head)))[0] == 400
        assert len(flown.declared) == 1
