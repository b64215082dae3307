"""The run's HTTP servers: everything on the user's own Unix socket, what only reads also on loopback."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from skyrack.orchestrator.api.metrics import merge, scrape

MOST_PROBES = 100_000
PORTS_TRIED = 100


class Events(Protocol):
    """What has happened."""

    def since(self, sequence: int) -> list[dict[str, Any]]:
        """Events after number `sequence`."""


class Run(Protocol):
    """What the server asks of a run. Raises KeyError for unknown nodes, RuntimeError for what is not up."""

    ready: asyncio.Event
    stop: asyncio.Event

    @property
    def mesh_dir(self) -> Path:
        """Where nodes have their sockets."""

    @property
    def events(self) -> Events:
        """What has happened."""

    def require_node(self, name: object) -> int:
        """The node's index."""

    def kill(self, name: str, number: int) -> None:
        """Signal a node's process."""

    async def status(self) -> dict[str, Any]:
        """GET /v1/status."""

    async def fabric_counters(self) -> dict[str, Any]:
        """GET /v1/fabric."""

    async def computed(self, probes: list[list[Any]]) -> list[dict[str, Any]]:
        """POST /v1/computed."""

    async def expositions(self) -> list[str]:
        """Metrics to merge."""

    def prometheus_targets(self) -> list[dict[str, Any]]:
        """Targets for http_sd."""


def application(run: Run, *, mutations: bool) -> web.Application:
    """The routes. `mutations` adds the ones that change something."""
    app = web.Application(middlewares=[_errors_as_json], client_max_size=64 << 20)

    async def healthz(_: web.Request) -> web.Response:
        ready = run.ready.is_set()
        return web.json_response({"state": "up" if ready else "starting"}, status=200 if ready else 503)

    async def status(_: web.Request) -> web.Response:
        return web.json_response(await run.status())

    async def events(request: web.Request) -> web.Response:
        return web.json_response({"events": run.events.since(_number(request, "since", 0))})

    async def fabric(_: web.Request) -> web.Response:
        return web.json_response(await run.fabric_counters())

    async def computed(request: web.Request) -> web.Response:
        probes = (await _body(request)).get("probes")
        if not isinstance(probes, list) or len(probes) > MOST_PROBES:
            raise _BadRequest(f"probes: expected a list of at most {MOST_PROBES} of [run_s, a, b, ip_bytes]")
        for probe in probes:
            if not (isinstance(probe, list) and len(probe) == 4):
                raise _BadRequest(f"probe {probe!r}: expected [run_s, a, b, ip_bytes]")
            if not (_is_number(probe[0]) and _is_number(probe[3]) and probe[3] > 0):
                raise _BadRequest(f"probe {probe!r}: run_s and ip_bytes must be numbers, ip_bytes above 0")
            for name in probe[1:3]:
                run.require_node(name)
        return web.json_response({"results": await run.computed(probes)})

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=merge(await run.expositions()), content_type="text/plain", charset="utf-8")

    async def node_metrics(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        run.require_node(name)
        text = await scrape(run.mesh_dir / "nodes" / f"{name}.metrics.sock")
        if text is None:
            return web.json_response({"error": f"{name} does not answer"}, status=502)
        return web.Response(text=text, content_type="text/plain", charset="utf-8")

    async def targets(_: web.Request) -> web.Response:
        return web.json_response(run.prometheus_targets())

    async def kill(request: web.Request) -> web.Response:
        number = (await _body(request)).get("signal", signal.SIGKILL)
        if number not in {int(s) for s in signal.Signals}:
            raise _BadRequest(f"signal {number!r}: expected a signal number")
        run.kill(request.match_info["name"], number)
        return web.json_response({"ok": True})

    async def down(_: web.Request) -> web.Response:
        run.stop.set()
        return web.json_response({"ok": True})

    app.add_routes(
        [
            web.get("/healthz", healthz),
            web.get("/metrics", metrics),
            web.get("/nodes/{name}/metrics", node_metrics),
            web.get("/sd/prometheus", targets),
            web.get("/v1/status", status),
            web.get("/v1/events", events),
            web.get("/v1/fabric", fabric),
            web.post("/v1/computed", computed),
        ]
    )
    if mutations:
        app.add_routes([web.post("/v1/nodes/{name}/kill", kill), web.post("/v1/down", down)])
    return app


class _BadRequest(Exception):
    pass


@web.middleware
async def _errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        allowed = error.headers.get("Allow")
        headers = {"Allow": allowed} if allowed else None
        text = f"{request.method} {request.path}: {error.reason}"
        return web.json_response({"error": text}, status=error.status, headers=headers)
    except (_BadRequest, KeyError, ValueError) as error:
        text = error.args[0] if error.args else repr(error)
        return web.json_response({"error": str(text)}, status=404 if isinstance(error, KeyError) else 400)
    except (RuntimeError, ConnectionError, TimeoutError) as error:
        return web.json_response({"error": str(error) or type(error).__name__}, status=503)
    except Exception as error:
        traceback.print_exc()
        return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=500)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


async def _body(request: web.Request) -> dict[str, Any]:
    body = await request.json()
    if not isinstance(body, dict):
        raise _BadRequest("expected a JSON object")
    return body


def _number(request: web.Request, key: str, default: int) -> int:
    try:
        return int(request.query.get(key, default))
    except ValueError:
        raise _BadRequest(f"{key}: expected a whole number") from None


async def serve(run: Run, path: Path, port: int | None) -> tuple[list[web.AppRunner], str]:
    """Serve on the Unix socket `path` and, with a port, on 127.0.0.1; a busy port moves on to the next.

    Returns the runners to clean up and the HTTP address.
    """
    private = web.AppRunner(application(run, mutations=True), access_log=None)
    await private.setup()
    await web.UnixSite(private, str(path)).start()
    if port is None:
        return [private], ""
    public = web.AppRunner(application(run, mutations=False), access_log=None)
    await public.setup()
    last = min(port + PORTS_TRIED - 1, 65535)
    reason = ""
    for candidate in range(port, last + 1):
        try:
            await web.TCPSite(public, "127.0.0.1", candidate).start()
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            continue
        return [private, public], f"http://127.0.0.1:{candidate}"
    raise RuntimeError(
        f"no port from {port} to {last} on 127.0.0.1 can be had ({reason}): choose with --port, or 0 for none"
    )
