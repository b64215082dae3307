"""News travels no faster than light and processing carry it, and reaches everybody who can be reached."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrack.orchestrator.routing.flooding import (
    all_heard_s,
    learns_s,
    summary,
    witnesses_of_loss,
    witnesses_of_return,
)

N = 8
PAIRS = [(a, b) for a in range(N) for b in range(a + 1, N)]
LINKS = st.lists(st.tuples(st.sampled_from(PAIRS), st.floats(1e-4, 0.05)), unique_by=lambda link: link[0])
WITNESSES = st.dictionaries(st.integers(0, N - 1), st.floats(10.0, 10.2), min_size=1, max_size=3)
PROCESSING_S = 0.0005


def spread(links: list[tuple[tuple[int, int], float]], witnesses: dict[int, float]) -> np.ndarray:
    a = np.array([pair[0] for pair, _ in links], np.int32)
    b = np.array([pair[1] for pair, _ in links], np.int32)
    delay_s = np.array([delay for _, delay in links], np.float64)
    return learns_s(N, a, b, delay_s, PROCESSING_S, witnesses)


@given(LINKS, WITNESSES)
def test_news_arrives_when_the_first_neighbour_has_passed_it_on(
    links: list[tuple[tuple[int, int], float]], witnesses: dict[int, float]
) -> None:
    heard_s = spread(links, witnesses)
    for node in range(N):
        ways = [witnesses.get(node, np.inf)]
        for (a, b), delay_s in links:
            if node in (a, b):
                ways.append(heard_s[a + b - node] + delay_s + PROCESSING_S)
        assert heard_s[node] == pytest.approx(min(ways), abs=1e-9), f"node {node}"


def test_who_is_cut_off_never_hears() -> None:
    heard_s = spread([((0, 1), 0.01)], {0: 5.0})
    assert heard_s[1] == pytest.approx(5.0105)
    assert np.isinf(heard_s[2:]).all()
    assert summary([heard_s], N, 4.9)["cut_off"] == N - 2


def test_both_ends_of_a_lost_link_notice_when_its_last_light_and_the_hellos_are_over() -> None:
    a, b, delay_s = np.array([0, 1], np.int32), np.array([1, 2], np.int32), np.array([0.01, 0.02])
    lost = np.array([True, False])
    assert witnesses_of_loss(a, b, delay_s, lost, 3.0, 0.15) == {
        0: pytest.approx(3.16),
        1: pytest.approx(3.16),
    }
    assert witnesses_of_return(a, b, delay_s, ~lost, 3.0) == {1: pytest.approx(3.02), 2: pytest.approx(3.02)}


@given(LINKS, st.lists(WITNESSES, min_size=1, max_size=4))
def test_nobody_acts_on_a_plane_s_loss_before_the_news_of_each_part_that_reaches_him(
    links: list[tuple[tuple[int, int], float]], parts: list[dict[int, float]]
) -> None:
    parts_s = [spread(links, witnesses) for witnesses in parts]
    acts_s = all_heard_s(parts_s, N)
    for part_s in parts_s:
        reached = np.isfinite(part_s)
        assert (acts_s[reached] >= part_s[reached]).all()
    assert (np.isinf(acts_s) == np.isinf(parts_s).all(axis=0)).all()
    assert all(
        acts == np.inf or any(acts == part_s[i] for part_s in parts_s) for i, acts in enumerate(acts_s)
    )


def test_a_plane_is_noticed_with_its_first_part_and_known_with_its_last() -> None:
    near, far = np.full(N, 5.2), np.full(N, 5.3)
    near[0], far[:] = 5.15, 5.3 + 0.01 * np.arange(N)
    found = summary([near, far], N, 5.0)
    assert (found["detected_after_s"], found["last_informed_after_s"]) == (0.15, 0.37)
