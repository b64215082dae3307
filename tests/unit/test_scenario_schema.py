"""The committed schema and reference page say what the code does, for every key."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from skyrack.orchestrator import scenario as package
from skyrack.orchestrator.scenario import (
    dump_scenario,
    json_schema,
    load_scenario,
    preset_names,
    station_names,
)
from skyrack.orchestrator.scenario.__main__ import REFERENCE_FILE, SCHEMA_FILE
from skyrack.orchestrator.scenario.reading.parse import parse
from skyrack.orchestrator.scenario.reading.source import decode, read_preset
from skyrack.orchestrator.scenario.reading.tree import plain
from skyrack.orchestrator.scenario.reference import reference_markdown
from skyrack.orchestrator.scenario.schema import schema_text

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "deploy/scenarios").glob("*.yaml"))
REFRESH = "run: python -m skyrack.orchestrator.scenario ."


def validator() -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    return jsonschema.Draft202012Validator(json_schema())


def data_of(text: str) -> Any:
    tree, problems = parse(decode(text.encode(), "x.yaml", Path()))
    assert tree is not None
    assert not problems
    return plain(tree)


def keys() -> Iterator[tuple[str, str, dict[str, Any]]]:
    schema = json_schema()
    for section, definition in (("", schema), *schema["$defs"].items()):
        for key, value in definition["properties"].items():
            yield section, key, value


def test_the_committed_schema_is_fresh() -> None:
    assert (ROOT / SCHEMA_FILE).read_text("utf-8") == schema_text(), REFRESH


def test_the_reference_page_is_fresh() -> None:
    assert (ROOT / REFERENCE_FILE).read_text("utf-8") == reference_markdown(), REFRESH


@pytest.mark.parametrize("name", preset_names())
def test_editors_accept_every_preset_and_what_it_resolves_to(name: str) -> None:
    validator().validate(data_of("\n".join(read_preset(name).lines)))
    validator().validate(data_of(dump_scenario(load_scenario(name))))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_loads_and_names_the_schema(path: Path) -> None:
    scenario = load_scenario(path)
    assert scenario.name == path.stem
    validator().validate(data_of(path.read_text()))
    reference = path.read_text().splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / reference).resolve() == ROOT / SCHEMA_FILE


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "{extends: iridum}",
        "{extends: iridium, sed: 3}",
        "{extends: iridium, links: {laser_rate: 3}}",
        "{extends: iridium, ground: [londn]}",
        "{extends: iridium, ground: [{name: hq}]}",
        "{extends: iridium, shells: [{planes: 0, slots: 1, inclination_deg: 3}]}",
        "{extends: iridium, inhabited: {count: -1}}",
        "{extends: iridium, speed: 0}",
    ],
)
def test_editors_reject_what_the_loader_rejects(text: str) -> None:
    assert not validator().is_valid(data_of(text))


def test_every_key_says_what_it_is() -> None:
    assert [(section, key) for section, key, value in keys() if not value.get("description")] == []


def test_every_number_has_a_unit() -> None:
    without = {
        key for _, key, value in keys() if '"number"' in json.dumps(value) or '"integer"' in json.dumps(value)
    } - {key for _, key, value in keys() if "x-unit" in value}
    # Ports, and words that may be written as numbers, are no quantities.
    assert without == {"version", "seed", "port", "grpc", "command", "env"}


def test_every_default_says_where_it_comes_from() -> None:
    for section, key, value in keys():
        if value.get("default") is None or isinstance(value["default"], dict):
            continue
        assert value["x-source"][:1] in "PCD", f"{section}.{key}"
        assert value["x-source"][1:2] == ":", f"{section}.{key}"


def test_presets_tag_every_figure_with_its_source() -> None:
    for name in preset_names():
        lines = read_preset(name).lines
        untagged = [
            line
            for number, line in enumerate(lines)
            if any(char.isdigit() for char in line.split("#")[0].partition(":")[2])
            and not line.startswith(("version", "name"))
            and not any(tag in line.partition("#")[2] for tag in (" P", " C", " D"))
            and "# P" not in "".join(lines[max(0, number - 3) : number])
        ]
        assert untagged == [], name


def test_known_stations_are_marked_as_approximate_and_on_earth() -> None:
    text = Path(package.__file__).with_name("stations.yaml").read_text()
    assert "APPROXIMATE, ILLUSTRATIVE" in text
    assert 20 <= len(station_names()) <= 25
    for place in yaml.safe_load(text).values():
        assert -90 <= place["lat_deg"] <= 90
        assert -180 <= place["lon_deg"] <= 180
        assert round(place["lat_deg"], 2) == place["lat_deg"], "town level: two decimals"
