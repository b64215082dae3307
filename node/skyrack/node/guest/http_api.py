"""The guest API as JSON over HTTP: the messages of `GuestService`, under the names that they have there."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus

from google.protobuf.message import Message

from skyrack.node.guest.desk import GuestDesk, Lack, Unanswerable
from skyrack.node.http_server import MAX_REQUEST_BYTES, Response, handler
from skyrack.node.logs import fields, log
from skyrack.v1 import guest_pb2
from skyrack.v1.guest_environment import GUEST_ADDRESS, GUEST_NAME, HTTP_PORT
from skyrack.v1.kinds import NODE_KINDS

JSON = "application/json"
LOAD = "/v1/load"
_LOAD_TEXT = "an electric load that is not there, an accelerator's: name, power_w, for_s; 0 W ends it"
KEEP_ALIVE_S = 15.0  # a comment says that the stream is alive
_STATUSES = {
    Lack.NOT_YET: HTTPStatus.SERVICE_UNAVAILABLE,
    Lack.TOO_OLD: HTTPStatus.SERVICE_UNAVAILABLE,
    Lack.TOO_MANY: HTTPStatus.TOO_MANY_REQUESTS,
    Lack.NOT_HERE: HTTPStatus.NOT_FOUND,
    Lack.ODD: HTTPStatus.UNPROCESSABLE_ENTITY,
}
_TEXTS = {
    "/v1/identity": "which node this is: name, kind, index, run, addresses, whether its links are served",
    "/v1/clock": "scenario time beside the host's, and how to compute one from the other",
    "/v1/peers": "all other nodes that have a process; who is one link away now, and which links are lost",
    "/v1/forecast": "contacts to come, and when the satellite is in the Earth's shadow",
    "/v1/environment": "position, velocity, sunlight, weather on ground links",
    "/v1/flight": "battery, temperature, flight mode and why, share of the computer that services get",
    "/v1/alerts": "what happens to this node from now on, as server-sent events: curl -N",
    "/healthz": "ok when the node is joined and its links are served, else 503 and why",
}


class GuestSite:
    """What is at http://skyrack.internal:50080."""

    def __init__(self, desk: GuestDesk) -> None:
        self._desk = desk
        self._answers: dict[str, Callable[[], Message]] = {
            "/v1/identity": desk.identity,
            "/v1/clock": desk.clock,
            "/v1/peers": desk.peers,
            "/v1/forecast": desk.forecast,
            "/v1/environment": desk.environment,
            "/v1/flight": desk.flight,
        }

    def get(self, path: str) -> Response:
        """Everything but errors of the connection."""
        try:
            if path in self._answers:
                body = _json(self._answers[path](), indent=2) + "\n"
                return Response(HTTPStatus.OK, body.encode(), JSON)
            if path == "/v1/alerts":
                return self._alerts()
        except Unanswerable as error:
            return _error(_STATUSES[error.lack], str(error), error.hint)
        if path == "/healthz":
            return self._health()
        if path == "/":
            return self._contents()
        return self.error(HTTPStatus.NOT_FOUND, f"nothing is at {path}")

    def put(self, path: str, body: bytes) -> Response:
        """A load is the one thing that is told."""
        from google.protobuf import json_format

        if path != LOAD:
            return self.error(HTTPStatus.METHOD_NOT_ALLOWED, f"nothing is put at {path}")
        request = guest_pb2.DeclareLoadRequest()
        try:
            json_format.Parse(body, request)
        except (json_format.ParseError, UnicodeDecodeError) as error:
            hint = f'curl -X PUT -d \'{{"name": "gpu", "power_w": 250, "for_s": 60}}\' http://{GUEST_NAME}:{HTTP_PORT}{LOAD}'
            return _error(HTTPStatus.BAD_REQUEST, f"not a load: {error}", hint)
        try:
            answer = self._desk.declare_load(request)
        except Unanswerable as error:
            return _error(_STATUSES[error.lack], str(error), error.hint)
        return Response(HTTPStatus.OK, (_json(answer, indent=2) + "\n").encode(), JSON)

    def error(self, status: HTTPStatus, text: str) -> Response:
        return _error(status, text, f"curl http://{GUEST_NAME}:{HTTP_PORT}/ lists what there is")

    def _contents(self) -> Response:
        identity = self._desk.identity()
        kind = next(word for word, number in NODE_KINDS.items() if number == identity.kind)
        lines = [f"{identity.name} ({kind}) of run {identity.run}, skyrack {identity.version}", ""]
        lines += [f"GET {path:<16} {text}" for path, text in _TEXTS.items()]
        lines += [f"PUT {LOAD:<16} {_LOAD_TEXT}"]
        lines += ["", f"The same as gRPC: skyrack.v1.GuestService at {GUEST_NAME}:50051", ""]
        return Response(HTTPStatus.OK, "\n".join(lines).encode())

    def _health(self) -> Response:
        identity = self._desk.identity()
        if not identity.attached:
            return _error(HTTPStatus.SERVICE_UNAVAILABLE, "the fabric does not serve this node", "try again")
        if not identity.joined:
            return _error(HTTPStatus.SERVICE_UNAVAILABLE, "no word from the orchestrator", "try again")
        return Response(HTTPStatus.OK, b"ok\n")

    def _alerts(self) -> Response:
        self._desk.require_room()
        events = _events(self._desk.watching(KEEP_ALIVE_S))
        return Response(HTTPStatus.OK, events, "text/event-stream", {"Cache-Control": "no-store"})


async def _events(
    watching: contextlib.AbstractContextManager[AsyncIterator[guest_pb2.Alert | None]],
) -> AsyncIterator[bytes]:
    with watching as alerts:
        yield b": alerts from now on\n\n"
        async for alert in alerts:
            yield b": nothing new\n\n" if alert is None else _event(alert)


def _event(alert: guest_pb2.Alert) -> bytes:
    kind = guest_pb2.AlertKind.Name(alert.kind).removeprefix("ALERT_KIND_").lower()
    return f"event: {kind}\ndata: {_json(alert, indent=None)}\n\n".encode()


def _json(message: Message, indent: int | None) -> str:
    # Not imported before somebody asks: most nodes are never asked.
    from google.protobuf import json_format

    return json_format.MessageToJson(
        message,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
        indent=indent,
        ensure_ascii=False,
    )


def _error(status: HTTPStatus, text: str, hint: str) -> Response:
    return Response(status, (json.dumps({"error": text, "hint": hint}) + "\n").encode(), JSON)


@contextlib.asynccontextmanager
async def serve_guests(desk: GuestDesk) -> AsyncIterator[None]:
    """Serve on the node's loopback address while the context lasts. Where that cannot be, a warning says why."""
    try:
        server = await asyncio.start_server(
            handler(GuestSite(desk)), GUEST_ADDRESS, HTTP_PORT, limit=MAX_REQUEST_BYTES
        )
    except OSError as error:
        log.warning(
            "no HTTP for guests", extra=fields(address=f"{GUEST_ADDRESS}:{HTTP_PORT}", error=str(error))
        )
        yield
        return
    try:
        yield
    finally:
        server.close()
