"""Services in a rendered compose project: in the nodes' containers, or in some beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from skyrack.orchestrator.cli.main import application, command_tree
from skyrack.orchestrator.render.project import SCRATCH_MB, project_files
from skyrack.orchestrator.scenario import load_scenario

SCENARIO = """\
version: 1
name: beside
extends: iridium
inhabited: [p0s00, p0s05]
ground: [london, tokyo]
services:
"""
REDIS = """\
  - name: redis
    nodes: satellites
    image: redis:7
    command: [redis-server, "{data}/redis.conf", --replica-announce-ip, "{address}"]
    env: {PRICE: "5$", OTHERS: "{others}", BRACE: "{{"}
    files: {redis.conf: "port 6379 # $HOME of {node} in {run}"}
    limits: {cpu_cores: 0.5, memory_mb: 256, disk_mb: 64}
    user: redis
    restart: never
    stop_timeout_s: 2.5
    ready: {port: 6379}
"""


def rendered(tmp_path: Path, services: str) -> dict[str, str]:
    file = tmp_path / "s.yaml"
    file.write_text(SCENARIO + services)
    return project_files(load_scenario(file), about=["made for a test"], run="my-run")


def loaded(files: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(files["compose.yaml"])
    return found


def test_a_service_with_an_image_shares_network_and_death_of_its_node(tmp_path: Path) -> None:
    services = loaded(rendered(tmp_path, REDIS))["services"]
    assert [name for name in services if "." in name] == ["p0s00.redis", "p0s05.redis"]
    sidecar = services["p0s05.redis"]
    assert sidecar["network_mode"] == sidecar["pid"] == "service:node-p0s05"
    assert sidecar["labels"] == {"skyrack.node": "p0s05"}
    assert set(sidecar["depends_on"]) == {"node-p0s05", "sidecars"}
    assert sidecar["cap_drop"] == ["ALL"]
    assert "KILL" not in sidecar["cap_add"], "it must not be able to end the node"
    assert "no-new-privileges:true" in sidecar["security_opt"]


def test_words_are_filled_in_and_compose_fills_nothing_in(tmp_path: Path) -> None:
    files = rendered(tmp_path, REDIS)
    sidecar = loaded(files)["services"]["p0s05.redis"]
    assert sidecar["command"] == ["redis-server", "/data/redis.conf", "--replica-announce-ip", "100.64.0.6"]
    told = sidecar["environment"]
    assert (told["PRICE"], told["OTHERS"], told["BRACE"]) == ("5$$", "100.64.0.1", "{")
    assert (told["SKYRACK_NODE"], told["SKYRACK_INDEX"], told["SKYRACK_RUN"]) == ("p0s05", "5", "my-run")
    assert (told["SKYRACK_SERVICE"], told["SKYRACK_DATA"]) == ("redis", "/data")
    assert files["services/p0s05.redis/redis.conf"] == "port 6379 # $HOME of p0s05 in my-run"


def test_limits_user_and_policies_are_the_engines(tmp_path: Path) -> None:
    found = loaded(rendered(tmp_path, REDIS))
    sidecar = found["services"]["p0s00.redis"]
    assert (sidecar["cpus"], sidecar["mem_limit"], sidecar["memswap_limit"]) == (
        0.5,
        256_000_000,
        256_000_000,
    )
    assert (sidecar["user"], sidecar["restart"], sidecar["stop_grace_period"]) == ("redis", "no", "2500ms")
    assert "size=64000000," in found["volumes"]["p0s00.redis"]["driver_opts"]["o"]


def test_sidecars_know_names_and_their_keeper_has_their_data_and_no_network(tmp_path: Path) -> None:
    services = loaded(rendered(tmp_path, REDIS))["services"]
    assert set(services["p0s00.redis"]["volumes"]) == {
        "p0s00.redis:/data", "./hosts:/etc/hosts:ro", "/dev/null:/etc/resolv.conf:ro",
    }  # fmt: skip
    keeper = services["sidecars"]
    assert {"p0s00.redis:/data/p0s00.redis", "p0s05.redis:/data/p0s05.redis"} < set(keeper["volumes"])
    assert "./services:/etc/skyrack/services:ro" in keeper["volumes"]
    assert (keeper["network_mode"], keeper["read_only"], keeper["restart"]) == ("none", True, "always")


def test_only_projects_with_sidecars_speak_to_the_engine(tmp_path: Path) -> None:
    inside = '  - {name: web, nodes: [tokyo], command: [sleep, "9"]}\n'
    for services, keeper in ((REDIS, True), (inside, False)):
        files = rendered(tmp_path, services)
        assert ("sidecars" in loaded(files)["services"]) is keeper
        assert ("docker.sock" in files["compose.yaml"]) is keeper


def test_what_services_write_in_a_node_is_bounded(tmp_path: Path) -> None:
    inside = '  - {name: web, nodes: [tokyo], command: [sleep, "9"]}\n'
    inside += '  - {name: db, nodes: ground, command: [sleep, "9"], limits: {disk_mb: 100}}\n'
    services = loaded(rendered(tmp_path, inside))["services"]
    assert services["node-tokyo"]["tmpfs"] == [f"/tmp:size={SCRATCH_MB + 100}m"]
    assert services["node-london"]["tmpfs"] == ["/tmp:size=100m"]
    assert services["node-p0s00"]["tmpfs"] == ["/tmp"]


def test_modules_of_python_services_are_where_the_scenario_says_and_read_only(tmp_path: Path) -> None:
    (tmp_path / "a $b: c").mkdir()
    services = loaded(
        rendered(
            tmp_path,
            "  - {name: one, nodes: ground, python: 'mine:One', path: ['a $b: c', .]}\n"
            "  - {name: two, nodes: ground, python: 'mine:Two'}\n",
        )
    )["services"]
    plain, mine = services["node-p0s00"]["volumes"], services["node-tokyo"]["volumes"]
    assert mine[: len(plain)] == plain
    places = [str(tmp_path / "a $b: c").replace("$", "$$"), str(tmp_path)]
    assert [bind["source"] for bind in mine[len(plain) :]] == places
    assert all(bind["target"] == bind["source"] and bind["read_only"] for bind in mine[len(plain) :])


def test_an_image_alone_is_refused_where_there_are_no_containers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text(SCENARIO + "  - {name: web, nodes: [tokyo], image: nginx}\n")
    command_tree()
    result = CliRunner().invoke(application(), ["up", "s.yaml"])
    assert result.exit_code == 2
    assert "service 'web' has an image and no command" in result.output
    assert "--runtime compose" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["s.yaml"]
