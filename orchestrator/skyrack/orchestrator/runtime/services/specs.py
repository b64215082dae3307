"""What a node is told of a service: the scenario's words with every placeholder filled in. Pure."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from skyrack.orchestrator.scenario import Service
from skyrack.orchestrator.scenario.placement import own_values
from skyrack.orchestrator.scenario.templates import Member, fill
from skyrack.v1 import service_pb2
from skyrack.v1.redundant import redundant

_RESTART = {
    "always": service_pb2.RESTART_POLICY_ALWAYS,
    "on-failure": service_pb2.RESTART_POLICY_ON_FAILURE,
    "never": service_pb2.RESTART_POLICY_NEVER,
}

_PRELOAD = "LD_PRELOAD"


@dataclass(frozen=True, slots=True)
class Room:
    """What is prepared for a service at a node: `data` as the node sees it; empty words leave the choice to the node.

    `beside`: it runs in a container of its own beside the node, which only probes it.
    """

    data: str = ""
    log: str = ""
    cgroup_dirs: tuple[str, ...] = ()
    beside: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)  # beside what the scenario says, which wins


def spec(
    service: Service,
    member: Member,
    everybody: Mapping[str, Sequence[Member]],
    room: Room,
    *,
    run: str,
    generation: int,
    watchdog_s: float | None = None,
) -> service_pb2.ServiceSpec:
    """One service at one node; `everybody` are the members of every service by its name.

    `watchdog_s`: of a service that can be probed and has none of its own.
    """
    own = own_values(service, member, run, room.data or ".", sys.executable)  # a command starts there

    def filled(text: str) -> str:
        return fill(text, own, everybody)

    message = service_pb2.ServiceSpec(
        name=service.name,
        generation=generation,
        restart=_RESTART[service.restart],
        stop_timeout_s=service.stop_timeout_s,
    )
    if not room.beside:
        message.MergeFrom(
            service_pb2.ServiceSpec(
                command=_command(service, [filled(word) for word in service.command or ()]),
                python=service.python or "",
                python_path=service.path,
                environment=_environment(room, {name: filled(text) for name, text in service.env.items()}),
                data_dir=room.data,
                files={name: filled(text) for name, text in service.files.items()},
                user=service.user or "",
                cgroup_dirs=room.cgroup_dirs,
                log_file=room.log,
            )
        )
    if (ready := service.ready) is not None:
        message.readiness.CopyFrom(
            service_pb2.ReadinessProbe(
                port=ready.port or 0,
                grpc_port=ready.grpc or 0,
                http=ready.http or "",
                command=[filled(word) for word in ready.command or ()],
                period_s=ready.period_s,
                timeout_s=ready.timeout_s,
            )
        )
    timeout_s = service.watchdog_s or (watchdog_s if service.ready is not None else None)
    # What a container beside its node prints, nobody there reads: without a probe it gives no sign of life.
    if timeout_s is not None and (message.command or (room.beside and service.ready is not None)):
        message.watchdog.timeout_s = timeout_s
        message.watchdog.start_s = service.ready_within_s
    return message


def _command(service: Service, words: list[str]) -> list[str]:
    """Of one copy or of several."""
    return redundant(sys.executable, service.redundancy, words) if service.redundancy else words


def _environment(room: Room, wanted: Mapping[str, str]) -> dict[str, str]:
    """Both, and of libraries to be loaded first those of both."""
    both = {**room.environment, **wanted}
    if _PRELOAD in room.environment and _PRELOAD in wanted:
        both[_PRELOAD] = f"{room.environment[_PRELOAD]}:{wanted[_PRELOAD]}"
    return both
