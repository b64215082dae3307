"""Whether an echo that ended with an error of gRPC definitely did not happen. Pure."""

from __future__ import annotations

import grpc

from skyrack.workloads.grpc_status import NOT_DONE, never_sent


def definitely_failed(code: grpc.StatusCode, details: str) -> bool:
    """Whether a call that ended with `code` did not happen and never will."""
    return code in NOT_DONE or never_sent(code, details)
