"""`python -m tests.integration.in_container SPEC`: what a container engine does before it runs a node's first process.

SPEC is JSON: `etc`, a directory whose hosts and resolv.conf are mounted over those of /etc; `visible`, paths the
image's user must be able to read; `capabilities`, what root keeps; `command`. To be started as the first process of
PID, mount and network namespaces of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path

from tests.e2e.as_user import open_up

from skyrack.node.device import CONTAINER_SYSCTLS
from skyrack.v1 import namespaces


def main() -> None:
    """Arrange, then become the command."""
    spec = json.loads(sys.argv[1])
    namespaces.make_mounts_private()
    for name, value in CONTAINER_SYSCTLS.items():
        # A user namespace with a single group takes no range of groups.
        with contextlib.suppress(OSError):
            Path("/proc/sys", *name.split(".")).write_text(value)
    namespaces.mount("/proc/sys", "/proc/sys", None, namespaces.MS_BIND)
    with contextlib.suppress(OSError):
        flags = namespaces.MS_REMOUNT | namespaces.MS_BIND | namespaces.MS_RDONLY
        namespaces.mount("none", "/proc/sys", None, flags)
    for name in ("hosts", "resolv.conf"):
        namespaces.mount(f"{spec['etc']}/{name}", Path("/etc", name).resolve(), None, namespaces.MS_BIND)
    command = spec["command"]
    if spec["capabilities"] is not None:
        open_up(map(Path, spec["visible"]))
        kept = ",".join(["-all", *(f"+{name}" for name in spec["capabilities"])])
        command = ["setpriv", "--bounding-set", kept, "--no-new-privs", *command]
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
