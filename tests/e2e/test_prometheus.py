"""A real Prometheus, configured as in the compose project, watches a real run."""

from __future__ import annotations

import json
import math
import shutil
import signal
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from skyrack.orchestrator.render import prometheus
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.topology.geometry import Geometry

from .place import PATIENCE_S, SMALL, Place, eventually, port

pytestmark = [pytest.mark.mesh, pytest.mark.together]

PORT, ITS_PORT = port(18280), port(18285)
OK = 'increase(skyrack_workload_operations_total{outcome="ok"}[1m])'
P99 = "histogram_quantile(0.99, sum by (le) (rate(skyrack_fabric_lateness_seconds_bucket[30s])))"


class Prometheus:
    """The API of one."""

    def __init__(self, its_port: int) -> None:
        self._api = f"http://127.0.0.1:{its_port}/api/v1/"

    def get(self, path: str, **query: object) -> Any:
        """The data of an answer."""
        url = f"{self._api}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
            return json.load(answer)["data"]

    def answers(self) -> bool:
        """Whether it listens yet."""
        try:
            self.get("status/buildinfo")
        except OSError:
            return False
        return True

    def up(self) -> dict[str, str]:
        """Health of every target by its instance."""
        return {
            target["labels"]["instance"]: target["health"] for target in self.get("targets")["activeTargets"]
        }

    def query(self, expr: str, at: float | None = None) -> list[tuple[dict[str, str], float]]:
        """Labels and value of every series; `at`: Unix time."""
        found = self.get("query", query=expr, **({} if at is None else {"time": at}))["result"]
        return [(series["metric"], float(series["value"][1])) for series in found]

    def alerts(self, name: str) -> list[dict[str, str]]:
        """Labels of those that are pending or firing."""
        return [a["labels"] for a in self.get("alerts")["alerts"] if a["labels"]["alertname"] == name]


@pytest.fixture
def watched(place: Place, tmp_path: Path) -> Iterator[Prometheus]:
    """Prometheus, every second, beside the small run whose nodes stay dead."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("no prometheus on this machine")
    place.scenario.write_text(SMALL + "nodes: {restart: never}\n")
    place.up("--port", PORT)
    (tmp_path / "prometheus.yml").write_text(prometheus.configuration(place.status()["http"], interval_s=1))
    (tmp_path / "alerts.yml").write_text(prometheus.rules())
    log = tmp_path / "log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={tmp_path}/prometheus.yml",
                f"--storage.tsdb.path={tmp_path}/data",
                f"--web.listen-address=127.0.0.1:{ITS_PORT}",
            ],
            stdin=subprocess.DEVNULL, stdout=said, stderr=said,
        )  # fmt: skip
    try:
        found = Prometheus(ITS_PORT)
        eventually(lambda: found.answers() or process.poll() is not None, "prometheus listens")
        assert process.poll() is None, log.read_text()
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)


def test_it_finds_everybody_agrees_with_the_orbits_and_notices_a_death(
    place: Place, watched: Prometheus
) -> None:
    everybody = {"orchestrator", *(n["name"] for n in place.status()["nodes"] if n["inhabited"])}
    eventually(lambda: watched.up() == dict.fromkeys(everybody, "up"), "every target up")
    eventually(lambda: not watched.alerts("NodeDown"), "nobody is missed")

    eventually(lambda: a_load_shows(place, watched), "lateness p99 and operations of a load", 2 * PATIENCE_S)

    _delays_are_those_of_the_orbits(place, watched)

    place.kill("tokyo")
    eventually(lambda: watched.up()["tokyo"] == "down", "the dead node's target is down")
    eventually(
        lambda: [alert["node"] for alert in watched.alerts("NodeDown")] == ["tokyo"],
        "an alert for the dead node, and for no other",
    )
    eventually(
        lambda: {name for name, health in watched.up().items() if health == "up"} == everybody - {"tokyo"},
        "all others up",
    )
    assert watched.query('up{node="tokyo", kind="ground", job="skyrack-node"}') != []


def a_load_shows(place: Place, watched: Prometheus) -> bool:
    """Whether a short load does: none does in which the host, or Prometheus with its second for a reading, stood still."""
    assert place.skyrack("load", "echo", "--for", "3s", timeout_s=2 * PATIENCE_S).status in (0, 4)
    for expr, most in ((P99, 1.0), (OK, math.inf)):
        try:
            eventually(lambda: [v for _, v in watched.query(expr) if 0 < v < most], expr, 15.0)  # noqa: B023
        except AssertionError:
            return False
    return True


def _delays_are_those_of_the_orbits(place: Place, watched: Prometheus) -> None:
    """Every link's delay against the geometry, and their sum along a path against `skyrack path`, at the same instant."""
    # Nothing is known of an instant at which the run was not read in time.
    ((_, at),) = eventually(lambda: watched.query("timestamp(skyrack_run_seconds)"), "a reading of the run")
    ((_, run_s),) = watched.query("skyrack_run_seconds", at)
    delays = {(m["src"], m["dst"]): delay_s for m, delay_s in watched.query("skyrack_link_delay_seconds", at)}
    geometry = Geometry(load_scenario(place.scenario))
    ends = [[geometry.index_of(name) for name in side] for side in zip(*delays, strict=True)]
    exact = geometry.delay_s(ends[0], ends[1], run_s)
    worst_s = max(abs(exact - list(delays.values())))
    assert worst_s < 1e-7, f"{worst_s * 1e6:.3f} us off"

    # Between satellites: to a station, `path` takes links that only the next epoch will have.
    a, b = (
        node["name"] for node in place.status()["nodes"] if node["inhabited"] and node["kind"] == "satellite"
    )
    told = place.skyrack("path", a, b, "-s", place.scenario, "--at", f"{run_s:.6f}", "-o", "json").expect()
    (row,) = json.loads(told.out)["rows"]
    out, back = row["path"], row["path"][::-1]
    rtt_s = sum(delays[hop] for hop in (*pairwise(out), *pairwise(back)))
    assert abs(rtt_s - row["rtt_ms"] / 1e3) < 1e-6
