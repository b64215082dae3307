"""Acting inside another process's namespaces, as root and as the owner of a user namespace."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from skyrack.v1 import namespaces

pytestmark = pytest.mark.mesh

# Becomes pid 1 of fresh namespaces below this process, says its pid as seen from here, and listens on a socket.
TARGET = """
import os, signal, socket, sys
from pathlib import Path
from skyrack.v1 import namespaces as ns
if sys.argv[1] == "user":
    uid, gid = os.getuid(), os.getgid()
    ns.unshare(ns.CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
ns.unshare(ns.CLONE_NEWPID)
pid = os.fork()
if pid == 0:
    ns.die_with_parent()
    ns.unshare(ns.CLONE_NEWNS | ns.CLONE_NEWNET | ns.CLONE_NEWUTS)
    ns.make_mounts_private()
    socket.sethostname("inside")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[2])
    listener.listen()
    os.write(1, b"ready\\n")
    signal.pause()
os.write(1, b"%d\\n" % pid)
os.waitpid(pid, 0)
"""

VARIANTS = ["user"] if os.getuid() else ["root", "user"]


@contextmanager
def target(variant: str, path: Path) -> Iterator[int]:
    command = [sys.executable, "-c", TARGET, variant, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        words = {process.stdout.readline().strip() for _ in range(2)}
        try:
            assert "ready" in words, words
            yield int((words - {"ready"}).pop())
        finally:
            process.kill()


@pytest.fixture(params=VARIANTS)
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[int, Path]]:
    path = tmp_path / "listener.sock"
    with target(request.param, path) as pid:
        yield pid, path


@pytest.fixture
def inside(listener: tuple[int, Path]) -> int:
    return listener[0]


def in_child(pid: int, code: str) -> int:
    """Exit status of Python code run in the namespaces of `pid`."""
    child = namespaces.fork_into(pid)
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", code])
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_the_listener_of_a_socket_is_found_under_the_pid_seen_from_here(listener: tuple[int, Path]) -> None:
    pid, path = listener
    assert namespaces.pid_of_socket(path) == pid


def test_a_socket_nobody_listens_on_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"none\.sock") as error:
        namespaces.pid_of_socket(tmp_path / "none.sock")
    assert error.value.errno


def test_a_forked_child_lives_in_all_the_namespaces(inside: int) -> None:
    checks = """
import os, socket
assert socket.gethostname() == "inside", socket.gethostname()
assert os.getpid() < 1000 and os.getppid() == 0
assert os.getuid() == 0
assert open("/proc/net/route").read().count("\\n") <= 1, "the host's routes are visible"
"""
    assert in_child(inside, checks) == 0


def test_the_child_keeps_the_working_directory(
    inside: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert in_child(inside, f"import os; assert os.getcwd() == {str(tmp_path)!r}") == 0


def test_the_exit_status_of_the_child_reaches_the_caller(inside: int) -> None:
    assert in_child(inside, "raise SystemExit(7)") == 7


def test_the_caller_stays_where_it_is(inside: int) -> None:
    links = {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in ("user", "pid", "net", "mnt", "uts")}
    assert in_child(inside, "") == 0
    assert links == {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in links}


def test_the_child_dies_with_the_pid_namespace(inside: int) -> None:
    child = namespaces.fork_into(inside)
    if child == 0:
        signal.pause()
        os._exit(0)
    os.kill(inside, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def test_the_child_dies_with_its_caller(inside: int) -> None:
    code = f"""
import os, signal
from skyrack.v1 import namespaces
child = namespaces.fork_into({inside})
if child == 0:
    signal.pause()
print(child, flush=True)
signal.pause()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as caller:
        assert caller.stdout is not None
        pidfd = os.pidfd_open(int(caller.stdout.readline()))
        caller.kill()
        # A pidfd becomes readable when its process ends; the read end of stdout closes with the last holder.
        assert caller.stdout.read() == ""
        os.close(pidfd)


def test_forking_works_beside_threads(inside: int) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        assert in_child(inside, "") == 0
    finally:
        stop.set()
        thread.join()


def test_entering_beside_threads_is_refused_with_the_reason(inside: int) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        with pytest.raises(OSError, match="one thread"):
            namespaces.enter(inside)
    finally:
        stop.set()
        thread.join()


def test_a_process_that_is_gone_is_an_error_here_not_in_a_child() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with pytest.raises(ProcessLookupError, match=str(gone.pid)):
        namespaces.fork_into(gone.pid)


def test_failed_calls_leave_no_descriptor_or_child(inside: int) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        assert in_child(inside, "") == 0
        with pytest.raises(OSError, match="999999999"):
            namespaces.fork_into(999_999_999)
    assert len(os.listdir("/proc/self/fd")) == before


def test_mount_errors_name_the_target(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        namespaces.mount("tmpfs", tmp_path / "missing", "tmpfs")
