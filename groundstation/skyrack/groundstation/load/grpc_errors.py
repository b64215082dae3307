"""What an error of gRPC says about whether a call happened. Pure. When in doubt, nobody knows."""

from __future__ import annotations

import grpc

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


def definitely_failed(code: grpc.StatusCode, details: str) -> bool:
    """Whether a call that ended with `code` did not happen and never will."""
    if code in _REFUSED:
        return True
    return code is grpc.StatusCode.UNAVAILABLE and any(text in details for text in _NEVER_SENT)
