"""What a set of processes listens on, as the kernel tells it: for tests of what a run exposes."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_LISTEN = "0A"
_UNIX_LISTENING = 0x10000  # __SO_ACCEPTCON
_INODE = re.compile(r"socket:\[(\d+)\]")


@dataclass(frozen=True)
class Internet:
    """A TCP listener, or a UDP or raw socket that is bound to something."""

    protocol: str
    address: str
    port: int


def network_of(pid: int | str) -> str:
    """The network namespace of a process."""
    return os.readlink(f"/proc/{pid}/ns/net")


def internet(pids: Iterable[int]) -> set[Internet]:
    """What processes of one network namespace can be reached on from it."""
    pids = list(pids)
    inodes = _inodes(pids)
    found = set()
    for protocol in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6"):
        # One of them is the table of all, but may have ended meanwhile.
        for fields in next(filter(None, (_table(pid, protocol) for pid in pids)), []):
            local, remote, state, inode = fields[1], fields[2], fields[3], fields[9]
            if inode not in inodes:
                continue
            connected = not remote.endswith(":0000")
            if state == _LISTEN if protocol.startswith("tcp") else not connected:
                address, _, port = local.partition(":")
                found.add(Internet(protocol.removesuffix("6"), _address(address), int(port, 16)))
    return found


def unix(pids: Iterable[int]) -> set[str]:
    """Paths of Unix sockets that processes listen on; abstract ones begin with @."""
    pids = list(pids)
    inodes = _inodes(pids)
    found = set()
    for pid in pids:  # one of each network namespace would do
        for fields in _table(pid, "unix"):
            if len(fields) > 7 and fields[6] in inodes and int(fields[3], 16) & _UNIX_LISTENING:
                found.add(fields[7])
    return found


def _inodes(pids: Iterable[int]) -> set[str]:
    found = set()
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if match := _INODE.fullmatch(os.readlink(descriptor)):
                        found.add(match[1])
    return found


def _table(pid: int, name: str) -> list[list[str]]:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return [line.split() for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]]
    return []


def _address(text: str) -> str:
    """As the kernel writes it: words of 32 bits in the host's order."""
    words = [int(text[i : i + 8], 16) for i in range(0, len(text), 8)]
    data = struct.pack(f"={len(words)}I", *words)
    found = ipaddress.ip_address(data)
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)
