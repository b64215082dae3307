"""`skyrack verify` and the run's own probes: what is right passes, what is wrong is named, what cannot be is refused."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from skyrack.orchestrator.measure.verdict import NOT_FAITHFUL

from .place import Place, eventually

pytestmark = pytest.mark.mesh

TRUSTED, WRONG, NOISY = 0, 3, 4


def verify(place: Place, text: str, *arguments: object) -> tuple[int, dict[str, Any]]:
    """The exit status and verify.json of a scenario."""
    scenario = place.directory / "verified.yaml"
    scenario.write_text(text)
    ended = place.skyrack(
        "verify", scenario, "--for", "8s", "--runs", place.runs, "-o", "json", *arguments, timeout_s=200
    )
    assert "Traceback" not in ended.text, ended.text
    assert ended.status in (TRUSTED, WRONG, NOISY), ended.text
    return ended.status, json.loads(ended.out)


def blames_the_host(found: dict[str, Any]) -> bool:
    """Whether the host is a reason why nothing is proven."""
    reasons: list[str] = found["reasons"]
    return found["verdict"] == "inconclusive" and any(
        reason.startswith(NOT_FAITHFUL) or "quiet" in reason for reason in reasons
    )


def test_a_small_mesh_is_as_planned_and_nothing_of_it_is_left(place: Place) -> None:
    status, found = verify(
        place, "extends: iridium\nname: small\ninhabited: {count: 2}\nground: [london, tokyo]\n"
    )
    assert status in (TRUSTED, NOISY)
    assert not [row for row in found["rows"] if row["ok"] is False], found["reasons"]
    assert sum(row["quantity"] == "rtt" for row in found["rows"]) == 6
    assert all(row["ok"] for row in found["rows"] if row["quantity"] == "rate")
    assert (status == NOISY) == bool(found["reasons"])
    assert status != NOISY or blames_the_host(found), found["reasons"]
    place.is_clean()
    newest = place.runs / "latest"
    assert json.loads((newest / "verify.json").read_text())["verdict"] == found["verdict"]


def test_a_link_that_is_longer_than_planned_is_wrong_and_named(place: Place) -> None:
    text = (
        "extends: iridium\nname: wrong\ninhabited: [p0s00, p0s02]\nground: []\n"
        "links: {extra_delay: [{a: p0s00, b: p0s01, extra_ms: 2}]}\n"
    )
    status, found = verify(place, text)
    (wrong,) = [row for row in found["rows"] if row["quantity"] == "rtt"]
    if status == NOISY:
        assert blames_the_host(found), found["reasons"]
        assert wrong["ok"] is None, "no noise makes a link as short as it should be"
        return
    assert status == WRONG, found["reasons"]
    assert wrong["ok"] is False
    assert wrong["error"] == pytest.approx(4e-3, abs=1e-3)
    assert any("p0s00 - p0s01" in reason for reason in found["reasons"])


def test_low_rates_and_ordered_losses_are_told_by_packets(place: Place) -> None:
    text = (
        "extends: iridium\nname: slow\ninhabited: [p0s00, p0s02]\nground: []\n"
        "links: {laser_rate_bps: 10.0e6, loss_ratio: 0.02}\n"
    )
    status, found = verify(place, text, "--rate", 400)
    (train,) = [row for row in found["rows"] if row["quantity"] == "train"]
    assert train["expected"] == 10e6
    if status == NOISY:
        assert blames_the_host(found), found["reasons"]
    else:
        assert train["measured"] == pytest.approx(10e6, rel=0.05)
    (loss,) = [row for row in found["rows"] if (row["kind"], row["quantity"]) == ("pair", "loss")]
    if loss["samples"] > 200:
        assert loss["ok"] is True, "only quiet seconds count"
        assert loss["expected"] == pytest.approx(1 - 0.98**4)
    assert status != WRONG, found["reasons"]


def test_an_outage_by_plan_passes_where_probes_are_lost_then_and_only_then(place: Place) -> None:
    """One satellite over one station sets after 7.8 s, 312 s of its orbit."""
    text = (
        "version: 1\nname: passing\nspeed: 40\ninhabited: all\nlinks: {elevation_mask_deg: 10}\n"
        "shells: [{planes: 1, slots: 1, altitude_km: 780, inclination_deg: 60}]\n"
        "ground: [{name: below, lat_deg: -0.09, lon_deg: -100.71}]\n"
    )
    status, found = verify(place, text, "--rate", 50)
    outages = [row for row in found["rows"] if row["quantity"] == "outage"]
    if found["host"]["quiet_windows"] > 6:
        assert outages[0]["expected"] > 0.5
    assert all(row["ok"] and row["error"] == 0.0 for row in outages), found["reasons"]
    assert status != WRONG


def test_a_run_that_is_up_is_verified_and_left_up_and_ctrl_c_shows_what_there_is(running: Place) -> None:
    command = running.start(("verify", "--run", "small", "--for", "60s", "-o", "csv"), stdout=-1, stderr=-1)
    said = command.stderr
    assert said is not None
    eventually(lambda: b"probes ..." in said.readline(), "probing")
    command.send_signal(signal.SIGINT)
    out, err = command.communicate(timeout=60)
    assert command.returncode == 130, err.decode()
    rows = list(csv.DictReader(io.StringIO(out.decode())))
    assert {row["quantity"] for row in rows} >= {"rtt"}
    assert b"stopped after" in err
    assert running.status()["state"] == "up"


def test_a_mesh_of_one_node_has_no_pair(place: Place) -> None:
    scenario = place.directory / "one.yaml"
    scenario.write_text("extends: iridium\nname: one\ninhabited: {count: 1}\nground: []\n")
    ended = place.skyrack("verify", scenario, "--runs", place.runs, timeout_s=200).expect(2)
    assert "a pair needs two nodes" in ended.err
    place.is_clean()


def test_a_runs_own_probes_are_counted_also_after_their_process_was_killed(running: Place) -> None:
    def answered() -> int:
        return int(running.status()["fidelity"]["probes"]["answered"])

    eventually(lambda: answered() > 0, "own probes answered")
    (prober,) = [pid for pid, line in running.processes().items() if "measure.probe_process" in line]
    os.kill(prober, signal.SIGKILL)
    running.event("prober_ended")
    before = answered()
    eventually(lambda: answered() > before, "own probes answered again")
    assert "no false outage" in running.skyrack("status").expect().out


def test_a_scenario_can_do_without_probes(place: Place) -> None:
    scenario = Path(place.scenario)
    scenario.write_text(scenario.read_text() + "telemetry: {fidelity_probes_per_s: 0}\n")
    place.up()
    assert place.status()["fidelity"] is None
    assert not [line for line in place.processes().values() if "probe_process" in line]
