"""A run of the real command in a directory of its own, gone afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

SKYRACK = str(Path(sys.executable).with_name("skyrack"))


@dataclass(frozen=True)
class CommandRun:
    """Where `skyrack` keeps everything of the run."""

    directory: Path

    @property
    def runs(self) -> Path:
        """The directory of results."""
        return self.directory / "runs"

    async def up(self) -> None:
        """Start it, detached, and wait until all serve."""
        scenario = str(self.directory / "bench.yaml")
        await self.skyrack("up", scenario, "-d", "--port", "0", "--runs", str(self.runs))

    def inside(self, node: str) -> tuple[str, ...]:
        """What to put before a program so that it runs in a node."""
        return ("env", f"SKYRACK_SOCKET_DIR={self.directory / 's'}", SKYRACK, "exec", node, "--")

    async def skyrack(self, *arguments: str) -> bytes:
        """Standard output of a command. Raises RuntimeError with what it said where it fails."""
        process = await asyncio.create_subprocess_exec(
            SKYRACK,
            *arguments,
            env={**os.environ, "SKYRACK_SOCKET_DIR": str(self.directory / "s")},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            output, errors = await process.communicate()
        except asyncio.CancelledError:
            await process.wait()  # Ctrl-C reached it too
            raise
        if process.returncode:
            raise RuntimeError(f"skyrack {arguments[0]}: {errors.decode()}")
        return output


@contextlib.asynccontextmanager
async def command_run(scenario: str) -> AsyncIterator[CommandRun]:
    """A run of this scenario text, not up yet; whatever became of it, it is down in the end."""
    run = CommandRun(Path(tempfile.mkdtemp(prefix="bench-")))
    (run.directory / "bench.yaml").write_text(scenario)
    try:
        yield run
    finally:
        with contextlib.suppress(RuntimeError):
            await run.skyrack("down")
        shutil.rmtree(run.directory, ignore_errors=True)
