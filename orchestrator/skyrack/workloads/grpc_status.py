"""What an error of gRPC says about whether a call happened. When in doubt, nobody knows."""

from __future__ import annotations

from typing import Final

import grpc

# The server read the request and refused it before doing anything, or the client never let it out.
NOT_DONE: Final = frozenset(
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
_NEVER_SENT: Final = (
    "failed to connect to all addresses",
    "Failed to pick subchannel",
    "no available subchannel",
)


def never_sent(code: grpc.StatusCode, details: str) -> bool:
    """Whether there was no connection for the call."""
    return code is grpc.StatusCode.UNAVAILABLE and any(text in details for text in _NEVER_SENT)
