"""Real servers of each kind of store on loopback, in processes of their own, and what can be done to them."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .ports import free_port

PATIENCE_S = 60.0


@dataclass
class Server:
    """A process that listens."""

    process: subprocess.Popen[bytes]
    endpoint: str

    @property
    def port(self) -> int:
        """The one it listens on."""
        return int(self.endpoint.rpartition(":")[2])

    def pause(self) -> None:
        """It answers nothing until it is resumed; its connections stay. Returns when its last thread has stopped."""
        self.process.send_signal(signal.SIGSTOP)
        deadline_s = time.monotonic() + PATIENCE_S
        while _states(self.process.pid) != {"T"}:
            assert time.monotonic() < deadline_s, "does not stop"
            time.sleep(0.001)

    def resume(self) -> None:
        """Undo `pause`."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """At once."""
        self.process.kill()
        self.process.wait()

    def listens(self) -> bool:
        """Whether it accepts connections."""
        assert self.process.poll() is None, f"ended with {self.process.returncode}"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), PATIENCE_S):
            return True
        return False


def _states(pid: int) -> set[str]:
    """Of the threads of a process, as the kernel has them."""
    found = set()
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # one that has ended meanwhile
            found.add((thread / "stat").read_text().rpartition(") ")[2][0])
    return found


@contextlib.contextmanager
def running(command: list[str], port: int, directory: Path) -> Iterator[Server]:
    """A server, once it listens; killed afterwards."""
    with (directory / f"{port}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=directory, stdout=log, stderr=log)
    server = Server(process, f"127.0.0.1:{port}")
    try:
        deadline_s = time.monotonic() + PATIENCE_S
        while not server.listens():
            assert time.monotonic() < deadline_s, f"{command[0]} does not listen"
            time.sleep(0.02)
        yield server
    finally:
        server.kill()


@contextlib.contextmanager
def redis_server(directory: Path, *options: str) -> Iterator[Server]:
    """A Redis that keeps everything in memory."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    command += ["--repl-diskless-sync-delay", "0", *options]
    with running(command, port, directory) as server:
        yield server


@contextlib.contextmanager
def redis_sentinel(directory: Path, name: str, primary: Server, replica: Server) -> Iterator[Server]:
    """A sentinel that knows `primary` by `name`, and its replica, and decides alone."""
    port = free_port()
    file = directory / f"sentinel-{port}.conf"
    file.write_text(
        f"port {port}\nbind 127.0.0.1\nsentinel monitor {name} 127.0.0.1 {primary.port} 1\n"
        f"sentinel down-after-milliseconds {name} 500\nsentinel failover-timeout {name} 1000\n"
        f"sentinel known-replica {name} 127.0.0.1 {replica.port}\n"
    )
    with running(["redis-sentinel", str(file)], port, directory) as server:
        yield server


@contextlib.contextmanager
def etcd_cluster(directory: Path, count: int) -> Iterator[list[Server]]:
    """Members of one etcd."""
    ports = [(free_port(), free_port()) for _ in range(count)]
    members = ",".join(f"m{n}=http://127.0.0.1:{peer}" for n, (_, peer) in enumerate(ports))
    with contextlib.ExitStack() as stack:
        servers = []
        for number, (client, peer) in enumerate(ports):
            command = [
                "etcd", f"--name=m{number}", f"--data-dir={directory}/m{number}", f"--initial-cluster={members}",
                f"--listen-peer-urls=http://127.0.0.1:{peer}", f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
                f"--listen-client-urls=http://127.0.0.1:{client}", f"--advertise-client-urls=http://127.0.0.1:{client}",
                "--heartbeat-interval=100", "--election-timeout=1000", "--unsafe-no-fsync",
            ]  # fmt: skip
            with (directory / f"m{number}.log").open("wb") as log:
                process = subprocess.Popen(command, cwd=directory, stdout=log, stderr=log)
            server = Server(process, f"127.0.0.1:{client}")
            stack.callback(server.kill)
            servers.append(server)
        deadline_s = time.monotonic() + PATIENCE_S
        while not all(_healthy(server) for server in servers):
            assert time.monotonic() < deadline_s, "etcd has no leader"
            time.sleep(0.02)
        yield servers


def _healthy(member: Server) -> bool:
    """Whether a member of etcd has a leader."""
    with (
        contextlib.suppress(OSError),
        urllib.request.urlopen(f"http://{member.endpoint}/health", timeout=PATIENCE_S) as answer,
    ):
        return b"true" in answer.read()
    return False
