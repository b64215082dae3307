"""A run from its start to its end, as a user sees it."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

from .place import PATIENCE_S, Place, eventually, is_suspended

pytestmark = [pytest.mark.mesh, pytest.mark.together]

# A service for whose sake a run is starting until somebody opens.
GATE = """\
services:
  - name: gate
    nodes: [london]
    command: [sleep, infinity]
    ready: {command: [test, -e, "{data}/open"]}
    ready_within_s: 600
"""


def test_up_says_when_everything_serves_and_down_leaves_nothing(either: Place) -> None:
    before = set(either.directory.iterdir())
    said = either.up()
    assert "4/4 serving" in said.err
    assert "skyrack ping london tokyo" in said.out
    status = either.status()
    assert status["state"] == "up"
    assert {n["name"] for n in status["nodes"] if n["state"] == "serving"} >= {"london", "tokyo"}
    assert sum(n["state"] == "serving" for n in status["nodes"]) == 4
    assert sum(n["state"] == "bare" for n in status["nodes"]) == 64
    for probe in either.ping("london", "tokyo", count=2):
        assert set(probe) >= {"t_s", "measured_ms", "computed_ms", "path"}
        assert probe["path"][0] == "london"
        assert probe["path"][-1] == "tokyo"
        assert probe["measured_ms"] > probe["computed_ms"] - 1e-3 > 10
    assert either.skyrack("exec", "london", "--", "hostname").expect().out == "london\n"
    assert "all 4 nodes serve" in either.skyrack("logs").expect().out
    assert "serving" in either.skyrack("logs", "london").expect().out
    assert either.skyrack("down").expect().out == "small is down\n"
    either.is_clean()
    assert set(either.directory.iterdir()) - before == {either.runs}
    run_dir = either.runs / "latest"
    assert {path.name for path in run_dir.iterdir()} >= {"scenario.yaml", "events.jsonl", "logs"}
    assert [event["event"] for event in either.events()][-1] == "stopped"


def test_up_twice_is_one_run(running: Place) -> None:
    before = running.status()
    again = running.up()
    assert "already up" in again.err
    assert running.status()["t0_monotonic_ns"] == before["t0_monotonic_ns"]
    assert [n["pid"] for n in running.status()["nodes"]] == [n["pid"] for n in before["nodes"]]
    assert len([path for path in running.runs.iterdir() if path.name != "latest"]) == 1


def test_another_scenario_does_not_replace_a_run_of_the_same_name(running: Place) -> None:
    other = running.directory / "other.yaml"
    other.write_text(running.scenario.read_text() + "seed: 7\n")
    ended = running.skyrack("up", other, "--detach").expect(1)
    assert "up with another scenario" in ended.err
    assert "--run" in ended.err


def test_two_starts_at_once_make_one_run(place: Place) -> None:
    starts = [place.foreground("up", place.scenario, "--detach") for _ in range(3)]
    said = [start.ends(0) for start in starts]
    assert sum("already up" in text for text in said) == 2
    assert len([path for path in place.runs.iterdir() if path.name != "latest"]) == 1


def test_two_runs_beside_each_other_do_not_meet(place: Place) -> None:
    place.up("--run", "one")
    place.up("--run", "two")
    assert "2 runs are up: one, two" in place.skyrack("status").expect(2).err
    assert "2 runs are up: one, two" in place.skyrack("down").expect(2).err
    for run in ("one", "two"):
        place.ping("london", "tokyo", "--run", run)
    two = place.tree("two")
    place.skyrack("down", "--run", "one").expect()
    assert not (place.sockets / "one").exists()
    assert place.tree("two") == two
    place.ping("london", "tokyo")
    assert not [event for event in place.events() if event["event"] in ("node_exited", "fabric_down")]
    place.skyrack("down").expect()
    place.is_clean()


def test_down_without_a_run_is_no_error(place: Place) -> None:
    assert "nothing to stop" in place.skyrack("down").expect().err
    assert "no run called 'x'" in place.skyrack("down", "--run", "x").expect().err
    place.is_clean()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_foreground_run_that_serves(either: Place, number: int) -> None:
    run = either.foreground("up", either.scenario)
    run.says("Ctrl-C stops it")
    run.process.send_signal(number)
    assert "stopping" in run.ends(130)
    either.is_clean()
    assert either.events()[-1]["event"] == "stopped"


@pytest.mark.parametrize("moment", ["scenario", "fabric", "first node"])
def test_ctrl_c_during_the_start_leaves_nothing(place: Place, moment: str) -> None:
    run = place.foreground("up", place.scenario)
    if moment == "first node":
        eventually(lambda: any("zygote" in line for line in place.processes().values()), "a zygote")
    else:
        run.says(f" {moment}")
    run.process.send_signal(signal.SIGINT)
    run.ends(130)
    place.is_clean()
    place.up()
    place.skyrack("down").expect()


def test_a_suspended_foreground_command_does_not_stop_the_run(place: Place) -> None:
    run = place.foreground("up", place.scenario)
    run.says("Ctrl-C stops it")
    run.process.send_signal(signal.SIGSTOP)
    eventually(lambda: is_suspended(run.process.pid), "the command suspended")
    place.ping("london", "tokyo")
    run.process.send_signal(signal.SIGCONT)
    place.skyrack("down").expect()
    run.ends(0)
    place.is_clean()


def test_down_ends_a_run_whose_orchestrator_hangs(place: Place) -> None:
    place.up()
    place.suspend("orchestrator")
    place.skyrack("down").expect()
    place.is_clean()


def test_the_plan_of_a_run_is_what_skyrack_plan_writes(place: Place) -> None:
    place.up()
    written = place.runs / "latest" / "plan.jsonl"
    eventually(written.exists, "plan.jsonl")
    for name in ("first", "second"):
        place.skyrack("plan", place.scenario, "--for", "10m", "-f", place.directory / name).expect()
        assert (place.directory / name).read_bytes() == written.read_bytes()
    assert {path.name for path in written.parent.iterdir()} == {
        "scenario.yaml", "plan.jsonl", "events.jsonl", "logs", "data",
    }  # fmt: skip


def test_a_resolved_scenario_describes_the_same_run(running: Place) -> None:
    resolved = running.skyrack("validate", running.scenario, "--resolved").expect().out
    assert (running.runs / "latest" / "scenario.yaml").read_text() == resolved


def test_status_knows_a_run_that_starts(place: Place) -> None:
    place.scenario.write_text(place.scenario.read_text() + GATE)
    run = place.foreground("up", place.scenario)

    def seen() -> str:
        ended = place.skyrack("status", "-o", "json")
        assert "Traceback" not in ended.err
        state = str(json.loads(ended.out)["state"]) if ended.status == 0 else ended.err.splitlines()[0]
        before = ("error: small is starting and does not answer yet", "error: no run is up")
        assert state in ("starting", "up", *before)
        return "" if state in before else state

    assert eventually(seen, "an answer") == "starting"
    data = place.runs / "latest" / "data" / "london" / "gate"
    eventually(data.exists, "the service's directory")
    (data / "open").touch()
    run.says("Ctrl-C stops it")
    assert seen() == "up"
    run.process.send_signal(signal.SIGINT)
    run.ends(130)
    place.is_clean()


def test_a_later_link_in_latest_does_not_hide_earlier_runs(place: Place) -> None:
    for _ in range(2):
        place.up()
        place.skyrack("down").expect()
    kept = sorted(path.name for path in place.runs.iterdir() if not path.is_symlink())
    assert len(kept) == 2
    assert os.readlink(place.runs / "latest") == max(kept, key=lambda n: (place.runs / n).stat().st_mtime)


@pytest.mark.parametrize("arguments", [("status", "--all"), ("schema",), ("logs", "-n", "0")])
def test_a_reader_that_goes_away_is_no_error(running: Place, arguments: tuple[str, ...]) -> None:
    process = running.start(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(timeout=PATIENCE_S)
    assert err == b""
    assert process.returncode == 0
