"""Linux namespaces from Python 3.11: unshare, setns, mount, and acting inside another process's namespaces.

Everything works for root and for the unprivileged user who owns the run's user namespace. Failures are
OSError with the call, the target and the kernel's word for it. Kernel 5.8 or newer (setns on a pidfd).
"""

import ctypes
import errno
import os
import signal
import socket
import struct
import threading
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37
_MNT_DETACH = 2
_UCRED = struct.Struct("=iII")
_subreaper = threading.Lock()

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)


def check(result: int, what: str) -> None:
    """Raise the OSError of a libc call that returned `result`; the library must be loaded with use_errno."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Give the calling thread new namespaces; CLONE_NEWPID takes effect for its next children."""
    check(_libc.unshare(flags), f"unshare({flags:#x})")


def setns(fd: int, flags: int) -> None:
    """Move the calling thread into the namespaces `flags` of a namespace descriptor or a pidfd."""
    check(_libc.setns(fd, flags), f"setns({flags:#x})")


def mount(
    source: str, target: str | Path, fstype: str | None = None, flags: int = 0, data: str | None = None
) -> None:
    """mount(2). A bind mount is MS_BIND without `fstype`."""
    target = os.fspath(target)
    kind = fstype.encode() if fstype is not None else None
    options = data.encode() if data is not None else None
    result = _libc.mount(source.encode(), os.fsencode(target), kind, flags, options)
    check(result, f"mount {fstype or source} on {target}")


def unmount(target: str | Path) -> None:
    """Detach a mount at once, busy or not."""
    check(_libc.umount2(os.fsencode(target), _MNT_DETACH), f"unmount {target}")


def make_mounts_private() -> None:
    """Keep later mounts of this mount namespace from showing in any other one, and the reverse."""
    mount("none", "/", None, MS_REC | MS_PRIVATE)


def make_mounts_receive() -> None:
    """Keep later mounts of this mount namespace to itself, but go on to see those made in shared mounts it came with."""
    mount("none", "/", None, MS_REC | MS_SLAVE)


def die_with_parent(signum: int = signal.SIGKILL) -> None:
    """Have the kernel send `signum` to this process when the thread that is its parent ends.

    Does not tell about a parent that ended before the call: compare os.getppid() afterwards.
    """
    check(_libc.prctl(_PR_SET_PDEATHSIG, signum, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")


def pid_of_socket(path: str | Path) -> int:
    """Pid, in the caller's PID namespace, of the process that listens on the Unix stream socket `path`.

    Raises OSError: nothing listens, or the listener is not visible from here.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            sock.connect(os.fspath(path))
        except OSError as error:
            raise OSError(error.errno, f"connect to {path}: {os.strerror(error.errno or 0)}") from error
        pid: int = _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))[0]
    if pid <= 0:
        raise ProcessLookupError(errno.ESRCH, f"the listener of {path} lives in an unrelated PID namespace")
    return pid


def enter(pid: int) -> None:
    """Move this process into the user, mount, network, UTS and PID namespaces of `pid`.

    Needs a single-threaded caller. The PID namespace takes effect for children: see `fork_into`. Keeps the
    working directory by name where it exists inside, else it becomes the root directory.
    """
    flags = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWPID
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        raise OSError(errno.EINVAL, f"entering namespaces needs one thread, this process has {threads}")
    cwd = os.getcwd()
    try:
        pidfd = os.pidfd_open(pid)
    except OSError as error:
        raise OSError(error.errno, f"process {pid}: {os.strerror(error.errno or 0)}") from error
    try:
        # Joining the user namespace one is in already is an error (EINVAL), so it is left out then.
        if not os.path.samestat(os.stat(f"/proc/{pid}/ns/user"), os.stat("/proc/self/ns/user")):
            flags |= CLONE_NEWUSER
        setns(pidfd, flags)
    except OSError as error:
        number = error.errno or 0
        raise OSError(number, f"enter the namespaces of process {pid}: {os.strerror(number)}") from error
    finally:
        os.close(pidfd)
    try:
        os.chdir(cwd)
    except OSError:
        os.chdir("/")


def fork_into(pid: int) -> int:
    """Fork a child that runs in all namespaces of `pid`: like os.fork, 0 in the child, else the child's pid.

    The child is a direct child of the caller (wait for it: while it is an unreaped zombie the init of its PID
    namespace cannot finish dying), is killed when the caller's thread ends, and dies with the PID namespace.
    May be called from a process with threads; then the child should exec soon. Raises OSError in the caller.

        caller ---fork---> middle: enter(pid) ---fork---> child, a member of the PID namespace
           ^                  | exits                       |
           +-- as subreaper ----------- adopts it ----------+
    """
    with _subreaper:
        result_read, result_write = os.pipe()
        go_read, go_write = os.pipe()
        fds = [result_read, result_write, go_read, go_write]
        was_subreaper = _is_subreaper()
        _set_subreaper(True)
        try:
            middle = os.fork()
            if middle == 0:
                _fork_from_middle(pid, result_write)
                for fd in (result_read, go_write):
                    os.close(fd)
                    fds.remove(fd)
                # The child. Only once adopted may it set the death signal; no word means the caller died, and so
                # does a word that cannot be given back.
                if not os.read(go_read, 1):
                    os._exit(1)
                die_with_parent()
                try:
                    os.write(result_write, b"k")
                except OSError:
                    os._exit(1)
                return 0
            os.close(result_write)
            fds.remove(result_write)
            os.waitpid(middle, 0)
            os.set_blocking(result_read, False)
            child = int(_result(_read_now(result_read)))
            os.write(go_write, b"g")
            os.set_blocking(result_read, True)
            os.read(result_read, 1)
            return child
        finally:
            if not was_subreaper:
                _set_subreaper(False)
            for fd in fds:
                os.close(fd)


def _read_now(fd: int) -> bytes:
    """What a pipe holds, without waiting."""
    try:
        return os.read(fd, 4096)
    except BlockingIOError:
        return b""


def _fork_from_middle(pid: int, result_fd: int) -> None:
    """In the middle process: enter, fork, report, end. Returns in its child only."""
    try:
        enter(pid)
        child = os.fork()
        if child == 0:
            return
        os.write(result_fd, b"ok %d" % child)
    except BaseException as error:
        _report(result_fd, error)
    os._exit(0)


def _report(fd: int, error: BaseException) -> None:
    number = error.errno if isinstance(error, OSError) and error.errno else errno.EIO
    text = error.strerror if isinstance(error, OSError) and error.strerror else repr(error)
    os.write(fd, f"{number} {text}".encode()[:4096])


def _result(answer: bytes) -> str:
    """The value a helper process reported. Raises the OSError it met."""
    word, _, rest = answer.decode(errors="replace").partition(" ")
    if word == "ok":
        return rest
    if not word.isdecimal():
        raise OSError(errno.EIO, "the helper process ended without a result")
    raise OSError(int(word), rest)


def _is_subreaper() -> bool:
    value = ctypes.c_int()
    check(_libc.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(value), 0, 0, 0), "prctl(PR_GET_CHILD_SUBREAPER)")
    return bool(value.value)


def _set_subreaper(on: bool) -> None:
    check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, int(on), 0, 0, 0), "prctl(PR_SET_CHILD_SUBREAPER)")
