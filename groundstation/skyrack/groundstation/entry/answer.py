"""What the proxy says itself. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from skyrack.v1.entry import Kind

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
# For whoever reads the answer by program: the error types of RFC 9209, the Proxy-Status field.
_FAILURES: dict[Kind, tuple[int, str]] = {
    "unknown-name": (502, "dns_error"),
    "refused": (502, "connection_refused"),
    "unreachable": (502, "destination_ip_unroutable"),
    "timeout": (504, "connection_timeout"),
    "bad-request": (400, "http_request_error"),
}
MOST_LISTED = 12
_ADDRESS = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?")


@dataclass(frozen=True)
class Mesh:
    """Names: every node, and those with a process."""

    names: Sequence[str]
    processes: Sequence[str]


def page(status: int, text: str, *, proxy_status: str = "", body: bool = True) -> bytes:
    """A whole response. The first line of `text` is the reason phrase as well: it is all that many clients show."""
    data = text.encode() + b"\n"
    reason = text.partition("\n")[0]
    lines = [
        f"HTTP/1.1 {status} {'OK' if status == 200 else reason.encode('ascii', 'replace').decode()}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(data)}",
        *([f"Proxy-Status: {proxy_status}"] if proxy_status else []),
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + (data if body else b"")


def failure(station: str, host: str, port: int, kind: Kind, text: str, mesh: Mesh) -> bytes:
    """There is no connection to a node."""
    status, error = _FAILURES[kind]
    what = f"{host}:{port}" if kind not in ("unknown-name", "bad-request") else host
    return page(
        status,
        f"{what}: {text}\n{hint(station, host, kind, mesh)}".rstrip(),
        proxy_status=f"skyrack-{station}; error={error}",
    )


def hint(station: str, host: str, kind: Kind, mesh: Mesh) -> str:
    """What may help."""
    name = host.lower()
    if kind == "unknown-name":
        close = difflib.get_close_matches(name, mesh.names, 3)
        meant = f"did you mean {' or '.join(close)}? " if close else ""
        return f"{meant}Nodes with a process: {_listed(mesh.processes)}"
    if name in mesh.names and name not in mesh.processes:
        return f"{name} has no process at the moment, or never: nodes with one are {_listed(mesh.processes)}"
    if kind == "refused":
        return f"nothing listens on that port of {host}: skyrack service status, or skyrack exec {host} -- ss -lt"
    if kind == "unreachable":
        return f"the mesh has no way there now: skyrack path {station} {host} --run RUN says why"
    return "" if kind == "bad-request" else f"skyrack ping {station} {host} says whether packets come back"


def dead(station: str) -> bytes:
    """The station has no process that could connect."""
    text = f"{station} has no process at the moment\nIt is started again where the scenario restarts nodes."
    return page(503, text, proxy_status=f"skyrack-{station}; error=proxy_internal_error")


def usage(station: str, address: str, mesh: Mesh, *, found: bool, body: bool) -> bytes:
    """How the proxy is used; `address` is what the client called it."""
    here = address if _ADDRESS.fullmatch(address) else "127.0.0.1:PORT"
    example = next((name for name in mesh.processes if name != station), "NODE")
    text = f"""\
This is {station}'s entry into the mesh of a Skyrack run: an HTTP proxy. Connections enter the mesh at {station} and pay the
delays of the way from there.

    curl -x http://{here} http://{example}:8080/          HTTP
    curl -p -x http://{here} http://{example}:8080/       the same in a tunnel (CONNECT), for any protocol
    grpc_proxy=http://{here} PROGRAM                      gRPC, but for programs in Go
    skyrack forward {station} {example}:5432                  a local port, for programs that know no proxy

Nodes with a process: {_listed(mesh.processes)}"""
    return page(
        200 if found else 404, text if found else f"{station}'s proxy has no such page\n{text}", body=body
    )


def _listed(names: Sequence[str]) -> str:
    few = ", ".join(names[:MOST_LISTED])
    return few if len(names) <= MOST_LISTED else f"{few} and {len(names) - MOST_LISTED} more"
