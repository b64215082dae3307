"""What the fixtures give: brings constellations up for a test, and all of them down after it."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyrack.orchestrator.api.client import ApiClient, ApiError
from skyrack.orchestrator.cli.happenings import sentence
from skyrack.orchestrator.runtime.isolate import REFUSED
from skyrack.orchestrator.testing import held
from skyrack.orchestrator.testing.constellation import COMMAND, Constellation, records
from skyrack.orchestrator.testing.errors import NotInTimeError, SkyrackError, UpFailedError

STOP_TIMEOUT_S = 150.0  # `up` gives its run 60 s to end, and as long again to die
EVENTS_SHOWN = 20
LONGEST_LINE = 160
POLL_S = 0.02
DEFAULT_FILE = "skyrack.yaml"
TUN = "/dev/net/tun"
_numbers = itertools.count(1)


@dataclass
class _Up:
    """A constellation, and the process that keeps it up."""

    constellation: Constellation
    process: subprocess.Popen[bytes]
    said: Path


class Skyrack:
    """Brings constellations up. Each has a name that no other process gives, and no TCP port."""

    def __init__(
        self,
        directory: Path,
        look_in: Path,
        *,
        worker: str,
        timeout_s: float,
        on_lacking: Callable[[str], object] | None = None,
    ) -> None:
        """`directory` gets what the runs record; scenario files are looked for in `look_in`.

        `on_lacking` is called with the reason, before UpFailedError, where this machine cannot have a constellation.
        """
        self._directory = directory
        self._look_in = look_in
        self._prefix = f"test-{worker}-{os.getpid()}"
        self._timeout_s = timeout_s
        self._on_lacking = on_lacking
        self._up: list[_Up] = []
        self._kept = False
        self._sockets: Path | None = None

    @property
    def constellations(self) -> list[Constellation]:
        """Those that are up, in the order they came up."""
        return [one.constellation for one in self._up]

    def up(
        self,
        scenario: str | os.PathLike[str] | Mapping[str, Any] = DEFAULT_FILE,
        *options: str,
        timeout_s: float | None = None,
    ) -> Constellation:
        """Bring a scenario up and wait until all of it serves, its services too.

        `scenario`: a file, relative to the test's directory; the name of a preset; the YAML itself; or what it would be
        as a dictionary. `options`: of `skyrack up`, for instance "--broker", "none". Raises UpFailedError,
        NotInTimeError.
        """
        __tracebackhide__ = True  # pytest then shows the test's line
        name = f"{self._prefix}-{next(_numbers)}"
        self._directory.mkdir(parents=True, exist_ok=True)
        runs = self._directory / name
        runs.mkdir()
        source = self._source(scenario, runs)
        said = runs / "up.log"
        sockets = self._socket_dir()
        environment = _environment(sockets)
        words = [
            "up",
            source,
            "--run",
            name,
            "--runs",
            str(runs),
            "--port",
            "0",
            "--broker-port",
            "0",
            *options,
        ]
        with said.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", held.__name__, *words],
                stdin=subprocess.PIPE, stdout=out, stderr=out, env=environment,
                start_new_session=True,  # Ctrl-C is pytest's, which takes down what it brought up
            )  # fmt: skip
        constellation = Constellation(name, sockets, runs / "latest", environment)
        one = _Up(constellation, process, said)
        try:
            _wait_until_up(one, self._timeout_s if timeout_s is None else timeout_s)
        except BaseException as error:
            _stop(one)
            if isinstance(error, UpFailedError) and self._on_lacking and (reason := unavailable()):
                self._on_lacking(f"no constellation can be had here: {reason}")
            raise
        constellation.run_dir = constellation.run_dir.resolve()
        self._up.append(one)
        return constellation

    def down(self, constellation: Constellation) -> None:
        """Take one down now; the others follow after the test. Raises SkyrackError where it does not end well."""
        one = next(one for one in self._up if one.constellation is constellation)
        self._up.remove(one)
        _stop(one)

    def story(self) -> list[tuple[str, str]]:
        """What a failed test shows: a heading and a text for each constellation that is up."""
        return [(f"skyrack {one.constellation.name}", self._story_of(one)) for one in self._up]

    def keep(self) -> None:
        """Leave what is up now to itself when `close` comes."""
        self._kept = True

    def close(self) -> None:
        """Take everything down, or let go of it."""
        problems = []
        while self._up:
            one = self._up.pop()
            if self._kept:
                _let_go(one)
                continue
            try:
                _stop(one)
            except SkyrackError as error:
                problems.append(str(error))
        if self._sockets is not None and not self._kept:
            shutil.rmtree(self._sockets, ignore_errors=True)
        if problems:
            raise SkyrackError("; ".join(problems))

    def _story_of(self, one: _Up) -> str:
        constellation = one.constellation
        lines = [f"files: {constellation.run_dir}"]
        if one.process.poll() is not None:
            lines += ["it ended by itself:", one.said.read_text(errors="replace").strip()]
        with contextlib.suppress(OSError, ValueError):
            events = records(constellation.run_dir / "events.jsonl")[-EVENTS_SHOWN:]
            lines += [f"{event['run_s']:9.3f} s  {sentence(event)}"[:LONGEST_LINE] for event in events]
        if self._kept:
            to_it = f"SKYRACK_SOCKET_DIR={constellation.socket_dir} skyrack"
            lines += [f"left up: {to_it} status --run {constellation.name}"]
            lines += [f"end it:  {to_it} down --run {constellation.name}"]
        return "\n".join(lines)

    def _socket_dir(self) -> Path:
        """Of this object alone, and short: the path of a Unix socket has 107 bytes."""
        if self._sockets is None:
            self._sockets = Path(tempfile.mkdtemp(prefix="skyrack-", dir="/tmp"))
        return self._sockets

    def _source(self, scenario: str | os.PathLike[str] | Mapping[str, Any], runs: Path) -> str:
        """What `skyrack up` takes: a path, or the name of a preset."""
        if isinstance(scenario, Mapping):
            text = json.dumps(dict(scenario), indent=2)  # which YAML is
        elif isinstance(scenario, str) and "\n" in scenario:
            text = scenario
        else:
            path = self._look_in / scenario
            named = isinstance(scenario, str) and not Path(scenario).suffix and "/" not in scenario
            return str(scenario) if named and not path.exists() else str(path)
        file = runs / "given.yaml"
        file.write_text(text)
        return str(file)


def unavailable() -> str | None:
    """Why no constellation can be had on this machine; None where it is for another reason, or can."""
    try:
        os.close(os.open(TUN, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return f"{TUN}: {error.strerror}"
    done = subprocess.run(
        [sys.executable, "-P", "-m", "skyrack.orchestrator.runtime.isolate", "--", "true"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stderr.strip().splitlines()[0] if done.returncode == REFUSED else None


def _environment(sockets: Path) -> dict[str, str]:
    """Of commands: what the user has set for his own runs is not for those of tests."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SKYRACK_")}
    return {**kept, "SKYRACK_SOCKET_DIR": str(sockets), "NO_COLOR": "1"}


def _wait_until_up(one: _Up, timeout_s: float) -> None:
    __tracebackhide__ = True
    api = ApiClient(one.constellation.socket_dir / one.constellation.name)
    deadline = time.monotonic() + timeout_s
    while True:
        with contextlib.suppress(ApiError):
            if api.get("/healthz")["state"] == "up":
                return
        if one.process.poll() is not None:
            said = one.said.read_text(errors="replace").strip()
            raise UpFailedError(f"skyrack up ended with exit status {one.process.returncode}:\n{said}")
        if time.monotonic() > deadline:
            said = one.said.read_text(errors="replace").strip()
            raise NotInTimeError(f"not up within {timeout_s:g} s; so far:\n{said}")
        time.sleep(POLL_S)


def _stop(one: _Up) -> None:
    """End it as Ctrl-C would; by force when it does not follow. Raises SkyrackError when force was needed."""
    assert one.process.stdin is not None
    one.process.stdin.close()
    try:
        one.process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        one.process.kill()  # what it started dies with it
        one.process.wait()
        name = one.constellation.name
        subprocess.run(
            [*COMMAND, "down", "--run", name], env=_environment(one.constellation.socket_dir), check=False
        )
        raise SkyrackError(f"{name} did not end within {STOP_TIMEOUT_S:g} s and was killed") from None


def _let_go(one: _Up) -> None:
    assert one.process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it has ended by itself
        one.process.stdin.write(b"k")
        one.process.stdin.close()
    one.process.returncode = 0  # nobody waits for it: no ResourceWarning
