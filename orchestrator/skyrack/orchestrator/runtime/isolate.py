"""`python -m skyrack.orchestrator.runtime.isolate [--die-with PID] -- COMMAND`: namespaces of its own, and an init.

    caller --> outer: user namespace unless root, new PID and mount namespaces
                 | fork
               init (pid 1): reaps orphans, forwards SIGTERM, ends when COMMAND ends; its end kills everything left
                 | fork
               COMMAND

--die-with PID: end when the caller, whose pid this is, ends.
Imports nothing heavy: a thread started by numpy would make unshare fail.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from skyrack.v1 import namespaces

CAP_NET_ADMIN = 12
CAP_SYS_ADMIN = 21
PROC_SYS = Path("/proc/sys")
FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
REFUSED = 125  # exit status when the namespaces cannot be had; the reason is on stderr


class Refused(Exception):
    """The system does not let this user have the namespaces; the text names the fix."""


def main() -> NoReturn:
    """Isolate, then run the command after `--`."""
    separator = sys.argv.index("--")
    command = sys.argv[separator + 1 :]
    if sys.argv[1:separator]:
        namespaces.die_with_parent(signal.SIGTERM)
        if os.getppid() != int(sys.argv[separator - 1]):
            sys.exit(128 + signal.SIGTERM)  # the caller ended before we could ask to be told
    # A signal that comes before its handler would be lost on an init and would leave one without an outer process.
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
    try:
        new_namespaces()
    except Refused as error:
        print(error, file=sys.stderr)
        sys.exit(REFUSED)
    init = os.fork()
    if init == 0:
        namespaces.die_with_parent()
        _be_init(command)
    _forward_signals_to(init)
    sys.exit(_wait_for(init))


def new_namespaces() -> None:
    """Become root of a user namespace unless root already; get PID (for children) and mount namespaces. Raises Refused."""
    uid, gid = os.getuid(), os.getgid()
    flags = namespaces.CLONE_NEWPID | namespaces.CLONE_NEWNS
    try:
        if uid != 0:
            namespaces.unshare(namespaces.CLONE_NEWUSER)
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
            Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
        namespaces.unshare(flags)
    except OSError as error:
        raise Refused(f"cannot create namespaces ({error.strerror})\n{advice(uid)}") from error
    if missing := missing_capabilities(Path("/proc/self/status").read_text()):
        raise Refused(f"the namespaces came without {' and '.join(missing)}\n{advice(uid)}")


def advice(uid: int, proc_sys: Path = PROC_SYS) -> str:
    """What this user can do about refused namespaces, from the settings that forbid them."""
    if uid == 0:
        return "This root may not create namespaces: in a container, run it with --privileged or --cap-add SYS_ADMIN."
    for name, wanted in (
        ("kernel/apparmor_restrict_unprivileged_userns", "0"),
        ("kernel/unprivileged_userns_clone", "1"),
    ):
        if _setting(proc_sys / name) not in (None, wanted):
            return f"Allow them with: sudo sysctl {name.replace('/', '.')}={wanted}   (or run as root)"
    if _setting(proc_sys / "user/max_user_namespaces") == "0":
        return "Allow them with: sudo sysctl user.max_user_namespaces=15000   (or run as root)"
    return "Run as root, or where unprivileged user namespaces are allowed."


def _setting(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def missing_capabilities(status: str) -> list[str]:
    """The capabilities a run needs that are not effective, from the text of /proc/<pid>/status."""
    effective = int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff")), 16)
    wanted = {"CAP_NET_ADMIN": CAP_NET_ADMIN, "CAP_SYS_ADMIN": CAP_SYS_ADMIN}
    return [name for name, bit in wanted.items() if not effective >> bit & 1]


def _be_init(command: Sequence[str]) -> NoReturn:
    namespaces.make_mounts_private()
    try:
        namespaces.mount(
            "proc", "/proc", "proc", namespaces.MS_NOSUID | namespaces.MS_NODEV | namespaces.MS_NOEXEC
        )
    except OSError as error:
        # Inside some containers /proc is partly masked, and then a new one is refused: pids read there are the host's.
        print(f"note: no /proc of our own ({error.strerror})", file=sys.stderr)
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
        os.execvp(command[0], list(command))
    _forward_signals_to(child)
    os._exit(_wait_for(child))


def _forward_signals_to(pid: int) -> None:
    def forward(number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.kill(pid, number)

    for number in FORWARDED:
        signal.signal(number, forward)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)


def _wait_for(pid: int) -> int:
    """Reap everything until `pid` ends; its exit status, 128 + n after signal n."""
    while True:
        ended, status = os.wait()
        if ended == pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


if __name__ == "__main__":
    main()
