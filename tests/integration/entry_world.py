"""The entry of one station on a mesh that is this host's loopback: the real proxy process, the real code of a station."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from skyrack.groundstation.entry import station
from skyrack.groundstation.entry.station import serve_entry
from skyrack.node.clock import RealClock
from skyrack.node.config import NodeConfig

SERVER = "127.1.0.2"  # p0s03's address
HOSTS = f"127.0.0.1 localhost\n127.1.0.1 london\n{SERVER} p0s03\n127.1.0.3 p0s04\n"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class World:
    """A station called london and its proxy; `server` is a node's, at p0s03."""

    proxy: asyncio.subprocess.Process
    port: int
    station: asyncio.Task[None]

    async def connect(self) -> Streams:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, data: bytes) -> str:
        """Everything that comes back."""
        reader, writer = await self.connect()
        writer.write(data)
        answer = await reader.read()
        writer.close()
        return answer.decode("latin-1")

    async def tunnel(self, target: str) -> Streams:
        """A client that was let through."""
        reader, writer = await self.connect()
        writer.write(f"CONNECT {target} HTTP/1.1\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        return reader, writer


@contextlib.asynccontextmanager
async def open_world(*, descriptors: int = 0) -> AsyncIterator[World]:
    """`descriptors`: how many the proxy may have open."""
    with tempfile.TemporaryDirectory(prefix="entry-", dir="/tmp") as name:
        directory = Path(name)
        (directory / "nodes").mkdir()
        hosts = directory / "hosts"
        hosts.write_text(HOSTS)
        kept, station.HOSTS = station.HOSTS, hosts
        (directory / "nodes" / "p0s03.net.sock").touch()
        config = NodeConfig(
            name="london",
            kind="ground",
            index=0,
            run="r",
            address="127.1.0.1",
            network="127.1.0.0/16",
            socket_dir=name,
        )
        serving = asyncio.create_task(serve_entry(config, RealClock()))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            limit = f"ulimit -n {descriptors}; " if descriptors else ""
            proxy = await asyncio.create_subprocess_exec(
                "sh", "-c", limit + 'exec "$@"', "sh", sys.executable, "-m", "skyrack.groundstation.entry",
                "--mesh-dir", name, "--entry", f"london=fd:{listener.fileno()}", pass_fds=(listener.fileno(),),
            )  # fmt: skip
        try:
            yield World(proxy, port, serving)
        finally:
            station.HOSTS = kept
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await serving
            if proxy.returncode is None:
                proxy.kill()
            await proxy.wait()
