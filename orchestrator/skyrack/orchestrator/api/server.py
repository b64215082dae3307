"""The run's HTTP servers: one for the user's own Unix socket, and one over TCP where changes need the run's token."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from skyrack.orchestrator.api import prometheus
from skyrack.orchestrator.api.access import COMPUTING, Guard, refusal
from skyrack.orchestrator.api.errors import BadRequest, error, errors_as_json, http_log
from skyrack.orchestrator.api.listen import KEEPALIVE_TIMEOUT_S, Door, Listen
from skyrack.orchestrator.api.token import run_token
from skyrack.v1.sockets import owner_only

MOST_PROBES = 100_000
MOST_BODY_BYTES = 16 << 20  # the most probes there can be, with room
MOST_NAME_CHARS = 64
MOST_BUNDLE_BYTES = 1 << 60
MOST_SATELLITES = 100  # asked about at once: a second of computing
BODY_TIMEOUT_S = 20.0
SHUTDOWN_TIMEOUT_S = 2.0  # what is not answered by then is not waited for


class Events(Protocol):
    """What has happened."""

    def since(self, sequence: int) -> list[dict[str, Any]]:
        """Events after number `sequence`."""


class Faults(Protocol):
    """What is broken on purpose. Raises ValueError for what cannot be, KeyError for names that nothing has."""

    async def add(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/faults."""

    async def add_campaign(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/campaigns."""

    async def listed(self) -> dict[str, Any]:
        """GET /v1/faults."""

    def remove(self, fault_id: str | None) -> dict[str, Any]:
        """DELETE /v1/faults/{id}, and of all."""


class Clock(Protocol):
    """Orbit time. Raises ValueError for what cannot be, KeyError for names that nothing has."""

    def state(self) -> dict[str, Any]:
        """GET /v1/clock."""

    async def change(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/clock."""


class Services(Protocol):
    """User software. Raises ValueError for what cannot be."""

    def listed(self) -> list[dict[str, Any]]:
        """GET /v1/services."""

    def add(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """POST /v1/services."""

    def remove(self, name: str, *, data: bool = False) -> list[str]:
        """DELETE /v1/services/{name}."""

    def restart(self, name: str, nodes: Sequence[str] = ()) -> list[str]:
        """POST /v1/services/{name}/restart."""

    def change(self, name: str, node: str, version: int) -> dict[str, Any]:
        """POST /v1/services/{name}/version."""


class Launches(Protocol):
    """Satellites that are not there yet. Raises ValueError for what cannot be."""

    def listed(self) -> dict[str, Any]:
        """GET /v1/launches."""

    async def launch(self, name: str, *, at_once: bool) -> dict[str, Any]:
        """POST /v1/launches/{name}."""


class Run(Protocol):
    """What the server asks of a run. Raises KeyError for unknown nodes, RuntimeError for what is not up."""

    ready: asyncio.Event
    stop: asyncio.Event

    @property
    def events(self) -> Events:
        """What has happened."""

    @property
    def faults(self) -> Faults:
        """What is broken on purpose."""

    @property
    def launches(self) -> Launches:
        """Satellites that are not there yet."""

    @property
    def clock_control(self) -> Clock:
        """Orbit time."""

    @property
    def services(self) -> Services:
        """User software."""

    @property
    def exposer(self) -> prometheus.Exposed:
        """What Prometheus may read."""

    def drain(self, words: Sequence[str]) -> dict[str, Any]:
        """POST /v1/drain. Raises ValueError."""

    def version_of(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/services/{name}/versions. Raises ValueError."""

    def undrain(self, words: Sequence[str]) -> dict[str, Any]:
        """POST /v1/undrain. Raises ValueError."""

    def contacts(self, name: str) -> dict[str, Any]:
        """GET /v1/contacts."""

    def require_node(self, name: object) -> int:
        """The node's index."""

    async def environment(self, names: Sequence[str]) -> dict[str, Any]:
        """GET /v1/environment. Raises ValueError."""

    async def kill(self, name: str, number: int) -> None:
        """Signal a node's process."""

    async def status(self) -> dict[str, Any]:
        """GET /v1/status."""

    async def fabric_counters(self) -> dict[str, Any]:
        """GET /v1/fabric."""

    async def background_figures(self) -> dict[str, Any]:
        """GET /v1/background."""

    async def computed(self, probes: list[list[Any]]) -> list[dict[str, Any]]:
        """POST /v1/computed."""

    async def path(self, a: str, b: str) -> dict[str, Any]:
        """GET /v1/path."""

    async def link(self, a: str, b: str) -> dict[str, Any]:
        """GET /v1/link."""

    async def bundle(self, a: str, b: str, size_bytes: int) -> dict[str, Any]:
        """GET /v1/bundle. Raises ValueError."""


def application(run: Run, *middlewares: Middleware, tell_all: bool) -> web.Application:
    """The routes, behind `middlewares`. `tell_all`: see `errors_as_json`."""
    app = web.Application(
        middlewares=[errors_as_json(tell_all=tell_all), *middlewares], client_max_size=MOST_BODY_BYTES
    )

    async def healthz(_: web.Request) -> web.Response:
        ready = run.ready.is_set()
        return web.json_response({"state": "up" if ready else "starting"}, status=200 if ready else 503)

    async def status(_: web.Request) -> web.Response:
        return web.json_response(await run.status())

    async def events(request: web.Request) -> web.Response:
        return web.json_response({"events": run.events.since(_number(request, "since", 0))})

    async def fabric(_: web.Request) -> web.Response:
        return web.json_response(await run.fabric_counters())

    async def background(_: web.Request) -> web.Response:
        return web.json_response(await run.background_figures())

    async def computed(request: web.Request) -> web.Response:
        probes = (await _body(request)).get("probes")
        if not isinstance(probes, list) or len(probes) > MOST_PROBES:
            raise BadRequest(f"probes: expected a list of at most {MOST_PROBES} of [run_s, a, b, ip_bytes]")
        for probe in probes:
            if not (isinstance(probe, list) and len(probe) == 4):
                raise BadRequest(f"probe {_short(probe)}: expected [run_s, a, b, ip_bytes]")
            if not (_is_number(probe[0]) and _is_number(probe[3]) and probe[3] > 0):
                raise BadRequest(
                    f"probe {_short(probe)}: run_s and ip_bytes must be numbers, ip_bytes above 0"
                )
            if not all(isinstance(name, str) and len(name) <= MOST_NAME_CHARS for name in probe[1:3]):
                raise BadRequest(f"probe {_short(probe)}: a and b must be names of nodes")
            for name in probe[1:3]:
                run.require_node(name)
        return web.json_response({"results": await run.computed(probes)})

    async def path(request: web.Request) -> web.Response:
        return web.json_response(await run.path(*_two(request, run, "from", "to")))

    async def link(request: web.Request) -> web.Response:
        return web.json_response(await run.link(*_two(request, run, "a", "b")))

    async def bundle(request: web.Request) -> web.Response:
        a, b = _two(request, run, "from", "to")
        size_bytes = _number(request, "bytes", 0)
        if not 0 < size_bytes <= MOST_BUNDLE_BYTES:
            raise BadRequest("bytes: expected a whole number from 1 to 2^60")
        return web.json_response(await run.bundle(a, b, size_bytes))

    async def environment(request: web.Request) -> web.Response:
        names = request.query.getall("node", [])
        if len(names) > MOST_SATELLITES or any(not 0 < len(name) <= MOST_NAME_CHARS for name in names):
            raise BadRequest(f"node: expected the names of at most {MOST_SATELLITES} satellites")
        for name in names:
            run.require_node(name)
        return web.json_response(await run.environment(names))

    async def kill(request: web.Request) -> web.Response:
        number = (await _body(request)).get("signal", int(signal.SIGKILL))
        if type(number) is not int or number not in set(signal.Signals):
            raise BadRequest(f"signal {number!r}: expected a signal number")
        await run.kill(request.match_info["name"], number)
        return web.json_response({"ok": True})

    async def workload(request: web.Request) -> web.Response:
        run.exposer.hear_workload(await _body(request))
        return web.json_response({"ok": True})

    async def add_faults(request: web.Request) -> web.Response:
        return web.json_response(await run.faults.add(await _body(request)))

    async def add_campaign(request: web.Request) -> web.Response:
        return web.json_response(await run.faults.add_campaign(await _body(request)))

    async def faults(_: web.Request) -> web.Response:
        return web.json_response(await run.faults.listed())

    async def remove_faults(request: web.Request) -> web.Response:
        return web.json_response(run.faults.remove(request.match_info.get("id")))

    async def launches(_: web.Request) -> web.Response:
        return web.json_response(run.launches.listed())

    async def launch(request: web.Request) -> web.Response:
        at_once = (await _body(request)).get("now", False)
        if not isinstance(at_once, bool):
            raise BadRequest("now: expected true or false")
        return web.json_response(await run.launches.launch(request.match_info["name"], at_once=at_once))

    async def clock(_: web.Request) -> web.Response:
        return web.json_response(run.clock_control.state())

    async def change_clock(request: web.Request) -> web.Response:
        return web.json_response(await run.clock_control.change(await _body(request)))

    async def services(_: web.Request) -> web.Response:
        return web.json_response({"services": run.services.listed()})

    async def add_service(request: web.Request) -> web.Response:
        return web.json_response({"services": run.services.add(await _body(request))})

    async def remove_service(request: web.Request) -> web.Response:
        data = request.query.get("data") == "true"
        return web.json_response({"nodes": run.services.remove(request.match_info["name"], data=data)})

    async def restart_service(request: web.Request) -> web.Response:
        nodes = await _names(request)
        return web.json_response({"nodes": run.services.restart(request.match_info["name"], nodes)})

    async def version_of_service(request: web.Request) -> web.Response:
        return web.json_response(run.version_of(request.match_info["name"], await _body(request)))

    async def change_service(request: web.Request) -> web.Response:
        body = await _body(request)
        node, version = body.get("node"), body.get("version")
        if not isinstance(node, str) or type(version) is not int:
            raise BadRequest("expected a node and a version")
        return web.json_response(run.services.change(request.match_info["name"], node, version))

    async def drain(request: web.Request) -> web.Response:
        return web.json_response(run.drain(await _names(request)))

    async def undrain(request: web.Request) -> web.Response:
        return web.json_response(run.undrain(await _names(request)))

    async def contacts(request: web.Request) -> web.Response:
        return web.json_response(run.contacts(request.query.get("node", "")))

    async def down(_: web.Request) -> web.Response:
        run.stop.set()
        return web.json_response({"ok": True})

    app.add_routes(
        [
            web.get("/healthz", healthz),
            web.get("/v1/status", status),
            web.get("/v1/events", events),
            web.get("/v1/fabric", fabric),
            web.get("/v1/background", background),
            web.post("/v1/computed", computed),
            web.get("/v1/path", path),
            web.get("/v1/link", link),
            web.get("/v1/bundle", bundle),
            web.get("/v1/environment", environment),
            *prometheus.routes(run.exposer),
            web.post("/v1/nodes/{name}/kill", kill),
            web.post("/v1/workload", workload),
            web.post("/v1/faults", add_faults),
            web.get("/v1/faults", faults),
            web.post("/v1/campaigns", add_campaign),
            web.delete("/v1/faults", remove_faults),
            web.delete("/v1/faults/{id}", remove_faults),
            web.get("/v1/launches", launches),
            web.post("/v1/launches/{name}", launch),
            web.get("/v1/clock", clock),
            web.post("/v1/clock", change_clock),
            web.get("/v1/services", services),
            web.post("/v1/services", add_service),
            web.delete("/v1/services/{name}", remove_service),
            web.post("/v1/services/{name}/restart", restart_service),
            web.post("/v1/services/{name}/versions", version_of_service),
            web.post("/v1/services/{name}/version", change_service),
            web.post("/v1/drain", drain),
            web.post("/v1/undrain", undrain),
            web.get("/v1/contacts", contacts),
            web.post("/v1/down", down),
        ]
    )
    return app


def _two(request: web.Request, run: Run, first: str, second: str) -> tuple[str, str]:
    """Two different nodes of a query. Raises BadRequest, KeyError."""
    names = [request.query.get(key, "") for key in (first, second)]
    for key, name in zip((first, second), names, strict=True):
        if not 0 < len(name) <= MOST_NAME_CHARS:
            raise BadRequest(f"{key}: expected the name of a node")
        run.require_node(name)
    if names[0] == names[1]:
        raise BadRequest(f"{second}: {names[1]} is {first} already")
    return names[0], names[1]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _is_number(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer that no float can hold
        return False


async def _body(request: web.Request) -> dict[str, Any]:
    await _receive(request)
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError) as found:
        raise BadRequest(f"expected a JSON object: {found}") from None
    if not isinstance(body, dict):
        raise BadRequest("expected a JSON object")
    return body


async def _names(request: web.Request) -> list[str]:
    nodes = (await _body(request)).get("nodes", [])
    if not isinstance(nodes, list) or not all(isinstance(node, str) for node in nodes):
        raise BadRequest("nodes: expected a list of names")
    return nodes


async def _receive(request: web.Request) -> None:
    """Wait for the whole body, which the request keeps."""
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None


def _number(request: web.Request, key: str, default: int) -> int:
    try:
        return int(request.query.get(key, default))
    except ValueError:
        raise BadRequest(f"{key}: expected a whole number") from None


def _guarded(guard: Guard) -> Middleware:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        refused = refusal(guard, request.method, request.path, request.headers)
        if refused is None:
            return await handler(request)
        headers = {"WWW-Authenticate": 'Bearer realm="skyrack"'} if refused.status == 401 else None
        return error(refused.status, refused.text, headers)

    return middleware


def _one_computation() -> Middleware:
    """Readings are cheap, computing is not: one at a time for everybody together, and the mesh's timetable goes on."""
    busy = asyncio.Lock()

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in COMPUTING:
            return await handler(request)
        await _receive(request)
        if busy.locked():
            return error(429, "the run is computing for somebody else: try again", {"Retry-After": "1"})
        async with busy:
            return await handler(request)

    return middleware


@contextlib.asynccontextmanager
async def serve(run: Run, path: Path, listen: Listen | None) -> AsyncIterator[str]:
    """Serve on the Unix socket `path` and, where `listen` says, over TCP, while the context lasts.

    Gives the HTTP address, "" without one. Raises RuntimeError when it cannot listen there, OSError.
    """
    async with contextlib.AsyncExitStack() as stack:
        private = await _set_up(stack, application(run, tell_all=True))
        await web.UnixSite(private, str(path)).start()
        owner_only(path)
        if listen is None:
            yield ""
            return
        guard = Guard(run_token(path.parent, listen.token_keeper), listen.names, listen.protect_reads)
        door = Door()
        public = await _set_up(
            stack, application(run, door.heard, _guarded(guard), _one_computation(), tell_all=False)
        )
        listener = listen.open()
        port = listener.getsockname()[1]
        assert public.server is not None
        await stack.enter_async_context(door.open(public.server, listener))
        yield listen.url(port)


async def _set_up(stack: contextlib.AsyncExitStack, app: web.Application) -> web.AppRunner:
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=http_log(),
        keepalive_timeout=KEEPALIVE_TIMEOUT_S,
        shutdown_timeout=SHUTDOWN_TIMEOUT_S,
    )
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    return runner
