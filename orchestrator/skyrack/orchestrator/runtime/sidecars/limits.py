"""How many cores a sidecar gets: asked of the keeper, which alone speaks to the engine, on a Unix socket that no node reaches.

orchestrator  {"sidecar":"p0s05.redis","cpu_cores":0.25}   a JSON line each way   keeper  POST /containers/ID/update   engine
              null: no limit -------------------------------------------------------> | ------------------------------> |
              <------------------------------------ {} or {"error":"..."} ----------- |

The engine keeps to it with a quota of the container's control group, also after the container was started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from skyrack.orchestrator.runtime.sidecars.engine import Engine, EngineError

ANSWER_S = 10.0
LEAST_CORES = 0.01  # the engine's


class LimitError(Exception):
    """It could not be done; why, in a sentence."""


async def limit(path: Path, sidecar: str, cpu_cores: float | None) -> None:
    """Have the keeper that listens at `path` see to it. Raises LimitError."""
    try:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_unix_connection(path)
            with contextlib.closing(writer):
                writer.write(json.dumps({"sidecar": sidecar, "cpu_cores": cpu_cores}).encode() + b"\n")
                answer = json.loads(await reader.readline())
    except TimeoutError as error:
        raise LimitError(f"who speaks to the engine has not answered within {ANSWER_S:g} s") from error
    except (OSError, ValueError) as error:
        raise LimitError("nobody here speaks to the engine") from error
    if "error" in answer:
        raise LimitError(str(answer["error"]))


class Limiter:
    """Answers such requests for the sidecars of one project."""

    def __init__(self, engine: Engine, project: str) -> None:
        self._engine = engine
        self._project = project

    @contextlib.asynccontextmanager
    async def serve(self, path: Path) -> AsyncIterator[None]:
        """While the context lasts. Raises OSError."""
        server = await asyncio.start_unix_server(self._talk, path)
        os.chmod(path, 0o666)  # the orchestrator is another user; nobody else has the volume
        async with server:
            yield

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                await writer.drain()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            sidecar, cores = request["sidecar"], request["cpu_cores"]
            host_cores = await self._engine.cores()
            given = host_cores if cores is None else min(max(float(cores), LEAST_CORES), host_cores)
            identity = await self._engine.sidecar(self._project, str(sidecar))
            await self._engine.limit(identity, given)
        except (ValueError, KeyError, TypeError) as error:
            return {"error": f"no such request: {error!r}"}
        except LookupError:
            return {"error": f"the engine has no container {sidecar}"}
        except EngineError as error:
            return {"error": f"the engine: {error}"}
        return {}
