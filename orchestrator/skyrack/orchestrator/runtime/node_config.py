"""What a node process is told when it is started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from skyrack.orchestrator.runtime.nodes import NodeState
from skyrack.orchestrator.scenario import Scenario
from skyrack.v1.bus import Address

GSO_WINDOW_S = 1e-4  # a train is at most this long on the slowest link, so that it stands for its packets
MOST_GSO_BYTES = 65536
NICENESS_WITHOUT_FIFO = 5  # where the fabric gets no real-time priority, everybody else steps back


def node_config(
    node: NodeState, scenario: Scenario, run: str, mesh_dir: Path, bus: Address | None
) -> dict[str, Any]:
    """The node's configuration, as far as it is the same wherever its process runs; `bus` is its way to the broker."""
    return {
        "name": node.name,
        "kind": node.kind,
        "index": node.index,
        "run": run,
        "address": node.address,
        "network": str(scenario.network),
        "mtu": scenario.mtu,
        "gso_max_bytes": gso_max_bytes(scenario),
        "socket_dir": str(mesh_dir),
        "seed": scenario.seed,
        "telemetry_period_s": scenario.telemetry.period_s,
        "watchdog_s": scenario.watchdog_s or 0.0,
        "bus_socket": bus and bus.socket,
        "bus_username": bus and bus.username,
        "bus_password": bus and bus.password,
        "flight": flight(scenario) if node.kind == "satellite" else None,
    }


def flight(scenario: Scenario) -> dict[str, Any] | None:
    """What the flight software of every satellite is told; None without any."""
    if scenario.power is None:
        return None
    thermal = scenario.thermal and scenario.thermal.model_dump(exclude={"platform"})
    return {"power": scenario.power.model_dump(exclude={"platform"}), "thermal": thermal}


def spawned(
    config: dict[str, Any], mesh_dir: Path, log_dir: Path, *, realtime_fabric: bool
) -> dict[str, Any]:
    """For a node of the run's own, which makes its namespaces itself."""
    return config | {
        "hosts_file": str(mesh_dir / "hosts"),
        "log_file": str(log_dir / f"{config['name']}.jsonl"),
        "niceness": 0 if realtime_fabric else NICENESS_WITHOUT_FIFO,
    }


def contained(config: dict[str, Any]) -> dict[str, Any]:
    """For a node in a container, which has its namespaces, its hosts file and somebody who reads its log already."""
    return config | {"isolate": False}


def gso_max_bytes(scenario: Scenario) -> int:
    """The largest train the kernel may hand over: GSO_WINDOW_S of the slowest link; 0 (none) below two packets."""
    links = scenario.links
    rates_bps = [
        links.laser_rate_bps,
        links.uplink_rate_bps or links.ground_rate_bps,
        links.downlink_rate_bps or links.ground_rate_bps,
        *(rate_bps for user in scenario.users for rate_bps in (user.up_bps, user.down_bps)),
        *(fibre.rate_bps for fibre in scenario.fibre),
    ]
    size = int(min(MOST_GSO_BYTES, min(rates_bps) / links.byte_scale / 8 * GSO_WINDOW_S))
    return size if size >= 2 * scenario.mtu else 0
