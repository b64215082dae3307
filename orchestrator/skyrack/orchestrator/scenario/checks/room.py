"""There are enough addresses for the nodes, and enough satellites for what is to be inhabited."""

from collections.abc import Iterator

from ..model.inhabited import InhabitedCount
from ..model.workloads import EchoWorkload
from .finding import Draft, Finding


def check_room(draft: Draft) -> Iterator[Finding]:
    """Yield counts that do not fit each other; nothing while the satellites are not known."""
    if draft.satellites is None:
        return
    satellites, ground = len(draft.satellites), len(draft.on_ground)
    network, inhabited = draft.scenario.network, draft.scenario.inhabited
    if "network" not in draft.bad and (room := network.num_addresses - 2) < satellites + ground:
        enough = 32 - (satellites + ground + 1).bit_length()
        message = f"{network} has room for {room:,} nodes, the scenario has {satellites + ground:,}"
        yield Finding(("network",), message, f"/{enough} is enough")
    if "inhabited" in draft.bad:
        return
    if isinstance(inhabited, InhabitedCount) and inhabited.count > satellites:
        message = f"{inhabited.count:,} inhabited satellites, the scenario has {satellites:,}"
        yield Finding(("inhabited", "count"), message, "inhabited: all takes every one")
    endpoints = _endpoints(draft)
    if "workloads" in draft.bad or endpoints is None or endpoints >= 2:
        return
    for index, workload in enumerate(draft.scenario.workloads):
        if isinstance(workload, EchoWorkload) and not isinstance(workload.pairs, tuple):
            message = f"{workload.kind} needs two nodes with a process, the scenario has {endpoints}"
            yield Finding(("workloads", index), message)


def _endpoints(draft: Draft) -> int | None:
    """Return how many nodes have a process, None when that depends on positions."""
    assert draft.satellites is not None
    match draft.scenario.inhabited:
        case "all":
            return len(draft.satellites) + len(draft.on_ground)
        case InhabitedCount(count=count):
            return count + len(draft.on_ground)
        case tuple(listed):
            return len(listed) + len(draft.on_ground)
    return None
