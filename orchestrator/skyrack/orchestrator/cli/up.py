"""`skyrack up`."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import signal
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from skyrack.orchestrator.api.client import ApiClient, ApiError
from skyrack.orchestrator.cli import contained
from skyrack.orchestrator.cli.console import note
from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.cli.held_back import HeldBack
from skyrack.orchestrator.cli.scenario import ScenarioArgument, chosen
from skyrack.orchestrator.cli.starter import Starter, interrupt, show_ready, step
from skyrack.orchestrator.clock import RealClock
from skyrack.orchestrator.render import mosquitto
from skyrack.orchestrator.render.compose import FIRST_ENTRY_PORT
from skyrack.orchestrator.runtime import compose, paths
from skyrack.orchestrator.scenario import Scenario, dump_scenario, load_scenario
from skyrack.orchestrator.scenario.model.shells import ClusterShell, GeostationaryShell, Shell, WalkerShell

DEFAULT_PORT = 8080
PATIENCE_S = 60.0  # with a run of the same name that holds its name and does not answer
POLL_S = 0.1
TUN = Path("/dev/net/tun")
_OTHER_RUNTIME = "a run called {name} is up, as {runtime}"


class BrokerKind(StrEnum):
    """Where the broker of the telemetry bus comes from."""

    AUTO = "auto"
    MOSQUITTO = "mosquitto"
    EMBEDDED = "embedded"
    NONE = "none"


class Runtime(StrEnum):
    """What the processes of a run are."""

    LOCAL = "local"
    COMPOSE = "compose"


def up(
    source: ScenarioArgument = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when everything serves.")] = False,
    run: Annotated[
        str | None,
        typer.Option("--run", help="Name of the run. Default: the scenario's name.", show_default=False),
    ] = None,
    port: Annotated[
        int,
        typer.Option(help="HTTP port on 127.0.0.1; the next free one if busy; 0 for none.", min=0, max=65535),
    ] = DEFAULT_PORT,
    broker: Annotated[
        BrokerKind,
        typer.Option(
            help="Message broker of the telemetry bus: auto is mosquitto if installed, else embedded."
        ),
    ] = BrokerKind.AUTO,
    broker_port: Annotated[
        int,
        typer.Option(
            help="The broker's port on 127.0.0.1; the next free one if busy; 0 for none.", min=0, max=65535
        ),
    ] = mosquitto.PORT,
    entry_port: Annotated[
        int,
        typer.Option(
            help="First port on 127.0.0.1 of the entries, the nodes on the ground that let you in; "
            "the next free ones if busy; 0 for none.",
            min=0,
            max=65535,
        ),
    ] = FIRST_ENTRY_PORT,
    protect_reads: Annotated[
        bool,
        typer.Option(
            "--protect-reads",
            help="Over HTTP, ask for the run's token for readings too, not for changes only.",
        ),
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="A name besides localhost that HTTP clients may use.", show_default=False),
    ] = None,
    runs: Annotated[Path, typer.Option(help="Directory for what runs record.")] = Path("runs"),
    runtime: Annotated[
        Runtime, typer.Option(help="What a node is: a process here, or a container of Docker Compose.")
    ] = Runtime.LOCAL,
    compose_file: Annotated[
        list[Path] | None,
        typer.Option(
            help="With compose: one more compose file, merged over the rendered one. Several times.",
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
    build: Annotated[
        bool, typer.Option("--build", help="With compose: build the image even if there is one.")
    ] = False,
) -> int:
    """Bring a constellation up and say when everything serves. Ctrl-C stops it; with -d it stays until `skyrack down`."""
    began = time.perf_counter()
    if contained.is_inside():
        raise Problem(
            "this is the container of a run that is up, and starts no other",
            hint="skyrack status shows it; start others outside",
            status=USAGE,
        )
    name_given = chosen(source)
    scenario = load_scenario(name_given)
    text = dump_scenario(scenario)
    name = run or scenario.name
    digest = hashlib.sha256(text.encode()).hexdigest()
    if runtime is Runtime.COMPOSE:
        if protect_reads or allow_host:
            raise Problem(
                "--protect-reads and --allow-host need --runtime local",
                status=USAGE,
                hint="with compose they are options of the orchestrator's command: --compose-file FILE changes it",
            )
        from skyrack.orchestrator.cli.compose_starter import ComposeStarter

        if broker is not BrokerKind.AUTO:
            raise Problem(
                "--broker needs --runtime local: containers have mosquitto",
                hint="`telemetry: {enabled: false}` in the scenario turns the bus off",
                status=USAGE,
            )
        if not (port and broker_port and entry_port):
            raise Problem(
                "--port 0, --broker-port 0 and --entry-port 0 need --runtime local",
                hint="`ports: !reset []` for a service in a --compose-file publishes nothing",
                status=USAGE,
            )
        if _already_up_in_containers(name, digest, name_given):
            return 0
        run_dir = _new_run_dir(runs, scenario.name, text)
        step("scenario", _summary(scenario), time.perf_counter() - began)
        starter = ComposeStarter(name, run_dir, digest, compose_file or [])
        return starter.start(scenario, port, broker_port, entry_port, build=build, detach=detach)
    if compose_file or build:
        raise Problem("--compose-file and --build need --runtime compose", status=USAGE)
    _require_commands(scenario)
    if name in contained.live():
        raise Problem(
            _OTHER_RUNTIME.format(name=name, runtime="containers"), hint=f"skyrack down --run {name}"
        )
    check_tun(TUN)
    arguments = [
        *_http(port, allow_host or [], protect_reads=protect_reads),
        *("--broker", broker.value),
        *(["--broker-port", str(broker_port)] if broker_port else []),
        *(["--entry-port", str(entry_port)] if entry_port else []),
    ]
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    # Who has claimed a name gives it back: from then on signals wait until the starter sees to that.
    with HeldBack() as held:
        while True:
            try:
                directory, lock = paths.claim(name)
                break
            except paths.Busy:
                held.let_go()
                if _already_up(name, digest, name_given):
                    return 0
                held.hold()
            except ValueError as error:
                raise Problem(str(error), status=USAGE) from error
            except OSError as error:
                raise Problem(
                    f"cannot use {paths.base_dir()}: {error.strerror or error}",
                    hint="SKYRACK_SOCKET_DIR chooses another directory for sockets",
                ) from error
        try:
            run_dir = _new_run_dir(runs, scenario.name, text)
        except BaseException:
            paths.release(name, lock)
            raise
        step("scenario", _summary(scenario), time.perf_counter() - began)
        return Starter(name, directory, lock, run_dir, digest).start(arguments, held, detach=detach)


def _require_commands(scenario: Scenario) -> None:
    """Images need containers: raise Problem for a service that is nothing else, and say which ones are left out."""
    for service in scenario.services:
        if service.image and service.command is None:
            raise Problem(
                f"service '{service.name}' has an image and no command: that needs containers",
                hint="--runtime compose, or give it a command, which runs in the nodes",
                status=USAGE,
            )
    ignored = [service.name for service in scenario.services if service.image]
    if ignored:
        note(f"{', '.join(ignored)}: no image without containers, the command runs in the nodes")


def _http(port: int, allow_hosts: list[str], *, protect_reads: bool) -> list[str]:
    """The orchestrator's options for its HTTP port."""
    if not port:
        return []
    names = [word for name in allow_hosts for word in ("--allow-host", name)]
    return ["--port", str(port), *names, *(["--protect-reads"] if protect_reads else [])]


def _already_up_in_containers(name: str, digest: str, source: str) -> bool:
    """Whether that very run is up. Raises Problem for another one of the name, or no engine."""
    if not paths.is_run_name(name):
        raise Problem(f"{name!r} cannot name a run: up to 63 letters, digits, - and _", status=USAGE)
    if name != name.lower():
        raise Problem(
            f"{name!r} cannot name a compose project: no capitals", hint=f"--run {name.lower()}", status=USAGE
        )
    with contained.engine_problems():
        compose.require_engine()
        record = compose.live().get(name)
    if record is None:
        if paths.is_held(name):
            raise Problem(
                _OTHER_RUNTIME.format(name=name, runtime="processes"), hint=f"skyrack down --run {name}"
            )
        return False
    if record.scenario_digest != digest:
        raise _another_scenario(name, source)
    if not contained.is_running(record):
        raise Problem(
            f"{name} has containers, but no orchestrator runs",
            hint=f"skyrack down --run {name}, and start again",
        )
    note(f"{name} is already up: skyrack status --run {name}")
    return True


def _another_scenario(name: str, source: str) -> Problem:
    return Problem(
        f"a run called {name} is up with another scenario",
        hint=f"skyrack down --run {name}, or start beside it: skyrack up {source} --run OTHER",
    )


def _new_run_dir(runs: Path, name: str, text: str) -> Path:
    """The run's directory, with its scenario in it. Raises Problem, and leaves nothing then."""
    run_dir: Path | None = None
    try:
        run_dir = paths.new_run_dir(runs, name, RealClock().utc()).absolute()
        (run_dir / "scenario.yaml").write_text(text)
        paths.point_latest_at(run_dir)
    except OSError as error:
        if run_dir is not None:
            paths.discard_run_dir(run_dir)
        hint = "make room, or choose another directory with --runs"
        if error.errno != errno.ENOSPC:
            hint = "choose a directory you can write to with --runs"
        raise Problem(f"cannot write below {runs}: {error.strerror or error}", hint=hint) from error
    return run_dir


def _already_up(name: str, digest: str, source: str) -> bool:
    """Wait until the run that has the name serves, and show it; False when it has gone. Raises Problem."""
    api = ApiClient(paths.base_dir() / name)
    deadline = time.monotonic() + PATIENCE_S
    while paths.is_held(name):
        record = paths.read_record(name)
        if record is not None and record.scenario_digest != digest:
            raise _another_scenario(name, source)
        with contextlib.suppress(ApiError):
            status = api.get("/v1/status")
            if status["state"] == "up":
                note(f"{name} is already up")
                show_ready(status)
                return True
            deadline = time.monotonic() + PATIENCE_S  # it answers: it is starting
        if time.monotonic() > deadline:
            raise Problem(
                f"{name} is up but does not answer",
                hint=f"skyrack logs orchestrator --run {name}  |  skyrack down --run {name}",
            )
        time.sleep(POLL_S)
    return False


def check_tun(device: Path) -> None:
    """Raise Problem unless this user can open the TUN device."""
    if not device.exists():
        raise Problem(
            f"{device} is missing: the kernel module tun is not loaded, or the container was not given the device",
            hint=f"sudo modprobe tun   (docker run: --device {device})",
        )
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        raise Problem(
            f"cannot open {device}: {error.strerror}",
            hint=f"most systems allow everybody: sudo chmod 666 {device}",
        ) from error


def _summary(scenario: Scenario) -> str:
    parts = [_shell(shell) for shell in scenario.shells]
    parts += [f"element sets from {Path(file).name}" for file in (*scenario.tle, *scenario.omm)]
    parts.append(_count(len(scenario.ground), "ground station"))
    parts += [_count(len(scenario.pops), "point of presence")] if scenario.pops else []
    parts += [_count(len(scenario.users), "user terminal")] if scenario.users else []
    return f"{scenario.name}: " + ", ".join(parts)


def _count(number: int, noun: str) -> str:
    several = noun.replace("point", "points") if noun.startswith("point") else f"{noun}s"
    return f"{number} {noun if number == 1 else several}"


def _shell(shell: Shell) -> str:
    match shell:
        case WalkerShell():
            height = f" @ {shell.altitude_km:g} km" if shell.altitude_km is not None else ""
            return f"{shell.planes}x{shell.slots}{height}, {shell.inclination_deg:g} deg"
        case ClusterShell():
            return f"cluster of {shell.satellites} @ {shell.altitude_km:g} km"
        case GeostationaryShell():
            return f"{len(shell.longitudes_deg)} geostationary"
