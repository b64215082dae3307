"""The run's HTTP servers as clients meet them: who may do what, and what an unfriendly client can take."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import stat
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from skyrack.orchestrator.api import listen as limits
from skyrack.orchestrator.api import server
from skyrack.orchestrator.api.client import ApiClient, ApiError
from skyrack.orchestrator.api.listen import Listen
from skyrack.orchestrator.api.token import TOKEN_FILE

from .ports import free_port

pytestmark = pytest.mark.together

PATIENCE_S = 60.0


class Events:
    def since(self, sequence: int) -> list[dict[str, Any]]:
        return [{"seq": sequence + 1}]


class Exposed:
    """London answers Prometheus, tokyo does not."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []

    def targets(self, host: str) -> list[dict[str, Any]]:
        return [{"targets": [host], "labels": {}}]

    async def run_exposition(self) -> str:
        return "run 1\n"

    async def node_exposition(self, name: str) -> str | None:
        if name not in ("london", "tokyo"):
            raise KeyError(f"no node is called {name!r}")
        return "node 1\n" if name == "london" else None

    async def expositions(self) -> list[str]:
        return ["run 1\n", "node 1\n"]

    def hear_workload(self, news: dict[str, Any]) -> None:
        if "workload" not in news:
            raise ValueError("workload: Field required")
        self.heard.append(news)


class Faults:
    """Remembers what it was asked to break."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def add(self, body: Mapping[str, Any]) -> dict[str, Any]:
        if "faults" not in body:
            raise ValueError("faults: expected a list of faults")
        self.asked.append(body)
        return {"at_s": 1.0, "faults": []}

    async def add_campaign(self, body: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(body)
        return {"at_s": 1.0, "faults": []}

    async def listed(self) -> dict[str, Any]:
        return {"faults": []}

    def remove(self, fault_id: str | None) -> dict[str, Any]:
        if fault_id not in (None, "f1"):
            raise KeyError(f"no fault is called {fault_id!r}")
        self.asked.append(fault_id)
        return {"at_s": 1.0, "removed": []}


class Clock:
    """Orbit time that has only been paused."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def state(self) -> dict[str, Any]:
        return {"t_s": 5.0}

    async def change(self, body: Mapping[str, Any]) -> dict[str, Any]:
        if body.get("action") != "pause":
            raise ValueError("action: expected one of pause")
        self.asked.append(body)
        return {"changed": None}


class Services:
    """User software, of which there is one."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def listed(self) -> list[dict[str, Any]]:
        return [{"service": "etcd"}]

    def add(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        if "name" not in body:
            raise ValueError("name: Field required")
        self.asked.append(body)
        return self.listed()

    def remove(self, name: str, *, data: bool = False) -> list[str]:
        if name != "etcd":
            raise ValueError(f"no service is called {name!r}")
        self.asked.append(data)
        return ["p0s03"]

    def restart(self, name: str, nodes: Sequence[str] = ()) -> list[str]:
        self.asked.append(list(nodes))
        return list(nodes)

    def change(self, name: str, node: str, version: int) -> dict[str, Any]:
        return {"service": name, "node": node, "version": version}


class Launches:
    """Satellites on demand, in one launch."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool]] = []

    def listed(self) -> dict[str, Any]:
        return {"launches": [{"name": "v3-1"}]}

    async def launch(self, name: str, *, at_once: bool) -> dict[str, Any]:
        if name != "v3-1":
            raise ValueError(f"no launch is called {name!r}")
        self.asked.append((name, at_once))
        return {"now_t_s": 1.0, "launch": {"name": name}}


class StandIn:
    """A run that only remembers what it was asked to do."""

    def __init__(self, directory: Path) -> None:
        self.ready, self.stop = asyncio.Event(), asyncio.Event()
        self.mesh_dir = directory
        self.events = Events()
        self.exposer = Exposed()
        self.faults = Faults()
        self.launches = Launches()
        self.clock_control = Clock()
        self.services = Services()
        self.killed: list[tuple[str, int]] = []
        self.computing = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()

    def require_node(self, name: object) -> int:
        if name not in ("london", "tokyo"):
            raise KeyError(f"no node is called {name!r}")
        return 0

    def drain(self, words: Sequence[str]) -> dict[str, Any]:
        return {"nodes": list(words)}

    undrain = drain

    def version_of(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return {"version": 2, "nodes": []}

    def contacts(self, name: str) -> dict[str, Any]:
        self.require_node(name)
        return {"contacts": []}

    async def kill(self, name: str, number: int) -> None:
        self.require_node(name)
        self.killed.append((name, number))

    async def status(self) -> dict[str, Any]:
        return {"state": "up"}

    async def fabric_counters(self) -> dict[str, Any]:
        raise OSError(2, "No such file or directory", "/home/somebody/secret")

    async def background_figures(self) -> dict[str, Any]:
        return {"flows": []}

    async def computed(self, probes: list[list[Any]]) -> list[dict[str, Any]]:
        self.computing.set()
        await self.may_end.wait()
        return [{} for _ in probes]

    async def path(self, a: str, b: str) -> dict[str, Any]:
        return {"from": a, "to": b}

    async def link(self, a: str, b: str) -> dict[str, Any]:
        return {"a": a, "b": b}

    async def bundle(self, a: str, b: str, size_bytes: int) -> dict[str, Any]:
        return {"from": a, "to": b, "size_bytes": size_bytes}

    async def environment(self, names: Sequence[str]) -> dict[str, Any]:
        if "tokyo" in names:
            raise ValueError("tokyo is on the ground: only satellites have an environment")
        return {"nodes": list(names)}


class Served:
    """A served stand-in, and clients of it."""

    def __init__(self, run: StandIn, http: str, session: aiohttp.ClientSession) -> None:
        self.run, self.http, self.session = run, http, session
        self.port = int(http.rpartition(":")[2]) if http else 0
        self.unix = ApiClient(run.mesh_dir, PATIENCE_S)

    @property
    def token(self) -> str:
        return (self.run.mesh_dir / TOKEN_FILE).read_text().strip()

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and decoded answer over TCP."""
        data = body if isinstance(body, bytes) else json.dumps(body)
        async with self.session.request(method, self.http + path, data=data, headers=headers) as response:
            text = await response.text()
            return response.status, json.loads(text) if text.startswith("{") else text

    async def bearer(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """The same with the token."""
        return await self.ask(method, path, body, Authorization=f"Bearer {self.token}")

    async def raw(self, data: bytes) -> bytes:
        """Everything the server says to these bytes, until it closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            return await asyncio.wait_for(reader.read(), PATIENCE_S)
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def served(listen: Listen | None = None) -> AsyncIterator[Served]:
    with tempfile.TemporaryDirectory(prefix="sk-api-", dir="/tmp") as directory:
        run = StandIn(Path(directory))
        listen = listen or Listen("127.0.0.1", free_port(), next_free=True)
        async with (
            server.serve(run, Path(directory) / "api.sock", listen) as http,
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE_S)) as session,
        ):
            yield Served(run, http, session)


async def test_a_change_over_tcp_needs_the_token_and_says_where_it_is() -> None:
    async with served() as api:
        status, answer = await api.ask("POST", "/v1/down", {})
        assert status == 401
        assert "Authorization: Bearer TOKEN" in answer["error"]
        status, answer = await api.ask("POST", "/v1/down", {}, Authorization="Bearer guess")
        assert status == 403
        assert "not this run's token" in answer["error"]
        status, _ = await api.ask("POST", "/v1/nodes/london/kill", {"signal": 9})
        assert status == 401
        assert not api.run.stop.is_set()
        assert not api.run.killed


async def test_with_the_token_changes_work_over_tcp() -> None:
    async with served() as api:
        assert (await api.bearer("POST", "/v1/nodes/london/kill", {"signal": 15}))[0] == 200
        assert api.run.killed == [("london", signal.SIGTERM)]
        assert (await api.bearer("POST", "/v1/down", {}))[0] == 200
        assert api.run.stop.is_set()


async def test_prometheus_is_sent_to_the_address_it_asked_at() -> None:
    async with served(Listen("0.0.0.0", free_port(), next_free=True)) as api:
        for host in (f"127.0.0.1:{api.port}", "orchestrator:8080", f"localhost:{api.port}"):
            _, answer = await api.ask("GET", "/sd/prometheus", Host=host)
            assert json.loads(answer)[0]["targets"] == [host]


async def test_each_target_has_its_page_and_a_node_that_does_not_answer_is_down() -> None:
    async with served() as api:
        assert await api.ask("GET", "/metrics/run") == (200, "run 1\n")
        assert await api.ask("GET", "/nodes/london/metrics") == (200, "node 1\n")
        assert await api.ask("GET", "/nodes/tokyo/metrics") == (502, {"error": "tokyo does not answer"})
        assert (await api.ask("GET", "/nodes/paris/metrics"))[0] == 404
        async with api.session.get(api.http + "/metrics") as response:
            assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


async def test_a_load_tells_the_run_over_its_socket_or_with_the_token() -> None:
    async with served() as api:
        assert await asyncio.to_thread(api.unix.post, "/v1/workload", {"workload": "echo"}) == {"ok": True}
        with pytest.raises(ApiError, match="workload: Field required"):
            await asyncio.to_thread(api.unix.post, "/v1/workload", {})
        assert (await api.ask("POST", "/v1/workload", {"workload": "echo"}))[0] == 401
        assert len(api.run.exposer.heard) == 1


async def test_the_unix_socket_is_its_owners_and_needs_no_token() -> None:
    async with served() as api:
        assert stat.S_IMODE((api.run.mesh_dir / "api.sock").stat().st_mode) == 0o600
        assert await asyncio.to_thread(api.unix.post, "/v1/nodes/tokyo/kill", {}) == {"ok": True}
        assert await asyncio.to_thread(api.unix.get, "/v1/status") == {"state": "up"}
        with pytest.raises(ApiError, match="no node is called 'paris'"):
            await asyncio.to_thread(api.unix.post, "/v1/nodes/paris/kill", {})


async def test_without_a_port_there_is_neither_a_listener_nor_a_token() -> None:
    with tempfile.TemporaryDirectory(prefix="sk-api-", dir="/tmp") as directory:
        async with server.serve(StandIn(Path(directory)), Path(directory) / "api.sock", None) as http:
            assert http == ""
            assert os.listdir(directory) == ["api.sock"]


async def test_reading_is_open_and_no_answer_invites_other_origins() -> None:
    async with served() as api:
        for path in ("/v1/status", "/metrics", "/sd/prometheus", "/v1/events"):
            async with api.session.get(api.http + path) as response:
                assert response.status == 200, path
                assert not [name for name in response.headers if name.lower().startswith("access-control")]
        status, _ = await api.ask("OPTIONS", "/v1/down", None, Origin="http://evil.example")
        assert status == 403


async def test_protected_readings_are_read_with_the_token_only() -> None:
    async with served(Listen("127.0.0.1", free_port(), True, protect_reads=True)) as api:
        for path in ("/v1/status", "/metrics", "/sd/prometheus"):
            assert (await api.ask("GET", path))[0] == 401
            assert (await api.bearer("GET", path))[0] == 200
        assert (await api.ask("GET", "/healthz"))[0] == 503


async def test_a_rebound_name_reads_nothing() -> None:
    async with served() as api:
        status, answer = await api.ask("GET", "/v1/status", None, Host="evil.example")
        assert status == 421
        assert "state" not in answer
        assert b" 421 " in await api.raw(b"GET /v1/status HTTP/1.0\r\n\r\n")


async def test_what_breaks_inside_is_told_to_the_owner_and_not_over_tcp(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async with served() as api:
        status, answer = await api.ask("GET", "/v1/fabric")
        assert status == 500
        assert "secret" not in answer["error"]
        assert "orchestrator.log" in answer["error"]
        with pytest.raises(ApiError, match="secret"):
            await asyncio.to_thread(api.unix.get, "/v1/fabric")
    assert "Traceback" in capfd.readouterr().err


BAD_BODIES = [
    b"", b"{", b"[]", b"[" * 100_000, b"\xff\xfe", b'{"probes": 1}', b'{"probes": [1]}', b'{"probes": [[1,2,3,4]]}',
    b'{"probes": [[NaN,"london","tokyo",64]]}', b'{"probes": [[0,"london","tokyo",-1]]}',
    b'{"probes": [[1' + b"0" * 400 + b',"london","tokyo",64]]}', b'{"probes": [[0,"london",[],64]]}',
    b'{"probes": [[0,"london","' + b"x" * 1000 + b'",64]]}',
]  # fmt: skip


async def test_services_change_only_with_the_token() -> None:
    async with served() as api:
        assert await api.ask("GET", "/v1/services") == (200, {"services": [{"service": "etcd"}]})
        changes = (
            ("POST", "/v1/services"),
            ("POST", "/v1/services/etcd/restart"),
            ("DELETE", "/v1/services/etcd"),
        )
        for method, path in changes:
            assert (await api.ask(method, path, {"name": "web"}))[0] == 401
        assert api.run.services.asked == []
        for method, path in changes:
            assert (await api.bearer(method, path, {"name": "web", "nodes": ["p0s03"]}))[0] == 200
        assert api.run.services.asked == [{"name": "web", "nodes": ["p0s03"]}, ["p0s03"], False]
        assert (await api.bearer("DELETE", "/v1/services/x"))[0] == 400
        assert (await api.bearer("POST", "/v1/services/etcd/restart", {"nodes": "p0s03"}))[0] == 400


async def test_launches_are_seen_by_all_and_ordered_with_the_token() -> None:
    async with served() as api:
        assert await api.ask("GET", "/v1/launches") == (200, {"launches": [{"name": "v3-1"}]})
        assert (await api.ask("POST", "/v1/launches/v3-1", {}))[0] == 401
        assert api.run.launches.asked == []
        for body in ({}, {"now": True}):
            assert (await api.bearer("POST", "/v1/launches/v3-1", body))[0] == 200
        assert api.run.launches.asked == [("v3-1", False), ("v3-1", True)]
        assert (await api.bearer("POST", "/v1/launches/v4", {}))[0] == 400
        assert (await api.bearer("POST", "/v1/launches/v3-1", {"now": 1}))[0] == 400


async def test_faults_are_seen_by_all_and_changed_with_the_token() -> None:
    async with served() as api:
        assert await api.ask("GET", "/v1/faults") == (200, {"faults": []})
        for method, path in (("POST", "/v1/faults"), ("DELETE", "/v1/faults"), ("DELETE", "/v1/faults/f1")):
            assert (await api.ask(method, path, {"faults": []}))[0] == 401
            assert (await api.ask(method, path, {"faults": []}, Authorization="Bearer guess"))[0] == 403
        assert api.run.faults.asked == []
        assert (await api.bearer("POST", "/v1/faults", {"faults": []}))[0] == 200
        assert (await api.bearer("DELETE", "/v1/faults/f1"))[0] == 200
        assert (await api.bearer("DELETE", "/v1/faults"))[0] == 200
        assert api.run.faults.asked[1:] == ["f1", None]
        assert await api.bearer("DELETE", "/v1/faults/f9") == (404, {"error": "no fault is called 'f9'"})
        for body, said in (
            (b"{", "expected a JSON object"),
            (b"[]", "expected a JSON object"),
            (b"{}", "faults: "),
        ):
            status, answer = await api.bearer("POST", "/v1/faults", body)
            assert status == 400
            assert said in answer["error"]


async def test_the_clock_is_read_by_all_and_changed_with_the_token() -> None:
    async with served() as api:
        assert await api.ask("GET", "/v1/clock") == (200, {"t_s": 5.0})
        assert (await api.ask("POST", "/v1/clock", {"action": "pause"}))[0] == 401
        assert api.run.clock_control.asked == []
        assert await api.bearer("POST", "/v1/clock", {"action": "pause"}) == (200, {"changed": None})
        for body in (b"{", b"[]", b"{}", b'{"action": "stop"}'):
            assert (await api.bearer("POST", "/v1/clock", body))[0] == 400


@pytest.mark.parametrize("body", BAD_BODIES)
async def test_a_bad_question_is_the_askers_fault(body: bytes) -> None:
    async with served() as api:
        status, answer = await api.ask("POST", "/v1/computed", body)
        assert status in (400, 404), answer
        assert set(answer) == {"error"}
        assert len(answer["error"]) < 300
        assert "/" not in answer["error"].replace("/v1/computed", "")


@pytest.mark.parametrize("signal_number", ["9", 9.0, True, 0, 10_000, [9], None])
async def test_what_is_no_signal_is_refused(signal_number: object) -> None:
    async with served() as api:
        status, _ = await api.bearer("POST", "/v1/nodes/london/kill", {"signal": signal_number})
        assert status == 400
        assert not api.run.killed


async def test_a_body_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_BODY_BYTES", 1000)
    async with served() as api:
        status, answer = await api.ask("POST", "/v1/computed", b"x" * 1001)
        assert status == 413
        assert "error" in answer


async def test_one_computes_at_a_time_over_tcp_and_the_owner_is_not_kept_waiting() -> None:
    async with served() as api:
        api.run.may_end.clear()
        first = asyncio.create_task(api.ask("POST", "/v1/computed", {"probes": []}))
        await asyncio.wait_for(api.run.computing.wait(), PATIENCE_S)
        status, answer = await api.ask("POST", "/v1/computed", {"probes": []})
        assert status == 429
        assert "try again" in answer["error"]
        assert (await api.ask("GET", "/v1/status"))[0] == 200
        own = asyncio.create_task(asyncio.to_thread(api.unix.post, "/v1/computed", {"probes": []}))
        api.run.may_end.set()
        assert (await first)[0] == 200
        assert await own == {"results": []}


async def test_a_client_that_says_nothing_is_put_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HEADER_TIMEOUT_S", 0.2)
    async with served() as api:
        for data in (b"", b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nX-Slow: "):
            with contextlib.suppress(ConnectionResetError):
                assert await api.raw(data) == b""


async def test_a_client_that_is_slow_between_requests_is_put_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "KEEPALIVE_TIMEOUT_S", 0.3)
    async with served() as api:
        said = await api.raw(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /v1/st")
        assert said.count(b"HTTP/1.1 ") == 1


async def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "BODY_TIMEOUT_S", 0.2)
    async with served() as api:
        head = b"POST /v1/computed HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 100\r\n\r\n{"
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
        writer.write(head)
        assert b" 408 " in await asyncio.wait_for(reader.readline(), PATIENCE_S)
        writer.close()
        monkeypatch.undo()
        status, _ = await api.ask("POST", "/v1/computed", {"probes": []})
        assert status == 200, "the slow one held the place of the one that computes"


async def test_a_slow_client_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SHUTDOWN_TIMEOUT_S", 0.1)
    monkeypatch.setattr(server, "BODY_TIMEOUT_S", 10 * PATIENCE_S)
    async with asyncio.timeout(PATIENCE_S), served() as api:
        _, writer = await asyncio.open_connection("127.0.0.1", api.port)
        writer.write(b"POST /v1/computed HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        assert (await api.ask("GET", "/v1/status"))[0] == 200
    writer.close()


async def test_more_connections_than_there_is_room_for_are_turned_away_and_the_owner_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "MOST_CONNECTIONS", 4)
    async with served() as api:
        writers = [(await asyncio.open_connection("127.0.0.1", api.port))[1] for _ in range(4)]
        assert b" 503 " in await api.raw(b"")
        assert await asyncio.to_thread(api.unix.get, "/v1/status") == {"state": "up"}
        for writer in writers:
            writer.close()
            await writer.wait_closed()
        while True:  # the server hears of each end in its own time
            with contextlib.suppress(AssertionError, aiohttp.ClientError):
                assert (await api.ask("GET", "/v1/status"))[0] == 200
                break


async def test_what_is_no_http_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    async with served() as api:
        with caplog.at_level(logging.INFO):
            for data in (
                b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
                b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: x\r\n\r\n",
                b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n",
                b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 1000 + b"\r\n",
            ):
                said = await api.raw(data)
                assert said.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400")), said
                assert b"Traceback" not in said
                assert b".py" not in said
    assert not caplog.records


async def test_a_busy_port_moves_on_only_where_that_was_asked_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with served(Listen("127.0.0.1", port, next_free=True)) as api:
            assert api.port > port
        with pytest.raises(RuntimeError, match=rf"cannot listen on 127.0.0.1:{port}: .*in use"):
            async with served(Listen("127.0.0.1", port)):
                pass


async def test_paths_and_links_are_asked_for_by_two_names_that_exist() -> None:
    async with served() as api:
        assert await api.ask("GET", "/v1/path?from=london&to=tokyo") == (
            200,
            {"from": "london", "to": "tokyo"},
        )
        assert await api.ask("GET", "/v1/link?a=tokyo&b=london") == (200, {"a": "tokyo", "b": "london"})
        assert await api.ask("GET", "/v1/bundle?from=london&to=tokyo&bytes=7") == (
            200,
            {"from": "london", "to": "tokyo", "size_bytes": 7},
        )
        assert await api.ask("GET", "/v1/environment?node=london") == (200, {"nodes": ["london"]})
        assert await api.ask("GET", "/v1/environment") == (200, {"nodes": []})
        for query, status, said in (
            ("environment?node=tokyo", 400, "tokyo is on the ground"),
            ("environment?node=nobody", 404, "no node is called 'nobody'"),
            ("environment?node=", 400, "node: expected the names of at most 100 satellites"),
            (
                "environment?" + "node=london&" * 101,
                400,
                "node: expected the names of at most 100 satellites",
            ),
            ("path", 400, "from: expected the name of a node"),
            ("path?from=london", 400, "to: expected the name of a node"),
            ("path?from=london&to=london", 400, "to: london is from already"),
            ("link?a=london&b=" + "x" * 65, 400, "b: expected the name of a node"),
            ("link?a=nobody&b=london", 404, "no node is called 'nobody'"),
            ("bundle?from=london", 400, "to: expected the name of a node"),
            ("bundle?from=london&to=tokyo", 400, "bytes: expected a whole number from 1 to 2^60"),
            ("bundle?from=london&to=tokyo&bytes=x", 400, "bytes: expected a whole number"),
            (f"bundle?from=london&to=tokyo&bytes={(1 << 60) + 1}", 400, "from 1 to 2^60"),
        ):
            got, answer = await api.ask("GET", f"/v1/{query}")
            assert (got, said in answer["error"]) == (status, True), answer
