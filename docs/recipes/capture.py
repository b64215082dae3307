"""Packets of mesh0 as a pcap file on standard output, for nodes of an unprivileged run: standard library only.

There tcpdump refuses, as Debian builds it: it wants to become the user `tcpdump`, whom the run's user namespace does not
have. Capture inside, read outside:
    skyrack exec p3s02 -- python3 docs/recipes/capture.py --for 5 | tcpdump -n -r -
"""

from __future__ import annotations

import argparse
import select
import socket
import struct
import sys
import time

ETH_P_ALL = 0x0003
LINKTYPE_RAW = 101  # a TUN device has no link layer: packets begin with the IP header
SNAPSHOT_BYTES = 65_535


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--for", dest="span_s", type=float, default=10.0, metavar="S", help="how long, s")
    span_s = parser.parse_args().span_s
    out = sys.stdout.buffer
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL)) as raw:
        raw.bind(("mesh0", ETH_P_ALL))
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, SNAPSHOT_BYTES, LINKTYPE_RAW))
        out.flush()  # the header says that capturing has begun
        end_s = time.monotonic() + span_s
        while (left_s := end_s - time.monotonic()) > 0:
            if select.select([raw], [], [], left_s)[0]:
                packet, now_s = raw.recv(SNAPSHOT_BYTES), time.time()
                stamp = (int(now_s), int(now_s % 1 * 1e6), len(packet), len(packet))
                out.write(struct.pack("<IIII", *stamp) + packet)
                out.flush()


if __name__ == "__main__":
    main()
