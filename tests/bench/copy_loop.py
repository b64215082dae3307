"""The least a program between two TUN devices can do: read here, write there. Takes the fabric's place as a baseline."""

from __future__ import annotations

import os
import select
import socket
import sys

from skyrack.v1 import attach

READ_BYTES = 65546


def main() -> None:
    """Accept two nodes on the socket given, then copy until standard input ends."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(sys.argv[1])
    listener.listen()
    print("ready", flush=True)
    peers, tuns = [], []
    for index in range(2):
        peer, _ = listener.accept()
        received = attach.receive_opening(peer)
        assert isinstance(received, tuple)
        os.set_blocking(received[1], False)
        attach.send_reply(peer, attach.Accepted(index))
        peers.append(peer)
        tuns.append(received[1])
    other = {tuns[0]: tuns[1], tuns[1]: tuns[0]}
    epoll = select.epoll()
    for descriptor in (*tuns, 0):
        epoll.register(descriptor, select.EPOLLIN)
    while True:
        for descriptor, _ in epoll.poll():
            if descriptor == 0:
                return
            try:
                while True:
                    os.write(other[descriptor], os.read(descriptor, READ_BYTES))
            except BlockingIOError:
                continue


if __name__ == "__main__":
    main()
