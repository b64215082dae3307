"""`skyrack up --runtime compose`: render the scenario, start the containers, wait until all are healthy, show the run."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from skyrack.orchestrator.cli import contained
from skyrack.orchestrator.cli.console import note
from skyrack.orchestrator.cli.exits import FAILED, INTERRUPTED, USAGE, Problem
from skyrack.orchestrator.cli.render import write_tree
from skyrack.orchestrator.cli.starter import LOOPBACK, interrupt, show_event, show_ready, show_step
from skyrack.orchestrator.render.project import IMAGE, project_files
from skyrack.orchestrator.runtime import compose
from skyrack.orchestrator.runtime.compose import ComposeRun
from skyrack.orchestrator.runtime.services.entry import DONE, settled_words
from skyrack.orchestrator.scenario import Scenario, entry_nodes

OTHER_PORTS = {"PROMETHEUS_PORT": 9090, "GRAFANA_PORT": 3000}
ENTRY_PORTS = "ENTRY_PORTS"
PORTS_TRIED = 100
WAIT_S = 600
POLL_S = 1.0
LAST_LINES = 8


class ComposeStarter:
    """One start. What goes wrong before everything is healthy leaves nothing behind but the run directory."""

    def __init__(self, name: str, run_dir: Path, digest: str, extra_files: Sequence[Path]) -> None:
        self._directory = run_dir / "compose"
        files = (self._directory / "compose.yaml", *(file.absolute() for file in extra_files))
        self._record = ComposeRun(name, f"skyrack-{name}", tuple(map(str, files)), str(run_dir), digest)
        self._settings: dict[str, str] = {}

    def start(
        self, scenario: Scenario, port: int, broker_port: int, entry_port: int, *, build: bool, detach: bool
    ) -> int:
        """The exit status: when everything is healthy (detached), else when the run has ended. Raises Problem."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, interrupt)
        self._write(scenario, {"SKYRACK_PORT": port, "MQTT_PORT": broker_port}, entry_port)
        compose.remember(self._record)
        kept = served = False
        try:
            self._image(build=build)
            self._containers()
            served = True
            if scenario.services:
                self._services({service.name: service.ready_within_s for service in scenario.services})
            self._show()
            kept = detach
            return 0 if detach else self._follow()
        except KeyboardInterrupt:
            print(file=sys.stderr)
            note("stopping")
            return INTERRUPTED
        finally:
            if not kept:
                contained.down(self._record, results=served)

    def _write(self, scenario: Scenario, ports: dict[str, int], entry_port: int) -> None:
        with _step("project") as told:
            root = compose.checkout()
            about = [
                f"Made by `skyrack up --runtime compose`; the run's other files are in {self._record.run_dir}."
            ]
            files = project_files(
                scenario,
                about=about,
                build=str(root) if root else None,
                run=self._record.run,
                entry_ports=entry_ports(scenario, entry_port, os.environ),
            )
            chosen = wanted_ports(ports | OTHER_PORTS, os.environ)
            self._settings = {"SKYRACK_RUN_DIR": Path(self._record.run_dir).name} | {
                name: str(free_port(port)) for name, port in chosen.items()
            }
            if socket_path := compose.engine_socket(os.environ):
                self._settings.setdefault("DOCKER_SOCKET", os.environ.get("DOCKER_SOCKET", socket_path))
            files[".env"] = "".join(f"{name}={value}\n" for name, value in self._settings.items())
            write_tree(self._directory, files)
            told.append(f"{self._record.project}, {len(_services(files['compose.yaml']))} services")

    def _image(self, *, build: bool) -> None:
        with _step("image") as told:
            image = os.environ.get("SKYRACK_IMAGE", IMAGE)
            there = (
                subprocess.run(
                    ["docker", "image", "inspect", image], capture_output=True, check=False
                ).returncode
                == 0
            )
            if there and not build:
                told.append(f"{image} (--build makes it anew)")
                return
            if compose.checkout() is None:
                raise Problem(
                    f"there is no image {image}, and no source tree to build it from",
                    hint="run from a clone, or set SKYRACK_IMAGE to an image you have",
                )
            note(f"building {image}: some minutes the first time")
            self._run("build", "orchestrator")
            told.append(f"{image}, built")

    def _containers(self) -> None:
        with _step("containers") as told:
            self._run("up", "--detach", "--wait", "--wait-timeout", str(WAIT_S), watch=True)
            told.append(f"{len(self._record.containers())} healthy")

    def _services(self, within_s: Mapping[str, float]) -> None:
        """Wait until all are ready, each within its time. Raises Problem for one that failed or is late."""
        began = time.monotonic()
        with _step("services") as told:
            while True:
                rows = [row for row in self._asked("service", "status")["services"] if row["in_service"]]
                waiting = [row for row in rows if row["phase"] not in DONE]
                waited_s = time.monotonic() - began
                for row in waiting:
                    within = within_s[row["service"]]
                    if row["phase"] == "failed":
                        raise Problem(self._why_not_ready(row, ""))
                    if waited_s > within:
                        raise Problem(self._why_not_ready(row, f" is not ready after {within:g} s"))
                if not waiting:
                    break
                text = f"{len(rows) - len(waiting)}/{len(rows)} ready"
                show_step({"step": "services", "state": "running", "text": text})
                time.sleep(POLL_S)
            told.append(settled_words([row["phase"] for row in rows]))

    def _why_not_ready(self, row: Mapping[str, Any], what: str) -> str:
        """The reason for `what`, and the last that it has printed, which ends with its container."""
        reason = "; ".join(filter(None, [row["reason"], *row["notes"]])) or row["phase"]
        said = contained.logs(self._record, row["node"], row["service"], lines=LAST_LINES, follow=False)
        return "\n  ".join(
            [f"{row['service']} at {row['node']}{what}: {reason}", *(line.rstrip() for line in said)]
        )

    def _asked(self, *words: str) -> Any:
        """What `skyrack WORDS -o json` says in the orchestrator's container. Raises Problem."""
        command = ("exec", "-T", contained.ORCHESTRATOR, "skyrack", *words, "-o", "json")
        done = subprocess.run(
            self._record.command(*command), env=self._record.environment(), capture_output=True, text=True, check=False
        )  # fmt: skip
        if done.returncode:
            raise Problem(f"the run does not answer: {done.stderr.strip()}", status=FAILED)
        return json.loads(done.stdout)

    def _run(self, *arguments: str, watch: bool = False) -> None:
        """One `docker compose` command, its own output kept for the case that it fails. Raises Problem."""
        log = Path(self._record.run_dir) / "logs" / "compose.log"
        with log.open("ab") as out:
            process = subprocess.Popen(
                self._record.command(*arguments), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True, env=self._record.environment(),
            )  # fmt: skip
            try:
                while process.poll() is None:
                    if watch:
                        show_step({"step": "containers", "state": "running", "text": self._progress()})
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(POLL_S)
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.wait()
        if process.returncode:
            raise Problem(self._why(arguments[0], log), hint=f"more in {log}")

    def _progress(self) -> str:
        with suppress(compose.NoEngine):
            states = self._record.containers(form="{{.Status}}")
            return f"{sum('(healthy)' in state for state in states)}/{len(states)} healthy"
        return ""

    def _why(self, what: str, log: Path) -> str:
        """The reason for people: the last words of containers that ended, else what compose printed last."""
        words: list[str] = []
        with suppress(compose.NoEngine):
            for name in self._record.containers("status=exited", form="{{.Names}}")[:2]:
                tail = subprocess.run(
                    ["docker", "logs", "--tail", "3", name], capture_output=True, text=True, check=False
                )
                words += [f"{name}: {line}" for line in (tail.stdout + tail.stderr).splitlines()]
        if not words:
            words = log.read_text(errors="replace").strip().splitlines()[-LAST_LINES:]
        return f"docker compose {what} failed\n" + "\n".join(f"  {line}" for line in words)

    def _show(self) -> None:
        status: dict[str, Any] = self._asked("status")
        status |= {
            "http": f"http://127.0.0.1:{self._settings['SKYRACK_PORT']}",
            "run_dir": self._record.run_dir,
            "run": self._record.run,
        }
        if bus := status["bus"]:
            way_in = f"{bus['way_in']} of its {contained.ORCHESTRATOR}"
            status["bus"] = bus | {"host": LOOPBACK, "port": self._settings["MQTT_PORT"], "way_in": way_in}
        places = {"Grafana": "GRAFANA_PORT", "Prometheus": "PROMETHEUS_PORT"}
        print(
            "".join(
                f" {name}  http://127.0.0.1:{self._settings[key]}    " for name, key in places.items()
            ).rstrip()
        )
        show_ready(status)

    def _follow(self) -> int:
        """Show news until Ctrl-C (raises KeyboardInterrupt) or until the containers are gone."""
        note("Ctrl-C stops it")
        while self._record.containers("status=running"):
            command = self._record.command(
                "exec",
                "-T",
                contained.ORCHESTRATOR,
                "skyrack",
                "logs",
                "events",
                "--follow",
                "--raw",
                "-n",
                "1",
            )
            with subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                start_new_session=True, env=self._record.environment(),
            ) as process:  # fmt: skip
                try:
                    for event in _events(process.stdout):
                        show_event(event, ready=True)
                finally:
                    process.kill()
            time.sleep(POLL_S)
        note("its containers are gone")
        return 0


def _events(lines: Iterator[str] | Any) -> Iterator[Mapping[str, Any]]:
    for line in lines:
        with suppress(ValueError):
            yield json.loads(line)


def _services(text: str) -> list[str]:
    import yaml

    return list(yaml.safe_load(text)["services"])


def wanted_ports(defaults: Mapping[str, int], environment: Mapping[str, str]) -> dict[str, int]:
    """Where to begin to look for each: as the environment says, which compose would prefer too. Raises Problem."""
    wanted = dict(defaults)
    for name in defaults:
        if text := environment.get(name, ""):
            if not (text.isascii() and text.isdecimal() and int(text) < 65536):
                raise Problem(f"{name}={text} in the environment is no port", status=USAGE)
            wanted[name] = int(text)
    return wanted


def entry_ports(scenario: Scenario, first: int, environment: Mapping[str, str]) -> str | None:
    """Free ports in a row for the entries, as FIRST-LAST; None without entries. Raises Problem.

    They become part of the project's files: a variable with another number of ports would be an error of every later command.
    """
    on_ground = [station.name for station in scenario.ground]
    on_ground += [user.name for user in scenario.users]
    on_ground += [pop.name for pop in scenario.pops]
    count = len(entry_nodes(scenario.entries, on_ground))
    wanted = {ENTRY_PORTS: environment.get(ENTRY_PORTS, "").partition("-")[0]}
    return free_ports(wanted_ports({ENTRY_PORTS: first}, wanted)[ENTRY_PORTS], count) if count else None


def free_port(first: int) -> int:
    """The first port from `first` on that is free on 127.0.0.1, any free one for 0. Raises Problem."""
    for port in range(first, min(first + PORTS_TRIED, 65536)):
        if found := _if_free(port):
            return found
    raise Problem(f"no port from {first} to {first + PORTS_TRIED - 1} is free on 127.0.0.1")


def free_ports(first: int, count: int) -> str:
    """The first `count` ports in a row, from `first` on, that are free on 127.0.0.1, as FIRST-LAST. Raises Problem."""
    begin = port = first
    while port < min(first + count + PORTS_TRIED, 65536):
        if not _if_free(port):
            begin = port + 1
        elif port - begin == count - 1:
            return f"{begin}" if count == 1 else f"{begin}-{port}"
        port += 1
    raise Problem(f"no {count} ports in a row from {first} on are free on 127.0.0.1")


def _if_free(port: int) -> int:
    """The port, any free one for 0, if a process could listen there now; else 0."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
        found: int = probe.getsockname()[1]
        return found


@contextmanager
def _step(name: str) -> Iterator[list[str]]:
    """Times a step; what the block appends is its text."""
    began = time.perf_counter()
    told: list[str] = []
    yield told
    seconds = time.perf_counter() - began
    show_step({"step": name, "text": " ".join(told), "seconds": seconds, "state": "ok"})
