"""What a node knows is what it has heard, whatever the order, and a table is told for every change of that."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from skyrack.orchestrator.routing.views import MOST_NEWS, News, Views
from skyrack.orchestrator.topology.failures import NO_FAILURES, Failures

N = 4
TIMES = st.tuples(*[st.sampled_from((1.0, 2.0, 3.0, 4.0, np.inf))] * N)


def lost(*nodes: int) -> Failures:
    return Failures(nodes=frozenset(nodes))


def heard(times: list[tuple[float, ...]]) -> Views:
    views = Views()
    for number, when_s in enumerate(times):
        views = views.hear(News(lost(number), NO_FAILURES, np.array(when_s)))
    return views


@given(st.lists(TIMES, min_size=1, max_size=4), st.sampled_from((0.0, 1.0, 2.5)), st.sampled_from((3.5, 9.0)))
def test_the_changes_lead_from_one_instants_views_to_anothers(
    times: list[tuple[float, ...]], after_s: float, before_s: float
) -> None:
    views = heard(times)
    masks, since_s = views.masks_at(after_s, N), np.full(N, after_s)
    for mask, when_s in views.changes(after_s, before_s):
        comes = np.isfinite(when_s) & (when_s >= since_s)
        masks, since_s = np.where(comes, mask, masks), np.where(comes, when_s, since_s)
    assert masks.tolist() == views.masks_at(np.nextafter(before_s, 0.0), N).tolist()


@given(st.lists(TIMES, min_size=1, max_size=4))
def test_a_view_is_told_after_those_that_it_contains(times: list[tuple[float, ...]]) -> None:
    """Where two have to be put off to one instant, what is told last stays."""
    masks = [mask for mask, _ in heard(times).changes(0.0, 9.0)]
    for i, mask in enumerate(masks):
        assert not any(later & mask == later for later in masks[i + 1 :])


def test_a_return_that_is_heard_before_the_loss_still_counts_as_later() -> None:
    views = Views().hear(News(lost(7), NO_FAILURES, np.array([5.0])))
    views = views.hear(News(NO_FAILURES, lost(7), np.array([2.0])))
    assert views.knowledge(0b10) == NO_FAILURES
    assert views.knowledge(0b11) == NO_FAILURES, "a node that hears the old news last must not believe it"
    assert views.knowledge(0b01) == lost(7)


def test_what_everybody_has_heard_is_the_base_of_all() -> None:
    views = heard([(1.0, 2.0, 3.0, np.inf), (9.0, 9.0, 9.0, 9.0)])
    assert views.settled(2.9) == views
    settled = views.settled(3.0)
    assert settled.base == lost(0)
    assert len(settled.news) == 1


@given(st.permutations(range(4)), st.lists(st.booleans(), min_size=4, max_size=4))
def test_the_order_of_hearing_does_not_matter_once_all_is_heard(order: list[int], better: list[bool]) -> None:
    """Four changes of one node, heard in any order: at the end every node believes the newest."""
    views = Views()
    for number, back in enumerate(better):
        heard_s = np.full(N, 1.0 + order.index(number))
        views = views.hear(News(NO_FAILURES if back else lost(7), lost(7) if back else NO_FAILURES, heard_s))
    (mask,) = set(views.masks_at(9.0, N).tolist())
    assert views.knowledge(mask) == (NO_FAILURES if better[-1] else lost(7))
    assert views.settled(9.0) == Views(views.knowledge(mask))


@given(st.lists(TIMES, min_size=1, max_size=4), st.sampled_from((0.0, 1.0, 2.0, 3.0, 4.0)))
def test_settling_takes_knowledge_from_nobody(times: list[tuple[float, ...]], at_s: float) -> None:
    """Who was cut off gains what all others know; nobody else's view changes."""
    views = heard(times)
    settled = views.settled(at_s)
    gone = len(views.news) - len(settled.news)
    everybody = (1 << gone) - 1
    for before, after in zip(
        views.masks_at(at_s, N).tolist(), settled.masks_at(at_s, N).tolist(), strict=True
    ):
        assert settled.knowledge(after) == views.knowledge(before | everybody)


def test_more_news_than_a_mask_has_bits_is_not_lost() -> None:
    views = heard([(1.0, 1.0, 1.0, 1.0)] * (MOST_NEWS + 5))
    assert len(views.news) == MOST_NEWS
    assert views.knowledge((1 << MOST_NEWS) - 1) == lost(*range(MOST_NEWS + 5))


def test_what_is_taken_back_nobody_has_heard_and_the_rest_of_the_news_stays() -> None:
    views = Views().hear(News(lost(7, 8), NO_FAILURES, np.array([5.0])))
    views = views.hear(News(lost(9), NO_FAILURES, np.array([6.0])))
    assert views.unhear(lost(7)).knowledge(0b11) == lost(8, 9)
    assert len(views.unhear(lost(9)).changes(0.0, 9.0)) == 1, "nobody changes anything for nothing"
    assert views.unhear(lost(1)) is views
