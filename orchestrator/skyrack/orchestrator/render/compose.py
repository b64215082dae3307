"""A scenario as a compose file: one service per node, and what serves and watches them.

              .-- run (api.sock, token) --. load
orchestrator -+-- fabric (control.sock) --+--- fabric
              '-- mesh (sockets, hosts) --+--- every node, mosquitto, entry

The fabric and the nodes have no network of the engine's (`network_mode: none`): what joins them to the others are Unix
sockets on volumes, and what joins the nodes to each other is the mesh alone. The volumes with sockets and secrets are
kept in memory and end with the project.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from skyrack.orchestrator.render import sidecars
from skyrack.orchestrator.render.sidecars import Sidecar
from skyrack.orchestrator.render.yaml_text import quoted

UID = 1000  # the image's user: sockets on the volumes belong to it, whoever makes them
MOSQUITTO_IMAGE = "eclipse-mosquitto:2.0.22"
PROMETHEUS_IMAGE = "prom/prometheus:v3.5.0"
GRAFANA_IMAGE = "grafana/grafana:12.1.1"
SCENARIO_FILE = "scenario.yaml"
HOSTS_FILE = "hosts"
FIRST_ENTRY_PORT = 8801
NODE_CHECKS_HZ = 2.0
SHORTEST_CHECK_S = 5
ORBITS_DIRECTORY = "orbits"
# A node cannot set these in a container. skyrack.node.device has the reasons; a test holds the two equal.
NODE_SYSCTLS = {
    "net.ipv4.icmp_ratelimit": "0",
    "net.ipv4.ip_default_ttl": "255",
    "net.ipv4.ip_unprivileged_port_start": "0",
    "net.ipv4.ping_group_range": "0 65535",
    "net.ipv4.tcp_rmem": "4096 131072 67108864",
    "net.ipv4.tcp_wmem": "4096 65536 67108864",
}
NODE_VOLUMES = (
    "mesh:/run/mesh",
    f"./{HOSTS_FILE}:/etc/hosts:ro",
    "/dev/null:/etc/resolv.conf:ro",
)
# The node package does not know what runs on the ground, so it is told.
NODE_ENTRYPOINT = (
    "python",
    "-m",
    "skyrack.node.container",
    "--mesh-dir=/run/mesh",
    "--main=ground=skyrack.groundstation.main",
    "--main=pop=skyrack.groundstation.main",
    "--main=user=skyrack.groundstation.main",
    "--worker=load=skyrack.groundstation.load.worker",
)


@dataclass(frozen=True)
class Node:
    """An inhabited node. `scratch_mb`: what its services may write altogether, None without any. `modules`: directories of
    this machine where the modules of its Python services are looked for."""

    name: str
    scratch_mb: int | None = None
    modules: Sequence[str] = ()

    @property
    def service(self) -> str:
        """The service's name. Not the node's own: an engine resolves those, and a node's name means its mesh address."""
        return f"node-{self.name}"


@dataclass(frozen=True)
class Project:
    """What a compose file depends on.

    `about`: comment lines for the top. `image`: of every role. `build`: directory the image is built from, relative to the
    file, None where it is taken as it is. `orbits`: whether orbit files lie in ORBITS_DIRECTORY. `restart`: whether a node
    that ends by itself starts again. `telemetry`: whether there is a message broker. `sidecars`: services with an image.
    `entries`: the nodes that let users in, on `published` ports of this machine: FIRST-LAST, None where the environment is
    to say.
    """

    name: str
    about: Sequence[str]
    image: str
    build: str | None
    nodes: Sequence[Node]
    orbits: bool = False
    restart: bool = True
    telemetry: bool = True
    sidecars: Sequence[Sidecar] = ()
    entries: Sequence[str] = ()
    published: str | None = None

    @property
    def entry_ports(self) -> str:
        """The ports of the entries in their container, as FIRST-LAST."""
        last = FIRST_ENTRY_PORT + len(self.entries) - 1
        return f"{FIRST_ENTRY_PORT}" if last == FIRST_ENTRY_PORT else f"{FIRST_ENTRY_PORT}-{last}"

    @property
    def published_ports(self) -> str:
        """The ports on this machine that lead to them, as FIRST-LAST or as a variable that holds that."""
        return self.published or f"${{ENTRY_PORTS:-{self.entry_ports}}}"


def compose_file(project: Project) -> str:
    """The text of compose.yaml."""
    parts = [
        _head(project),
        _orchestrator(project),
        _FABRIC,
        _node_services(project),
        *_sidecars(project),
        *([_entry(project)] if project.entries else []),
        *([_BROKER] if project.telemetry else []),
        _WATCHERS,
        _LOAD,
        *([_OUTSIDE] if project.entries else []),
        _VOLUMES + "".join(map(sidecars.volume, project.sidecars)),
    ]
    return "\n".join(parts)


def _head(project: Project) -> str:
    about = "\n".join(f"# {line}".rstrip() for line in project.about)
    sysctls = "\n".join(f"    {key}: {quoted(value)}" for key, value in NODE_SYSCTLS.items())
    entrypoint = "\n".join(f"    - {word}" for word in NODE_ENTRYPOINT)
    volumes = "\n".join(f"    - {volume}" for volume in NODE_VOLUMES)
    return f"""\
{about}
name: skyrack-{project.name}

x-skyrack: &skyrack
  image: ${{SKYRACK_IMAGE:-{project.image}}}
  read_only: true
  tmpfs: [/tmp]
  cap_drop: [ALL]
  security_opt: ["no-new-privileges:true"]
  stop_grace_period: 5s
  logging: &logging
    driver: json-file
    options: {{max-size: 10m, max-file: "2"}}

x-health: &health
  interval: 2s
  timeout: 5s
  retries: 3
  start_period: 300s  # a busy host starts them slowly; who ends is noticed at once

# A node starts as root with NET_ADMIN to make its one interface, mesh0, and keeps nothing of that afterwards.
x-node: &node
  <<: *skyrack
  user: "0:0"
  cap_add: [NET_ADMIN, SETGID, SETUID]
  devices: [/dev/net/tun]
  network_mode: none
  sysctls:
{sysctls}
  entrypoint:
{entrypoint}
  # Asking takes the host some CPU time, so that all nodes together are asked about {NODE_CHECKS_HZ:g} times a second.
  healthcheck: {{<<: *health, interval: {_interval_s(len(project.nodes))}s}}
  restart: {"on-failure" if project.restart else '"no"'}
  # Without a resolver, unknown names fail at once.
  volumes:
{volumes}
{sidecars.HEAD if project.sidecars else ""}"""


def _orchestrator(project: Project) -> str:
    build = (
        f"    build: {{context: {project.build}, dockerfile: deploy/Dockerfile}}\n" if project.build else ""
    )
    orbits = f"      - ./{ORBITS_DIRECTORY}:/etc/skyrack/{ORBITS_DIRECTORY}:ro\n" if project.orbits else ""
    entries = f"      - --entries={project.published_ports}\n" if project.entries else ""
    orders = f"      - --sidecars={sidecars.ORDERS}\n" if project.sidecars else ""
    return f"""\
services:
  # Computes orbits, links and routes, tells fabric and nodes, serves API and metrics. The command line lives here too:
  #   docker compose exec orchestrator skyrack status
  orchestrator:
    <<: *skyrack
{build}\
    hostname: orchestrator
    command:
      - python
      - -m
      - skyrack.orchestrator.runtime.container
      - --scenario=/etc/skyrack/{SCENARIO_FILE}
      - --run={project.name}
      - --listen=0.0.0.0:8080
      - --published=http://127.0.0.1:${{SKYRACK_PORT:-8080}}
      - --mesh-dir=/run/mesh
      - --fabric-socket=/run/fabric/control.sock
      - --broker-dir=/run/broker
      - --grafana-dir=/run/grafana
      - --runs=/runs
{entries}{orders}\
    environment:
      SKYRACK_HEALTH: unix:/run/mesh/control.sock
      SKYRACK_RUN_DIR: ${{SKYRACK_RUN_DIR:-}}
    healthcheck: *health
    restart: on-failure:10
    ports: ["127.0.0.1:${{SKYRACK_PORT:-8080}}:8080"]
    volumes:
      - run:/run/skyrack
      - mesh:/run/mesh
      - fabric:/run/fabric
      - broker:/run/broker
      - grafana-secret:/run/grafana
      - runs:/runs
      - ./{SCENARIO_FILE}:/etc/skyrack/{SCENARIO_FILE}:ro
{orbits}"""


_FABRIC = f"""\
  # Carries every packet. Starts as root for real-time priority only, then is nobody in particular.
  fabric:
    <<: *skyrack
    user: "0:0"
    cap_add: [IPC_LOCK, SETGID, SETUID, SYS_NICE]
    cpu_shares: 16384  # sixteen others' worth, for where real-time priority cannot be had
    network_mode: none
    command:
      - python
      - -m
      - skyrack.orchestrator.fabric
      - --connect=/run/fabric/control.sock
      - --directory=/run/mesh
      - --user={UID}
    environment: {{SKYRACK_HEALTH: "listening:/run/mesh/fabric.sock"}}
    healthcheck: *health
    restart: on-failure
    volumes: ["mesh:/run/mesh", "fabric:/run/fabric"]
"""


def _node_services(project: Project) -> str:
    return "\n".join(_node(node) for node in project.nodes) + "\n"


def _node(node: Node) -> str:
    lines = [
        f"  {node.service}:",
        "    <<: *node",
        f"    hostname: {quoted(node.name)}",
        f"    command: [{quoted(node.name)}]",
        f'    environment: {{SKYRACK_HEALTH: "unix:/run/mesh/nodes/{node.name}.sock"}}',
    ]
    if node.scratch_mb is not None:
        lines.append(f"    tmpfs: [/tmp:size={node.scratch_mb}m]")
    if node.modules:
        lines += ["    volumes:", *(f"      - {volume}" for volume in NODE_VOLUMES)]
    for directory in node.modules:
        place = f"source: {quoted(directory)}, target: {quoted(directory)}"
        lines.append(f"      - {{type: bind, {place}, read_only: true, bind: {{create_host_path: false}}}}")
    return "\n".join(lines)


def _sidecars(project: Project) -> list[str]:
    if not project.sidecars:
        return []
    services = [sidecars.sidecar_service(one, Node(one.node).service, HOSTS_FILE) for one in project.sidecars]
    return [sidecars.keeper_service(project.sidecars), *services]


def _entry(project: Project) -> str:
    ports = range(FIRST_ENTRY_PORT, FIRST_ENTRY_PORT + len(project.entries))
    entries = "\n".join(
        f"      - {quoted(f'--entry={name}={port}')}"
        for name, port in zip(project.entries, ports, strict=True)
    )
    return f"""\
  # In from outside: one HTTP proxy for each node on the ground. On a network of its own, because whoever reaches it is in.
  entry:
    <<: *skyrack
    command:
      - python
      - -m
      - skyrack.groundstation.entry
      - --mesh-dir=/run/mesh
      - --host=0.0.0.0
{entries}
    environment: {{SKYRACK_HEALTH: "tcp:{FIRST_ENTRY_PORT}"}}
    healthcheck: *health
    restart: on-failure
    networks: [outside]
    ports: ["127.0.0.1:{project.published_ports}:{project.entry_ports}"]
    volumes: ["mesh:/run/mesh"]
"""


_BROKER = f"""\
  # The telemetry bus. Passwords are made by the orchestrator at its start and are never on a disk.
  mosquitto:
    image: {MOSQUITTO_IMAGE}
    user: "{UID}:{UID}"
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    logging: *logging
    command: [mosquitto, -c, /mosquitto/config/mosquitto.conf]
    depends_on: {{orchestrator: {{condition: service_healthy}}}}
    healthcheck:
      <<: *health
      test: [CMD, nc, -z, 127.0.0.1, "1883"]
    restart: on-failure
    ports: ["127.0.0.1:${{MQTT_PORT:-1883}}:1883"]
    volumes:
      - ./mosquitto:/mosquitto/config:ro
      - broker:/run/broker:ro
      - mesh:/run/mesh
"""

_WATCHERS = f"""\
  # Finds its targets by asking the orchestrator.
  prometheus:
    image: {PROMETHEUS_IMAGE}
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    logging: *logging
    command:
      - --config.file=/etc/prometheus/prometheus.yml
      - --storage.tsdb.path=/prometheus
      - --storage.tsdb.retention.time=7d
    healthcheck:
      <<: *health
      test: [CMD, wget, -q, -O, /dev/null, "http://127.0.0.1:9090/-/healthy"]
    restart: on-failure
    ports: ["127.0.0.1:${{PROMETHEUS_PORT:-9090}}:9090"]
    volumes:
      - ./prometheus:/etc/prometheus:ro
      - prometheus:/prometheus

  # Anyone on this machine may look; changing something needs the password that
  #   docker compose exec orchestrator cat /run/grafana/password
  # prints.
  grafana:
    image: {GRAFANA_IMAGE}
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    logging: *logging
    depends_on: {{orchestrator: {{condition: service_healthy}}}}
    environment:
      GF_ANALYTICS_CHECK_FOR_UPDATES: "false"
      GF_ANALYTICS_REPORTING_ENABLED: "false"
      GF_AUTH_ANONYMOUS_ENABLED: "true"
      GF_AUTH_ANONYMOUS_ORG_ROLE: Viewer
      GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH: /etc/grafana/dashboards/overview.json
      GF_SECURITY_ADMIN_PASSWORD__FILE: /run/grafana/password
    healthcheck:
      <<: *health
      test: [CMD, wget, -q, -O, /dev/null, "http://127.0.0.1:3000/api/health"]
    restart: on-failure
    ports: ["127.0.0.1:${{GRAFANA_PORT:-3000}}:3000"]
    volumes:
      - ./grafana/provisioning:/etc/grafana/provisioning:ro
      - ./grafana/dashboards:/etc/grafana/dashboards:ro
      - grafana-secret:/run/grafana:ro
      - grafana:/var/lib/grafana
"""

_LOAD = """\
  # Workload generators, when asked for:  docker compose run --rm load echo --for 30s
  load:
    <<: *skyrack
    profiles: [tools]
    network_mode: none
    entrypoint: [skyrack, load]
    command: [--help]
    healthcheck: {disable: true}
    volumes: ["run:/run/skyrack", "mesh:/run/mesh", "runs:/runs"]
"""

_OUTSIDE = """\
networks:
  outside:
"""

_VOLUMES = f"""\
volumes:
  run: &memory
    driver_opts: {{type: tmpfs, device: tmpfs, o: "uid={UID},gid={UID},mode=0755,size=64m"}}
  mesh: *memory
  fabric: *memory
  broker: *memory
  grafana-secret: *memory
  # Kept until `docker compose down -v`.
  runs:
  prometheus:
  grafana:
"""


def _interval_s(nodes: int) -> int:
    return max(SHORTEST_CHECK_S, math.ceil(nodes / NODE_CHECKS_HZ))
