"""Prometheus's configuration: it asks the orchestrator what there is to scrape, and warns when a run cannot be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

ORCHESTRATOR = "http://orchestrator:8080"
SCRAPE_INTERVAL_S = 5
LATE_S = 0.0005  # what the verdict of a load calls faithful


@dataclass(frozen=True, slots=True)
class Alert:
    """A condition in PromQL that has to hold for `for_s` seconds. `do`: what a user can do about it."""

    name: str
    expr: str
    for_s: int
    severity: str
    summary: str
    do: str


ALERTS = (
    Alert(
        "FidelityLost",
        "histogram_quantile(0.99, sum by (run, le) (rate(skyrack_fabric_lateness_seconds_bucket[30s])))"
        f" > {LATE_S}",
        15,
        "critical",
        "The fabric delivers packets late: p99 is {{ $value | humanizeDuration }}.",
        "Measured delays are too long, so results of this time mean nothing. Give the host more CPU or the run fewer nodes or"
        " packets; skyrack_fabric_realtime should be 1.",
    ),
    Alert(
        "FabricLate",
        "increase(skyrack_fabric_late_segments_total[1m]) > 1.5",  # the first update of a fabric always is late
        0,
        "critical",
        "The orchestrator told the fabric of new delays after they were due.",
        "For a moment delays were older than the orbits. The orchestrator lacks CPU: give it more, or choose a smaller"
        " constellation.",
    ),
    Alert(
        "DelaysWrong",
        # The run's own probes are too few for a quantile of a minute.
        'histogram_quantile(0.99, sum by (run, le) (rate(skyrack_fidelity_error_seconds_bucket{workload!="run"}[1m])))'
        f" > {LATE_S}",
        15,
        "critical",
        "Probes take {{ $value | humanizeDuration }} more than computed (p99).",
        "See the dashboard Fidelity for what is late: the fabric, the nodes' processes (run delay), or only queues that the"
        " load itself fills.",
    ),
    Alert(
        "FabricDown",
        "skyrack_fabric_up == 0",
        5,
        "critical",
        "There is no fabric: every laser is dark.",
        "It is started again by itself; logs/fabric.log in the run directory, or the container's log, says why it ended.",
    ),
    Alert(
        "NodeDown",
        'min by (run, node, kind) (skyrack_node_up or up{job="skyrack-node"}) == 0',
        10,
        "warning",
        "{{ $labels.node }} does not serve.",
        "Killed on purpose, or crashed: `skyrack logs {{ $labels.node }}` has its last words. It comes back by itself unless"
        " the scenario says nodes.restart: never.",
    ),
    Alert(
        "Partition",
        "skyrack_partitions > 1",
        10,
        "warning",
        "The mesh is divided into {{ $value }} parts.",
        "Some nodes cannot reach others: a station without a satellite in sight, or too many satellites dark."
        " `skyrack path A B --at TIME` says whether the orbits alone explain it.",
    ),
    Alert(
        "BrokerDisconnected",
        # Nodes count messages only where the scenario has telemetry.
        "min by (run) (skyrack_bus_connected) == 0 and on (run) count by (run) (skyrack_node_bus_connected) > 0",
        10,
        "warning",
        "The orchestrator has no broker.",
        "Telemetry waits; nodes, links and measurements go on, and everybody connects again by itself. See the broker's log:"
        " `docker compose logs mosquitto`, or logs/ in the run directory.",
    ),
    Alert(
        "RunUnreachable",
        'absent(up{job="skyrack"} == 1)',
        15,
        "critical",
        "No orchestrator answers.",
        "Is the run up? `skyrack status`, or `docker compose ps` and the orchestrator's log.",
    ),
    Alert(
        "TargetMissing",
        'count by (run) (skyrack_node_up) > count by (run) (up{job="skyrack-node"})',
        30,
        "warning",
        "Prometheus does not know of all nodes.",
        "It asks /sd/prometheus every few seconds; its page Service Discovery shows what it was told.",
    ),
    Alert(
        "EventsLost",
        "increase(skyrack_events_lost_total[5m]) > 0",
        0,
        "warning",
        "Events could not be written to disk.",
        "Most likely the disk is full: events.jsonl of this run has gaps.",
    ),
)


def files() -> dict[str, str]:
    """Relative path -> text."""
    return {"prometheus/prometheus.yml": configuration(), "prometheus/alerts.yml": rules()}


def configuration(orchestrator: str = ORCHESTRATOR, interval_s: int = SCRAPE_INTERVAL_S) -> str:
    """prometheus.yml for the run whose API is at this address; the rules are in alerts.yml beside it."""
    every = f"{interval_s}s"
    discovery = {"url": f"{orchestrator}/sd/prometheus", "refresh_interval": every}
    return _yaml(
        "Targets are found by asking the orchestrator; nodes that are new show up by themselves.",
        {
            "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
            "rule_files": ["alerts.yml"],
            # The labels `node` and `kind` mean the same in metrics and targets: metrics have the last word.
            "scrape_configs": [
                {"job_name": "skyrack", "honor_labels": True, "http_sd_configs": [discovery]},
            ],
        },
    )


def rules() -> str:
    """alerts.yml."""
    alerts = [
        {
            "alert": alert.name,
            "expr": alert.expr,
            "for": f"{alert.for_s}s",
            "labels": {"severity": alert.severity},
            "annotations": {"summary": alert.summary, "description": alert.do},
        }
        for alert in ALERTS
    ]
    return _yaml(
        "What a user of a run wants to be told; the description says what to do.",
        {"groups": [{"name": "skyrack", "rules": alerts}]},
    )


def _yaml(about: str, document: dict[str, Any]) -> str:
    return f"# {about}\n" + yaml.safe_dump(document, sort_keys=False, width=110, allow_unicode=True)
