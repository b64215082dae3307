"""`skyrack up` and `skyrack down`."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from skyrack.orchestrator.api.client import ApiClient, ApiError
from skyrack.orchestrator.cli.console import coloured, note
from skyrack.orchestrator.cli.exits import INTERRUPTED, USAGE, Problem
from skyrack.orchestrator.cli.find import RunName
from skyrack.orchestrator.cli.scenario import ScenarioArgument, chosen
from skyrack.orchestrator.clock import RealClock
from skyrack.orchestrator.runtime import paths
from skyrack.orchestrator.runtime.isolate import REFUSED
from skyrack.orchestrator.scenario import Scenario, dump_scenario, load_scenario
from skyrack.orchestrator.scenario.model.shells import ClusterShell, GeostationaryShell, Shell, WalkerShell

DEFAULT_PORT = 8080
STOP_TIMEOUT_S = 20.0
TUN = Path("/dev/net/tun")


def up(
    source: ScenarioArgument = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when everything serves.")] = False,
    run: Annotated[
        str | None,
        typer.Option("--run", help="Name of the run. Default: the scenario's name.", show_default=False),
    ] = None,
    port: Annotated[
        int, typer.Option(help="HTTP port on 127.0.0.1; the next free one if busy; 0 for none.")
    ] = DEFAULT_PORT,
    runs: Annotated[Path, typer.Option(help="Directory for what runs record.")] = Path("runs"),
) -> int:
    """Bring a constellation up and say when everything serves. Ctrl-C stops it; with -d it stays until `skyrack down`."""
    began = time.perf_counter()
    name_given = chosen(source)
    scenario = load_scenario(name_given)
    text = dump_scenario(scenario)
    name = run or scenario.name
    digest = hashlib.sha256(text.encode()).hexdigest()
    _check_tun()
    try:
        directory, lock = paths.claim(name)
    except paths.Busy:
        return _already_up(name, digest, name_given)
    except ValueError as error:
        raise Problem(str(error), status=USAGE) from error
    except OSError as error:
        raise Problem(f"cannot use {paths.base_dir()}: {error.strerror or error}") from error
    try:
        run_dir = paths.new_run_dir(runs, scenario.name, RealClock().utc()).absolute()
        (run_dir / "scenario.yaml").write_text(text)
        log = (run_dir / "logs" / "orchestrator.log").open("ab")
    except OSError as error:
        paths.release(name)
        raise Problem(f"cannot write the run's files below {runs}: {error.strerror or error}") from error
    _step("scenario", _summary(scenario), time.perf_counter() - began)
    starter = _Starter(name, scenario, directory, run_dir, lock, digest)
    return starter.start(log, port or None, detach=detach)


def down(
    run: RunName = None,
    everything: Annotated[bool, typer.Option("--all", help="Stop all of this user's runs.")] = False,
) -> None:
    """Stop a run and leave nothing of it behind but its run directory. Touches nothing it did not start."""
    for name in paths.leftovers():
        paths.release(name)
        note(f"removed what the killed run {name} had left")
    live = paths.live_runs()
    if everything:
        names = live
    elif run is not None:
        names = [run] if run in live else []
    else:
        if len(live) > 1:
            raise Problem(
                f"{len(live)} runs are up: {', '.join(live)}", hint="--run NAME or --all", status=USAGE
            )
        names = live
    if not names:
        note(f"nothing to stop: no run{'' if run is None else f' called {run!r}'} is up")
    for name in names:
        _stop(name)
        print(f"{name} is down")


def _stop(name: str) -> None:
    record = paths.read_record(name)
    try:
        ApiClient(paths.base_dir() / name).post("/v1/down", {})
        asked = True
    except ApiError:
        asked = False
    for number in (None if asked else signal.SIGTERM, signal.SIGKILL):
        if number is not None and record is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(record.pid, number)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while paths.is_held(name):
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        else:
            paths.release(name)
            return
    raise Problem(f"{name} does not stop", hint=f"its init is process {record.pid if record else '?'}")


def _already_up(name: str, digest: str, source: str) -> int:
    record = paths.read_record(name)
    if record is not None and record.scenario_digest != digest:
        raise Problem(
            f"a run called {name} is up with another scenario",
            hint=f"skyrack down --run {name}, or start beside it: skyrack up {source} --run OTHER",
        )
    api = ApiClient(paths.base_dir() / name)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while True:
        with contextlib.suppress(ApiError):
            status = api.get("/v1/status")
            if status["state"] == "up":
                note(f"{name} is already up")
                _show_ready(status)
                return 0
        if time.monotonic() > deadline:
            raise Problem(f"{name} is starting, or hangs", hint=f"skyrack logs orchestrator --run {name}")
        time.sleep(0.1)


def _check_tun() -> None:
    if not TUN.exists():
        raise Problem(f"{TUN} is missing: the kernel module tun is not loaded", hint="sudo modprobe tun")
    try:
        os.close(os.open(TUN, os.O_RDWR))
    except OSError as error:
        raise Problem(
            f"cannot open {TUN}: {error.strerror}", hint=f"most systems allow everybody: sudo chmod 666 {TUN}"
        ) from error


def _summary(scenario: Scenario) -> str:
    parts = [_shell(shell) for shell in scenario.shells]
    parts += [f"element sets from {Path(file).name}" for file in (*scenario.tle, *scenario.omm)]
    parts.append(f"{len(scenario.ground)} ground station{'' if len(scenario.ground) == 1 else 's'}")
    return f"{scenario.name}: " + ", ".join(parts)


def _shell(shell: Shell) -> str:
    match shell:
        case WalkerShell():
            height = f" @ {shell.altitude_km:g} km" if shell.altitude_km is not None else ""
            return f"{shell.planes}x{shell.slots}{height}, {shell.inclination_deg:g} deg"
        case ClusterShell():
            return f"cluster of {shell.satellites} @ {shell.altitude_km:g} km"
        case GeostationaryShell():
            return f"{len(shell.longitudes_deg)} geostationary"


class _Starter:
    """Starts the run's processes and shows their progress."""

    def __init__(
        self, name: str, scenario: Scenario, directory: Path, run_dir: Path, lock: int, digest: str
    ) -> None:
        self._name = name
        self._scenario = scenario
        self._directory = directory
        self._run_dir = run_dir
        self._lock = lock
        self._digest = digest
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, log: IO[bytes], port: int | None, *, detach: bool) -> int:
        read_end, write_end = os.pipe()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        command = [
            sys.executable, "-m", "skyrack.orchestrator.runtime.isolate",
            *([] if detach else ["--die-with-caller"]), "--",
            sys.executable, "-m", "skyrack.orchestrator.runtime",
            "--run", self._name, "--socket-dir", str(self._directory), "--run-dir", str(self._run_dir),
            "--lock-fd", str(self._lock), "--progress-fd", str(write_end),
        ]  # fmt: skip
        if port is not None:
            command += ["--port", str(port)]
        environment = {
            **os.environ,
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "GRPC_VERBOSITY": "ERROR",
        }
        with log:
            # A session of its own: the terminal's Ctrl-C reaches this command only, which asks the run to stop.
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
                pass_fds=(self._lock, write_end), start_new_session=True,
            )  # fmt: skip
        paths.write_record(
            paths.RunRecord(self._name, self._process.pid, str(self._run_dir), self._digest, "starting")
        )
        os.close(write_end)
        os.close(self._lock)
        signal.signal(signal.SIGTERM, _raise_interrupt)
        signal.signal(signal.SIGHUP, _raise_interrupt)
        try:
            return self._follow(read_end, detach=detach)
        except KeyboardInterrupt:
            return self._interrupted()

    def _follow(self, read_end: int, *, detach: bool) -> int:
        process = self._process
        assert process is not None
        error = ""
        with os.fdopen(read_end, encoding="utf-8") as lines:
            for line in lines:
                message: dict[str, Any] = json.loads(line)
                if "step" in message:
                    _step(
                        message["step"],
                        message["text"],
                        message.get("seconds"),
                        running=message["state"] == "running",
                    )
                elif "note" in message:
                    note(message["note"])
                elif "error" in message:
                    error = message["error"]
                elif "ready" in message:
                    _show_ready(message["ready"])
                    if detach:
                        return 0
                    note("Ctrl-C stops it")
                elif "event" in message:
                    _show_event(message["event"])
        status = process.wait()
        if status == 0:
            return 0
        logs = self._run_dir / "logs"
        if status == REFUSED:
            text = (logs / "orchestrator.log").read_text(errors="replace").strip().splitlines()
            # Nothing ran: keep neither sockets nor an empty run directory.
            paths.release(self._name)
            shutil.rmtree(self._run_dir, ignore_errors=True)
            raise Problem(text[0] if text else "no namespaces", hint="\n      ".join(text[1:]))
        paths.release(self._name)
        if status in (128 + signal.SIGKILL, -signal.SIGKILL):
            raise Problem(
                "the run was killed", hint=f"everything of it is gone; its files are in {self._run_dir}"
            )
        raise Problem(error or "the orchestrator ended unexpectedly", hint=f"see {logs / 'orchestrator.log'}")

    def _interrupted(self) -> int:
        process = self._process
        assert process is not None
        signal.signal(signal.SIGINT, lambda *_: process.kill())
        print(file=sys.stderr)
        note("stopping; Ctrl-C again kills")
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        paths.release(self._name)
        return INTERRUPTED


def _raise_interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _step(name: str, text: str, seconds: float | None, *, running: bool = False) -> None:
    if running:
        if sys.stderr.isatty() and text:
            print(f"\r\x1b[2K .. {name:<10} {text}", end="", file=sys.stderr, flush=True)
        return
    start = "\r\x1b[2K" if sys.stderr.isatty() else ""
    took = f"{seconds:7.1f} s" if seconds is not None else ""
    print(f"{start} {coloured('ok', '32')} {name:<10} {text:<72} {took}", file=sys.stderr)


def _show_ready(status: dict[str, Any]) -> None:
    if status["http"]:
        print(f" Metrics  {status['http']}/metrics      Targets  {status['http']}/sd/prometheus")
    print(f" Files    {status['run_dir']}")
    names = [node["name"] for node in status["nodes"] if node["inhabited"]]
    ground = [node["name"] for node in status["nodes"] if node["kind"] == "ground"]
    a, b = (ground + names)[0] if names else "", ""
    others = [name for name in (*ground, *names) if name != a]
    if others:
        b = others[0]
        print(
            f" Next     skyrack ping {a} {b}  |  skyrack load echo --for 30s  |  skyrack status  |  skyrack down"
        )
    sys.stdout.flush()


def _show_event(event: dict[str, Any]) -> None:
    quiet = {"seq", "run_s", "event", "node"}
    if event["event"] in ("node_lit", "zygote"):
        return
    detail = " ".join(f"{key}={value}" for key, value in event.items() if key not in quiet)
    text = f" {event['run_s']:9.3f} s  {event['event']:<15} {event.get('node', '')} {detail}".rstrip()
    print(text, file=sys.stderr)
