"""As much of the Docker Engine API as sidecars take: https://docs.docker.com/engine/api/v1.41/, over its Unix socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from skyrack.orchestrator.runtime.sidecars.due import Container

PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
NODE_LABEL = "skyrack.node"
ANSWER_S = 60.0
_OF_CONTAINER = "container:"


class EngineError(Exception):
    """The engine refused, or does not answer; why, in a sentence."""


class Engine:
    """Use as an async context manager."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            "http://engine",
            connector=aiohttp.UnixConnector(path=str(self._socket)),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def project_of(self, container: str) -> str:
        """The compose project of a container. Raises EngineError."""
        found = await self._ask("GET", f"/containers/{container}/json")
        return str(found["Config"]["Labels"].get(PROJECT_LABEL, ""))

    async def sidecars(self, project: str) -> list[Container]:
        """All of a project, running or not. Raises EngineError."""
        filters = {"label": [f"{PROJECT_LABEL}={project}", NODE_LABEL]}
        listed = await self._ask("GET", "/containers/json", all="true", filters=json.dumps(filters))
        found = [await self.container(one["Id"]) for one in listed]
        return [one for one in found if one is not None]

    async def container(self, identity: str) -> Container | None:
        """One, None where there is none. Raises EngineError."""
        try:
            return read(await self._ask("GET", f"/containers/{identity}/json"))
        except LookupError:
            return None

    async def sidecar(self, project: str, name: str) -> Container:
        """The one with that name. Raises EngineError, LookupError."""
        labels = [f"{PROJECT_LABEL}={project}", f"{SERVICE_LABEL}={name}", NODE_LABEL]
        listed = await self._ask("GET", "/containers/json", all="true", filters=json.dumps({"label": labels}))
        found = await self.container(listed[0]["Id"]) if listed else None
        if found is None:
            raise LookupError(name)
        return found

    async def cores(self) -> float:
        """Of its host. Raises EngineError."""
        return float((await self._ask("GET", "/info"))["NCPU"])

    async def limit(self, identity: str, cpu_cores: float) -> None:
        """Have a container get no more than that, from now on. Raises EngineError, LookupError."""
        await self._ask("POST", f"/containers/{identity}/update", {"NanoCpus": round(cpu_cores * 1e9)})

    async def start(self, container: Container) -> None:
        """Start it, unless it runs. Raises EngineError."""
        await self._ask("POST", f"/containers/{container.identity}/start")

    async def stop(self, identity: str) -> None:
        """End a container as its program is asked to end, within its own time. Raises EngineError, LookupError."""
        await self._ask("POST", f"/containers/{identity}/stop", timeout_s=None)

    async def signal(self, identity: str, name: str) -> None:
        """Send a signal to the first process of a container. Raises EngineError, LookupError."""
        await self._ask("POST", f"/containers/{identity}/kill", signal=name)

    async def changes(self, project: str) -> AsyncIterator[None]:
        """Yield once it listens, and when a container of the project starts or ends. Raises EngineError, also at the end."""
        filters = {"type": ["container"], "event": ["start", "die"], "label": [f"{PROJECT_LABEL}={project}"]}
        try:
            async with self._http.get(
                "/events", params={"filters": json.dumps(filters)}, timeout=aiohttp.ClientTimeout()
            ) as answer:
                yield
                async for _ in answer.content:
                    yield
        except aiohttp.ClientError as error:
            raise EngineError(str(error)) from error
        raise EngineError("the engine tells no more events")

    async def _ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        timeout_s: float | None = ANSWER_S,
        **parameters: str,
    ) -> Any:
        limit = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with self._http.request(
                method, path, params=parameters, json=body, timeout=limit
            ) as answer:
                said = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise EngineError(str(error) or "no answer in time") from error
        if answer.status == 404:
            raise LookupError(path)
        if answer.status >= 400:
            raise EngineError(_message(said) or f"status {answer.status}")
        return json.loads(said) if said else None


def read(found: Mapping[str, Any]) -> Container:
    """A container from what GET /containers/ID/json answers."""
    state, mode = found["State"], str(found["HostConfig"]["NetworkMode"])
    labels = found["Config"]["Labels"] or {}
    return Container(
        identity=found["Id"],
        name=found["Name"].removeprefix("/"),
        node=labels.get(NODE_LABEL, ""),
        service=labels.get(SERVICE_LABEL, ""),
        beside=mode.removeprefix(_OF_CONTAINER) if mode.startswith(_OF_CONTAINER) else "",
        state=state["Status"],
        started=datetime.fromisoformat(state["StartedAt"]),
        finished=datetime.fromisoformat(state["FinishedAt"]),
        restart=str((found["HostConfig"].get("RestartPolicy") or {}).get("Name", "")),
        status=int(state.get("ExitCode", 0)),
    )


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return ""
