"""A hunt on file: what a killed one goes on with, and the pytest file that it writes."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from skyrack.orchestrator.cli import hunt_run
from skyrack.orchestrator.cli.exits import Problem
from skyrack.orchestrator.cli.hunt_files import TRIALS, HuntFiles
from skyrack.orchestrator.cli.hunt_options import Options, digest_of, prepared, refuse_unknown
from skyrack.orchestrator.cli.hunt_trial import outcome_of
from skyrack.orchestrator.hunt.moved import moved
from skyrack.orchestrator.hunt.outcome import Outcome, SlowRecovery, Violation
from skyrack.orchestrator.hunt.pytest_file import text_of
from skyrack.orchestrator.hunt.schedule import Fault, Schedule
from skyrack.orchestrator.hunt.search import Find, Replays
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.topology.geometry import Geometry

SCENARIO = """\
version: 1
name: pair
extends: iridium
inhabited: []
ground: [london]
services:
  - {name: register, nodes: [p0s00, p0s01, p1s00], command: [sleep, "1000"]}
"""
GEOMETRY = Geometry(load_scenario("iridium"))


class Stopped(Exception):
    """The hunt's process was killed here."""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "pair.yaml"
    path.write_text(SCENARIO)
    return path


def options(scenario: Path) -> Options:
    return Options(
        command="skyrack hunt pair.yaml", scenario=str(scenario), digest=digest_of(load_scenario(scenario)),
        load=["kv", "--service", "register"], service="register", clients=["london"],
        kinds=["clock", "partition", "kill"], checks=[], goal="violation", seed=5, search_s=2000.0, shrink_s=1000.0,
        trial_s=20, orbit_s=60, replays=3, test="",
    )  # fmt: skip


class StandIn:
    """Trials that are computed: a clock set back at any member, and any partition, break it. Stops after `most`."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.run_count = 0

    def __call__(
        self, directory: Path, scenario_at: Callable[[int], Any], load: Any, *, timed: bool
    ) -> StandIn:
        self.directory = directory
        self.run_dir: Path | None = None
        return self

    def run(self, schedule: Schedule) -> Outcome:
        if self.run_count == self.most:
            raise Stopped
        self.run_count += 1
        self.run_dir = self.directory / f"run-{self.run_count}"
        self.run_dir.mkdir(parents=True)
        (self.run_dir / "history.jsonl").write_text(json.dumps(schedule.as_json()))
        kinds = {
            fault.kind for fault in schedule.faults if fault.kind != "clock" or fault.value.startswith("-")
        }
        broke = {"clock", "partition"} <= kinds
        checks = ("linearizable",) if broke else ()
        return Outcome(
            "bad" if broke else "ok", 20.0, checks, "operations 3 and 4 conflict" if broke else "", ok=900
        )

    def clean(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)


def carried_out(monkeypatch: pytest.MonkeyPatch, files: HuntFiles, chosen: Options, most: int) -> Any:
    """Carry a hunt out from where it is, for at most so many more trials; the hunt and how many it took."""
    trials = StandIn(most)
    monkeypatch.setattr(hunt_run, "Trials", trials)
    hunt, geometry = prepared(chosen)
    try:
        hunt_run.carry_out(hunt, files, chosen, geometry)
    except Stopped:
        return None, trials.run_count
    return hunt, trials.run_count


def test_a_hunt_that_is_killed_over_and_over_ends_as_one_that_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scenario: Path
) -> None:
    chosen = options(scenario)
    at_once = HuntFiles(tmp_path / "at-once")
    at_once.begin({})
    whole, count = carried_out(monkeypatch, at_once, chosen, 10_000)
    assert whole.best.confirmed
    assert len(whole.best.smallest.faults) == 2
    pieces = HuntFiles(tmp_path / "pieces")
    pieces.begin({})
    hunt, run = None, 0
    while hunt is None:
        hunt, more = carried_out(monkeypatch, pieces, chosen, 12)
        run += more
        with (pieces.directory / TRIALS).open("a") as out:
            out.write('{"trial": 99, "purp')  # what a kill in the middle of a line leaves
    pieces.trials()  # removes it
    assert run == count, "a trial was run twice"
    assert (pieces.directory / TRIALS).read_bytes() == (at_once.directory / TRIALS).read_bytes()
    assert hunt.best == whole.best
    kept = sorted(path.name for path in (pieces.directory / "trials").iterdir())
    broke = [n for n, trial in enumerate(pieces.trials(), 1) if trial.outcome.verdict == "bad"]
    assert kept == [f"{number:04d}" for number in broke], "what broke is kept, and nothing else"
    last = json.loads((pieces.kept(broke[-1]) / "history.jsonl").read_text())
    assert Schedule.of_json(last) == whole.best.smallest


def test_trials_of_another_hunt_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scenario: Path
) -> None:
    files = HuntFiles(tmp_path / "hunt")
    files.begin({})
    carried_out(monkeypatch, files, options(scenario), 5)
    with pytest.raises(Problem, match="trial 1 on file is not what the hunt asks for"):
        carried_out(monkeypatch, files, replace(options(scenario), seed=6), 5)
    (files.directory / TRIALS).write_text('{"trial": 1}\n')
    with pytest.raises(Problem, match=r"trials\.jsonl:1: this is no trial"):
        files.trials()
    with pytest.raises(Problem, match="exists"):
        files.begin({})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kinds": ["clokc"]}, "did you mean 'clock'"),
        ({"clients": ["londno"]}, "did you mean 'london'"),
        ({"clients": []}, "come from nowhere"),
        ({"service": "regster"}, "there are register"),
        ({"trial_s": 1}, "5 s or longer"),
    ],
)
def test_what_cannot_be_hunted_is_said(change: dict[str, Any], said: str, scenario: Path) -> None:
    with pytest.raises(Problem, match=said):
        prepared(replace(options(scenario), **change))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("kvv", "grpc", []), "--workload: no workload is called 'kvv': did you mean 'kv'"),
        (("kv", "gprc", []), "--adapter: no adapter is called 'gprc': did you mean grpc"),
        (("kv", "grpc", ["linearisable"]), "--check: no check is called 'linearisable': did you mean 'linearizable'"),
        (("bank", "grpc", ["xyz"]), "bank has linearizable, .*total conserved"),
    ],
)  # fmt: skip
def test_what_no_trial_could_run_or_break_is_refused_before_any(words: Any, said: str) -> None:
    """A check that no trial reports would make every hunt end with `nothing broke`."""
    with pytest.raises(Problem, match=said):
        refuse_unknown(*words)


@pytest.mark.parametrize("workload", ["kv", "append", "queue", "set", "bank"])
def test_every_check_that_a_load_reports_may_be_hunted_for(workload: str) -> None:
    refuse_unknown(workload, "redis,wait=1", ["linearizable", "availability", "p99 <= 100 ms"])
    refuse_unknown("workload", "grpc", ["no increment lost"])


# The pytest file


class Fake:
    """The fixture, and a constellation of it whose loads have this result."""

    def __init__(self, result: dict[str, Any]) -> None:
        self.result = result
        self.asked: list[dict[str, Any]] = []

    def up(self, scenario: dict[str, Any]) -> Fake:
        self.asked.append(scenario)
        return self

    def load(self, *words: str, faults: list[str]) -> dict[str, Any]:
        self.asked[-1] |= {"words": words, "faults": faults}
        return self.result

    def down(self, constellation: Fake) -> None:
        assert constellation is self


SMALL = Schedule(
    750, 12, 1, (Fault(20, "clock", "p0s00/register", "-5s", 30), Fault(20, "partition", "p0s00", "", 40))
)
BROKE = Outcome("bad", 20.0, ("linearizable",), "operations 17 and 21 conflict")


def find(**changes: Any) -> Find:
    made = Find(Violation(("linearizable",)), BROKE, [SMALL], 7, 31, Replays(broke=5), 5, True)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def written(tmp_path: Path, what: Find) -> Path:
    path = tmp_path / "test_pair_hunt.py"
    path.write_text(
        text_of(
            what,
            scenario=moved(GEOMETRY, "/somewhere/pair.yaml", what.smallest.start_s),
            relative="../pair.yaml",
            load=["kv", "--adapter", "grpc", "--service", "register"],
            command="skyrack hunt pair.yaml --seed 5",
            kept="trials/0031",
        )
    )
    return path


def carried_out_by(path: Path, **result: Any) -> tuple[bool, list[dict[str, Any]]]:
    """Whether the test in the file passes where loads have this result, and what it asked the fixture for."""
    names: dict[str, Any] = {"__file__": str(path)}
    exec(compile(path.read_text(), path, "exec"), names)
    (test,) = (value for name, value in names.items() if name.startswith("test_"))
    fake = Fake(result)
    try:
        test(fake)
    except AssertionError:
        return False, fake.asked
    return True, fake.asked


def history(verdict: str) -> dict[str, Any]:
    checks = [{"name": "linearizable", "verdict": verdict, "text": "..."}]
    return {"verdict": verdict, "checks": checks, "recovery": []}


def test_the_file_fails_on_the_bug_passes_on_the_fix_and_asks_for_the_schedule(tmp_path: Path) -> None:
    path = written(tmp_path, find())
    assert "broke 5 of 5 replays" in (ast.get_docstring(ast.parse(path.read_text())) or "")
    passed, asked = carried_out_by(path, verdict="bad", checks=[], history=history("bad"))
    assert not passed
    assert asked[0]["words"][-4:] == ("--for", "12s", "--seed", "1")
    assert asked[0]["faults"] == ["clock:p0s00/register:-5s@2s+3s", "partition:p0s00@2s+4s"]
    assert asked[0]["extends"] == str(tmp_path.parent / "pair.yaml")
    assert asked[0]["start"] == "2026-01-01T00:12:30Z"
    passed, asked = carried_out_by(path, verdict="ok", checks=[], history=history("ok"))
    assert (passed, len(asked)) == (True, 1)


def test_pytest_collects_the_file(tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", written(tmp_path, find())],
        cwd=tmp_path, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert said.splitlines()[0] == "test_pair_hunt.py::test_linearizable"


def test_a_verdict_that_says_nothing_is_no_pass(tmp_path: Path) -> None:
    """A CI that tests nothing should not be green."""
    path = written(tmp_path, find())
    assert (
        carried_out_by(path, verdict="inconclusive", checks=[], history=history("inconclusive"))[0] is False
    )
    # The host was too slow for its delays to be right; promises were kept all the same.
    assert carried_out_by(path, verdict="inconclusive", checks=[], history=history("ok"))[0] is True


def test_what_is_not_confirmed_is_tried_more_often_and_says_so(tmp_path: Path) -> None:
    path = written(tmp_path, find(replays=Replays(broke=2, held=3)))
    assert "NOT CONFIRMED" in path.read_text()
    assert "broke 2 of 5 replays" in path.read_text()
    passed, asked = carried_out_by(path, verdict="ok", checks=[], history=history("ok"))
    assert passed
    assert len(asked) == 6, "0.6 ** 6 < 5 %"


def test_a_slow_recovery_is_tested_by_its_limit(tmp_path: Path) -> None:
    path = written(tmp_path, find(goal=SlowRecovery(4.0)))
    for after_s, passes in ((14.1, False), (13.9, True), (None, True)):
        result = {
            "verdict": "ok",
            "checks": [],
            "history": {**history("ok"), "recovery": [recovery(after_s)]},
        }
        assert carried_out_by(path, **result)[0] is passes


def recovery(after_s: float | None) -> dict[str, Any]:
    """A row of a fault of 10 s that london felt."""
    nodes = {"london": {"gaps": [[3.0, None]], "recovered_after_s": after_s}}
    return {"kind": "injected", "began_s": 3.0, "ended_s": 13.0, "overall": None, "nodes": nodes}


def test_a_moved_scenario_is_the_same_sky_later(tmp_path: Path) -> None:
    """Shells without an epoch of their own, and satellites chosen by where they are, must not move with the start."""
    file = tmp_path / "moved.yaml"
    file.write_text(json.dumps({**moved(GEOMETRY, "iridium", 750)}))
    later = Geometry(load_scenario(file))
    assert later.start == datetime(2026, 1, 1, 0, 12, 30, tzinfo=UTC)
    assert later.inhabited.tolist() == GEOMETRY.inhabited.tolist()
    assert abs(later.positions_km(5.0) - GEOMETRY.positions_km(755.0))[: later.n_sat].max() < 1e-3
    assert later.epoch(5.0).a.tolist() == GEOMETRY.epoch(755.0).a.tolist()
    assert moved(GEOMETRY, "iridium", 0) == {"extends": "iridium"}


# What a load's result means


def test_a_broken_promise_counts_on_a_noisy_host_and_a_kept_one_too() -> None:
    ops = {"ok": 5, "fail": 2, "unknown": 1}
    base = {"ops": ops, "checks": [{"name": "availability", "ok": False}], "verdict": "inconclusive"}
    bad = outcome_of({**base, "history": history("bad")}, 3.0, timed=False)
    assert (bad.verdict, bad.checks, bad.text) == ("bad", ("linearizable",), "linearizable: ...")
    assert (bad.ok, bad.fail, bad.unknown, bad.spent_s) == (5, 2, 1, 3.0)
    kept = {**base, "history": history("ok")}
    assert outcome_of(kept, 3.0, timed=False).verdict == "ok"
    assert outcome_of(kept, 3.0, timed=True).verdict == "inconclusive", "times on a noisy host are none"
    missed = outcome_of({**kept, "verdict": "bad"}, 3.0, timed=False)
    assert (missed.verdict, missed.checks) == ("bad", ("availability",))
    rows = [recovery(12.0), recovery(None), recovery(13.5), {**recovery(99.0), "kind": "handover"}]
    slow = outcome_of(
        {**base, "verdict": "ok", "history": {**history("ok"), "recovery": rows}}, 3.0, timed=True
    )
    assert slow.recovery_s == 3.5, "how long after the end of the fault"
