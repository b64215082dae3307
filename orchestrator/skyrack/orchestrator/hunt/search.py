"""The hunt itself: a generator that asks for trials and is told their outcomes. Pure: time is what the trials have spent.

    nothing broken -> draw, mutate -> broken? -> again? -> shrink -> replay -> confirmed
                      ^                no |      no |               not each time: step back, then unstable
                      +-------------------+---------+--------------------------+

Given the outcomes of before it asks for the same trials again, so a hunt that was killed goes on from the list of its trials.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from skyrack.orchestrator.hunt.coverage import effect, signature
from skyrack.orchestrator.hunt.draw import Drawer
from skyrack.orchestrator.hunt.outcome import Goal, Outcome, SlowRecovery, Violation
from skyrack.orchestrator.hunt.schedule import Schedule
from skyrack.orchestrator.hunt.shrink import shrink

Purpose = Literal["baseline", "search", "again", "shrink", "replay"]
GoalName = Literal["violation", "recovery"]

CANDIDATES = 4
"""How many schedules are drawn for one that is tried."""
FRESH_RATIO = 0.85
"""Share of candidates that are no mutation, once there are parents."""
CLIMB_RATIO = 0.5
"""Share of trials beside the worst recovery so far, where that is what is looked for."""
AGAIN = 2
"""How often what broke once is tried again before it is shrunk; once of these is enough."""
SAME_RECOVERY_RATIO = 0.8
"""A recovery of this share of the worst one is the same."""
MOST_STEPS_BACK = 2
_FAILURES_IN_A_ROW = 3


class HuntError(Exception):
    """Trials do not run: nothing can be said about the system under test."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What to look for and how long: `search_s` until something breaks, `shrink_s` from then on, `replays` of the smallest.

    `checks`: the checks that count; all without names.
    """

    goal: GoalName
    seed: int
    search_s: float
    shrink_s: float
    replays: int = 5
    checks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One trial to be run."""

    purpose: Purpose
    schedule: Schedule


@dataclass(slots=True)
class Replays:
    """How often a schedule broke when it was replayed."""

    broke: int = 0
    held: int = 0
    inconclusive: int = 0

    @property
    def conclusive(self) -> int:
        """Replays that say anything."""
        return self.broke + self.held


@dataclass(slots=True)
class Find:
    """A schedule that broke, what has become of it so far, and what it broke.

    `trail`: schedules that broke while it was shrunk, the smallest last. `first`: number of the trial that broke first;
    `shown_by`: of the newest that broke the smallest.
    """

    goal: Goal
    outcome: Outcome
    trail: list[Schedule]
    first: int
    shown_by: int
    replays: Replays = field(default_factory=Replays)
    wanted: int = 0
    shrinking_ended: bool = False

    @property
    def smallest(self) -> Schedule:
        """The schedule that is replayed and written down."""
        return self.trail[-1]

    @property
    def confirmed(self) -> bool:
        """Whether it broke every time it was replayed, and often enough."""
        return 0 < self.wanted <= self.replays.broke and not self.replays.held


@dataclass(slots=True)
class Parent:
    """A schedule that met something new, and how much of it."""

    schedule: Schedule
    weight: float


class Hunt:
    """A hunt under way; everything it has found so far can be read at any time."""

    def __init__(self, drawer: Drawer, rules: Rules) -> None:
        self.rules = rules
        self.finds: list[Find] = []
        self.trials = 0
        self.spent_s = 0.0
        self.seen: set[str] = set()
        self.inconclusive = 0
        self.worst: tuple[float, Schedule, Outcome, int] | None = None
        """The longest recovery of the search: seconds, schedule, outcome and number of the trial."""
        self._drawer = drawer
        self._parents: list[Parent] = []
        self._drawn = 0
        self._failures = 0

    @property
    def best(self) -> Find | None:
        """The confirmed find, else the one that broke most often when replayed."""
        return max(
            self.finds, key=lambda find: (find.confirmed, find.replays.broke, find.first), default=None
        )

    def run(self) -> Generator[Request, Outcome, None]:
        """Ask for trials until there is a confirmed find or the time is over. Raises HuntError."""
        idle = Schedule(0, self._drawer.span_s, self.rules.seed)
        outcome = yield from self._trial(Request("baseline", idle))
        if outcome.verdict == "failed":
            raise HuntError(outcome.text)
        if self._is_find(outcome):
            yield from self._follow(self._found(idle, outcome))
            return
        while self.spent_s < self.rules.search_s:
            schedule = self._next()
            outcome = yield from self._trial(Request("search", schedule))
            self._learn(schedule, outcome)
            if self._is_find(outcome):
                find = self._found(schedule, outcome)
                yield from self._follow(find)
                if find.confirmed:
                    return
        if self.rules.goal == "recovery" and self.worst is not None:
            recovery_s, schedule, outcome, number = self.worst
            goal = SlowRecovery(SAME_RECOVERY_RATIO * recovery_s)
            self.finds.append(Find(goal, outcome, [schedule], number, number))
            yield from self._follow(self.finds[-1])

    # Search

    def _next(self) -> Schedule:
        """Of several candidates the one that meets most states not met yet: a trial is worth much more than a draw.

        More faults meet more states and hide each other: what many meet counts less.
        """
        self._drawn += 1
        random = Random(f"{self.rules.seed} {self._drawn}")
        if self.worst is not None and random.random() < CLIMB_RATIO:
            return self._drawer.mutated(random, self.worst[1], self.worst[1])
        candidates = [self._candidate(random) for _ in range(CANDIDATES)]
        return max(candidates, key=self._news)

    def _news(self, schedule: Schedule) -> float:
        new = signature(schedule, self._drawer.world) - self.seen
        return len(new) / math.sqrt(max(1, len(schedule.faults)))

    def _candidate(self, random: Random) -> Schedule:
        if not self._parents or random.random() < FRESH_RATIO:
            return self._drawer.fresh(random)
        weights = [parent.weight for parent in self._parents]
        parent, other = random.choices(self._parents, weights, k=2)
        return self._drawer.mutated(random, parent.schedule, other.schedule)

    def _learn(self, schedule: Schedule, outcome: Outcome) -> None:
        if not outcome.conclusive:
            return
        new = (signature(schedule, self._drawer.world) | effect(outcome)) - self.seen
        self.seen |= new
        slower = outcome.recovery_s is not None and (self.worst is None or outcome.recovery_s > self.worst[0])
        if slower and self.rules.goal == "recovery":
            assert outcome.recovery_s is not None
            self.worst = (outcome.recovery_s, schedule, outcome, self.trials)
        if new or slower:
            self._parents.append(Parent(schedule, (1.0 + len(new)) * outcome.answered_ratio))

    def _is_find(self, outcome: Outcome) -> bool:
        return self.rules.goal == "violation" and Violation(self.rules.checks).breaks(outcome)

    def _found(self, schedule: Schedule, outcome: Outcome) -> Find:
        wanted = set(self.rules.checks)
        checks = tuple(name for name in outcome.checks if not wanted or name in wanted)
        find = Find(Violation(checks), outcome, [schedule], self.trials, self.trials)
        self.finds.append(find)
        return find

    # A find

    def _follow(self, find: Find) -> Generator[Request, Outcome, None]:
        """Try it again, shrink it, replay it."""
        tries = 0
        while True:
            outcome = yield from self._trial(Request("again", find.smallest))
            tries += 1
            if find.goal.breaks(outcome):
                break
            find.replays.held += outcome.conclusive
            find.replays.inconclusive += not outcome.conclusive
            if tries == AGAIN:
                return
        find.replays = Replays()
        yield from self._shrink(find, tries)
        yield from self._replay(find)

    def _shrink(self, find: Find, tries: int) -> Generator[Request, Outcome, None]:
        """What needed `tries` trials to break again is given as many when it is smaller: the first may have been luck."""
        until_s = self.spent_s + self.rules.shrink_s
        known: dict[Schedule, bool] = {find.smallest: True}
        shrinking = shrink(find.smallest)
        breaks: bool | None = None
        while self.spent_s < until_s:
            try:
                candidate = next(shrinking) if breaks is None else shrinking.send(breaks)
            except StopIteration:
                find.shrinking_ended = True
                return
            for _ in range(tries if candidate not in known else 0):
                outcome = yield from self._trial(Request("shrink", candidate))
                known[candidate] = find.goal.breaks(outcome)
                if known[candidate]:
                    find.trail.append(candidate)
                    find.outcome, find.shown_by = outcome, self.trials
                    break
            breaks = known[candidate]

    def _replay(self, find: Find) -> Generator[Request, Outcome, None]:
        """Replay the smallest; where it does not break each time, the ones before it, and keep what broke most often."""
        find.wanted = self.rules.replays
        tried: list[tuple[int, Schedule, Replays]] = []
        for _ in range(MOST_STEPS_BACK + 1):
            replays = find.replays = Replays()
            for _ in range(2 * self.rules.replays):
                outcome = yield from self._trial(Request("replay", find.smallest))
                broke = find.goal.breaks(outcome)
                replays.broke += broke
                replays.held += outcome.conclusive and not broke
                replays.inconclusive += not outcome.conclusive
                if broke:
                    find.outcome, find.shown_by = outcome, self.trials
                if replays.conclusive == self.rules.replays:
                    break
            if find.confirmed:
                return
            tried.append((replays.broke, find.smallest, replays))
            if len(find.trail) == 1:
                break
            find.trail.pop()
        _, schedule, find.replays = max(tried, key=lambda one: one[0])
        find.trail.append(schedule)

    def _trial(self, request: Request) -> Generator[Request, Outcome, Outcome]:
        outcome = yield request
        self.trials += 1
        self.spent_s += outcome.spent_s
        self.inconclusive += not outcome.conclusive
        self._failures = self._failures + 1 if outcome.verdict == "failed" else 0
        if self._failures == _FAILURES_IN_A_ROW:
            raise HuntError(outcome.text)
        return outcome
