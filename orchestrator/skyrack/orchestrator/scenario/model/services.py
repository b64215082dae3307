"""User software on the nodes: which program runs where, how one knows that it is ready, and what it may use."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from ..names import NAME_PATTERN
from .base import Number, Section, Whole, choice, key

Group = Literal["all", "satellites", "ground", "users", "pops"]
GROUPS = ("all", "satellites", "ground", "users", "pops")
MODULE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$"
FILE_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$"
VARIABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"
USER_PATTERN = r"^[a-z_][a-z0-9_-]{0,31}$"
HTTP_PATTERN = r"^[0-9]{1,5}(/\S*)?$"
PROBES = ("port", "grpc", "http", "command")
LARGEST_PORT = 65_535


def _word(value: object) -> object:
    return str(value) if type(value) is int else value  # a port needs no quotes


Text = Annotated[str, BeforeValidator(_word, json_schema_input_type=str | int)]
Command = Annotated[tuple[Text, ...], Field(min_length=1)]


class Ready(Section):
    """What is tried, inside the node, until it works: one of port, grpc, http and command."""

    port: Whole | None = key(
        "TCP port that accepts connections, at the node's address or at 127.0.0.1.",
        default=None,
        ge=1,
        le=LARGEST_PORT,
    )
    grpc: Whole | None = key(
        "TCP port where grpc.health.v1.Health says SERVING.", default=None, ge=1, le=LARGEST_PORT
    )
    http: str | None = key(
        "`PORT/path` that answers GET with a status from 200 to 399.", default=None, pattern=HTTP_PATTERN
    )
    command: Command | None = key("Program and arguments that end with exit status 0.", default=None)
    period_s: Number = key("Time between two tries.", unit="s", source="D", default=0.5, ge=0.05, le=3600)
    timeout_s: Number = key("Time a try may take.", unit="s", source="D", default=2.0, ge=0.05, le=3600)

    @model_validator(mode="after")
    def _one_probe(self) -> "Ready":
        given = [name for name in PROBES if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) if given else "none"
            message = f"ready takes one of {', '.join(PROBES)}, found {found}"
            raise PydanticCustomError("one_of", message, {"hint": "{port: 2379}"})
        if self.http is not None and not 1 <= int(self.http.split("/")[0]) <= LARGEST_PORT:
            raise PydanticCustomError("one_of", "http: expected a port from 1 to 65535", {"key": "http"})
        return self

    @property
    def answers_at(self) -> int | None:
        """The TCP port that is probed; None for a command."""
        return self.port or self.grpc or (int(self.http.split("/")[0]) if self.http else None)


class Limits(Section):
    """What a service may use at each node. Where the system cannot hold it to that, its status says so."""

    cpu_cores: Number | None = key(
        "Most CPU time it gets per time that passes.", unit="cores", source="D: no limit", default=None, gt=0
    )
    memory_mb: Number | None = key(
        "Most memory it may have, caches of its files included.",
        unit="MB",
        source="D: no limit",
        default=None,
        ge=1,
    )
    disk_mb: Number | None = key(
        "Size of its data directory, which is then a file system of its own in memory that lasts as long as the run.",
        unit="MB",
        source="D: as large as the disk",
        default=None,
        ge=1,
    )


def _group(value: object) -> object:
    if value not in GROUPS:
        raise choice(value, GROUPS)
    return value


def _form(value: object) -> str:
    return "<names>" if isinstance(value, list | tuple) else "<group>"


Where = Annotated[
    Annotated[Group, BeforeValidator(_group), Tag("<group>")]
    | Annotated[tuple[str, ...], Tag("<names>"), key("Names.", min_length=1)],
    Discriminator(_form),
]
FileName = Annotated[str, key("A name in the data directory.", pattern=FILE_PATTERN)]
Variable = Annotated[str, key("A name of a variable.", pattern=VARIABLE_PATTERN)]


class Service(Section):
    """A program on some nodes, as a child of each node's process: it shares that node's network and its death."""

    name: str = key("Its name.", pattern=NAME_PATTERN)
    nodes: Where = key(
        "Nodes with a process: a list of names, or one of all, satellites, ground, users, pops. Their order is the order "
        "of members."
    )
    command: Command | None = key(
        "Program and arguments. Placeholders are filled in per node; `{{` and `}}` are braces.",
        source="D: none, for a Python service",
        default=None,
    )
    python: str | None = key(
        "A class as `module:Class` that runs inside the node process, in place of a command.",
        source="D: none",
        default=None,
        pattern=MODULE_PATTERN,
    )
    path: tuple[str, ...] = key(
        "Directories where the module of `python` is looked for, relative to the scenario file; `{path}` is the first of them.",
        source="D: the directory of the scenario file for `python`, else none",
        default=(),
    )
    image: str | None = key(
        "Image of a container that shares the node's network, under compose; elsewhere the command runs in the node.",
        source="D: none, the command runs in the node",
        default=None,
        min_length=1,
    )
    env: dict[Variable, Text] = key("Environment variables, with placeholders.", source="D: none", default={})
    files: dict[FileName, str] = key(
        "Texts with placeholders, written to its data directory where no such file is yet.",
        source="D: none",
        default={},
    )
    peer: str = key(
        "How a member is written in `{peers}`, `{others}` and `{first}`.",
        source="D: its address",
        default="{address}",
    )
    ready: Ready | None = key("When it is ready.", source="D: as soon as its process runs", default=None)
    ready_within_s: Number = key(
        "`up` fails when it is not ready by then.", unit="s", source="D", default=60.0, gt=0, le=86_400
    )
    restart: Literal["always", "on-failure", "never"] = key(
        "When it is started again after its end, with back-off.",
        source="D: as a service manager would",
        default="on-failure",
    )
    redundancy: Whole | None = key(
        "So many copies of the command run at once, for a task that ends: what they print and their exit status are voted "
        "on, and the majority's are the service's; without a majority all of it is repeated.",
        unit="count",
        source="D: one",
        default=None,
        ge=2,
        le=9,
    )
    watchdog_s: Number | None = key(
        "It is killed and started again when it has not answered its `ready` probe for so long or, without one, not printed a "
        "line; it is asked five times as often. `ready_within_s` is what it may take to the first answer.",
        unit="s",
        source="D: as `hardening` says of services with `ready`, else never",
        default=None,
        ge=0.1,
        le=86_400,
    )
    stop_timeout_s: Number = key("From SIGTERM to SIGKILL.", unit="s", source="D", default=5.0, ge=0, le=600)
    user: str | None = key(
        "User it runs as; some programs refuse root.",
        source="D: as the node does",
        default=None,
        pattern=USER_PATTERN,
    )
    limits: Limits = key("What it may use.", source="D: no limits", default=Limits())
    faults: tuple[Literal["disk", "clock"], ...] = key(
        "What faults may act on beside its process: `disk` puts a file system in user space under its data directory, for "
        "power, fsync-slow, fsync-fail and disk-full; `clock` starts it with libfaketime, for clock.",
        source="D: neither; they cost it time",
        default=(),
    )

    @model_validator(mode="after")
    def _one_program(self) -> "Service":
        given = [name for name in ("command", "python") if getattr(self, name) is not None]
        if len(given) != 1 and not (self.image and not given):
            found = " and ".join(given) if given else "neither"
            message = f"service '{self.name}' takes a command or python, found {found}"
            raise PydanticCustomError("one_of", message, {"hint": "command: [redis-server, --port, '6379']"})
        if self.python and (self.image or self.user or self.limits != Limits()):
            message = (
                f"service '{self.name}' runs inside the node process: no image, user or limits of its own"
            )
            raise PydanticCustomError("one_of", message, {"key": "python"})
        if self.python and "clock" in self.faults:
            message = f"service '{self.name}' runs inside the node process, which has the clock of all nodes"
            raise PydanticCustomError("one_of", message, {"key": "faults", "hint": "faults: [disk]"})
        if self.redundancy and (self.python or self.image):
            message = f"service '{self.name}' is no program that the node starts: it cannot start several"
            raise PydanticCustomError("one_of", message, {"key": "redundancy", "hint": "command: [...]"})
        if self.python and self.watchdog_s:
            message = f"service '{self.name}' runs inside the node process, which has a watchdog of its own"
            raise PydanticCustomError(
                "one_of", message, {"key": "watchdog_s", "hint": "hardening: {watchdog_s: 10}"}
            )
        return self

    @property
    def named_nodes(self) -> tuple[str, ...]:
        """The nodes it names; empty for a group of them."""
        return () if isinstance(self.nodes, str) else self.nodes

    def texts(self) -> list[tuple[tuple[str | int, ...], str]]:
        """Everything with placeholders, with its place below the service."""
        found: list[tuple[tuple[str | int, ...], str]] = [(("peer",), self.peer)]
        found += [(("command", i), word) for i, word in enumerate(self.command or ())]
        found += [(("env", name), text) for name, text in self.env.items()]
        found += [(("files", name), text) for name, text in self.files.items()]
        probe: Any = self.ready.command if self.ready else None
        found += [(("ready", "command", i), word) for i, word in enumerate(probe or ())]
        return found
