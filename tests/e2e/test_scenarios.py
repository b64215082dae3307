"""Scenarios at the edge, and surroundings that are not as usual."""

from __future__ import annotations

import json
import os
import shutil
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from .place import Place

pytestmark = [pytest.mark.mesh, pytest.mark.together]

VECTORS = Path(__file__).parents[1] / "vectors"


def write(place: Place, text: str) -> Path:
    """Make this the place's scenario."""
    place.scenario.write_text("version: 1\nname: small\n" + text)
    return place.scenario


def test_no_ground_station_is_enough(place: Place) -> None:
    write(place, "extends: iridium\nground: []\ninhabited: [p0s00, p3s05]\n")
    said = place.up()
    assert "2/2 serving" in said.err
    assert "skyrack ping p0s00 p3s05" in said.out
    assert "2 received" in place.skyrack("ping", "p0s00", "p3s05", "-c", 2, "-i", "20ms").expect().out


def test_one_satellite_alone_is_enough(place: Place) -> None:
    write(place, "shells: [{planes: 1, slots: 1, altitude_km: 550, inclination_deg: 53}]\n")
    said = place.up()
    assert "1/1 serving" in said.err
    assert "skyrack ping" not in said.out
    assert place.skyrack("exec", "p0s00", "--", "hostname").expect().out == "p0s00\n"
    assert "0 lasers, 0 ground links" in place.skyrack("status").expect().out


@pytest.mark.parametrize(
    ("file", "pattern"),
    [("iridium_2022.tle", "nearest"), ("starlink_2022_cut.tle", "plane")],
)
def test_a_catalogue_comes_up_and_says_which_lasers_it_got_and_how_old_it_is(
    place: Place, file: str, pattern: str
) -> None:
    shutil.copy(VECTORS / file, place.directory)
    write(place, f"tle: [{file}]\ninhabited: {{count: 2}}\nground: [london]\n")
    for said in (place.up().err, place.skyrack("validate", place.scenario).expect().out):
        assert pattern in said
        assert "days old" in said
    assert "3/3 serving" in place.skyrack("logs", "-n", 0).expect().out or place.status()["state"] == "up"


def test_a_fast_sky_runs(place: Place) -> None:
    write(place, "extends: iridium\nspeed: 100\ninhabited: {count: 2}\nground: [london, tokyo]\n")
    place.up()
    place.skyrack("ping", "london", "tokyo", "-c", 3, "-i", "200ms").expect()
    assert place.status()["orbit_unix_s"] > 0


@pytest.mark.parametrize(
    "environment",
    [
        {"HOME": ""},
        {"XDG_RUNTIME_DIR": "/nonexistent"},
        {"LC_ALL": "C", "LANG": "C"},
        {"SKYRACK_UP_RUN": "by-variable"},
    ],
)
def test_unusual_surroundings(place: Place, environment: dict[str, str]) -> None:
    place.environment |= environment
    place.up()
    run = environment.get("SKYRACK_UP_RUN", "small")
    assert place.status()["run"] == run
    place.skyrack("down").expect()
    place.is_clean()


def test_a_socket_directory_of_somebody_else_is_refused(place: Place, somebody: int) -> None:
    if somebody == os.getuid():
        pytest.skip("needs root, to have two users")
    place.sockets.mkdir()
    os.chown(place.sockets, somebody, somebody)
    ended = place.skyrack("up", place.scenario).expect(1)
    assert "belongs to another user" in ended.err
    place.sockets.rmdir()


def test_a_socket_directory_that_is_too_long_is_said_before_anything_starts(place: Place) -> None:
    place.environment["SKYRACK_SOCKET_DIR"] = str(place.directory / ("x" * 80))
    ended = place.skyrack("up", place.scenario).expect(2)
    assert "too long for Unix sockets" in ended.err
    assert "SKYRACK_SOCKET_DIR" in ended.err
    assert not place.runs.exists()


@pytest.mark.parametrize("name", ["../up", "a/b", ".", "x" * 80])
def test_a_run_cannot_be_named_like_a_path(place: Place, name: str) -> None:
    ended = place.skyrack("up", place.scenario, "--run", name)
    assert "Traceback" not in ended.text
    assert ended.status == 2
    assert not place.runs.exists()


def test_the_http_api_reads_on_loopback_and_answers_errors_as_json(running: Place) -> None:
    http = running.status()["http"]

    def ask(path: str, body: object = None, method: str | None = None) -> tuple[int, str]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            http + path, data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    assert ask("/healthz") == (200, '{"state": "up"}')
    assert json.loads(ask("/sd/prometheus")[1])[0]["labels"]["run"] == "small"
    metrics = ask("/metrics")[1]
    assert 'skyrack_node_up{kind="ground",node="london"} 1.0' in metrics
    assert "skyrack_fabric_lateness_seconds_bucket" in metrics
    names = [line.split()[2] for line in metrics.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))
    run_s = running.status()["run_s"]
    status, text = ask("/v1/computed", {"probes": [[run_s, "london", "tokyo", 64]]})
    assert status == 200
    assert json.loads(text)["results"][0]["path"][0] == "london"
    for path, body, expected in (
        ("/v1/nothing", None, 404),
        ("/nodes/nobody/metrics", None, 404),
        ("/v1/events?since=x", None, 400),
        ("/v1/computed", None, 405),
        ("/v1/computed", [], 400),
        ("/v1/computed", {"probes": 3}, 400),
        ("/v1/computed", {"probes": [[None, "london", "tokyo", 64]]}, 400),
        ("/v1/computed", {"probes": [["1", "london", "tokyo", 64]]}, 400),
        ("/v1/computed", {"probes": [[1, "london", "tokyo", 0]]}, 400),
        ("/v1/computed", {"probes": [[1, "london", "x", 64]]}, 404),
        ("/v1/computed", {"probes": [[1, ["london"], {}, 64]]}, 400),
        ("/v1/computed", {"probes": [[1, 2]]}, 400),
        ("/v1/down", {}, 401),
        ("/v1/nodes/london/kill", {"signal": 9}, 401),
    ):
        status, text = ask(path, body)
        assert (status, set(json.loads(text))) == (expected, {"error"}), (path, body, text)


def test_a_port_that_cannot_be_had_is_said(place: Place) -> None:
    assert "--port" in place.skyrack("up", place.scenario, "--port", 70000).expect(2).err
    with socket.create_server(("127.0.0.1", 65535)):
        ended = place.skyrack("up", place.scenario, "--port", 65535).expect(1)
    assert "no port from 65535 to 65535 on 127.0.0.1 can be had" in ended.err
    place.is_clean()
