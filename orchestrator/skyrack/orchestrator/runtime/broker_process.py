"""One broker process: started, given its configuration, waited for until it listens."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from skyrack.orchestrator.broker.roles import Role
from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.render import mosquitto
from skyrack.orchestrator.runtime.files import write_private
from skyrack.orchestrator.runtime.hands.kept import Serving

Kind = Literal["mosquitto", "embedded"]

START_PATIENCE_S = 60.0  # it is nice, and gets what others leave
STOP_PATIENCE_S = 5.0  # likewise; it brings first to subscribers what it has acknowledged
POLL_S = 0.02
NICENESS = 10  # telemetry steps back behind what carries packets
# Debian installs it where only root's PATH looks.
_MORE_PLACES = ("/usr/local/sbin", "/usr/sbin")


def find_mosquitto() -> str | None:
    """The program, where it is installed."""
    return shutil.which("mosquitto", path=os.pathsep.join([os.environ.get("PATH", ""), *_MORE_PLACES]))


class BrokerProcess:
    """Listens on the Unix socket `path` and on 127.0.0.1:port; mosquitto's files lie beside the socket."""

    def __init__(
        self,
        kind: Kind,
        path: Path,
        port: int | None,
        passwords: Mapping[Role, str],
        log: Path,
        clock: Clock,
    ) -> None:
        self.kind = kind
        self.port = port
        self._path = path
        self._passwords = passwords
        self._log = log
        self._clock = clock
        self._process: asyncio.subprocess.Process | None = None
        self._listening = False
        self._started = 0

    async def start(self) -> bool:
        """Start a process, and wait; True when it listens, False when it ends before, or does not get that far."""
        await self.stop()
        try:
            with self._log.open("ab") as log:
                self._process = process = await asyncio.create_subprocess_exec(
                    *self._command(), stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log
                )
        except OSError as error:
            with self._log.open("a") as log_text:
                log_text.write(f"{self.kind}: {error.strerror}\n")
            return False
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
        await self._configure(process)
        deadline_s = self._clock.run_s() + START_PATIENCE_S
        while process.returncode is None and self._clock.run_s() < deadline_s:
            if _listens(self._path):
                self._path.chmod(0o600)  # mosquitto lets its group in
                self._listening = True
                self._started += 1
                return True
            await self._clock.sleep(POLL_S)
        await self.stop()
        return False

    def serving(self) -> Serving | None:
        """The process that listens."""
        process = self._process
        if process is None or process.returncode is not None or not self._listening:
            return None
        return Serving(self._started, process.pid)

    def kill(self) -> None:
        """SIGKILL. Raises ProcessLookupError."""
        if self._process is None:
            raise ProcessLookupError
        self._process.kill()

    async def wait(self) -> int:
        """The exit status, negative for a signal, once it has ended."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> None:
        """End it, and take its files away."""
        process, self._process = self._process, None
        self._listening = False
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(STOP_PATIENCE_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        for path in (self._path, *self._files()):
            path.unlink(missing_ok=True)

    def _command(self) -> list[str]:
        if self.kind == "embedded":
            return [sys.executable, "-m", "skyrack.orchestrator.broker"]
        for path, text in self._files().items():
            write_private(path, text)
        return [find_mosquitto() or "mosquitto", "-c", str(self._path.with_name("mosquitto.conf"))]

    def _files(self) -> dict[Path, str]:
        conf = mosquitto.local_conf(directory=self._path.parent, socket=self._path, port=self.port)
        texts = {"mosquitto.conf": conf, "acl": mosquitto.acl(), "passwd": mosquitto.passwd(self._passwords)}
        return {self._path.with_name(name): text for name, text in texts.items()}

    async def _configure(self, process: asyncio.subprocess.Process) -> None:
        """Tell the embedded broker what may not stand in its command line; the open pipe is its life."""
        if self.kind == "embedded" and process.stdin is not None:
            config = {"socket": str(self._path), "port": self.port, "passwords": self._passwords}
            process.stdin.write(json.dumps(config).encode() + b"\n")
            with contextlib.suppress(ConnectionError):
                await process.stdin.drain()


def is_free(port: int) -> bool:
    """Whether a process could listen on 127.0.0.1:port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        return probe.connect_ex(os.fspath(path)) == 0
