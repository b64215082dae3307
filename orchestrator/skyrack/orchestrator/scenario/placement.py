"""Which nodes a service runs on, and what its placeholders mean at each of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from .model.services import Service
from .templates import Member, fill_peer

KINDS = {"satellites": "satellite", "ground": "ground", "users": "user", "pops": "pop"}

SIDECAR_DATA = "/data"  # where a service in a container of its own finds its data directory


@dataclass(frozen=True, slots=True)
class Host:
    """A node that may run services."""

    name: str
    kind: str
    address: str


def placed(service: Service, inhabited: Iterable[tuple[str, str]]) -> list[str]:
    """Return the names of a service's nodes, in the order of its members; `inhabited` are (name, kind) in node order."""
    if service.named_nodes:
        return list(service.named_nodes)
    kind = KINDS.get(str(service.nodes))
    return [name for name, its_kind in inhabited if kind is None or its_kind == kind]


def members(service: Service, hosts: Iterable[Host]) -> tuple[Member, ...]:
    """Return the service's nodes in their order; `hosts` are all that may run services, in node order."""
    by_name = {host.name: host for host in hosts}
    names = placed(service, [(host.name, host.kind) for host in by_name.values()])
    addresses = [by_name[name].address for name in names]
    return tuple(
        Member(name, address, index, fill_peer(service.peer, name, address, index))
        for index, (name, address) in enumerate(zip(names, addresses, strict=True))
    )


def own_values(service: Service, member: Member, run: str, data: str, python: str) -> dict[str, str]:
    """Return what the placeholders of one node alone mean there; `data` is the data directory, `python` an interpreter."""
    return {
        "node": member.node,
        "address": member.address,
        "index": str(member.index),
        "data": data,
        "path": service.path[0] if service.path else "",
        "python": python,
        "service": service.name,
        "run": run,
    }


def sidecar_name(node: str, service: str) -> str:
    """Return what a service is called beside its node, among the services of a compose project; no name has a dot."""
    return f"{node}.{service}"
