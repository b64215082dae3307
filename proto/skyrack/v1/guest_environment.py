"""Where guest programs find the API of their node, and the environment variables that they get. Pure.

Guests see real time. The run has lasted for run_s = (CLOCK_MONOTONIC in ns - SKYRACK_T0_MONOTONIC_NS) / 1e9, orbit time is
t_s = SKYRACK_SINCE_T_S + SKYRACK_SPEED * (run_s - SKYRACK_SINCE_RUN_S), and scenario time is SKYRACK_START plus t_s. They
are of the moment at which a program was started: the API knows what the clock has been told since.
"""

from skyrack.v1 import mesh_pb2

# All of 127.0.0.0/8 is local in every network namespace; this one of it is free of what guests listen on themselves.
GUEST_NAME = "skyrack.internal"
GUEST_ADDRESS = "127.0.42.1"
HTTP_PORT = 50080
GRPC_PORT = 50051


def guest_environment(
    *,
    run: str,
    node: str,
    kind: str,
    address: str,
    index: int,
    clock: mesh_pb2.RunClock | None,
) -> dict[str, str]:
    """The variables of every guest of a node; `kind` is a word of `kinds`.

    Those of the clock are missing while it is not known (None).
    """
    variables = {
        "SKYRACK_RUN": run,
        "SKYRACK_NODE": node,
        "SKYRACK_KIND": kind,
        "SKYRACK_ADDRESS": address,
        "SKYRACK_INDEX": str(index),
        "SKYRACK_API": f"http://{GUEST_NAME}:{HTTP_PORT}",
        "SKYRACK_GRPC": f"{GUEST_NAME}:{GRPC_PORT}",
    }
    if clock is None:
        return variables
    return variables | {
        "SKYRACK_START": clock.start.ToJsonString(),
        "SKYRACK_SPEED": _plain(clock.speed),
        "SKYRACK_T0_MONOTONIC_NS": str(clock.t0_monotonic_ns),
        "SKYRACK_SINCE_RUN_S": _plain(clock.since_run_s),
        "SKYRACK_SINCE_T_S": _plain(clock.since_t_s),
    }


def _plain(number: float) -> str:
    return repr(number).removesuffix(".0")
