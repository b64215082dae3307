"""Wire format between who has processes held and the holder that does it: AF_UNIX SOCK_SEQPACKET, a JSON object each way.

    asks                                                                                   holder
      | {"id":1,"op":"hold","key":"p3s07/etcd","node":214,"service":12,"paused":true} -->    |  SIGSTOP, and keeps it so
      | <------------- {"id":1,"processes":[[12,"etcd"]],"count":1,"left":[],"by":"signals"} |
      | {"id":2,"op":"look","node":214} ---------------------------------------------->      |  who runs there
      | {"id":3,"op":"kill","node":214,"service":12} --------------------------------->      |  SIGKILL until nobody does
      | {"id":4,"op":"upset","what":"memory","node":214,"draw":"7"}-------------------->      |  one bit, one process
      | {"id":5,"op":"release","key":"f9 p3s07"} ------------------------------------->      |  who hangs goes on
      | {"id":6,"op":"adopt","key":"f9 p3s07","pid":812,"since":4711} ---------------->      |  hangs by one that has ended

A hold stays until another one with its key takes its place; one that holds nothing lets go. The end of the connection lets
go of everything. What cannot be done is answered {"id":1,"error":"..."}. Requests begin in their order, and each is answered
when it is done: one that takes long is overtaken by others.

Exceptions: `HoldingError` for a message that breaks the format, and for an error that was answered.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from skyrack.v1.messages import load_object

MAX_MESSAGE_BYTES = 16_384
OWN_NAMES = "sky "  # what process lists show of nodes, and of what serves the run beside them, begins so
HOLDER_NAME = f"{OWN_NAMES}hold"
MOST_NAMED = 64  # processes of an answer; all are counted


class HoldingError(ValueError):
    """The message is none of this format, or the holder could not do it."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Which processes. `node`: all in the PID namespace of this process and below, 0 for none; None: all that the holder
    sees, but for itself and the first one.

    `service`: of these the ones with the mark (RLIMIT_RTTIME) of this process, a pid as the node counts, 0 for none.
    `guests`: of these the user's: neither the node itself nor what else is named `sky ...`; in a container, its own only.
    """

    node: int | None
    service: int | None = None
    guests: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """Keep them so from now on. `cpu_ratio`: share of a core for all together; None: as ever.

    `cpu_group`: a control group with such a quota, in which the holder may put them; empty: there is none.
    `adopt`: those that are stopped already were stopped for this; else they are somebody else's and stay so at the end. With
    one that holds nothing they go on, and those in `cpu_group` leave it.
    """

    id: int
    key: str
    spot: Spot
    paused: bool = False
    cpu_ratio: float | None = None
    cpu_group: str = ""
    adopt: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """Say who runs there."""

    id: int
    spot: Spot


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL to them until none runs."""

    id: int
    spot: Spot


What = Literal["memory", "file", "crash", "hang"]


@dataclass(frozen=True, slots=True)
class Upset:
    """What one particle does there, once: `draw`, any text, decides to whom and where, the same in the same state.

    "memory": a bit of one of the processes is turned over. "file": a bit of one of the files below `directories`. "crash":
    one of the processes gets SIGSEGV. "hang": one is stopped until it is released by `key`, or somebody kills it.
    """

    id: int
    spot: Spot
    what: What
    draw: str
    key: str = ""
    directories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Release:
    """Let who was made to hang go on."""

    id: int
    key: str


@dataclass(frozen=True, slots=True)
class Adopt:
    """Have who was made to hang by a holder that has ended hang until he is released by `key`; see `Seen.hung`."""

    id: int
    key: str
    pid: int
    since: int


Request = Hold | Look | Kill | Upset | Release | Adopt
_OPS: dict[str, type[Request]] = {
    "hold": Hold,
    "look": Look,
    "kill": Kill,
    "upset": Upset,
    "release": Release,
    "adopt": Adopt,
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found and done: `processes` as (pid as the node counts, name), `count` of them in all.

    `left`: those that could not be had, in words. `by`: "quota" or "signals" where it holds a share of a core. `said`: what an
    upset did, in sentences. `hung`: who hangs by it, as pid (as the holder counts) and when he began (ticks since boot).
    """

    id: int
    processes: tuple[tuple[int, str], ...]
    count: int
    left: tuple[str, ...] = ()
    by: str = ""
    said: tuple[str, ...] = ()
    hung: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """It could not be done; why, in a sentence."""

    id: int
    error: str


def pack_request(request: Request) -> bytes:
    """Bytes of a request."""
    op = next(op for op, kind in _OPS.items() if type(request) is kind)
    fields = asdict(request)
    return _dump({"op": op, **fields.pop("spot", {}), **fields})


def unpack_request(data: bytes) -> Request:
    """The request in `data`. Raises HoldingError."""
    message = load_object(data, "request", HoldingError)
    kind = _OPS.get(str(message.pop("op", None)))
    if kind is None:
        raise HoldingError(f"op: expected one of {', '.join(_OPS)}")
    try:
        if kind is Release or kind is Adopt:
            return kind(**message)
        if kind is Upset:
            message["directories"] = tuple(message["directories"])
        spot = Spot(message.pop("node"), message.pop("service", None), message.pop("guests", False))
        return kind(spot=spot, **message)
    except (KeyError, TypeError) as error:
        raise HoldingError(f"request: {error}") from error


def pack_answer(answer: Seen | Failed) -> bytes:
    """Bytes of an answer; the least important of a long one is cut."""
    fields = asdict(answer)
    if isinstance(answer, Seen):
        fields["processes"] = answer.processes[:MOST_NAMED]
        fields["left"] = answer.left[:MOST_NAMED]
    return _dump(fields)


def unpack_answer(data: bytes) -> Seen | Failed:
    """The answer in `data`. Raises HoldingError."""
    message = load_object(data, "answer", HoldingError)
    try:
        if "error" in message:
            return Failed(int(message["id"]), str(message["error"]))
        named = tuple((int(pid), str(name)) for pid, name in message["processes"])
        return Seen(
            int(message["id"]),
            named,
            int(message["count"]),
            tuple(message["left"]),
            str(message["by"]),
            tuple(message["said"]),
            None if message["hung"] is None else (int(message["hung"][0]), int(message["hung"][1])),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise HoldingError(f"answer: {error}") from error


def _dump(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()
