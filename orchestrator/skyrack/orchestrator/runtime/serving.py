"""Where a run is reached: the HTTP API, the service that nodes join, the service that faults are told to."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from skyrack.orchestrator.api import control, fault_service, server
from skyrack.orchestrator.api.listen import Listen
from skyrack.orchestrator.runtime.answers import Answers
from skyrack.orchestrator.runtime.life import Life
from skyrack.orchestrator.runtime.parts import Parts


@contextlib.asynccontextmanager
async def serving(parts: Parts, answers: Answers, life: Life, listen: Listen | None) -> AsyncIterator[None]:
    """All of them, while the context lasts; `life` is told of the address. Raises RuntimeError, OSError."""
    places, joining = parts.basis.places, parts.joining
    async with contextlib.AsyncExitStack() as stack:
        life.http = await stack.enter_async_context(
            server.serve(answers, places.socket_dir / "api.sock", listen)
        )
        # Second, so that who finds it healthy can use the API.
        grpc_server = await control.serve(joining.control, joining.health, places.mesh_dir / "control.sock")
        stack.push_async_callback(grpc_server.stop, 0)
        faults = fault_service.FaultService(parts.happenings.faults, parts.basis.events)
        await stack.enter_async_context(fault_service.serve(faults, places.socket_dir / fault_service.SOCKET))
        yield
