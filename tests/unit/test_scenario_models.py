"""The models: counts and figures of the presets, defaults, names of satellites."""

from datetime import UTC, datetime
from ipaddress import IPv4Network
from typing import Any

import pytest
from pydantic import ValidationError

from skyrack.orchestrator.scenario import (
    ClusterShell,
    GeostationaryShell,
    InhabitedCount,
    Links,
    Scenario,
    WalkerShell,
    load_scenario,
    preset_names,
    satellite_names,
)

SATELLITES = {  # parameters published for each constellation
    "iridium": 66,
    "kuiper": 3236,
    "kuiper630": 1156,
    "oneweb": 648,
    "starlink-gen1": 4408,
    "starlink-gen2-granted": 10080,
    "starlink-shell1": 1584,
    "starlink-v3": 3360,
    "suncatcher": 81,
    "telesat-polar": 351,
    "three-body": 12,
    "viasat3": 1,
}


def scenario(**keys: Any) -> Scenario:
    return Scenario.model_validate({"version": 1, "name": "x", **keys})


def shell(**keys: Any) -> dict[str, Any]:
    return {"planes": 2, "slots": 3, "altitude_km": 550, "inclination_deg": 53, **keys}


def test_every_preset_has_as_many_satellites_as_published() -> None:
    assert {name: len(satellite_names(load_scenario(name))) for name in preset_names()} == SATELLITES


def test_every_preset_is_called_what_it_is_asked_for_by() -> None:
    assert [load_scenario(name).name for name in preset_names()] == list(preset_names())


def test_iridium_is_the_demo() -> None:
    iridium = load_scenario("iridium")
    (star,) = iridium.shells
    assert isinstance(star, WalkerShell)
    assert (star.walker, star.grid, star.altitude_km, star.inclination_deg) == ("star", (6, 11), 780, 86.4)
    assert star.alternate_half_slot
    assert not star.seam_lit, "121 lasers: 66 in plane, 5 x 11 across, none over the seam"
    assert len(set(iridium.inhabited)) == 12
    assert len(iridium.ground) == 3


def test_kuiper630_is_the_published_test_to_the_digit() -> None:
    kuiper = load_scenario("kuiper630")
    (shell,) = kuiper.shells
    assert isinstance(shell, WalkerShell)
    assert shell.grid == (34, 34)
    assert (shell.inclination_deg, shell.mean_motion_rev_per_day, shell.eccentricity) == (51.9, 14.80, 1e-7)
    assert (shell.altitude_km, shell.alternate_half_slot, shell.phasing, shell.walker) == (
        None,
        True,
        0,
        "delta",
    )
    assert shell.epoch == kuiper.start == datetime(2000, 1, 1, tzinfo=UTC)
    assert kuiper.links.ground_range_km == 1260
    places = {station.name: (station.lat_deg, station.lon_deg) for station in kuiper.ground}
    assert places == {"manila": (14.6042, 120.9822), "dalian": (38.913811, 121.602322)}


def test_the_cluster_and_the_geostationary_preset_are_of_their_kind() -> None:
    (cluster,) = load_scenario("suncatcher").shells
    assert isinstance(cluster, ClusterShell)
    assert (cluster.satellites, cluster.spacing_m, cluster.altitude_km, cluster.ltan_h) == (81, 100, 650, 18)
    (geo,) = load_scenario("viasat3").shells
    assert isinstance(geo, GeostationaryShell)
    assert geo.longitudes_deg == (-79,)


def test_defaults_are_those_of_the_reference() -> None:
    plain = scenario(shells=[shell()])
    assert plain.start == datetime(2026, 1, 1, tzinfo=UTC)
    assert (plain.speed, plain.seed, plain.mtu) == (1, 1, 1500)
    assert plain.network == IPv4Network("100.64.0.0/10")
    assert (plain.links.epoch_s, plain.links.epoch_offset_s, plain.links.elevation_mask_deg) == (15, 12, 25)
    assert (plain.links.graze_altitude_km, plain.links.byte_scale, plain.links.loss_ratio) == (80, 1, 0)
    assert (plain.ground, plain.workloads, plain.nodes.restart) == ((), (), "on-crash")


@pytest.mark.parametrize(
    ("slots", "expected"),
    [(50, "all"), (51, InhabitedCount(count=12))],
    ids=["100 satellites", "102 satellites"],
)
def test_small_constellations_are_all_inhabited_large_ones_in_twelve_places(
    slots: int, expected: object
) -> None:
    assert scenario(shells=[shell(slots=slots)]).inhabited == expected


def test_shells_are_seamless_as_deltas_and_not_as_stars() -> None:
    seams = [
        WalkerShell.model_validate(shell(walker=walker, cross_plane_seam=seam)).seam_lit
        for walker, seam in (("delta", None), ("star", None), ("delta", False), ("star", True))
    ]
    assert seams == [True, False, False, True]


def test_satellites_are_named_by_plane_and_slot_with_the_shell_in_front_only_where_there_are_several() -> (
    None
):
    assert satellite_names(scenario(shells=[shell(name="gen1")])) == (
        "p0s00",
        "p0s01",
        "p0s02",
        "p1s00",
        "p1s01",
        "p1s02",
    )
    two = satellite_names(scenario(shells=[shell(name="a"), shell(name="b", planes=11, slots=101)]))
    assert two[:2] == ("a-p0s00", "a-p0s01")
    assert two[-1] == "b-p10s100"
    assert "b-p0s007" in two, "slots take three digits from 101 on"


def test_the_queue_holds_a_tenth_of_a_second_of_any_rate_unless_the_scenario_says_otherwise() -> None:
    assert Links().queue_limit_bytes(100e9) == 1_250_000_000
    assert Links().queue_limit_bytes(100e6) == 1_250_000
    assert Links().queue_limit_bytes(1e3) == 65_536, "room for one train of segments at the slowest rate"
    assert Links(queue_bytes=1).queue_limit_bytes(100e9) == 1


def test_a_scenario_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        load_scenario("iridium").seed = 2


@pytest.mark.parametrize(
    "wrong", [{"speed": "1"}, {"speed": True}, {"seed": 1.5}, {"start": datetime(2026, 1, 1)}]
)
def test_values_of_the_wrong_type_are_never_converted(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        scenario(shells=[shell()], **wrong)
