"""Every answer of the API that is not the one that was asked for is a JSON object with a text in `error`."""

from __future__ import annotations

import logging
import traceback

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler, Middleware


class BadRequest(Exception):
    """The client's mistake; the text says what was expected."""


def error(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    """An error as JSON."""
    return web.json_response({"error": text}, status=status, headers=headers)


def errors_as_json(*, tell_all: bool) -> Middleware:
    """Middleware. `tell_all`: what broke inside is told to the client too, not only to the log."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as found:
            allowed = found.headers.get("Allow")
            headers = {"Allow": allowed} if allowed else None
            return error(found.status, f"{request.method} {request.path}: {found.reason}", headers)
        except (BadRequest, KeyError, ValueError) as found:
            text = found.args[0] if found.args else repr(found)
            return error(404 if isinstance(found, KeyError) else 400, str(text))
        except (RuntimeError, ConnectionError, TimeoutError) as found:
            return error(503, str(found) or type(found).__name__)
        except Exception as found:
            traceback.print_exc()
            inside = (
                f"{type(found).__name__}: {found}" if tell_all else "the run's orchestrator.log says what"
            )
            return error(500, f"something broke: {inside}")

    return middleware


def http_log() -> logging.Logger:
    """aiohttp's log without requests that are no HTTP: whoever reaches a port could fill the disk with their tracebacks."""
    log = logging.getLogger("skyrack.http")
    log.addFilter(_ours)
    return log


def _ours(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
