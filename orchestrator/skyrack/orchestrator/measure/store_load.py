"""From what a user says of a workload to what is run: which nodes ask, whom, how many clients. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from skyrack.orchestrator.measure import pairs as choice
from skyrack.orchestrator.measure.workload import StoreLoad
from skyrack.workloads import OptionError, UnknownName, find_adapter, find_workload
from skyrack.workloads.registry import default_port

# Enough clients for operations of this length, so that nobody waits for a free one while the service does well.
USUAL_S = 0.5
_MOST_PROBED = 60
MOST_PORT = 65_535


class StoreLoadError(ValueError):
    """What was asked for cannot be run; the message is for the user, `hint` too."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def clients_for(rate_hz: float, nodes: int) -> int:
    """max(nodes, rate x 0.5 s), rounded up."""
    return max(nodes, -int(-rate_hz * USUAL_S // 1))


def asking_nodes(status: Mapping[str, Any], at: Sequence[str]) -> tuple[str, ...]:
    """`at`, or all ground stations, or where there are none all nodes that have a process. Raises StoreLoadError."""
    inhabited = {node["name"]: node["kind"] for node in status["nodes"] if node["inhabited"]}
    for name in at:
        if name not in inhabited:
            few = ", ".join(list(inhabited)[:6])
            raise StoreLoadError(f"no node with a process is called {name!r}", f"there are {few}, ...")
    ground = [name for name, kind in inhabited.items() if kind == "ground"]
    return tuple(dict.fromkeys(at)) or tuple(ground) or tuple(inhabited)


def members_of(services: Sequence[Mapping[str, Any]], service: str, only: Sequence[str]) -> tuple[str, ...]:
    """The nodes of a service, of `GET /v1/services`; of these `only` some. Raises StoreLoadError."""
    nodes = tuple(row["node"] for row in services if row["service"] == service)
    if not nodes:
        known = ", ".join(dict.fromkeys(row["service"] for row in services))
        hint = f"there are {known}" if known else "skyrack service add starts one"
        raise StoreLoadError(f"no service is called {service!r}", hint)
    for name in only:
        if name not in nodes:
            raise StoreLoadError(f"{service} is not at {name!r}", f"it is at {', '.join(nodes)}")
    return tuple(dict.fromkeys(only)) or nodes


def store_load(
    status: Mapping[str, Any],
    services: Sequence[Mapping[str, Any]],
    *,
    kind: str,
    adapter: str,
    scope: str,
    service: str = "",
    port: int | None = None,
    endpoints: Sequence[str] = (),
    at: Sequence[str] = (),
    to: Sequence[str] = (),
    clients: int | None = None,
    rate_hz: float,
    options: Mapping[str, Any],
    **rest: Any,
) -> StoreLoad:
    """The load. `endpoints`: NODE:PORT or ADDRESS:PORT, in place of a service. Raises StoreLoadError."""
    try:
        find_adapter(adapter)
        find_workload(kind).of(options)
    except (UnknownName, OptionError) as error:
        raise StoreLoadError(str(error)) from error
    nodes = asking_nodes(status, at)
    addresses: dict[str, str] = {node["name"]: node["address"] for node in status["nodes"]}
    if not endpoints:
        port = port or default_port(adapter)
        if port is None:
            raise StoreLoadError(f"adapter {adapter} has no usual port", "say which: --port N")
        endpoints = [f"{name}:{port}" for name in members_of(services, service, to)]
    places = [_place(endpoint, addresses) for endpoint in endpoints]
    members = tuple(dict.fromkeys(name for name, _ in places))
    pairs = [(node, member) for member in members for node in nodes if node != member]
    if not pairs:
        inhabited = [node["name"] for node in status["nodes"] if node["inhabited"]]
        pairs = choice.choose("random", inhabited, status["scenario"]["seed"])
    count = clients_for(rate_hz, len(nodes)) if clients is None else clients
    if count < len(nodes):
        raise StoreLoadError(f"{count} clients cannot be spread over {len(nodes)} nodes", "at least one each")
    return StoreLoad(
        kind=kind,
        adapter=adapter,
        service=service,
        members=members,
        endpoints=tuple(endpoint for _, endpoint in places),
        nodes=nodes,
        pairs=tuple(pairs[:_MOST_PROBED]),
        options=dict(options),
        scope=scope,
        clients=count,
        rate_hz=rate_hz,
        **rest,
    )


def _place(endpoint: str, addresses: Mapping[str, str]) -> tuple[str, str]:
    """The node of NODE:PORT or ADDRESS:PORT, and its ADDRESS:PORT."""
    host, _, port = endpoint.rpartition(":")
    if not host or not port.isdecimal() or not 1 <= int(port[:6]) <= MOST_PORT:
        raise StoreLoadError(f"endpoint {endpoint!r}: expected NODE:PORT, a port from 1 to {MOST_PORT}")
    if host in addresses:
        return host, f"{addresses[host]}:{port}"
    names = {address: name for name, address in addresses.items()}
    try:
        address = str(ipaddress.ip_address(host))
    except ValueError:
        raise StoreLoadError(f"endpoint {endpoint!r}: no node is called {host!r}") from None
    if address not in names:
        raise StoreLoadError(f"endpoint {endpoint!r}: no node has this address")
    return names[address], f"{address}:{port}"
