"""Faults compose in any order, end in any order, and leave nothing behind."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrack.orchestrator.faults.effect import Effect, compose
from skyrack.orchestrator.faults.fault import Draft, Fault, Pulse
from skyrack.orchestrator.faults.hold import AS_EVER, Hold, Off, Place, compose_holds
from skyrack.orchestrator.faults.kinds import KINDS
from skyrack.orchestrator.faults.ledger import Ledger
from skyrack.orchestrator.faults.problem import Unknown
from skyrack.orchestrator.faults.targets import Target
from skyrack.orchestrator.routing.condition import AS_ALWAYS, Condition
from skyrack.orchestrator.routing.cut import Cut

WAYS = [(0, 1), (1, 0), (1, 2)]
PLACES: list[Place] = [(0, ""), (0, "etcd"), (1, "")]
CUTS = [Cut(frozenset({0}), frozenset({1, 2})), Cut(frozenset({1}), frozenset({0}))]
CONDITIONS = st.builds(
    Condition,
    extra_s=st.floats(0.0, 1.0),
    rate_bps=st.none() | st.floats(1.0, 1e12),
    loss_ratio=st.none() | st.floats(0.0, 1.0),
    down=st.booleans(),
)
HOLDS = st.builds(
    Hold,
    off=st.sampled_from(Off),
    paused=st.booleans(),
    cpu_ratio=st.none() | st.floats(0.01, 2.0),
    fsync_s=st.floats(0.0, 1.0),
    fsync_fails=st.booleans(),
    disk_full=st.booleans(),
    clock_s=st.floats(-10.0, 10.0),
)
EFFECTS = st.builds(
    Effect,
    links=st.dictionaries(st.sampled_from(WAYS), CONDITIONS),
    dark=st.frozensets(st.integers(0, 2)),
    holds=st.dictionaries(st.sampled_from(PLACES), HOLDS),
    cuts=st.lists(st.sampled_from(CUTS), unique=True).map(tuple),
    radiation=st.dictionaries(
        st.integers(0, 2), st.sampled_from((0.5, 2.0, 64.0))
    ),  # products that are exact
)
# Periods that no float spoils, so that a pulse is on and off where it is computed to be.
PULSES = st.none() | st.builds(
    Pulse, period_s=st.sampled_from((0.5, 2.0)), on_s=st.sampled_from((0.125, 0.25))
)
FAULTS = st.lists(
    st.tuples(
        EFFECTS, PULSES, st.sampled_from((0.0, 1.0, 2.0)), st.sampled_from((0.0, 0.5, 1.0, 3.125, math.inf))
    ),
    max_size=6,
)


class World:
    """Does as a ledger's changes say, and knows nothing else."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.conditions: dict[tuple[int, int], Condition] = {}
        self.dark: set[int] = set()
        self.holds: dict[Place, Hold] = {}
        self.cuts: tuple[Cut, ...] = ()
        self.told_s = -math.inf

    def follow(self, until_s: float) -> None:
        while self.ledger.next_s() <= until_s:
            change = self.ledger.step()
            assert change.at_s > self.told_s, "one instant is told once"
            self.told_s = change.at_s
            self.conditions.update(change.conditions)
            self.dark.update(change.dark)
            self.dark.difference_update(change.lit)
            self.holds.update(change.holds)
            if change.cuts is not None:
                self.cuts = change.cuts

    def is_as(self, effects: list[Effect]) -> None:
        """Whether exactly these act."""
        assert self.dark == {node for effect in effects for node in effect.dark}
        for way in WAYS:
            wanted = compose(effect.links[way] for effect in effects if way in effect.links)
            assert self.conditions.get(way, AS_ALWAYS) == wanted
        for place in PLACES:
            held = compose_holds(effect.holds[place] for effect in effects if place in effect.holds)
            assert self.holds.get(place, AS_EVER) == held
        assert sorted(map(repr, self.cuts)) == sorted(repr(cut) for effect in effects for cut in effect.cuts)


def draft(effect: Effect, for_s: float, pulse: Pulse | None = None) -> Draft:
    return Draft("latency", Target(("somewhere",)), {}, effect, for_s, "test", pulse)


def acts(fault: Fault, at_s: float) -> bool:
    """By the definition of a pulse, not as the ledger keeps count."""
    if not fault.since_s <= at_s < fault.until_s:
        return False
    pulse = fault.draft.pulse
    return pulse is None or (at_s - fault.since_s) % pulse.period_s < pulse.on_s


@given(st.lists(CONDITIONS, max_size=5), st.lists(HOLDS, max_size=5), st.randoms())
def test_the_order_of_faults_does_not_matter(
    conditions: list[Condition], holds: list[Hold], random: object
) -> None:
    mixed, swapped = list(conditions), list(holds)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    random.shuffle(swapped)  # type: ignore[attr-defined]
    assert compose(mixed) == compose(conditions)
    assert compose_holds(swapped) == compose_holds(holds)


def test_delays_add_the_least_rate_holds_losses_are_independent_and_down_wins() -> None:
    both = compose([Condition(0.1, 5.0, 0.5), Condition(0.2, 3.0, 0.5, down=True)])
    assert both == Condition(math.fsum((0.1, 0.2)), 3.0, 0.75, True)
    assert compose([]) == AS_ALWAYS


@given(FAULTS, st.lists(st.sampled_from((0.0625, 0.6, 1.1, 2.3, 3.3, 5.05, 9.9)), unique=True))
def test_at_every_instant_what_acts_is_composed_and_after_the_last_all_is_as_always(
    faults: list[tuple[Effect, Pulse | None, float, float]], instants: list[float]
) -> None:
    ledger = Ledger()
    world = World(ledger)
    added = [ledger.add(draft(effect, for_s, pulse), since_s) for effect, pulse, since_s, for_s in faults]
    for at_s in sorted(instants):
        world.follow(at_s)
        world.is_as([fault.draft.effect for fault in added if acts(fault, at_s)])
    world.follow(10.0)
    for fault in added:
        if fault.until_s == math.inf:
            ledger.end(fault.id, 11.0)
    world.follow(12.0)
    world.is_as([])
    assert ledger.next_s() == math.inf, "nothing is expected any more"
    assert (ledger.conditions, ledger.dark, ledger.holds, ledger.cuts) == ({}, frozenset(), {}, ())
    assert ledger.faults == []
    assert not any(ledger.acts(fault.id) for fault in added)


@given(EFFECTS, PULSES, st.sampled_from((0.3, 0.55, 1.7)))
def test_a_fault_that_somebody_ends_is_gone_at_that_instant(
    effect: Effect, pulse: Pulse | None, at_s: float
) -> None:
    ledger = Ledger()
    world = World(ledger)
    fault = ledger.add(draft(effect, math.inf, pulse), 0.0)
    world.follow(0.2)
    ledger.end(fault.id, at_s)
    world.follow(at_s)
    world.is_as([])
    assert ledger.next_s() == math.inf


@pytest.mark.parametrize(
    "fault_id", ["f2", "f0", "f01", "1", "f", "fx", "f-1", "f1 ", "f\u0661", "f" + "1" * 5000]
)
def test_a_fault_that_is_over_is_told_from_one_that_never_was(fault_id: str) -> None:
    ledger = Ledger()
    ended = ledger.add(draft(Effect(), 1.0), 0.0)
    while ledger.next_s() < math.inf:
        ledger.step()
    with pytest.raises(Unknown, match="f1 has ended"):
        ledger.end(ended.id, 2.0)
    with pytest.raises(Unknown, match="no fault is called"):
        ledger.end(fault_id, 2.0)


def staged(kind: str, nodes: set[int], speed: float = 1.0) -> tuple[Ledger, World]:
    """A ledger with a fault of a kind with stages of 1 s and 2 s on nodes."""
    ledger = Ledger(lambda run_s: speed)
    ledger.add(stage_draft(kind, nodes), 10.0)
    return ledger, World(ledger)


def stage_draft(kind: str, nodes: set[int]) -> Draft:
    values = {
        "retire": {"drain_s": 1.0, "deorbit_t_s": 2.0},
        "repair": {"travel_t_s": 1.0, "visit_t_s": 2.0},
    }[kind]
    target = Target(("n",), nodes=tuple(sorted(nodes)), places=tuple((node, "") for node in sorted(nodes)))
    stages = KINDS[kind].stages
    assert stages is not None
    return Draft(kind, target, values, Effect(), math.inf, "test", stages=stages(values, target))


def lost(nodes: set[int]) -> Draft:
    target = Target(("n",), nodes=tuple(sorted(nodes)), places=tuple((node, "") for node in sorted(nodes)))
    return Draft("lost", target, {}, KINDS["lost"].effect({}, target), math.inf, "test")


def test_a_retirement_drains_then_erases_then_takes_the_node_away_for_good() -> None:
    ledger, world = staged("retire", {1})
    world.follow(10.5)
    assert world.holds[1, ""] == Hold(drained=True)
    assert not world.dark
    world.follow(12.0)
    assert world.holds[1, ""] == Hold(drained=True, erased=True)
    world.follow(1e9)
    assert world.holds[1, ""] == Hold(off=Off.LOST, drained=True, erased=True)
    assert world.dark == {1}
    assert [fault.id for fault in ledger.begun] == ["f1"]


def test_a_fault_that_is_removed_in_a_stage_leaves_nothing() -> None:
    ledger, world = staged("retire", {1})
    world.follow(13.5)
    ledger.end("f1", 20.0)
    world.follow(1e9)
    assert not ledger.faults
    assert not world.dark
    assert world.holds[1, ""] == AS_EVER


def test_stages_of_orbit_time_are_as_much_shorter_as_the_orbits_are_faster() -> None:
    ledger, _ = staged("repair", {1}, speed=10.0)
    instants = []
    while ledger.next_s() < math.inf:
        instants.append(round(ledger.step().at_s, 6))
    assert instants == [10.0, 10.1, 10.3]


def test_a_repair_ends_what_had_befallen_the_node_and_leaves_the_others() -> None:
    ledger, world = staged("repair", {1})
    ledger.add(lost({0, 1, 2}), 5.0)
    ledger.add(lost({1}), 6.0)
    world.follow(12.9)
    assert world.dark == {0, 1, 2}
    world.follow(13.0)
    assert world.dark == {0, 2}
    assert world.holds[1, ""] == AS_EVER
    assert world.holds[0, ""] == Hold(off=Off.LOST)
    assert [fault.id for fault in ledger.begun] == ["f2"]
    ledger.end("f2", 20.0)
    world.follow(20.0)
    assert not world.dark
    assert not ledger.holds


def test_no_repair_brings_back_who_has_been_retired() -> None:
    ledger, world = staged("repair", {1})
    ledger.add(stage_draft("retire", {1}), 0.0)
    world.follow(1e9)
    assert world.dark == {1}
    assert [fault.draft.kind for fault in ledger.begun] == ["retire"]


def test_a_repair_that_is_called_off_mends_nothing() -> None:
    ledger, world = staged("repair", {1})
    ledger.add(lost({1}), 5.0)
    world.follow(11.0)
    ledger.end("f1", 12.0)
    world.follow(1e9)
    assert world.dark == {1}
