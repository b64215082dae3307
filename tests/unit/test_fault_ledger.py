"""Faults compose in any order, end in any order, and leave nothing behind."""

import math

from hypothesis import given
from hypothesis import strategies as st

from skyrack.orchestrator.faults.effect import Effect, compose
from skyrack.orchestrator.faults.fault import Draft
from skyrack.orchestrator.faults.ledger import Ledger
from skyrack.orchestrator.faults.targets import Target
from skyrack.orchestrator.routing.condition import AS_ALWAYS, Condition

WAYS = [(0, 1), (1, 0), (1, 2)]
CONDITIONS = st.builds(
    Condition,
    extra_s=st.floats(0.0, 1.0),
    rate_bps=st.none() | st.floats(1.0, 1e12),
    loss_ratio=st.none() | st.floats(0.0, 1.0),
    down=st.booleans(),
)
EFFECTS = st.builds(
    Effect, st.dictionaries(st.sampled_from(WAYS), CONDITIONS), st.frozensets(st.integers(0, 2))
)
FAULTS = st.lists(
    st.tuples(EFFECTS, st.sampled_from((0.0, 1.0, 2.0)), st.sampled_from((0.5, 1.0, math.inf))), max_size=6
)


def draft(effect: Effect, for_s: float) -> Draft:
    return Draft("latency", Target(("somewhere",)), {}, effect, for_s, "test")


@given(st.lists(CONDITIONS, max_size=5), st.randoms())
def test_the_order_of_faults_on_a_link_does_not_matter(conditions: list[Condition], random: object) -> None:
    shuffled = list(conditions)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert compose(shuffled) == compose(conditions)


def test_delays_add_the_least_rate_holds_losses_are_independent_and_down_wins() -> None:
    both = compose([Condition(0.1, 5.0, 0.5), Condition(0.2, 3.0, 0.5, down=True)])
    assert both == Condition(math.fsum((0.1, 0.2)), 3.0, 0.75, True)
    assert compose([]) == AS_ALWAYS


@given(FAULTS)
def test_after_the_last_fault_has_ended_everything_is_as_always(
    faults: list[tuple[Effect, float, float]],
) -> None:
    ledger = Ledger()
    conditions: dict[tuple[int, int], Condition] = {}
    dark: set[int] = set()
    added = [ledger.add(draft(effect, for_s), since_s) for effect, since_s, for_s in faults]
    told_s = -math.inf

    def follow(until_s: float) -> None:
        nonlocal told_s
        while ledger.next_s() <= until_s:
            change = ledger.step()
            assert change.at_s >= told_s
            told_s = change.at_s
            conditions.update(change.conditions)
            dark.update(change.dark)
            dark.difference_update(change.lit)

    follow(10.0)
    acting = [f.draft.effect for f in ledger.faults]
    assert dark == {node for effect in acting for node in effect.dark}
    for way in WAYS:
        wanted = compose(effect.links[way] for effect in acting if way in effect.links)
        assert conditions.get(way, AS_ALWAYS) == wanted
    for fault in added:
        if fault.until_s == math.inf:
            ledger.end(fault.id, 11.0)
    follow(12.0)
    assert all(condition == AS_ALWAYS for condition in conditions.values())
    assert not dark
    assert ledger.conditions == {}
    assert ledger.faults == []
