"""A place where a test runs the installed `skyrack` command: its own sockets, run directories, user and home."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from skyrack.orchestrator.runtime.paths import is_locked

T = TypeVar("T")

SKYRACK = Path(sys.executable).with_name("skyrack")
ROOT = Path(__file__).parents[2]  # the checkout
PATIENCE_S = 120.0  # with a host that is busy with other things
COMMAND_S = 240.0  # a command that hangs is ended before its test, so that what it said is seen
# A pytest of a user's own, without what he need not have.
QUICK = [
    word
    for name in ("cacheprovider", "hypothesispytest", "asyncio", "timeout")
    for word in ("-p", f"no:{name}")
]
SMALL = """\
version: 1
name: small
extends: iridium
inhabited: {count: 2}
ground: [london, tokyo]
"""
# The demo's constellation, in which the path from London to Tokyo stays for five minutes: tests break what is on it.
STAYING = """\
extends: iridium
name: small
inhabited: {count: 2}
links: {epoch_offset_s: 0}
"""


def port(number: int) -> int:
    """A port of 127.0.0.1 that is this test process's own: those of workers that run beside it are 1,000 apart."""
    return number + 1000 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


def eventually(condition: Callable[[], T | None], what: str, seconds: float = PATIENCE_S) -> T:
    """Wait until the condition is true and return its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)
    return value


def as_computed(ping: Callable[[], list[dict[str, Any]]], within_ms: float = 20.0) -> list[dict[str, Any]]:
    """Ping until a probe of them took what was computed for it: a host that is busy makes some late, and none early.

    `ping` gives probes as `skyrack ping -o json` has them; returned are those of them for which something was computed.
    """

    def one_is() -> list[dict[str, Any]]:
        probes = ping()
        judged = [p for p in probes if p["computed_ms"] is not None]
        late_ms = [p["measured_ms"] - p["computed_ms"] for p in judged if p["measured_ms"] is not None]
        assert not late_ms or min(late_ms) > -0.01, f"earlier than computed: {probes}"
        return judged if late_ms and min(late_ms) < within_ms else []

    return eventually(one_is, f"a probe that is at most {within_ms:g} ms late")


def whole_lines(file: Path) -> list[str]:
    """The lines of a file that somebody is writing: the last one may not be whole yet, and is left out then."""
    return file.read_text().split("\n")[:-1]


def all_processes() -> dict[int, tuple[int, str]]:
    """Of every process of the machine that has not ended: its parent, and its state as the kernel has it, T for stopped.

    Not from the lists of children that the kernel gives: one of whom a brother ends meanwhile may be missing there.
    """
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                state, parent, *_ = (entry / "stat").read_text().rpartition(") ")[2].split()
                if state not in "ZX":
                    found[int(entry.name)] = int(parent), state
    return found


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Everything it said."""
        return self.out + self.err

    def expect(self, status: int = 0) -> Ended:
        """Itself, when it ended so and without a traceback."""
        assert "Traceback" not in self.text, self.text
        assert self.status == status, f"exit status {self.status}, expected {status}:\n{self.text}"
        return self


class Foreground:
    """A command that goes on, with what it has said so far."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def said(self) -> str:
        """All output so far."""
        return self._log.read_text(errors="replace")

    def says(self, text: str) -> str:
        """Wait until it has said so."""
        eventually(lambda: text in self.said or self.process.poll() is not None, f"{text!r} said")
        assert text in self.said, f"ended with {self.process.poll()} without {text!r}:\n{self.said}"
        return self.said

    def ends(self, status: int) -> str:
        """Wait for its end; what it said."""
        try:
            found = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"not ended within {PATIENCE_S:g} s; so far:\n{self.said}") from None
        assert "Traceback" not in self.said, self.said
        assert found == status, f"exit status {found}, expected {status}:\n{self.said}"
        return self.said


def as_user(uid: int) -> list[str]:
    """What to put before a command so that the user `uid` runs it, wherever Python and the checkout lie."""
    readable = (sys.base_prefix, sys.prefix, ROOT)
    return [sys.executable, str(Path(__file__).with_name("as_user.py")), str(uid), *map(str, readable), "--"]


@dataclass
class Place:
    """One user's corner of the machine. `uid` None: whoever runs the tests."""

    directory: Path
    uid: int | None = None
    environment: dict[str, str] = field(default_factory=dict)
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def sockets(self) -> Path:
        """SKYRACK_SOCKET_DIR."""
        return self.directory / "s"

    @property
    def runs(self) -> Path:
        """What runs record."""
        return self.directory / "runs"

    @property
    def scenario(self) -> Path:
        """A scenario of four nodes, quick to start."""
        return self.directory / "small.yaml"

    def start(self, arguments: tuple[object, ...], **options: Any) -> subprocess.Popen[bytes]:
        """Start a command; `within` is what runs it."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "SKYRACK_SOCKET_DIR": str(self.sockets),
            "SKYRACK_UP_RUNS": str(self.runs),
            "SKYRACK_UP_PORT": "0",
            "SKYRACK_UP_BROKER_PORT": "0",
            "SKYRACK_UP_ENTRY_PORT": "0",
            **self.environment,
        }
        chosen: dict[str, Any] = {"cwd": self.directory, "env": environment, "stdin": subprocess.DEVNULL}
        within: list[str] = options.pop("within", [])
        if self.uid is not None:
            within = [*as_user(self.uid), *within]
        process = subprocess.Popen([*within, str(SKYRACK), *map(str, arguments)], **(chosen | options))
        self.started.append(process)
        return process

    def skyrack(self, *arguments: object, timeout_s: float = COMMAND_S, **options: Any) -> Ended:
        """Run a command to its end."""
        process = self.start(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            said = b"".join(process.communicate()).decode(errors="replace")
            raise AssertionError(f"{arguments}: not ended within {timeout_s:g} s; so far:\n{said}") from None
        except BaseException:
            process.kill()
            process.communicate()
            raise
        return Ended(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))

    def foreground(self, *arguments: object) -> Foreground:
        """Start a command and go on."""
        log = self.directory / f"said-{time.monotonic_ns()}"
        with log.open("wb") as out:
            return Foreground(self.start(arguments, stdout=out, stderr=out), log)

    def up(self, *arguments: object) -> Ended:
        """A run of the small scenario, detached."""
        return self.skyrack("up", self.scenario, "--detach", *arguments).expect()

    def down(self) -> None:
        """Stop everything here, whatever its state."""
        self.skyrack("down", "--all")

    def status(self, *arguments: object) -> dict[str, Any]:
        """`skyrack status -o json`."""
        answer: dict[str, Any] = json.loads(self.skyrack("status", "-o", "json", *arguments).expect().out)
        return answer

    def node(self, name: str, *arguments: object) -> dict[str, Any]:
        """One node's entry of the status."""
        return next(node for node in self.status(*arguments)["nodes"] if node["name"] == name)

    def bare(self) -> str:
        """A satellite without a process."""
        return str(next(node["name"] for node in self.status()["nodes"] if not node["inhabited"]))

    def events(self) -> list[dict[str, Any]]:
        """What the newest run has recorded so far."""
        return [json.loads(line) for line in whole_lines(self.runs / "latest" / "events.jsonl")]

    def ping(self, a: str, b: str, *arguments: object, count: int = 1) -> list[dict[str, Any]]:
        """Ping until all probes of one call came back, which they do once a is reached by b, on a host that is not too busy."""
        words = ("ping", a, b, "-c", count, "-i", "50ms", "-o", "json", *arguments)

        def came_back() -> list[dict[str, Any]]:
            ended = self.skyrack(*words)
            probes: list[dict[str, Any]] = json.loads(ended.expect(ended.status and 1).out)["probes"]
            assert len(probes) == count
            return probes if all(probe["measured_ms"] is not None for probe in probes) else []

        return eventually(came_back, f"{count} of {count} probes from {a} to {b} came back")

    def mark(self) -> int:
        """Number of the newest event: `after=` of a later `event`."""
        return max((int(event["seq"]) for event in self.events()), default=0)

    def event(self, name: str, *, after: int = 0, **fields: object) -> dict[str, Any]:
        """Wait for an event with these fields; the first such after number `after`."""

        wanted = {"event": name, **fields}

        def found() -> list[dict[str, Any]]:
            return [one for one in self.events() if one["seq"] > after and wanted.items() <= one.items()]

        return eventually(found, f"event {wanted}")[0]

    def serves_again(self) -> None:
        """Wait until every node serves."""
        eventually(
            lambda: all(n["state"] == "serving" for n in self.status()["nodes"] if n["inhabited"]),
            "all nodes serving",
        )

    # Processes, seen from outside

    def processes(self) -> dict[int, str]:
        """Processes that were started with this place's environment: pid and command line."""
        mark = f"SKYRACK_SOCKET_DIR={self.sockets}\0".encode()
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                with contextlib.suppress(OSError):
                    if mark in (entry / "environ").read_bytes() + b"\0":
                        found[int(entry.name)] = (
                            (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                        )
        return found

    def tree(self, run: str = "small") -> dict[str, int]:
        """Pids of the run's processes by their part: outer, init, orchestrator, fabric, zygote, and nodes by name."""
        children: dict[int, list[int]] = {}
        for pid, (parent, _) in all_processes().items():
            children.setdefault(parent, []).append(pid)
        outer = json.loads((self.sockets / run / "run.json").read_text())["pid"]
        (init,) = children[outer]
        (orchestrator,) = children[init]
        found = {"outer": outer, "init": init, "orchestrator": orchestrator}
        for pid in children[orchestrator]:
            line = _proc(pid, "cmdline")
            for part in ("fabric", "zygote"):
                if f"skyrack.orchestrator.{part}\0" in line or f"skyrack.node.{part}\0" in line:
                    found[part] = pid
            if "mosquitto\0" in line or "skyrack.orchestrator.broker\0" in line:
                found["broker"] = pid
            if "skyrack.groundstation.entry\0" in line:
                found["entry"] = pid
        for pid in children[found["zygote"]]:
            found[_proc(pid, "comm").strip().removeprefix("sky ")] = pid
        return found

    def kill(self, part: str, number: int = signal.SIGKILL) -> None:
        """Signal a part of the small run."""
        os.kill(self.tree()[part], number)

    def suspend(self, part: str) -> int:
        """Stop a part of the small run, and wait until every thread of it stands still; its pid, for SIGCONT."""
        pid = self.tree()[part]
        os.kill(pid, signal.SIGSTOP)
        eventually(lambda: is_suspended(pid), f"{part} suspended")
        return pid

    def has_ended(self) -> None:
        """Wait until no process of any run is left, and none holds a run's name: it lets go of it a moment after its memory."""
        eventually(lambda: not (self.processes() or self._held()), "the end of everything")

    def _held(self) -> list[Path]:
        """Locks of runs that somebody holds."""
        return [path for path in self.sockets.glob("*.lock") if is_locked(path)]

    def is_clean(self) -> None:
        """Nothing of any run is left but what it recorded: no process, no socket, no mount."""
        self.has_ended()
        assert not self.sockets.exists(), sorted(self.sockets.rglob("*"))
        assert str(self.sockets) not in Path("/proc/mounts").read_text()


def is_suspended(pid: int) -> bool:
    """Whether all of a process stands still: after SIGSTOP its threads stop one after the other."""
    tasks = Path(f"/proc/{pid}/task")
    return {_proc(int(task), "stat").rpartition(") ")[2][:1] for task in os.listdir(tasks)} == {"T"}


def _proc(pid: int, name: str) -> str:
    """A file about a process; empty for one that has ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/{name}").read_text()
    return ""


@contextlib.contextmanager
def open_place(uid: int | None = None) -> Any:
    """A new place; at the end everything in it is stopped and removed."""
    # Not pytest's directory: the path of a Unix socket has 107 bytes.
    directory = Path(tempfile.mkdtemp(prefix="skyrack-e2e-", dir="/tmp"))
    place = Place(directory, uid)
    place.scenario.write_text(SMALL)
    if uid is not None:
        for path in (directory, place.scenario):
            os.chown(path, uid, uid)
    try:
        yield place
    finally:
        try:
            if place.sockets.exists():  # else nothing is up, and nothing is left of what was
                place.down()
        finally:
            for pid in place.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for process in place.started:
                process.kill()
                process.wait()
            shutil.rmtree(directory, ignore_errors=True)
