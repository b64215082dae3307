"""Giving up, for good, what only the start of a container needs.

Root of a container holds NET_ADMIN (a node) or SYS_NICE (the fabric), SETUID and SETGID and little else: it may not even
read what belongs to the image's user. So it reads as that user (`acting_as`), does its one thing as root, and then drops
everything.
"""

import contextlib
import ctypes
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from skyrack.v1.namespaces import check

_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522
_NONE = "0" * 16


class PrivilegeError(OSError):
    """The process has more, or fewer, privileges than it must have."""


@contextlib.contextmanager
def acting_as(uid: int, gid: int) -> Iterator[None]:
    """Touch files as that user, with none of root's capabilities; afterwards be what one was. Raises PrivilegeError."""
    before_uid, before_gid = os.geteuid(), os.getegid()
    try:
        os.setegid(gid)
        os.seteuid(uid)
    except OSError as error:
        raise _wrong_user(uid, gid) from error
    try:
        yield
    finally:
        os.seteuid(before_uid)
        os.setegid(before_gid)


def drop(uid: int, gid: int) -> None:
    """Be that user and group only, without any capability and without a way to get one. Raises PrivilegeError, OSError.

    What else runs as that user cannot look into the process afterwards, nor take descriptors out of it: a node's mesh
    device is not for the programs beside it. Who is that user already keeps his other groups: only root may leave them.
    The bounding set stays, because it takes SETPCAP to empty it; nothing can be drawn from it under no_new_privs.
    """
    if (os.getuid(), os.getgid()) != (uid, gid):
        try:
            os.setgroups([])
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
        except OSError as error:
            raise _wrong_user(uid, gid) from error
    libc = ctypes.CDLL(None, use_errno=True)
    check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")
    check(libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "prctl(PR_SET_DUMPABLE)")
    # Leaving root clears all sets but the inheritable one; who was never root has to clear the others as well.
    check(libc.capset(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), bytes(24)), "capset")
    if left := still_held(Path("/proc/self/status").read_text(), uid, gid):
        raise PrivilegeError(f"privileges are left: {', '.join(left)}")


def still_held(status: str, uid: int, gid: int) -> list[str]:
    """What a /proc/PID/status says that must not be so after `drop`. Pure."""
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    expected = {"Uid": [str(uid)] * 4, "Gid": [str(gid)] * 4, "NoNewPrivs": ["1"]}
    expected |= {key: [_NONE] for key in ("CapInh", "CapPrm", "CapEff", "CapAmb")}
    found = {key: fields.get(key, "").split() for key in expected}
    return [f"{key} {' '.join(found[key]) or 'missing'}" for key in expected if found[key] != expected[key]]


def _wrong_user(uid: int, gid: int) -> PrivilegeError:
    return PrivilegeError(
        f"this runs as user {os.getuid()} and group {os.getgid()}; expected root with SETUID and SETGID, "
        f"or user {uid} and group {gid} already"
    )
