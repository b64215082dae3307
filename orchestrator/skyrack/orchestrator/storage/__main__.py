"""`python -m skyrack.orchestrator.storage --fd N --scratch DIR`: the file system process of a run.

Requests are JSON objects on the socket N (SOCK_SEQPACKET), one a message, and so are the answers; its end is the process's.

    {"op": "add", "disk": 3}      {"ok": true}; with two descriptors: of /dev/fuse, mounted, and of the directory
    {"op": "remove", "disk": 3}   {"ok": true}; once it has been unmounted
    {"op": "drop", "disk": 3}     {"ok": true, "files": 2, "names": 1}; see disk.py
    {"op": "settle", "disk": 3}   {"ok": true}
    {"op": "trouble", "disk": 3, "fsync_s": 0.5, "fsync_fails": false, "full": false}      {"ok": true}
    whatever cannot be            {"ok": false, "error": "..."}

Each request has a number, "request", that its answer repeats: who asked may have given an earlier one up.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import tempfile
from typing import Any

from skyrack.orchestrator.storage.disk import Disk, Trouble
from skyrack.orchestrator.storage.serve import Served

_LONGEST = 65_536
_FDS = 2


def main() -> None:
    """Serve until the socket ends."""
    parser = argparse.ArgumentParser(prog="skyrack-storage")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument(
        "--scratch", required=True, help="where old contents are saved, in files without a name"
    )
    arguments = parser.parse_args()
    os.umask(0)  # the kernel has applied the program's
    tempfile.tempdir = arguments.scratch
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    disks: dict[int, Served] = {}
    with socket.socket(fileno=arguments.fd) as requests:
        while True:
            message, fds, _, _ = socket.recv_fds(requests, _LONGEST, _FDS)
            if not message:
                break
            request = json.loads(message)
            answer = {"request": request.pop("request")}
            try:
                answer |= {"ok": True, **_do(request, fds, disks)}
            except OSError as error:
                answer |= {"ok": False, "error": error.strerror or str(error)}
            requests.send(json.dumps(answer).encode())
    for served in disks.values():
        served.close()
    os._exit(0)  # whatever other threads wait for


def _do(request: dict[str, Any], fds: list[int], disks: dict[int, Served]) -> dict[str, Any]:
    """Raises OSError."""
    op, number = request.pop("op"), request.pop("disk")
    if op == "add":
        disks[number] = _added(*fds)
        return {}
    served = disks.get(number)
    if served is None:
        raise OSError("it has been removed meanwhile")
    match op:
        case "remove":
            disks.pop(number).close()
        case "trouble":
            served.disk.trouble = Trouble(**request)
        case "settle":
            served.disk.settle()
        case "drop":
            dropped = served.drop()
            return {"files": dropped.files, "names": dropped.names}
    return {}


def _added(device: int, directory: int) -> Served:
    """The descriptors are its own. Raises OSError."""
    try:
        return Served(device, Disk(directory))
    except OSError:
        os.close(device)
        os.close(directory)
        raise


if __name__ == "__main__":
    main()
