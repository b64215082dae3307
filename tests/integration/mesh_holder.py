"""A node reduced to its hold on the mesh: namespaces, mesh0, and an attach socket. A program of its own.

One JSON object per line on standard output says what happened; the end of standard input ends it.
"""

import json
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path

from skyrack.node import device
from skyrack.node.config import NodeConfig
from skyrack.v1 import attach, namespaces

RETRY_S = 0.02


def main() -> None:
    """Attach until standard input ends, anew whenever the fabric is gone."""
    namespaces.die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is its parent's to deal with
    config = NodeConfig.from_json(sys.argv[1])
    namespaces.unshare(namespaces.CLONE_NEWNET | namespaces.CLONE_NEWNS)
    namespaces.make_mounts_private()
    tun = device.open_tun(config.gso_max_bytes)
    device.configure(config)
    for name, most in (("tcp_rmem", 64), ("tcp_wmem", 64)):
        Path("/proc/sys/net/ipv4", name).write_text(f"4096 131072 {most << 20}")
    say(ready=os.getpid())
    while True:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
                sock.connect(os.fspath(config.fabric_socket))
                attach.send_hello(sock, attach.Hello(config.name), tun)
                hold(sock)
        except OSError:
            time.sleep(RETRY_S)


def hold(sock: socket.socket) -> None:
    """Report the reply, then wait for the end of the fabric (returns) or of standard input (ends the program)."""
    said = False
    while True:
        ready, _, _ = select.select([sock, sys.stdin], [], [])
        if sys.stdin in ready:
            sys.exit()
        data = sock.recv(attach.MAX_MESSAGE_BYTES + 1)
        if not data:
            return
        if not said:
            reply, said = attach.unpack_reply(data), True
            say(
                **(
                    {"refused": reply.error}
                    if isinstance(reply, attach.Refused)
                    else {"attached": reply.index}
                )
            )


def say(**event: object) -> None:
    """One line for the parent."""
    print(json.dumps(event), flush=True)


if __name__ == "__main__":
    main()
