"""`python -I -S launch.py ORDER_FD RESULT_FD`: become the program of a service. 11 ms of CPU: it imports next to nothing.

A node has threads of gRPC, which a fork of it would not survive, so it executes this, which does what has to be done
between fork and exec, and then executes the program in its place. ORDER_FD holds an Order, marshalled. RESULT_FD gets
lines of `note TEXT` and, if the program cannot be executed, one of `error TEXT`; its end without one means that it was.
"""

from __future__ import annotations

import ctypes
import errno
import marshal
import os
import resource
import sys

TYPE_CHECKING = False  # typing takes long to import
if TYPE_CHECKING:
    from typing import NoReturn, TypedDict

    class Order(TypedDict):
        """What is to be executed."""

        command: list[str]
        environment: dict[str, str]
        directory: str
        files: dict[str, str]
        user: str
        cgroups: list[str]
        mark: int
        parent: int


_PR_SET_PDEATHSIG = 1
_SIGKILL, _SIGPIPE, _SIGXFSZ = 9, 13, 25
_CLONE_NEWUSER = 0x10000000
_libc = ctypes.CDLL(None, use_errno=True)


class RefusedError(Exception):
    """Why it cannot be executed, in a sentence."""


def become(order: Order, result_fd: int) -> NoReturn:
    """Execute the program. Raises RefusedError."""
    for directory in order["cgroups"]:
        try:
            with open(os.path.join(directory, "cgroup.procs"), "w") as file:
                file.write("0")
        except OSError as error:
            os.write(result_fd, f"note no limits: {directory}: {error.strerror}\n".encode())
    os.setsid()
    mark(order["mark"])
    environment = order["environment"] | become_user(order["user"], order["directory"])
    # After the user: a change of user takes it back.
    _libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    if os.getppid() != order["parent"]:
        os._exit(1)
    try:
        os.chdir(order["directory"])
    except OSError as error:
        whose = f" for user {order['user']}" if order["user"] else ""
        raise RefusedError(f"its directory {order['directory']}{whose}: {error.strerror}") from error
    for name, text in order["files"].items():
        write_where_absent(name, text)
    # The interpreter ignores both, which a program would inherit.
    for signum in (_SIGPIPE, _SIGXFSZ):
        _libc.signal(signum, None)
    program = order["command"][0]
    path = find(program, environment.get("PATH", os.defpath))
    try:
        os.execve(path, order["command"], environment)
    except OSError as error:
        raise RefusedError(f"{program}: {_why_not_executed(path, error)}") from error


def mark(value: int) -> None:
    """Mark this process and all its descendants; see processes.py."""
    resource.setrlimit(resource.RLIMIT_RTTIME, (value, value))


def become_user(name: str, directory: str) -> dict[str, str]:
    """Be that user, whose the directory then is; returns his variables. Raises RefusedError."""
    if not name:
        return {}
    import pwd

    try:
        user = pwd.getpwnam(name)
    except KeyError:
        raise RefusedError(f"no user {name} here") from None
    uid, gid = user.pw_uid, user.pw_gid
    try:
        if uid == os.geteuid():
            pass
        elif os.geteuid() != 0:
            raise RefusedError(
                f"cannot become user {name}: the node runs as user {os.geteuid()}, without the privilege to change it"
            )
        elif _is_mapped(uid):
            os.chown(directory, uid, gid)
            os.initgroups(name, gid)
            os.setgid(gid)
            os.setuid(uid)
        else:
            _be_called(uid, gid)
    except OSError as error:
        raise RefusedError(f"cannot become user {name}: {error.strerror}") from error
    return {"USER": name, "LOGNAME": name}


def _is_mapped(uid: int) -> bool:
    """Whether this user namespace has such a user."""
    with open("/proc/self/uid_map") as file:
        ranges = [list(map(int, line.split())) for line in file]
    return any(first <= uid < first + count for first, _, count in ranges)


def _be_called(uid: int, gid: int) -> None:
    """Stay who one is, under another number: for programs that refuse root where there is only root."""
    own_gid = os.getegid()
    if _libc.unshare(_CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} 0 1"), ("gid_map", f"{gid} {own_gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def write_where_absent(name: str, text: str) -> None:
    """A file of the working directory, for its owner only; what is there stays. Raises RefusedError."""
    try:
        if os.path.dirname(name):
            os.makedirs(os.path.dirname(name), 0o700, exist_ok=True)
        if os.path.lexists(name):
            return
        with open(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # a power loss leaves all of it, or no file
    except OSError as error:
        raise RefusedError(f"its file {name}: {error.strerror}") from error


def find(program: str, path: str) -> str:
    """Where the program is. Raises RefusedError."""
    if "/" in program:
        candidates, where = [program], f"in {os.getcwd()}"
    else:
        candidates, where = (
            [os.path.join(part or ".", program) for part in path.split(":")],
            f"in PATH ({path})",
        )
    there = [candidate for candidate in candidates if os.path.isfile(candidate)]
    for candidate in there:
        if os.access(candidate, os.X_OK):
            return candidate
    if there:
        raise RefusedError(f"{there[0]}: permission denied, it is not executable")
    if program.startswith("/"):
        raise RefusedError(f"{program}: no such file")
    raise RefusedError(f"{program}: not found {where}")


def _why_not_executed(path: str, error: OSError) -> str:
    if error.errno == errno.ENOEXEC:
        return "neither a program nor a script that begins with #!"
    if error.errno == errno.ENOENT:
        return f"{path} is there, but not the interpreter it names"
    return str(error.strerror)


def main(arguments: list[str]) -> None:
    """Never returns with success."""
    order_fd, result_fd = map(int, arguments)
    os.set_inheritable(result_fd, False)
    with open(order_fd, "rb") as file:
        order: Order = marshal.load(file)
    try:
        become(order, result_fd)
    except RefusedError as error:
        os.write(result_fd, f"error {error}\n".encode(errors="replace"))
        os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
