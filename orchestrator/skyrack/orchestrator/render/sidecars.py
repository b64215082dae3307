"""Services that are containers: each beside its node, in whose network and PID namespace it lives.

node-p0s05  <--- network, PID namespace --- p0s05.redis --- volume p0s05.redis at /data
    |                                            ^                 ^
  killed: the kernel kills p0s05.redis too       | starts again    | opens to every user, writes `files`
  started again: ------------------------------> sidecars ---------'

An engine starts a container whose namespaces are another's only while that one runs, tries once, and gives up. So there is
somebody who starts it once its node is back: `sidecars`, see skyrack.orchestrator.runtime.sidecars.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from skyrack.orchestrator.render.yaml_text import quoted, quoted_list
from skyrack.orchestrator.scenario import Limits, Service
from skyrack.orchestrator.scenario.placement import SIDECAR_DATA as DATA
from skyrack.orchestrator.scenario.placement import Host, members, own_values, sidecar_name
from skyrack.orchestrator.scenario.templates import fill
from skyrack.v1.guest_environment import guest_environment

KEEPER = "sidecars"
NODE_LABEL = "skyrack.node"
FILES_DIRECTORY = "services"
ORDERS = "/run/skyrack/sidecars.sock"  # on a volume that no node has
_MB = 1_000_000
_RESTART = {"always": "always", "on-failure": "on-failure", "never": '"no"'}


@dataclass(frozen=True)
class Sidecar:
    """One service at one node. `command` None: the image's own."""

    node: str
    service: str
    image: str
    command: Sequence[str] | None
    environment: Mapping[str, str]
    files: Mapping[str, str]
    user: str | None
    limits: Limits
    restart: str
    stop_timeout_s: float
    name: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", sidecar_name(self.node, self.service))


def sidecars(services: Sequence[Service], nodes: Sequence[tuple[int, Host]], run: str) -> list[Sidecar]:
    """Those of all services with an image; `nodes` are those with a process, with their indices."""
    hosts = {host.name: (index, host) for index, host in nodes}
    everybody = {service.name: members(service, [host for _, host in nodes]) for service in services}
    found = []
    for service in services:
        if service.image is None:
            continue
        for member in everybody[service.name]:
            index, host = hosts[member.node]
            own = own_values(service, member, run, DATA, "python3")

            def filled(text: str, own: Mapping[str, str] = own) -> str:
                return fill(text, own, everybody)

            # The clock is not known before the run begins: guests ask their node for it.
            told = guest_environment(
                run=run,
                node=host.name,
                kind=host.kind,
                address=host.address,
                index=index,
                clock=None,
            )
            own_variables = {"SKYRACK_SERVICE": service.name, "SKYRACK_DATA": DATA}
            given = {name: filled(text) for name, text in service.env.items()}
            found.append(
                Sidecar(
                    node=member.node,
                    service=service.name,
                    image=service.image,
                    command=[filled(word) for word in service.command] if service.command else None,
                    environment=told | own_variables | given,
                    files={name: filled(text) for name, text in service.files.items()},
                    user=service.user,
                    limits=service.limits,
                    restart=service.restart,
                    stop_timeout_s=service.stop_timeout_s,
                )
            )
    return found


def sidecar_files(found: Iterable[Sidecar]) -> dict[str, str]:
    """Place in the project -> text, of what is written into data directories."""
    return {f"{FILES_DIRECTORY}/{one.name}/{name}": text for one in found for name, text in one.files.items()}


# Root may do in its own files what entry points do, set up a directory and become another user; it may not signal the node.
HEAD = """\

# A service in the network and the PID namespace of its node, so that the kernel ends both together.
x-sidecar: &sidecar
  cap_drop: [ALL]
  cap_add: [CHOWN, DAC_OVERRIDE, FOWNER, NET_BIND_SERVICE, SETGID, SETUID]
  security_opt: ["no-new-privileges:true"]
  logging: *logging
"""


def keeper_service(found: Sequence[Sidecar]) -> str:
    """The service that keeps the others."""
    files = (
        f"      - ./{FILES_DIRECTORY}:/etc/skyrack/{FILES_DIRECTORY}:ro\n"
        if any(one.files for one in found)
        else ""
    )
    volumes = "".join(f"      - {quoted(f'{one.name}:{DATA}/{one.name}')}\n" for one in found)
    return f"""\
  # Starts services again whose nodes are back, holds them to what flight software allows, and keeps their data directories.
  # Who can speak to the engine can do anything on this machine: it has no network, and takes requests about CPU time only,
  # of the orchestrator only.
  {KEEPER}:
    <<: *skyrack
    user: "0:0"
    cap_add: [DAC_OVERRIDE, FOWNER]
    network_mode: none
    command:
      - python
      - -m
      - skyrack.orchestrator.runtime.sidecars
      - --engine=/run/engine.sock
      - --mesh-dir=/run/mesh
      - --orders={ORDERS}
      - --data={DATA}
      - --files=/etc/skyrack/{FILES_DIRECTORY}
      - --prepared=/tmp/prepared
    healthcheck: {{<<: *health, test: [CMD, test, -e, /tmp/prepared]}}
    restart: always
    volumes:
      - ${{DOCKER_SOCKET:-/var/run/docker.sock}}:/run/engine.sock
      - run:/run/skyrack
      - mesh:/run/mesh
{files}{volumes}"""


def sidecar_service(one: Sidecar, node_service: str, hosts_file: str) -> str:
    """The service of one."""
    lines = [
        f"  {quoted(one.name)}:",
        "    <<: *sidecar",
        f"    image: {quoted(one.image)}",
        f"    network_mode: service:{node_service}",
        f"    pid: service:{node_service}",
        "    depends_on:",
        f"      {node_service}: {{condition: service_healthy}}",
        f"      {KEEPER}: {{condition: service_healthy}}",
        f"    labels: {{{NODE_LABEL}: {quoted(one.node)}}}",
    ]
    if one.command is not None:
        lines.append(f"    command: {quoted_list(one.command)}")
    if one.user is not None:
        lines.append(f"    user: {quoted(one.user)}")
    lines.append("    environment:")
    lines += [f"      {quoted(name)}: {quoted(text)}" for name, text in one.environment.items()]
    if one.limits.cpu_cores is not None:
        lines.append(f"    cpus: {one.limits.cpu_cores:g}")
    if one.limits.memory_mb is not None:
        size = round(one.limits.memory_mb * _MB)
        lines += [f"    mem_limit: {size}", f"    memswap_limit: {size}"]
    lines += [
        f"    stop_grace_period: {round(one.stop_timeout_s * 1000)}ms",
        f"    restart: {_RESTART[one.restart]}",
        "    volumes:",
        f"      - {quoted(f'{one.name}:{DATA}')}",
        f"      - ./{hosts_file}:/etc/hosts:ro",
        "      - /dev/null:/etc/resolv.conf:ro",
    ]
    return "\n".join(lines) + "\n"


def volume(one: Sidecar) -> str:
    """The declaration of its data directory; in memory, and of that size, where its size is limited."""
    if one.limits.disk_mb is None:
        return f"  {quoted(one.name)}:\n"
    size = round(one.limits.disk_mb * _MB)
    options = f'{{type: tmpfs, device: tmpfs, o: "size={size},mode=0777"}}'
    return f"  {quoted(one.name)}:\n    driver_opts: {options}\n"
