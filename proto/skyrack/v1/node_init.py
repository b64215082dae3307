"""Wire format of `nodes/NAME.init.sock`: what the init of a node's container does for processes outside of it.

    asks                             AF_UNIX SOCK_SEQPACKET                             init
      |  {"op":"signal","signal":9}                                                       |
      | --------------------------------------------------------------------------------> |  sends it to the node
      | <------------------------------------------------------------------- {"ok":true}  |
      |  {"op":"worker","kind":"echo","arguments":{...}} + SCM_RIGHTS [what it needs]     |
      | --------------------------------------------------------------------------------> |  forks it into the node
      | <------------------------------------------------------------------- {"ok":true}  |
      | <---------------------------------- {"ended":{"code":0}}, or {"signal":9}, and EOF |
      |  {"op":"holder"}                                                                  |
      | --------------------------------------------------------------------------------> |  forks a holder
      | <------------------------------------------------------------------- {"ok":true}  |
      | <---------------------------------- skyrack.v1.holding -------------------> holder |

A request that cannot be served is answered {"ok":false,"error":"..."}. A connection has at most one worker, and the
worker's life is the connection's: when either ends, so does the other. EOF without `ended`: the container is gone.
A connection that has been given a holder is the holder's from then on.

Exceptions: `NodeInitError` for a message that breaks the format and for a refusal; `OSError` from the socket itself,
including `BlockingIOError`.
"""

import asyncio
import contextlib
import errno
import json
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyrack.v1.messages import load_object

MAX_MESSAGE_BYTES = 4096
MAX_DESCRIPTORS = 8
ANSWER_S = 20.0  # an init answers within milliseconds; one that is paused, or of a host that has no time for it, may not


class NodeInitError(ValueError):
    """The message is none of this format, or the init refused."""


@dataclass(frozen=True)
class Signal:
    """Send a signal to the node process."""

    signum: int


@dataclass(frozen=True)
class StartWorker:
    """Fork a worker of a kind the container was started with; `arguments` are its own business."""

    kind: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class StartHolder:
    """Fork who holds processes of the container; what follows on the connection is said to that."""


@dataclass(frozen=True)
class Ended:
    """How a worker ended: an exit code from 0, or minus the signal that killed it, as subprocess has it."""

    code: int


def init_socket(mesh_dir: str | os.PathLike[str], name: str) -> Path:
    """Where the init of a node's container listens."""
    return Path(mesh_dir, "nodes", f"{name}.init.sock")


def pack_request(request: Signal | StartWorker | StartHolder) -> bytes:
    """Bytes of a request."""
    if isinstance(request, StartHolder):
        return _dump({"op": "holder"})
    if isinstance(request, Signal):
        return _dump({"op": "signal", "signal": request.signum})
    return _dump({"op": "worker", "kind": request.kind, "arguments": dict(request.arguments)})


def unpack_request(data: bytes) -> Signal | StartWorker | StartHolder:
    """The request in `data`. Raises NodeInitError."""
    message = _load(data)
    operation = message.get("op")
    if operation == "signal":
        signum = message.get("signal")
        if type(signum) is not int or not 0 < signum < signal.NSIG:
            raise NodeInitError(f"signal {signum!r}, expected 1 to {signal.NSIG - 1}")
        return Signal(signum)
    if operation == "worker":
        kind, arguments = message.get("kind"), message.get("arguments", {})
        if not isinstance(kind, str) or not isinstance(arguments, dict):
            raise NodeInitError("worker: expected kind, a text, and arguments, an object")
        return StartWorker(kind, arguments)
    if operation == "holder":
        return StartHolder()
    raise NodeInitError(f"op {operation!r}, expected signal, worker or holder")


def pack_done() -> bytes:
    """Bytes of the answer to a request that was served."""
    return _dump({"ok": True})


def pack_refused(error: str) -> bytes:
    """Bytes of the answer to one that was not; an error that is too long for one message is cut."""
    return _dump({"ok": False, "error": error[:512]})


def pack_ended(ended: Ended) -> bytes:
    """Bytes of a worker's end."""
    how = {"code": ended.code} if ended.code >= 0 else {"signal": -ended.code}
    return _dump({"ended": how})


def unpack_answer(data: bytes) -> Ended | None:
    """A worker's end, or None: the request was served. Raises NodeInitError, also for a refusal."""
    message = _load(data)
    if message.get("ok") is True:
        return None
    if message.get("ok") is False:
        raise NodeInitError(str(message.get("error")))
    match message.get("ended"):
        case {"code": int(code)} if code >= 0:
            return Ended(code)
        case {"signal": int(signum)} if signum > 0:
            return Ended(-signum)
    raise NodeInitError(f"answer {message!r}, expected ok or ended")


def send_request(
    sock: socket.socket, request: Signal | StartWorker | StartHolder, descriptors: Sequence[int] = ()
) -> None:
    """Ask; the sender keeps its own copies of the descriptors open."""
    socket.send_fds(sock, [pack_request(request)], list(descriptors))


async def signal_node(path: str | os.PathLike[str], signum: int) -> None:
    """Send a signal to the node process behind an init socket, and wait for the answer.

    Raises OSError: nothing listens there, or it does not answer within ANSWER_S. Raises NodeInitError: it refused.
    """
    with _unconnected() as sock:
        # A container that the signal ended may be gone before it could answer.
        if data := await _answer(sock, path, Signal(signum)):
            unpack_answer(data)


async def connect_holder(path: str | os.PathLike[str]) -> socket.socket:
    """A connection, that does not block, to a new holder behind an init socket. Raises OSError, NodeInitError."""
    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(_unconnected())
        data = await _answer(sock, path, StartHolder())
        if not data:
            raise OSError(errno.ECONNRESET, "its container has ended")
        unpack_answer(data)
        stack.pop_all()
        return sock


def _unconnected() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)


async def _answer(sock: socket.socket, path: str | os.PathLike[str], request: Signal | StartHolder) -> bytes:
    """What is said to the first request of a connection; nothing where it ends instead. Raises OSError."""
    sock.connect(os.fspath(path))  # at once, or never
    send_request(sock, request)
    try:
        async with asyncio.timeout(ANSWER_S):
            return await asyncio.get_running_loop().sock_recv(sock, MAX_MESSAGE_BYTES)
    except TimeoutError:
        raise TimeoutError(errno.ETIMEDOUT, f"no answer within {ANSWER_S:g} s") from None


def _dump(message: dict[str, Any]) -> bytes:
    data = json.dumps(message, separators=(",", ":")).encode()
    if len(data) > MAX_MESSAGE_BYTES:
        raise NodeInitError(f"message of {len(data)} bytes, at most {MAX_MESSAGE_BYTES} allowed")
    return data


def _load(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_MESSAGE_BYTES:
        raise NodeInitError(f"message longer than {MAX_MESSAGE_BYTES} bytes")
    return load_object(data, "message", NodeInitError)
