"""Starts a run's processes, shows what they report, and waits for the end when not detached."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from skyrack.orchestrator.cli.console import coloured, note
from skyrack.orchestrator.cli.entered import entries_line
from skyrack.orchestrator.cli.exits import INTERRUPTED, Problem
from skyrack.orchestrator.cli.happenings import is_news, level, sentence
from skyrack.orchestrator.cli.held_back import HeldBack
from skyrack.orchestrator.runtime import paths
from skyrack.orchestrator.runtime.isolate import REFUSED

STOP_TIMEOUT_S = 60.0  # Ctrl-C again does not wait for it
DYING_S = 60.0
POLL_S = 0.02
LOOPBACK = "127.0.0.1"
_KILLED = (128 + signal.SIGKILL, -signal.SIGKILL)
_COLOURS = {"error": "31", "warning": "33"}


class Starter:
    """One start. Owns the claim on the run's name: what goes wrong before everything serves leaves nothing behind."""

    def __init__(self, name: str, directory: Path, lock: int, run_dir: Path, digest: str) -> None:
        self._name = name
        self._directory = directory
        self._lock: int | None = lock
        self._run_dir = run_dir
        self._digest = digest
        self._process: subprocess.Popen[bytes] | None = None
        self._error = ""

    def start(self, arguments: Sequence[str], held: HeldBack, *, detach: bool) -> int:
        """The exit status: when everything serves (detached), else when the run has ended. Raises Problem.

        `arguments`: the orchestrator's options about its HTTP port and its broker. `held`: signals, let go here, which
        raise KeyboardInterrupt.
        """
        kept = False
        try:
            held.let_go()
            read_end = self._spawn(arguments, detach=detach)
            kept = self._follow(read_end, detach=detach)
            return 0 if kept else self._ended()
        except KeyboardInterrupt:
            self._stop()
            return INTERRUPTED
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise Problem(f"cannot start: {where}{error.strerror or error}") from error
        finally:
            if not kept:
                self._clean_up()

    def _spawn(self, arguments: Sequence[str], *, detach: bool) -> int:
        read_end, write_end = os.pipe()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        assert self._lock is not None
        command = [
            sys.executable, "-m", "skyrack.orchestrator.runtime.isolate",
            *([] if detach else ["--die-with", str(os.getpid())]), "--",
            sys.executable, "-m", "skyrack.orchestrator.runtime",
            "--run", self._name, "--socket-dir", str(self._directory), "--run-dir", str(self._run_dir),
            "--lock-fd", str(self._lock), "--progress-fd", str(write_end), *arguments,
        ]  # fmt: skip
        environment = {
            **os.environ,
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "GRPC_VERBOSITY": "ERROR",
        }
        # A process that is started is one that this command knows of and can end.
        with HeldBack(), (self._run_dir / "logs" / "orchestrator.log").open("ab") as log:
            # A session of its own: the terminal's Ctrl-C reaches this command only, which asks the run to stop.
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
                pass_fds=(self._lock, write_end), start_new_session=True,
            )  # fmt: skip
            record = paths.RunRecord(self._name, self._process.pid, str(self._run_dir), self._digest)
            paths.write_record(record)
            os.close(write_end)
            os.close(self._lock)
            self._lock = None
        return read_end

    def _follow(self, read_end: int, *, detach: bool) -> bool:
        """Show messages; True when the run serves and is to be left alone, False when it has ended."""
        ready = False
        with os.fdopen(read_end, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    message: dict[str, Any] = json.loads(line)
                except ValueError:
                    continue  # cut off by a kill
                if "step" in message:
                    show_step(message)
                elif "note" in message:
                    note(message["note"])
                elif "error" in message:
                    self._error = message["error"]
                elif "event" in message:
                    show_event(message["event"], ready=ready)
                elif "ready" in message:
                    ready = True
                    show_ready(message["ready"])
                    if detach:
                        return True
                    note("Ctrl-C stops it")
        return False

    def _ended(self) -> int:
        process = self._process
        assert process is not None
        status = process.wait()
        if status == 0:
            return 0
        log = self._run_dir / "logs" / "orchestrator.log"
        if status == REFUSED:
            text = log.read_text(errors="replace").strip().splitlines()
            paths.discard_run_dir(self._run_dir)  # nothing ran
            raise Problem(text[0] if text else "no namespaces", hint="\n      ".join(text[1:]))
        if status in _KILLED and not self._error:
            raise Problem(
                "the run was killed",
                hint=f"nothing of it is left but its files in {self._run_dir}; start again with skyrack up",
            )
        raise Problem(self._error or f"the orchestrator ended with status {status}", hint=f"more in {log}")

    def _stop(self) -> None:
        """Ask the run to end, and give it time for that."""
        process = self._process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        signal.signal(signal.SIGINT, lambda *_: process.kill())
        with contextlib.suppress(OSError):  # the terminal may have gone: that is what SIGHUP says
            print(file=sys.stderr)
            note("stopping; Ctrl-C again kills")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT_S)

    def _clean_up(self) -> None:
        """Wait for the end of everything, however the outermost process ended, and remove what it leaves."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        deadline = time.monotonic() + DYING_S
        while self._lock is None and paths.is_held(self._name) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        paths.release(self._name, self._lock)


def interrupt(*_: object) -> None:
    """A signal handler: what ends this command ends it like Ctrl-C."""
    raise KeyboardInterrupt


def step(name: str, text: str, seconds: float | None) -> None:
    """A step that is done."""
    show_step({"step": name, "text": text, "seconds": seconds, "state": "ok"})


def show_step(message: dict[str, Any]) -> None:
    """A step, done or (on a terminal) under way."""
    terminal = sys.stderr.isatty()
    name, text, seconds = message["step"], message["text"], message.get("seconds")
    if message["state"] == "running":
        if terminal and text:
            print(f"\r\x1b[2K .. {name:<10} {text}", end="", file=sys.stderr, flush=True)
        return
    start = "\r\x1b[2K" if terminal else ""
    took = f"{seconds:7.1f} s" if seconds is not None else ""
    print(f"{start} {coloured('ok', '32')} {name:<10} {text:<72} {took}", file=sys.stderr)


def show_event(event: Mapping[str, Any], *, ready: bool) -> None:
    """What has happened, if it is news."""
    if not is_news(event):
        return
    start = "\r\x1b[2K" if sys.stderr.isatty() and not ready else ""
    colour = _COLOURS.get(level(event))
    text = coloured(sentence(event), colour) if colour else sentence(event)
    print(f"{start} {event['run_s']:9.3f} s  {text}", file=sys.stderr)


def show_ready(status: dict[str, Any]) -> None:
    """Where everything is, and what to try next."""
    if status["http"]:
        print(f" Metrics  {status['http']}/metrics      Targets  {status['http']}/sd/prometheus")
    if (bus := status["bus"]) and bus["host"] == LOOPBACK:
        print(f" MQTT     mqtt://{LOOPBACK}:{bus['port']}      user and password in {bus['way_in']}")
    if entries := status["entries"]:
        print(f" Entries  {entries_line(entries)}")
    print(f" Files    {status['run_dir']}")
    inhabited = [node["name"] for node in status["nodes"] if node["inhabited"]]
    ground = [node["name"] for node in status["nodes"] if node["kind"] != "satellite"]
    sources = ground or inhabited
    others = [node["name"] for node in status["nodes"] if node["name"] not in sources[:1]]
    targets = [name for name in (*ground, *inhabited) if name in others] or others
    tries = [f"skyrack ping {sources[0]} {targets[0]}"] if sources and targets else []
    tries += ["skyrack load echo --for 30s"] if len(inhabited) > 1 else []
    run = f" --run {status['run']}" if len(paths.live_runs()) > 1 else ""
    print(" Next     " + "  |  ".join(f"{text}{run}" for text in (*tries, "skyrack status", "skyrack down")))
    sys.stdout.flush()
