"""Rain takes rate and not light: links slow down or close, and delays stay as they were."""

import numpy as np

from skyrack.orchestrator.scenario import Scenario, load_scenario
from skyrack.orchestrator.topology.epoch import GROUND, Epoch
from skyrack.orchestrator.topology.geometry import Geometry


def geometry(weather: dict[str, object], attenuation_db: float = 0.0) -> Geometry:
    base = load_scenario("iridium")
    keys = base.model_dump() | {
        "shells": [shell.model_dump() for shell in base.shells],
        "ground": ["london", {"name": "singapore", "attenuation_db": attenuation_db}],
        "inhabited": {"count": 1},
        "weather": weather,
        "links": {"elevation_mask_deg": 8.2},
    }
    return Geometry(Scenario.model_validate(keys, strict=False))


def shares(epoch: Epoch) -> np.ndarray:
    assert epoch.share is not None
    return np.asarray(epoch.share[epoch.kind == GROUND])


def test_without_weather_nothing_is_computed_for_it() -> None:
    assert geometry({}).epoch(0.0).share is None


def test_rain_slows_the_way_up_more_than_the_way_down_and_leaves_the_delay() -> None:
    dry, wet = geometry({}), geometry({"band": "ka", "snr_db": 10.0})
    epoch = wet.epoch(100.0)
    share = shares(epoch)
    assert (share <= 1.0).all()
    assert (share[:, 1] <= share[:, 0]).all(), "28.5 GHz up suffers more than 18.8 down"
    assert (share < 1.0).any()
    lasers = epoch.kind != GROUND
    assert (epoch.share[lasers] == 1.0).all() if epoch.share is not None else False
    a, b = epoch.a[~lasers], epoch.b[~lasers]
    assert (dry.delay_s(a, b, 100.0) == wet.delay_s(a, b, 100.0)).all()


def test_a_storm_above_the_margin_closes_the_station() -> None:
    sky = geometry({"band": "ka"}, attenuation_db=60.0)
    epoch = sky.epoch(0.0)
    assert sky.index_of("singapore") not in epoch.b[epoch.kind == GROUND]
    assert sky.index_of("london") in epoch.b[epoch.kind == GROUND]


def test_the_same_seed_has_the_same_weather_whatever_was_asked_before() -> None:
    first, second = geometry({"band": "ka"}), geometry({"band": "ka"})
    first.epoch(5000.0)
    assert (shares(first.epoch(60.0)) == shares(second.epoch(60.0))).all()


def test_clouds_block_an_optical_station_or_leave_it_alone() -> None:
    sky = geometry({"band": "optical", "clear_ratio": 0.5})
    seen = [sky.index_of("london") in sky.epoch(float(t_s)).b for t_s in range(0, 400_000, 20_000)]
    assert any(seen)
    assert not all(seen)
