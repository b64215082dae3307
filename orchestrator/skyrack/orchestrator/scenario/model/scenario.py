"""The whole scenario."""

from datetime import UTC, datetime
from ipaddress import IPv4Network
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from ..catalogue import CatalogueError, read_catalogue
from ..names import NAME_PATTERN
from .background import Background
from .base import Number, Section, Time, Whole, key
from .entries import Entries
from .environment import Environment
from .faults import Faults
from .fibre import Fibre, PointOfPresence
from .ground import GroundStation
from .hardening import Hardening
from .inhabited import Inhabited, default_inhabited
from .links import Links
from .power import Power
from .radiation import Radiation
from .routing import Routing
from .services import Service
from .shells import Shell
from .telemetry import Telemetry
from .thermal import Thermal
from .users import UserTerminal
from .weather import Weather
from .workloads import Workload

SHELL_START = datetime(2026, 1, 1, tzinfo=UTC)


OrbitFile = Annotated[str, Field(min_length=1)]


class Fabric(Section):
    """The process that carries the packets."""

    spin_us: Whole = key(
        "Wait actively for this long before a packet is due: less late, more CPU; 0 turns it off.",
        unit="us",
        source="C: measured, p50 error 65 us to 3 us at 40 % more CPU",
        default=100,
        ge=0,
        le=10_000,
    )


class Nodes(Section):
    """The processes that are satellites and ground stations."""

    restart: Literal["on-crash", "never"] = key(
        "Whether a crashed node is started again, with back-off.",
        source="D: as a service manager would",
        default="on-crash",
    )


def _network(value: object) -> object:
    if not isinstance(value, str):
        if isinstance(value, IPv4Network):
            return value
        raise PydanticCustomError("network", "expected an IPv4 network such as 100.64.0.0/10")
    try:
        network = IPv4Network(value, strict=False)
    except ValueError:
        raise PydanticCustomError("network", "expected an IPv4 network such as 100.64.0.0/10") from None
    if "/" not in value or not 8 <= network.prefixlen <= 24:
        raise PydanticCustomError("network", "expected a prefix length of /8 to /24")
    if str(network.network_address) != value.split("/")[0]:
        hint = f"did you mean '{network}'?"
        raise PydanticCustomError("network", "host bits are set", {"hint": hint})
    if (
        network.is_multicast
        or network.is_loopback
        or network.network_address.packed[0] in (0, *range(240, 256))
    ):
        raise PydanticCustomError("network", "hosts cannot have addresses in this network")
    return network


Network = Annotated[
    IPv4Network, BeforeValidator(_network, json_schema_input_type=str), PlainSerializer(str, when_used="json")
]


class Scenario(Section):
    """A constellation, its links, its ground stations and what runs on them.

    Every default is resolved, except `start`, which stays None when only `tle` or `omm` files give the orbits: the
    median epoch of the set is meant then.
    """

    version: Literal[1] = key("Version of this format.")
    name: str = key("Names the run; lower case letters, digits and '-', 32 at most.", pattern=NAME_PATTERN)
    shells: tuple[Shell, ...] = key("Groups of satellites with one pattern.", source="D: none", default=())
    tle: tuple[OrbitFile, ...] = key(
        "Files of two-line elements, relative to the scenario file.", source="D: none", default=()
    )
    omm: tuple[OrbitFile, ...] = key(
        "Files of orbit mean-elements messages (JSON, CSV or XML), relative to the scenario file.",
        source="D: none",
        default=(),
    )
    start: Time | None = key(
        "The instant the orbits start from.",
        unit="UTC",
        source="D: 2026-01-01T00:00:00Z with shells; the median epoch of the set with tle or omm alone",
        default=None,
    )
    speed: Number = key(
        "How many times faster than real the orbits turn; delays of packets are never scaled.",
        unit="ratio",
        source="D: real time",
        default=1.0,
        gt=0,
        le=1000,
    )
    seed: Whole = key("Seed of every random draw.", source="D", default=1, ge=0, le=2**53)
    links: Links = key("Which links exist, how fast, how lossy.", default=Links())
    routing: Routing = key("How next hops are chosen.", default=Routing())
    weather: Weather = key("What rain and clouds do to ground links.", default=Weather())
    environment: Environment = key(
        "What surrounds the satellites, and how well they are told of it.", default=Environment()
    )
    ground: tuple[GroundStation, ...] = key(
        "Ground stations: names of known ones (london) or own coordinates.", source="D: none", default=()
    )
    pops: tuple[PointOfPresence, ...] = key(
        "Points of presence: names of known cities (london is pop-london) or own coordinates.",
        source="D: none",
        default=(),
    )
    users: tuple[UserTerminal, ...] = key(
        "User terminals: names of known cities (london is user-london) or own coordinates.",
        source="D: none",
        default=(),
    )
    fibre: tuple[Fibre, ...] = key(
        "Fibre between ground stations and points of presence.", source="D: none", default=()
    )
    radiation: Radiation | None = key(
        "How often particles do what to satellites with a process.", default=None
    )
    hardening: Hardening | None = key("What the computers on board withstand.", default=None)
    background: Background = key(
        "What ground stations send each other beside the nodes' packets.", default=Background()
    )
    inhabited: Inhabited = key(
        "Which satellites have a process: all, a list of names, {count: N} spread evenly, or {box: {...}} by position "
        "at the start. Ground stations and satellites that services name always have one. Replaced as a whole by an "
        "extending file.",
        source="D: all of up to 100 satellites, else {count: 12}",
        default=None,
    )
    mtu: Whole = key(
        "Largest IP packet of the mesh.",
        unit="bytes",
        source="P: Ethernet, 1500",
        default=1500,
        ge=576,
        le=65_535,
    )
    network: Network = key(
        "Addresses of the mesh: node i has base + 1 + i; a prefix of /8 to /24 that holds all nodes.",
        source="P: shared address space of RFC 6598, which rarely collides with a local network",
        default=IPv4Network("100.64.0.0/10"),
    )
    fabric: Fabric = key("How packets are carried.", default=Fabric())
    nodes: Nodes = key("How the processes are kept.", default=Nodes())
    entries: Entries = key(
        "Which nodes on the ground let the user in, each on a port of 127.0.0.1: all, none or a list of names.",
        source="D: a port costs nothing until it is used",
        default="all",
    )
    power: Power | None = key(
        "Arrays, battery and loads of the satellites, which their flight software watches: {} for the defaults.",
        source="D: none, power does not run out",
        default=None,
    )
    thermal: Thermal | None = key(
        "What warms and cools their computers, by the loads of power: {} for the defaults.",
        source="D: none, they stay cool",
        default=None,
    )
    telemetry: Telemetry = key("What nodes report about themselves, as MQTT messages.", default=Telemetry())
    services: tuple[Service, ...] = key("User software on the nodes.", source="D: none", default=())
    workloads: tuple[Workload, ...] = key("What runs on the nodes.", source="D: none", default=())
    faults: Faults = key("What is broken on purpose, and when.", default=Faults())

    @field_validator("start", mode="after")
    @classmethod
    def _default_start(cls, value: datetime | None, info: ValidationInfo) -> datetime | None:
        return SHELL_START if value is None and info.data.get("shells") else value

    @field_validator("inhabited", mode="before")
    @classmethod
    def _default_inhabited(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None:
            return value
        shells = sum(shell.size for shell in info.data.get("shells", ()))
        return default_inhabited(shells + _catalogued(info.data))

    @property
    def watchdog_s(self) -> float | None:
        """How long a node, and a service that can be asked, may be silent; None: for ever."""
        return self.hardening.watchdog_s if self.hardening is not None else None


def _catalogued(data: dict[str, Any]) -> int:
    """Return how many satellites the orbit files hold; files that cannot be read are reported elsewhere."""
    try:
        return sum(len(read_catalogue(path)) for path in (*data.get("tle", ()), *data.get("omm", ())))
    except CatalogueError:
        return 0
