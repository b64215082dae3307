"""Every metric that a run exposes: its name, type, unit, labels and meaning, in this one place.

Who exposes a metric asks `skyrack.v1.families` for its family, so a name that is not listed here cannot be exposed. The
page docs/reference/metrics.md is made from this table. Units are base units; a counter's name ends in `_total`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]
Exporter = Literal["orchestrator", "fabric", "node", "load"]

# Series per metric about single links: more than anybody can read.
MOST_LINKS = 4_000


@dataclass(frozen=True, slots=True)
class Definition:
    """One metric. `unit` is empty where there is none; `exporter` is whose knowledge it is."""

    name: str
    kind: Kind
    unit: str
    text: str
    labels: tuple[str, ...]
    exporter: Exporter


_Table = tuple[
    tuple[str, Kind, str, str, tuple[str, ...]], ...
]  # name without skyrack_, type, unit, meaning, labels
_N = ("node",)
_NODE = ("node", "kind")
_SERVICE = ("node", "service")
_WAY = ("node", "direction")
_LINK = ("src", "dst", "kind")

_ORCHESTRATOR: _Table = (
    ("run_info", "gauge", "", "The run: always 1.", ("run", "scenario")),
    ("run_seconds", "gauge", "seconds", "Real time since the start of the run.", ()),
    ("orbit_time_seconds", "gauge", "seconds", "Orbit time in force, as Unix time.", ()),
    ("clock_speed_ratio", "gauge", "ratio", "Orbit seconds per real second, 0 while the clock is paused.", ()),
    ("node_up", "gauge", "", "1 while the node serves and its lasers are lit.", _NODE),
    ("node_restarts_total", "counter", "starts", "Starts after the first one.", _NODE),
    ("satellites", "gauge", "satellites",
     "Satellites by what they are doing: not launched, drifting, raising, commissioning, in service, lost, retired.",
     ("phase",)),
    ("links_lit", "gauge", "links", "Links in force now, without those of nodes that are dark.", ("kind",)),
    ("partitions", "gauge", "parts", "Parts that links divide the lit nodes into: 1 when each can reach all others.", ()),
    ("link_delay_seconds", "gauge", "seconds", "One-way propagation delay in force now.", _LINK),
    ("link_rate_bits_per_second", "gauge", "bits/second",
     "Rate in force now, in real bits: what weather and faults leave of the scenario's, by its byte_scale.", _LINK),
    ("ground_attenuation_db", "gauge", "dB",
     "What the weather in force takes, `up` and `down`, towards 40 degrees of elevation; +Inf: a cloud.", _WAY),
    ("satellites_eclipsed_ratio", "gauge", "ratio", "Share of all satellites in the Earth's shadow.", ()),
    ("satellites_in_anomaly_ratio", "gauge", "ratio", "Share of all satellites over the South Atlantic Anomaly.", ()),
    ("storm_factor", "gauge", "",
     "By how much solar storms multiply the rates of upsets where they do so most; 1 without one.", ()),
    ("fault_active", "gauge", "faults", "Faults that act now.", ("kind",)),
    ("fault_failures_total", "counter", "failures", "What of faults could not be done, or undone, by place.", ("kind",)),
    ("radiation_outcomes_total", "counter", "outcomes",
     "What particles did: `upset` (corrected), `flip`, `crash`, `hang`, `sefi`, `ssd`, `permanent`.", ("outcome",)),
    ("radiation_dose_grays", "gauge", "grays", "Dose of a satellite with a process; 1 Gy is 100 rad.", _N),
    ("occurrences_skipped_total", "counter", "occurrences",
     "What would have befallen nodes at instants that the clock jumped over, or without an orchestrator.", ("kind",)),
    ("throttle_cpu_cores", "gauge", "cores",
     "What flight software allows all services of a node together; +Inf: no limit. Only of nodes with flight software.", _N),
    ("throttle_failures_total", "counter", "failures", "Limits of flight software that could not be kept to.", ()),
    ("link_extra_delay_seconds", "gauge", "seconds", "What faults add to the delay; only where they do.", _LINK),
    ("handovers_total", "counter", "handovers", "Times a ground station began to send through another satellite.", _N),
    ("routing_convergence_seconds", "histogram", "seconds",
     "After an unplanned change: first to have `detected` it, last `informed`, pairs `restored` (the median of a change).",
     ("stage",)),
    ("fidelity_probes_total", "counter", "probes",
     "The run's own: `answered`, rightly `lost`, lost though there was a way (`false_outage`), answered though there was none "
     "(`unexpected`), lost or answered so while the host held the fabric up (`held_up`), or either may be right "
     "(`unsettled`).", ("outcome",)),
    ("events_total", "counter", "events", "What happened, by its name in events.jsonl.", ("event",)),
    ("events_lost_total", "counter", "events", "Events that could not be written to disk.", ()),
    ("bus_connected", "gauge", "", "1 while the orchestrator has a broker of the telemetry bus.", ()),
    ("bus_published_total", "counter", "messages", "Messages of the orchestrator that a broker took.", ()),
    ("bus_dropped_total", "counter", "messages", "Messages of the orchestrator that newer ones replaced before.", ()),
    ("bus_reconnects_total", "counter", "connections", "The orchestrator's to a broker, after the first one.", ()),
    ("transfers_running", "gauge", "transfers", "Declared transfers under way.", ()),
    ("transfers_total", "counter", "transfers", "Declared transfers that ended, by `done`, `cancelled` or `failed`.",
     ("outcome",)),
    ("transfer_delivered_bytes_total", "counter", "bytes", "Declared bytes that have arrived.", ()),
    ("transfer_resent_bytes_total", "counter", "bytes", "Declared bytes that were lost and sent again.", ()),
    ("custody_bytes", "gauge", "bytes", "What the node has in its store, bundles on their way there included.", _N),
    ("custody_bundles", "gauge", "bundles", "Bundles in the node's store.", _N),
    ("custody_limit_bytes", "gauge", "bytes", "What each store takes.", ()),
    ("bundles_total", "counter", "bundles", "Bundles that ended: `delivered`, `cancelled`, `lost` or `expired`.",
     ("outcome",)),
    ("bundles_stored_total", "counter", "bundles", "Times a node on the way took a bundle in custody.", ()),
    ("contacts_missed_total", "counter", "contacts", "Contacts that a bundle was planned for and did not get across.", ()),
    ("fabric_up", "gauge", "", "1 while there is a fabric; what it counts is missing otherwise.", ()),
    ("fabric_realtime", "gauge", "", "1 while the fabric has real-time priority.", ()),
)  # fmt: skip

_FABRIC: _Table = (
    ("fabric_lateness_seconds", "histogram", "seconds", "Actual minus due time of each delivery.", ()),
    ("fabric_ingress_lag_seconds", "histogram", "seconds", "Most that a packet waited before the fabric read it.", ()),
    ("fabric_ingress_packets_total", "counter", "packets", "Packets and trains read from nodes.", ()),
    ("fabric_ingress_bytes_total", "counter", "bytes", "Bytes read from nodes.", ()),
    ("fabric_delivered_packets_total", "counter", "packets", "Packets (segments of trains) written to nodes.", ()),
    ("fabric_delivered_bytes_total", "counter", "bytes", "Bytes on the wire of what was written to nodes.", ()),
    ("fabric_dropped_packets_total", "counter", "packets", "Packets not delivered, by reason.", ("reason",)),
    ("fabric_looped_packets_total", "counter", "packets", "Times a packet was sent back to the node it came from.", ()),
    ("fabric_corrupted_packets_total", "counter", "packets", "Packets that links damaged, by faults.", ()),
    ("fabric_busy_seconds_total", "counter", "seconds", "Time the event loop did not wait.", ()),
    ("fabric_wakeups_total", "counter", "wake-ups", "Times the event loop waited and woke.", ()),
    ("fabric_late_segments_total", "counter", "updates", "Link updates that came after they were due.", ()),
    ("background_flows", "gauge", "flows", "Flows of the background traffic.", ()),
    ("background_rate_bits_per_second", "gauge", "bits/second", "What they send together, as the scenario has it.", ()),
    ("background_bytes_total", "counter", "bytes", "Emulated bytes of theirs that were `sent`, `delivered`, `lost`.",
     ("fate",)),
    ("link_packets_total", "counter", "packets", "Packets carried.", _LINK),
    ("link_bytes_total", "counter", "bytes", "Bytes carried.", _LINK),
    ("link_wait_seconds_total", "counter", "seconds", "Time packets waited in the queue.", _LINK),
    ("link_dropped_packets_total", "counter", "packets", "Packets dropped: the `queue` was full, or `loss`.",
     (*_LINK, "reason")),
    ("link_class_packets_total", "counter", "packets", "Packets carried, by traffic class.", (*_LINK, "class")),
    ("link_class_bytes_total", "counter", "bytes", "Bytes carried, by traffic class.", (*_LINK, "class")),
    ("link_class_queue_dropped_packets_total", "counter", "packets", "Packets that met the full queue of their class.",
     (*_LINK, "class")),
)  # fmt: skip

_NODES: _Table = (
    ("node_info", "gauge", "", "What the node is: always 1.", ("node", "kind", "address")),
    ("node_uptime_seconds", "gauge", "seconds", "Time since the process began to serve.", _N),
    ("node_attached", "gauge", "", "1 while the fabric serves the lasers.", _N),
    ("node_attaches_total", "counter", "attaches", "Times the fabric took the node.", _N),
    ("node_joined", "gauge", "", "1 while the orchestrator's stream is open.", _N),
    ("node_updates_total", "counter", "updates", "Updates received from the orchestrator.", _N),
    ("node_neighbours", "gauge", "nodes", "Nodes one link away in the epoch in force.", _N),
    ("node_echo_requests_total", "counter", "requests", "Echo requests answered.", _N),
    ("node_echo_bytes_total", "counter", "bytes", "Payload of Echo, `received` and `sent`.", _WAY),
    ("node_mesh_bytes_total", "counter", "bytes", "IP bytes through mesh0.", _WAY),
    ("node_mesh_packets_total", "counter", "packets", "Packets through mesh0; a super-packet counts as one.", _WAY),
    ("node_mesh_errors_total", "counter", "packets", "Errors at mesh0.", _WAY),
    ("node_mesh_drops_total", "counter", "packets", "Packets the kernel dropped at mesh0.", _WAY),
    ("node_cpu_seconds_total", "counter", "seconds", "CPU time of the process.", _N),
    ("node_run_delay_seconds_total", "counter", "seconds", "Time its threads were ready but not running.", _N),
    ("node_resident_memory_bytes", "gauge", "bytes", "Resident memory, pages shared with other nodes included.", _N),
    ("node_open_fds", "gauge", "descriptors", "Open file descriptors.", _N),
    ("node_log_errors_total", "counter", "records", "Log records, and lines of services, that could not be written.", _N),
    ("node_bus_connected", "gauge", "", "1 while the node has a broker of the telemetry bus.", _N),
    ("node_bus_published_total", "counter", "messages", "Messages that a broker took.", _N),
    ("node_bus_dropped_total", "counter", "messages", "Messages that newer ones replaced before a broker took them.", _N),
    ("node_bus_reconnects_total", "counter", "connections", "Connections to a broker after the first one.", _N),
    ("node_flight_mode", "gauge", "", "1 for its flight mode: `nominal`, `throttled`, `safe`.", ("node", "mode")),
    ("node_battery_ratio", "gauge", "ratio", "What is left in its battery, of its capacity.", _N),
    ("node_battery_wear_ratio", "gauge", "ratio", "How much of its battery's life is used up.", _N),
    ("node_temperature_celsius", "gauge", "celsius", "Temperature of its computer.", _N),
    ("node_power_in_watts", "gauge", "watts", "What its solar arrays give.", _N),
    ("node_power_out_watts", "gauge", "watts", "What bus, computer and declared loads draw.", _N),
    ("node_energy_in_joules_total", "counter", "joules", "What its arrays have given and it could use, by orbit time.", _N),
    ("node_energy_out_joules_total", "counter", "joules", "What was drawn, by orbit time.", _N),
    ("node_energy_unserved_joules_total", "counter", "joules", "What an empty battery could not give.", _N),
    ("node_cpu_busy_cores", "gauge", "cores", "Cores of the host that everything in it used in the last second.", _N),
    ("node_cpu_allowed_cores", "gauge", "cores", "What its services together may use; only while that is limited.", _N),
    ("service_up", "gauge", "", "1 while the service runs.", _SERVICE),
    ("service_ready", "gauge", "", "1 while it is ready: its probe answers.", _SERVICE),
    ("service_restarts_total", "counter", "starts", "Starts after the first one that was asked for.", _SERVICE),
    ("service_watchdog_restarts_total", "counter", "starts", "Of these, those after its watchdog had killed it.", _SERVICE),
    ("service_cpu_seconds_total", "counter", "seconds", "CPU time of its processes, ended ones included.", _SERVICE),
    ("service_resident_bytes", "gauge", "bytes", "Resident memory of its processes, shared pages included.", _SERVICE),
)  # fmt: skip

_LOAD: _Table = (
    ("workload_operations_total", "counter", "operations",
     "Operations by outcome: `ok`, `fail`, `unknown`; workload `other`: one of your own.",
     ("workload", "outcome")),
    ("workload_latency_seconds", "histogram", "seconds", "From an operation's intended start to its answer, if ok.",
     ("workload",)),
    ("fidelity_error_seconds", "histogram", "seconds",
     "Measured minus computed round trip of a load's probes; workload `run`: of the run's own.",
     ("workload",)),
)  # fmt: skip

_TABLES: Mapping[Exporter, _Table] = {
    "orchestrator": _ORCHESTRATOR,
    "fabric": _FABRIC,
    "node": _NODES,
    "load": _LOAD,
}
METRICS: Mapping[str, Definition] = {
    f"skyrack_{row[0]}": Definition(f"skyrack_{row[0]}", *row[1:], exporter)
    for exporter, table in _TABLES.items()
    for row in table
}
