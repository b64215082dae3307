"""Stand-ins for the fabric and the orchestrator, so that real node processes can be tested by themselves."""

import asyncio
import contextlib
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from skyrack.v1 import attach, control_pb2, control_pb2_grpc, mesh_pb2, service_pb2, transfer_pb2

NETWORK = "100.64.0.0/10"
# As the zygote's parent does for an unprivileged user: a user, PID and mount namespace around the run.
IN_USER_NAMESPACE = ("unshare", "--user", "--map-root-user", "--pid", "--mount", "--fork", "--kill-child")


PATIENCE_S = 60.0


async def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        await asyncio.sleep(0.01)


async def scrape(socket_dir: Path, name: str) -> dict[str, float]:
    """A node's metrics, by their names with labels. Raises OSError while it does not serve them."""
    reader, writer = await asyncio.open_unix_connection(str(socket_dir / "nodes" / f"{name}.metrics.sock"))
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = (await reader.read()).decode()
    writer.close()
    if not answer:
        raise ConnectionResetError("it did not wait for the request")
    assert answer.startswith("HTTP/1.1 200 ")
    lines = [line for line in answer.partition("\r\n\r\n")[2].splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


async def informed(socket_dir: Path, name: str) -> None:
    """Wait until a node has taken what it was told when it joined: it asked before that."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with contextlib.suppress(OSError):
            if (await scrape(socket_dir, name))[f'skyrack_node_joined{{node="{name}"}}']:
                return
        assert time.monotonic() < deadline, f"{name} never joined"
        await asyncio.sleep(0.01)


class StandInFabric:
    """Accepts every node; forwards packets, virtio header and all, by destination address."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hellos: list[str] = []
        self.ended: list[str] = []
        self.largest_packet_bytes = 0
        self._tuns: dict[str, int] = {}
        self._sockets: dict[str, socket.socket] = {}
        self._listener: socket.socket | None = None

    def start(self) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        self._listener.bind(os.fspath(self.path))
        self._listener.listen(64)
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def stop(self) -> None:
        """End like a killed process: every descriptor closes, the socket file stays away."""
        loop = asyncio.get_running_loop()
        assert self._listener is not None
        loop.remove_reader(self._listener)
        self._listener.close()
        self.path.unlink()
        for name in list(self._sockets):
            self._end(name)

    def _accept(self) -> None:
        assert self._listener is not None
        sock, _ = self._listener.accept()
        sock.setblocking(False)
        asyncio.get_running_loop().add_reader(sock, self._hello, sock)

    def _hello(self, sock: socket.socket) -> None:
        received = attach.receive_opening(sock)
        loop = asyncio.get_running_loop()
        loop.remove_reader(sock)
        if not isinstance(received, tuple):
            sock.close()
            return
        hello, tun_fd = received
        self.hellos.append(hello.name)
        self._tuns[hello.name], self._sockets[hello.name] = tun_fd, sock
        attach.send_reply(sock, attach.Accepted(len(self.hellos) - 1))
        loop.add_reader(sock, self._end, hello.name)
        loop.add_reader(tun_fd, self._forward, tun_fd)

    def _end(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        sock, tun_fd = self._sockets.pop(name), self._tuns.pop(name)
        loop.remove_reader(sock)
        loop.remove_reader(tun_fd)
        sock.close()
        os.close(tun_fd)
        self.ended.append(name)

    def _forward(self, tun_fd: int) -> None:
        packet = os.read(tun_fd, 70_000)
        self.largest_packet_bytes = max(self.largest_packet_bytes, len(packet) - 10)
        destination = ".".join(map(str, packet[10 + 16 : 10 + 20]))
        for name, other_fd in self._tuns.items():
            if destination == address_of(name):
                os.write(other_fd, packet)


def first_update() -> control_pb2.NodeUpdate:
    """Of a run that begins now: 15 s with one neighbour, in the Sun. What is known lasts for half an hour."""
    update = control_pb2.NodeUpdate(forecast_until_t_s=1000.0)
    update.clock.start.FromJsonString("2026-01-01T00:00:00Z")
    update.clock.t0_monotonic_ns = time.monotonic_ns()
    update.clock.speed = 1.0
    update.epoch.t1_s = 15.0
    update.ephemeris.step_s = 600.0
    for t_s in (0.0, 600.0, 1200.0, 1800.0):
        update.ephemeris.position_km.extend([7000.0, 7.5 * t_s, 0.0])
        update.ephemeris.velocity_km_s.extend([0.0, 7.5, 0.0])
    update.neighbours.add(name="other", address="100.64.0.9", delay_s=0.004)
    update.forecast.add(peer="other", start_t_s=-5.0, end_t_s=900.0)
    update.shadow.eclipses.add(start_t_s=1900.0, end_t_s=4000.0)
    update.shadow.until_t_s = update.anomaly.until_t_s = 7200.0
    update.anomaly.passes.add(start_t_s=1000.0, end_t_s=1100.0)
    update.surroundings.MergeFrom(
        mesh_pb2.Surroundings(until_t_s=7200.0, beta_deg=12.5, storm_factor=1.0, country="NZ")
    )
    update.surroundings.eclipses.add(start_t_s=1901.0, end_t_s=4001.0)
    update.surroundings.anomaly_passes.add(start_t_s=-100.0, end_t_s=5000.0)
    return update


class StandInOrchestrator(control_pb2_grpc.ControlServiceServicer):
    """Sends each node that joins one update and its services, if it has any, then what it is to `say`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.joined: list[str] = []
        self.services: dict[str, service_pb2.ServiceList] = {}
        self.reports: list[control_pb2.ReportServicesRequest] = []
        self.flights: list[control_pb2.ReportFlightRequest] = []
        self.cancelled: list[str] = []
        self.update = first_update()
        self._says: dict[str, asyncio.Queue[control_pb2.JoinResponse]] = {}
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        self._server = grpc.aio.server()
        control_pb2_grpc.add_ControlServiceServicer_to_server(self, self._server)
        self._server.add_insecure_port(f"unix:{self.path}")
        await self._server.start()

    async def stop(self) -> None:
        assert self._server is not None
        await self._server.stop(0)

    async def Join(
        self, request: control_pb2.JoinRequest, context: object
    ) -> AsyncIterator[control_pb2.JoinResponse]:
        self.joined.append(request.name)
        says = self._says[request.name] = asyncio.Queue()
        peers = [mesh_pb2.Peer(name=f"n{i}", address=address_of(f"n{i}")) for i in range(3)]
        yield control_pb2.JoinResponse(
            update=self.update,
            services=self.services.get(request.name),
            peers=control_pb2.PeerList(peers=peers),
        )
        while True:
            yield await says.get()

    def say(self, name: str, response: control_pb2.JoinResponse) -> None:
        """To a node that has joined."""
        self._says[name].put_nowait(response)

    def set_services(self, name: str, *services: service_pb2.ServiceSpec) -> None:
        """Have a node run these, now or as soon as it joins."""
        self.services[name] = service_pb2.ServiceList(services=services)
        if name in self._says:
            self.say(name, control_pb2.JoinResponse(services=self.services[name]))

    async def ReportServices(
        self, request: control_pb2.ReportServicesRequest, context: Any
    ) -> control_pb2.ReportServicesResponse:
        self.reports.append(request)
        return control_pb2.ReportServicesResponse()

    async def ReportFlight(
        self, request: control_pb2.ReportFlightRequest, context: Any
    ) -> control_pb2.ReportFlightResponse:
        self.flights.append(request)
        return control_pb2.ReportFlightResponse()

    async def RelayTransfer(
        self, request: control_pb2.RelayTransferRequest, context: Any
    ) -> AsyncIterator[control_pb2.RelayTransferResponse]:
        """To "nobody": refused; to "ever" or "stored": goes on until cancelled; else done after two messages."""
        asked = request.transfer
        if asked.destination == "nobody":
            await context.abort(grpc.StatusCode.NOT_FOUND, "no node is called 'nobody'")
        progress = transfer_pb2.TransferProgress(id=7, state=transfer_pb2.TRANSFER_STATE_RUNNING)
        if asked.destination == "stored":
            progress.state, progress.custody.node = transfer_pb2.TRANSFER_STATE_WAITING, "p0s03"
        yield control_pb2.RelayTransferResponse(progress=progress)
        if asked.destination in ("ever", "stored"):
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled.append(request.name)
        progress.state, progress.delivered_bytes = transfer_pb2.TRANSFER_STATE_DONE, asked.bytes
        yield control_pb2.RelayTransferResponse(progress=progress)


def address_of(name: str) -> str:
    """Nodes of these tests are called n0, n1, ..."""
    return f"100.64.0.{int(name[1:]) + 1}"


@dataclass
class Zygote:
    """A real zygote and what it said."""

    process: asyncio.subprocess.Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    socket_dir: Path
    events: list[dict[str, Any]] = field(default_factory=list)

    def send(self, **request: object) -> None:
        self.writer.write(json.dumps(request).encode() + b"\n")

    def config(self, name: str, **changes: object) -> dict[str, object]:
        return {
            "name": name,
            "kind": "satellite",
            "index": int(name[1:]),
            "run": "test",
            "address": address_of(name),
            "network": NETWORK,
            "mtu": 1500,
            "gso_max_bytes": 20_000,
            "socket_dir": str(self.socket_dir),
            "hosts_file": str(self.socket_dir / "hosts"),
            "log_file": str(self.socket_dir / f"{name}.jsonl"),
        } | changes

    def find(self, event: str, name: str) -> list[dict[str, Any]]:
        return [e for e in self.events if e["event"] == event and e.get("name") == name]

    async def listen(self) -> None:
        while line := await self.reader.readline():
            self.events.append(json.loads(line))


@dataclass
class World:
    """Everything around the nodes of one test."""

    socket_dir: Path
    fabric: StandInFabric
    orchestrator: StandInOrchestrator
    zygote: Zygote

    async def spawn(self, name: str, **changes: object) -> None:
        """Start a node and wait until it joined and knows what it was told."""
        self.zygote.send(op="spawn", config=self.zygote.config(name, **changes))
        await eventually(lambda: name in self.orchestrator.joined, f"{name} joins; {self.zygote.events}")
        await informed(self.socket_dir, name)

    def channel(self, name: str) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(f"unix:{self.socket_dir}/nodes/{name}.sock")


@contextlib.asynccontextmanager
async def open_world(launcher: tuple[str, ...]) -> AsyncIterator[World]:
    """A fabric, an orchestrator and a zygote, started through `launcher`, all gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="skyrack-") as directory:
        socket_dir = Path(directory)
        hosts = "127.0.0.1 localhost\n127.0.42.1 skyrack.internal\n" + "".join(
            f"{address_of(f'n{i}')} n{i}\n" for i in range(3)
        )
        (socket_dir / "hosts").write_text(hosts)
        fabric = StandInFabric(socket_dir / "fabric.sock")
        fabric.start()
        orchestrator = StandInOrchestrator(socket_dir / "control.sock")
        await orchestrator.start()
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        command = (*launcher, sys.executable, "-m", "skyrack.node.zygote", "--fd", str(far.fileno()))
        with far:
            process = await asyncio.create_subprocess_exec(*command, pass_fds=[far.fileno()])
        zygote = Zygote(process, *await asyncio.open_connection(sock=near), socket_dir)
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(zygote.listen())
            yield World(socket_dir, fabric, orchestrator, zygote)
            zygote.writer.close()
            await process.wait()
            await listening
        await orchestrator.stop()
        fabric.stop()
