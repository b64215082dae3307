"""Laws that hold for every input: garbage is an error and never a crash, what is dumped loads back, merging is lawful."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skyrack.orchestrator.scenario import (
    Scenario,
    ScenarioError,
    dump_scenario,
    json_schema,
    preset_names,
    station_names,
)
from skyrack.orchestrator.scenario.loader import scenario_of
from skyrack.orchestrator.scenario.reading.extends import CHOICES, merge
from skyrack.orchestrator.scenario.reading.parse import parse
from skyrack.orchestrator.scenario.reading.source import decode, read_preset
from skyrack.orchestrator.scenario.reading.tree import Mapping, Source, plain

SCHEMA = json_schema()
KEYS = sorted({key for part in (SCHEMA, *SCHEMA["$defs"].values()) for key in part["properties"]})
WORDS = [
    *("all", "random", "delta", "star", "cluster", "walker"),
    *("london", "iridium", "p0s00", "a>b", "2026-01-01", "no", "x.yaml"),
]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.integers(min_value=-2, max_value=20),
    st.sampled_from(WORDS),
    st.text(max_size=8),
)
garbage_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=25,
)
garbage_scenarios = st.dictionaries(
    st.sampled_from(["extends", *SCHEMA["properties"]]), garbage_values, max_size=8
)


def load(data: bytes) -> Scenario | None:
    """Load bytes as a scenario file; None and a printable error when it is not one."""
    try:
        return scenario_of(decode(data, "garbage.yaml", Path("/nonexistent")))
    except ScenarioError as error:
        rejected = error
    assert str(rejected)
    assert all(problem.message for problem in rejected.problems)
    return None


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=80))
@example(b"\xff\xfe")
@example(b"%YAML 9.9\n---\na: b")
@example(b"&a [*a]")
@example(b"&a *a")
@example(b"a: &x {b: *x}")
@example(b"? ? ? a")
@example(b"\xc2\x85a: b\xc2\x85\tb: c")
def test_random_bytes_never_raise_anything_but_scenario_errors(data: bytes) -> None:
    load(data)


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet=st.sampled_from("ab:-?[]{},&*!|>'\"%@`#~ \t\n0123456789.eE"), max_size=60))
def test_random_yaml_punctuation_never_raises_anything_but_scenario_errors(text: str) -> None:
    load(text.encode())


@settings(deadline=None, max_examples=500)
@given(garbage_scenarios)
def test_known_keys_with_random_values_never_raise_anything_but_scenario_errors(data: dict[str, Any]) -> None:
    load(yaml.safe_dump(data, allow_unicode=True).encode("utf-8", "replace"))


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(preset_names()), st.data())
def test_presets_with_a_few_characters_changed_never_raise_anything_but_scenario_errors(
    name: str, data: st.DataObject
) -> None:
    text = "\n".join(read_preset(name).lines)
    for _ in range(data.draw(st.integers(1, 3))):
        where = data.draw(st.integers(0, len(text)))
        text = text[:where] + data.draw(st.text(max_size=2)) + text[where + data.draw(st.integers(0, 3)) :]
    load(text.encode("utf-8", "replace"))


def test_aliases_cannot_make_a_small_file_huge() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    assert load("\n".join(lines).encode()) is None


BOX = dict.fromkeys(("lat_min_deg", "lat_max_deg", "lon_min_deg", "lon_max_deg"), 1)

names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
walkers = st.builds(
    lambda **keys: keys,
    planes=st.integers(1, 8),
    slots=st.integers(1, 8),
    altitude_km=st.floats(300, 2000),
    inclination_deg=st.floats(0, 180),
    eccentricity=st.floats(0, 0.01),
    walker=st.sampled_from(["delta", "star"]),
    alternate_half_slot=st.booleans(),
    raan_offset_deg=st.floats(-360, 360),
    epoch=st.none()
    | st.datetimes(datetime(1958, 1, 1), datetime(2099, 1, 1)).map(lambda t: f"{t.isoformat()}Z"),
)
clusters = st.builds(
    lambda **keys: {"kind": "cluster", "altitude_km": 650, "inclination_deg": 97, **keys},
    satellites=st.integers(1, 30),
    ltan_h=st.floats(0, 23.9),
)
positions = st.builds(
    lambda **keys: {"kind": "geostationary", **keys},
    longitudes_deg=st.lists(st.floats(-180, 180), min_size=1, max_size=3),
)
scenarios = st.builds(
    lambda shells, stations, **keys: {
        "version": 1,
        "shells": [{**shell, "name": f"s{number}"} for number, shell in enumerate(shells)],
        "ground": [
            *stations[0],
            *({"name": f"g-{name}", "lat_deg": lat, "lon_deg": lon} for name, lat, lon in stations[1]),
        ],
        **keys,
    },
    name=names,
    shells=st.lists(walkers | clusters | positions, min_size=1, max_size=3),
    stations=st.tuples(
        st.lists(st.sampled_from(station_names()), unique=True, max_size=3),
        st.lists(
            st.tuples(names, st.floats(-90, 90), st.floats(-180, 180)), unique_by=lambda s: s[0], max_size=2
        ),
    ),
    users=st.lists(
        st.builds(
            lambda city, **keys: {"city": city, **keys},
            st.sampled_from(station_names()),
            elevation_mask_deg=st.floats(0, 89),
            down_bps=st.floats(1e3, 1e15),
        ),
        unique_by=lambda user: user["city"],
        max_size=2,
    ),
    speed=st.floats(0.001, 1000),
    seed=st.integers(0, 2**53),
    mtu=st.integers(576, 65535),
    network=st.sampled_from(["10.0.0.0/8", "192.168.0.0/16"]),
    inhabited=st.sampled_from(
        [
            "all",
            {"count": 1},
            [],
            {"box": BOX},
        ]
    ),
    links=st.fixed_dictionaries(
        {
            "laser_rate_bps": st.floats(1e3, 1e15),
            "zero_delay": st.booleans(),
            "queue_bytes": st.none() | st.integers(1, 10**15),
        }
    ),
    workloads=st.lists(
        st.builds(lambda **keys: keys, rate_hz=st.floats(0.001, 1e6), pairs=st.just([])), max_size=2
    ),
)


@settings(deadline=None, max_examples=200)
@given(scenarios)
def test_a_dumped_scenario_loads_back_equal(data: dict[str, Any]) -> None:
    first = load(json.dumps(data).encode())
    assert first is not None, "the strategy makes only valid scenarios"
    again = load(dump_scenario(first).encode())
    assert again == first
    assert again is not None
    assert dump_scenario(again) == dump_scenario(first)


def test_every_preset_dumped_loads_back_equal() -> None:
    for name in preset_names():
        scenario = scenario_of(read_preset(name))
        assert load(dump_scenario(scenario).encode()) == scenario


trees = st.recursive(
    st.integers(0, 9) | st.lists(st.integers(0, 3), max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=12,
)
mappings = st.dictionaries(st.sampled_from(["a", "b", "c", *CHOICES]), trees, max_size=4)


def tree(data: dict[str, Any]) -> Mapping:
    root, _ = parse(Source("x", Path(), (json.dumps(data),)))
    assert isinstance(root, Mapping)
    return root


def merged(base: dict[str, Any], over: dict[str, Any]) -> Any:
    return plain(merge(tree(base), tree(over)))


@given(mappings)
def test_merging_nothing_changes_nothing(a: dict[str, Any]) -> None:
    assert merged(a, {}) == a
    assert merged({}, a) == a
    assert merged(a, a) == a


# A key of a scenario has one kind: it is a mapping everywhere or nowhere, but for choices, which replace as a whole.
leaves = st.integers(0, 9) | st.lists(st.integers(0, 3), max_size=3)
kinds_fixed = st.fixed_dictionaries(
    {},
    optional={
        "section": st.fixed_dictionaries(
            {}, optional={"inner": st.dictionaries(st.sampled_from("ab"), leaves), "leaf": leaves}
        ),
        "leaf": leaves,
        "inhabited": leaves | st.dictionaries(st.sampled_from("ab"), leaves),
    },
)


@given(kinds_fixed, kinds_fixed, kinds_fixed)
def test_a_chain_of_extends_means_the_same_however_it_is_bracketed(
    a: dict[str, Any], b: dict[str, Any], c: dict[str, Any]
) -> None:
    assert merged(merged(a, b), c) == merged(a, merged(b, c))


@given(mappings, mappings)
def test_what_extends_wins_and_lists_and_choices_replace(base: dict[str, Any], over: dict[str, Any]) -> None:
    result = merged(base, over)
    assert set(result) == set(base) | set(over)
    for key, value in over.items():
        if key in CHOICES or not isinstance(value, dict) or not isinstance(base.get(key), dict):
            assert result[key] == value
        else:
            assert result[key] == merged(base[key], value)
    for key in set(base) - set(over):
        assert result[key] == base[key]
