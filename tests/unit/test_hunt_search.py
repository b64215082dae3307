"""The hunt: it finds the planted bug, asks for the same trials again, and calls nothing confirmed that is not."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from skyrack.orchestrator.hunt.draw import Drawer
from skyrack.orchestrator.hunt.kinds import DEFAULT
from skyrack.orchestrator.hunt.outcome import Outcome, SlowRecovery, Violation
from skyrack.orchestrator.hunt.report import as_json, lines, verdict
from skyrack.orchestrator.hunt.search import Hunt, HuntError, Request, Rules

from .hunt_stand_ins import FlatWorld, breaks, carried_out, trial

RULES = Rules("violation", 1, search_s=100_000.0, shrink_s=100_000.0)


KINDS = ("clock", "partition")


def hunt(rules: Rules = RULES, kinds: tuple[str, ...] = KINDS) -> Hunt:
    return Hunt(Drawer(FlatWorld(), kinds, 20, 6000), rules)


@pytest.mark.parametrize("seed", range(1, 5))
def test_the_planted_bug_is_found_shrunk_and_confirmed(seed: int) -> None:
    it = hunt(replace(RULES, seed=seed))
    asked = carried_out(it)
    best = it.best
    assert best is not None
    assert best.confirmed
    assert best.shrinking_ended
    assert best.replays.broke == 5
    assert [request.purpose for request in asked[-5:]] == ["replay"] * 5
    assert {request.schedule for request in asked[-5:]} == {best.smallest}
    assert len(best.smallest.faults) == 2
    assert breaks(best.smallest)
    assert verdict(it) == "found"
    assert lines(it)[0] == "BAD  linearizable   confirmed: broke 5 of 5 replays"
    assert as_json(it)["finds"][0]["schedule"] == best.smallest.as_json()


def test_choosing_by_states_meets_more_of_them_in_as_many_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    def met() -> int:
        total = 0
        for seed in range(4):
            it = hunt(replace(RULES, seed=seed, search_s=1000.0), DEFAULT)
            carried_out(it, lambda request: replace(trial(request.schedule), verdict="ok", checks=()))
            total += len(it.seen)
        return total

    guided = met()
    monkeypatch.setattr("skyrack.orchestrator.hunt.search.CANDIDATES", 1)
    monkeypatch.setattr("skyrack.orchestrator.hunt.search.FRESH_RATIO", 1.1)
    assert guided > 1.1 * met()


def test_one_seed_asks_for_the_same_trials() -> None:
    """That is what going on with a killed hunt stands on."""
    first, second, other = carried_out(hunt()), carried_out(hunt()), carried_out(hunt(replace(RULES, seed=2)))
    assert first == second
    assert first != other


@pytest.mark.parametrize("seed", [2, 3])
def test_what_breaks_now_and_then_is_never_called_confirmed(seed: int) -> None:
    it = hunt(replace(RULES, seed=seed, search_s=4_000.0))
    luck = Random(seed)

    def half(request: Request) -> Outcome:
        outcome = trial(request.schedule)
        return outcome if luck.random() < 0.5 else replace(outcome, verdict="ok", checks=())

    carried_out(it, half)
    for find in it.finds:
        assert find.confirmed == (find.replays.broke == 5 and not find.replays.held)
    best = it.best
    assert best is not None, "another seed would say something"
    assert (verdict(it) == "found") == best.confirmed
    if not best.confirmed:  # by luck it may break five times
        assert verdict(it) == "unstable"
        assert lines(it)[0].startswith(
            (" ??  linearizable   UNSTABLE: broke ", " ??  linearizable   NOT CONFIRMED: ")
        )


def test_replays_that_say_nothing_confirm_nothing() -> None:
    """The host became too slow after the bug was found."""
    it = hunt(replace(RULES, search_s=10_000.0))

    def slow(request: Request) -> Outcome:
        outcome = trial(request.schedule)
        return replace(outcome, verdict="inconclusive") if request.purpose == "replay" else outcome

    carried_out(it, slow)
    assert it.best is not None
    assert not it.best.confirmed
    assert verdict(it) == "unstable"
    assert "inconclusive" in lines(it)[0]


def test_where_nothing_breaks_the_hunt_ends_with_its_time() -> None:
    it = hunt(replace(RULES, search_s=1000.0), kinds=("latency", "loss"))
    asked = carried_out(it)
    assert it.best is None
    assert verdict(it) == "held"
    assert 1000.0 <= it.spent_s < 1040.0
    assert [request.purpose for request in asked[:2]] == ["baseline", "search"]
    assert not asked[0].schedule.faults
    assert lines(it)[0].startswith(" ok  nothing broke")


def test_what_breaks_without_faults_is_said_so() -> None:
    it = hunt()
    asked = carried_out(it, lambda request: Outcome("bad", 20.0, ("linearizable",), "always"))
    assert it.best is not None
    assert it.best.confirmed
    assert not any(request.schedule.faults for request in asked)
    assert any("none: it breaks without any" in line for line in lines(it))


def test_shrinking_keeps_to_the_check_that_broke() -> None:
    """A smaller schedule that breaks something else is another find."""
    goal = Violation(("linearizable",))
    assert not goal.breaks(Outcome("bad", 1.0, ("monotonic reads",)))
    assert goal.breaks(Outcome("bad", 1.0, ("monotonic reads", "linearizable")))
    assert not goal.breaks(Outcome("inconclusive", 1.0, ("linearizable",)))
    it = hunt(replace(RULES, checks=("nothing acknowledged was lost",), search_s=2000.0))
    carried_out(it)
    assert it.best is None, "a check that was not asked for was taken"


def test_the_worst_recovery_is_found_and_shrunk_to_one_fault() -> None:
    it = hunt(replace(RULES, goal="recovery", search_s=3000.0))
    carried_out(it)
    best = it.best
    assert best is not None
    assert best.confirmed
    assert it.worst is not None
    assert isinstance(best.goal, SlowRecovery)
    assert best.goal.limit_s == pytest.approx(0.8 * it.worst[0])
    assert it.worst[0] > 9.0, "faults of 10 s were not found"
    assert len(best.smallest.faults) == 1
    assert lines(it)[0].startswith("BAD  recovery of")


def test_a_hunt_whose_trials_do_not_run_ends() -> None:
    running = hunt().run()
    next(running)
    with pytest.raises(HuntError, match="no TUN"):
        running.send(Outcome("failed", 1.0, text="no TUN here"))
    running = hunt().run()
    next(running)
    running.send(Outcome("ok", 20.0))
    running.send(Outcome("failed", 1.0, text="once"))
    running.send(Outcome("ok", 20.0))
    for _ in range(2):
        running.send(Outcome("failed", 1.0, text="again"))
    with pytest.raises(HuntError, match="again"):
        running.send(Outcome("failed", 1.0, text="again"))


def test_shrinking_ends_with_its_time() -> None:
    it = hunt(replace(RULES, shrink_s=60.0))
    asked = carried_out(it)
    assert it.best is not None
    assert it.best.confirmed, "replaying is not left out"
    assert not it.best.shrinking_ended
    assert sum(request.purpose == "shrink" for request in asked) == 3
    assert any("time to shrink was over" in line for line in lines(it))
