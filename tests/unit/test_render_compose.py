"""A rendered compose project says what the scenario says, and the committed one is what the renderer writes."""

import socket
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from skyrack.groundstation.load.container import KIND
from skyrack.node.device import CONTAINER_SYSCTLS
from skyrack.node.mains import load_mains, load_workers
from skyrack.orchestrator.cli.compose_starter import entry_ports, free_port, free_ports, wanted_ports
from skyrack.orchestrator.cli.contained import without_run
from skyrack.orchestrator.cli.exits import Problem
from skyrack.orchestrator.cli.main import application
from skyrack.orchestrator.render.project import project_files
from skyrack.orchestrator.runtime.compose import ComposeRun
from skyrack.orchestrator.scenario import load_scenario

ROOT = Path(__file__).parents[2]
SOURCE = "deploy/scenarios/iridium-small.yaml"
TLE = ROOT / "tests/vectors/iridium_2022.tle"
OWN = {"run", "mesh", "fabric", "broker", "grafana-secret"}


def project(source: str | Path = "iridium") -> dict[str, Any]:
    files = project_files(load_scenario(source), about=["made for a test"])
    loaded: dict[str, Any] = yaml.safe_load(files["compose.yaml"])
    return loaded


def nodes(loaded: dict[str, Any]) -> dict[str, Any]:
    return {name: service for name, service in loaded["services"].items() if name.startswith("node-")}


def mounts(service: dict[str, Any]) -> set[str]:
    return {volume.split(":")[0] for volume in service.get("volumes", [])}


def invoke(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(application(), list(words))
    return result.exit_code, result.output


def test_the_committed_project_is_what_the_renderer_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    status, output = invoke("render", "compose", SOURCE, "-o", str(tmp_path), "--build", "..")
    assert status == 0, output
    written = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    stale = [str(p) for p in written if (ROOT / "deploy" / p).read_text() != (tmp_path / p).read_text()]
    assert not stale, f"run: skyrack render compose {SOURCE} -o deploy --build .."


def test_every_inhabited_node_has_a_container_and_no_other_has() -> None:
    committed = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
    assert len(nodes(committed)) == 12 + 3
    assert {"node-london", "node-tokyo", "node-nairobi"} <= nodes(committed).keys()


def test_hosts_have_the_mesh_addresses_of_all_nodes_also_bare_ones() -> None:
    scenario = load_scenario("iridium")
    text = project_files(scenario, about=[])["hosts"]
    named = {name: address for address, name in (line.split() for line in text.splitlines())}
    assert named.pop("localhost") == "127.0.0.1"
    assert named.pop("skyrack.internal") == "127.0.42.1"
    assert len(named) == 66 + 3
    assert {IPv4Address(address) in scenario.network for address in named.values()} == {True}


def test_nodes_have_no_network_but_the_mesh_and_only_what_making_it_needs() -> None:
    for name, service in nodes(project()).items():
        assert service["network_mode"] == "none", name
        assert service["cap_drop"] == ["ALL"]
        assert set(service["cap_add"]) == {"NET_ADMIN", "SETGID", "SETUID"}
        assert service["read_only"]
        assert "no-new-privileges:true" in service["security_opt"]
        assert mounts(service) & OWN == {"mesh"}, (
            "a guest program must not reach the API, the token or passwords"
        )


def test_nodes_have_the_settings_they_cannot_make_and_a_start_that_works() -> None:
    for name, service in nodes(project()).items():
        assert service["sysctls"] == CONTAINER_SYSCTLS, name
        *python, module, mesh_dir, ground, pop, user, worker = service["entrypoint"]
        assert (python, module, mesh_dir) == (
            ["python", "-m"],
            "skyrack.node.container",
            "--mesh-dir=/run/mesh",
        )
        runs = load_mains([main.removeprefix("--main=") for main in (ground, pop, user)])
        for kind in ("ground", "pop", "user"):
            assert runs[kind].__module__ == "skyrack.groundstation.main", f"{kind} is run as a satellite"
        assert KIND in load_workers([worker.removeprefix("--worker=")])
        assert service["command"] == [name.removeprefix("node-")]


def test_only_orchestrator_and_load_can_reach_the_api_socket() -> None:
    services = project()["services"]
    assert {name for name, service in services.items() if "run" in mounts(service)} == {
        "orchestrator",
        "load",
    }


def test_everything_published_is_bound_to_loopback() -> None:
    services = project()["services"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_what_runs_as_root_is_what_must_start_as_root() -> None:
    services = project()["services"]
    roots = {name for name, service in services.items() if service.get("user") == "0:0"}
    assert roots == {"fabric", *nodes({"services": services})}


def test_sockets_and_secrets_are_never_on_a_disk() -> None:
    volumes = project()["volumes"]
    assert all(volumes[name]["driver_opts"]["type"] == "tmpfs" for name in OWN)


def test_names_that_yaml_takes_for_numbers_stay_names(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(
        "version: 1\nname: odd\nextends: iridium\ninhabited: {count: 1}\n"
        "ground: [{name: '1e3', lat_deg: 1, lon_deg: 1}, {name: 'no', lat_deg: 2, lon_deg: 2}]\n"
    )
    services = nodes(project(file))
    assert services["node-1e3"]["hostname"] == "1e3"
    assert services["node-no"]["command"][0] == "no"


def test_a_scenario_without_a_bus_has_no_broker(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("extends: iridium\ntelemetry: {enabled: false}\n")
    assert "mosquitto" not in project(file)["services"]
    assert not [name for name in project_files(load_scenario(file), about=[]) if name.startswith("mosquitto")]
    assert "mosquitto" in project()["services"]


def test_orbit_files_travel_with_the_project(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(f"version: 1\nname: real\ntle: [{TLE}]\ninhabited: {{count: 2}}\n")
    files = project_files(load_scenario(file), about=[])
    (place,) = [name for name in files if name.startswith("orbits/")]
    assert files[place] == TLE.read_text()
    for name, text in files.items():
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_text(text)
    moved = load_scenario(tmp_path / "out" / "scenario.yaml")
    assert Path(moved.tle[0]).is_relative_to(tmp_path / "out")


def test_a_compose_file_that_somebody_wrote_is_not_overwritten(tmp_path: Path) -> None:
    mine = tmp_path / "compose.yaml"
    mine.write_text("services: {}\n")
    status, output = invoke("render", "compose", "iridium", "-o", str(tmp_path))
    assert status == 2
    assert "was not made by this command" in output
    assert mine.read_text() == "services: {}\n"
    assert invoke("render", "compose", "iridium", "-o", str(tmp_path), "--force")[0] == 0


def test_a_scenario_in_the_directory_is_not_overwritten_but_one_that_was_rendered_is(tmp_path: Path) -> None:
    mine = tmp_path / "scenario.yaml"
    mine.write_text("version: 1\nname: mine  # and why\nextends: iridium\n")
    before = mine.read_text()
    status, output = invoke("render", "compose", str(mine), "-o", str(tmp_path))
    assert status == 2
    assert str(mine) in output
    assert [path.name for path in tmp_path.iterdir()] == ["scenario.yaml"]
    assert mine.read_text() == before
    for _ in range(2):
        assert invoke("render", "compose", str(mine), "-o", str(tmp_path / "out"))[0] == 0


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--run", "Big"], "--run big"),
        (["--port", "0"], "--runtime local"),
        (["--broker-port", "0"], "--runtime local"),
        (["--entry-port", "0"], "--runtime local"),
    ],
)
def test_what_containers_cannot_be_is_refused_before_anything_is_written(
    words: list[str], hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, output = invoke("up", "iridium", "--runtime", "compose", *words)
    assert status == 2
    assert hint in output
    assert list(tmp_path.iterdir()) == []


def test_ports_of_the_environment_are_the_first_that_are_tried() -> None:
    defaults = {"SKYRACK_PORT": 8080, "GRAFANA_PORT": 3000}
    assert wanted_ports(defaults, {}) == defaults
    assert wanted_ports(defaults, {"GRAFANA_PORT": "23000", "SKYRACK_PORT": ""}) == defaults | {
        "GRAFANA_PORT": 23000
    }
    for text in ("x", "-1", "65536"):
        with pytest.raises(Problem, match="GRAFANA_PORT"):
            wanted_ports(defaults, {"GRAFANA_PORT": text})


def test_a_busy_port_is_passed_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = taken.getsockname()[1]
        assert free_port(busy) > busy
    assert free_port(0) > 0


def test_ports_in_a_row_begin_after_the_last_that_is_busy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = taken.getsockname()[1]
        first, _, last = free_ports(busy - 1, 3).partition("-")
        assert int(first) > busy
        assert int(last) == int(first) + 2
    assert free_ports(busy, 1) == str(busy)


def test_the_entry_serves_every_node_on_the_ground_and_has_nothing_but_their_sockets() -> None:
    entry = project()["services"]["entry"]
    assert [word for word in entry["command"] if word.startswith("--entry=")] == [
        "--entry=london=8801",
        "--entry=tokyo=8802",
        "--entry=nairobi=8803",
    ]
    assert entry["ports"] == ["127.0.0.1:${ENTRY_PORTS:-8801-8803}:8801-8803"]
    assert "--entries=${ENTRY_PORTS:-8801-8803}" in project()["services"]["orchestrator"]["command"]
    assert mounts(entry) == {"mesh"}
    assert entry["cap_drop"] == ["ALL"]
    assert "user" not in entry, "it is the image's, who has no privilege"


def test_ports_that_were_chosen_are_written_down_and_not_left_to_the_environment(tmp_path: Path) -> None:
    scenario = load_scenario("iridium")
    chosen = entry_ports(scenario, 8801, {"ENTRY_PORTS": "23801-23899"})
    assert chosen is not None
    first, _, last = chosen.partition("-")
    assert int(first) >= 23801
    assert int(last) == int(first) + 2
    text = project_files(scenario, about=[], entry_ports=chosen)["compose.yaml"]
    assert "ENTRY_PORTS" not in text
    services = yaml.safe_load(text)["services"]
    assert services["entry"]["ports"] == [f"127.0.0.1:{chosen}:8801-8803"]
    assert f"--entries={chosen}" in services["orchestrator"]["command"]
    none = tmp_path / "s.yaml"
    none.write_text("extends: iridium\nentries: none\n")
    assert entry_ports(load_scenario(none), 8801, {}) is None


def test_no_other_service_shares_a_network_with_the_entry() -> None:
    services = project()["services"]
    assert {name for name, service in services.items() if "outside" in service.get("networks", [])} == {
        "entry"
    }


@pytest.mark.parametrize(("entries", "ports"), [("[tokyo]", "8801"), ("none", None)])
def test_a_scenario_says_who_lets_in(entries: str, ports: str | None, tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(f"extends: iridium\nentries: {entries}\n")
    loaded = project(file)
    found = loaded["services"].get("entry")
    assert (found is None) == (ports is None)
    assert ("networks" in loaded) == (ports is not None)
    if found is not None:
        assert found["ports"] == [f"127.0.0.1:${{ENTRY_PORTS:-{ports}}}:{ports}"]
        assert found["command"][-1] == f"--entry=tokyo={ports}"


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    status, output = invoke("render", "compose", "iridium", "-o", str(tmp_path / "file"))
    assert status == 1
    assert str(tmp_path / "file") in output


def test_a_command_is_handed_over_without_the_run_it_names_outside() -> None:
    assert without_run(["ping", "--run", "x", "a", "b"]) == ["ping", "a", "b"]
    assert without_run(["ping", "a", "b", "--run=x", "-c", "3"]) == ["ping", "a", "b", "-c", "3"]
    assert without_run(["exec", "a", "--", "prog", "--run", "y"]) == ["exec", "a", "--", "prog", "--run", "y"]


def test_what_was_settled_at_the_start_of_a_run_is_not_set_anew_by_later_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`down` is refused by compose because ENTRY_PORTS has another number of ports now."""
    run = ComposeRun("x", "skyrack-x", (str(tmp_path / "compose.yaml"), "/elsewhere.yaml"), "runs/x", "")
    monkeypatch.setenv("ENTRY_PORTS", "1-3")
    assert run.environment()["ENTRY_PORTS"] == "1-3"
    (tmp_path / ".env").write_text("ENTRY_PORTS=8801-8802\nSKYRACK_PORT=8080\n")
    assert run.environment()["ENTRY_PORTS"] == "8801-8802"
    assert run.environment()["PATH"]
