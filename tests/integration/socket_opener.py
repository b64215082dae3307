"""Opens a socket in the network of another process and hands it over: PID FAMILY KIND PROTOCOL DESCRIPTOR.

A program of its own: to fork a test process instead, in which gRPC has threads, sometimes breaks the child.
"""

import socket
import sys

from skyrack.v1 import namespaces


def main() -> None:
    """Go there, open it, hand it over the descriptor of a connected Unix socket."""
    pid, family, kind, protocol, descriptor = map(int, sys.argv[1:])
    with socket.socket(fileno=descriptor) as far:
        namespaces.enter(pid)
        with socket.socket(family, kind, protocol) as sock:
            socket.send_fds(far, [b"here"], [sock.fileno()])


if __name__ == "__main__":
    main()
