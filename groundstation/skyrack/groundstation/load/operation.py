"""One operation of a history, and what an error says about whether it happened. Pure.

`ok`: answered. `fail`: it definitely did not happen. `unknown`: it may have happened, now or later. When in doubt:
unknown.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

import grpc

Kind = Literal["ok", "fail", "unknown"]

# The server read the request and refused it before doing anything, or the client never let it out.
_REFUSED = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
# gRPC says UNAVAILABLE both for a call that found no connection and for one whose connection broke under it.
_NEVER_SENT = ("failed to connect to all addresses", "Failed to pick subchannel", "no available subchannel")


@dataclass(frozen=True, slots=True)
class Operation:
    """A line of history.jsonl. Run times; `invoke_s` is None when it is not known to have been started."""

    op: int
    pair: str
    intended_s: float
    invoke_s: float | None
    complete_s: float
    type: Kind
    error: str | None = None

    def line(self) -> str:
        """As one line of JSON."""
        return json.dumps(asdict(self))


def kind_of_error(code: grpc.StatusCode, details: str) -> Kind:
    """Whether a call that ended with `code` definitely did not happen."""
    if code in _REFUSED:
        return "fail"
    if code is grpc.StatusCode.UNAVAILABLE and any(text in details for text in _NEVER_SENT):
        return "fail"
    return "unknown"
