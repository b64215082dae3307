"""What nodes report about themselves while they run."""

from .base import Number, Section, key


class Telemetry(Section):
    """The telemetry bus: MQTT messages for dashboards, recorders and the user's own programs."""

    enabled: bool = key(
        "Whether there is a message broker, and nodes and orchestrator publish on it.",
        source="D: a node's part costs under 1 ms of CPU time a second",
        default=True,
    )
    period_s: Number = key(
        "Time between two reports of a node on the telemetry bus.",
        unit="s",
        source="D: as often as dashboards refresh",
        default=5.0,
        ge=0.1,
        le=3600,
    )
    fidelity_probes_per_s: Number = key(
        "Probes that the run sends between its inhabited nodes all the time, for its fidelity metrics; 0 for none.",
        unit="1/s",
        source="D: one a second costs less than 1 % of a core",
        default=1.0,
        ge=0,
        le=100,
    )
