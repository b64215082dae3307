"""Explanations: a link is called down exactly when it is not in force, and each limit is named when it is the one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyrack.orchestrator.scenario import Scenario, load_scenario
from skyrack.orchestrator.topology.explain import LOOK_S, explain_link, explain_no_path
from skyrack.orchestrator.topology.failures import Failures
from skyrack.orchestrator.topology.geometry import Geometry

IRIDIUM = Geometry(load_scenario("iridium"))


def changed(preset: str = "iridium", **more: Any) -> Geometry:
    base = load_scenario(preset).model_dump(mode="json")
    for name, value in more.items():
        base[name] = {**base[name], **value} if isinstance(base.get(name), dict) else value
    return Geometry(Scenario.model_validate(base))


@settings(deadline=None, max_examples=60)
@given(t_s=st.floats(0, 20_000), a=st.integers(0, 65), b=st.integers(0, 68))
def test_a_link_is_up_exactly_when_the_epoch_has_it_and_down_for_a_reason(t_s: float, a: int, b: int) -> None:
    if a == b:
        return
    epoch = IRIDIUM.epoch(t_s)
    has = bool(((epoch.a == min(a, b)) & (epoch.b == max(a, b))).any())
    state = explain_link(IRIDIUM, a, b, t_s)
    assert state.up == has
    assert bool(state.reasons) != has
    if state.until_s is not None:
        assert state.until_s > t_s
        assert explain_link(IRIDIUM, a, b, state.until_s + 1e-3).up != has
    if state.since_s is not None:
        assert t_s - LOOK_S <= state.since_s <= t_s
        assert explain_link(IRIDIUM, a, b, state.since_s - 1e-3).up != has


def codes(geometry: Geometry, a: str, b: str, t_s: float = 0.0, failures: Failures | None = None) -> set[str]:
    state = explain_link(geometry, geometry.index_of(a), geometry.index_of(b), t_s, failures or Failures())
    return {reason.code for reason in state.reasons}


def test_the_seam_and_those_who_are_no_neighbours() -> None:
    assert "seam" in codes(IRIDIUM, "p0s00", "p5s00")
    assert {"not_neighbours", "line_of_sight"} <= codes(IRIDIUM, "p0s00", "p3s05")


def test_range_is_named_with_how_far_beyond() -> None:
    geometry = changed(links={"laser_range_km": 1000})
    state = explain_link(geometry, 0, 1, 0.0)
    assert [reason.code for reason in state.reasons] == ["range"]
    assert state.margins["range_km"] < -1000.0


def test_a_turn_too_fast_is_named() -> None:
    geometry = changed(links={"pointing_rate_max_deg_s": 0.001})
    pair = next((a, b) for a, b in geometry.constellation.grid_pairs.tolist() if b - a == 11)
    assert "pointing_rate" in {reason.code for reason in explain_link(geometry, *pair, 0.0).reasons}


def test_an_acquisition_is_named_until_it_ends() -> None:
    geometry = changed(
        links={"acquisition_min_s": 20, "acquisition_max_s": 20, "pointing_rate_max_deg_s": 0.05}
    )
    for number in range(200):
        t0_s = geometry.grid_clock.boundary_s(number)
        begun = geometry.acquisitions(t0_s)
        for (a, b), start_s, ready_s in zip(begun.pairs.tolist(), begun.start_s, begun.ready_s, strict=True):
            if t0_s <= start_s < t0_s + 15.0:
                state = explain_link(geometry, a, b, float(start_s))
                assert [reason.code for reason in state.reasons] == ["acquiring"]
                assert f"{ready_s:g} s" in state.reasons[0].text
                return
    pytest.fail("nobody acquires")


def test_below_the_mask_with_the_next_rise_that_is_then_in_sight() -> None:
    london = IRIDIUM.index_of("london")
    below = next(s for s in range(66) if not explain_link(IRIDIUM, s, london, 0.0).up)
    reason = explain_link(IRIDIUM, below, london, 0.0).reasons[0]
    if reason.code == "below_mask":
        assert "rises at" in reason.text
        rises_s = float(reason.text.split("rises at ")[1].split(" s")[0])
        assert below in {int(a) for a, b in zip(*IRIDIUM.links_at(rises_s)[:2], strict=True) if b == london}


def test_antennas_and_weather_are_named() -> None:
    few = changed(links={"antennas": 1, "elevation_mask_deg": 8})
    london = few.index_of("london")
    wet = changed(weather={"band": "optical", "clear_ratio": 1e-9})

    def named(geometry: Geometry, code: str) -> bool:
        reasons = (reason for s in range(66) for reason in explain_link(geometry, s, london, 5.0).reasons)
        return any(reason.code == code for reason in reasons)

    assert named(few, "no_antenna")
    assert named(wet, "weather")


def test_what_has_failed_is_named_before_anything_else() -> None:
    a, b = (int(x) for x in (IRIDIUM.epoch(0.0).a[0], IRIDIUM.epoch(0.0).b[0]))
    names = IRIDIUM.names
    assert codes(IRIDIUM, names[a], names[b]) == set()
    assert codes(IRIDIUM, names[a], names[b], failures=Failures(links=frozenset({(a, b)}))) == {"failed"}
    assert codes(IRIDIUM, names[b], names[a], failures=Failures(nodes=frozenset({a}))) == {"dark"}


def test_no_path_is_explained_at_the_end_that_has_no_link_and_between_parts() -> None:
    london, tokyo = IRIDIUM.index_of("london"), IRIDIUM.index_of("tokyo")
    assert explain_no_path(IRIDIUM, london, tokyo, 0.0) == []
    blind = changed(links={"elevation_mask_deg": 89})
    reasons = explain_no_path(blind, london, tokyo, 0.0)
    assert [reason.code for reason in reasons[:2]] == ["no_link", "below_mask"]
    assert any("tokyo" in reason.text for reason in reasons)
    apart = changed(links={"laser_range_km": 4000})
    lasers_only_along = explain_no_path(apart, 0, 33, 0.0)
    if lasers_only_along and lasers_only_along[0].code == "partition":
        assert len(lasers_only_along) > 1
    dark = Failures(nodes=frozenset({london}))
    assert explain_no_path(IRIDIUM, london, tokyo, 0.0, dark)[0].code == "dark"


def test_rates_are_those_of_each_direction_as_asked() -> None:
    geometry = changed(links={"uplink_rate_bps": 1e9, "downlink_rate_bps": 4e9})
    epoch = geometry.epoch(0.0)
    ground = int((epoch.kind == 1).argmax())
    satellite, station = int(epoch.a[ground]), int(epoch.b[ground])
    assert explain_link(geometry, station, satellite, 0.0).rate_bps == pytest.approx((1e9, 4e9))
    assert explain_link(geometry, satellite, station, 0.0).rate_bps == pytest.approx((4e9, 1e9))
