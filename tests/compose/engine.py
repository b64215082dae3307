"""A container engine for the tests: the one that is reachable, else one of their own that leaves nothing behind.

an engine answers? ------------------------------ yes --> it, and it stays
      | no
root, and there is dockerd? --------------------- yes --> one in a temporary directory: images, containers, socket, log
      | no                                                what it changes elsewhere (packet filter, a bridge, forwarding,
   NoEngine, with the reason                              a control group) is put back
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from .docker import Docker

READY_S = 120.0
STOPPED_S = 60.0
FILTER_S = 60.0
# Where the kernel gives real-time priority by control group, an engine has none to give until it is told to.
CPU_GROUPS = Path("/sys/fs/cgroup/cpu")
REALTIME_BUDGET = "cpu.rt_runtime_us"
SPARED_US = 50_000
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
BRIDGE = "docker0"


class NoEngine(Exception):
    """No engine can run here; why."""


@contextlib.contextmanager
def engine(directory: Path) -> Iterator[tuple[Docker, int]]:
    """The command for an engine that answers, and the microseconds of each second it may give to real-time programs: 0 where
    that is not decided by the engine. Raises NoEngine."""
    if shutil.which("docker") is None:
        raise NoEngine("there is no docker command")
    docker = Docker()
    if docker.works("version", timeout_s=60):
        yield docker, 0
        return
    if os.getuid() != 0:
        raise NoEngine("no engine answers, and starting one needs root")
    for program in ("dockerd", "iptables", "iptables-save", "iptables-restore"):
        if shutil.which(program) is None:
            raise NoEngine(f"no engine answers, and there is no {program} to start one")
    realtime_us = _realtime_us()
    with _host_as_it_was(), _own(directory, realtime_us) as started:
        yield started, realtime_us


def _realtime_us() -> int:
    """What is left of each second to give to a control group, in microseconds; 0 where the kernel gives none by group."""
    try:
        whole = int((CPU_GROUPS / REALTIME_BUDGET).read_text())
    except OSError:
        return 0
    given = sum(int(budget.read_text()) for budget in CPU_GROUPS.glob(f"*/{REALTIME_BUDGET}"))
    return max(0, whole - given - SPARED_US)


@contextlib.contextmanager
def _own(directory: Path, realtime_us: int) -> Iterator[Docker]:
    socket = f"unix://{directory}/docker.sock"
    log = directory / "dockerd.log"
    command = [
        "dockerd", f"--host={socket}", f"--data-root={directory}/data", f"--exec-root={directory}/exec",
        f"--pidfile={directory}/pid", f"--cgroup-parent=/{_cgroup(directory)}",
    ]  # fmt: skip
    if realtime_us:
        command.append(f"--cpu-rt-runtime={realtime_us}")
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    docker = Docker({"DOCKER_HOST": socket})
    try:
        deadline = time.monotonic() + READY_S
        while not docker.works("version"):
            if process.poll() is not None or time.monotonic() > deadline:
                last = " / ".join(log.read_text(errors="replace").strip().splitlines()[-3:])
                raise NoEngine(f"dockerd does not start here: {last}")
            time.sleep(0.2)
        # The engine drops what the host forwards; the namespaces of others on this machine are not its business.
        subprocess.run(["iptables", "--wait", "-P", "FORWARD", "ACCEPT"], check=True, timeout=FILTER_S)
        yield docker
    finally:
        process.terminate()
        try:
            process.wait(STOPPED_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        _unmount_below(directory)
        for group in Path("/sys/fs/cgroup").glob(f"*/{_cgroup(directory)}"):
            for part in (*sorted(group.rglob("*/"), reverse=True), group):
                with contextlib.suppress(OSError):
                    part.rmdir()


def _cgroup(directory: Path) -> str:
    return f"skyrack-{directory.name}"


@contextlib.contextmanager
def _host_as_it_was() -> Iterator[None]:
    """Puts back the packet filter, forwarding and the list of bridges."""
    filters = subprocess.run(
        ["iptables-save"], capture_output=True, text=True, check=True, timeout=FILTER_S
    ).stdout
    forwarding = FORWARDING.read_text()
    had_bridge = Path("/sys/class/net", BRIDGE).exists()
    try:
        yield
    finally:
        # Restoring replaces the tables that are in the text; the engine may have made others.
        for table in ("filter", "nat"):
            if f"*{table}" not in filters:
                for words in (["-F"], ["-X"]):
                    subprocess.run(["iptables", "--wait", "-t", table, *words], check=False, timeout=FILTER_S)
        subprocess.run(["iptables", "--wait", "-P", "FORWARD", "ACCEPT"], check=False, timeout=FILTER_S)
        subprocess.run(
            ["iptables-restore", "--wait"], input=filters, text=True, check=False, timeout=FILTER_S
        )
        FORWARDING.write_text(forwarding)
        if not had_bridge and Path("/sys/class/net", BRIDGE).exists():
            subprocess.run(["ip", "link", "delete", BRIDGE], check=False, timeout=FILTER_S)


def _unmount_below(directory: Path) -> None:
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(f"{directory}/")), reverse=True):
        subprocess.run(["umount", "--lazy", mount], check=False, timeout=FILTER_S)
