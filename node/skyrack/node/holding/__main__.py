"""`python -m skyrack.node.holding --fd N`: the holder of a run of its own processes, as a child of the orchestrator."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import sys

from skyrack.node.clock import RealClock
from skyrack.node.forked import set_process_name
from skyrack.node.holding.holder import Holder
from skyrack.v1 import namespaces
from skyrack.v1.holding import HOLDER_NAME

NICENESS = -10  # it has to be in time where others take all there is; only root may


def main() -> int:
    """Exit status 0 after the connection's end or SIGTERM, 1 where processes cannot be seen."""
    parser = argparse.ArgumentParser(prog="python -m skyrack.node.holding", description="Hold processes.")
    parser.add_argument("--fd", type=int, required=True, help="inherited Unix socket, seqpacket")
    arguments = parser.parse_args()
    namespaces.die_with_parent(signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_process_name(HOLDER_NAME)
    with contextlib.suppress(PermissionError):
        os.nice(NICENESS)
    os.set_inheritable(arguments.fd, False)
    with socket.socket(fileno=arguments.fd) as connection:
        try:
            holder = Holder(connection, RealClock())
        except OSError as error:
            print(f"holding: {error}", file=sys.stderr)
            return 1
        holder.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
