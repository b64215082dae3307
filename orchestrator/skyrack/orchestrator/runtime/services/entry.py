"""How one service is going at one node, as the orchestrator sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from skyrack.orchestrator.runtime.services.groups import Group
from skyrack.orchestrator.runtime.services.specs import Room
from skyrack.orchestrator.scenario import Service
from skyrack.orchestrator.scenario.templates import Member
from skyrack.v1 import service_pb2

STOPPED = "stopped"  # by its node, in safe mode, until that is over
PHASES = {
    service_pb2.SERVICE_PHASE_STARTING: "starting",
    service_pb2.SERVICE_PHASE_READY: "ready",
    service_pb2.SERVICE_PHASE_UNREADY: "unready",
    service_pb2.SERVICE_PHASE_WAITING: "waiting",
    service_pb2.SERVICE_PHASE_FINISHED: "finished",
    service_pb2.SERVICE_PHASE_FAILED: "failed",
    service_pb2.SERVICE_PHASE_STOPPING: "stopping",
    service_pb2.SERVICE_PHASE_STOPPED: STOPPED,
}
AWAITED = "awaited"  # the node has not said anything about it, or is dark
DRAINED = "drained"  # its node is drained, and it has ended there
DONE = ("ready", "finished", DRAINED, STOPPED)


def settled_words(phases: Sequence[str]) -> str:
    """How many are ready once nothing has to be waited for."""
    stopped = sum(phase == STOPPED for phase in phases)
    text = f"{len(phases) - stopped}/{len(phases)} ready"
    return f"{text}, {stopped} stopped in safe mode" if stopped else text


@dataclass(slots=True)
class Entry:
    """One service at one node. `phase` is one of PHASES' words, or AWAITED or DRAINED.

    `version`: of the service's software, counted from 1; `previous`: the one before it, 0 where there was none.
    """

    service: Service
    member: Member
    spec: service_pb2.ServiceSpec
    group: Group
    room: Room
    phase: str = AWAITED
    status: service_pb2.ServiceStatus = field(default_factory=service_pb2.ServiceStatus)
    since_s: float = 0.0  # run time at which the phase began
    oom_kills: int = 0
    starved: str = ""  # why the kernel killed it, until it runs again
    version: int = 1
    previous: int = 0
    anew: bool = False  # to begin anew, once its container beside the node has been ended

    @property
    def beside(self) -> bool:
        """Whether it runs in a container of its own beside the node."""
        return not self.spec.command and not self.spec.python

    @property
    def data_dir(self) -> str:
        """Where it keeps its files, as its node sees it; empty while that is not known, and in a container of its own."""
        return self.spec.data_dir or ("" if self.phase == AWAITED else self.status.data_dir)

    @property
    def done(self) -> bool:
        """Whether nothing has to be waited for."""
        return self.phase in DONE

    @property
    def reason(self) -> str:
        """Why it is not ready, in a sentence; empty when it is, or nothing is known."""
        if self.phase in (AWAITED, DRAINED):
            return ""
        return "; ".join(filter(None, [self.starved, self.status.reason]))

    def shown(self) -> dict[str, Any]:
        """As JSON."""
        status = self.status
        return {
            "service": self.service.name,
            "node": self.member.node,
            "phase": self.phase,
            "since_s": round(self.since_s, 3),
            "port": self.service.ready.answers_at if self.service.ready else None,
            "stop_timeout_s": self.service.stop_timeout_s,
            "inner_pid": status.pid if self.phase not in (AWAITED, DRAINED) else 0,
            "restarts": status.restarts,
            "version": self.version,
            "previous_version": self.previous or None,
            "watchdog_restarts": status.watchdog_restarts,
            "reason": self.reason,
            "ready_after_s": round(status.ready_after_s, 3) if status.ready_after_s else None,
            "exit_status": status.exit_status if status.HasField("exit_status") else None,
            "exit_signal": status.exit_signal if status.HasField("exit_signal") else None,
            "data_dir": self.data_dir,
            "notes": [*self.group.notes, *status.notes],
        }
