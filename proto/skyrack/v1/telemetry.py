"""What is said on the telemetry bus: topics and the JSON objects on them, version 1. Units are in the key names.

    skyrack/<run>/node/<name>/state       retained   NodeState
    skyrack/<run>/node/<name>/telemetry              NodeTelemetry
    skyrack/<run>/node/<name>/forecast    retained   Forecast
    skyrack/<run>/environment             retained   Environment
    skyrack/<run>/event                              RunEvent

`t_utc` is the host's clock; `t_s` is orbit time, seconds from the run's `start_utc`. docs/reference/telemetry.md
describes every key; a test holds it equal to this file.
"""

from datetime import datetime
from typing import Literal, NotRequired, TypedDict

VERSION = 1
ROOT = "skyrack"

Kind = Literal["satellite", "ground", "pop", "user"]
FlightMode = Literal["nominal", "throttled", "safe"]
FLIGHT_MODES: dict[int, FlightMode] = {1: "nominal", 2: "throttled", 3: "safe"}  # of skyrack.v1.FlightMode


def node_topic(run: str, node: str, what: Literal["state", "telemetry", "forecast"]) -> str:
    """Where a node's state, telemetry or forecast is."""
    return f"{ROOT}/{run}/node/{node}/{what}"


def environment_topic(run: str) -> str:
    """Where the Sun and the Earth's shadow are."""
    return f"{ROOT}/{run}/environment"


def event_topic(run: str) -> str:
    """Where every event of the run is."""
    return f"{ROOT}/{run}/event"


def utc_text(moment: datetime) -> str:
    """An instant as the payloads write it: ISO 8601 with milliseconds and Z."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class NodeState(TypedDict):
    """Whether a node serves. `t_utc` is None in the last will: the broker that sends it puts in no time."""

    v: int
    node: str
    kind: Kind
    state: Literal["serving", "stopping", "dark"]
    t_utc: str | None


class NodeTelemetry(TypedDict):
    """How a node is. What it has not been told yet is None, as is what takes flight software where there is none."""

    v: int
    node: str
    kind: Kind
    t_utc: str
    t_s: float | None
    attached: bool
    lat_deg: float | None
    lon_deg: float | None
    altitude_km: float | None
    neighbours: list[str]
    mesh_received_bytes: int
    mesh_sent_bytes: int
    cpu_s: float
    rss_bytes: int
    uptime_s: float
    flight_mode: FlightMode | None
    battery_ratio: float | None
    battery_wear_ratio: float | None
    temperature_c: float | None
    power_in_w: float | None
    power_out_w: float | None
    cpu_cores_allowed: float | None


class Contact(TypedDict):
    """A time during which a node has a link to a peer."""

    peer: str
    kind: Kind
    start_t_s: float
    end_t_s: float


class Stay(TypedDict):
    """A stay of a satellite in the Earth's shadow, or over the South Atlantic Anomaly."""

    start_t_s: float
    end_t_s: float


class Forecast(TypedDict):
    """What a node is told of its future. Contacts have not ended, by their start. Beyond `known_until_t_s`, and for stays
    `stays_known_until_t_s`, nothing has been computed: what ends there goes on. Stays are of satellites: None and empty
    on the ground, and before they have been computed."""

    v: int
    node: str
    t_utc: str
    t_s: float
    start_utc: str
    known_until_t_s: float
    contacts: list[Contact]
    stays_known_until_t_s: float | None
    next_eclipse: Stay | None
    next_anomaly_pass: Stay | None
    next_gateway_pass: Contact | None
    eclipses: list[Stay]
    anomaly_passes: list[Stay]
    gateway_passes: list[Contact]


class Environment(TypedDict):
    """What surrounds all satellites in an epoch."""

    v: int
    t_utc: str
    t_s: float
    start_utc: str
    epoch_t0_s: float
    epoch_t1_s: float
    sun_direction_teme: list[float]
    satellites: int
    eclipsed_ratio: float
    eclipsed: list[str]
    eclipsed_of: Literal["all", "inhabited"]
    beta_min_deg: float
    beta_max_deg: float
    in_anomaly_ratio: float
    in_anomaly: list[str]
    storm_factor: float
    in_storm_ratio: float


class RunEvent(TypedDict):
    """An event of events.jsonl; keys of its own kind stand beside these."""

    v: int
    t_utc: str
    seq: int
    run_s: float
    event: str
    node: NotRequired[str]
