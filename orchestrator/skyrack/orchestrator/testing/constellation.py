"""A constellation that is up, as a test uses it: every method is a command or a call of the run's API."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

from skyrack.orchestrator.api.client import ApiClient, ApiError
from skyrack.orchestrator.testing import called
from skyrack.orchestrator.testing.errors import CommandFailedError, NotInTimeError, SkyrackError

if TYPE_CHECKING:
    import grpc

T = TypeVar("T")

TIMEOUT_S = 60.0
LOAD_TIMEOUT_S = 600.0
JUDGED = (0, 3, 4)  # exit statuses of a load that has a result: ok, bad, inconclusive
POLL_S = 0.02
NOT_FOUND = 404
COMMAND = (sys.executable, "-P", "-m", "skyrack.orchestrator.cli")


@dataclass(frozen=True)
class Way:
    """A path that packets take now: its nodes from end to end, and the round trip computed for it."""

    nodes: tuple[str, ...]
    rtt_s: float

    @property
    def links(self) -> tuple[str, ...]:
        """Its links, each as `A-B`, which is how a fault names them."""
        return tuple(f"{a}-{b}" for a, b in zip(self.nodes, self.nodes[1:], strict=False))


@dataclass(frozen=True)
class Probe:
    """A ping. `measured_s` None: it was lost; `computed_s` None: there was no way."""

    measured_s: float | None
    computed_s: float | None
    nodes: tuple[str, ...]


class Constellation:
    """A run of a test. Times are seconds; where a `timeout_s` passes, NotInTimeError is raised.

    Nothing here is asynchronous: in a coroutine, `await asyncio.to_thread(constellation.exec, ...)`.
    """

    def __init__(self, name: str, socket_dir: Path, run_dir: Path, environment: Mapping[str, str]) -> None:
        """`socket_dir`: of all runs of the tests, as SKYRACK_SOCKET_DIR. `environment`: of the commands."""
        self.name = name
        self.run_dir = run_dir
        """What the run records: scenario.yaml, events.jsonl, logs/."""
        self.socket_dir = socket_dir
        self._environment = environment
        self._api = ApiClient(socket_dir / name)

    def __repr__(self) -> str:
        return f"<Constellation {self.name} {self.run_dir}>"

    # What it is

    def status(self) -> dict[str, Any]:
        """`skyrack status -o json`, without the pids outside."""
        answer: dict[str, Any] = self._api.get("/v1/status")
        return answer

    def nodes(self) -> list[str]:
        """Names of the nodes that have a process: satellites first, then those on the ground."""
        return [node["name"] for node in self.status()["nodes"] if node["inhabited"]]

    def address(self, node: str) -> str:
        """IPv4 address of a node. Raises KeyError."""
        return str({entry["name"]: entry["address"] for entry in self.status()["nodes"]}[node])

    def path(self, a: str, b: str) -> Way | None:
        """The path in force between two nodes; None where there is none."""
        found = self._api.get("/v1/path?" + urlencode({"from": a, "to": b}))["in_force"]
        return None if found is None else Way(tuple(found["path"]), found["rtt_ms"] / 1e3)

    def ping(self, a: str, b: str, *, count: int = 1, interval_s: float = 0.1) -> list[Probe]:
        """Real ICMP probes, each with the round trip computed for its instant."""
        words = ["ping", a, b, "--count", str(count), "--interval", f"{interval_s}s", "-o", "json"]
        done = self._skyrack(words, timeout_s=TIMEOUT_S + count * interval_s)
        if not done.stdout:
            raise CommandFailedError("skyrack", words, done.returncode, "", done.stderr)
        return [
            Probe(_seconds(probe["measured_ms"]), _seconds(probe["computed_ms"]), tuple(probe["path"]))
            for probe in json.loads(done.stdout)["probes"]
        ]

    # Programs and functions in nodes

    def exec(
        self,
        node: str,
        command: Sequence[str | os.PathLike[str]],
        *,
        check: bool = True,
        stdin: str = "",
        timeout_s: float = TIMEOUT_S,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in a node's network to its end, with what it says as text.

        Raises CommandFailedError, unless `check` is false, when it ends with another status than 0.
        """
        __tracebackhide__ = True  # pytest then shows the test's line
        words = [os.fspath(word) for word in command]
        done: subprocess.CompletedProcess[str] = self._skyrack(
            ["exec", node, "--", *words], stdin=stdin, timeout_s=timeout_s
        )
        if check and done.returncode:
            raise CommandFailedError(node, words, done.returncode, done.stdout, done.stderr)
        return done

    def popen(
        self, node: str, command: Sequence[str | os.PathLike[str]], **options: Any
    ) -> subprocess.Popen[Any]:
        """Start a program in a node's network. `options` are Popen's; terminate() ends the program with SIGTERM."""
        words = [os.fspath(word) for word in command]
        return subprocess.Popen(
            [*COMMAND, "exec", "--run", self.name, node, "--", *words],
            **{"env": self._environment, "stdin": subprocess.DEVNULL, **options},
        )

    def call(
        self,
        node: str,
        function: Callable[..., Any],
        *arguments: Any,
        timeout_s: float = TIMEOUT_S,
        **options: Any,
    ) -> Any:
        """Call `function(*arguments, **options)` in a node's network, in a process of its own; what it returns.

        The function stands at the top level of a module, which is imported there; a coroutine function is run to its
        end. Arguments and result are pickled. What it raises is raised here, what it prints is printed here. Raises
        CallFailedError.
        """
        __tracebackhide__ = True
        done = self._skyrack(
            ["exec", node, "--", sys.executable, "-P", "-m", called.__name__],
            stdin=called.request(function, arguments, options),
            timeout_s=timeout_s,
        )
        sys.stderr.write(done.stderr.decode(errors="replace"))
        return called.result(done.stdout, node, function.__qualname__)

    # Load

    def load(
        self, workload: str, *options: str, faults: Sequence[str] = (), timeout_s: float = LOAD_TIMEOUT_S
    ) -> dict[str, Any]:
        """Run `skyrack load` to its end and return its result, as result.json has it, whatever the verdict is.

        `options` are the command's: `load("kv", "--service", "register", "--for", "20s", faults=["kill:p0s03@5s"])`. Raises
        CommandFailedError where there is no result.
        """
        __tracebackhide__ = True
        words = [workload, *options, *(word for fault in faults for word in ("--fault", fault))]
        command = [*COMMAND, "load", *words, "--run", self.name, "-o", "json"]
        done = self._run(command, stdin="", timeout_s=timeout_s)
        if done.returncode not in JUDGED or not done.stdout:
            raise CommandFailedError("skyrack", ["load", *words], done.returncode, done.stdout, done.stderr)
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    # In from outside

    def proxy(self, station: str) -> str:
        """HOST:PORT of the HTTP CONNECT proxy by which the test itself gets into the mesh at a node on the ground.

        Raises LookupError: that node is no entry.
        """
        return str({entry["node"]: entry["proxy"] for entry in self.status()["entries"]}[station])

    def channel(self, node: str, port: int = 50051, *, via: str) -> grpc.Channel:
        """A gRPC channel from the test itself to a node, in at an entry: it pays the way from there. Close it."""
        import grpc

        return grpc.insecure_channel(f"{node}:{port}", [("grpc.http_proxy", f"http://{self.proxy(via)}")])

    # Services

    def services(self) -> list[dict[str, Any]]:
        """Every service at every node, as `skyrack service status -o json` has it: service, node, phase, reason, ..."""
        found: list[dict[str, Any]] = self._api.get("/v1/services")["services"]
        return found

    def service_add(
        self,
        service: str,
        nodes: str | Sequence[str],
        *,
        wait: bool = True,
        timeout_s: float = TIMEOUT_S,
        **keys: Any,
    ) -> None:
        """Start one more service; `keys` as in a scenario: command, python, path, env, ready, ... Waits until it is ready."""
        mark = self.mark()
        rows = self._api.post("/v1/services", {"name": service, "nodes": nodes, **keys})["services"]
        if wait:
            self._until_ready(service, [row["node"] for row in rows], mark, timeout_s)

    def service_remove(self, service: str) -> None:
        """Stop a service everywhere; its data stays."""
        self._api.delete(f"/v1/services/{quote(service, safe='')}")

    def service_restart(self, service: str, *nodes: str, timeout_s: float = TIMEOUT_S) -> None:
        """Stop a service and start it again, at these nodes or all of its own; returns when it is ready there."""
        mark = self.mark()
        answer = self._api.post(f"/v1/services/{quote(service, safe='')}/restart", {"nodes": list(nodes)})
        self._until_ready(service, answer["nodes"], mark, timeout_s)

    def log(self, node: str, service: str | None = None) -> list[str]:
        """What a node, or a service of it, has logged so far: its messages."""
        name = node if service is None else f"{node}.{service}"
        return [record["msg"] for record in records(self.run_dir / "logs" / f"{name}.jsonl")]

    # Faults

    @contextlib.contextmanager
    def fault(self, kind: str, **what: Any) -> Iterator[str]:
        """A fault for as long as the context lasts; see `fault_add`. Gives its id."""
        fault = self.fault_add(kind, **what)
        try:
            yield fault
        finally:
            self.fault_remove(fault)

    def fault_add(
        self,
        kind: str,
        *,
        link: str | Sequence[str] = (),
        node: str | Sequence[str] = (),
        plane: str | Sequence[str] = (),
        to: str | Sequence[str] = (),
        part: str | Sequence[str] = (),
        **amounts: float,
    ) -> str:
        """Begin a fault of any kind (`skyrack fault kinds`) and return its id.

        A link is `A-B`, or `A>B` for one direction; a node may be NODE/SERVICE or a selector. `amounts`: the kind's parameters,
        such as extra_s, rate_bps, loss_ratio, and for_s and in_s for how long and when; one_way. Returns when it has taken
        effect. Raises ApiError.
        """
        words = {"links": link, "nodes": node, "planes": plane, "to": to, "parts": part}
        fault = {"kind": kind, **{key: _list(value) for key, value in words.items()}}
        answer = self._api.post("/v1/faults", {"faults": [{**fault, "cause": "test", **amounts}]})
        return str(answer["faults"][0]["id"])

    def fault_remove(self, fault: str) -> None:
        """End a fault; one that has ended already is none."""
        try:
            self._api.delete(f"/v1/faults/{quote(fault, safe='')}")
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise

    def kill(self, node: str, signum: int = signal.SIGKILL) -> int:
        """Signal a node's process, which is the satellite. Returns a `mark` from before."""
        mark = self.mark()
        self._api.post(f"/v1/nodes/{quote(node, safe='')}/kill", {"signal": int(signum)})
        return mark

    # What happens

    def events(self, after: int = 0) -> list[dict[str, Any]]:
        """Events, in order, after the one with the number `after`: `{"seq", "run_s", "event", ...}`."""
        found: list[dict[str, Any]] = self._api.get(f"/v1/events?since={after}")["events"]
        return found

    def mark(self) -> int:
        """Number of the newest event: `after=` of a later `wait_for`."""
        return max((event["seq"] for event in self.events()), default=0)

    def wait_for(
        self,
        event: str | Callable[[dict[str, Any]], object],
        *,
        after: int = 0,
        timeout_s: float = TIMEOUT_S,
        **fields: object,
    ) -> dict[str, Any]:
        """Wait for an event of that name with these fields, or one that the function says yes to; the first such.

        `wait_for("node_serving", node="p0s03", after=constellation.kill("p0s03"))`.
        """

        def found() -> dict[str, Any] | None:
            for record in self.events(after):
                meant = event(record) if callable(event) else record["event"] == event
                if meant and fields.items() <= record.items():
                    return record
            return None

        __tracebackhide__ = True
        with_fields = "".join(f" {key}={value}" for key, value in fields.items())
        return self.wait_until(found, f"event {event}{with_fields}", timeout_s=timeout_s)

    def wait_until(
        self, condition: Callable[[], T | None], what: str = "the condition", *, timeout_s: float = TIMEOUT_S
    ) -> T:
        """Ask until the answer is true; the answer."""
        __tracebackhide__ = True
        deadline = time.monotonic() + timeout_s
        while not (value := condition()):
            if time.monotonic() > deadline:
                raise NotInTimeError(f"not within {timeout_s:g} s: {what}")
            time.sleep(POLL_S)
        return value

    def _until_ready(self, service: str, nodes: Sequence[str], mark: int, timeout_s: float) -> None:
        """Raises SkyrackError for one that has failed, NotInTimeError."""
        __tracebackhide__ = True
        for node in nodes:
            found = self.wait_for(
                lambda event: event["event"] in ("service_ready", "service_failed"),
                service=service, node=node, after=mark, timeout_s=timeout_s,
            )  # fmt: skip
            if found["event"] == "service_failed":
                raise SkyrackError(f"{service} at {node} has failed: {found['reason']}")

    def _skyrack(self, words: list[str], *, timeout_s: float, stdin: Any = "") -> Any:
        """`skyrack WORDS` about this run; its output is text where `stdin` is. Raises NotInTimeError."""
        __tracebackhide__ = True
        return self._run(
            [*COMMAND, words[0], "--run", self.name, *words[1:]], stdin=stdin, timeout_s=timeout_s
        )

    def _run(self, command: Sequence[str], *, timeout_s: float, stdin: Any = "") -> Any:
        __tracebackhide__ = True
        try:
            return subprocess.run(
                command,
                input=stdin,
                capture_output=True,
                text=isinstance(stdin, str),
                env=self._environment,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            words = " ".join(command[len(COMMAND) :])
            raise NotInTimeError(f"not within {timeout_s:g} s: skyrack {words}") from error


def records(file: Path) -> list[dict[str, Any]]:
    """Of a file of JSON lines that somebody is writing: not there yet, it has none; the last line may not be whole yet."""
    try:
        lines = file.read_text().split("\n")[:-1]
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines]


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1e3


def _list(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)
