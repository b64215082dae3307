"""What the orchestrator has done to sidecars: the keeper, which alone speaks to the engine, hears it on a socket of no node's.

orchestrator  {"sidecar":"p0s05.redis","do":"limit","cpu_cores":0.2}    keeper   POST /containers/ID/update    engine
              {"sidecar":"p0s05.redis","do":"stop"} ----------------------> | ------------------------------> |
              <-- a JSON line each way -- {"said":["..."]} or {"error":"..."} |

    limit CPU_CORES   a quota of the container's control group, also after it was started again; null: no limit
    stop, kill        it ends, gracefully or at once, and stays so until `start`
    start             what was stopped so
    signal SIGNAL     to its first process; who dies of it starts again as its policy says
    hang, go-on       the same with SIGSTOP, and with SIGCONT if it has not ended meanwhile
    erase             its data directory is empty, once it does not run any more
    flip DRAW         a bit of a file there is turned over
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.runtime.services.data import empty
from skyrack.orchestrator.runtime.sidecars import data
from skyrack.orchestrator.runtime.sidecars.due import Container
from skyrack.orchestrator.runtime.sidecars.engine import Engine, EngineError
from skyrack.orchestrator.runtime.sidecars.keeper import Keeper

ANSWER_S = 30.0  # an engine on a busy host takes seconds for what it does in milliseconds
LEAST_CORES = 0.01  # the engine's
# A signal that ends a process does so within milliseconds, 2 s at most; where the engine is slow, the process may be as well.
LOOK_S = 0.02
LOOKS = 100
STOP, CONTINUE = "SIGSTOP", "SIGCONT"


class OrderError(Exception):
    """It could not be done; why, in a sentence."""


async def order(path: Path, sidecar: str, do: str, *, within_s: float = ANSWER_S, **values: Any) -> list[str]:
    """Have the keeper that listens at `path` see to it; what took effect, in sentences. Raises OrderError."""
    try:
        async with asyncio.timeout(within_s):
            reader, writer = await asyncio.open_unix_connection(path)
            with contextlib.closing(writer):
                writer.write(json.dumps({"sidecar": sidecar, "do": do, **values}).encode() + b"\n")
                answer = json.loads(await reader.readline())
    except TimeoutError as error:
        raise OrderError(f"who speaks to the engine has not answered within {within_s:g} s") from error
    except (OSError, ValueError) as error:
        raise OrderError("nobody here speaks to the engine") from error
    if "error" in answer:
        raise OrderError(str(answer["error"]))
    return [str(sentence) for sentence in answer["said"]]


class Orders:
    """Carries out such orders, for the sidecars of one project. `directories`: with the data of each, by its name."""

    def __init__(self, engine: Engine, project: str, keeper: Keeper, directories: Path, clock: Clock) -> None:
        self._engine = engine
        self._project = project
        self._keeper = keeper
        self._directories = directories
        self._clock = clock
        self._hung: dict[str, datetime] = {}  # and when it had been started

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
            name, do = str(request["sidecar"]), str(request["do"])
            return {"said": await self._do(name, do, request)}
        except (ValueError, KeyError, TypeError) as error:
            return {"error": f"no such request: {error!r}"}
        except LookupError:
            return {"error": f"the engine has no container {name}"}
        except EngineError as error:
            return {"error": f"the engine: {error}"}
        except OSError as error:
            return {"error": str(error.strerror or error)}

    async def _do(self, name: str, do: str, request: Mapping[str, Any]) -> list[str]:
        """Raises EngineError, LookupError, OSError; KeyError, ValueError and TypeError for what is no request."""
        one = await self._engine.sidecar(self._project, name)
        match do:
            case "limit":
                await self._limit(one, request["cpu_cores"])
                return []
            case "stop":
                await self._keeper.rest(one)
                await self._engine.stop(one.identity)
                return ["stopped"]
            case "kill":
                await self._keeper.rest(one)
                return await self._kill(one)
            case "start":
                return ["started"] if await self._keeper.wake(one) else ["starts with its node"]
            case "signal":
                return await self._signal(one, str(request["signal"]))
            case "hang":
                await self._send(one, STOP)
                self._hung[one.identity] = one.started
                return ["stopped its first process"]
            case "go-on":
                return await self._go_on(one)
            case "erase":
                service = name.rpartition(".")[2]
                return [(await asyncio.to_thread(empty, self._directories / name, service)).words]
            case "flip":
                return [await asyncio.to_thread(data.flip, self._directories / name, str(request["draw"]))]
        raise ValueError(do)

    async def _limit(self, one: Container, cores: float | None) -> None:
        most = await self._engine.cores()
        given = most if cores is None else min(max(float(cores), LEAST_CORES), most)
        await self._engine.limit(one.identity, given)

    async def _kill(self, one: Container) -> list[str]:
        if not one.runs:
            return ["did not run"]
        if one.state == "restarting":  # it is no process now, and is one again later
            await self._engine.stop(one.identity)
            return ["stopped"]
        with contextlib.suppress(EngineError):  # it may have ended meanwhile
            await self._engine.signal(one.identity, "SIGKILL")
        if not await self._ends(one):
            raise EngineError("killed, but it has not ended")
        return ["killed"]

    async def _signal(self, one: Container, name: str) -> list[str]:
        await self._send(one, name)
        if await self._ends(one):
            return [f"its first process died of {name}"]
        return [f"its first process got {name} and goes on"]

    async def _send(self, one: Container, name: str) -> None:
        if one.state != "running":
            raise EngineError("it does not run at the moment")
        self._keeper.signalled(one)
        await self._engine.signal(one.identity, name)

    async def _go_on(self, one: Container) -> list[str]:
        hung = self._hung.pop(one.identity, None)
        if hung is None:
            return ["nothing hangs any more"]
        if hung != one.started or one.state != "running":
            return ["it has ended meanwhile"]
        await self._engine.signal(one.identity, CONTINUE)
        return ["it goes on"]

    async def _ends(self, one: Container) -> bool:
        """Whether that start of it has ended within LOOKS looks."""
        for _ in range(LOOKS):
            now = await self._engine.container(one.identity)
            if now is None or not now.runs or now.started != one.started:
                return True
            await self._clock.sleep(LOOK_S)
        return False
